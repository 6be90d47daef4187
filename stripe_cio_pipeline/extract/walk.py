"""Reading one list to its end: several slices at once, every page durable. The decisions are in `slices`."""

import asyncio
from typing import Protocol, TypeVar

from stripe_cio_pipeline.extract.objects import PAGE_ROWS
from stripe_cio_pipeline.extract.pressure import Refusal
from stripe_cio_pipeline.extract.slices import Edge, Slice, SlicePlan
from stripe_cio_pipeline.extract.transport import Answer, Transport, wrong_request
from stripe_cio_pipeline.extract.writer import Writer
from stripe_cio_pipeline.waiting import abandon

Page = TypeVar("Page")


class ListBook(Protocol[Page]):
    """What takes the pages of one list."""

    plan: SlicePlan

    async def prepare(self, answer: Answer) -> Page:
        """Make of an answer what will be stored, and fetch what it lacks. A page that fails here has not arrived."""

    def keep(self, page: Page) -> None:
        """Gather a page. Must not wait nor fail: the plan has just taken it, and a commit saves both or neither."""


async def walk(
    transport: Transport,
    writer: Writer,
    book: ListBook[Page],
    path: str,
    parameters: dict[str, object],
) -> None:
    """Read every slice of `book.plan` to its end.

    After a failure no new request goes out, those under way are kept, and then it is raised: what is in the plan's
    frontier is still to be read.
    """
    under_way: dict[asyncio.Task[tuple[Edge, Page] | Refusal], Slice] = {}
    failure: BaseException | None = None
    try:
        while True:
            room = transport.budget.in_flight(path)
            while failure is None and len(under_way) < room:
                piece = book.plan.start()
                if piece is None:
                    break
                task = asyncio.create_task(_ask(transport, writer, book, path, {**parameters, **piece.parameters()}))
                under_way[task] = piece
            if not under_way:
                break
            done, _ = await asyncio.wait(under_way, return_when=asyncio.FIRST_COMPLETED)
            for task in done:
                piece = under_way.pop(task)
                try:
                    arrived = task.result()
                except Exception as error:
                    book.plan.give_back(piece)
                    failure = failure or error
                    continue
                if isinstance(arrived, Refusal):
                    await writer.dismiss()
                    if piece.after is not None and arrived.param == "starting_after":
                        # The object to start after is gone. Its second is read once more from the slice's own bounds.
                        book.plan.restart(piece)
                    else:
                        book.plan.give_back(piece)
                        failure = failure or wrong_request(arrived, path)
                    continue
                edge, page = arrived
                book.plan.take(piece, edge, room - len(under_way))
                book.keep(page)
                writer.arrived()
    finally:
        await abandon(under_way)
    if failure is not None:
        raise failure


async def _ask(
    transport: Transport, writer: Writer, book: ListBook[Page], path: str, parameters: dict[str, object]
) -> tuple[Edge, Page] | Refusal:
    await writer.admit()
    try:
        answer = await transport.list(path, parameters, limit=PAGE_ROWS)
        if isinstance(answer, Refusal):
            return answer
        with transport.budget.completion(path):
            return edge_of(answer), await book.prepare(answer)
    except BaseException:
        await writer.dismiss()
        raise


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
