"""A sync from the command line, act by act and as a Dagster job: the same reports, errors and records."""

from collections.abc import Callable

import dagster as dg
import pytest

from stripe_cio_pipeline.errors import (
    CustomerioError,
    GuardStop,
    ModelError,
    SettingsError,
    StripeCredentialsError,
    WarehouseLocked,
)
from stripe_cio_pipeline.orchestration.run import run_sync
from stripe_cio_pipeline.policy import parse_policy
from stripe_cio_pipeline.sandbox import Fault
from stripe_cio_pipeline.settings import load_settings
from stripe_cio_pipeline.sync import SyncOutcome, sync_once
from stripe_cio_pipeline.warehouse import Turn, Warehouse
from tests.orchestration.conftest import World

Run = Callable[..., SyncOutcome]


@pytest.fixture(params=[pytest.param(sync_once, id="by itself"), pytest.param(run_sync, id="as a Dagster job")])
def run(request: pytest.FixtureRequest) -> Run:
    """Both ways."""
    way: Run = request.param
    return way


def test_a_sync_gives_the_report_of_every_room(run: Run, world: World) -> None:
    outcome = run(world.settings, world.policy, approve=True)
    assert outcome.extract is not None
    assert outcome.model is not None
    assert outcome.plan is not None
    assert outcome.delivery is not None
    assert outcome.preview is None
    assert outcome.delivery.accepted == outcome.plan.counts.operations > 0
    assert outcome.model.people == outcome.plan.counts.people
    ids = {person.id for person in world.sandbox.customerio.people() if person.id}
    assert len(ids) == outcome.plan.counts.identify


def test_a_second_sync_without_changes_sends_nothing(run: Run, synced: World) -> None:
    calls = synced.sandbox.customerio.counters.requests
    outcome = run(synced.settings, synced.policy)
    assert outcome.extract is not None
    assert outcome.extract.requests == 1
    assert outcome.delivery is not None
    assert outcome.delivery.planned == 0
    assert synced.sandbox.customerio.counters.requests == calls


def test_the_first_load_is_stopped_until_it_is_approved(run: Run, read: World) -> None:
    with pytest.raises(GuardStop) as stopped:
        run(read.settings, read.policy)
    assert stopped.value.exit_code == 3
    assert "first load" in stopped.value.what
    assert "--approve" in stopped.value.advice
    assert not [person for person in read.sandbox.customerio.people() if person.id]


def test_a_dry_run_tells_and_sends_nothing(run: Run, read: World) -> None:
    outcome = run(read.settings, read.policy, dry_run=True)
    assert outcome.plan is None
    assert outcome.delivery is None
    assert outcome.preview is not None
    assert outcome.preview.plan.guard.stopped
    assert outcome.preview.rows
    assert not [person for person in read.sandbox.customerio.people() if person.id]


def test_the_error_of_the_failing_step_is_raised_as_it_is(
    run: Run, world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("STRIPE_API_KEY", "rk_test_unknown0000000000")
    with pytest.raises(StripeCredentialsError):
        run(load_settings(), world.policy)


def test_a_missing_key_leaves_no_warehouse_behind(run: Run, world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("STRIPE_API_KEY")
    with pytest.raises(SettingsError, match="STRIPE_API_KEY is not set"):
        run(load_settings(), world.policy)
    assert not world.warehouse.exists


@pytest.mark.file_is_shared
def test_a_warehouse_in_use_is_waited_for_and_then_named(run: Run, world: World) -> None:
    impatient = Warehouse(world.settings.warehouse_location, lock_wait_seconds=0)
    with world.warehouse.connect():
        pass
    with world.warehouse.reading(), pytest.raises(WarehouseLocked):
        run(world.settings, world.policy, warehouse=impatient)


def test_what_was_not_delivered_fails_the_run(run: Run, read: World) -> None:
    read.sandbox.customerio.faults.rate(1.0, Fault("status", status=401))
    with pytest.raises(CustomerioError):
        run(read.settings, read.policy, approve=True)


def test_reports_are_handed_over_as_the_steps_end(run: Run, read: World) -> None:
    seen: list[str] = []
    run(read.settings, read.policy, approve=True, on_report=lambda report: seen.append(type(report).__name__))
    assert seen == ["ExtractReport", "ModelReport", "Plan", "DeliveryReport"]


def test_nothing_is_written_to_the_terminal(run: Run, read: World, capfd: pytest.CaptureFixture[str]) -> None:
    run(read.settings, read.policy, approve=True)
    written = capfd.readouterr()
    assert (written.out, written.err) == ("", "")


def test_runs_stand_in_the_warehouse_too(run: Run, read: World) -> None:
    with read.warehouse.transaction() as connection:
        connection.execute("delete from pipeline.runs")
    with pytest.raises(GuardStop):
        run(read.settings, read.policy)
    run(read.settings, read.policy, approve=True)
    with read.warehouse.reading() as connection:
        rows = connection.execute(
            "select kind, outcome, finished_at >= started_at from pipeline.runs order by started_at"
        ).fetchall()
    assert rows == [("sync", "stopped by the guard", True), ("sync", "done", True)]


@pytest.mark.parametrize(
    ("people", "words"),
    [
        ("select person_id, customer_id as id, email from members cross join range(2)", "2 rows for the person"),
        ("select person_id, customer_id as id, 'a@example.com' as email from members", "several people have one email"),
    ],
)
def test_people_who_would_take_each_others_place_are_not_sent(run: Run, read: World, people: str, words: str) -> None:
    folder = read.settings.home / "models"
    folder.mkdir()
    (folder / "people.sql").write_text(people, encoding="utf-8")
    policy = parse_policy({"models": {"folder": str(folder)}})
    with pytest.raises(ModelError, match=words):
        run(read.settings, policy, approve=True)
    assert not [person for person in read.sandbox.customerio.people() if person.id]


def test_the_turn_is_free_after_a_sync_however_it_ended(run: Run, read: World) -> None:
    with pytest.raises(GuardStop):
        run(read.settings, read.policy)
    with Turn(Warehouse(read.settings.warehouse_location, lock_wait_seconds=0), "the test") as turn:
        assert turn.path.exists()


def test_a_run_is_recorded_where_dagster_has_a_home(read: World, monkeypatch: pytest.MonkeyPatch) -> None:
    home = read.settings.home / "dagster"
    home.mkdir()
    (home / "dagster.yaml").write_text("telemetry: {enabled: false}\n", encoding="utf-8")
    monkeypatch.setenv("DAGSTER_HOME", str(home))
    outcome = run_sync(read.settings, read.policy, dry_run=True)
    with dg.DagsterInstance.get() as instance:
        (run,) = instance.get_runs()
    assert (run.run_id, run.job_name, run.status) == (outcome.run_id, "sync", dg.DagsterRunStatus.SUCCESS)


def test_a_dagster_home_that_cannot_be_used_is_named(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DAGSTER_HOME", str(world.settings.home / "nowhere"))
    with pytest.raises(SettingsError, match="DAGSTER_HOME"):
        run_sync(world.settings, world.policy, dry_run=True)
