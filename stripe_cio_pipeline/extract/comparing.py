"""Comparing with Stripe: list everything again, find what differs or vanished, read that by id, repair, and prove it.

The proof is counts and content hashes of both sides, by object type and month of `created`.
"""

import math
from collections.abc import Callable, Collection
from dataclasses import asdict, dataclass, replace
from functools import partial
from itertools import count
from typing import Literal

import orjson

from stripe_cio_pipeline.errors import PipelineError, StripeError
from stripe_cio_pipeline.extract.answers import Arrival, keep_absent_fields, rows_of_page, store
from stripe_cio_pipeline.extract.changes import Reading, ReadingBook, read_again
from stripe_cio_pipeline.extract.feed import ReadEvent, known_events, own_events, read_event
from stripe_cio_pipeline.extract.history import list_parameters
from stripe_cio_pipeline.extract.lists import ListBook, Slice, read_list
from stripe_cio_pipeline.extract.objects import EVENTS_PATH, StripeObject
from stripe_cio_pipeline.extract.proof import Side, join_sides, prove_listed, prove_stored, save_proof
from stripe_cio_pipeline.extract.reports import ObjectReconciliation
from stripe_cio_pipeline.extract.rows import Row, execute_with, is_overtaken, read_known, table_of, table_of_ids
from stripe_cio_pipeline.extract.session import FATAL, Session, each, note_failure, stripe_time
from stripe_cio_pipeline.extract.state import LOST_BEFORE, WATERMARK, load_slices, read_mark, save_slices, write_mark
from stripe_cio_pipeline.extract.transport import Answer, Refusal, moment, wrong_request
from stripe_cio_pipeline.extract.unread import note_unread
from stripe_cio_pipeline.extract.writer import Entry
from stripe_cio_pipeline.warehouse import Connection, Statements, delete_cursor, read_cursor, write_cursor

_SQL = Statements("stripe_cio_pipeline.extract.sql")

#: What was listed longer ago than this is listed again: whatever no event told since would not be found.
RESUME_SECONDS = 2 * 86_400
#: So many objects of a type are read by id without a question, because Stripe did not list them or they changed.
MOST_BY_ID = 1_000

Finding = Literal["missing", "changed", "gone"]


@dataclass(frozen=True, slots=True)
class Begun:
    """A comparison of one object type that is under way, as the warehouse remembers it.

    `began` is in Stripe's clock, `before` the warehouse as it was found, `tampered` the rows that were changed past the
    pipeline. What was listed so far stands in `pipeline.listed`, what is still to be listed in `pipeline.slices`.
    `owner` is the run that goes on with it: the last that began.
    """

    owner: str
    began: int
    dry_run: bool
    tampered: frozenset[str]
    before: Side

    def dump(self) -> str:
        """Write it as a cursor's value."""
        return orjson.dumps({**asdict(self), "tampered": sorted(self.tampered)}).decode()

    @classmethod
    def load(cls, value: str) -> "Begun":
        """Read it from a cursor's value."""
        told = orjson.loads(value)
        before = {month: (int(rows), str(content)) for month, (rows, content) in told["before"].items()}
        return cls(told["owner"], told["began"], told["dry_run"], frozenset(told["tampered"]), before)


@dataclass(frozen=True, slots=True)
class Bounds:
    """How far a comparison may go: until when it may ask for pages (monotonic seconds), and what it may read by id.

    `may_read` is asked with an object type and a number where that is more than `most_by_id`.
    """

    until: float = math.inf
    most_by_id: int = MOST_BY_ID
    may_read: Callable[[str, int], bool] = lambda _name, _number: False


async def compare_all(
    session: Session, selected: tuple[StripeObject, ...], *, dry_run: bool, bounds: Bounds | None = None
) -> tuple[ObjectReconciliation, ...]:
    """Compare object types with Stripe, side by side. One that fails is noted in the session and left out.

    So is one whose list did not come to its end within the bounds. Whoever compares next goes on from there.
    What was compared, and not in a dry run, is not outdated by any gap in the events before.
    """
    bounds = bounds or Bounds()
    compared: dict[str, tuple[Begun, int]] = {}
    now = await stripe_time(session)

    async def one(kind: StripeObject) -> None:
        begun, slices = await session.writer.alone(partial(_begin, session, kind, now, dry_run=dry_run))
        if await _list_object(session, kind, begun, slices, bounds):
            compared[kind.name] = begun, await _confirm(session, kind, begun, bounds)

    await each(session, selected, one)
    if not compared:
        return ()
    recent = await _recently_changed(session)
    outcomes = []
    for kind in selected:
        if kind.name in compared:
            begun, hidden = compared[kind.name]
            conclude = partial(_conclude, session, kind, begun, hidden=hidden, recent=recent)
            try:
                outcomes.append(await session.writer.alone(conclude))
            except PipelineError as error:
                if isinstance(error, FATAL):
                    raise
                note_failure(session, kind.name, error)
    return tuple(outcomes)


