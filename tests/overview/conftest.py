"""An account that fits on a page: every number of its overview is worked out in the tests by hand."""

import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from stripe_cio_pipeline.overview import Overview, read_overview
from stripe_cio_pipeline.warehouse import Connection, Warehouse
from tests.model.account import Account, Payload

NOW = datetime(2026, 11, 30, 12, tzinfo=UTC)


def at(month: int, day: int, hour: int = 0, second: int = 0) -> int:
    """Give a moment of 2026 as unix seconds."""
    return int(datetime(2026, month, day, hour, tzinfo=UTC).timestamp()) + second


def customer(name: str, created: int, currency: str = "usd", **more: Any) -> Payload:
    return {"id": f"cus_{name}", "object": "customer", "created": created, "currency": currency, **more}


def subscription(
    name: str,
    plan: str,
    cents: int | None,
    status: str,
    start: int,
    *,
    currency: str = "usd",
    interval: str = "month",
    of: str = "",
) -> Payload:
    price = {
        "id": f"price_{plan}_{cents}_{currency}",
        "product": f"prod_{plan}",
        "currency": currency,
        "unit_amount": cents,
        "recurring": {"interval": interval, "interval_count": 1, "usage_type": "licensed"},
    }
    return {
        "id": f"sub_{name}",
        "object": "subscription",
        "customer": f"cus_{of or name}",
        "created": start,
        "start_date": start,
        "status": status,
        "currency": currency,
        "discounts": [],
        "items": {"data": [{"id": f"si_{name}", "quantity": 1, "price": price}]},
    }


CUSTOMERS = [
    # Pays since two weeks after coming.
    customer("monthly", at(11, 1)),
    customer("late", at(1, 5)),
    # The subscription is said to have begun before the customer was there.
    customer("yearly", at(11, 20)),
    customer("euro", at(2, 1), "eur"),
    customer("trial", at(11, 28)),
    customer("churned", at(11, 5)),
    customer("looking", at(11, 24)),
    customer("looking_long", at(1, 1)),
    customer("free", at(3, 1)),
    customer("paused", at(3, 1)),
    customer("both", at(4, 1)),
    # Pays in euros alone, though its own currency is the dollar.
    customer("abroad", at(5, 1)),
    # What it pays is not told by Stripe.
    customer("unknown", at(5, 1)),
]
SUBSCRIPTIONS = [
    subscription("monthly", "Gold", 2000, "active", at(11, 15)),
    subscription("late", "Gold", 2000, "past_due", at(1, 5)),
    subscription("yearly", "Silver", 12000, "active", at(11, 1), interval="year"),
    subscription("euro", "Gold", 1500, "active", at(2, 1), currency="eur"),
    subscription("trial", "Gold", 2000, "trialing", at(11, 28)),
    subscription("churned", "Silver", 1000, "canceled", at(11, 5)),
    subscription("free", "Free", 0, "active", at(3, 1)),
    subscription("paused", "Silver", 1000, "paused", at(3, 1)),
    subscription("both", "Silver", 1000, "active", at(4, 1)),
    subscription("both_too", "Extra", 700, "active", at(4, 2), currency="eur", of="both"),
    subscription("abroad", "Extra", 500, "active", at(5, 1), currency="eur"),
    subscription("unknown", "Gold", None, "active", at(5, 1)),
]

