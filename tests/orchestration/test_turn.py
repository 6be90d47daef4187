"""The turn of a run: from its first step that builds to its end, whatever that is."""

import threading
from concurrent.futures import ThreadPoolExecutor

import dagster as dg
import pytest

from stripe_cio_pipeline.errors import CustomerioUnavailable, WarehouseBusy
from stripe_cio_pipeline.orchestration import steps
from stripe_cio_pipeline.orchestration.names import Names
from stripe_cio_pipeline.orchestration.pipeline import PipelineResource
from stripe_cio_pipeline.warehouse import Turn, Warehouse
from tests.orchestration.conftest import World

APPROVED: dict[str, object] = {"make_plan": {"approve": True}}


def is_free(world: World) -> bool:
    try:
        with Turn(Warehouse(world.warehouse.location, lock_wait_seconds=0), "a look"):
            return True
    except WarehouseBusy:
        return False


def accepted(world: World) -> int:
    return world.sandbox.customerio.counters["operations.accepted"]


def rows(world: World, table: str) -> int:
    with world.warehouse.reading() as connection:
        return int(connection.execute(f"select count(*) from {table}").fetchall()[0][0])


def test_a_run_reads_stripe_at_once_and_builds_when_it_is_its_turn(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked, take = threading.Event(), Turn.take

    def watched(turn: Turn) -> None:
        asked.set()
        take(turn)

    with ThreadPoolExecutor(1) as pool:
        with Turn(world.warehouse, "the test"):
            monkeypatch.setattr(Turn, "take", watched)
            run = pool.submit(world.run, config=APPROVED)
            assert asked.wait(60)
            # Longer than the second after which the run's log is told for whom it waits.
            with pytest.raises(TimeoutError):
                run.result(timeout=1.5)
            assert rows(world, "stripe.customers") > 0
            assert rows(world, "information_schema.tables where table_schema = 'model' and table_name = 'people'") == 0
        assert run.result().success
    assert rows(world, "model.people") > 0


def test_two_runs_in_one_process_send_everything_once(read: World) -> None:
    written = ["model/members", "model/people", "model/events", "customerio/plan", "customerio/people"]
    with ThreadPoolExecutor(2) as pool:
        with Turn(read.warehouse, "the test"):
            both = [pool.submit(read.run, *written, "customerio/events", config=APPROVED) for _ in range(2)]
        assert [run.result().success for run in both] == [True, True]
    assert accepted(read) == rows(read, "customerio.people") + rows(read, "customerio.events")
    assert rows(read, "customerio.people") > 0


def test_one_run_has_the_turn_from_its_build_to_its_delivery(read: World, monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[tuple[str, bool]] = []
    a_step = steps.a_step

    def watched(context, names, kind="sync", *, in_turn=False):
        seen.append((context.op_execution_context.op.name, is_free(read)))
        return a_step(context, names, kind, in_turn=in_turn)

    for module in ("model_assets", "customerio_assets"):
        monkeypatch.setattr(f"stripe_cio_pipeline.orchestration.{module}.a_step", watched)
    assert read.run(config=APPROVED).success
    assert seen == [("build_model", True), ("make_plan", False), ("deliver_to_customerio", False)]
    assert is_free(read)


def test_the_turn_ends_with_a_run_that_failed_or_went_half_the_way(read: World) -> None:
    assert not read.run().success, "the guard stops a first load"
    assert is_free(read)
    assert read.run("model/members", "model/people", "model/events").success
    assert is_free(read)


def test_a_plan_that_another_run_made_in_between_is_not_sent_twice(synced: World) -> None:
    customer = next(iter(synced.sandbox.stripe.objects("customer")))
    synced.sandbox.stripe.update_customer(customer, name="Another Name")
    synced.sandbox.clock.advance(minutes=2)
    before = accepted(synced)
    assert synced.run(config={"make_plan": {"dry_run": True}}).success
    assert synced.run("customerio/plan").success
    assert synced.run().success
    sent = accepted(synced)
    assert sent > before
    assert synced.run("customerio/people", "customerio/events").success
    assert accepted(synced) == sent


def test_a_step_that_is_tried_again_later_lets_others_go_on(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(steps, "_RETRY", dg.RetryPolicy(max_retries=1, delay=0))
    free: list[bool] = []

    @dg.asset(required_resource_keys={"pipeline"})
    def failing(context: dg.AssetExecutionContext) -> None:
        free.append(is_free(world))
        with steps.a_step(context, Names(), in_turn=True):
            free.append(is_free(world))
            raise CustomerioUnavailable("It is away.", "Wait.")

    with dg.DagsterInstance.ephemeral() as instance:
        dg.materialize(
            [failing],
            instance=instance,
            resources={"pipeline": PipelineResource()},
            raise_on_error=False,
            run_config={"loggers": {"console": {"config": {"log_level": "CRITICAL"}}}},
        )
    assert free == [True, False, True, False]
    assert is_free(world)
