"""The feed of changes: `/v1/events` back to the watermark less an overlap, stored once each, with what they ask for.

Events are listed like anything else, in slices, because a burst of twenty thousand is two hundred pages. A page's
events and the signals that follow from them are stored in one transaction; the watermark moves when the last page is,
and nothing else is remembered: a walk that was interrupted begins again at the watermark, and what is known is skipped.
"""

from collections import defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any, NamedTuple
from uuid import uuid4

import orjson

from stripe_cio_pipeline.errors import BindingError, StripeUnavailable
from stripe_cio_pipeline.extract.deciding import SignalKind
from stripe_cio_pipeline.extract.lists import ListBook, Slice, read_list, take_page
from stripe_cio_pipeline.extract.objects import (
    BY_KIND,
    BY_NAME,
    EVENT_RETENTION_SECONDS,
    EVENTS_PATH,
    TOUCHES_BY_KIND,
    StripeObject,
    at_path,
    id_of,
)
from stripe_cio_pipeline.extract.payloads import (
    Verdict,
    canonical,
    content_hash,
    judge_version,
    missing_fields,
)
from stripe_cio_pipeline.extract.rows import (
    Tally,
    check_mode,
    execute_with,
    insert,
    read_of_customers,
    table_of,
    table_of_ids,
)
from stripe_cio_pipeline.extract.session import Session
from stripe_cio_pipeline.extract.state import BROUGHT, FOUND, LOST_BEFORE, NEWEST_LISTED, WATERMARK, State
from stripe_cio_pipeline.extract.transport import Answer
from stripe_cio_pipeline.extract.writer import Entry
from stripe_cio_pipeline.warehouse import Connection, Statements, read_cursor, write_cursor

_SQL = Statements("stripe_cio_pipeline.extract.sql")

#: A feed that is read back to within this of Stripe's memory cannot be trusted to be whole.
RETENTION_MARGIN_SECONDS = 3_600


class EventRow(NamedTuple):
    """One event as it will stand in `stripe.events`."""

    id: str
    type: str
    object_type: str | None
    object_id: str | None
    customer_id: str | None
    created: int
    livemode: bool | None
    api_version: str | None
    payload: str
    content_hash: str


class SignalRow(NamedTuple):
    """What an event says of an object that is kept, as it will stand in `pipeline.signals`."""

    object: str
    id: str
    event_id: str
    created: int
    kind: SignalKind
    usable: bool
    content_hash: str


@dataclass(frozen=True, slots=True)
class ReadEvent:
    """An event with its signals, and the object type, verdict and missing fields of a shape that is not the pinned."""

    row: EventRow
    signals: tuple[SignalRow, ...]
    shape: tuple[str, Verdict, tuple[str, ...]] | None


def own_events(session: Session, answer: Answer) -> list[dict[str, Any]]:
    """Give the events of a page that are of the account and mode to which the warehouse belongs.

    A platform's feed may tell of connected accounts: their objects are none of this account's. Where one connected
    account is read, an event of another is no such thing. Raises BindingError.
    """
    own: list[dict[str, Any]] = []
    for event in answer.body["data"]:
        account = event.get("account")
        if isinstance(account, str) and account != session.account:
            if session.connected:
                raise BindingError(
                    f"Stripe gave an event of account {account}, and STRIPE_ACCOUNT is {session.account}.",
                    "Nothing of it was stored. Look at what stands between here and Stripe.",
                )
            session.foreign_events.add(str(event["id"]))
            continue
        own.append(event)
    check_mode((event.get("livemode") for event in own), session.livemode)
    return own


def read_event(payload: dict[str, Any], seen: int) -> ReadEvent:
    """Make of a scrubbed event what is stored, and what it asks for. `seen` is when it was there at the latest. Pure.

    Raises StripeUnavailable where it is no event.
    """
    event_id, event_type, created = payload["id"], payload.get("type"), payload.get("created")
    if not isinstance(event_type, str) or not isinstance(created, int):
        raise StripeUnavailable(
            f"Stripe gave an event that cannot be read: {event_id} lacks its type or its moment.",
            "Nothing is taken for read; run again, and if this stays, report it.",
        )
    subject = at_path(payload, "data.object")
    subject = subject if isinstance(subject, dict) else {}
    kind = BY_KIND.get(str(subject.get("object")))
    version = payload.get("api_version")
    object_id = id_of(subject)
    text = canonical(payload)
    livemode = payload.get("livemode")
    row = EventRow(
        id=event_id,
        type=event_type,
        object_type=subject.get("object"),
        object_id=object_id,
        customer_id=object_id if kind is not None and kind.customer_field == "id" else id_of(subject.get("customer")),
        created=created,
        livemode=livemode if isinstance(livemode, bool) else None,
        api_version=version,
        payload=text.decode(),
        content_hash=content_hash(text),
    )
    # On a test clock `created` is simulated time. What is certain is that it had happened when it was seen.
    simulated = bool(subject.get("test_clock")) or created > seen + 1
    happened = seen if simulated else created
    signals: list[SignalRow] = []
    shape: tuple[str, Verdict, tuple[str, ...]] | None = None
    # The preview of a coming invoice is no invoice, whether it has an id (`upcoming_in_`) or none.
    if kind is not None and object_id is not None and event_type != "invoice.upcoming":
        verdict = judge_version(version)
        missing = missing_fields(kind, subject)
        pinned = verdict is Verdict.PINNED
        usable = pinned and not missing and not simulated
        removal = event_type in kind.removals
        if not (pinned and not missing) and not removal:
            shape = (kind.name, verdict, missing if pinned else ())
        signals.append(
            SignalRow(
                kind.name,
                object_id,
                event_id,
                happened,
                "removal" if removal else "snapshot",
                usable,
                content_hash(canonical(subject)),
            )
        )
    for touch in TOUCHES_BY_KIND.get(str(subject.get("object")), ()):
        if touch.unless is not None and touch.unless(subject):
            continue
        target = id_of(subject.get(touch.field)) or id_of(at_path(payload, f"data.previous_attributes.{touch.field}"))
        if target is not None:
            # The hash of a conditional touch is what it is about: see `_touched`.
            about = object_id or "" if touch.only_if else ""
            signals.append(SignalRow(touch.target, target, event_id, happened, "touch", False, about))
    return ReadEvent(row, tuple(signals), shape)


