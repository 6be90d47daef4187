"""Waiting for requests: several at once, each bounded as a whole, none of which outlives whoever asked for it."""

import asyncio
from collections.abc import Awaitable, Collection, Iterable
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
