"""The assets of the group `stripe`: what Stripe has, object type by object type."""

from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import dagster as dg
from pydantic import Field

from stripe_cio_pipeline.extract import (
    MOST_BY_ID,
    ExtractReport,
    ObjectReport,
    ReconcileReport,
    StripeObject,
    extract,
    reconcile,
)
from stripe_cio_pipeline.orchestration.layout import Layout, Source, describe_asset
from stripe_cio_pipeline.orchestration.lineage import Traced, fields_read
from stripe_cio_pipeline.orchestration.metadata import counts, figures, listed, markdown, masked, moment, numbers, table
from stripe_cio_pipeline.orchestration.steps import a_step
from stripe_cio_pipeline.orchestration.tables import column_schema, preview, row_count
from stripe_cio_pipeline.outside import visible
from stripe_cio_pipeline.sync import begin_run, failure_of, finish_run, read_stripe
from stripe_cio_pipeline.warehouse import Connection

#: On a run that the sensor started: the page of events that it has read.
PAGE_TAG = "stripe_cio/page"

#: What the columns of every table in schema `stripe` hold.
COLUMNS = {
    "id": "Stripe's id",
    "type": "what happened, as Stripe calls it",
    "object_type": "the kind of object that the event is about",
    "object_id": "the object that the event is about",
    "customer_id": "the customer that it belongs to",
    "created": "when it was made: unix seconds, Stripe's clock",
    "livemode": "false for test data",
    "deleted": "deleted in Stripe; the payload is the last one known",
    "api_version": "the payload's API version",
    "payload": "the object as Stripe sent it, without secrets",
    "as_of": "when the payload was current: unix seconds, Stripe's clock",
    "source": "how it came: list, event or retrieve",
    "source_event_id": "the event that it came with",
    "run_id": "the run that stored it",
    "content_hash": "hash of the payload: an unchanged object is not processed again",
    "seq": "number of the transaction that stored it",
    "read_at": "when it was requested, or stored from an event: UTC, this machine's clock",
}

_FEED = """\
The feed of changes: `GET /v1/events`, newest first, back to the last one known.

Stripe keeps events for 30 days; here they are kept and never rewritten. A longer gap is repaired by a full comparison.
"""
_RECONCILIATION = """\
The proof of completeness: everything is listed again, and differences are confirmed by reading the object and then
repaired.

Counts and a content hash per object type and month are kept for both sides; the check *complete* shows them.
"""


class ReconcileConfig(dg.Config):
    """What the comparison with Stripe covers."""

    objects: list[str] = Field(
        default_factory=list, description="Object types to compare, such as customers; empty: all of them."
    )
    dry_run: bool = Field(default=False, description="Only show differences; repair nothing and keep no proof.")
    read_by_id: int = Field(
        default=MOST_BY_ID,
        description="How many objects of a type may be read one by one where Stripe's list is not enough. If it takes "
        "more, the type fails and is left unchanged.",
    )


def build_stripe_assets(layout: Layout, traced: Traced) -> list[dg.AssetsDefinition]:
    """Build an asset per object type, the events feed and the reconciliation."""
    names = layout.names
    keys = {kind.name: names.asset("stripe", kind.name) for kind in layout.objects}
    feed, proof = names.asset("stripe", "events"), names.asset("stripe", "reconciliation")

    @dg.multi_asset(
        name=names.act("extract_stripe"),
        can_subset=True,
        required_resource_keys={names.resource},
        specs=[
            *(
                describe_asset(
                    layout, "stripe", kind.name, _describe(kind), kinds=("stripe", "duckdb"),
                    sources=[Source.of(extract)], table=f"stripe.{kind.name}",
                )
                for kind in layout.objects
            ),
            describe_asset(
                layout, "stripe", "events", _FEED, kinds=("stripe", "duckdb"), sources=[Source.of(extract)],
                table="stripe.events",
            ),
        ],
    )  # fmt: skip
    def extract_stripe(context: dg.AssetExecutionContext) -> Iterator[dg.MaterializeResult[None]]:
        """Read Stripe: history where it is not finished, then what changed."""
        selected = [name for name, key in (*keys.items(), ("events", feed)) if key in context.selected_asset_keys]
        with a_step(context, names) as opened:
            objects = None if len(selected) > len(keys) else selected
            report = read_stripe(opened, context.run.run_id, objects, context.run.tags.get(PAGE_TAG))
            for warning in (*report.warnings, *(f"{unread.what} {unread.advice}" for unread in report.unread)):
                context.log.warning(visible(masked(warning)))
            failed = {failure.object for failure in report.failures}
            with opened.warehouse.reading() as connection:
                results: list[dg.MaterializeResult[None]] = [
                    dg.MaterializeResult(
                        asset_key=keys[part.name], metadata=_tell_of_object(connection, part, report, traced)
                    )
                    for part in report.objects
                    if part.name in selected and part.name not in failed
                ]
                if "events" in selected and "events" not in failed:
                    results.append(
                        dg.MaterializeResult(asset_key=feed, metadata=_tell_of_feed(connection, report, traced))
                    )
            # What could be read is stored and shown, and only then the rest is told to have failed.
            yield from results
            if failure := failure_of(report.failures):
                raise failure

    @dg.multi_asset(
        name=names.act("reconcile_stripe"),
        required_resource_keys={names.resource},
        specs=[
            describe_asset(
                layout, "stripe", "reconciliation", _RECONCILIATION, deps=[*keys.values()], kinds=("stripe", "duckdb"),
                sources=[Source.of(reconcile)],
                freshness=dg.FreshnessPolicy.time_window(
                    fail_window=timedelta(days=15), warn_window=timedelta(days=8)
                ),
            )
        ],
    )  # fmt: skip
    def reconcile_stripe(
        context: dg.AssetExecutionContext, config: ReconcileConfig
    ) -> Iterator[dg.MaterializeResult[None]]:
        """Compare everything stored with Stripe."""
        with a_step(context, names, "reconcile") as opened:
            opened.settings.require_stripe()
            begin_run(opened.warehouse, context.run.run_id, "reconcile")
            report = reconcile(
                opened.warehouse,
                opened.settings,
                opened.policy,
                run_id=context.run.run_id,
                objects=config.objects or None,
                dry_run=config.dry_run,
                most_by_id=config.read_by_id,
                progress=opened.progress,
            )
            opened.on_report(report)
            finish_run(opened.warehouse, context.run.run_id, "reconcile", "done", {"requests": report.requests})
        context.log.info(
            "The account and the warehouse agree." if report.whole else "The account and the warehouse differ."
        )
        if not config.dry_run:
            yield dg.MaterializeResult(asset_key=proof, metadata=_tell_of_proof(report))

    return [extract_stripe, reconcile_stripe]


