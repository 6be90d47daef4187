"""Bringing objects up to date that events speak of: apply, bury, or read again by id, at most once each."""

from collections import defaultdict
from collections.abc import Coroutine, Iterable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import orjson

from stripe_cio_pipeline.errors import StripeError, StripeRequestError, StripeUnavailable
from stripe_cio_pipeline.extract.answers import MOST_UNREAD_IN_A_ROW, Arrival, row_of_object, store
from stripe_cio_pipeline.extract.deciding import Decision, Signal, Step, Stored, decide
from stripe_cio_pipeline.extract.objects import StripeObject, at_path
from stripe_cio_pipeline.extract.payloads import graft
from stripe_cio_pipeline.extract.reports import ObjectFailure
from stripe_cio_pipeline.extract.rows import (
    Known,
    Row,
    check_mode,
    execute_with,
    read_known,
    read_payloads,
    row_of,
    table_of,
    tombstone,
    write_rows,
)
from stripe_cio_pipeline.extract.session import Session
from stripe_cio_pipeline.extract.transport import Refusal, moment, wrong_request
from stripe_cio_pipeline.extract.unread import held_back, note_unread, now_utc, take_out
from stripe_cio_pipeline.extract.writer import Book, Entry
from stripe_cio_pipeline.waiting import side_by_side
from stripe_cio_pipeline.warehouse import Connection, Statements, next_seq, transaction

_SQL = Statements("stripe_cio_pipeline.extract.sql")

#: Objects whose events are decided on together: enough for one scan of the table, few enough to hold their payloads.
BATCH_OBJECTS = 1_000


@dataclass(frozen=True, slots=True)
class Reading:
    """An object to be read by id, the event that asks for it, and all events that the answer settles.

    An event that is stored only after the object was asked for is not among them.
    """

    id: str
    event_id: str | None
    settles: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class _Batch:
    """What is to be read by id, and what is not to be tried yet."""

    readings: list[Reading]
    held: dict[str, ObjectFailure]


class ReadingBook(Book[tuple[Reading, Arrival]]):
    """Gathers objects that were read by id, and writes them together with the end of their signals."""

    def __init__(self, session: Session, kind: StripeObject) -> None:
        super().__init__()
        self._session = session
        self._kind = kind

    def entry(self, items: list[tuple[Reading, Arrival]]) -> Entry:
        """Write rows, and take out the signals that they settle."""

        def write(connection: Connection, seq: int) -> None:
            store(self._session, connection, self._kind, (arrival for _, arrival in items), seq)
            _settle(connection, self._kind, ((reading.id, event) for reading, _ in items for event in reading.settles))
            take_out(connection, self._kind, (reading.id for reading, _ in items))

        return write


async def follow_signals(session: Session, kind: StripeObject) -> None:
    """Settle every signal of one object type. What fails stays for the next run. Raises what Stripe refuses.

    An object that cannot be read leaves the others alone: it is noted in the session, and stays signalled.
    """
    left: set[str] = set()
    while True:
        batch = await session.writer.alone(partial(_settle_without_reading, session, kind, sorted(left)))
        if batch is None:
            return
        session.unread.extend(batch.held.values())
        unread: dict[str, StripeError] = {}
        try:
            await read_again(session, kind, batch.readings, ReadingBook(session, kind), unread)
        finally:
            # Also where it was too many: those of the others that can be read are read by the next run.
            await note_unread(session, kind, unread)
        left |= {*batch.held, *unread}


async def read_again(
    session: Session,
    kind: StripeObject,
    readings: Sequence[Reading],
    book: ReadingBook,
    unread: dict[str, StripeError],
) -> None:
    """Read objects by id, several at once. `unread` takes those that could not be read, each with its error.

    Where that is so of several in a row it is no matter of one object: those under way are kept, and it is raised. So
    is what concerns the key or the budget.
    """
    if not readings:
        return
    budget = session.transport.budget
    waiting = list(reversed(readings))
    in_a_row = 0

    async def read(reading: Reading) -> None:
        nonlocal in_a_row
        async with budget.place() as place:
            try:
                arrival = await _read_one(session, kind, reading)
            except (StripeUnavailable, StripeRequestError) as error:
                unread[reading.id] = error
                in_a_row += 1
                if in_a_row >= MOST_UNREAD_IN_A_ROW:
                    raise
                return
            in_a_row = 0
            book.gather([(reading, arrival)])
            place.keep()
        session.writer.arrived()
        session.note("changes", kind.name, rows=len(readings) - len(waiting), requests=len(readings))

    def start() -> Coroutine[Any, Any, None] | None:
        return read(waiting.pop()) if waiting else None

    # Whoever looks at the signals next must find these settled.
    async with session.writer.taking(book):
        await side_by_side(start, lambda: budget.in_flight(f"{kind.path}/{{id}}"))


