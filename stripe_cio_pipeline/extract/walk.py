"""Reading one list to its end: several slices at once, every page durable. The decisions are in `slices`."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Protocol

from stripe_cio_pipeline.extract.objects import PAGE_ROWS
from stripe_cio_pipeline.extract.pressure import Refusal
from stripe_cio_pipeline.extract.slices import Edge, Slice, SlicePlan
from stripe_cio_pipeline.extract.transport import Answer, Transport, wrong_request
from stripe_cio_pipeline.extract.writer import Writer


class ListBook(Protocol):
    """What takes the pages of one list."""

    plan: SlicePlan

    async def complete(self, answer: Answer) -> None:
        """Fetch what the page's objects lack, before the page counts as arrived."""

    def keep(self, answer: Answer) -> None:
        """Gather a page's rows. Must not wait: the plan has just taken the page, and a commit saves both or neither."""


async def walk(
    transport: Transport,
    writer: Writer,
    book: ListBook,
    path: str,
    parameters: dict[str, object],
    *,
    on_aged_out: Callable[[Slice], Awaitable[None]] | None = None,
) -> None:
    """Read every slice of `book.plan` to its end.

    After a failure no new request goes out, those under way are kept, and then it is raised: what is in the plan's
    frontier is still to be read. `on_aged_out` is told of a slice whose starting event Stripe no longer keeps.
    """
    under_way: dict[asyncio.Task[Answer | Refusal], Slice] = {}
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
                    answer = task.result()
                except Exception as error:
                    book.plan.give_back(piece)
                    failure = failure or error
                    continue
                if isinstance(answer, Refusal):
                    await writer.dismiss()
                    if piece.after is not None and (answer.aged_out or answer.param == "starting_after"):
                        # The object to start after is gone. Its second is read once more from the slice's own bounds.
                        book.plan.restart(piece)
                        if answer.aged_out and on_aged_out is not None:
                            await on_aged_out(piece)
                    else:
                        book.plan.give_back(piece)
                        failure = failure or wrong_request(answer, path)
                    continue
                book.plan.take(piece, edge_of(answer), room - len(under_way))
                book.keep(answer)
                writer.arrived()
    finally:
        for task in under_way:
            task.cancel()
    if failure is not None:
        raise failure


async def _ask(
    transport: Transport, writer: Writer, book: ListBook, path: str, parameters: dict[str, object]
) -> Answer | Refusal:
    await writer.admit()
    try:
        answer = await transport.list(path, parameters, limit=PAGE_ROWS)
        if isinstance(answer, Answer):
            await book.complete(answer)
        return answer
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
