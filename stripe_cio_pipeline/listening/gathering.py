"""Many events, one commit: while the disk works on one, the next ones come together."""

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import TypeVar

from stripe_cio_pipeline.errors import WarehouseError
from stripe_cio_pipeline.listening.envelope import Envelope
from stripe_cio_pipeline.listening.inbox import Inbox, Stored

Result = TypeVar("Result")

#: The most that one commit takes along.
MOST_AT_ONCE = 500


class Gatherer:
    """Stores events of many requests together. Belongs to one event loop; its thread is the only one that writes."""

    def __init__(self, inbox: Inbox, *, on_stored: Callable[[], None] = lambda: None) -> None:
        self._inbox = inbox
        self._on_stored = on_stored
        self._gathered: list[tuple[Envelope, asyncio.Future[Stored]]] = []
        self._arrived = asyncio.Event()
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="inbox")
        self._committing: asyncio.Task[None] | None = None

    async def put(self, envelope: Envelope) -> Stored:
        """Give what became of an event, once it is on disk. Raises WarehouseError where it cannot be."""
        if self._committing is None:
            self._committing = asyncio.create_task(self._commit())
        future: asyncio.Future[Stored] = asyncio.get_running_loop().create_future()
        self._gathered.append((envelope, future))
        self._arrived.set()
        return await future

    async def ask(self, question: Callable[[], Result]) -> Result:
        """Ask the inbox something, between two commits."""
        return await asyncio.get_running_loop().run_in_executor(self._thread, question)

    async def close(self) -> None:
        """End the thread. What was put is on disk by then, or was told that it is not."""
        if self._committing is not None:
            self._committing.cancel()
        for _, future in self._gathered:
            future.cancel()
        self._thread.shutdown()

    async def _commit(self) -> None:
        while True:
            await self._arrived.wait()
            self._arrived.clear()
            while self._gathered:
                taken, self._gathered = self._gathered[:MOST_AT_ONCE], self._gathered[MOST_AT_ONCE:]
                await self._store(taken)

    async def _store(self, taken: list[tuple[Envelope, "asyncio.Future[Stored]"]]) -> None:
        try:
            outcomes = await self.ask(partial(self._inbox.store, [envelope for envelope, _ in taken]))
        except WarehouseError as error:
            for _, future in taken:
                if not future.done():
                    future.set_exception(error)
            return
        for (_, future), outcome in zip(taken, outcomes, strict=True):
            # Whoever has hung up does not wait for it any more.
            if not future.done():
                future.set_result(outcome)
        if "stored" in outcomes:
            self._on_stored()