async def _read_one(session: Session, kind: StripeObject, reading: Reading) -> Arrival:
    answer = await session.transport.retrieve(kind.path, reading.id, kind.expands)
    if isinstance(answer, Refusal) and not answer.missing:
        raise wrong_request(answer, f"{kind.path}/{{id}}")
    if isinstance(answer, Refusal) or answer.body.get("deleted") is True:
        # A draft invoice that was deleted answers 404. What was never stored needs no tombstone.
        now = int(session.transport.stripe_now) if isinstance(answer, Refusal) else answer.date
        return Arrival(
            tombstone(kind, reading.id, as_of=now, source="retrieve", read_at=answer.read_at, event_id=reading.event_id)
        )
    arrival = await row_of_object(session, kind, answer, reading.event_id)
    session.read[kind.name] = session.read.get(kind.name, 0) + 1
    return arrival


def _settle_without_reading(session: Session, kind: StripeObject, left: list[str]) -> _Batch | None:
    """Decide on a batch of signalled objects, write what needs no request, and name those that do.

    None where no signals are left but those of `left`. Runs in a thread: it holds the warehouse, and asks nobody.
    """
    with session.warehouse.connect() as connection:
        ids = [row[0] for row in connection.execute(_SQL["signalled_ids"], [kind.name, left, BATCH_OBJECTS]).fetchall()]
        if not ids:
            return None
        signals = _signals_of(connection, kind, ids)
        decisions = _decide_all(session, connection, kind, signals)
        rows, readings, settled = _without_reading(connection, kind, decisions, signals)
        check_mode((row.livemode for row in rows), session.livemode)
        if settled:
            with transaction(connection):
                seq = next_seq(connection)
                rows = session.forgotten.emptied(connection, rows)
                session.tally(kind.name, write_rows(connection, kind, rows, seq=seq, run_id=session.run_id))
                of_settled = ((object_id, signal.event_id) for object_id in settled for signal in signals[object_id])
                _settle(connection, kind, of_settled)
        resting = held_back(connection, kind, now_utc())
    held = {reading.id: resting[reading.id] for reading in readings if reading.id in resting}
    return _Batch([reading for reading in readings if reading.id not in held], held)


def _settle(connection: Connection, kind: StripeObject, signals: Iterable[tuple[str, str]]) -> None:
    """Take signals out, each by object and event: others of the same object may have been stored meanwhile."""
    settled = list(signals)
    if settled:
        execute_with(connection, table_of(("id", "event_id"), settled, {}), _SQL["delete_signals"], [kind.name])
        take_out(connection, kind, {object_id for object_id, _ in settled})


def _signals_of(connection: Connection, kind: StripeObject, ids: list[str]) -> dict[str, list[Signal]]:
    signals: dict[str, list[Signal]] = defaultdict(list)
    for object_id, *rest in connection.execute(_SQL["signals_of"], [kind.name, ids]).fetchall():
        signals[object_id].append(Signal(*rest))
    return signals


def _decide_all(
    session: Session, connection: Connection, kind: StripeObject, signals: dict[str, list[Signal]]
) -> dict[str, Decision]:
    known = read_known(connection, kind, signals)
    simulated = session.transport.time.is_simulated
    return {
        object_id: decide(
            _stored(known[object_id], simulated=simulated) if object_id in known else None,
            of_object,
            reuses_ids=kind.reuses_ids,
        )
        for object_id, of_object in signals.items()
    }


def _stored(known: Known, *, simulated: bool) -> Stored:
    told_by_date = known.source != "event" and not simulated
    asked = known.read_at // 1_000_000 if told_by_date and known.read_at is not None else None
    return Stored(known.as_of, known.source, known.deleted, asked)


def _without_reading(
    connection: Connection, kind: StripeObject, decisions: dict[str, Decision], signals: dict[str, list[Signal]]
) -> tuple[list[Row], list[Reading], list[str]]:
    """Make the rows that need no request. Gives rows, objects to read, and ids whose signals are settled."""
    wanted = {
        decision.event.event_id: object_id
        for object_id, decision in decisions.items()
        if decision.step in {Step.APPLY, Step.BURY}
    }
    snapshots: dict[str, dict[str, Any]] = {}
    for event_id, payload in connection.execute(_SQL["event_snapshots"], [list(wanted)]).fetchall():
        snapshots[wanted[event_id]] = at_path(orjson.loads(payload), "data.object")
    stored = read_payloads(connection, kind, list(wanted.values()))
    rows: list[Row] = []
    readings: list[Reading] = []
    settled: list[str] = []
    now = moment()
    for object_id, decision in decisions.items():
        event, snapshot = decision.event, snapshots.get(object_id, {})
        reading = Reading(object_id, event.event_id or None, tuple(signal.event_id for signal in signals[object_id]))
        match decision.step:
            case Step.READ:
                readings.append(reading)
                continue
            case Step.APPLY:
                if not graft(kind, snapshot, stored.get(object_id)):
                    readings.append(reading)
                    continue
                rows.append(
                    row_of(kind, snapshot, as_of=event.created, source="event", read_at=now, event_id=event.event_id)
                )
            case Step.BURY:
                rows.append(
                    tombstone(
                        kind,
                        object_id,
                        as_of=event.created,
                        source="event",
                        read_at=now,
                        event_id=event.event_id,
                        last=snapshot if event.usable else None,
                    )
                )
            case Step.NOTHING:
                pass
        settled.append(object_id)
    return rows, readings, settled
