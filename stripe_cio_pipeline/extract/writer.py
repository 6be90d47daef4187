"""Group commit: pages gathered while the last transaction ran go into the warehouse together.

A page costs a few milliseconds to store, opening and closing the warehouse several times as much. So pages wait for
each other half a second at most. Nothing holds the file while it waits for the network.
"""

import asyncio
import time
from abc import ABC, abstractmethod
from collections.abc import AsyncIterator, Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, asynccontextmanager, suppress
from functools import partial
from typing import Any, Generic, TypeVar

from stripe_cio_pipeline.extract.budget import Budget
from stripe_cio_pipeline.warehouse import Connection, Statements, Warehouse, next_seq, transaction

_SQL = Statements("stripe_cio_pipeline.extract.sql")

Item = TypeVar("Item")
Result = TypeVar("Result")

GATHER_SECONDS = 0.5
#: Closing the file rewrites its last row group, so that few large commits cost much less than many small ones.
GATHER_ROWS = 8_000
#: While at least so many rows are there already when a commit ends, the next one follows without closing the file: for
#: so long at most, because others want it too, and for so many rows, because until then they are in memory.
HOLD_ROWS = 500
HOLD_SECONDS = 3.0
CLOSE_ROWS = 24_000

#: Writes what a book handed over; gets the open transaction and its number.
Entry = Callable[[Connection, int], None]


class Book(ABC, Generic[Item]):
    """Gathers what pages, or reads by id, have brought until the next commit takes it along."""

    def __init__(self) -> None:
        self._gathered: list[Item] = []
        self.gathered_pages = 0

    @property
    def gathered_rows(self) -> int:
        """How much waits to be written."""
        return len(self._gathered)

    def gather(self, items: Iterable[Item]) -> None:
        """Take a page, or one object that was read."""
        self._gathered.extend(items)
        self.gathered_pages += 1

    def hand_over(self) -> Entry:
        """Hand over what was gathered, and begin anew. What it depends on is looked at now, not when it is written."""
        items, self._gathered, self.gathered_pages = self._gathered, [], 0
        return self.entry(items)

    @abstractmethod
    def entry(self, items: list[Item]) -> Entry:
        """Say how items are written."""


class Writer:
    """Commits the books' pages, one transaction at a time, in a thread beside the event loop."""

    def __init__(
        self, warehouse: Warehouse, budget: Budget, *, monotonic: Callable[[], float] = time.monotonic
    ) -> None:
        self._warehouse = warehouse
        self._budget = budget
        self._monotonic = monotonic
        self._books: list[Book[Any]] = []
        self._arrived = asyncio.Event()
        self._full = asyncio.Event()
        budget.on_crowded = self._full.set
        self._closing = False
        self._one_at_a_time = asyncio.Lock()
        # Always the same thread: each one that allocates keeps an arena of its own, and with it memory.
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="warehouse")
        self._failed: BaseException | None = None

    def open_book(self, book: Book[Any]) -> None:
        """Take a book into the following commits."""
        self._books.append(book)

    @asynccontextmanager
    async def taking(self, book: Book[Any]) -> AsyncIterator[None]:
        """Take a book into the commits for so long. What it has gathered is written at the end, however that comes."""
        self.open_book(book)
        try:
            yield
        finally:
            await self.commit_now()
            self._books.remove(book)

    def arrived(self) -> None:
        """Tell that a book has gathered something."""
        self._arrived.set()
        if self._gathered_rows() >= GATHER_ROWS:
            self._full.set()

    async def run(self) -> None:
        """Commit until `close`. Raises nothing: the budget's `place` and `raise_failure` tell what went wrong."""
        while not (self._closing and not self._waiting()):
            await self._arrived.wait()
            self._arrived.clear()
            if not self._closing and self._waiting():
                with suppress(TimeoutError):
                    await asyncio.wait_for(self._full.wait(), GATHER_SECONDS)
            self._full.clear()
            try:
                await self.commit_now()
            except BaseException as error:
                self._failed = error
                self._budget.stop(error)
                if not isinstance(error, Exception):
                    raise
                return

    async def commit_now(self) -> None:
        """Write everything that is gathered, in one transaction or, while more keeps coming, several.

        Raises what made an earlier commit fail.
        """
        async with self._one_at_a_time:
            self.raise_failure()
            if not self._waiting():
                return
            held = ExitStack()
            try:
                await self._write_all(held)
            except Exception:
                with held:  # it tells a fault of the machine as one
                    raise
            except BaseException:
                # Broken off, perhaps in the middle of a write: closed beside that, DuckDB crashes.
                self._thread.submit(held.close)
                raise

    async def _write_all(self, held: ExitStack) -> None:
        connection = await self._in_thread(partial(self._open, held))
        until = self._monotonic() + HOLD_SECONDS
        written = 0
        while self._waiting():
            written += self._gathered_rows()
            pages = sum(book.gathered_pages for book in self._books)
            entries = [book.hand_over() for book in self._books if book.gathered_pages]
            await self._in_thread(partial(self._write, connection, entries))
            self._budget.durable(pages)
            if self._gathered_rows() < HOLD_ROWS or written >= CLOSE_ROWS or self._monotonic() > until:
                break
        await self._in_thread(held.close)

    async def alone(self, work: Callable[[], Result]) -> Result:
        """Do other work with the warehouse in a thread, between two commits."""
        async with self._one_at_a_time:
            self.raise_failure()
            return await self._in_thread(work)

    async def close(self) -> None:
        """Write the rest. Call when `run` is to end."""
        self._closing = True
        self._arrived.set()
        self._full.set()

    def shut_down(self) -> None:
        """End the thread."""
        self._thread.shutdown()

    async def _in_thread(self, work: Callable[[], Result]) -> Result:
        return await asyncio.get_running_loop().run_in_executor(self._thread, work)

    def raise_failure(self) -> None:
        """Raise what made a commit fail, if one did."""
        if self._failed is not None:
            raise self._failed

    def _waiting(self) -> bool:
        return any(book.gathered_pages for book in self._books)

    def _gathered_rows(self) -> int:
        return sum(book.gathered_rows for book in self._books)

    def _open(self, held: ExitStack) -> Connection:
        connection = held.enter_context(self._warehouse.connect())
        connection.execute(_SQL["settings_for_bulk"])
        return connection

    def _write(self, connection: Connection, entries: list[Entry]) -> None:
        with transaction(connection):
            seq = next_seq(connection)
            for entry in entries:
                entry(connection, seq)
            self._budget.meter.save(connection)
