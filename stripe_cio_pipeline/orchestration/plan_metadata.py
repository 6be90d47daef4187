"""What a plan and its delivery tell about themselves: figures, pictures, examples, and what to do."""

import json
from collections.abc import Callable, Mapping
from typing import Any

import dagster as dg

from stripe_cio_pipeline.deliver import DeliveryReport
from stripe_cio_pipeline.drawing import Bar, Chart, as_markdown, draw_charts
from stripe_cio_pipeline.orchestration.metadata import bar_table, counts, markdown, masked_value, numbers, table
from stripe_cio_pipeline.orchestration.names import Names
from stripe_cio_pipeline.outside import visible
from stripe_cio_pipeline.plan import OTHERWISE, Plan, PlanCounts, found_words, guard_stop
from stripe_cio_pipeline.warehouse import Connection, Statements

_SQL = Statements("stripe_cio_pipeline.orchestration.sql")


def tell_of_plan(connection: Connection, plan: Plan) -> dict[str, Any]:
    """Tell how many of which kind and why, with a picture and the first operations."""
    charts = [
        Chart("Operations by reason", _bars(plan.by_reason), "Nothing to send: Customer.io matches Stripe."),
        Chart("People by attribute that changes", _bars(plan.by_attribute), "No attribute changes."),
    ]
    rows = connection.execute(_SQL["first_operations"], {"plan_id": plan.plan_id}).fetchall()
    return {
        "why": markdown(
            bar_table(
                ("why", "people and events"),
                _sorted(plan.by_reason),
                "Nothing to send: Customer.io matches Stripe.",
            )
        ),
        "picture": markdown(as_markdown(draw_charts(charts), "The plan by reason and by attribute")),
        "preview": markdown(
            table(
                ("action", "person", "why", "changes"),
                ((action, person, why, _changes(before, after)) for action, person, why, before, after in rows),
                nothing="Nothing to send.",
                longest_cell=400,
            )
        ),
        **counts(
            {
                **_planned(plan.counts),
                "rejected before": plan.counts.rejected,
                "events waiting for their person": plan.counts.waiting_events,
            }
        ),
        **numbers(
            {
                "dagster/row_count": plan.counts.operations + plan.counts.hold,
                "seconds": plan.seconds,
                "seconds from stored to planned": _one(connection, "seconds_from_stored_to_planned", plan.plan_id),
            }
        ),
        "plan_id": plan.plan_id,
    }


def tell_of_guard(names: Names, plan: Plan) -> dict[str, Any]:
    """Tell how to go on, and which limits the plan is over. Dagster sorts a check's entries, capitals first."""
    verdict = plan.guard
    return {
        **({"Approve with": markdown(_fenced(_approval(names, plan)))} if verdict.stopped else {}),
        "Limits": markdown(
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
        **counts(_planned(plan.counts)),
        "plan_id": plan.plan_id,
        "was approved": verdict.approved,
    }


def sum_up_guard(names: Names, plan: Plan) -> str:
    """Say what the guard found and how to go on, in Markdown, as Dagster shows it above a check's entries."""
    if not plan.guard.findings:
        return "It was approved." if plan.guard.approved else "The plan is within all limits of the policy."
    if plan.guard.approved:
        return f"{found_words(plan)} It was approved."
    return f"Nothing is sent until it is approved. {found_words(plan)}\n\n{_remedy(names, plan, _fenced)}"


def guard_failure(names: Names, plan: Plan) -> dg.Failure:
    """Give the failure of a run whose plan was stopped: why, and what to do."""
    what = visible(guard_stop(plan).what)
    advice = _remedy(names, plan, str)
    return dg.Failure(f"{what}\n\n{advice}", {"What happened": what, "What to do": advice}, allow_retries=False)


def _remedy(names: Names, plan: Plan, block: Callable[[str], str]) -> str:
    shown, *sent = (names.asset("customerio", name).to_user_string() for name in ("plan", "people", "events"))
    intended = (
        f"Look at the preview of {shown}. If it is intended, materialize {' and '.join(sent)} with this run config:"
    )
    other = (
        f"That sends exactly this plan. To let the next run send whatever it plans, launch {names.act('sync')} with:"
    )
    return "\n\n".join(
        (
            intended,
            block(_approval(names, plan)),
            other,
            block(_config(names.act("make_plan"), "approve: true")),
            OTHERWISE,
        )
    )


def _approval(names: Names, plan: Plan) -> str:
    return _config(names.act("deliver_to_customerio"), f"approve_plan: {plan.plan_id}")


def _config(step: str, setting: str) -> str:
    return f"ops:\n  {step}:\n    config:\n      {setting}"


def _fenced(config: str) -> str:
    return f"```yaml\n{config}\n```"


def tell_of_delivery(connection: Connection, report: DeliveryReport, run_id: str) -> dict[str, Any]:
    """Tell what was sent and accepted, what was not and why, and the last writes."""
    charts = [
        Chart("Accepted by action", _bars(report.by_action), "Nothing had to be sent."),
        Chart("Rejected by reason", _bars(report.rejections_by_reason), "Nothing was rejected."),
    ]
    return {
        "what was accepted": markdown(
            bar_table(("action", "people and events"), _sorted(report.by_action), "Nothing had to be sent.")
        ),
        "picture": markdown(as_markdown(draw_charts(charts), "Accepted and rejected")),
        **numbers({"accepted": report.accepted, "rejected": report.rejected}),
        **counts(
            {
                "planned": report.planned,
                "people held back": report.held,
                "pending": report.due,
                "events accepted": report.events_accepted,
                "events rejected": report.events_rejected,
                "requests": report.requests,
                "bytes": report.bytes,
            }
        ),
        **numbers(
            {
                "seconds": report.seconds,
                "seconds from planned to accepted": _one(connection, "seconds_from_planned_to_accepted", run_id),
                "seconds from event to accepted": _one(connection, "seconds_from_event_to_accepted", run_id),
            }
        ),
    }


def _planned(planned: PlanCounts) -> dict[str, int]:
    return {
        "people linked or created": planned.identify,
        "people updated": planned.update,
        "people deleted": planned.delete,
        "people suppressed": planned.suppress,
        "people merged": planned.merge,
        "people held back": planned.hold,
        "events": planned.event,
    }


def _bars(values: Mapping[str, int]) -> list[Bar]:
    return [Bar(name, value) for name, value in _sorted(values)]


def _sorted(values: Mapping[str, int]) -> list[tuple[str, int]]:
    return sorted(values.items(), key=lambda item: (-item[1], item[0]))


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