#: The ledger: who, state, when the link was accepted, when something was accepted last.
LEDGER = [
    ("cus_monthly", "linked", "2026-11-20 10:00:00", "2026-11-25 10:00:00"),
    ("cus_late", "linked", "2026-11-20 10:00:00", "2026-11-20 10:00:00"),
    ("cus_gone", "deleted", "2026-11-20 10:00:00", "2026-11-27 10:00:00"),
    ("cus_yearly", "linked", "2026-11-25 10:00:00", "2026-11-25 10:00:00"),
    ("cus_trial", "linking", "2026-11-26 10:00:00", "2026-11-28 10:00:00"),
    ("cus_both", "conflict", "2026-11-20 10:00:00", "2026-11-20 10:00:00"),
]
#: Plans: when, first position, people held back, and the operations: action, reason, seconds since their event.
PLANS: list[tuple[str, int, int, list[tuple[str, str, int | None]]]] = [
    ("2026-08-20 10:00:00", 1, 0, [("identify", "linked_by_email", None)]),
    ("2026-11-20 10:00:00", 2, 2, [("identify", "linked_by_email", None)] * 3 + [("hold", "id_refused", None)] * 2),
    ("2026-11-20 11:00:00", 7, 1, [("hold", "id_refused", None)]),
    # Twenty that took 1 to 20 seconds; and two of which the sandbox's clock says that they came from the future.
    (
        "2026-11-25 10:00:00",
        8,
        4,
        [("update", "attributes_changed", seconds) for seconds in range(20, 0, -1)]
        + [("event", "event_forwarded", -5), ("event", "event_forwarded", -6)],
    ),
    ("2026-11-26 10:00:00", 30, 4, [("event", "event_forwarded", 7)]),
]
#: The position of an operation that was turned down, whatever time that took.
REJECTED = 31


def write_ledger(connection: Connection) -> None:
    for row in LEDGER:
        connection.execute(
            "insert into customerio.people (person_id, state, linked_at, accepted_at, seq) values (?, ?, ?, ?, 1)", row
        )
    for number, (planned_at, first, hold, operations) in enumerate(PLANS):
        counts = json.dumps({"hold": hold})
        connection.execute(
            "insert into customerio.plans (plan_id, first_position, planned_at, counts) values (?, ?, ?, ?)",
            [f"plan-{number}", first, planned_at, counts],
        )
        for position, operation in enumerate(operations, first):
            write_operation(connection, f"plan-{number}", position, planned_at, *operation)
    write_operation(connection, "plan-4", REJECTED, "2026-11-26 10:00:00", "update", "attributes_changed", 5_000)
    connection.execute(f"update customerio.answers set outcome = 'rejected' where first_position = {REJECTED}")


def write_operation(
    connection: Connection,
    plan_id: str,
    position: int,
    sent_at: str,
    action: str,
    reason: str,
    seconds: int | None,
) -> None:
    event = None if seconds is None else f"evt_{position}"
    connection.execute(
        "insert into customerio.operations (plan_id, position, action, person_id, reason, source_event_id) "
        "values (?, ?, ?, 'cus_late', ?, ?)",
        [plan_id, position, action, reason, event],
    )
    if action != "hold":
        connection.execute(
            "insert into customerio.answers (plan_id, first_position, last_position, sent_at, outcome) "
            "values (?, ?, ?, ?, 'accepted')",
            [plan_id, position, position, sent_at],
        )
    if seconds is not None:
        connection.execute(
            "insert into stripe.events (id, type, created, deleted, as_of, source, seq) "
            "values (?, 'x', epoch(cast(? as timestamp)) - ?, false, 1, 'event', 1)",
            [event, sent_at, seconds],
        )


@pytest.fixture(scope="session")
def small(tmp_path_factory: pytest.TempPathFactory) -> Warehouse:
    """The account with its ledger, to be read."""
    place: Path = tmp_path_factory.mktemp("overview") / "warehouse.duckdb"
    account = Account(place)
    account.put("customers", *CUSTOMERS)
    gone = customer("gone", at(11, 12))
    account.put("customers", gone, deleted=True, as_of=at(11, 20))
    account.put("subscriptions", *SUBSCRIPTIONS)
    account.put("products", *({"id": f"prod_{name}", "name": name} for name in ("Gold", "Silver", "Free", "Extra")))
    account.build(at=NOW.timestamp())
    with account.warehouse.transaction() as connection:
        write_ledger(connection)
        connection.execute("insert into pipeline.bindings values ('stripe.account', 'acct_1', now()::timestamp)")
        connection.execute("insert into pipeline.bindings values ('stripe.livemode', 'false', now()::timestamp)")
    return account.warehouse


@pytest.fixture(scope="session")
def found(small: Warehouse) -> Overview:
    """Its overview at noon of the last of November."""
    return overview_of(small)


def overview_of(warehouse: Warehouse, now: datetime = NOW) -> Overview:
    with warehouse.reading() as connection:
        return read_overview(connection, now=now.timestamp())