async def _list_object(
    session: Session, kind: StripeObject, begun: Begun, slices: tuple[Slice, ...], bounds: Bounds
) -> bool:
    """List what is still to be listed. Gives whether all of it was."""
    book, asked = ListingBook(session, kind, begun, slices), count()
    async with session.writer.taking(book):
        await read_list(
            session.transport,
            session.writer,
            book,
            kind.path,
            list_parameters(kind),
            # One page at least, so that it comes to its end however little time there is.
            may_go_on=lambda: next(asked) == 0 or session.monotonic() < bounds.until,
        )
    return book.plan.finished


async def _confirm(session: Session, kind: StripeObject, begun: Begun, bounds: Bounds) -> int:
    """Read by id what the list left open. Gives how many objects are there that no list shows."""
    vanished, overtaken = await session.writer.alone(partial(_to_confirm, session, kind, begun))
    number = len(vanished) + len(overtaken)
    if number > bounds.most_by_id and not bounds.may_read(kind.name, number):
        raise StripeError(
            f"{len(vanished):,} stored {kind.name} are not in Stripe's list, and {len(overtaken):,} changed meanwhile. "
            f"To read each by id takes {number:,} requests, and more than {bounds.most_by_id:,} are not made unasked.",
            "Nothing of them was changed. Look whether they are gone from Stripe's dashboard, or whether something on "
            f"the way shortens lists; then stripe-cio reconcile --read-by-id {number} goes on from here.",
        )
    confirming = ConfirmingBook(session, kind, begun)
    unread: dict[str, StripeError] = {}
    readings = [Reading(object_id, None) for object_id in (*vanished, *overtaken)]
    await read_again(session, kind, readings, confirming, unread)
    # Nobody knows whether they are there, so the sides do not come out equal.
    await note_unread(session, kind, unread)
    return len(set(vanished) - confirming.gone)


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
            events = [read_event(payload, answer.until) for payload in own_events(session, answer)]
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


def _begin(session: Session, kind: StripeObject, now: int, *, dry_run: bool) -> tuple[Begun, tuple[Slice, ...]]:
    """Go on with a comparison that was broken off, or begin one. Gives it with what is still to be listed."""
    with session.warehouse.transaction() as connection:
        if begun := _resumed(connection, kind, now, dry_run=dry_run):
            begun = replace(begun, owner=session.run_id)
            write_cursor(connection, _cursor_of(kind), begun.dump(), session.run_id)
            return begun, load_slices(connection, _slices_of(kind))
        connection.execute(_SQL["clear_listed"], [kind.name])
        found = connection.execute(_SQL["tampered_rows"].replace("{table}", kind.name)).fetchall()
        if found and not dry_run:
            connection.execute(_SQL["rehash_rows"].replace("{table}", kind.name))
        tampered = frozenset(row[0] for row in found)
        begun = Begun(session.run_id, now, dry_run, tampered, prove_stored(connection, kind, now))
        write_cursor(connection, _cursor_of(kind), begun.dump(), session.run_id)
        save_slices(connection, _slices_of(kind), (Slice(),), session.run_id)
        return begun, (Slice(),)


def _resumed(connection: Connection, kind: StripeObject, now: int, *, dry_run: bool) -> Begun | None:
    value = read_cursor(connection, _cursor_of(kind))
    if value is None:
        return None
    begun = Begun.load(value)
    lost_before = int(read_cursor(connection, LOST_BEFORE) or 0)
    is_recent = now - RESUME_SECONDS <= begun.began <= now and begun.began >= lost_before
    return begun if begun.dry_run == dry_run and is_recent else None


def _is_ours(connection: Connection, kind: StripeObject, begun: Begun) -> bool:
    value = read_cursor(connection, _cursor_of(kind))
    return value is not None and Begun.load(value).owner == begun.owner


def _require_ours(connection: Connection, kind: StripeObject, begun: Begun) -> None:
    """Stop where another run has taken the comparison over: what it concludes is not ours to conclude from."""
    if not _is_ours(connection, kind, begun):
        raise PipelineError(
            f"Another run compares {kind.name} as well, and goes on with what this one has listed.",
            "Let that one come to its end.",
        )


def _cursor_of(kind: StripeObject) -> str:
    return f"reconcile.{kind.name}"


def _slices_of(kind: StripeObject) -> str:
    return f"reconcile.{kind.name}"


def _to_confirm(session: Session, kind: StripeObject, begun: Begun) -> tuple[list[str], list[str]]:
    """Name what is to be read by id: what Stripe did not list, and what changed while it was listed.

    What no list shows counts as listed, as it is stored.
    """
    unlisted, vanished, overtaken = (
        _SQL[name].replace("{table}", kind.name) for name in ("note_unlisted", "vanished_rows", "overtaken_rows")
    )
    with session.warehouse.transaction() as connection:
        _require_ours(connection, kind, begun)
        known = {"began": begun.began, "active_alone": kind.active_alone, "tampered": sorted(begun.tampered)}
        connection.execute(unlisted, known)
        return (
            [row[0] for row in connection.execute(vanished, {"began": begun.began}).fetchall()],
            [row[0] for row in connection.execute(overtaken).fetchall()],
        )


