from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import orjson
import pytest

from stripe_cio_pipeline.errors import BindingError
from stripe_cio_pipeline.extract import Patience, clock, shape_findings, transport
from stripe_cio_pipeline.sandbox import Fault, StripeSwitches
from tests.extract.stage import Lives, Stage, of, read_once


@pytest.fixture
def read(lives: Lives, tmp_path: Path) -> Iterator[Stage]:
    """The same account, read once, with nothing on its way."""
    with lives.go_on("read", tmp_path, read_once) as stage:
        yield stage


def test_a_quiet_poll_is_one_request(read: Stage) -> None:
    before = read.requests()
    report = read.extract()
    assert (report.requests, read.requests() - before, report.events) == (1, 1, 0)


def test_changes_of_days_arrive(read: Stage) -> None:
    read.pass_time(days=5)
    read.extract()
    read.settle()
    read.extract()
    read.assert_in_step()


def test_an_unchanged_row_keeps_its_number(read: Stage) -> None:
    before = dict(read.rows("select id, seq from stripe.customers"))
    changed = next(iter(read.stripe.objects("customer")))
    read.stripe.update_customer(changed, name="Somebody else")
    read.settle()
    read.extract()
    after = dict(read.rows("select id, seq from stripe.customers"))
    assert [object_id for object_id in after if after[object_id] != before[object_id]] == [changed]


def test_a_change_names_the_event_that_made_it(read: Stage) -> None:
    changed = next(iter(read.stripe.objects("customer")))
    read.stripe.switches.late_events_share = 0.0
    read.settle()
    read.stripe.update_customer(changed, name="Somebody else")
    read.settle()
    read.extract()
    [(event,)] = read.rows("select source_event_id from stripe.customers where id = ?", changed)
    [(kind, subject)] = read.rows("select type, object_id from stripe.events where id = ?", event)
    assert (kind, subject) == ("customer.updated", changed)


def test_an_event_that_is_certainly_newer_costs_no_read(read: Stage) -> None:
    read.stripe.switches.late_events_share = 0.0
    read.settle()
    changed = next(iter(read.stripe.objects("customer")))
    read.stripe.update_customer(changed, name="Somebody else")
    read.settle()
    assert read.extract().requests == 1
    assert read.stored("customers")[changed]["name"] == "Somebody else"


def test_what_only_an_expand_gives_survives_an_event(read: Stage) -> None:
    changed = next(
        object_id
        for object_id, payload in read.stored("customers").items()
        if payload["invoice_settings"]["default_payment_method"]
    )
    card = read.stored("customers")[changed]["invoice_settings"]["default_payment_method"]
    read.stripe.update_customer(changed, phone="+15550100")
    read.settle()
    read.extract()
    stored = read.stored("customers")[changed]
    assert stored["phone"] == "+15550100"
    assert stored["invoice_settings"]["default_payment_method"] == card


def test_a_renewed_card_reaches_the_customer_though_no_customer_event_tells(read: Stage) -> None:
    changed = next(
        object_id
        for object_id, payload in read.stored("customers").items()
        if payload["invoice_settings"]["default_payment_method"]
    )
    card = read.stored("customers")[changed]["invoice_settings"]["default_payment_method"]
    read.stripe.renew_card(card["id"])
    read.settle()
    read.extract()
    renewed = read.stored("customers")[changed]["invoice_settings"]["default_payment_method"]
    assert renewed["card"]["exp_year"] > card["card"]["exp_year"]
    read.assert_in_step()


def test_a_burst_costs_its_pages_and_one_read_for_each_object(read: Stage) -> None:
    read.stripe.switches.duplicate_events_share = 0.0
    ids = list(read.stripe.objects("customer"))[:10]
    for number in range(1_200):
        read.stripe.update_customer(ids[number % 10], name=f"Name {number}")
    read.settle()
    before = read.requests()
    report = read.extract()
    assert report.events == 1_200
    # 12 pages, the cuts between them, and ten objects with many events in one second.
    assert read.requests() - before <= 12 * 1.75 + 10
    assert of(report, "customers").requests == 10
    read.assert_in_step()


