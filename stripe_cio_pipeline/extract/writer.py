"""Group commit: pages gathered while the last transaction ran go into the warehouse together.

A page costs a few milliseconds to store, opening and closing the warehouse several times as much. So pages wait for
each other half a second at most. Nothing holds the file while it waits for the network, and no request goes out
while more than `window` pages are asked for and not yet durable: that many a crash can repeat, and no more.
"""

import asyncio
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, suppress
from functools import partial
from typing import Protocol, TypeVar

from stripe_cio_pipeline.extract.meter import Meter
from stripe_cio_pipeline.warehouse import Connection, Statements, Warehouse, next_seq, transaction

_SQL = Statements("stripe_cio_pipeline.extract.sql")

Result = TypeVar("Result")

#: Pages that may be asked for and not yet durable, over all object types.
WINDOW_PAGES = 192
GATHER_SECONDS = 0.5
#: Closing the file rewrites its last row group, so that few large commits cost much less than many small ones.
GATHER_ROWS = 8_000
#: While at least so many rows are there already when a commit ends, the next one follows without closing the file: for
#: so long at most, because others want it too, and for so many rows, because until then they are in memory.
HOLD_ROWS = 500
HOLD_SECONDS = 3.0
CLOSE_ROWS = 24_000


class Book(Protocol):
    """What gathers pages of one kind, and knows how to write them."""

    @property
    def gathered_rows(self) -> int:
        """Rows that wait to be written."""

    @property
    def gathered_pages(self) -> int:
        """Pages that wait to be written."""

    def close_page(self) -> "Entry":
        """Hand over what was gathered, with the frontier at this very moment, and begin anew."""


#: Writes what a book handed over; gets the open transaction and its number.
Entry = Callable[[Connection, int], None]


class Writer:
    """Commits the books' pages, one transaction at a time, in a thread beside the event loop."""

    def __init__(
        self,
        warehouse: Warehouse,
        meter: Meter,
        *,
        window: int = WINDOW_PAGES,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self._warehouse = warehouse
        self._monotonic = monotonic
        self._meter = meter
        self._books: list[Book] = []
        self._arrived = asyncio.Event()
        self._full = asyncio.Event()
        self._closing = False
        self._free = window
        self._room = asyncio.Condition()
        self._one_at_a_time = asyncio.Lock()
        # Always the same thread: each one that allocates keeps an arena of its own, and with it memory.
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="warehouse")
        self._failed: BaseException | None = None

    def open_book(self, book: Book) -> None:
        """Take a book into the following commits."""
        self._books.append(book)

    def close_book(self, book: Book) -> None:
        """Leave a book out from now on; it must have nothing left to write."""
        self._books.remove(book)

    async def admit(self) -> None:
        """Wait until one more page may be asked for. Raises what made a commit fail."""
        async with self._room:
            if self._free <= 0:
                self._full.set()
            await self._room.wait_for(lambda: self._free > 0 or self._failed is not None)
            if self._failed is not None:
                raise self._failed
            self._free -= 1

    async def dismiss(self, pages: int = 1) -> None:
        """Give back the admission of pages that will not come."""
        async with self._room:
            self._free += pages
            self._room.notify(pages)

    def arrived(self) -> None:
        """Tell that a book has gathered something."""
        self._arrived.set()
        if self._gathered_rows() >= GATHER_ROWS:
            self._full.set()

    async def run(self) -> None:
        """Commit until `close`. Raises nothing: `admit` and `close` raise what went wrong."""
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
                async with self._room:
                    self._failed = error
                    self._room.notify_all()
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
            with ExitStack() as held:
                connection = await self._in_thread(partial(self._open, held))
                until = self._monotonic() + HOLD_SECONDS
                written = 0
                while self._waiting():
                    written += self._gathered_rows()
                    pages = sum(book.gathered_pages for book in self._books)
                    entries = [book.close_page() for book in self._books if book.gathered_pages]
                    await self._in_thread(partial(self._write, connection, entries))
                    await self.dismiss(pages)
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
            self._meter.save(connection)