def _describe(kind: StripeObject) -> str:
    expanded = f" Expanded: {', '.join(f'`{path}`' for path in kind.expands)}." if kind.expands else ""
    return (
        f"Every {kind.kind.replace('_', ' ')} that the Stripe account has or had, one row each, as Stripe gives it.\n\n"
        f"Read from `GET {kind.path}` once, and kept up to date by events from then on; deleted objects stay as "
        f"tombstones.{expanded} The key needs `{kind.permission}`.\n"
    )


def _tell_of_object(
    connection: Connection, part: ObjectReport, report: ExtractReport, traced: Traced
) -> dict[str, Any]:
    name = f"stripe.{part.name}"
    return {
        **counts(
            {
                "read": part.read,
                "added": part.added,
                "changed": part.changed,
                "deleted": part.deleted,
                "requests": part.requests,
            }
        ),
        **numbers(
            {
                "dagster/row_count": part.rows_total,
                "seconds": part.seconds,
                "seconds from event to stored": report.lag_seconds,
            }
        ),
        "history": "finished" if part.history_finished else "not finished; the next run goes on",
        "dagster/column_schema": column_schema(
            connection, name, COLUMNS, extra=fields_read((*traced.origins, *traced.members), part.name)
        ),
        "preview": preview(connection, "newest_objects", {"table": name}),
    }


def _tell_of_feed(connection: Connection, report: ExtractReport, traced: Traced) -> dict[str, Any]:
    return {
        **counts({"added": report.events, "requests": report.requests, "throttled": report.throttled}),
        **numbers(
            {
                "dagster/row_count": row_count(connection, "stripe.events"),
                "seconds": report.seconds,
                "seconds from event to stored": report.lag_seconds,
            }
        ),
        "newest": moment(report.watermark),
        "repaired a gap": report.healed_gap,
        **({"warnings": markdown(listed(report.warnings))} if report.warnings else {}),
        "dagster/column_schema": column_schema(
            connection, "stripe.events", COLUMNS, extra=fields_read(traced.events, "events")
        ),
        "preview": preview(connection, "newest_events"),
    }


def _tell_of_proof(report: ReconcileReport) -> dict[str, Any]:
    return {
        **figures(report),
        "differing": sum(part.differing for part in report.objects),
        "repaired": sum(part.repaired for part in report.objects),
        "whole": report.whole,
        "objects": markdown(
            table(
                (
                    "object",
                    "in Stripe",
                    "here before",
                    "here now",
                    "missing",
                    "changed",
                    "vanished",
                    "only delayed",
                    "repaired",
                ),
                (
                    (
                        part.name,
                        part.stripe_rows,
                        part.before_rows,
                        part.after_rows,
                        part.missing,
                        part.changed,
                        part.vanished,
                        part.explained,
                        part.repaired,
                    )
                    for part in report.objects
                ),
            )
        ),
        **({"warnings": markdown(listed(report.warnings))} if report.warnings else {}),
    }
