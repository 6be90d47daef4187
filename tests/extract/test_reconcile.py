import itertools
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from stripe_cio_pipeline.errors import StripePermissionError, StripeUnavailable
from stripe_cio_pipeline.extract import ObjectReconciliation, Patience, ProgressNote, ReconcileReport, latest_proof
from stripe_cio_pipeline.extract.comparing import note_listed
from stripe_cio_pipeline.extract.objects import BY_NAME
from stripe_cio_pipeline.extract.rows import row_of
from stripe_cio_pipeline.sandbox import Fault, StripeSwitches
from stripe_cio_pipeline.warehouse import Warehouse
from tests.extract.stage import START, Lives, Stage, meanwhile


def three_days(stage: Stage) -> None:
    stage.extract()
    stage.pass_time(days=3)
    stage.extract()
    stage.settle()
    stage.extract()


@pytest.fixture
def read(lives: Lives, tmp_path: Path) -> Iterator[Stage]:
    with lives.go_on("read for three days", tmp_path, three_days) as stage:
        yield stage


def of(report: ReconcileReport, name: str) -> ObjectReconciliation:
    return next(part for part in report.objects if part.name == name)


def test_what_extraction_keeps_needs_no_repair_and_is_proved_by_month(read: Stage) -> None:
    report = read.reconcile()
    assert (report.clean, report.whole) == (True, True)
    assert all(month.equal_before and month.equal_after for part in report.objects for month in part.months)
    assert len(of(report, "customers").months) >= 2
    with read.warehouse.reading() as connection:
        months, made = latest_proof(connection)
    assert {month.object for month in months} == set(made) == {part.name for part in report.objects if part.stripe_rows}
    assert sum(month.stripe_rows for month in months if month.object == "customers") == 25 + _new(read)


def _new(stage: Stage) -> int:
    return len(stage.listed("customers")) - 25


def test_a_row_that_was_tampered_with_is_found_and_repaired(read: Stage) -> None:
    victim = next(iter(read.stored("customers")))
    with read.warehouse.transaction() as connection:
        connection.execute(
            """update stripe.customers set payload = json_merge_patch(payload, '{"name": "Tampered"}') where id = ?""",
            [victim],
        )
    report = read.reconcile()
    assert (of(report, "customers").tampered, of(report, "customers").changed) == (1, 1)
    assert of(report, "customers").examples == (victim,)
    assert (report.clean, report.whole) == (False, True)
    read.assert_in_step()


def test_a_row_that_was_lost_and_one_too_many_are_repaired(read: Stage) -> None:
    with read.warehouse.transaction() as connection:
        connection.execute("delete from stripe.invoices where id = (select min(id) from stripe.invoices)")
        connection.execute("insert into stripe.charges select 'ch_ghost', * exclude (id) from stripe.charges limit 1")
        connection.execute("update stripe.products set as_of = 99999999999, deleted = true")
    report = read.reconcile()
    assert of(report, "invoices").missing == 1
    assert of(report, "charges").confirmed_deleted == 1
    assert report.whole
    read.assert_in_step()
    assert "ch_ghost" in read.stored("charges", deleted=True)


def test_a_dry_run_says_what_differs_and_writes_no_row(read: Stage) -> None:
    with read.warehouse.transaction() as connection:
        connection.execute("delete from stripe.invoices where id = (select min(id) from stripe.invoices)")
    before = read.rows("select * exclude (payload), payload::varchar from stripe.invoices order by id")
    notes: list[ProgressNote] = []
    report = read.reconcile(dry_run=True, progress=notes.append)
    assert (of(report, "invoices").missing, of(report, "invoices").repaired) == (1, 0)
    assert read.rows("select * exclude (payload), payload::varchar from stripe.invoices order by id") == before
    [cost] = [note for note in notes if note.stage == "cost"]
    assert "GET requests" in cost.message
    assert report.expected_requests <= report.requests


def test_what_changed_since_the_last_poll_is_lag_and_no_loss(read: Stage) -> None:
    changed = next(iter(read.stripe.objects("customer")))
    read.stripe.switches.late_events_share = 0.0
    read.stripe.update_customer(changed, name="Changed just now")
    report = read.reconcile(dry_run=True)
    assert (of(report, "customers").changed, of(report, "customers").explained) == (1, 1)
    assert report.clean


def test_a_row_that_was_tampered_with_is_loss_whatever_events_its_object_had(read: Stage) -> None:
    victim = next(iter(read.stripe.objects("customer")))
    read.stripe.update_customer(victim, name="Changed minutes ago")
    read.settle()
    read.extract()
    with read.warehouse.transaction() as connection:
        connection.execute(
            """update stripe.customers set payload = json_merge_patch(payload, '{"name": "Tampered"}') where id = ?""",
            [victim],
        )
    report = read.reconcile()
    assert (of(report, "customers").changed, of(report, "customers").explained) == (1, 0)
    assert not report.clean


