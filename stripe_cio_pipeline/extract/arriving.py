"""Events that Stripe sent by itself, on the road that those take which were asked for.

They are stored with their signals in one transaction, and what they speak of is settled by the same decisions. What
they never do is move the watermark: the next poll reads the feed from where the last one ended, and finds whatever no
webhook has brought. So a webhook that is lost costs minutes, and never an event.
"""

import asyncio
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

import orjson

from stripe_cio_pipeline.extract.feed import FeedBook, ReadEvent, read_event
from stripe_cio_pipeline.extract.lists import Slice
from stripe_cio_pipeline.extract.objects import OBJECTS
from stripe_cio_pipeline.extract.payloads import may_hold_secrets, scrub
from stripe_cio_pipeline.extract.reports import ObjectFailure
from stripe_cio_pipeline.extract.rows import Tally
from stripe_cio_pipeline.extract.run import follow
from stripe_cio_pipeline.extract.session import Session, open_session, stripe_time
from stripe_cio_pipeline.extract.state import BROUGHT, EVENTS_SINCE, NEWEST_LISTED, State, newest_event
from stripe_cio_pipeline.extract.transport import Patience
from stripe_cio_pipeline.extract.writer import Entry
from stripe_cio_pipeline.policy import Policy
from stripe_cio_pipeline.settings import STRIPE_API, Settings
from stripe_cio_pipeline.warehouse import Connection, Warehouse, read_cursor, write_cursor


@dataclass(frozen=True, slots=True)
class Arrived:
    """An event as it arrived, of our own account and mode. `sent_at` is Stripe's clock when it was signed."""

    body: bytes = field(repr=False)
    sent_at: int


@dataclass(frozen=True, slots=True)
class TakenIn:
    """What came of events that arrived: those that were `new`, and what could not be read of what they speak of.

    `waits_for` says why nothing was taken in. `is_simulated`: the clock of what stands for Stripe is moved by hand.
    """

    new: int
    requests: int
    seconds: float
    account: str | None
    is_simulated: bool
    waits_for: str = ""
    failures: tuple[ObjectFailure, ...] = ()
    unread: tuple[ObjectFailure, ...] = ()


def take_in(
    warehouse: Warehouse,
    settings: Settings,
    policy: Policy,
    *,
    run_id: str,
    arrived: Sequence[Arrived],
    is_simulated: bool | None = None,
    now: Callable[[], float] = time.time,
    patience: Patience | None = None,
) -> TakenIn:
    """Store events that arrived, and bring up to date what they speak of. Events that are stored change nothing.

    Before the first sync has listed the history nothing is taken in: whose events are sent is known only then.
    `is_simulated` is what an earlier call has found. Must not be called from inside a running event loop.

    Raises SettingsError, BindingError, StripeError, WarehouseError. Where it raises, all can be given again.
    """
    began = time.monotonic()
    if not warehouse.exists:
        return TakenIn(0, 0, 0.0, None, False, "the first sync")

    async def run() -> TakenIn:
        async with open_session(warehouse, settings, policy, run_id=run_id, now=now, patience=patience) as (
            session,
            state,
        ):
            if unfinished := _unfinished(session, state):
                return TakenIn(0, session.meter.requests, 0.0, session.account or None, False, unfinished)
            await _hear_the_time(session, settings, is_simulated)
            simulated = session.transport.time.is_simulated
            book = ArrivedBook(session)
            async with session.writer.taking(book):
                book.gather(_read(session, state, arrived, simulated=simulated))
            await follow(session, tuple(kind for kind in OBJECTS if kind.name not in session.refused))
            await session.writer.commit_now()
            return TakenIn(
                session.tallies.get("events", Tally()).added,
                session.meter.requests,
                time.monotonic() - began,
                session.account or None,
                simulated,
                "",
                tuple(failure for failure, _ in session.failures),
                tuple(session.unread),
            )

    return asyncio.run(run())


class ArrivedBook(FeedBook):
    """Writes events that arrived, with their signals."""

    def __init__(self, session: Session) -> None:
        super().__init__(session, Slice())

    def entry(self, items: list[ReadEvent]) -> Entry:
        """Write events and signals, and how many there were."""

        def write(connection: Connection, seq: int) -> None:
            session = self._session
            if read_cursor(connection, NEWEST_LISTED) is None:
                # Until now all that is stored was listed. From now on that must be known beside.
                newest = newest_event(connection) or read_cursor(connection, EVENTS_SINCE)
                write_cursor(connection, NEWEST_LISTED, str(newest), session.run_id)
            self.take(connection, items, seq)
            brought = int(read_cursor(connection, BROUGHT) or 0) + self.new
            write_cursor(connection, BROUGHT, str(brought), session.run_id)

        return write


def _unfinished(session: Session, state: State) -> str:
    """Say what must have been read before events of customers can be understood; nothing where all has been."""
    if state.watermark is None:
        return "the first sync"
    left = [
        kind.name
        for kind in OBJECTS
        if state.unfinished(kind.name) and kind.name not in session.refused | state.refused
    ]
    return f"the history of {', '.join(left)}" if left else ""


async def _hear_the_time(session: Session, settings: Settings, is_simulated: bool | None) -> None:
    """Find out whether a clock is moved by hand. Stripe's own never is."""
    if is_simulated is not None:
        session.transport.time.is_simulated = is_simulated
    elif settings.stripe_api_base != STRIPE_API:
        await stripe_time(session)


def _read(session: Session, state: State, arrived: Sequence[Arrived], *, simulated: bool) -> list[ReadEvent]:
    """Read events, without those that are not this warehouse's: it may have changed since they were let in."""
    events = []
    for each in arrived:
        event: dict[str, Any] = orjson.loads(each.body)
        own = session.account if session.connected else None
        if event.get("livemode") is not session.livemode or event.get("account", own) not in (own, session.account):
            continue
        if may_hold_secrets(each.body):
            scrub(event)
        state.forgotten.withhold(event)
        seen = max(each.sent_at, event["created"]) if simulated else each.sent_at
        events.append(read_event(event, seen))
    return events