TWICE = Patience(attempts=2, wait_initial=0.001, wait_max=0.01)


def later(stage: Stage, **time: float) -> None:
    """Let time pass for what is tried again at growing distances, which this machine's clock tells."""
    with stage.warehouse.transaction() as connection:
        connection.execute("update pipeline.unread set next_at = next_at - ?", [timedelta(**time)])


def change_twice(stage: Stage, *customers: str) -> None:
    """Let an event tell of each, which does not tell what it came to: two in one second show two contents."""
    for name in ("One of two", "in a second"):
        for customer in customers:
            stage.stripe.update_customer(customer, name=name)
    stage.settle()


def test_one_object_that_cannot_be_read_leaves_the_others_alone(read: Stage) -> None:
    bad, *others = list(read.stripe.objects("customer"))[:20]
    change_twice(read, bad, *others)
    read.stripe.faults.rate(1.0, Fault.error(500), path=f"/v1/customers/{bad}")
    for _ in range(2):
        report = read.extract(patience=TWICE)
        assert report.failures == ()
        [unread] = report.unread
        assert bad in unread.what
        assert {read.stored("customers")[customer]["name"] for customer in others} == {"in a second"}
        assert read.rows("select distinct id from pipeline.signals") == [(bad,)]
    read.stripe.faults.clear()
    later(read, minutes=11)
    assert read.extract().unread == ()
    assert read.rows("select * from pipeline.unread") == []
    read.assert_in_step()


def test_an_object_that_can_never_be_read_starts_no_run_at_each_look_and_is_named_in_each(read: Stage) -> None:
    bad = next(iter(read.stripe.objects("customer")))
    change_twice(read, bad)
    read.stripe.faults.rate(1.0, Fault.error(500), path=f"/v1/customers/{bad}")
    read.extract(patience=TWICE)
    # It may have been an outage: the next run tries once more.
    assert read.peek().changed
    read.extract(patience=TWICE)
    before = read.requests()
    [unread] = read.extract(patience=TWICE).unread
    assert read.requests() - before == 1
    assert f"{bad} of customers is not up to date" in unread.what
    assert "tried 2 times" in unread.advice
    looked = read.peek()
    assert (looked.changed, looked.reason) == (False, "nothing new")
    later(read, minutes=10)
    assert read.peek().changed
    read.extract(patience=TWICE)
    # Twice as long as before.
    later(read, minutes=19)
    assert not read.peek().changed
    later(read, minutes=1)
    assert read.peek().changed


def test_what_an_event_shows_with_certainty_needs_no_reading_of_an_object_that_is_held_back(read: Stage) -> None:
    bad = next(iter(read.stripe.objects("customer")))
    change_twice(read, bad)
    read.stripe.faults.rate(1.0, Fault.error(500), path=f"/v1/customers/{bad}")
    for _ in range(2):
        read.extract(patience=TWICE)
    read.stripe.delete_customer(bad)
    read.settle()
    assert read.extract(patience=TWICE).unread == ()
    assert bad in read.stored("customers", deleted=True)
    assert read.rows("select * from pipeline.unread") == []


def test_many_objects_that_cannot_be_read_do_not_stop_the_rest_for_ever(read: Stage) -> None:
    bad, others = list(read.stripe.objects("customer"))[:8], list(read.stripe.objects("customer"))[8:14]
    change_twice(read, *bad, *others)
    for customer in bad:
        read.stripe.faults.rate(1.0, Fault.error(500), path=f"/v1/customers/{customer}")
    for _ in range(5):
        report = read.extract(patience=Patience(attempts=1), raise_failures=False)
    assert report.failures == ()
    assert len(report.unread) == len(bad)
    assert {read.stored("customers")[customer]["name"] for customer in others} == {"in a second"}


