"""The job `tidy` takes old runs out of Dagster's storage, and what has grown old out of the warehouse."""

import time
from pathlib import Path

import dagster as dg

from stripe_cio_pipeline.orchestration.names import Names
from stripe_cio_pipeline.orchestration.tidying import tidy_runs
from tests.orchestration.conftest import World

DAY = 86_400


@dg.op
def nothing() -> None:
    pass


@dg.asset(key=dg.AssetKey(["stripe", "customers"]))
def ours() -> None:
    pass


@dg.asset
def theirs() -> None:
    pass


def do(instance: dg.DagsterInstance, name: str) -> str:
    """Record a run of a job of this name."""
    result = dg.GraphDefinition(name=name, node_defs=[nothing]).to_job().execute_in_process(instance=instance)
    return result.run_id


def pick(instance: dg.DagsterInstance, asset: dg.AssetsDefinition) -> str:
    """Record a run of an asset that somebody picked."""
    job = dg.Definitions(assets=[asset]).resolve_implicit_global_asset_job_def()
    return job.execute_in_process(instance=instance, asset_selection=[asset.key]).run_id


def recorded(instance: dg.DagsterInstance) -> set[str]:
    return {record.dagster_run.run_id for record in instance.get_run_records()}


def test_old_runs_go_with_their_events_and_logs_and_the_last_of_each_job_stays(tmp_path: Path) -> None:
    (tmp_path / "dagster.yaml").write_text("telemetry: {enabled: false}\n")
    with dg.DagsterInstance.from_config(str(tmp_path)) as instance:
        old = [do(instance, "sync"), do(instance, "sync"), pick(instance, ours)]
        left = [
            do(instance, "sync"),
            do(instance, "verify"),
            do(instance, "other"),
            pick(instance, theirs),
            pick(instance, ours),
        ]
        assert recorded(instance) == {*old, *left}
        size = (tmp_path / "history" / "runs" / "index.db").stat().st_size

        assert tidy_runs(instance, Names(), 90) == 0
        assert tidy_runs(instance, Names(), 90, now=lambda: time.time() + 91 * DAY) == 3

        assert recorded(instance) == set(left)
        assert (tmp_path / "history" / "runs" / "index.db").stat().st_size <= size
        assert [path.name for path in tmp_path.rglob("*") if any(run_id in str(path) for run_id in old)] == []
        index = (tmp_path / "history" / "runs" / "index.db").read_bytes()
        assert not any(run_id.encode() in index for run_id in old)


def test_a_pipeline_with_a_prefix_leaves_the_runs_of_another_alone(tmp_path: Path) -> None:
    (tmp_path / "dagster.yaml").write_text("telemetry: {enabled: false}\n")
    with dg.DagsterInstance.from_config(str(tmp_path)) as instance:
        runs = [do(instance, "acme_sync"), do(instance, "sync"), do(instance, "acme_sync"), do(instance, "sync")]

        assert tidy_runs(instance, Names("acme"), 1, now=lambda: time.time() + 2 * DAY) == 1

        assert recorded(instance) == {*runs[1:]}


def test_the_job_runs_before_the_first_sync(world: World) -> None:
    assert world.run(job="tidy").success
    assert not Path(world.warehouse.location).exists()


def test_the_job_runs_after_the_first_sync(synced: World) -> None:
    with synced.warehouse.transaction() as connection:
        connection.execute("update customerio.requests set sent_at = sent_at - interval 200 day")

    result = synced.run(job="tidy")

    assert result.success
    (told,) = [event.step_output_data.metadata for event in result.all_events if event.is_successful_output]
    assert told["requests"].value > 0
    assert told["bytes"].value == Path(synced.warehouse.location).stat().st_size
    with synced.warehouse.reading() as connection:
        assert connection.execute("select count(*) from customerio.requests").fetchall() == [(0,)]
