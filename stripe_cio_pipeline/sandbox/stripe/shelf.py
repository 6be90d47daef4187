"""Where the account's objects stand: as encoded bytes, in the order in which Stripe lists them."""

from bisect import bisect_left, insort
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import orjson

Payload = dict[str, Any]
Key = tuple[int, int]
"""(created, rank): rank decides between objects of one second."""

FIRST: Key = (-(1 << 62), 0)
LAST: Key = (1 << 62, 0)


def encode(payload: Mapping[str, Any]) -> bytes:
    """Encode a payload to keep. The copy is worth it: orjson leaves half as much again unused behind its bytes."""
    return bytes(memoryview(orjson.dumps(payload)))


class Row(Protocol):
    """One object in a list."""

    @property
    def id(self) -> str:
        """The object's id."""

    @property
    def key(self) -> Key:
        """Its place in the list."""

    @property
    def encoded(self) -> bytes:
        """Its payload as JSON."""

    @property
    def hidden(self) -> bool:
        """Whether unfiltered lists leave it out, as they do with objects of a test clock."""

    @property
    def label(self) -> str | None:
        """The object's status, or the event's type: what lists are filtered by most."""

    @property
    def visible_at(self) -> float:
        """The moment from which it is listed (late events); 0 for everything else."""


@dataclass(slots=True)
class Record:
    """A stored object. The bytes are the object: they are read when somebody wants to look inside."""

    id: str
    key: Key
    encoded: bytes
    customer: str | None = None
    label: str | None = None
    hidden: bool = False
    visible_at: float = 0.0

    def payload(self) -> Payload:
        """Return the object, as a copy of its own."""
        payload: Payload = orjson.loads(self.encoded)
        return payload


class Quiet(Protocol):
    """Rows of one type that are made only when looked at (see `settled.py`)."""

    def between(self, low: Key, high: Key) -> range:
        """Return the numbers of the rows with low <= key < high, oldest first."""

    def row(self, number: int) -> Row | None:
        """Return a row, or `None` when it has become a stored record."""

    def find(self, id: str) -> Row | None:  # noqa: A002
        """Return the row with this id, if there is one that is not stored yet."""

    def of_customer(self, customer: str) -> Sequence[Row]:
        """Return the rows that belong to a customer."""

    def __len__(self) -> int: ...


class Shelf:
    """All objects of one type: stored records and, beside them, the quiet rows."""

    def __init__(self, quiet: Quiet | None = None) -> None:
        self.quiet = quiet
        self.records: dict[str, Record] = {}
        self.gone: dict[str, Key] = {}
        self._order: list[tuple[Key, str]] = []
        self._by_customer: dict[str, dict[str, None]] = {}

    def put(self, record: Record) -> None:
        """Store a record, in place of an older one with this id."""
        if record.id in self.records:
            self.take(record.id)
        self.gone.pop(record.id, None)
        self.records[record.id] = record
        entry = (record.key, record.id)
        if not self._order or entry > self._order[-1]:
            self._order.append(entry)
        else:
            insort(self._order, entry)
        if record.customer is not None:
            self._by_customer.setdefault(record.customer, {})[record.id] = None

    def rewrite(self, record: Record, payload: Mapping[str, Any]) -> None:
        """Change what a stored record holds; its place in the list stays."""
        record.encoded = encode(payload)
        if record.customer is not None and payload.get("customer") != record.customer:
            # A card can be taken from its customer; nothing ever changes hands.
            self._by_customer[record.customer].pop(record.id, None)
            record.customer = None
        if record.label is not None:
            record.label = payload.get("status")

    def take(self, id: str) -> Record:  # noqa: A002
        """Take a record off the shelf; `gone` remembers that it was there."""
        record = self.records.pop(id)
        self.gone[id] = record.key
        entry = (record.key, id)
        del self._order[bisect_left(self._order, entry)]
        if record.customer is not None:
            self._by_customer[record.customer].pop(id, None)
        return record

    def take_before(self, created: int) -> list[str]:
        """Take everything older than a moment off the shelf and return the ids."""
        end = bisect_left(self._order, ((created, -(1 << 62)), ""))
        gone = [id_ for _, id_ in self._order[:end]]
        del self._order[:end]
        for id_ in gone:
            record = self.records.pop(id_)
            self.gone[id_] = record.key
            if record.customer is not None:
                self._by_customer[record.customer].pop(id_, None)
        return gone

    def find(self, id: str) -> Row | None:  # noqa: A002
        """Return the object with this id, stored or quiet."""
        record = self.records.get(id)
        if record is None and self.quiet is not None:
            return self.quiet.find(id)
        return record

    def of_customer(self, customer: str) -> list[Row]:
        """Return a customer's objects, oldest first."""
        rows: list[Row] = [self.records[id_] for id_ in self._by_customer.get(customer, ())]
        if self.quiet is not None:
            rows.extend(self.quiet.of_customer(customer))
        return sorted(rows, key=_row_key)

    def walk(self, low: Key = FIRST, high: Key = LAST, *, newest_first: bool = True) -> Iterator[Row]:
        """Go through the objects with low <= key < high."""
        start = bisect_left(self._order, (low, ""))
        stop = bisect_left(self._order, (high, ""))
        numbers: Sequence[int] = self.quiet.between(low, high) if self.quiet is not None else ()
        if not numbers:
            positions = range(stop - 1, start - 1, -1) if newest_first else range(start, stop)
            return (self.records[self._order[position][1]] for position in positions)
        return self._merge(start, stop, numbers, newest_first)

    def _merge(self, start: int, stop: int, numbers: Sequence[int], newest_first: bool) -> Iterator[Row]:
        quiet = self.quiet
        assert quiet is not None  # noqa: S101 - for the type checker: there are numbers only of quiet rows
        positions = iter(range(stop - 1, start - 1, -1) if newest_first else range(start, stop))
        ordered = iter(reversed(numbers) if newest_first else numbers)
        row = next((found for number in ordered if (found := quiet.row(number)) is not None), None)
        for position in positions:
            key, id_ = self._order[position]
            while row is not None and (row.key > key if newest_first else row.key < key):
                yield row
                row = next((found for number in ordered if (found := quiet.row(number)) is not None), None)
            yield self.records[id_]
        if row is not None:
            yield row
        for number in ordered:
            found = quiet.row(number)
            if found is not None:
                yield found

    def clear(self) -> None:
        """Empty the shelf of records."""
        self.records.clear()
        self.gone.clear()
        self._order.clear()
        self._by_customer.clear()

    def __len__(self) -> int:
        return len(self.records) + (len(self.quiet) if self.quiet is not None else 0)


def _row_key(row: Row) -> Key:
    return row.key
