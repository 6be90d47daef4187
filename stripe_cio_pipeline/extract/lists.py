"""Reading one list to its end: several slices at once, every page durable.

A list comes newest first and its distribution over time is unknown, so nothing is cut in advance. It starts as one
slice. Whenever a page arrives and there is room for more requests, what is left of its slice is cut at distances from
the page's end that grow by a constant factor (one page's span, then a few, then many), which fits both an even
history and fifty thousand customers imported within a minute. docs/extraction.md draws it and counts the cost.
"""

import math
from abc import abstractmethod
from collections.abc import Callable, Coroutine, Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Any

from stripe_cio_pipeline.errors import StripeUnavailable
from stripe_cio_pipeline.extract.objects import PAGE_ROWS
from stripe_cio_pipeline.extract.transport import Answer, Refusal, Transport, wrong_request
from stripe_cio_pipeline.extract.writer import Book, Item, Writer
from stripe_cio_pipeline.waiting import side_by_side

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

    def take(self, piece: Slice, edge: Edge, most: int) -> None:
        """Note that a page arrived. `most` is how many requests may be under way at once."""
        self._under_way.remove(piece)
        self.pages += 1
        if not edge.has_more or edge.last_id is None:
            return
        before = piece.created_before if edge.oldest is None else edge.oldest + 1
        rest = Slice(piece.created_from, before, edge.last_id)
        # Side by side only as far as there turns out to be something to read: a short list takes few requests.
        spare = min(most - len(self._under_way) - len(self._ready), 1 + self.pages)
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


class ListBook(Book[Item]):
    """Takes the pages of one list, whose slices `plan` has."""

    def __init__(self, slices: Iterable[Slice]) -> None:
        super().__init__()
        self.plan = SlicePlan(slices)

    @abstractmethod
    async def prepare(self, answer: Answer) -> list[Item]:
        """Make of an answer what will be stored, and fetch what it lacks. A page that fails here has not arrived."""

    def keep(self, items: list[Item]) -> None:
        """Gather a page. Must not wait nor fail: the plan has just taken it, and a commit saves both or neither."""
        self.gather(items)


async def read_list(
    transport: Transport,
    writer: Writer,
    book: ListBook[Item],
    path: str,
    parameters: dict[str, object],
    *,
    may_go_on: Callable[[], bool] = lambda: True,
) -> None:
    """Read every slice of `book.plan` to its end, or until it may not go on: `book.plan.finished` tells.

    After a failure no new request goes out, those under way are kept, and then it is raised: what is in the plan's
    frontier is still to be read.
    """
    budget, plan = transport.budget, book.plan

    async def read(piece: Slice) -> None:
        try:
            async with budget.place() as place:
                answer = await transport.list(path, {**parameters, **piece.parameters()}, limit=PAGE_ROWS)
                if isinstance(answer, Refusal):
                    if piece.after is None or answer.param != "starting_after":
                        raise wrong_request(answer, path)
                    # The object to start after is gone. Its second is read once more from the slice's own bounds.
                    plan.restart(piece)
                    return
                _require_fitting(piece, answer, path)
                with budget.completion(path):
                    items = await book.prepare(answer)
                plan.take(piece, edge_of(answer), budget.in_flight(path))
                book.keep(items)
                place.keep()
        except Exception:
            plan.give_back(piece)
            raise
        writer.arrived()

    def start() -> Coroutine[Any, Any, None] | None:
        piece = plan.start() if may_go_on() else None
        return None if piece is None else read(piece)

    await side_by_side(start, lambda: budget.in_flight(path))


def _require_fitting(piece: Slice, answer: Answer, path: str) -> None:
    """Refuse a page that is not of the slice: something on the way answers without looking at what was asked.

    Taken for one it would go round for ever, or end a slice that nobody has read. Raises StripeUnavailable.
    """
    low = -math.inf if piece.created_from is None else piece.created_from
    high = math.inf if piece.created_before is None else piece.created_before
    for row in answer.body["data"]:
        created = row.get("created")
        is_outside = isinstance(created, int) and not low <= created < high
        if is_outside or row["id"] == piece.after:
            raise StripeUnavailable(
                f"Stripe gave a page of {path} that is not the one that was asked for ({row['id']} is on it).",
                "Look for something on the way that keeps answers, or leaves parts of addresses out.",
            )


async def take_page(transport: Transport, writer: Writer, book: ListBook[Item], answer: Answer) -> None:
    """Take the one page of a list that somebody has read already, as `read_list` takes what it reads."""
    piece = book.plan.start()
    if piece is None or answer.body["has_more"]:
        raise ValueError("only the page of a whole list can be taken, and only once")
    async with transport.budget.place() as place:
        items = await book.prepare(answer)
        book.plan.take(piece, edge_of(answer), 0)
        book.keep(items)
        place.keep()
    writer.arrived()


def edge_of(answer: Answer) -> Edge:
    """Read from a page where it ends. Some legacy objects come without `created`; they bound nothing."""
    rows = answer.body["data"]
    moments = [row["created"] for row in rows if isinstance(row.get("created"), int)]
    return Edge(
        last_id=rows[-1].get("id") if rows else None,
        newest=max(moments, default=None),
        oldest=min(moments, default=None),
        has_more=bool(answer.body.get("has_more")),
    )
