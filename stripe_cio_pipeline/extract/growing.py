"""What a newer release reads and an older one did not: fetched for the objects that are stored, and for no others.

A new object type has no history yet and is listed like any. But a new expand, or a field that a model reads now, is
missing from what was stored before, and no event will ever tell. So each type's list is noted with what it was asked
for (`asked.<type>`). Where this release asks for more, the type is listed again, and what no list shows is read by id:
a few requests in each run, as the month's reads allow, from where the last run stopped. What is written meanwhile
has it already.
"""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import asdict, dataclass
from functools import partial

import orjson

from stripe_cio_pipeline.errors import StripeError
from stripe_cio_pipeline.extract.answers import Arrival, rows_of_page, store
from stripe_cio_pipeline.extract.budget import ReadBudget, list_requests
from stripe_cio_pipeline.extract.changes import Reading, ReadingBook, read_again
from stripe_cio_pipeline.extract.history import list_parameters
from stripe_cio_pipeline.extract.lists import ListBook, Slice, read_list
from stripe_cio_pipeline.extract.objects import OBJECTS, PINNED_VERSION, StripeObject
from stripe_cio_pipeline.extract.rows import count_rows
from stripe_cio_pipeline.extract.session import Session, each
from stripe_cio_pipeline.extract.state import (
    State,
    asked_cursor,
    asked_parts,
    load_slices,
    note_asked,
    read_marks,
    save_slices,
)
from stripe_cio_pipeline.extract.transport import Answer, moment
from stripe_cio_pipeline.extract.unread import note_unread, now_utc
from stripe_cio_pipeline.extract.writer import Entry
from stripe_cio_pipeline.warehouse import Connection, Statements, delete_cursor, read_cursors, transaction, write_cursor

_SQL = Statements("stripe_cio_pipeline.extract.sql")

#: A run takes this share of the reads that are left in the month, and so many requests at least.
SPARE_SHARE = 0.1
LEAST_REQUESTS = 3


@dataclass(frozen=True, slots=True)
class Growth:
    """What of one object type an older release did not read, and about how many requests it takes to fetch it.

    `parts` name it, empty where the whole type is new.
    """

    object: str
    parts: tuple[str, ...]
    requests: int

    def __str__(self) -> str:
        """Say it in a sentence's part."""
        return f"{self.object} ({', '.join(self.parts)})" if self.parts else f"{self.object} (a new object type)"


@dataclass(frozen=True, slots=True)
class Growing:
    """A fetch that is under way: since when (microseconds of this machine's clock), and of which parts."""

    version: str
    since: int
    parts: tuple[str, ...]


def still_missing(connection: Connection) -> tuple[Growth, ...]:
    """Name what this release reads and the warehouse does not have yet. Only reads; empty before the first sync."""
    cursors = read_cursors(connection)
    marks = read_marks(cursors)
    if not any(mark.state == "finished" for mark in marks.values()):
        return ()
    found = []
    for kind in OBJECTS:
        mark = marks.get(kind.name)
        rows = count_rows(connection, kind)[1]
        if mark is None:
            found.append(Growth(kind.name, (), list_requests(rows)))
        elif mark.state == "finished" and (parts := _new_parts(connection, kind, cursors)):
            found.append(Growth(kind.name, parts, list_requests(rows)))
    return tuple(found)


async def fetch_new_parts(session: Session, selected: tuple[StripeObject, ...], state: State) -> None:
    """Fetch for stored objects what an older release did not read, as far as this run may.

    A type that fails is noted.
    """
    behind = await session.writer.alone(partial(_behind, session, selected))
    if behind:
        most = allowance(state.budget, session.meter.requests) // len(behind)
        await each(session, behind, lambda kind: _fetch(session, kind, max(LEAST_REQUESTS, most)))


def _behind(session: Session, selected: tuple[StripeObject, ...]) -> tuple[StripeObject, ...]:
    """Name the types whose list was asked for less. What an older release did not note is looked at once."""
    with session.warehouse.connect() as connection:
        cursors = read_cursors(connection)
        marks = read_marks(cursors)
        finished = [kind for kind in selected if (mark := marks.get(kind.name)) and mark.state == "finished"]
        new = {kind.name: _new_parts(connection, kind, cursors) for kind in finished}
        noted = {kind.name for kind in finished if asked_cursor(kind) in cursors}
        with transaction(connection):
            for kind in finished:
                if not new[kind.name] and kind.name not in noted:
                    note_asked(connection, kind, session.run_id)
    return tuple(kind for kind in finished if new[kind.name])


async def _fetch(session: Session, kind: StripeObject, left: int) -> None:
    growing, slices = await session.writer.alone(partial(_begin, session, kind))
    book = _GrowingBook(session, kind, slices)
    if slices:
        asked = iter(range(left))
        async with session.writer.taking(book):
            await read_list(
                session.transport,
                session.writer,
                book,
                kind.path,
                list_parameters(kind),
                may_go_on=lambda: next(asked, None) is not None,
            )
        left -= book.plan.pages
    if book.plan.finished:
        await _read_unlisted(session, kind, growing, left)
    if missing := await session.writer.alone(partial(_conclude, session, kind, growing, listed=book.plan.finished)):
        session.warnings.append(
            f"{kind.name}: {', '.join(growing.parts)} is read since an upgrade, and is not there yet for all that is "
            f"stored. About {missing:,} more requests fetch it, in the next syncs."
        )