class FeedBook(ListBook[ReadEvent]):
    """Gathers pages of events, and writes what is new of them. `new` counts that."""

    def __init__(self, session: Session, piece: Slice) -> None:
        super().__init__((piece,))
        self.new = 0
        self.newest: int | None = None
        self._session = session

    async def prepare(self, answer: Answer) -> list[ReadEvent]:
        """Make of a page what is stored, and what it asks for."""
        return [read_event(payload, answer.until) for payload in own_events(self._session, answer)]

    def keep(self, items: list[ReadEvent]) -> None:
        """Gather a page."""
        super().keep(items)
        session = self._session
        session.read["events"] = session.read.get("events", 0) + len(items)
        moments = [event.row.created for event in items]
        self.newest = max(moments if self.newest is None else [self.newest, *moments], default=self.newest)
        session.note("events", "events", rows=session.read["events"], requests=self.plan.pages)

    def entry(self, items: list[ReadEvent]) -> Entry:
        """Write events."""

        def write(connection: Connection, seq: int) -> None:
            self.new += len(self.store(connection, items, seq))

        return write

    def store(self, connection: Connection, events: list[ReadEvent], seq: int) -> list[ReadEvent]:
        """Store the events that are not stored yet, and give them."""
        latest = {event.row.id: event for event in events}
        known = known_events(connection, list(latest)) if latest else set()
        new = [event for event in latest.values() if event.row.id not in known]
        if new:
            rows = self._session.forgotten.emptied(connection, [event.row for event in new])
            same = {"run_id": self._session.run_id, "seq": seq}
            insert(connection, _SQL["insert_events"], EventRow._fields, rows, same)
            self._session.tally("events", Tally(added=len(new)))
        return new

    def take(self, connection: Connection, events: list[ReadEvent], seq: int) -> None:
        """Store events with what follows from those that are new: signals, and what is seen of shapes."""
        session = self._session
        new = self.store(connection, events, seq)
        self.new += len(new)
        _write_signals(connection, new)
        for event in new:
            if event.shape is not None:
                name, verdict, missing = event.shape
                session.shapes.note(name, "event", event.row.api_version, verdict, missing)
        session.shapes.save(connection, session.run_id)


class ChangesBook(FeedBook):
    """Gathers events since the watermark: each new one leaves signals, and the last page a new watermark."""

    def __init__(self, session: Session, floor: int, read_until: int) -> None:
        super().__init__(session, Slice(created_from=floor))
        self._read_until = read_until
        #: The watermark that this walk leaves: the `Date` of its first answer, where that is believed.
        self._leaves: int | None = None
        self._first = True

    async def prepare(self, answer: Answer) -> list[ReadEvent]:
        """Make of a page what is stored, and what it asks for."""
        if self._first:
            self._first = False
            self._leaves = answer.date if answer.believed else None
        return await super().prepare(answer)

    def entry(self, items: list[ReadEvent]) -> Entry:
        """Write events, signals, and where the next walk begins."""
        finished, read_until, leaves = self.plan.finished, self._read_until, self._leaves
        # Of pages that came before somebody doubted, too: the next walk begins where this one did.
        if self._session.transport.time.doubt:
            leaves = None

        def write(connection: Connection, seq: int) -> None:
            session = self._session
            self.take(connection, items, seq)
            if finished and leaves is not None:
                self._note_newest(connection)
                if is_gap(read_until, leaves):
                    write_cursor(connection, LOST_BEFORE, str(remembered_from(leaves)), session.run_id)
                write_cursor(connection, WATERMARK, str(leaves), session.run_id)
                connection.execute(_SQL["drop_handed_page"])

        return write

    def _note_newest(self, connection: Connection) -> None:
        """Note how far the feed has shown events, and how many of these no webhook had brought."""
        run_id, known = self._session.run_id, read_cursor(connection, NEWEST_LISTED)
        if self.newest is not None and self.newest > int(known or 0):
            write_cursor(connection, NEWEST_LISTED, str(self.newest), run_id)
        if self.new and read_cursor(connection, BROUGHT) is not None:
            write_cursor(connection, FOUND, str(int(read_cursor(connection, FOUND) or 0) + self.new), run_id)


