"""Several requests at once, none of which outlives whoever asked: the connections are closed after that."""

import asyncio
from collections.abc import Awaitable, Collection, Iterable
from typing import Any, TypeVar

Result = TypeVar("Result")


async def together(works: Iterable[Awaitable[Result]]) -> list[Result]:
    """Give all results, in order; after a failure wait for the others, then raise the first."""
    results = await asyncio.gather(*works, return_exceptions=True)
    done: list[Result] = []
    for result in results:
        if isinstance(result, BaseException):
            raise result
        done.append(result)
    return done


async def abandon(tasks: Collection[asyncio.Task[Any]]) -> None:
    """Cancel tasks, and wait until they have let go of what they hold."""
    for task in tasks:
        task.cancel()
    if tasks:
        await asyncio.wait(tasks)
