"""What a plan and its delivery tell about themselves: figures, pictures, examples, and what to do."""

import json
from collections.abc import Mapping
from typing import Any

from stripe_cio_pipeline.deliver import DeliveryReport
from stripe_cio_pipeline.orchestration.drawings import Bar, Chart, as_markdown, draw_charts
from stripe_cio_pipeline.orchestration.metadata import markdown, masked_value, numbers, table
from stripe_cio_pipeline.plan import Plan, PlanCounts, found_words, remedy
from stripe_cio_pipeline.warehouse import Connection, Statements

_SQL = Statements("stripe_cio_pipeline.orchestration.sql")


def tell_of_plan(connection: Connection, plan: Plan) -> dict[str, Any]:
    """Tell how many of which kind and why, with a picture and the first operations."""
    charts = [
        Chart("Operations by reason", _bars(plan.by_reason), "Nothing is due: Customer.io has all that Stripe says."),
        Chart("People by attribute that changes", _bars(plan.by_attribute), "No attribute changes."),
    ]
    rows = connection.execute(_SQL["first_operations"], {"plan_id": plan.plan_id}).fetchall()
    return {
        **numbers(
            {
                **_counts(plan.counts),
                "dagster/row_count": plan.counts.operations + plan.counts.hold,
                "rejected_before": plan.counts.rejected,
                "waiting_events": plan.counts.waiting_events,
                "seconds": plan.seconds,
                "lag_stored_to_planned_seconds": _one(connection, "seconds_from_stored_to_planned", plan.plan_id),
            }
        ),
        "plan_id": plan.plan_id,
        "by_reason": markdown(
            table(("reason", "people and events"), plan.by_reason.items(), nothing="Nothing is due.")
        ),
        "picture": markdown(as_markdown(draw_charts(charts), "The plan by reason and by attribute")),
        "preview": markdown(
            table(
                ("action", "person", "why", "changes"),
                ((action, person, why, _changes(before, after)) for action, person, why, before, after in rows),
                nothing="Nothing is due.",
                longest_cell=400,
            )
        ),
    }


def tell_of_guard(plan: Plan) -> dict[str, Any]:
    """Tell which limits the plan is over, with examples, and how to go on."""
    verdict = plan.guard
    return {
        **({"what to do": remedy(plan)} if verdict.stopped else {}),
        **numbers({f"planned_{name}": value for name, value in _counts(plan.counts).items()}),
        "plan_id": plan.plan_id,
        "approved": verdict.approved,
        "findings": markdown(
            table(
                ("rule", "limit", "with what was sent lately", "what it means", "for example"),
                (
                    (found.rule, found.limit, found.value, found.message, ", ".join(found.examples[:5]))
                    for found in verdict.findings
                ),
                nothing="The plan is within all limits of the policy.",
                longest_cell=400,
            )
        ),
    }


def sum_up_guard(plan: Plan) -> str:
    """Say in a sentence or two what the guard found."""
    if not plan.guard.findings:
        return "It was approved." if plan.guard.approved else "The plan is within all limits of the policy."
    if plan.guard.approved:
        return f"{found_words(plan)} It was approved."
    return f"Nothing is sent until it is approved. {found_words(plan)} {remedy(plan)}"


def tell_of_delivery(connection: Connection, report: DeliveryReport, run_id: str) -> dict[str, Any]:
    """Tell what was sent and accepted, what was not and why, and the last writes."""
    charts = [
        Chart("Accepted by action", _bars(report.by_action), "Nothing was sent: nothing was due."),
        Chart("Rejected by reason", _bars(report.rejections_by_reason), "Nothing was rejected."),
    ]
    return {
        **numbers(
            {
                "planned": report.planned,
                "accepted": report.accepted,
                "rejected": report.rejected,
                "held": report.held,
                "left_due": report.due,
                "events_accepted": report.events_accepted,
                "events_rejected": report.events_rejected,
                "requests": report.requests,
                "bytes": report.bytes,
                "seconds": report.seconds,
                "lag_planned_to_accepted_seconds": _one(connection, "seconds_from_planned_to_accepted", run_id),
                "lag_event_to_accepted_seconds": _one(connection, "seconds_from_event_to_accepted", run_id),
            }
        ),
        "picture": markdown(as_markdown(draw_charts(charts), "Accepted and rejected")),
    }


def _counts(counts: PlanCounts) -> dict[str, int]:
    return {
        name: getattr(counts, name) for name in ("identify", "update", "delete", "suppress", "merge", "hold", "event")
    }


def _bars(values: Mapping[str, int]) -> list[Bar]:
    return [Bar(name, value) for name, value in sorted(values.items(), key=lambda item: (-item[1], item[0]))]


def _changes(before: str | None, after: str | None) -> str:
    old, new = _object(before), _object(after)
    return "; ".join(
        f"{name}: {masked_value(name, old.get(name))} → {masked_value(name, value)}" for name, value in new.items()
    )


def _object(text: str | None) -> dict[str, Any]:
    found = json.loads(text) if text else {}
    return found if isinstance(found, dict) else {}


def _one(connection: Connection, statement: str, parameter: str) -> float | None:
    row = connection.execute(_SQL[statement], [parameter]).fetchone()
    return None if row is None or row[0] is None else float(row[0])
