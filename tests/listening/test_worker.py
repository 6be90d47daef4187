"""The worker: what was accepted is in Customer.io, once, whatever stands in between; nothing is lost on the way."""

from typing import Any

import pytest
import stamina

from stripe_cio_pipeline.errors import PipelineError
from stripe_cio_pipeline.listening import worker as working
from stripe_cio_pipeline.policy import parse_policy
from stripe_cio_pipeline.sandbox import Fault
from stripe_cio_pipeline.warehouse import Turn
from tests.listening.conftest import POLICY, Shop


def test_a_new_customer_is_a_person_and_the_first_event_follows_once_the_link_was_seen(shop: Shop) -> None:
    customer = shop.sandbox.stripe.create_customer(email="new@example.com", name="One")["id"]
    shop.sandbox.stripe.create_subscription(customer)
    shop.accept()
    outcome, wait = shop.round()
    assert (outcome, shop.inbox.waiting(9)) == ("sent", [])
    assert shop.person(customer) is not None
    sent = shop.inbox.traffic(0, 2e10)
    assert (sent.people, sent.events, len(sent.lags)) == (1, 0, sent.received)
    assert wait == working._LOOK_AGAIN[0], "somebody is in between, so it looks again soon, without an event"
    assert shop.round() == ("sent", None)
    assert shop.mailed() == {f"customer.subscription.created {customer}": 1}
    assert shop.inbox.traffic(0, 2e10).events == 1
    assert shop.round() == ("idle", None)
    assert shop.accounts[-1] == shop.sandbox.stripe.switches.account_id


def test_with_an_app_key_nobody_waits_for_the_settle_time(shop: Shop) -> None:
    shop.policy = parse_policy({**POLICY, "identity": {"settle_seconds": 3_600}})
    shop.worker = shop.new_worker()
    customer = shop.sandbox.stripe.create_customer(email="new@example.com")["id"]
    shop.sandbox.stripe.create_subscription(customer)
    shop.accept()
    shop.round()
    shop.round()
    assert shop.mailed() == {f"customer.subscription.created {customer}": 1}


def test_who_is_not_there_yet_is_not_noted_as_missing(shop: Shop) -> None:
    """A look before the settle time proves no absence: Customer.io applies later what it has accepted."""
    shop.policy = parse_policy({**POLICY, "identity": {"settle_seconds": 3_600}})
    shop.worker = shop.new_worker()
    shop.sandbox.customerio.incident(hours=2)
    customer = shop.sandbox.stripe.create_customer(email="new@example.com")["id"]
    shop.accept()
    shop.round()
    outcome, wait = shop.round()
    assert outcome == "sent"
    assert wait is not None
    assert shop.rows("select state, missed_at from customerio.people where person_id = ?", customer) == [
        ("linking", None)
    ]


def test_before_the_first_sync_events_wait_and_it_says_for_what(unsynced: Shop) -> None:
    customer = unsynced.sandbox.stripe.create_customer(email="new@example.com")["id"]
    unsynced.accept()
    outcome, wait = unsynced.round()
    assert outcome == "waits"
    assert wait is not None
    assert len(unsynced.inbox.waiting(9)) == 1
    assert unsynced.said == ["Events wait for the first sync: run stripe-cio sync."]
    unsynced.round()
    assert len(unsynced.said) == 1, "it is said once"
    unsynced.sync()
    assert unsynced.person(customer) is not None
    unsynced.round()
    assert unsynced.inbox.waiting(9) == []


