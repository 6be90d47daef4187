"""Packing operations into bodies for `POST /api/v2/batch`, by encoded bytes. Pure.

Customer.io takes less than "500 kb" in all and "32 kb" an operation and does not say which kilobyte: 1,000 is safe.
The operations arrive as one run of UTF-8 in which each ends in a separator that no JSON text can hold, and without
their opening brace, so that a body is a slice of it with every separator replaced: no Python per item.
"""

from array import array
from bisect import bisect_left, bisect_right
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

MAX_BODY_BYTES = 500_000
MAX_ITEM_BYTES = 32_000
SEPARATOR = b"\x1e"

_OPENING = b'{"batch":['
_CLOSING = b"]}"
#: Unix seconds have ten digits until 2286.
_LAST_STAMP = 9_999_999_999
#: `"timestamp":1700000000,` behind the opening brace.
STAMP_BYTES = len(b'"timestamp":%d,' % _LAST_STAMP)
#: An operation's own text, so that with its timestamp it stays within what Customer.io takes.
MAX_OPERATION_BYTES = MAX_ITEM_BYTES - STAMP_BYTES
#: Around the items; the first has no comma before it, and each item's is counted with its separator.
_AROUND_BODY = len(_OPENING) + len(_CLOSING) - len(SEPARATOR)


@dataclass(frozen=True, slots=True)
class Batch:
    """Operations for one call: `items` joined by the separator, and the place of each in the plan (signed 64 bit)."""

    items: bytes
    positions: "array[int]"
    stamped: bool

    def __len__(self) -> int:
        return len(self.positions)

    def body(self, timestamp: int) -> bytes:
        """Encode the call. `timestamp` (unix seconds) is the moment of sending, which orders attribute updates.

        Raises ValueError for a time after 2286, for which no room was kept.
        """
        if timestamp > _LAST_STAMP:
            raise ValueError(f"The clock gives {timestamp}, which is no time in unix seconds before 2286.")
        opening = b'{"timestamp":%d,' % timestamp if self.stamped else b"{"
        return _OPENING + opening + self.items.replace(SEPARATOR, b"," + opening) + _CLOSING

    def halves(self) -> tuple["Batch", "Batch"]:
        """Split in the middle. Needs at least two items."""
        middle = len(self) // 2
        return self.pick(range(middle)), self.pick(range(middle, len(self)))

    def pick(self, indices: Sequence[int]) -> "Batch":
        """Give the batch of these items alone."""
        items = self.items.split(SEPARATOR)
        return Batch(
            SEPARATOR.join(items[index] for index in indices),
            array("q", [self.positions[index] for index in indices]),
            self.stamped,
        )


def pack(
    text: memoryview,
    ends: Sequence[int],
    positions: "array[int]",
    *,
    stamped: bool,
    max_bytes: int = MAX_BODY_BYTES,
    max_items: int | None = None,
    turns: Sequence[int] | None = None,
) -> Iterator[Batch]:
    """Cut a run of items into the fewest batches that keep their order and stay within `max_bytes` encoded.

    `text` holds the items, each with its separator. `ends` has one number more than there are items: item `i` is
    `text[ends[i]:ends[i + 1]]`. An item that alone would pass `max_bytes` must have been taken out before. Neighbours
    with the same of `turns` are kept in one batch, where they fit.
    """
    count = len(ends) - 1
    before_item = len(b"{") + (STAMP_BYTES if stamped else 0)
    start = 0
    while start < count:
        stop = _fitting(ends, start, count, max_bytes - _AROUND_BODY, before_item)
        if max_items is not None:
            stop = min(stop, start + max_items)
        if turns is not None and stop < count:
            whole = bisect_left(turns, turns[stop], start, stop)
            stop = whole if whole > start else stop
        yield Batch(bytes(text[ends[start] : ends[stop] - len(SEPARATOR)]), positions[start:stop], stamped)
        start = stop


def _fitting(ends: Sequence[int], start: int, count: int, room: int, before_item: int) -> int:
    def size(stop: int) -> int:
        return ends[stop] - ends[start] + (stop - start) * before_item

    stop = bisect_right(range(start + 1, count + 1), room, key=size) + start
    return max(stop, start + 1)