def test_objects_that_vanished_without_a_word_are_loss_though_events_spoke_of_them_before(read: Stage) -> None:
    gone = list(read.stripe.objects("customer"))[:2]
    for customer in gone:
        read.stripe.update_customer(customer, name="Changed minutes ago")
    read.settle()
    read.extract()
    read.stripe.load([{"id": customer, "object": "customer", "deleted": True} for customer in gone])
    report = read.reconcile()
    assert (of(report, "customers").vanished, of(report, "customers").explained) == (2, 0)
    assert not report.clean


def test_a_deletion_that_no_event_told_is_found_and_confirmed(read: Stage) -> None:
    gone = next(iter(read.stripe.objects("customer")))
    read.stripe.load([{"id": gone, "object": "customer", "deleted": True}])
    report = read.reconcile()
    assert of(report, "customers").confirmed_deleted == 1
    assert gone in read.stored("customers", deleted=True)


def test_an_object_of_which_nobody_knows_whether_it_is_there_leaves_the_others_proved(read: Stage) -> None:
    unknown, gone = list(read.stripe.objects("customer"))[:2]
    read.stripe.load([{"id": customer, "object": "customer", "deleted": True} for customer in (unknown, gone)])
    read.stripe.faults.rate(1.0, Fault.error(500), path=f"/v1/customers/{unknown}")
    report = read.reconcile(patience=Patience(attempts=1))
    assert report.failures == ()
    [unread] = report.unread
    assert unknown in unread.what
    assert not report.whole
    assert [part.name for part in report.objects if not part.whole] == ["customers"]
    assert gone in read.stored("customers", deleted=True)
    assert unknown in read.stored("customers")


def test_an_object_type_that_cannot_be_listed_fails_loudly_and_the_others_are_proved(read: Stage) -> None:
    read.stripe.switches.permissions.discard("rak_charge_read")
    with pytest.raises(StripePermissionError, match="rak_charge_read"):
        read.reconcile()
    report = read.reconcile(raise_failures=False)
    assert [failure.object for failure in report.failures] == ["charges"]
    assert "charges" not in {part.name for part in report.objects}
    assert not report.whole


def test_without_the_event_permission_a_dry_comparison_is_made_and_says_what_it_lacks(read: Stage) -> None:
    read.stripe.switches.permissions.discard("rak_event_read")
    report = read.reconcile(dry_run=True)
    assert (report.clean, report.whole) == (True, True)
    [warning] = [each for each in report.warnings if "could not be read after the comparison" in each]
    assert "rak_event_read" in warning


@contextmanager
def with_customers(folder: Path, number: int) -> Iterator[Stage]:
    """An account with so many more customers, read."""
    stage = Stage(folder, customers=2, history_days=10, switches=StripeSwitches(late_events_share=0.0))
    with stage.sandbox:
        customer = next(iter(stage.stripe.objects("customer").values()))
        stage.stripe.load(
            [{**customer, "id": f"cus_more{n:04d}", "created": START - 9_000 + n * 10} for n in range(number)]
        )
        stage.extract()
        stage.pass_time(minutes=20)
        stage.extract()
        stage.stripe.counters.log = []
        yield stage


@pytest.fixture
def large(tmp_path: Path) -> Iterator[Stage]:
    """An account with ten pages of customers, read."""
    with with_customers(tmp_path, 900) as stage:
        yield stage


def pages(stage: Stage, path: str = "/v1/customers") -> list[str]:
    """Which pages of a list were asked for since the last look."""
    log, stage.stripe.counters.log = stage.stripe.counters.log, []
    return [request for request in log if request.startswith(f"GET {path}?")]


def break_off(stage: Stage, path: str, after: int) -> None:
    """Let nothing at a path be answered from its so many-eth request on."""
    draw, answered = stage.stripe.faults.draw, itertools.count()

    def drawn(asked: str) -> Fault | None:
        return Fault.error(503) if asked == path and next(answered) >= after else draw(asked)

    stage.stripe.faults.draw = drawn


def mend(stage: Stage) -> None:
    del stage.stripe.faults.draw


def test_a_reconcile_that_was_broken_off_goes_on_and_tells_what_it_found_before(large: Stage) -> None:
    gone, tampered = "cus_more0000", "cus_more0899"
    large.stripe.load([{"id": gone, "object": "customer", "deleted": True}])
    with large.warehouse.transaction() as connection:
        connection.execute(
            """update stripe.customers set payload = json_merge_patch(payload, '{"name": "Tampered"}') where id = ?""",
            [tampered],
        )
    break_off(large, "/v1/customers", 5)
    with pytest.raises(StripeUnavailable):
        large.reconcile(objects=["customers"], patience=Patience(attempts=1))
    mend(large)
    answered = pages(large)[:5]
    # Between the two a sync goes on as ever, and stores what the comparison has listed already.
    large.stripe.update_customer("cus_more0898", name="Changed in between")
    large.pass_time(minutes=2)
    large.extract()
    pages(large)
    part = of(large.reconcile(objects=["customers"]), "customers")
    # Nothing is asked for again.
    assert len(answered) == 5
    assert set(answered).isdisjoint(pages(large))
    assert (part.tampered, part.changed, part.confirmed_deleted) == (1, 1, 1)
    assert (part.explained, part.whole) == (0, True)
    assert large.stored("customers")["cus_more0898"]["name"] == "Changed in between"
    assert large.rows("select count(*) from pipeline.cursors where name like 'reconcile%'") == [(0,)]
    # The next one begins anew.
    assert of(large.reconcile(objects=["customers"]), "customers").differing == 0
    assert len(pages(large)) >= 10


