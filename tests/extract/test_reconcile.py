import pytest

from stripe_cio_pipeline.errors import StripePermissionError
from stripe_cio_pipeline.extract import ObjectReconciliation, Patience, ProgressNote, ReconcileReport, latest_proof
from stripe_cio_pipeline.sandbox import Fault
from tests.extract.stage import Stage


@pytest.fixture
def read(stage: Stage) -> Stage:
    stage.extract()
    stage.pass_time(days=3)
    stage.extract()
    stage.settle()
    stage.extract()
    return stage


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
