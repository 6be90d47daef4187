"""Rows into the warehouse, inside the caller's transaction, a few megabytes at once.

The object types have tables of one form, so there is one statement for each act, with `{table}` for the table's
name. This is the one place where SQL is put together from text: a name cannot be a parameter, seven copies of each
statement would drift apart, and the names are constants of `objects.OBJECTS`, never input.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import orjson
import pyarrow as pa

from stripe_cio_pipeline.errors import BindingError
from stripe_cio_pipeline.extract.objects import StripeObject
from stripe_cio_pipeline.extract.payloads import canonical, content_hash, fold
from stripe_cio_pipeline.extract.transport import moment
from stripe_cio_pipeline.warehouse import Connection, Statements

_SQL = Statements("stripe_cio_pipeline.extract.sql")

#: Rows, and characters of payload, that are handed over at once: until they are written they are in memory twice.
_MOST_ROWS = 4_096
_MOST_CHARACTERS = 8_000_000
#: Payloads of so many characters on average are wide. DuckDB works on 2,048 rows at once and needs a few times their
#: size: within settings_for_bulk's limit, 10,000 characters were written and 30,000 were not.
_WIDE = 8_000

_TYPES: Mapping[str, Any] = {
    "created": pa.int64(),
    "as_of": pa.int64(),
    "seq": pa.int64(),
    "read_at": pa.timestamp("us"),
    "livemode": pa.bool_(),
    "deleted": pa.bool_(),
    "usable": pa.bool_(),
}
#: Marked as JSON, DuckDB takes a payload as it is; as text, it would parse it once more.
_MARKS: Mapping[str, Any] = {"payload": {"ARROW:extension:name": "arrow.json", "ARROW:extension:metadata": ""}}


def table_of(names: Sequence[str], rows: Sequence[Sequence[Any]], same: Mapping[str, Any]) -> pa.Table:
    """Make a table of rows whose values are in the order of `names`; `same` has what all rows share."""
    columns: dict[str, Sequence[Any]] = dict(zip(names, zip(*rows, strict=True), strict=True))
    columns |= {name: [value] * len(rows) for name, value in same.items()}
    fields = [pa.field(name, _TYPES.get(name, pa.string()), metadata=_MARKS.get(name)) for name in columns]
    arrays = [pa.array(values, field.type) for field, values in zip(fields, columns.values(), strict=True)]
    return pa.table(arrays, schema=pa.schema(fields))


def table_of_ids(ids: Iterable[str]) -> pa.Table:
    """Make a table of ids alone."""
    return pa.table({"id": pa.array(list(ids), pa.string())})


def execute_with(
    connection: Connection, arrivals: pa.Table, statement: str, parameters: Sequence[Any] = ()
) -> list[tuple[Any, ...]]:
    """Run a statement that reads `arrivals`, and give what it finds."""
    connection.register("arrivals", arrivals)
    try:
        return connection.execute(statement, list(parameters) or None).fetchall()
    finally:
        connection.unregister("arrivals")


def insert(
    connection: Connection,
    statement: str,
    names: Sequence[str],
    rows: Sequence[Sequence[Any]],
    same: Mapping[str, Any],
) -> None:
    """Insert rows that have a payload, in portions; `names`, `rows` and `same` are those of `table_of`."""
    for portion, characters in _portions(rows, names.index("payload")):
        if characters > _WIDE * len(portion):
            connection.execute(_SQL["settings_for_wide_rows"])
        execute_with(connection, table_of(names, portion, same), statement)


def _portions(rows: Sequence[Sequence[Any]], payload: int) -> Iterator[tuple[Sequence[Sequence[Any]], int]]:
    """Cut rows into portions, each with its number of characters."""
    start = characters = 0
    for place, row in enumerate(rows):
        width = len(row[payload])
        if place - start == _MOST_ROWS or (place > start and characters + width > _MOST_CHARACTERS):
            yield rows[start:place], characters
            start, characters = place, 0
        characters += width
    if start < len(rows):
        yield rows[start:], characters


class Row(NamedTuple):
    """One object as it will stand in its table. `payload` is canonical JSON; a tombstone keeps the stored one.

    `created` and `as_of` are Stripe's unix seconds; `source` is `list`, `event` or `retrieve`. `read_at` is in
    microseconds of this machine's clock: when the answer was asked for, or the event's snapshot stored.
    """

    id: str
    customer_id: str | None
    created: int | None
    livemode: bool | None
    deleted: bool
    payload: str
    as_of: int
    source: str
    source_event_id: str | None
    content_hash: str
    read_at: int


class Known(NamedTuple):
    """What the warehouse has of a row, without its payload."""

    as_of: int
    source: str
    deleted: bool
    customer_id: str | None
    created: int | None
    content_hash: str | None
    source_event_id: str | None
    seq: int
    read_at: int | None


@dataclass(frozen=True, slots=True)
class Tally:
    """What a write did, in rows."""

    added: int = 0
    changed: int = 0
    deleted: int = 0
    same: int = 0
    stale: int = 0

    def __add__(self, other: "Tally") -> "Tally":
        return Tally(
            self.added + other.added,
            self.changed + other.changed,
            self.deleted + other.deleted,
            self.same + other.same,
            self.stale + other.stale,
        )


def row_of(
    kind: StripeObject,
    payload: dict[str, Any],
    *,
    as_of: int,
    source: str,
    read_at: int,
    event_id: str | None = None,
) -> Row:
    """Make a row of a scrubbed payload."""
    for field in kind.volatile:
        payload.pop(field, None)
    for path in kind.folded:
        fold(payload, path)
    text = canonical(payload)
    created = payload.get("created")
    livemode = payload.get("livemode")
    # By position: naming ten fields takes as long as hashing them.
    return Row(
        payload["id"],
        kind.customer_of(payload),
        created if isinstance(created, int) else None,
        livemode if isinstance(livemode, bool) else None,
        False,
        text.decode(),
        as_of,
        source,
        event_id,
        content_hash(text),
        read_at,
    )


def tombstone(
    kind: StripeObject,
    object_id: str,
    *,
    as_of: int,
    source: str,
    read_at: int,
    event_id: str | None = None,
    last: dict[str, Any] | None = None,
) -> Row:
    """Make the row of an object that is gone. Its payload stays what is stored; `last` is for one that never was."""
    payload = last or {"id": object_id, "object": kind.kind, "deleted": True}
    row = row_of(kind, payload, as_of=as_of, source=source, read_at=read_at, event_id=event_id)
    return row._replace(deleted=True)


def is_overtaken(row: Row, stored: Known, now: int) -> bool:
    """Whether what is stored was read after the row was asked for, so that the row may be older. `now` is `moment()`.

    This is told by this machine's clock and not by Stripe's, which stands still for a second, nor by `created` of an
    event, which for an object on a test clock is no moment at all. A stored moment that lies ahead is not believed: the
    clock was wrong then, and nothing could be stored any more until it is reached.
    """
    return stored.read_at is not None and row.read_at < stored.read_at <= now


def check_mode(modes: Iterable[Any], livemode: bool) -> None:
    """Refuse objects or events of the other mode. Raises BindingError before anything is stored."""
    if (not livemode) in modes:
        bound, given = ("live", "test") if livemode else ("test", "live")
        raise BindingError(
            f"Stripe gave objects in {given} mode, and this warehouse belongs to the account's {bound} mode.",
            "Set STRIPE_API_KEY to the key of that mode, or STRIPE_CIO_WAREHOUSE to another warehouse.",
        )


def write_rows(connection: Connection, kind: StripeObject, rows: Iterable[Row], *, seq: int, run_id: str) -> Tally:
    """Bring a table up to date with rows. What was read later than a row was asked for is left alone.

    A row whose content did not change keeps its `seq` and its `source_event_id`; `as_of`, `source` and `read_at` move.
    """
    latest: dict[str, Row] = {}
    for row in rows:
        held = latest.get(row.id)
        if held is None or row.read_at >= held.read_at:
            latest[row.id] = row
    if not latest:
        return Tally()
    known = read_known(connection, kind, latest)
    added: list[Row] = []
    changed: list[Row] = []
    same: list[Row] = []
    stale = buried = 0
    now = moment()
    for row in latest.values():
        before = known.get(row.id)
        if before is None:
            if row.deleted and row.source == "retrieve" and row.created is None:
                continue  # It came and went unseen: there is nothing to remember.
            added.append(row)
            buried += row.deleted
        elif is_overtaken(row, before, now):
            stale += 1
        elif (row.deleted and before.deleted) or (
            row.deleted == before.deleted
            and row.content_hash == before.content_hash
            and row.customer_id == before.customer_id
            and row.created == before.created
        ):
            same.append(row)
        else:
            changed.append(row)
            buried += row.deleted
    changed = _keep_payloads(connection, kind, changed)
    former = _former(connection, kind, changed, known) if kind.keeps_former else []
    if changed:
        execute_with(connection, table_of_ids(row.id for row in changed + former), _of(kind, "delete_replaced"))
    fresh = added + changed + former
    insert(connection, _of(kind, "insert_rows"), Row._fields, fresh, {"run_id": run_id, "seq": seq})
    if same:
        execute_with(connection, _confirmations(same), _of(kind, "confirm_rows"))
    return Tally(len(added), len(changed), buried, len(same), stale)


def read_known(connection: Connection, kind: StripeObject, ids: Iterable[str]) -> dict[str, Known]:
    """Look up what is stored for some ids."""
    found = execute_with(connection, table_of_ids(ids), _of(kind, "stored_rows"))
    return {row[0]: Known(*row[1:]) for row in found}


def read_payloads(connection: Connection, kind: StripeObject, ids: Sequence[str]) -> dict[str, dict[str, Any]]:
    """Look up stored payloads, parsed."""
    if not ids:
        return {}
    found = connection.execute(_of(kind, "stored_payloads"), [list(ids)]).fetchall()
    return {row[0]: orjson.loads(row[1]) for row in found if row[1] is not None}


def read_of_customers(
    connection: Connection, kind: StripeObject, customers: Sequence[str]
) -> list[tuple[str, str, dict[str, Any]]]:
    """Look up what customers have of one type: (customer, id, payload) of each that is not deleted."""
    found = connection.execute(_of(kind, "payloads_of_customers"), [list(customers)]).fetchall()
    return [(row[0], row[1], orjson.loads(row[2])) for row in found]


def count_rows(connection: Connection, kind: StripeObject) -> tuple[int, int]:
    """Count rows: all, and those that are not tombstones."""
    # Whole: DuckDB 2 takes nothing more on a connection with a half-read answer.
    ((rows, live),) = connection.execute(_of(kind, "count_rows")).fetchall()
    return int(rows), int(live)


def _keep_payloads(connection: Connection, kind: StripeObject, rows: list[Row]) -> list[Row]:
    gone = [row.id for row in rows if row.deleted]
    payloads = read_payloads(connection, kind, gone)
    return [_bury(row, kind, payloads[row.id]) if row.id in payloads and row.deleted else row for row in rows]


def _former(connection: Connection, kind: StripeObject, changed: list[Row], known: dict[str, Known]) -> list[Row]:
    """Make rows of objects whose id now means another one: what was given with them keeps their terms."""
    made_anew = [
        row for row in changed if row.created and known[row.id].created and row.created != known[row.id].created
    ]
    payloads = read_payloads(connection, kind, [row.id for row in made_anew])
    return [
        former_row(kind, payloads[row.id], as_of=known[row.id].as_of, read_at=row.read_at)
        for row in made_anew
        if row.id in payloads
    ]


def former_row(kind: StripeObject, payload: dict[str, Any], *, as_of: int, read_at: int) -> Row:
    """Make the row of an object that its own id does not mean any more."""
    row = row_of(kind, payload, as_of=as_of, source="retrieve", read_at=read_at)
    return row._replace(id=f"{payload['id']}@{payload['created']}", deleted=True)


def _bury(row: Row, kind: StripeObject, last: dict[str, Any]) -> Row:
    kept = row_of(kind, last, as_of=row.as_of, source=row.source, read_at=row.read_at, event_id=row.source_event_id)
    return kept._replace(id=row.id, deleted=True)


def _of(kind: StripeObject, act: str) -> str:
    return _SQL[act].replace("{table}", kind.name)


def _confirmations(rows: Sequence[Row]) -> pa.Table:
    confirmed = [(row.id, row.as_of, row.source, row.read_at) for row in rows]
    return table_of(("id", "as_of", "source", "read_at"), confirmed, {})
