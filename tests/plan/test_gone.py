"""Events of customers who were deleted in Stripe and whom Customer.io does not have: counted once with a reason."""

from typing import Any

import pytest

NOW = 1_800_000_000


@pytest.fixture
def desk(desk) -> Any:
    """A desk with one customer who is linked."""
    desk.set_policy(events={"since": "2026-01-01T00:00:00Z"})
    desk.customer("cus_a", email="customer-1@example.com")
    desk.sync()
    return desk


def skipped(desk) -> dict[str, tuple[str, str | None]]:
    with desk.warehouse.reading() as connection:
        rows = connection.execute(
            "select event_id, person_id, reason from customerio.events where state = 'skipped'"
        ).fetchall()
    return {event: (person, reason) for event, person, reason in rows}


def test_an_event_of_somebody_who_came_and_went_between_two_syncs_waits_for_nobody(desk) -> None:
    desk.customer("cus_b", email="customer-2@example.com", deleted=True)
    desk.event("evt_1", "cus_b", NOW, "customer.created")
    assert desk.plan() == []
    assert desk.last.by_reason == {"event_of_deleted_customer": 1}
    assert (desk.last.counts.waiting_events, desk.last.counts.skipped_events) == (0, 1)
    assert skipped(desk) == {"evt_1": ("cus_b", "event_of_deleted_customer")}
    desk.accept()
    assert desk.plan() == []
    assert (desk.last.by_reason, desk.last.counts.skipped_events) == ({}, 0)


@pytest.mark.parametrize("state", ["linking", "linked"])
def test_who_is_linked_gets_the_last_events_too(desk, state: str) -> None:
    with desk.warehouse.transaction() as connection:
        connection.execute("update customerio.people set state = ?", [state])
    desk.customer("cus_a", deleted=True)
    desk.event("evt_1", "cus_a", NOW, "customer.subscription.deleted")
    assert desk.plan() == ["cus_a deleted_in_stripe", "cus_a event_forwarded"]
    assert desk.last.counts.skipped_events == 0


def test_who_was_deleted_in_customerio_with_stripe_gets_no_event(desk) -> None:
    desk.set_policy(events={"since": "2026-01-01T00:00:00Z"}, identity={"on_delete": "delete"})
    desk.customer("cus_a", deleted=True)
    desk.event("evt_1", "cus_a", NOW, "customer.subscription.deleted")
    assert desk.plan() == ["cus_a deleted_in_stripe"]
    assert (desk.last.counts.waiting_events, desk.last.counts.skipped_events) == (1, 0)
    desk.accept()
    assert desk.plan() == []
    assert (desk.last.counts.waiting_events, desk.last.counts.skipped_events) == (0, 1)
    assert skipped(desk) == {"evt_1": ("cus_a", "event_of_deleted_customer")}


def test_a_link_that_is_on_its_way_is_waited_for(desk) -> None:
    desk.customer("cus_b", email="customer-2@example.com")
    desk.plan()
    desk.accept()
    desk.customer("cus_b", deleted=True)
    desk.event("evt_1", "cus_b", NOW)
    desk.plan()
    assert (desk.last.counts.waiting_events, desk.last.counts.skipped_events) == (1, 0)
    desk.wait()
    assert "cus_b event_forwarded" in desk.plan()


@pytest.mark.parametrize(("state", "reason"), [("conflict", "id_refused"), ("linking", "anew")])
def test_who_was_never_taken_and_is_gone_is_not_waited_for(desk, state: str, reason: str) -> None:
    desk.event("evt_1", "cus_a", NOW)
    with desk.warehouse.transaction() as connection:
        connection.execute("update customerio.people set state = ?, reason = ?", [state, reason])
    desk.plan()
    assert desk.last.counts.skipped_events == 0
    desk.customer("cus_a", deleted=True)
    desk.plan()
    assert desk.last.counts.skipped_events == 1


def test_another_customer_with_the_email_gets_them(desk) -> None:
    desk.customer("cus_b", email="customer-1@example.com", deleted=True)
    desk.event("evt_1", "cus_b", NOW)
    assert "cus_a event_forwarded" in desk.plan()
    assert desk.last.counts.skipped_events == 0


def test_a_living_customer_whom_an_operator_removed_may_come_back(desk) -> None:
    desk.event("evt_1", "cus_a", NOW)
    with desk.warehouse.transaction() as connection:
        connection.execute("update customerio.people set state = 'deleted'")
    desk.plan()
    assert (desk.last.counts.waiting_events, desk.last.counts.skipped_events) == (1, 0)


def test_a_backfill_tells_of_them_again_and_sends_nothing(desk) -> None:
    desk.customer("cus_b", email="customer-2@example.com", deleted=True)
    desk.event("evt_1", "cus_b", NOW)
    desk.sync()
    assert desk.plan(events_since=NOW - 1.0) == []
    assert desk.last.by_reason == {"event_of_deleted_customer": 1}
    assert len(skipped(desk)) == 1
