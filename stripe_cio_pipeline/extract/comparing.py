"""Comparing with Stripe: list everything again, find what differs or vanished, read that by id, repair, and prove it.

The proof is counts and content hashes of both sides, by object type and month of `created`.
"""

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from functools import partial
from typing import Any, Literal

from stripe_cio_pipeline.errors import StripeError
from stripe_cio_pipeline.extract.answers import Arrival, keep_absent_fields, rows_of_page, store
from stripe_cio_pipeline.extract.changes import Reading, ReadingBook, read_again
from stripe_cio_pipeline.extract.feed import ReadEvent, known_events, own_events, read_event
from stripe_cio_pipeline.extract.history import list_parameters
from stripe_cio_pipeline.extract.lists import ListBook, Slice, read_list
from stripe_cio_pipeline.extract.objects import EVENTS_PATH, StripeObject
from stripe_cio_pipeline.extract.reports import MonthProof, ObjectReconciliation
from stripe_cio_pipeline.extract.rows import Row, execute_with, is_overtaken, read_known, table_of, table_of_ids
from stripe_cio_pipeline.extract.session import Session, each, stripe_time
from stripe_cio_pipeline.extract.state import WATERMARK, read_mark, write_mark
from stripe_cio_pipeline.extract.transport import Answer, Refusal, moment, wrong_request
from stripe_cio_pipeline.extract.unread import note_unread
from stripe_cio_pipeline.extract.writer import Entry
from stripe_cio_pipeline.warehouse import Connection, Statements, read_cursor

_SQL = Statements("stripe_cio_pipeline.extract.sql")

#: No rows, as a month of one side shows them where the other has some.
_NOTHING = (0, "0")

Side = Mapping[str, tuple[int, str]]

Finding = Literal["missing", "changed"]


@dataclass(frozen=True, slots=True)
class _Listed:
    """What listing an object type found, before it is put together."""

    began: int
    before: Side
    vanished: tuple[str, ...]
    gone: frozenset[str]
    tampered: frozenset[str]
    repaired: int


async def compare_all(
    session: Session, selected: tuple[StripeObject, ...], *, dry_run: bool
) -> tuple[ObjectReconciliation, ...]:
    """Compare object types with Stripe, side by side. One that fails is noted in the session and left out.

    What was compared, and not in a dry run, is not outdated by any gap in the events before.
    """
    listed: dict[str, _Listed] = {}
    began = await stripe_time(session)

    async def one(kind: StripeObject) -> None:
        listed[kind.name] = await _list_object(session, kind, began, dry_run=dry_run)

    await each(session, selected, one)
    recent = await _recently_changed(session)
    outcomes = []
    for kind in selected:
        if kind.name in listed:
            conclude = partial(_conclude, session, kind, listed[kind.name], recent, dry_run=dry_run)
            outcomes.append(await session.writer.alone(conclude))
    return tuple(outcomes)


async def _list_object(session: Session, kind: StripeObject, began: int, *, dry_run: bool) -> _Listed:
    alone = session.writer.alone
    tampered, before = await alone(partial(_begin, session, kind, began, dry_run=dry_run))
    book = ListingBook(session, kind, tampered=tampered, dry_run=dry_run)
    session.writer.open_book(book)
    await read_list(session.transport, session.writer, book, kind.path, list_parameters(kind))
    await session.writer.commit_now()
    session.writer.close_book(book)
    vanished, overtaken = await alone(partial(_to_confirm, session, kind, began, tampered))
    confirming = ConfirmingBook(session, kind, tampered=tampered, dry_run=dry_run)
    readings = [Reading(object_id, None) for object_id in (*vanished, *overtaken)]
    unread: dict[str, StripeError] = {}
    await read_again(session, kind, readings, confirming, unread)
    # Nobody knows whether they are there, so the sides do not come out equal.
    await note_unread(session, kind, unread)
    gone = frozenset(confirming.gone).intersection(vanished)
    return _Listed(began, before, tuple(vanished), gone, tampered, book.repaired)


async def _recently_changed(session: Session) -> set[tuple[str, str]]:
    """Name the objects that events speak of which were not followed yet: a difference there is lag, and not loss."""

    def look() -> tuple[int | None, set[tuple[str, str]]]:
        with session.warehouse.connect() as connection:
            value = read_cursor(connection, WATERMARK)
            waiting = connection.execute(_SQL["signalled_objects"]).fetchall()
        return None if value is None else int(value) - session.policy.stripe.overlap_seconds, set(waiting)

    def unknown(events: list[ReadEvent]) -> list[ReadEvent]:
        with session.warehouse.connect() as connection:
            known = known_events(connection, [event.row.id for event in events])
        return [event for event in events if event.row.id not in known]

    since, changed = await session.writer.alone(look)
    piece = Slice(created_from=since)
    try:
        while True:
            answer = await session.transport.list(EVENTS_PATH, piece.parameters())
            if isinstance(answer, Refusal):
                raise wrong_request(answer, EVENTS_PATH)
            events = [read_event(payload, answer.date) for payload in own_events(session, answer)]
            new = await session.writer.alone(partial(unknown, events))
            changed |= {(signal.object, signal.id) for event in new for signal in event.signals}
            if not answer.body["has_more"]:
                return changed
            piece = Slice(since, None, answer.body["data"][-1]["id"])
    except StripeError as error:
        session.warnings.append(
            "The events could not be read after the comparison, so that changes on their way count as differences: "
            + error.what
        )
        return set()


