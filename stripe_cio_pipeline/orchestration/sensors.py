"""The look for changes: one cheap Stripe request, and a sync only where there is something to do."""

import time
from collections.abc import Sequence
from typing import Any

import dagster as dg

from stripe_cio_pipeline.deliver import raise_stale_alert
from stripe_cio_pipeline.errors import WarehouseLocked
from stripe_cio_pipeline.extract import peek, poll_seconds
from stripe_cio_pipeline.orchestration.layout import Layout
from stripe_cio_pipeline.orchestration.pipeline import Pipeline
from stripe_cio_pipeline.orchestration.stripe_assets import PAGE_TAG
from stripe_cio_pipeline.sync import Opened
from stripe_cio_pipeline.warehouse import KEEPER, Connection, Statements

_SQL = Statements("stripe_cio_pipeline.orchestration.sql")

#: A tick has 60 s. A warehouse that is in use for longer than this is being synced already.
_LOCK_WAIT_SECONDS = 5.0

#: What makes every sync fail (a permission that is missing) is asked for less and less often, but at least this often.
_LONGEST_PAUSE_SECONDS = 3_600.0
_FAILURES_LOOKED_AT = 8

_UNDER_WAY = (
    dg.DagsterRunStatus.QUEUED,
    dg.DagsterRunStatus.NOT_STARTED,
    dg.DagsterRunStatus.STARTING,
    dg.DagsterRunStatus.STARTED,
)


def build_sensor(layout: Layout) -> dg.SensorDefinition:
    """Build `stripe_changes`.

    It keeps no cursor of its own: whether there is something new is decided by the warehouse, where the position moves
    together with the rows. So what a failed run left is asked for again, and losing Dagster's storage loses nothing.
    """
    job, resource = layout.names.act("sync"), layout.names.resource
    people = layout.names.asset("customerio", "people")
    every = poll_seconds(layout.policy.stripe)

    def look(context: dg.SensorEvaluationContext) -> dg.SensorResult | dg.SkipReason:
        under_way = context.instance.get_runs_count(dg.RunsFilter(job_name=job, statuses=list(_UNDER_WAY)))
        if under_way:
            return dg.SkipReason(f"A {job} is queued or running, and reads what is new.")
        records = context.instance.get_run_records(dg.RunsFilter(job_name=job), limit=_FAILURES_LOOKED_AT)
        # Mostly nothing has failed, and then nothing more is asked of Dagster's storage.
        has_failed = records and records[0].dagster_run.status is dg.DagsterRunStatus.FAILURE
        delivered_at = _delivered_at(context.instance, people) if has_failed else 0.0
        failures, pause = pause_after_failures(records, every, time.time(), delivered_at)
        if pause > 0:
            return dg.SkipReason(
                f"The last {failures} runs of {job} failed; the next try is in {pause:.0f} s. "
                f"To try at once, launch {job} by hand."
            )
        pipeline: Pipeline = getattr(context.resources, resource)
        opened = pipeline.open(lock_wait_seconds=_LOCK_WAIT_SECONDS)
        try:
            with KEEPER.keeping():
                reason, due, page = _reason_to_sync(opened)
                # A tick is the one thing that goes on when runs do not.
                raise_stale_alert(opened.warehouse, opened.settings, opened.policy, backlog=opened.backlog())
        except WarehouseLocked as locked:
            return dg.SkipReason(f"{locked.what} The next tick polls again.")
        if not due:
            return dg.SkipReason(reason)
        handed = {PAGE_TAG: page} if page else {}
        return dg.SensorResult(run_requests=[dg.RunRequest(tags={"stripe_cio/asked_by": reason, **handed})])

    return dg.SensorDefinition(
        name=layout.names.act("stripe_changes"),
        job_name=job,
        evaluation_fn=look,
        minimum_interval_seconds=every,
        description="Asks Stripe for its newest event: one request. If the warehouse does not have it yet, a sync "
        "starts; otherwise the tick says why not.",
        default_status=dg.DefaultSensorStatus.RUNNING if layout.running else dg.DefaultSensorStatus.STOPPED,
        required_resource_keys={resource},
    )


def pause_after_failures(
    records: Sequence[dg.RunRecord], poll_seconds: float, now: float, delivered_at: float = 0.0
) -> tuple[int, float]:
    """Count the failures since the last run that did not fail, and the seconds still to wait because of them.

    `records` are newest first. One failure is asked for again at the next tick; each further one doubles the wait.
    Failures before `delivered_at` do not count: a plan that the guard stopped was approved, and sent.
    """
    failures = 0
    for record in records:
        if record.dagster_run.status is not dg.DagsterRunStatus.FAILURE or _ended(record) < delivered_at:
            break
        failures += 1
    if failures < 2:
        return failures, 0.0
    ended = _ended(records[0])
    wait = min(_LONGEST_PAUSE_SECONDS, poll_seconds * 2 ** (failures - 1))
    return failures, max(0.0, ended + wait - now)


def _ended(record: dg.RunRecord) -> float:
    return record.end_time or record.update_timestamp.timestamp()


def _delivered_at(instance: dg.DagsterInstance, people: dg.AssetKey) -> float:
    event = instance.get_latest_materialization_event(people)
    return event.timestamp if event else 0.0


def _reason_to_sync(opened: Opened) -> tuple[str, bool, str | None]:
    """Say what there is to do, or why there is nothing; which of the two; and what of the feed was read for it."""
    seen = peek(opened.warehouse, opened.settings, opened.policy)
    if seen.changed or seen.history_pending:
        return seen.reason, True, seen.page
    with opened.warehouse.reading() as connection:
        due = _count(connection, "items_left_due")
        waiting = _count(connection, "links_that_settled", settle_seconds=opened.policy.identity.settle_seconds)
    if due:
        return f"{due} items are pending for Customer.io.", True, None
    if waiting:
        return f"{waiting} people are linked now and can get the items that waited for it.", True, None
    return seen.reason, False, None


def _count(connection: Connection, statement: str, **parameters: Any) -> int:
    row = connection.execute(_SQL[statement], parameters).fetchone()
    return int(row[0]) if row else 0
