"""The look for changes: one Stripe request, and a sync only where there is something to do."""

import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import dagster as dg
import orjson
import pytest
from dagster._core.definitions.sensor_definition import SensorExecutionData

from stripe_cio_pipeline.errors import CustomerioCredentialsError, GuardStop, SettingsError
from stripe_cio_pipeline.listening.envelope import Owner, open_envelope
from stripe_cio_pipeline.listening.inbox import Inbox
from stripe_cio_pipeline.orchestration.pipeline import PipelineResource
from stripe_cio_pipeline.orchestration.run import run_sync
from stripe_cio_pipeline.orchestration.sensors import pause_after_failures
from stripe_cio_pipeline.sandbox import Fault
from stripe_cio_pipeline.sync import Backlog, sync_once
from tests.orchestration.conftest import World


def tick(world: World, instance: dg.DagsterInstance) -> SensorExecutionData:
    """Do what the daemon does at a tick."""
    definitions = world.definitions()
    sensor = definitions.get_repository_def().get_sensor_def("stripe_changes")
    with dg.build_sensor_context(
        instance=instance, definitions=definitions, resources={"pipeline": PipelineResource()}
    ) as context:
        return sensor.evaluate_tick(context)


def test_a_quiet_tick_costs_one_request_and_says_why_nothing_is_run(synced: World) -> None:
    before = synced.sandbox.stripe.counters.requests, synced.sandbox.customerio.counters.requests
    with dg.DagsterInstance.ephemeral() as instance:
        result = tick(synced, instance)
    assert result.run_requests == []
    assert result.skip_message
    after = synced.sandbox.stripe.counters.requests, synced.sandbox.customerio.counters.requests
    assert (after[0] - before[0], after[1] - before[1]) == (1, 0)


def test_a_new_event_asks_for_one_sync_until_it_is_stored(synced: World) -> None:
    synced.sandbox.clock.advance(minutes=5)
    customer = next(iter(synced.sandbox.stripe.objects("customer")))
    synced.sandbox.stripe.update_customer(customer, phone="+15550100")
    synced.sandbox.clock.advance(minutes=5)
    with dg.DagsterInstance.ephemeral() as instance:
        assert len(tick(synced, instance).run_requests or []) == 1
        # The run failed or never came: it is asked for again, because the warehouse keeps the cursor.
        (request,) = tick(synced, instance).run_requests or []
        assert request.run_key is None
        assert request.tags["stripe_cio/asked_by"]
        run_sync(synced.settings, synced.policy)
        assert tick(synced, instance).skip_message


def test_what_the_tick_read_is_not_read_again_by_its_run(synced: World) -> None:
    synced.sandbox.clock.advance(minutes=20)
    customer = next(iter(synced.sandbox.stripe.objects("customer")))
    synced.sandbox.stripe.update_customer(customer, phone="+15550100")
    synced.sandbox.clock.advance(minutes=2)  # an event can be listed a minute late
    before = synced.sandbox.stripe.counters["GET /v1/events"]
    with dg.DagsterInstance.ephemeral() as instance:
        (request,) = tick(synced, instance).run_requests or []
        done = synced.definitions().resolve_job_def("sync").execute_in_process(instance=instance, tags=request.tags)
    assert done.success
    assert synced.sandbox.stripe.counters["GET /v1/events"] - before == 1
    person = synced.sandbox.customerio.person(id=customer)
    assert person is not None
    assert person.attributes["phone"] == "+15550100"


def test_a_new_warehouse_is_filled(world: World) -> None:
    with dg.DagsterInstance.ephemeral() as instance:
        assert len(tick(world, instance).run_requests or []) == 1


def test_no_second_sync_is_queued_behind_one_that_is_under_way(world: World) -> None:
    with dg.DagsterInstance.ephemeral() as instance:
        job = world.definitions().resolve_job_def("sync")
        instance.create_run_for_job(job, status=dg.DagsterRunStatus.STARTED)
        result = tick(world, instance)
    assert "queued or running" in str(result.skip_message)
    assert world.sandbox.stripe.counters.requests == 0


