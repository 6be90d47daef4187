"""The assets of the group `customerio`: what is to be sent, what was accepted, what was read back."""

from collections.abc import Iterator
from datetime import timedelta

import dagster as dg
from pydantic import Field

from stripe_cio_pipeline.deliver import deliver, verify
from stripe_cio_pipeline.orchestration.layout import Layout, Source, describe_asset
from stripe_cio_pipeline.orchestration.lineage import (
    Traced,
    as_table,
    attribute_lineage,
    event_lineage,
    plan_lineage,
    words,
)
from stripe_cio_pipeline.orchestration.metadata import figures
from stripe_cio_pipeline.orchestration.plan_metadata import (
    guard_failure,
    sum_up_guard,
    tell_of_delivery,
    tell_of_guard,
    tell_of_plan,
)
from stripe_cio_pipeline.orchestration.steps import a_step
from stripe_cio_pipeline.orchestration.tables import attribute_schema, column_schema, require_table, row_count
from stripe_cio_pipeline.orchestration.tables import preview as preview_of
from stripe_cio_pipeline.orchestration.verification_metadata import (
    found_drift,
    sum_up_verification,
    tell_of_verification,
)
from stripe_cio_pipeline.plan import make_plan
from stripe_cio_pipeline.sync import begin_run, deliver_plan, finish_run, plan_changes, plan_dry

_PLAN = """\
What the next delivery will send: an operation per person or event, with before, after and the reason.

It compares the model with the ledger, which records what Customer.io has accepted. Nothing is sent here; with
`CUSTOMERIO_APP_API_KEY` new links are confirmed first. The check
*guard* stops a plan that changes more than the policy lets through; approve it with `approve: true` in the launchpad.
"""
_PEOPLE = """\
The people that Customer.io has accepted, each with the attributes it has: the ledger.

`POST /api/v2/batch`, only what changed, an outcome for every item. *lineage* says where each attribute comes from.
"""
_EVENTS = """\
The Stripe events that Customer.io has accepted, each once: they start campaigns.

An event is sent once its person is linked, with Stripe's time and an id derived from Stripe's, so Customer.io
drops a repeat.
"""
_VERIFICATION = """\
People as Customer.io has them now, read back through the App API and compared with the ledger.

Customer.io answers 200 to changes that it then refuses; they are found here, in its activity log. A person who
drifted is sent again. Without `CUSTOMERIO_APP_API_KEY` this step is skipped, and says so.
"""


PLAN_COLUMNS = {
    "plan_id": "hash of the plan's content; an approval is for this hash",
    "position": "the order of sending",
    "action": "identify, update, delete, suppress, merge, event, or hold: nothing is sent",
    "person_id": "the person",
    "event_id": "the Stripe event that is forwarded",
    "reason": "why, as a word",
    "explanation": "why, as a sentence",
    "operation": "the operation as Customer.io gets it, without its timestamp",
    "before": "the attributes that change, with their present values in Customer.io",
    "after": "the attributes that change, with their new values; null means removed",
    "source_event_id": "the Stripe event behind the change",
    "payload_hash": "hash of the operation: a rejected operation is not planned again until this changes",
}
EVENT_COLUMNS = {
    "event_id": "Stripe's id of the event",
    "ulid": "its id in Customer.io, derived from Stripe's, so a repeat is dropped",
    "person_id": "the person who got it",
    "name": "the event's name in Customer.io",
    "created": "when it happened: unix seconds, Stripe's clock",
    "state": "accepted or rejected",
    "accepted_at": "when Customer.io accepted it: UTC, this machine's clock",
    "reason": "why it was not accepted",
    "request_id": "the call that carried it",
    "run_id": "the run that sent it",
}


class PlanConfig(dg.Config):
    """How the plan is made, and whether the guard may stop it."""

    approve: bool = Field(
        default=False,
        description="Let this plan through even if the guard would stop it: a first load, or a change of many people.",
    )
    dry_run: bool = Field(
        default=False, description="Only show what would be planned. Nothing is stored and nothing is sent."
    )
    full: bool = Field(
        default=False, description="Compare every person, not only those that changed since the last plan."
    )
    rows: int = Field(default=20, ge=0, description="Number of operations that a dry run shows.")


class DeliveryConfig(dg.Config):
    """Which plan is sent."""

    approve_plan: str | None = Field(
        default=None,
        description="Id of a plan that the guard stopped, to send exactly that one. The check guard shows it. A plan "
        "that has changed in the meantime has another id and is not sent.",
    )


class VerifyConfig(dg.Config):
    """How many people are read back."""

    sample: int | None = Field(
        default=None, ge=1, description="Number of people to read back; empty: everyone whose turn it is."
    )