async def read_changes(session: Session, floor: int, read_until: int, handed: Answer | None = None) -> ChangesBook:
    """Read the events since `floor` (unix seconds), and leave signals and the watermark.

    All before `read_until` were read: where Stripe does not remember what came then, there is a gap. `handed` is the
    page that a look for changes has read.
    """
    book = ChangesBook(session, floor, read_until)
    # The signals must be in the warehouse before anybody follows them.
    async with session.writer.taking(book):
        if handed is None:
            await read_list(session.transport, session.writer, book, EVENTS_PATH, {})
        else:
            await take_page(session.transport, session.writer, book, handed)
    return book


def hand_page(session: Session, connection: Connection, since: int, answer: Answer) -> str:
    """Keep a page of events for the run that follows, instead of any before. Gives the token by which to take it."""
    token = str(uuid4())
    connection.execute(_SQL["drop_handed_page"])
    page = {
        "token": token,
        "since": since,
        "told": answer.date,
        "version": answer.version,
        "read_at": answer.read_at,
        "simulated": session.transport.time.is_simulated,
        "body": orjson.dumps(answer.body).decode(),
    }
    connection.execute(_SQL["hand_page"], page)
    return token


def handed_page(session: Session, connection: Connection, token: str, floor: int, state: State) -> Answer | None:
    """Give the page that was kept under a token, where it goes back as far as the feed is to be read.

    None where another run has read the feed since: what that one knows is newer.
    """
    found = connection.execute(_SQL["handed_page"], {"token": token, "since": floor}).fetchall()
    if not found:
        return None
    body, told, version, read_at, simulated = found[0]
    session.transport.time.is_simulated = simulated
    page = orjson.loads(body)
    # Somebody may have been forgotten since it was read.
    state.forgotten.withhold(page)
    return Answer(page, told, version, read_at, told, told)


def remembered_from(stripe_now: float) -> int:
    """Give the moment since when Stripe certainly remembers all events (unix seconds)."""
    return int(stripe_now) - EVENT_RETENTION_SECONDS + RETENTION_MARGIN_SECONDS


def is_gap(floor: int, stripe_now: float) -> bool:
    """Whether events after `floor` may have left Stripe's memory already."""
    return floor < remembered_from(stripe_now)


def _write_signals(connection: Connection, events: Iterable[ReadEvent]) -> None:
    signals = list(_touched(connection, [signal for event in events for signal in event.signals]))
    if signals:
        execute_with(connection, table_of(SignalRow._fields, signals, {}), _SQL["insert_signals"])


def leave_signals(session: Session, kind: StripeObject, ids: Iterable[str], created: int) -> None:
    """Signal objects that no event speaks of, so that they are read by id."""
    signals = [SignalRow(kind.name, object_id, "", created, "touch", False, "") for object_id in ids]
    with session.warehouse.transaction() as connection:
        execute_with(connection, table_of(SignalRow._fields, signals, {}), _SQL["insert_signals"])


def _touched(connection: Connection, signals: list[SignalRow]) -> Iterator[SignalRow]:
    """Leave out touches that do not matter: a changed card that is not the customer's default shows nowhere."""
    conditional: dict[str, list[str]] = {}
    for signal in signals:
        if signal.kind == "touch" and signal.content_hash:
            conditional.setdefault(signal.object, []).append(signal.id)
    stored: dict[tuple[str, str], dict[str, dict[str, Any]]] = defaultdict(dict)
    for name, customers in conditional.items():
        for customer, object_id, payload in read_of_customers(connection, BY_NAME[name], customers):
            stored[name, customer][object_id] = payload
    for signal in signals:
        if signal.kind != "touch" or not signal.content_hash:
            yield signal
            continue
        for object_id, payload in stored[signal.object, signal.id].items():
            if _shows(BY_NAME[signal.object], payload, signal.content_hash):
                yield signal._replace(id=object_id)


def _shows(kind: StripeObject, payload: dict[str, Any], touched_id: str) -> bool:
    paths = [
        touch.only_if
        for touches in TOUCHES_BY_KIND.values()
        for touch in touches
        if touch.target == kind.name and touch.only_if is not None
    ]
    return any(at_path(payload, path) == touched_id for path in paths)


def known_events(connection: Connection, ids: list[str]) -> set[str]:
    """Give those of some events that are stored."""
    found = execute_with(connection, table_of_ids(ids), _SQL["known_events"])
    return {row[0] for row in found}
