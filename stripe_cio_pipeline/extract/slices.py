"""Cutting a list into slices that can be read side by side: pure, no network, no clock.

A list comes newest first and its distribution over time is unknown, so nothing is cut in advance. It starts as one
slice. Whenever a page arrives and there is room for more requests, what is left of its slice is cut at distances from
the page's end that grow by a constant factor (one page's span, then a few, then many), which fits both an even
history and fifty thousand customers imported within a minute. docs/extraction.md draws it and counts the cost.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

#: Stripe's first day (2009-04-13): where an open end lies when distances are estimated. Nothing is filtered by it.
FOUNDED = 1_239_580_800

#: What is left must be worth at least this many pages, by the span of the last one, to be cut.
WORTH_CUTTING = 3.0


@dataclass(frozen=True, slots=True)
class Slice:
    """Objects with `created_from <= created < created_before` (unix seconds; None: open), after the id `after`."""

    created_from: int | None = None
    created_before: int | None = None
    after: str | None = None

    def parameters(self) -> dict[str, object]:
        """Query parameters of the slice's next page."""
        created: dict[str, int] = {}
        if self.created_from is not None:
            created["gte"] = self.created_from
        if self.created_before is not None:
            created["lt"] = self.created_before
        parameters: dict[str, object] = {"created": created} if created else {}
        if self.after is not None:
            parameters["starting_after"] = self.after
        return parameters


@dataclass(frozen=True, slots=True)
class Edge:
    """Where a page ends: its last id, the `created` of its newest and oldest rows, and whether more follows."""

    last_id: str | None
    newest: int | None
    oldest: int | None
    has_more: bool


class SlicePlan:
    """The slices still to be read.

    `frontier()` is all there is to remember: saving it with a page makes the page durable.
    """

    def __init__(self, slices: Iterable[Slice]) -> None:
        self._ready: list[Slice] = list(slices)
        self._under_way: list[Slice] = []
        self.pages = 0

    @property
    def finished(self) -> bool:
        """Whether everything was read."""
        return not self._ready and not self._under_way

    def frontier(self) -> tuple[Slice, ...]:
        """Every slice that is not read to its end, from its last known page on."""
        return (*self._under_way, *self._ready)

    def start(self) -> Slice | None:
        """Take a slice whose next page is to be asked for now; None where all are under way."""
        if not self._ready:
            return None
        # The newest first: it is the one whose rows matter most, and the oldest are the likeliest to be empty.
        piece = self._ready.pop(0)
        self._under_way.append(piece)
        return piece

    def give_back(self, piece: Slice) -> None:
        """Put a slice back whose page did not arrive."""
        self._under_way.remove(piece)
        self._ready.insert(0, piece)

    def restart(self, piece: Slice) -> None:
        """Read a slice again without its starting id, because that object is gone from the list."""
        self._under_way.remove(piece)
        self._ready.insert(0, replace(piece, after=None))

    def take(self, piece: Slice, edge: Edge, room: int) -> None:
        """Note that a page arrived. `room` is how many requests more could be under way than there is work for."""
        self._under_way.remove(piece)
        self.pages += 1
        if not edge.has_more or edge.last_id is None:
            return
        before = piece.created_before if edge.oldest is None else edge.oldest + 1
        rest = Slice(piece.created_from, before, edge.last_id)
        # Side by side only as far as there turns out to be something to read: a short list takes few requests.
        spare = min(room - len(self._ready), 1 + self.pages)
        self._ready[:0] = cut(rest, edge, spare)


def cut(rest: Slice, edge: Edge, room: int) -> Sequence[Slice]:
    """Cut what is left of a slice into at most `room` + 1 pieces, newest first. Together they cover it exactly."""
    if room <= 0 or edge.newest is None or edge.oldest is None:
        return [rest]
    floor = rest.created_from if rest.created_from is not None else min(FOUNDED, edge.oldest)
    width = edge.oldest - floor
    span = max(1.0, float(edge.newest - edge.oldest))
    pages = width / span
    if pages < WORTH_CUTTING:
        return [rest]
    factor = pages ** (1 / (room + 1))
    bounds: list[int] = []
    for step in range(1, room + 1):
        bound = edge.oldest + 1 - max(1, round(span * factor**step))
        if bound > floor and (not bounds or bound < bounds[-1]):
            bounds.append(bound)
    pieces: list[Slice] = []
    before, after = rest.created_before, rest.after
    for bound in bounds:
        pieces.append(Slice(bound, before, after))
        before, after = bound, None
    pieces.append(Slice(rest.created_from, before, after))
    return pieces
