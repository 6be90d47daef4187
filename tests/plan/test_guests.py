"""Events that name no customer: counted once with a reason, or sent to whoever has the guest's email."""

from typing import Any

import pytest

from tests.plan.ulids import event_ulid

NOW = 1_800_000_000
FROM_ALL_TIME = {"since": "2026-01-01T00:00:00Z"}


@pytest.fixture
def desk(desk) -> Any:
    """A desk with one customer who is linked."""
    desk.set_policy(events={**FROM_ALL_TIME, "guests": "email"})
    desk.customer("cus_a", email="customer-1@example.com")
    desk.sync()
    return desk


def ledger(desk) -> dict[str, tuple[str, str | None]]:
    with desk.warehouse.reading() as connection:
        rows = connection.execute("select event_id, state, reason from customerio.events").fetchall()
    return {event: (state, reason) for event, state, reason in rows}


def look(desk, **found: str | None) -> list[str]:
    """Who is sought; whoever is in `found` was looked for, and has that internal id."""
    with desk.warehouse.transaction() as connection:
        sought = connection.execute("select email_key from customerio.guests where looked_at is null").fetchall()
        for (email,) in sought:
            connection.execute(
                "update customerio.guests set cio_id = ?, looked_at = to_timestamp(?)::timestamp where email_key = ?",
                [found.get(email.partition("@")[0]), desk.at, email],
            )
    return sorted(email for (email,) in sought)


def test_by_default_a_guests_event_is_counted_once_and_not_sent(desk) -> None:
    desk.set_policy(events=FROM_ALL_TIME)
    desk.event("evt_1", None, NOW, guest="customer-1@example.com")
    desk.event("evt_2", None, NOW, "product.created")
    desk.set_policy(events={**FROM_ALL_TIME, "forward": ["*"]})
    assert desk.plan() == []
    assert desk.last.by_reason == {"event_of_guest": 1, "event_of_nobody": 1}
    assert desk.last.counts.skipped_events == 2
    assert ledger(desk) == {"evt_1": ("skipped", "event_of_guest"), "evt_2": ("skipped", "event_of_nobody")}
    desk.accept()
    assert desk.plan() == []
    assert (desk.last.by_reason, desk.last.counts.skipped_events) == ({}, 0)


def test_a_guest_with_the_email_of_a_customer_is_that_person(desk) -> None:
    desk.event("evt_1", None, NOW, guest="customer-1@example.com")
    assert desk.plan() == ["cus_a event_forwarded"]
    assert desk.row("cus_a")["operation"]["identifiers"] == {"id": "cus_a"}
    desk.accept()
    assert desk.plan() == []


def test_whoever_has_the_email_gets_the_event_by_the_internal_id(desk) -> None:
    desk.event("evt_1", None, NOW, guest="lead@example.com")
    assert desk.plan() == []
    assert desk.last.by_reason == {"event_of_sought_guest": 1}
    assert (desk.last.counts.waiting_events, desk.last.counts.skipped_events) == (1, 0)
    assert look(desk, lead="b200") == ["lead@example.com"]
    assert desk.plan() == ["b200 event_forwarded"]
    assert desk.row("b200")["operation"] == {
        "type": "person",
        "identifiers": {"cio_id": "b200"},
        "action": "event",
        "name": "invoice.paid",
        "id": event_ulid("evt_1", NOW),
        "timestamp": NOW,
        "attributes": {"amount": 10.5},
    }
    desk.accept()
    assert desk.plan() == []
    assert ledger(desk) == {"evt_1": ("accepted", None)}


def test_a_guest_whom_nobody_knows_is_counted_and_looked_for_again_after_a_week(desk) -> None:
    desk.event("evt_1", None, NOW, guest="lead@example.com")
    desk.plan()
    assert look(desk) == ["lead@example.com"]
    assert desk.plan() == []
    assert desk.last.by_reason == {"event_of_unknown_guest": 1}
    desk.event("evt_2", None, NOW + 1, guest="lead@example.com")
    assert desk.plan() == []
    assert desk.last.by_reason == {"event_of_unknown_guest": 1}
    assert look(desk) == []
    desk.wait(8 * 86_400)
    desk.event("evt_3", None, NOW + 2, guest="lead@example.com")
    assert desk.plan() == []
    assert desk.last.by_reason == {"event_of_sought_guest": 1}
    assert look(desk, lead="b200") == ["lead@example.com"]
    assert desk.plan() == ["b200 event_forwarded"]


def test_a_backfill_looks_again_at_what_was_passed_over(desk) -> None:
    desk.set_policy(events=FROM_ALL_TIME)
    desk.event("evt_1", None, NOW, guest="customer-1@example.com")
    desk.sync()
    assert ledger(desk) == {"evt_1": ("skipped", "event_of_guest")}
    desk.set_policy(events={**FROM_ALL_TIME, "guests": "email"})
    assert desk.plan() == []
    assert desk.plan(events_since=NOW - 1.0) == ["cus_a event_forwarded"]
    desk.accept()
    assert ledger(desk) == {"evt_1": ("accepted", None)}