def test_what_was_found_and_repaired_stays_found_where_a_page_is_listed_twice(warehouse: Warehouse) -> None:
    kind = BY_NAME["customers"]
    row = row_of(kind, {"id": "cus_1", "created": 1}, as_of=1, source="list", read_at=1)
    with warehouse.transaction() as connection:
        note_listed(connection, kind, [row], {"cus_1": "missing"})
        # It is stored by now, so the second look finds nothing wrong.
        note_listed(connection, kind, [row], {})
        assert connection.execute("select id, finding from pipeline.listed").fetchall() == [("cus_1", "missing")]


def test_what_was_confirmed_before_it_was_broken_off_is_still_loss(large: Stage) -> None:
    gone = [f"cus_more{number:04d}" for number in range(3)]
    large.stripe.load([{"id": customer, "object": "customer", "deleted": True} for customer in gone])
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("stripe_cio_pipeline.extract.comparing._recently_changed", _die)
        with pytest.raises(RuntimeError):
            large.reconcile(objects=["customers"])
    large.extract()
    report = large.reconcile(objects=["customers"])
    assert of(report, "customers").confirmed_deleted == 3
    assert not report.clean


async def _die(_: object) -> set[tuple[str, str]]:
    raise RuntimeError


@pytest.mark.parametrize("days", [3, 40])
def test_what_was_listed_long_ago_is_listed_again(large: Stage, days: int) -> None:
    break_off(large, "/v1/customers", 5)
    with pytest.raises(StripeUnavailable):
        large.reconcile(objects=["customers"], patience=Patience(attempts=1))
    mend(large)
    pages(large)
    large.pass_time(days=days)
    large.extract(objects=["events"])
    large.reconcile(objects=["customers"])
    assert len(pages(large)) >= 10


def test_it_asks_before_it_reads_by_id_in_masses_and_then_lists_nothing_again(large: Stage) -> None:
    """A list that something shortens looks as if everybody was gone."""
    gone = [f"cus_more{number:04d}" for number in range(5)]
    large.stripe.load([{"id": customer, "object": "customer", "deleted": True} for customer in gone])
    asked: list[tuple[str, int]] = []

    def refuse(name: str, number: int) -> bool:
        asked.append((name, number))
        return False

    report = large.reconcile(objects=["customers"], most_by_id=4, may_read=refuse, raise_failures=False)
    assert asked == [("customers", 5)]
    [failure] = report.failures
    assert "5 stored customers are not in Stripe's list" in failure.what
    assert "--read-by-id 5" in failure.advice
    assert set(gone) <= set(large.stored("customers"))
    assert large.stripe.counters["GET /v1/customers/{id}"] == 0
    pages(large)
    agreed = large.reconcile(objects=["customers"], most_by_id=4, may_read=lambda *_: True)
    assert pages(large) == []
    assert of(agreed, "customers").confirmed_deleted == 5
    assert set(gone) <= set(large.stored("customers", deleted=True))


def test_a_sync_heals_a_gap_for_so_long_at_most_and_goes_on_in_the_next(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("stripe_cio_pipeline.extract.run.HEAL_SECONDS", 0.0)
    with with_customers(tmp_path, 150) as stage:
        stage.stripe.delete_customer("cus_more0050")
        stage.pass_time(days=40)
        pages(stage)
        runs = 0
        while not (report := stage.extract(objects=["customers"])).healed_gap:
            runs += 1
            assert len(pages(stage)) == 1
            [told] = [warning for warning in report.warnings if "must still be listed again" in warning]
            assert "customers" in told
            assert runs < 10
        assert runs >= 1
        assert "cus_more0050" in stage.stored("customers", deleted=True)
        assert not stage.extract(objects=["customers"]).healed_gap


def test_of_two_comparisons_at_once_one_comes_to_its_end_and_the_other_concludes_nothing(
    large: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    other: list[ReconcileReport] = []
    meanwhile(monkeypatch, 3, lambda: other.append(large.reconcile(objects=["customers"])), "/v1/customers")
    report = large.reconcile(objects=["customers"], raise_failures=False)
    assert (other[0].clean, other[0].whole) == (True, True)
    [failure] = report.failures
    assert "Another run compares customers" in failure.what
    assert large.stripe.counters["GET /v1/customers/{id}"] == 0
    assert large.reconcile(objects=["customers"]).whole
