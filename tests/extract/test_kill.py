import itertools
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from stripe_cio_pipeline.extract import OBJECTS
from stripe_cio_pipeline.extract.objects import EVENTS_PATH
from stripe_cio_pipeline.sandbox import StripeSwitches
from stripe_cio_pipeline.warehouse import Warehouse
from tests.extract.stage import Stage

pytestmark = pytest.mark.file_is_shared

WINDOW = 8

#: Kills in each of the two parts (history, changes), how many must come of them in all, customers, seconds that each
#: answer takes, and the longest life of a child in seconds.
SHORT = pytest.param(3, 2, 60, 0.02, 0.6, id="a few kills")
LONG = pytest.param(20, 30, 400, 0.25, 1.0, id="many kills", marks=[pytest.mark.gauntlet, pytest.mark.timeout(900)])


def killed_runs(stage: Stage, kills: int, longest: float, *what: str) -> int:
    settings = stage.settings
    script = Path(__file__).with_name("killable.py")
    arguments = [stage.warehouse.location, settings.stripe_api_base, settings.require_stripe()]
    numbers = [str(kills), "5", str(WINDOW), str(longest)]
    done = subprocess.run(
        [sys.executable, script, *arguments, *numbers, *what], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    return int(done.stdout)


def contents(stage: Stage) -> dict[str, list[tuple[object, ...]]]:
    return {
        kind.name: stage.rows(f"select id, payload, deleted, customer_id from stripe.{kind.name} order by id")
        for kind in OBJECTS
    }


def repeats(log: list[str]) -> int:
    """Requests for objects and events that were made before with the same parameters."""
    endpoints = tuple(f"GET {path}{end}" for path in (EVENTS_PATH, *(kind.path for kind in OBJECTS)) for end in "?/")
    asked = [request for request in log if request.startswith(endpoints)]
    return len(asked) - len(set(asked))


@pytest.mark.parametrize(("kills", "least", "customers", "latency", "longest"), [SHORT, LONG])
def test_killed_runs_end_where_an_undisturbed_one_does(
    tmp_path: Path, kills: int, least: int, customers: int, latency: float, longest: float
) -> None:
    stage = Stage(tmp_path, customers=customers, switches=StripeSwitches(latency_seconds=latency))
    killed = 0
    killed_warehouse, twin = stage.warehouse, Warehouse(tmp_path / "twin.duckdb", lock_wait_seconds=20)
    with stage.sandbox:
        for part in ("history", "changes"):
            stage.warehouse = twin
            before, stage.stripe.counters.log = stage.requests(), []
            stage.extract()
            feed = sum(request.startswith(f"GET {EVENTS_PATH}?") for request in stage.stripe.counters.log)
            undisturbed = stage.requests() - before
            expected = contents(stage)

            stage.warehouse = killed_warehouse
            before, stage.stripe.counters.log = stage.requests(), []
            times = killed_runs(stage, kills, longest)
            killed += times
            again = repeats(stage.stripe.counters.log)
            print(f"{part}: {times} kills, {stage.requests() - before} requests, {again} repeated, of {undisturbed}")
            # Nothing is asked for again but what was not durable yet, the time, and the feed from the watermark on.
            assert again <= times * (WINDOW + 2 + feed), part
            assert stage.requests() - before <= undisturbed * 1.5 + times * (WINDOW + 4 + feed), part
            assert contents(stage) == expected, part
            assert stage.rows("select count(*) from pipeline.signals") == [(0,)]
            assert stage.rows("select count(*) from pipeline.slices") == [(0,)]
            events = stage.rows("select count(*), count(distinct id) from stripe.events")
            assert events[0][0] == events[0][1]

            stage.stripe.switches.late_events_share = 0.0
            stage.pass_time(days=6)
            stage.settle()
        assert killed >= least
        stage.extract()
        stage.settle()
        stage.extract()
        stage.assert_in_step()


@pytest.mark.gauntlet
@pytest.mark.timeout(900)
def test_killed_reconciles_end_where_an_undisturbed_one_does_beside_syncs_and_fetches_of_older_events(
    tmp_path: Path,
) -> None:
    """Each goes on where it was killed, and meanwhile another process syncs and fetches events from before."""
    switches = StripeSwitches(latency_seconds=0.05, late_events_share=0.0)
    stage = Stage(tmp_path, customers=300, switches=switches)
    with stage.sandbox:
        stage.extract()
        stage.pass_time(days=2)
        stage.extract()
        customers = list(stage.stripe.objects("customer"))
        gone = customers[:20]
        stage.stripe.load([{"id": customer, "object": "customer", "deleted": True} for customer in gone])
        done = threading.Event()
        names = itertools.count()

        def live() -> None:
            while not done.is_set():
                number = next(names)
                stage.stripe.update_customer(customers[20 + number % 200], name=f"Name {number}")
                stage.pass_time(seconds=90)
                stage.extract(raise_failures=False)
                if number % 3 == 0:
                    stage.fetch_older_events(days=20)

        other = threading.Thread(target=live)
        other.start()
        try:
            killed = killed_runs(stage, 15, 1.5, "reconcile")
        finally:
            done.set()
            other.join()
        assert killed >= 5
        stage.settle()
        stage.extract()
        assert set(gone) <= set(stage.stored("customers", deleted=True))
        report = stage.reconcile()
        assert (report.clean, report.whole) == (True, True)
        stage.assert_in_step()
