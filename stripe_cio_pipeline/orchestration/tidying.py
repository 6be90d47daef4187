"""The job `tidy`: what has grown old goes, from the warehouse and from Dagster's own storage."""

import sqlite3
import time
from collections.abc import Callable, Iterator
from contextlib import closing, suppress
from datetime import UTC, datetime
from pathlib import Path

import dagster as dg

from stripe_cio_pipeline.deliver import tidy
from stripe_cio_pipeline.orchestration.layout import Layout
from stripe_cio_pipeline.orchestration.names import TABLES, Names
from stripe_cio_pipeline.orchestration.steps import a_step

_FINISHED = [dg.DagsterRunStatus.SUCCESS, dg.DagsterRunStatus.FAILURE, dg.DagsterRunStatus.CANCELED]
#: What Dagster calls a run of assets that somebody picked.
_PICKED = "__ASSET_JOB"
_AT_ONCE = 500


def build_tidy_job(layout: Layout) -> dg.JobDefinition:
    """Build the job `tidy`."""
    names = layout.names

    @dg.op(
        name=names.act("tidy_pipeline"),
        required_resource_keys={names.resource},
        out=dg.Out(dg.Nothing),
        description="Deletes what is older than the policy's `retention` and no longer needed.",
    )
    def tidy_pipeline(context: dg.OpExecutionContext) -> None:
        found: dict[str, object] = {}
        with a_step(context, names, "tidy", in_turn=True) as opened:
            if opened.warehouse.exists:
                report = tidy(opened.warehouse, opened.policy)
                opened.on_report(report)
                found = {
                    "requests": report.taken.requests,
                    "operations": report.taken.operations,
                    "events": report.taken.events_deleted,
                    "events without data": report.taken.events_emptied,
                    "bytes before": report.bytes_before,
                    "bytes": report.bytes_after,
                }
            runs = tidy_runs(context.instance, names, opened.policy.retention.dagster_days)
        context.add_output_metadata({**found, "runs": runs})

    @dg.job(
        name=names.act("tidy"),
        description="Delete what is older than the policy's retention, and shrink the warehouse file. What is sent, "
        "and what explain shows, stays the same.",
        tags=dict(layout.tags),
        executor_def=dg.in_process_executor,
    )
    def tidy_job() -> None:
        tidy_pipeline()

    return tidy_job


def tidy_runs(instance: dg.DagsterInstance, names: Names, days: int, *, now: Callable[[], float] = time.time) -> int:
    """Delete this pipeline's runs that ended so long ago, with their events and logs, and give their number.

    The last run of each job stays. Runs of others in the same instance are left alone. SQLite's files get smaller.
    """
    before = datetime.fromtimestamp(now() - days * 86_400, UTC)
    deleted = 0
    for job in (*(names.act(act) for act in ("sync", "reconcile", "verify", "overview", "tidy")), _PICKED):
        newest = instance.get_run_records(dg.RunsFilter(job_name=job, statuses=_FINISHED), limit=1)
        last = {record.dagster_run.run_id for record in newest}
        for run_id in [
            run.run_id for run in _old_runs(instance, job, before) if job != _PICKED or _is_ours(run, names)
        ]:
            if run_id in last:
                continue
            instance.delete_run(run_id)
            instance.compute_log_manager.delete_logs(prefix=[run_id])
            if file := _file_of(instance, run_id):
                file.unlink(missing_ok=True)
            deleted += 1
    if deleted and (index := _file_of(instance, "index")):
        _shrink(index)
        _shrink(index.parent.with_suffix(".db"))
    return deleted


def _old_runs(instance: dg.DagsterInstance, job: str, before: datetime) -> Iterator[dg.DagsterRun]:
    """Give finished runs of a job that were created before a moment, the newest first."""
    wanted = dg.RunsFilter(job_name=job, statuses=_FINISHED, created_before=before)
    cursor: str | None = None
    while page := instance.get_run_records(wanted, limit=_AT_ONCE, cursor=cursor):
        yield from (record.dagster_run for record in page)
        cursor = page[-1].dagster_run.run_id


def _is_ours(run: dg.DagsterRun, names: Names) -> bool:
    ours = {names.asset(group, table) for group, table in TABLES}
    return bool(run.asset_selection) and ours.issuperset(run.asset_selection or ())


def _file_of(instance: dg.DagsterInstance, shard: str) -> Path | None:
    """Name the file of SQLite in which the events of one run stand, or their index; None for another storage."""
    path_of = getattr(instance.event_log_storage, "path_for_shard", None)
    return Path(path_of(shard)) if path_of else None


def _shrink(file: Path) -> None:
    """Give the room of deleted rows back, unless somebody is writing."""
    if file.exists():
        with suppress(sqlite3.Error), closing(sqlite3.connect(file, timeout=1)) as connection:
            connection.execute("vacuum")