def _conclude(
    session: Session, kind: StripeObject, begun: Begun, *, hidden: int, recent: set[tuple[str, str]]
) -> ObjectReconciliation:
    with session.warehouse.transaction() as connection:
        _require_ours(connection, kind, begun)
        findings: dict[Finding, list[str]] = {"missing": [], "changed": [], "gone": []}
        for object_id, finding in connection.execute(_SQL["listed_findings"], [kind.name]).fetchall():
            findings[finding].append(object_id)
        stripe = prove_listed(connection, kind, begun.began)
        after = prove_stored(connection, kind, begun.began)
        months = join_sides(kind.name, stripe, begun.before, after)
        differing = [*findings["missing"], *findings["changed"], *sorted(findings["gone"])]
        unexplained = [
            object_id for object_id in differing if object_id in begun.tampered or (kind.name, object_id) not in recent
        ]
        outcome = ObjectReconciliation(
            name=kind.name,
            stripe_rows=sum(rows for rows, _ in stripe.values()),
            before_rows=sum(rows for rows, _ in begun.before.values()),
            after_rows=sum(rows for rows, _ in after.values()),
            missing=len(findings["missing"]),
            changed=len(findings["changed"]),
            vanished=len(findings["gone"]) + hidden,
            explained=len(differing) - len(unexplained),
            tampered=len(begun.tampered),
            confirmed_deleted=len(findings["gone"]),
            hidden=hidden,
            repaired=0 if begun.dry_run else len(differing),
            whole=all(month.equal_after for month in months),
            examples=tuple(unexplained[:10]),
            months=months,
        )
        save_proof(connection, session.run_id, outcome, dry_run=begun.dry_run)
        mark = read_mark(connection, kind.name)
        if mark is not None and not begun.dry_run:
            write_mark(connection, kind.name, replace(mark, began=begun.began), session.run_id)
        connection.execute(_SQL["clear_listed"], [kind.name])
        delete_cursor(connection, _cursor_of(kind))
    return outcome


class ListingBook(ListBook[Arrival]):
    """Gathers pages: compares them, notes them as listed, and repairs unless it is a dry run."""

    def __init__(self, session: Session, kind: StripeObject, begun: Begun, slices: tuple[Slice, ...]) -> None:
        super().__init__(slices)
        self._session = session
        self._kind = kind
        self._begun = begun
        self._rows_read = 0

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
        """Compare, note, repair, and save what is still to be listed."""
        frontier = self.plan.frontier()

        def write(connection: Connection, seq: int) -> None:
            session, kind = self._session, self._kind
            whole = list({row.id: row for row in keep_absent_fields(connection, kind, items)}.values())
            if _is_ours(connection, kind, self._begun):
                note_listed(connection, kind, whole, compare(connection, kind, whole, self._begun.tampered))
                save_slices(connection, _slices_of(kind), frontier, session.run_id)
            if not self._begun.dry_run:
                store(session, connection, kind, items, seq)

        return write


class ConfirmingBook(ReadingBook):
    """Gathers what Stripe says by id where its list says nothing or too little, and repairs unless it is a dry run.

    What is still there (an object on a test clock is never listed) counts as listed.
    """

    def __init__(self, session: Session, kind: StripeObject, begun: Begun) -> None:
        super().__init__(session, kind)
        self._begun = begun
        self.gone: set[str] = set()

    def entry(self, items: list[tuple[Reading, Arrival]]) -> Entry:
        """Note what is there and what is gone, and repair."""
        repair = super().entry(items)

        def write(connection: Connection, seq: int) -> None:
            kind = self._kind
            gone = {reading.id for reading, arrival in items if arrival.row.deleted}
            there = keep_absent_fields(connection, kind, (found for _, found in items if not found.row.deleted))
            note_listed(connection, kind, there, compare(connection, kind, there, self._begun.tampered))
            execute_with(connection, table_of_ids(gone), _SQL["delete_listed"], [kind.name])
            execute_with(connection, table_of_ids(gone), _SQL["note_gone"], [kind.name])
            self.gone |= gone
            if not self._begun.dry_run:
                repair(connection, seq)

        return write


def note_listed(
    connection: Connection, kind: StripeObject, rows: Collection[Row], findings: dict[str, Finding]
) -> None:
    """Note rows as being in Stripe, with what was found about them. What was found before stays found."""
    if not rows:
        return
    before = execute_with(connection, table_of_ids(row.id for row in rows), _SQL["findings_of"], [kind.name])
    findings = {**dict(before), **findings}
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