def test_while_a_run_has_the_turn_events_are_taken_in_and_sent_when_it_is_free(
    shop: Shop, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(shop.worker._opened.turn._warehouse, "wait_seconds", 0.0)
    customer = shop.sandbox.stripe.create_customer(email="new@example.com")["id"]
    shop.accept()
    with Turn(shop.warehouse, "another run"):
        outcome, wait = shop.round()
        assert outcome == "busy"
        assert wait == working._LOOK_AGAIN[0]
        assert shop.inbox.waiting(9) == []
        assert shop.rows("select count(*) from stripe.customers where id = ?", customer) == [(1,)]
        assert shop.person(customer) is None
    assert shop.round()[0] == "sent"
    assert shop.person(customer) is not None


def test_a_crash_between_the_inbox_and_the_warehouse_loses_nothing_and_counts_nothing_twice(
    shop: Shop, monkeypatch: pytest.MonkeyPatch
) -> None:
    customer = shop.sandbox.stripe.create_customer(email="new@example.com")["id"]
    shop.sandbox.stripe.create_subscription(customer)
    shop.accept()
    with monkeypatch.context() as patch, pytest.raises(SystemExit):
        patch.setattr(shop.inbox, "taken", killed)
        shop.worker._round()
    assert shop.inbox.waiting(99)
    assert shop.rows("select count(*) from stripe.events where run_id like 'listen-%'") != [(0,)]
    before = shop.rows("select count(*) from stripe.events")
    shop.worker = shop.new_worker()
    shop.round()
    shop.round()
    assert shop.rows("select count(*) from stripe.events") == before
    assert shop.inbox.waiting(99) == []
    assert shop.mailed() == {f"customer.subscription.created {customer}": 1}


def test_what_a_former_process_took_in_and_did_not_send_is_sent_without_an_event(
    shop: Shop, monkeypatch: pytest.MonkeyPatch
) -> None:
    customer = shop.sandbox.stripe.create_customer(email="new@example.com")["id"]
    shop.accept()
    with monkeypatch.context() as patch, pytest.raises(SystemExit):
        patch.setattr(working, "send_arrivals", killed)
        shop.worker._round()
    assert shop.person(customer) is None
    shop.worker = shop.new_worker()
    assert shop.round()[0] == "sent"
    assert shop.person(customer) is not None


def test_customer_io_is_away_for_an_hour_and_the_end_is_the_same(shop: Shop, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(working, "_TRY_AGAIN", (3_600.0,))
    shop.sandbox.customerio.faults.rate(1.0, Fault.error(503))
    customers = []
    for number in range(3):
        customers.append(shop.sandbox.stripe.create_customer(email=f"new-{number}@example.com")["id"])
        shop.sandbox.stripe.create_subscription(customers[-1])
        shop.accept()
        with stamina.set_testing(True, attempts=1):
            outcome, wait = shop.round()
        assert outcome == ("resting" if number else "CustomerioUnavailable")
        assert wait is not None
        assert shop.inbox.waiting(99) == [], "events are taken in meanwhile"
    assert any("What was accepted is kept" in said for said in shop.said)
    shop.sandbox.customerio.faults.clear()
    shop.worker._rests_until = 0.0
    while shop.round()[1] is not None:
        pass
    assert shop.mailed() == {f"customer.subscription.created {customer}": 1 for customer in customers}
    assert shop.said[-1] == "It goes on: what had waited is sent."


def killed(*_: Any) -> None:
    """Stands for the end of the process."""
    raise SystemExit


def test_the_guard_stops_sending_and_not_accepting(shop: Shop) -> None:
    shop.policy = parse_policy({**POLICY, "guard": {"first_load": "send", "max_changed_people": 2}})
    shop.worker = shop.new_worker()
    for number in range(5):
        shop.sandbox.stripe.create_customer(email=f"new-{number}@example.com")
    shop.accept()
    assert shop.round() == ("guard", None)
    assert len(shop.sandbox.customerio.people()) == 1
    more = shop.sandbox.stripe.create_customer(email="more@example.com")["id"]
    shop.accept()
    assert shop.round() == ("guard", None)
    assert shop.inbox.waiting(9) == []
    assert len(shop.said) == 1
    assert shop.rows("select outcome from pipeline.runs where kind = 'listen'") == [("stopped by the guard",)]
    shop.sync(approve=True)
    assert shop.person(more) is not None
    shop.sandbox.stripe.update_customer(more, name="Another")
    shop.accept()
    assert shop.round()[0] == "sent"


def test_what_does_not_fit_into_a_round_is_taken_in_by_the_next_without_an_event_also_while_the_guard_stops(
    shop: Shop, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(working, "MOST_AT_ONCE", 3)
    shop.policy = parse_policy({**POLICY, "guard": {"first_load": "send", "max_changed_people": 2}})
    shop.worker = shop.new_worker()
    for number in range(7):
        shop.sandbox.stripe.create_customer(email=f"new-{number}@example.com")
    shop.accept()
    assert [shop.round() for _ in range(3)] == [("guard", 0.0), ("guard", 0.0), ("guard", None)]
    assert shop.inbox.waiting(9) == []


def test_a_round_is_no_sync(shop: Shop) -> None:
    """Whether syncs still end well is what freshness goes by."""
    before = shop.rows("select run_id, finished_at from pipeline.runs where kind = 'sync'")
    moved = shop.rows("select name, moved_at from pipeline.cursors where name like 'events%' order by name")
    for number in range(3):
        shop.sandbox.stripe.create_customer(email=f"new-{number}@example.com")
        shop.accept()
        shop.round()
    assert shop.rows("select run_id, finished_at from pipeline.runs where kind = 'sync'") == before
    assert shop.rows("select name, moved_at from pipeline.cursors where name like 'events%' order by name") == moved
    assert shop.rows("select kind, outcome from pipeline.runs where kind <> 'sync'") == [("listen", "done")]


def test_the_poll_finds_nothing_that_the_worker_has_done(shop: Shop) -> None:
    customer = shop.sandbox.stripe.create_customer(email="new@example.com")["id"]
    shop.sandbox.stripe.create_subscription(customer)
    shop.accept()
    shop.round()
    shop.round()
    accepted = shop.sandbox.customerio.counters["operations.accepted"]
    outcome = shop.sync()
    assert outcome.extract is not None
    assert outcome.extract.events == 0
    assert shop.sandbox.customerio.counters["operations.accepted"] == accepted


@pytest.mark.parametrize("lost", [(0,), (0, 1, 2, 3)])
def test_whatever_is_lost_or_comes_late_each_event_is_sent_once(shop: Shop, lost: tuple[int, ...]) -> None:
    customer = shop.sandbox.stripe.create_customer(email="new@example.com")["id"]
    subscriptions = [shop.sandbox.stripe.create_subscription(customer) for _ in range(2)]
    events = shop.told()
    shop.accept([event for number, event in enumerate(events) if number % 4 not in lost])
    shop.round()
    shop.sync()
    shop.accept(events)
    while shop.round()[1] is not None:
        pass
    shop.sync()
    assert shop.mailed()[f"customer.subscription.created {customer}"] == len(subscriptions)
    assert shop.inbox.waiting(99) == []


@pytest.mark.parametrize("order", [(2, 0, 1), (2, 1, 0)])
def test_created_updated_and_deleted_in_any_order_is_the_same_person(shop: Shop, order: tuple[int, ...]) -> None:
    shop.policy = parse_policy({**POLICY, "identity": {"settle_seconds": 0, "on_delete": "delete"}})
    shop.worker = shop.new_worker()
    customer = shop.sandbox.stripe.create_customer(email="new@example.com")["id"]
    shop.sandbox.stripe.update_customer(customer, name="Two")
    shop.sandbox.stripe.delete_customer(customer)
    events = shop.told()
    for number in order:
        shop.accept([events[number]])
        shop.round()
    while shop.round()[1] is not None:
        pass
    assert shop.person(customer) is None


def test_an_error_that_is_not_ours_is_told_by_its_kind_alone(shop: Shop, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: Any, **__: Any) -> None:
        raise ValueError("customer-1@example.com")

    monkeypatch.setattr(working, "take_arrivals", fail)
    shop.sandbox.stripe.create_customer(email="new@example.com")
    shop.accept()
    assert shop.round() == ("unexpected", working._TRY_AGAIN[0])
    assert shop.round() == ("unexpected", working._TRY_AGAIN[1])
    assert shop.said == ["Something unexpected happened: ValueError. What was accepted is kept, and is tried again."]
    assert len(shop.inbox.waiting(9)) == 1


def test_it_ends_when_it_is_told_to_and_begins_nothing_new(shop: Shop) -> None:
    shop.worker.start()
    assert shop.worker.stop(20)
    with pytest.raises(RuntimeError):
        shop.worker.start()


def test_in_its_thread_it_does_what_comes(shop: Shop, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(working, "GATHER_SECONDS", 0.01)
    shop.worker.start()
    customer = shop.sandbox.stripe.create_customer(email="new@example.com")["id"]
    shop.accept()
    shop.worker.wake()
    for _ in range(4_000):
        if shop.person(customer) is not None:
            break
        shop.worker._stopped.wait(0.005)
    assert shop.worker.stop(20)
    assert shop.person(customer) is not None
    assert shop.counts.quantile(0.5) is not None


def test_a_refusal_of_the_key_is_told_with_what_to_do(shop: Shop) -> None:
    shop.sandbox.stripe.switches.permissions.discard("rak_customer_read")
    customer = shop.sandbox.stripe.create_customer(email="new@example.com")["id"]
    shop.sandbox.stripe.update_customer(customer, name="Two")  # within a second, so that it is to be read
    shop.accept()
    outcome, wait = shop.round()
    assert wait == working._TRY_AGAIN[0]
    assert issubclass(getattr(__import__("stripe_cio_pipeline.errors").errors, outcome), PipelineError)
    assert "rak_customer_read" in shop.said[0]
    assert shop.inbox.waiting(9) == [], "the events are stored; what they speak of is read once it may be"
    shop.sandbox.stripe.switches.permissions.add("rak_customer_read")
    shop.worker._rests_until = 0.0
    assert shop.round()[0] == "sent"
    assert shop.person(customer) is not None