def test_what_fails_again_and_again_is_asked_for_less_and_less_often(world: World) -> None:
    with dg.DagsterInstance.ephemeral() as instance:
        job = world.definitions().resolve_job_def("sync")

        def fail() -> None:
            instance.report_run_failed(instance.create_run_for_job(job, status=dg.DagsterRunStatus.STARTED))

        fail()
        assert len(tick(world, instance).run_requests or []) == 1
        fail()
        message = str(tick(world, instance).skip_message)
        assert "last 2 runs of sync failed" in message
        assert "by hand" in message

        records = instance.get_run_records()
        ended = records[0].end_time or 0.0
        assert pause_after_failures(records, 60.0, ended + 20.0) == (2, 100.0)
        assert pause_after_failures(records, 60.0, ended + 120.0) == (2, 0.0)
        # A plan that the guard stopped was approved and sent meanwhile.
        assert pause_after_failures(records, 60.0, ended + 20.0, delivered_at=ended + 1.0) == (0, 0.0)
        for _ in range(10):
            fail()
        records = instance.get_run_records()
        assert pause_after_failures(records, 60.0, records[0].end_time or 0.0) == (12, 3_600.0)
        instance.create_run_for_job(job, status=dg.DagsterRunStatus.SUCCESS)
        assert pause_after_failures(instance.get_run_records(), 60.0, ended) == (0, 0.0)
        assert len(tick(world, instance).run_requests or []) == 1


def test_a_delivery_ends_the_wait_after_failures(world: World) -> None:
    with dg.DagsterInstance.ephemeral() as instance:
        job = world.definitions().resolve_job_def("sync")
        for _ in range(2):
            instance.report_run_failed(instance.create_run_for_job(job, status=dg.DagsterRunStatus.STARTED))
        assert tick(world, instance).run_requests == []
        instance.report_runless_asset_event(dg.AssetMaterialization(["customerio", "people"]))
        assert len(tick(world, instance).run_requests or []) == 1