def _begin(session: Session, kind: StripeObject, began: int, *, dry_run: bool) -> tuple[frozenset[str], Side]:
    with session.warehouse.transaction() as connection:
        connection.execute(_SQL["clear_listed"], [kind.name])
        found = connection.execute(_SQL["tampered_rows"].replace("{table}", kind.name)).fetchall()
        if found and not dry_run:
            connection.execute(_SQL["rehash_rows"].replace("{table}", kind.name))
        return frozenset(row[0] for row in found), prove_stored(connection, kind, began)


def _to_confirm(
    session: Session, kind: StripeObject, began: int, tampered: frozenset[str]
) -> tuple[list[str], list[str]]:
    """Name what is to be read by id: what Stripe did not list, and what changed while it was listed.

    What no list shows counts as listed, as it is stored.
    """
    unlisted, vanished, overtaken = (
        _SQL[name].replace("{table}", kind.name) for name in ("note_unlisted", "vanished_rows", "overtaken_rows")
    )
    with session.warehouse.transaction() as connection:
        known = {"began": began, "active_alone": kind.active_alone, "tampered": sorted(tampered)}
        connection.execute(unlisted, known)
        return (
            [row[0] for row in connection.execute(vanished, {"began": began}).fetchall()],
            [row[0] for row in connection.execute(overtaken).fetchall()],
        )


def _conclude(
    session: Session, kind: StripeObject, listed: _Listed, recent: set[tuple[str, str]], *, dry_run: bool
) -> ObjectReconciliation:
    with session.warehouse.transaction() as connection:
        findings = dict(connection.execute(_SQL["listed_findings"], [kind.name]).fetchall())
        stripe = prove_listed(connection, kind, listed.began)
        after = prove_stored(connection, kind, listed.began)
        months = join_sides(kind.name, stripe, listed.before, after)
        missing = [object_id for object_id, finding in findings.items() if finding == "missing"]
        changed = [object_id for object_id, finding in findings.items() if finding == "changed"]
        differing = [*missing, *changed, *sorted(listed.gone)]
        unexplained = [
            object_id for object_id in differing if object_id in listed.tampered or (kind.name, object_id) not in recent
        ]
        outcome = ObjectReconciliation(
            name=kind.name,
            stripe_rows=sum(rows for rows, _ in stripe.values()),
            before_rows=sum(rows for rows, _ in listed.before.values()),
            after_rows=sum(rows for rows, _ in after.values()),
            missing=len(missing),
            changed=len(changed),
            vanished=len(listed.vanished),
            explained=len(differing) - len(unexplained),
            tampered=len(listed.tampered),
            confirmed_deleted=len(listed.gone),
            hidden=len(listed.vanished) - len(listed.gone),
            repaired=0 if dry_run else listed.repaired + len(listed.gone),
            whole=all(month.equal_after for month in months),
            examples=tuple(unexplained[:10]),
            months=months,
        )
        _save(connection, session.run_id, outcome, dry_run=dry_run)
        mark = read_mark(connection, kind.name)
        if mark is not None and not dry_run:
            write_mark(connection, kind.name, replace(mark, began=listed.began), session.run_id)
        connection.execute(_SQL["clear_listed"], [kind.name])
    return outcome


def _save(connection: Connection, run_id: str, outcome: ObjectReconciliation, *, dry_run: bool) -> None:
    made_at = datetime.now(UTC).replace(tzinfo=None)
    for month in outcome.months:
        connection.execute(
            _SQL["insert_reconciliation"],
            [
                run_id,
                made_at,
                month.object,
                month.month,
                month.stripe_rows,
                month.stripe_hash,
                month.before_rows,
                month.before_hash,
                month.after_rows,
                month.after_hash,
                outcome.missing,
                outcome.changed,
                outcome.vanished,
                outcome.explained,
                dry_run,
            ],
        )


