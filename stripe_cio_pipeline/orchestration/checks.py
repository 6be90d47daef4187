"""Checks of what stands in the warehouse. Each reads it anew, so each can be run by itself, from the UI, at any time.

The checks *guard* and *limits* are not here: they belong to the steps that decide them.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import Any

import dagster as dg
import duckdb

from stripe_cio_pipeline.extract import latest_proof, shape_findings
from stripe_cio_pipeline.orchestration.layout import Layout
from stripe_cio_pipeline.orchestration.metadata import markdown, numbers, readable, table
from stripe_cio_pipeline.orchestration.names import Group
from stripe_cio_pipeline.orchestration.steps import a_step
from stripe_cio_pipeline.sync import Opened
from stripe_cio_pipeline.sync.soundness import ONE_EMAIL, ONE_ROW, emails_of_several_people, people_with_several_rows
from stripe_cio_pipeline.warehouse import Connection, Statements

_SQL = Statements("stripe_cio_pipeline.orchestration.sql")


@dataclass(frozen=True, slots=True)
class Finding:
    """What a check saw. `advice` says what to do where it did not pass; `early`: there was nothing to see yet."""

    passed: bool
    metadata: dict[str, Any]
    advice: str = ""
    early: bool = False


@dataclass(frozen=True, slots=True)
class Check:
    """A check: its asset, its words, whether its failure keeps what follows from being sent, and how it looks."""

    name: str
    group: Group
    asset: str
    description: str
    look: Callable[[Connection, Opened], Finding]
    blocking: bool = False


def build_checks(layout: Layout) -> list[dg.AssetChecksDefinition]:
    """Build the checks, one step for each group of assets."""
    return [
        _build(layout, group, [check for check in CHECKS if check.group == group])
        for group in ("stripe", "model", "customerio")
    ]


def _build(layout: Layout, group: Group, checks: Sequence[Check]) -> dg.AssetChecksDefinition:
    names = layout.names
    by_key = {dg.AssetCheckKey(names.asset(check.group, check.asset), check.name): check for check in checks}

    @dg.multi_asset_check(
        name=names.act(f"check_{group}"),
        can_subset=True,
        required_resource_keys={names.resource},
        specs=[
            dg.AssetCheckSpec(check.name, asset=key.asset_key, description=check.description, blocking=check.blocking)
            for key, check in by_key.items()
        ],
    )
    def look(context: dg.AssetCheckExecutionContext) -> Iterator[dg.AssetCheckResult]:
        """Read the warehouse once for all checks of a group."""
        found: dict[dg.AssetCheckKey, Finding] = {}
        with (
            a_step(context, names) as opened,
            opened.warehouse.reading() as connection,
        ):
            for key, check in by_key.items():
                if key in context.selected_asset_check_keys:
                    found[key] = _look(check, connection, opened)
        for key, finding in found.items():
            advice = {} if finding.passed or not finding.advice else {"What to do": finding.advice}
            yield dg.AssetCheckResult(
                passed=finding.passed,
                asset_key=key.asset_key,
                check_name=key.name,
                severity=_severity(by_key[key], finding),
                metadata={**finding.metadata, **advice},
            )

    return look


def _severity(check: Check, finding: Finding) -> dg.AssetCheckSeverity:
    return dg.AssetCheckSeverity.ERROR if check.blocking and not finding.early else dg.AssetCheckSeverity.WARN


def _look(check: Check, connection: Connection, opened: Opened) -> Finding:
    try:
        return check.look(connection, opened)
    except duckdb.CatalogException:
        # Checks can be run in any order, so also before what they look at was ever made.
        nothing = f"{check.group}/{check.asset} was never materialized, so there is nothing to check."
        return Finding(False, {"What happened": nothing}, f"Materialize {check.group}/{check.asset} first.", early=True)


def _rows(connection: Connection, statement: str, parameters: dict[str, object] | None = None) -> list[tuple[Any, ...]]:
    return connection.execute(_SQL[statement], parameters or {}).fetchall()


def _fresh(connection: Connection, opened: Opened) -> Finding:
    limit = opened.policy.alerts.stale_minutes * 60
    ((seconds,),) = _rows(connection, "seconds_since_last_look")
    return Finding(
        seconds is not None and seconds <= limit,
        numbers({"seconds since the last poll": seconds, "limit in seconds": limit}),
        "Is the sensor or the schedule on, and is the last run green? Switch them on under Automation, or run sync.",
    )


def _known_shapes(connection: Connection, _: Opened) -> Finding:
    met = shape_findings(connection)
    alarming = [found for found in met if found.alarming]
    return Finding(
        not alarming,
        {
            **numbers({"unknown payloads": sum(found.payloads for found in alarming)}),
            "shapes": markdown(
                table(
                    ("object", "from", "API version", "", "missing fields", "payloads", "last met"),
                    (
                        (
                            found.object,
                            found.source,
                            found.api_version,
                            found.verdict,
                            found.missing,
                            found.payloads,
                            found.last_at,
                        )
                        for found in met
                    ),
                    nothing="Every payload had the shape of the pinned API version.",
                )
            ),
        },
        "Objects of an unknown shape were read again by id, and no missing field has overwritten a value. Upgrade "
        "this package if the version is newer than the one it knows, and check the attributes of these objects.",
    )


def _complete(connection: Connection, _: Opened) -> Finding:
    months, made_at = latest_proof(connection)
    differing = [month for month in months if not month.equal_after]
    rows = (
        (
            month.object,
            month.month,
            month.stripe_rows,
            month.before_rows,
            month.after_rows,
            "equal" if month.equal_after else "differs",
            "equal" if month.equal_before else "differed",
        )
        for month in sorted(
            months, key=lambda month: (month.equal_after, month.equal_before, month.object, month.month)
        )
    )
    return Finding(
        bool(months) and not differing,
        {
            **numbers(
                {
                    "rows compared": sum(month.stripe_rows for month in months),
                    "months that differ": len(differing),
                    "months that were repaired": sum(not month.equal_before for month in months),
                }
            ),
            **({"compared": readable(min(made_at.values()))} if made_at else {}),
            "proof": markdown(
                table(
                    ("object", "month", "in Stripe", "here before", "here now", "content now", "content before"),
                    islice(rows, 200),
                    nothing="Nothing was compared yet.",
                )
            ),
        },
        "Run the job reconcile: it compares everything with Stripe and repairs what differs. If a month still "
        "differs afterwards, an object changed during the comparison; the next reconcile clears it up.",
    )


def _one_person_per_email(connection: Connection, _: Opened) -> Finding:
    rows = emails_of_several_people(connection)
    return Finding(
        not rows,
        {**numbers({"emails": len(rows)}), "people": markdown(table(("email", "people"), rows, nothing="None."))},
        ONE_EMAIL,
    )


def _one_row_per_person(connection: Connection, _: Opened) -> Finding:
    rows = people_with_several_rows(connection)
    return Finding(
        not rows,
        {**numbers({"people": len(rows)}), "rows": markdown(table(("person", "rows"), rows, nothing="None."))},
        ONE_ROW,
    )


def _few_rejections(connection: Connection, opened: Opened) -> Finding:
    rows = _rows(connection, "rejections_by_reason")
    total = sum(int(row[1]) for row in rows)
    return Finding(
        total <= opened.policy.alerts.max_rejected,
        {
            **numbers({"rejected": total}),
            "reasons": markdown(
                table(("reason", "items", "field", "for example", "message"), rows, nothing="Nothing is rejected.")
            ),
        },
        "Correct the value in Stripe, or the column in people.sql; it is sent again once it changes. To send it "
        "unchanged, run stripe-cio retry.",
    )


def _no_conflicts(connection: Connection, _: Opened) -> Finding:
    rows = _rows(connection, "people_in_conflict")
    return Finding(
        not rows,
        {
            **numbers({"people": sum(int(row[2]) for row in rows)}),
            "conflicts": markdown(table(("state", "reason", "people", "for example"), rows, nothing="Nobody.")),
        },
        "stripe-cio explain PERSON says what is wrong. Merge the two people in Customer.io, or correct the "
        "email in Stripe, then stripe-cio retry PERSON.",
    )


CHECKS = (
    Check(
        "fresh",
        "stripe",
        "events",
        "Stripe was polled within the last alerts.stale_minutes.",
        _fresh,
    ),
    Check(
        "known_shapes",
        "stripe",
        "events",
        "Every payload has the shape of the API version that this package supports.",
        _known_shapes,
    ),
    Check(
        "complete",
        "stripe",
        "reconciliation",
        "Each month of each object type has the same count and the same content here as in Stripe.",
        _complete,
    ),
    Check(
        "one_person_per_email",
        "model",
        "people",
        "No two people share an email. If any do, nothing is sent.",
        _one_person_per_email,
        blocking=True,
    ),
    Check(
        "one_row_per_person",
        "model",
        "people",
        "Each person is in the model exactly once. If not, nothing is sent.",
        _one_row_per_person,
        blocking=True,
    ),
    Check(
        "few_rejections",
        "customerio",
        "people",
        "No more items are rejected than alerts.max_rejected allows.",
        _few_rejections,
    ),
    Check(
        "no_conflicts",
        "customerio",
        "people",
        "Nobody is held back or in conflict with another person in Customer.io.",
        _no_conflicts,
    ),
)
