"""Waiting for requests: several at once, each bounded as a whole, none of which outlives whoever asked for it."""

import asyncio
from collections.abc import Awaitable, Callable, Collection, Coroutine, Iterable
from typing import Any, TypeVar

Result = TypeVar("Result")


async def together(works: Iterable[Awaitable[Result]]) -> list[Result]:
    """Give all results, in order; after a failure wait for the others, then raise the first.

    What went on after a failure would use a connection that is closed by then.
    """
    results = await asyncio.gather(*works, return_exceptions=True)
    done: list[Result] = []
    for result in results:
        if isinstance(result, BaseException):
            raise result
        done.append(result)
    return done


async def side_by_side(start: Callable[[], Coroutine[Any, Any, None] | None], room: Callable[[], int]) -> None:
    """Keep as many works going as there is room for, until `start` has none left to give.

    After a failure none is started any more, those under way come to their end, and then the first failure is raised.
    """
    under_way: set[asyncio.Task[None]] = set()
    failure: Exception | None = None
    try:
        while True:
            while failure is None and len(under_way) < room() and (work := start()) is not None:
                under_way.add(asyncio.create_task(work))
            if not under_way:
                break
            done, under_way = await asyncio.wait(under_way, return_when=asyncio.FIRST_COMPLETED)
            for task in done:
                error = task.exception()
                if isinstance(error, Exception):
                    failure = failure or error
                elif error is not None:
                    raise error
    finally:
        await abandon(under_way)
    if failure is not None:
        raise failure


async def within(seconds: float, work: Awaitable[Result]) -> Result:
    """Give the result, or raise TimeoutError where the whole of it takes longer.

    An HTTP client's own timeout is for each read, so that an answer which comes byte by byte would never end.
    """
    async with asyncio.timeout(seconds):
        return await work


async def abandon(tasks: Collection[asyncio.Task[Any]]) -> None:
    """Cancel tasks, and wait until they have let go of what they hold."""
    for task in tasks:
        task.cancel()
    if tasks:
        await asyncio.wait(tasks)