def build_customerio_assets(layout: Layout, traced: Traced) -> list[dg.AssetsDefinition]:
    """Build the plan, the two sinks that one delivery fills, and the verification."""
    names = layout.names
    plan_key, people, events, verification = (
        names.asset("customerio", name) for name in ("plan", "people", "events", "verification")
    )
    modelled = [names.asset("model", name) for name in ("members", "people", "events")]

    @dg.multi_asset(
        name=names.act("make_plan"),
        required_resource_keys={names.resource},
        specs=[
            describe_asset(
                layout, "customerio", "plan", _PLAN, deps=modelled, kinds=("duckdb", "sql"),
                sources=[Source.of(make_plan)], table="customerio.plan",
            )
        ],
        check_specs=[
            dg.AssetCheckSpec(
                "guard",
                asset=plan_key,
                blocking=True,
                description="The plan changes no more than the policy lets through, or was approved.",
            )
        ],
    )  # fmt: skip
    def plan(
        context: dg.AssetExecutionContext, config: PlanConfig
    ) -> Iterator[dg.MaterializeResult[None] | dg.AssetCheckResult]:
        """Look at new links, and compare the model with the ledger."""
        # A dry run makes no plan, and waits for nobody who does.
        with a_step(context, names, in_turn=not config.dry_run) as opened:
            with opened.warehouse.reading() as connection:
                require_table(connection, "model.people")
            if config.dry_run:
                would_be = plan_dry(opened, context.run.run_id, rows=config.rows)
                yield dg.AssetCheckResult(
                    check_name="guard",
                    asset_key=plan_key,
                    passed=not would_be.plan.guard.stopped,
                    # Nothing is sent after a dry run, so there is nothing to stop.
                    severity=dg.AssetCheckSeverity.WARN,
                    description=sum_up_guard(names, would_be.plan),
                    metadata={
                        **tell_of_guard(names, would_be.plan),
                        "Dry run": "Nothing was stored and nothing was sent.",
                    },
                )
                return
            made = plan_changes(opened, context.run.run_id, let_through=config.approve, full=config.full)
            with opened.warehouse.reading() as connection:
                told = {
                    **tell_of_plan(connection, made),
                    "dagster/column_schema": column_schema(connection, "customerio.plan", PLAN_COLUMNS),
                    "dagster/column_lineage": plan_lineage(names, traced.origins),
                }
        yield dg.MaterializeResult(asset_key=plan_key, metadata=told)
        yield dg.AssetCheckResult(
            check_name="guard",
            asset_key=plan_key,
            passed=not made.guard.stopped,
            description=sum_up_guard(names, made),
            metadata=tell_of_guard(names, made),
        )
        if made.guard.stopped:
            # Dagster would fail the run for the check too, in words of its own.
            raise guard_failure(names, made)

    @dg.multi_asset(
        name=names.act("deliver_to_customerio"),
        required_resource_keys={names.resource},
        specs=[
            describe_asset(
                layout, "customerio", "people", _PEOPLE, deps=[plan_key], kinds=("customerio", "duckdb"),
                sources=[Source.of(deliver)], table="customerio.people", metadata={"lineage": as_table(traced)},
            ),
            describe_asset(
                layout, "customerio", "events", _EVENTS, deps=[plan_key], kinds=("customerio", "duckdb"),
                sources=[Source.of(deliver)], table="customerio.events",
            ),
        ],
    )  # fmt: skip
    def deliver_to_customerio(
        context: dg.AssetExecutionContext, config: DeliveryConfig
    ) -> Iterator[dg.MaterializeResult[None]]:
        """Send the plan, and store the outcome of every item."""
        with a_step(context, names, in_turn=True) as opened:
            # A run is green only where everything due was accepted, or rejected with a reason.
            report = deliver_plan(opened, context.run.run_id, approved_plan=config.approve_plan)
            with opened.warehouse.reading() as connection:
                told = tell_of_delivery(connection, report, context.run.run_id)
                people_told = {
                    "preview": preview_of(connection, "last_writes", {"run_id": context.run.run_id}),
                    **told,
                    "dagster/row_count": row_count(connection, "customerio.people"),
                    "dagster/column_schema": attribute_schema(connection, words(traced)),
                    "dagster/column_lineage": attribute_lineage(names, traced.origins),
                }
                events_told = {
                    **told,
                    "dagster/row_count": row_count(connection, "customerio.events"),
                    "dagster/column_schema": column_schema(connection, "customerio.events", EVENT_COLUMNS),
                    "dagster/column_lineage": event_lineage(names),
                }
        yield dg.MaterializeResult(asset_key=people, metadata=people_told)
        yield dg.MaterializeResult(asset_key=events, metadata=events_told)

    @dg.multi_asset(
        name=names.act("verify_customerio"),
        required_resource_keys={names.resource},
        specs=[
            describe_asset(
                layout, "customerio", "verification", _VERIFICATION, deps=[people], kinds=("customerio", "duckdb"),
                sources=[Source.of(verify)],
                freshness=dg.FreshnessPolicy.time_window(
                    fail_window=timedelta(hours=50), warn_window=timedelta(hours=26)
                ),
            )
        ],
        check_specs=[
            dg.AssetCheckSpec(
                "no_drift",
                asset=verification,
                description="Everybody who was read back matches the ledger, and Customer.io refused nothing silently.",
            )
        ],
    )  # fmt: skip
    def verify_customerio(
        context: dg.AssetExecutionContext, config: VerifyConfig
    ) -> Iterator[dg.MaterializeResult[None] | dg.AssetCheckResult]:
        """Read people back and compare."""
        with a_step(context, names, "verify") as opened:
            begin_run(opened.warehouse, context.run.run_id, "verify")
            report = verify(
                opened.warehouse, opened.settings, opened.policy, run_id=context.run.run_id, sample=config.sample
            )
            opened.on_report(report)
            finish_run(opened.warehouse, context.run.run_id, "verify", report.skipped or "done", {})
        if report.skipped:
            context.log.warning(report.skipped)
        else:
            yield dg.MaterializeResult(asset_key=verification, metadata=tell_of_verification(report))
        yield dg.AssetCheckResult(
            check_name="no_drift",
            asset_key=verification,
            passed=not report.skipped and not found_drift(report),
            severity=dg.AssetCheckSeverity.WARN,
            description=sum_up_verification(report),
            metadata=figures(report),
        )

    return [plan, deliver_to_customerio, verify_customerio]
