"""An answer that is older than what was stored meanwhile never wins, whoever stored it and whatever its times say."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from stripe_cio_pipeline.extract.objects import BY_NAME
from stripe_cio_pipeline.extract.rows import Tally, row_of, write_rows
from stripe_cio_pipeline.extract.transport import moment
from stripe_cio_pipeline.sandbox import StripeSwitches
from stripe_cio_pipeline.warehouse import Warehouse
from tests.extract.stage import START, Lives, Stage, meanwhile, read_once

CUSTOMERS = BY_NAME["customers"]
DAY = 86_400


@pytest.fixture
def read(lives: Lives, tmp_path: Path) -> Iterator[Stage]:
    switches = StripeSwitches(late_events_share=0.0)
    with lives.go_on("read, no event late", tmp_path, read_once, switches=switches) as stage:
        yield stage


@pytest.mark.parametrize("dry_run", [False, True])
def test_a_page_of_a_reconcile_does_not_overwrite_what_a_sync_stored_meanwhile(
    read: Stage, monkeypatch: pytest.MonkeyPatch, dry_run: bool
) -> None:
    victim = next(iter(read.stripe.objects("customer")))

    def edit_and_sync() -> None:
        read.pass_time(seconds=2)
        read.stripe.update_customer(victim, name="Newer than the page")
        read.extract()

    meanwhile(monkeypatch, 1, edit_and_sync, "/v1/customers")
    report = read.reconcile(dry_run=dry_run)
    assert read.stored("customers")[victim]["name"] == "Newer than the page"
    assert (report.clean, report.whole) == (True, True)
    read.extract()
    read.assert_in_step()


def test_a_deletion_that_a_sync_stored_meanwhile_stays(read: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
    victim = next(iter(read.stripe.objects("customer")))

    def delete_and_sync() -> None:
        read.pass_time(seconds=2)
        read.stripe.delete_customer(victim)
        read.extract()

    meanwhile(monkeypatch, 1, delete_and_sync, "/v1/customers")
    assert read.reconcile().whole
    assert victim in read.stored("customers", deleted=True)


def test_a_read_by_id_settles_no_event_that_came_after_it_was_asked_for(
    read: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    victim = next(iter(read.stripe.objects("customer")))
    for name in ("One of two", "in a second"):
        read.stripe.update_customer(victim, name=name)

    def edit_and_store_the_event() -> None:
        for name in ("Two more", "in the next"):
            read.stripe.update_customer(victim, name=name)
        # Another process has read the feed and is about to look at the object.
        with monkeypatch.context() as patch:
            patch.setattr("stripe_cio_pipeline.extract.run.follow_signals", _follow_nothing)
            read.extract()

    meanwhile(monkeypatch, 1, edit_and_store_the_event, f"/v1/customers/{victim}")
    read.extract()
    monkeypatch.undo()
    read.extract()
    assert read.stored("customers")[victim]["name"] == "in the next"
    assert read.rows("select count(*) from pipeline.signals") == [(0,)]


async def _follow_nothing(*_: object) -> None:
    """Die before anything is looked at."""


def test_an_object_on_a_test_clock_ends_as_stripe_has_it(read: Stage) -> None:
    """Its events are dated in simulated time: a year ahead, and then less."""
    customer = next(iter(read.stripe.objects("customer")))
    for ahead, name in ((400, "Renewed next year"), (300, "On another clock")):
        read.pass_time(minutes=2)
        read.stripe.load([{**read.stripe.object("customer", customer), "test_clock": f"clock_{ahead}"}])
        read.stripe.update_customer(customer, name=name)
        event = max(read.stripe.events(), key=lambda event: event["created"] if event["created"] < START + DAY else 0)
        read.stripe.load([{**event, "created": START + ahead * DAY}])
        read.extract()
        assert read.stored("customers")[customer]["name"] == name
    assert read.rows("select count(*) from pipeline.signals") == [(0,)]


def store(warehouse: Warehouse, name: str, *, as_of: int, source: str, read_at: int) -> Tally:
    with warehouse.transaction() as connection:
        row = row_of(CUSTOMERS, {"id": "cus_1", "name": name}, as_of=as_of, source=source, read_at=read_at)
        return write_rows(connection, CUSTOMERS, [row], seq=1, run_id="test")


def name_of(warehouse: Warehouse) -> str:
    with warehouse.reading() as connection:
        [(name,)] = connection.execute("select payload ->> 'name' from stripe.customers").fetchall()
    return str(name)


@pytest.mark.parametrize(
    ("asked", "as_of", "wins"),
    [
        pytest.param(+1, 10, "the answer", id="asked after it was stored, and dated years before it"),
        pytest.param(-1, 9_999, "the snapshot", id="asked before it was stored, and dated years after it"),
    ],
)
def test_what_was_read_when_decides_and_no_date(tmp_path: Path, asked: int, as_of: int, wins: str) -> None:
    warehouse, stored_at = Warehouse(tmp_path / "warehouse.duckdb"), moment() - 10
    store(warehouse, "the snapshot", as_of=5_000, source="event", read_at=stored_at)
    tally = store(warehouse, "the answer", as_of=as_of, source="retrieve", read_at=stored_at + asked)
    assert name_of(warehouse) == wins
    assert tally.stale == (wins == "the snapshot")


def test_a_row_that_was_stored_while_the_clock_was_ahead_is_no_obstacle(tmp_path: Path) -> None:
    warehouse = Warehouse(tmp_path / "warehouse.duckdb")
    store(warehouse, "from the future", as_of=5, source="list", read_at=moment() + 10**15)
    store(warehouse, "from today", as_of=6, source="list", read_at=moment())
    assert name_of(warehouse) == "from today"


def test_of_two_answers_in_one_transaction_the_one_that_was_asked_for_later_is_stored(tmp_path: Path) -> None:
    warehouse = Warehouse(tmp_path / "warehouse.duckdb")
    rows = [
        row_of(CUSTOMERS, {"id": "cus_1", "name": name}, as_of=as_of, source="list", read_at=read_at)
        for name, as_of, read_at in (("later", 5, 20), ("earlier", 9, 10))
    ]
    with warehouse.transaction() as connection:
        write_rows(connection, CUSTOMERS, rows, seq=1, run_id="test")
    assert name_of(warehouse) == "later"