class ListingBook(ListBook[Arrival]):
    """Gathers pages: compares them, notes them as listed, and repairs unless it is a dry run."""

    def __init__(self, session: Session, kind: StripeObject, *, tampered: frozenset[str], dry_run: bool) -> None:
        super().__init__((Slice(),))
        self._session = session
        self._kind = kind
        self._tampered = tampered
        self._dry_run = dry_run
        self._rows_read = 0
        self.repaired = 0

    async def prepare(self, answer: Answer) -> list[Arrival]:
        """Make rows of a page."""
        return await rows_of_page(self._session, self._kind, answer)

    def keep(self, items: list[Arrival]) -> None:
        """Gather a page."""
        super().keep(items)
        self._rows_read += len(items)
        self._session.read[self._kind.name] = self._rows_read
        self._session.note("reconcile", self._kind.name, rows=self._rows_read, requests=self.plan.pages)

    def entry(self, items: list[Arrival]) -> Entry:
        """Compare, note, repair."""

        def write(connection: Connection, seq: int) -> None:
            kind = self._kind
            whole = list({row.id: row for row in keep_absent_fields(connection, kind, items)}.values())
            note_listed(connection, kind, whole, compare(connection, kind, whole, self._tampered))
            if not self._dry_run:
                tally = store(self._session, connection, kind, items, seq)
                self.repaired += tally.added + tally.changed

        return write


class ConfirmingBook(ReadingBook):
    """Gathers what Stripe says by id where its list says nothing or too little, and repairs unless it is a dry run.

    What is still there (an object on a test clock is never listed) counts as listed.
    """

    def __init__(self, session: Session, kind: StripeObject, *, tampered: frozenset[str], dry_run: bool) -> None:
        super().__init__(session, kind)
        self._tampered = tampered
        self._dry_run = dry_run
        self.gone: set[str] = set()

    def entry(self, items: list[tuple[Reading, Arrival]]) -> Entry:
        """Note what is there and what is gone, and repair."""
        repair = super().entry(items)

        def write(connection: Connection, seq: int) -> None:
            kind = self._kind
            gone = {reading.id for reading, arrival in items if arrival.row.deleted}
            there = keep_absent_fields(connection, kind, (found for _, found in items if not found.row.deleted))
            note_listed(connection, kind, there, compare(connection, kind, there, self._tampered))
            execute_with(connection, table_of_ids(gone), _SQL["delete_listed"], [kind.name])
            self.gone |= gone
            if not self._dry_run:
                repair(connection, seq)

        return write


def note_listed(
    connection: Connection, kind: StripeObject, rows: Collection[Row], findings: dict[str, Finding]
) -> None:
    """Note rows as being in Stripe, with what was found about them."""
    if not rows:
        return
    listed = [(kind.name, row.id, row.created, row.content_hash, findings.get(row.id), row.read_at) for row in rows]
    names = ("object", "id", "created", "content_hash", "finding", "read_at")
    arrivals = table_of(names, listed, {})
    execute_with(connection, arrivals, _SQL["delete_listed"], [kind.name])
    execute_with(connection, arrivals, _SQL["insert_listed"])


def compare(
    connection: Connection, kind: StripeObject, rows: list[Row], tampered: frozenset[str]
) -> dict[str, Finding]:
    """Say which listed rows are missing or have another content in the warehouse.

    A row that was overtaken says nothing: its object is read again.
    """
    known = read_known(connection, kind, [row.id for row in rows])
    findings: dict[str, Finding] = {}
    now = moment()
    for row in rows:
        stored = known.get(row.id)
        if stored is not None and is_overtaken(row, stored, now):
            continue
        if stored is None or stored.deleted:
            findings[row.id] = "missing"
        elif (
            row.id in tampered
            or stored.content_hash != row.content_hash
            or stored.customer_id != row.customer_id
            or stored.created != row.created
        ):
            findings[row.id] = "changed"
    return findings


def prove_stored(connection: Connection, kind: StripeObject, began: int) -> Side:
    """Sum the warehouse's rows up that are older than `began` (unix seconds) and not tombstones, by month."""
    statement = _SQL["proof_stored"].replace("{table}", kind.name)
    return _side(connection.execute(statement, {"began": began}).fetchall())


def prove_listed(connection: Connection, kind: StripeObject, began: int) -> Side:
    """Sum up what Stripe listed in this reconcile, by month."""
    return _side(connection.execute(_SQL["proof_listed"], {"object": kind.name, "began": began}).fetchall())


def join_sides(name: str, stripe: Side, before: Side, after: Side) -> tuple[MonthProof, ...]:
    """Put the sides together, month by month."""
    return tuple(
        MonthProof(name, month, *stripe.get(month, _NOTHING), *before.get(month, _NOTHING), *after.get(month, _NOTHING))
        for month in sorted({*stripe, *before, *after})
    )


def latest_proof(connection: Connection) -> tuple[tuple[MonthProof, ...], Mapping[str, datetime]]:
    """Give the newest proof of each object type, and when each was made (UTC, this machine's clock)."""
    rows = connection.execute(_SQL["latest_proof"]).fetchall()
    return tuple(MonthProof(*row[:8]) for row in rows), {row[0]: row[8] for row in rows}


def _side(rows: Iterable[tuple[Any, ...]]) -> Side:
    return {str(month): (int(count), str(content)) for month, count, content in rows}