def allowance(budget: ReadBudget, made: int) -> int:
    """Give how many requests a run may spend on this, beside those that it has made."""
    spare = budget.allotted - budget.used_30_days - made
    return max(LEAST_REQUESTS, int(spare * SPARE_SHARE))


def _new_parts(connection: Connection, kind: StripeObject, cursors: Mapping[str, str]) -> tuple[str, ...]:
    """Name what is asked for now and was not when a type was listed. `cursors` are all that there are."""
    value = cursors.get(asked_cursor(kind))
    if value is None:
        # A release that noted nothing: what is stored shows what it asked for.
        return tuple(sorted(_lacking(connection, kind)))
    asked = orjson.loads(value)
    new = sorted(asked_parts(kind) - set(asked["parts"]))
    if asked["version"] != PINNED_VERSION:
        new.append(f"API version {PINNED_VERSION}")
    return tuple(new)


def _lacking(connection: Connection, kind: StripeObject) -> Iterator[str]:
    for given in kind.given:
        if given.how != "expand":
            continue
        of_list = "[*]" in (path := _with_lists(given.by, given.paths))
        expanded = "lacks_expanded_in_list" if of_list else "lacks_expanded"
        statement, at = ("lacks_field", given.by) if given.absent else (expanded, path)
        if _any(connection, kind, statement, at):
            yield f"expand {given.by}"
    for field in sorted(kind.required):
        if _any(connection, kind, "lacks_field", field):
            yield f"field {field}"


def _any(connection: Connection, kind: StripeObject, statement: str, path: str) -> bool:
    asked = _SQL[statement].replace("{table}", kind.name)
    return bool(connection.execute(asked, {"path": f"$.{path}"}).fetchall()[0][0])


def _with_lists(expand: str, paths: Iterable[str]) -> str:
    """Give a path to expand with its lists marked, as the declared paths mark them."""
    return next((path.replace("[]", "[*]") for path in paths if path.replace("[]", "") == expand), expand)


def _begin(session: Session, kind: StripeObject) -> tuple[Growing, tuple[Slice, ...]]:
    """Go on with a fetch, or begin one. Gives it with what is still to be listed."""
    with session.warehouse.transaction() as connection:
        cursors = read_cursors(connection)
        parts = _new_parts(connection, kind, cursors)
        if value := cursors.get(_cursor_of(kind)):
            told = orjson.loads(value)
            # What was written since then was asked for by the release that began, which may be an older one too.
            if told["version"] == PINNED_VERSION and set(parts) <= set(told["parts"]):
                return Growing(told["version"], told["since"], tuple(told["parts"])), load_slices(
                    connection, _cursor_of(kind)
                )
        growing = Growing(PINNED_VERSION, moment(), parts)
        write_cursor(connection, _cursor_of(kind), orjson.dumps(asdict(growing)).decode(), session.run_id)
        save_slices(connection, _cursor_of(kind), (Slice(),), session.run_id)
        return growing, (Slice(),)


async def _read_unlisted(session: Session, kind: StripeObject, growing: Growing, left: int) -> None:
    """Read by id what is stored and no list shows, as far as this run may."""
    ids = await session.writer.alone(partial(_not_read_since, session, kind, growing, max(0, left)))
    unread: dict[str, StripeError] = {}
    readings = [Reading(object_id, None) for object_id in ids]
    await read_again(session, kind, readings, ReadingBook(session, kind), unread)
    await note_unread(session, kind, unread)


def _not_read_since(session: Session, kind: StripeObject, growing: Growing, most: int) -> list[str]:
    with session.warehouse.connect() as connection:
        statement = _SQL["not_read_since"].replace("{table}", kind.name)
        known = {"since": growing.since, "now": now_utc(), "most": most}
        found = connection.execute(statement, known).fetchall()
        return [row[0] for row in found]


def _conclude(session: Session, kind: StripeObject, growing: Growing, *, listed: bool) -> int:
    """End the fetch where nothing is left. Gives about how many requests are."""
    with session.warehouse.transaction() as connection:
        statement = _SQL["count_not_read_since"].replace("{table}", kind.name)
        left = int(connection.execute(statement, {"since": growing.since}).fetchall()[0][0])
        if not listed:
            return list_requests(left)
        if not left:
            note_asked(connection, kind, session.run_id)
            delete_cursor(connection, _cursor_of(kind))
        return left


def _cursor_of(kind: StripeObject) -> str:
    return f"growing.{kind.name}"


class _GrowingBook(ListBook[Arrival]):
    """Gathers pages of what is listed again, and writes them with what is still to be listed."""

    def __init__(self, session: Session, kind: StripeObject, slices: tuple[Slice, ...]) -> None:
        super().__init__(slices)
        self._session = session
        self._kind = kind

    async def prepare(self, answer: Answer) -> list[Arrival]:
        """Make rows of a page."""
        return await rows_of_page(self._session, self._kind, answer)

    def keep(self, items: list[Arrival]) -> None:
        """Gather a page."""
        super().keep(items)
        read = self._session.read
        read[self._kind.name] = read.get(self._kind.name, 0) + len(items)

    def entry(self, items: list[Arrival]) -> Entry:
        """Write pages, and what is still to be listed."""
        frontier = self.plan.frontier()

        def write(connection: Connection, seq: int) -> None:
            store(self._session, connection, self._kind, items, seq)
            save_slices(connection, _cursor_of(self._kind), frontier, self._session.run_id)

        return write