def test_where_no_object_can_be_read_the_type_fails_and_not_every_one_is_tried(read: Stage) -> None:
    customers = list(read.stripe.objects("customer"))
    for name in ("One of two", "in a second"):
        for customer in customers:
            read.stripe.update_customer(customer, name=name)
    read.settle()
    read.stripe.faults.rate(1.0, Fault.error(500), path="/v1/customers/")
    report = read.extract(patience=Patience(attempts=1), raise_failures=False)
    assert [failure.object for failure in report.failures] == ["customers"]
    assert of(report, "customers").requests < len(customers)
    read.stripe.faults.clear()
    read.extract()
    read.assert_in_step()


def test_a_clock_of_stripes_that_was_ahead_once_hides_no_change(read: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
    """The Date of one answer to a look for events lies a day ahead, and polls are hourly."""
    read.pass_time(hours=1)
    # Each answer's date is looked at twice.
    date_of, ahead = transport.date_of, iter([86_400, 86_400])
    with monkeypatch.context() as patch:
        for module in (transport, clock):
            patch.setattr(module, "date_of", lambda headers: (date_of(headers) or 0) + next(ahead, 0))
        read.extract()
    read.pass_time(minutes=30)
    changed = next(iter(read.stripe.objects("customer")))
    read.stripe.update_customer(changed, name="Changed between two polls")
    read.pass_time(minutes=30)
    read.extract()
    assert read.stored("customers")[changed]["name"] == "Changed between two polls"


@pytest.mark.parametrize("connected", [False, True])
def test_an_event_of_another_account_is_none_of_ours(
    read: Stage, monkeypatch: pytest.MonkeyPatch, connected: bool
) -> None:
    if connected:
        given = read.settings.model_copy(update={"stripe_account": read.stripe.switches.account_id})
        monkeypatch.setattr(Stage, "settings", property(lambda _: given))
    read.pass_time(minutes=20)
    read.stripe.create_customer(email="customer-99@example.com")
    own = max(read.stripe.events(), key=lambda event: event["created"])
    subject = {**own["data"]["object"], "id": "cus_foreign"}
    read.stripe.load([{**own, "id": "evt_foreign", "account": "acct_another", "data": {"object": subject}}])
    read.stripe.load([{**own, "account": read.stripe.switches.account_id}])
    if connected:
        with pytest.raises(BindingError, match="acct_another"):
            read.extract()
        assert read.rows("select count(*) from stripe.events where id = ?", own["id"]) == [(0,)]
        return
    assert "1 events of other accounts" in " ".join(read.extract().warnings)
    assert read.rows("select id from stripe.events where id in (?, 'evt_foreign')", own["id"]) == [(own["id"],)]
    assert "cus_foreign" not in {*read.stored("customers"), *read.stored("customers", deleted=True)}
    assert not read.peek().changed


def test_an_event_of_the_other_mode_is_refused(read: Stage) -> None:
    read.pass_time(minutes=20)
    read.stripe.create_customer(email="customer-99@example.com")
    _rewrite_last_event(read, {"livemode": True})
    with pytest.raises(BindingError, match="live mode"):
        read.extract()


def test_events_that_appear_late_are_not_lost(tmp_path: Path) -> None:
    stage = Stage(tmp_path, switches=StripeSwitches(late_events_share=0.7, late_events_seconds=60.0))
    with stage.sandbox:
        stage.extract()
        for _ in range(12):
            stage.pass_time(minutes=37)
            stage.extract()
        stage.settle()
        stage.extract()
        stage.assert_in_step()
        assert stage.rows("select count(*) - count(distinct id) from stripe.events") == [(0,)]


def test_a_deleted_customer_becomes_a_tombstone_with_what_was_last_known(read: Stage) -> None:
    gone = next(iter(read.stripe.objects("customer")))
    last = read.stored("customers")[gone]
    read.stripe.delete_customer(gone)
    read.settle()
    report = read.extract()
    assert of(report, "customers").deleted == 1
    assert gone not in read.stored("customers")
    assert read.stored("customers", deleted=True)[gone] == last


def test_a_tombstone_is_not_raised_by_an_older_event(tmp_path: Path) -> None:
    stage = Stage(tmp_path, switches=StripeSwitches(late_events_share=0.0))
    with stage.sandbox:
        stage.extract()
        gone = next(iter(stage.stripe.objects("customer")))
        stage.pass_time(minutes=15)
        stage.extract()
        stage.stripe.switches.late_events_share = 1.0
        stage.stripe.update_customer(gone, name="Late news")
        stage.sandbox.clock.advance(seconds=1)
        stage.stripe.switches.late_events_share = 0.0
        stage.stripe.delete_customer(gone)
        stage.extract()
        assert gone in stage.stored("customers", deleted=True)
        stage.settle()
        stage.extract()
        assert gone in stage.stored("customers", deleted=True)
        assert stage.rows("select count(*) from stripe.events where type = 'customer.updated'")[0][0] >= 1


def test_a_canceled_subscription_stays_as_a_row(read: Stage) -> None:
    canceled = next(
        object_id for object_id, payload in read.stored("subscriptions").items() if payload["status"] == "active"
    )
    read.stripe.cancel_subscription(canceled)
    read.settle()
    read.extract()
    assert read.stored("subscriptions")[canceled]["status"] == "canceled"


def test_a_gap_longer_than_stripes_memory_heals_itself_and_says_so(read: Stage) -> None:
    gone = next(iter(read.stripe.objects("customer")))
    read.stripe.delete_customer(gone)
    read.pass_time(days=40)
    report = read.extract()
    assert report.healed_gap
    assert any("30 days" in warning for warning in report.warnings)
    assert gone not in read.stored("customers")
    read.settle()
    assert not read.extract().healed_gap
    read.assert_in_step()


@pytest.mark.parametrize(
    "version",
    ["2024-09-30.acacia", "2025-03-31.basil", "2025-09-30.clover", "2026-03-25.dahlia", "2026-09-30.endive"],
)
def test_events_in_the_shape_of_another_version_give_the_same_rows(tmp_path: Path, version: str) -> None:
    stage = Stage(tmp_path, customers=12, switches=StripeSwitches(api_version=version))
    with stage.sandbox:
        stage.extract()
        stage.pass_time(days=4)
        report = stage.extract()
        stage.settle()
        stage.extract()
        stage.assert_in_step()
        assert report.events > 0
        assert report.warnings == ()
        with stage.warehouse.reading() as connection:
            findings = shape_findings(connection)
        assert {finding.api_version for finding in findings} == {version}
        assert not any(finding.alarming for finding in findings)


def test_a_version_newer_than_the_pinned_one_is_told_and_read_again(read: Stage) -> None:
    read.stripe.switches.late_events_share = 0.0
    changed = next(iter(read.stripe.objects("customer")))
    read.sandbox.clock.advance(seconds=5)
    read.stripe.update_customer(changed, name="From the future")
    _rewrite_last_event(read, {"api_version": "2027-04-01.fern"})
    report = read.extract()
    assert any("2027-04-01.fern" in warning for warning in report.warnings)
    assert of(report, "customers").requests == 1
    assert read.stored("customers")[changed]["name"] == "From the future"
    with read.warehouse.reading() as connection:
        findings = [finding for finding in shape_findings(connection) if finding.alarming]
    assert [(finding.verdict, finding.payloads) for finding in findings] == [("newer", 1)]
    # The next poll sees the event once more, and reads nothing because of it.
    report = read.extract()
    assert (report.requests, report.warnings) == (1, ())
    with read.warehouse.reading() as connection:
        assert [finding for finding in shape_findings(connection) if finding.alarming] == findings


@pytest.mark.parametrize("preview", [{}, {"id": "upcoming_in_1PgafmB7WZ01zgkW6dKueIc5"}], ids=["no id", "an id"])
def test_a_preview_of_an_invoice_is_an_event_and_never_a_row(read: Stage, preview: dict[str, str]) -> None:
    read.stripe.switches.late_events_share = 0.0
    changed = next(iter(read.stripe.objects("customer")))
    read.sandbox.clock.advance(seconds=5)
    read.stripe.update_customer(changed, name="Somebody else")
    read.extract()
    drafts = read.stored("invoices")
    invoice = next(iter(read.stripe.objects("invoice").values()))
    subject = {**{name: value for name, value in invoice.items() if name != "id"}, "status": "draft", **preview}
    _rewrite_last_event(read, {"id": "evt_preview", "type": "invoice.upcoming", "data": {"object": subject}})
    report = read.extract()
    assert (report.requests, report.warnings) == (1, ())
    assert read.stored("invoices") == drafts
    assert read.rows("select customer_id from stripe.events where id = 'evt_preview'") == [(invoice["customer"],)]


def test_what_is_not_known_of_an_event_is_told_once(read: Stage) -> None:
    read.stripe.switches.late_events_share = 0.0
    read.sandbox.clock.advance(seconds=5)
    read.stripe.update_customer(next(iter(read.stripe.objects("customer"))), name="From the future")
    _rewrite_last_event(read, {"api_version": "2027-04-01.fern"})
    assert any("fern" in warning for warning in read.extract().warnings)
    for _ in range(2):
        assert read.extract().warnings == ()
    with read.warehouse.reading() as connection:
        assert [finding.payloads for finding in shape_findings(connection) if finding.alarming] == [1]


def test_a_field_that_is_missing_from_a_payload_overwrites_nothing(read: Stage) -> None:
    read.stripe.switches.late_events_share = 0.0
    changed, payload = next((i, p) for i, p in read.stored("customers").items() if p["email"])
    read.sandbox.clock.advance(seconds=5)
    read.stripe.update_customer(changed, name="Without email")
    object_without = {key: value for key, value in read.stripe.object("customer", changed).items() if key != "email"}
    _rewrite_last_event(read, {"data": {"object": object_without}})
    read.stripe.load([object_without])
    report = read.extract()
    stored = read.stored("customers")[changed]
    assert (stored["name"], stored["email"]) == ("Without email", payload["email"])
    assert any("lack" in warning and "email" in warning for warning in report.warnings)


@pytest.mark.file_is_shared
def test_secrets_are_gone_before_anything_is_stored(read: Stage) -> None:
    read.stripe.switches.late_events_share = 0.0
    read.sandbox.clock.advance(seconds=5)
    changed = next(iter(read.stripe.objects("customer")))
    read.stripe.update_customer(changed, name="Somebody else")
    subject = {
        "object": "checkout.session",
        "id": "cs_1",
        "customer": changed,
        "client_secret": "cs_secret_value",
        "inner": [{"payment_intent": {"object": "payment_intent", "client_secret": "pi_secret_value"}}],
    }
    _rewrite_last_event(read, {"type": "checkout.session.completed", "data": {"object": subject}})
    read.extract()
    [(text, customer)] = read.rows(
        "select payload, customer_id from stripe.events where type = 'checkout.session.completed'"
    )
    assert "secret" not in text
    assert customer == changed
    assert b"cs_secret_value" not in Path(read.warehouse.location).read_bytes()


def _rewrite_last_event(stage: Stage, fields: dict[str, object]) -> None:
    """Put the newest event in again, as another account or another time would have written it."""
    newest = max(stage.stripe.events(), key=lambda event: event["created"])
    event = orjson.loads(orjson.dumps(newest))
    stage.stripe.load([{**event, **fields}])