@pytest.mark.file_is_shared
def test_a_warehouse_in_use_is_a_reason_to_wait(synced: World, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr("stripe_cio_pipeline.orchestration.sensors._LOCK_WAIT_SECONDS", 0.0)
    holding = (
        "import duckdb, sys\n"
        f"connection = duckdb.connect({synced.warehouse.location!r})\n"
        "print('held', flush=True)\n"
        "sys.stdin.read()\n"
    )
    with subprocess.Popen(
        [sys.executable, "-c", holding], stdin=subprocess.PIPE, stdout=subprocess.PIPE, cwd=tmp_path
    ) as holder:
        assert holder.stdout is not None
        assert holder.stdout.readline() == b"held\n"
        with dg.DagsterInstance.ephemeral() as instance:
            result = tick(synced, instance)
        holder.communicate()
    assert f"held by process {holder.pid}" in str(result.skip_message)


def test_what_waited_for_a_link_goes_out_without_another_event(synced: World) -> None:
    with synced.warehouse.transaction() as connection:
        connection.execute(
            "update customerio.people set state = 'linking', linked_at = linked_at - interval 1 hour "
            "where person_id = (select min(person_id) from customerio.people)"
        )
    with dg.DagsterInstance.ephemeral() as instance:
        (request,) = tick(synced, instance).run_requests or []
    assert "linked" in request.tags["stripe_cio/asked_by"]


def test_what_an_outage_of_customerio_left_due_is_a_reason_to_run(synced: World) -> None:
    synced.sandbox.clock.advance(minutes=5)
    customer = next(iter(synced.sandbox.stripe.objects("customer")))
    synced.sandbox.stripe.update_customer(customer, phone="+15550100")
    synced.sandbox.clock.advance(minutes=5)
    synced.sandbox.customerio.faults.rate(1.0, Fault.error(401), path="/api/v2")
    with pytest.raises(CustomerioCredentialsError):
        run_sync(synced.settings, synced.policy)
    synced.sandbox.customerio.faults.clear()
    with dg.DagsterInstance.ephemeral() as instance:
        (request,) = tick(synced, instance).run_requests or []
        assert "are pending" in request.tags["stripe_cio/asked_by"]
        run_sync(synced.settings, synced.policy)
        assert tick(synced, instance).run_requests == []


def test_what_waits_for_an_approval_is_none(read: World) -> None:
    with pytest.raises(GuardStop):
        run_sync(read.settings, read.policy)
    with dg.DagsterInstance.ephemeral() as instance:
        assert tick(read, instance).run_requests == []


def test_a_missing_key_is_an_error_of_the_tick(synced: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("STRIPE_API_KEY")
    with dg.DagsterInstance.ephemeral() as instance, pytest.raises((SettingsError, dg.DagsterError)) as failed:
        tick(synced, instance)
    assert isinstance(failed.value.__cause__ or failed.value, SettingsError)


def test_another_key_is_tried_by_a_sync_which_says_what_is_wrong_with_it(
    synced: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("STRIPE_API_KEY", "rk_test_refused00000000")
    with dg.DagsterInstance.ephemeral() as instance:
        (request,) = tick(synced, instance).run_requests or []
    assert "key" in request.tags["stripe_cio/asked_by"]


def told(world: World) -> dict[str, str]:
    """How each subject stood when it was told last."""
    with world.warehouse.reading() as connection:
        return dict(connection.execute("select subject, state from pipeline.alerts").fetchall())


def leave_waiting(world: World, *, hours: float) -> Inbox:
    """Put an event into the inbox that arrived so long ago, as if nobody had listened since."""
    inbox = Inbox(world.settings.home / "inbox.sqlite", now=lambda: time.time() - hours * 3_600)
    event = {"id": "evt_1", "object": "event", "type": "customer.created", "created": 1_790_000_000, "livemode": False}
    event["data"] = {"object": {"id": "cus_1", "object": "customer"}}
    owner = Owner(None, livemode=False, connected=False)
    assert inbox.store([open_envelope(orjson.dumps(event), 1_790_000_000, owner)]) == ["stored"]
    inbox.close()
    return inbox


def test_a_tick_tells_of_events_that_wait_and_that_they_wait_no_more(synced: World) -> None:
    inbox = leave_waiting(synced, hours=4)
    with dg.DagsterInstance.ephemeral() as instance:
        assert tick(synced, instance).skip_message
        assert told(synced) == {"webhooks": "bad"}
        inbox.taken(["evt_1"])
        inbox.close()
        tick(synced, instance)
    assert told(synced) == {"webhooks": "good"}


def test_what_waits_for_an_hour_is_no_trouble_yet(synced: World) -> None:
    leave_waiting(synced, hours=1)
    with dg.DagsterInstance.ephemeral() as instance:
        tick(synced, instance)
    assert told(synced) == {}


@pytest.mark.parametrize("fails", [False, True], ids=["well", "failed"])
def test_the_end_of_a_run_tells_of_events_that_wait(synced: World, *, fails: bool) -> None:
    leave_waiting(synced, hours=4)
    if fails:
        synced.sandbox.stripe.faults.rate(1.0, Fault.error(401))
    assert synced.run().success is not fails
    assert told(synced) == {"webhooks": "bad"} | ({"run": "bad"} if fails else {})


@pytest.mark.parametrize("sync", [run_sync, sync_once])
def test_so_does_a_sync_from_the_command_line_recorded_or_not(synced: World, sync: Callable[..., object]) -> None:
    sync(synced.settings, synced.policy, backlog=lambda: Backlog(1, time.time() - 4 * 3_600))
    assert told(synced) == {"webhooks": "bad"}


def test_an_inbox_that_is_damaged_changes_neither_a_tick_nor_a_run(synced: World) -> None:
    (synced.settings.home / "inbox.sqlite").write_bytes(b"no database" * 1_000)
    with dg.DagsterInstance.ephemeral() as instance:
        assert tick(synced, instance).skip_message
    assert synced.run().success
    assert told(synced) == {}
