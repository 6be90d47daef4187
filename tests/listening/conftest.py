from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import orjson
import pytest

from stripe_cio_pipeline.listening.counts import Counts
from stripe_cio_pipeline.listening.envelope import Owner, open_envelope
from stripe_cio_pipeline.listening.inbox import Inbox
from stripe_cio_pipeline.listening.worker import Worker
from stripe_cio_pipeline.policy import Policy, parse_policy
from stripe_cio_pipeline.sandbox import CustomerioSwitches, Sandbox, StripeSwitches
from stripe_cio_pipeline.settings import Settings, load_settings
from stripe_cio_pipeline.sync import SyncOutcome, open_for_arrivals, sync_once
from stripe_cio_pipeline.warehouse import Warehouse
from tests.kept_open import kept_open

POLICY = {
    "identity": {"settle_seconds": 0},
    "events": {"forward": ["customer.subscription.created"]},
    "guard": {"first_load": "send", "max_changed_share": 1.0},
    "stripe": {"limits": {"endpoint": 1_000, "account": 4_000}},
}


@dataclass
class Shop:
    """Both sides, a warehouse, an inbox and a worker that does a round when it is told to."""

    sandbox: Sandbox
    settings: Settings
    policy: Policy
    warehouse: Warehouse
    inbox: Inbox
    counts: Counts = field(default_factory=Counts)
    said: list[str] = field(default_factory=list)
    accounts: list[str] = field(default_factory=list)
    seen: set[str] = field(default_factory=set)

    def __post_init__(self) -> None:
        self.worker = self.new_worker()
        self.seen |= {event["id"] for event in self.sandbox.stripe.events()}

    def new_worker(self) -> Worker:
        """A worker as a process that has just begun has it."""
        opened = open_for_arrivals(self.settings, self.policy, self.warehouse)
        return Worker(opened, self.inbox, self.counts, say=self.said.append, on_account=self.accounts.append)

    def sync(self, **options: Any) -> SyncOutcome:
        return sync_once(self.settings, self.policy, warehouse=self.warehouse, **options)

    def told(self) -> list[dict[str, Any]]:
        """The events that happened since this was asked last."""
        new = [event for event in self.sandbox.stripe.events() if event["id"] not in self.seen]
        self.seen |= {event["id"] for event in new}
        return new

    def accept(self, events: list[dict[str, Any]] | None = None) -> int:
        """Put events into the inbox as the door does; by default all that nobody was told of."""
        owner = Owner(None, livemode=False, connected=False)
        now = int(self.sandbox.clock.now())
        given = self.told() if events is None else events
        self.inbox.store([open_envelope(orjson.dumps(event), now, owner) for event in given])
        return len(given)

    def round(self) -> tuple[str, float | None]:
        """Let the worker do one round; give how that ended, and when the next one is."""
        before = self.counts.rounds.copy()
        wait = self.worker._round()
        (outcome,) = self.counts.rounds - before
        return outcome, wait

    def person(self, id_: str) -> Any:
        return self.sandbox.customerio.person(id=id_)

    def mailed(self) -> dict[str, int]:
        """How often each event was kept in Customer.io, by name and person."""
        found: dict[str, int] = {}
        for activity in self.sandbox.customerio.activities():
            if activity.type == "event":
                name = f"{activity.name} {activity.person_id}"
                found[name] = found.get(name, 0) + 1
        return found

    def rows(self, statement: str, *parameters: Any) -> list[tuple[Any, ...]]:
        with self.warehouse.reading() as connection:
            return connection.execute(statement, list(parameters)).fetchall()


@pytest.fixture
def unsynced(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Shop]:
    """A shop whose account nobody has read yet."""
    switches = StripeSwitches(late_events_share=0.0, duplicate_events_share=0.0)
    with Sandbox(customers=0, leads=0, stripe=switches, customerio=CustomerioSwitches.gentle()) as sandbox:
        for name, value in sandbox.environment().items():
            monkeypatch.setenv(name, value)
        settings = load_settings()
        with kept_open():
            shop = Shop(
                sandbox,
                settings,
                parse_policy(POLICY),
                Warehouse(settings.warehouse_location, lock_wait_seconds=5),
                Inbox.under(settings.home),
            )
            yield shop
            shop.inbox.close()


@pytest.fixture
def shop(unsynced: Shop) -> Shop:
    """A shop that was synced once, with one customer."""
    unsynced.sandbox.stripe.create_customer(email="customer-0@example.com")
    unsynced.sandbox.clock.advance(minutes=5)
    unsynced.sync()
    unsynced.told()
    return unsynced
