"""Group commit: pages gathered while the last transaction ran go into the warehouse together.

A page costs a few milliseconds to store, opening and closing the warehouse several times as much. So pages wait for
each other a third of a second at most. Nothing holds the file while it waits for the network, and no request goes out
while more than `window` pages are asked for and not yet durable: that many a crash can repeat, and no more.
"""

import asyncio
from collections.abc import Callable
from contextlib import suppress
from typing import Protocol, TypeVar

from stripe_cio_pipeline.extract.meter import Meter
from stripe_cio_pipeline.warehouse import Connection, Warehouse, next_seq

Result = TypeVar("Result")

#: Pages that may be asked for and not yet durable, over all object types.
WINDOW_PAGES = 96
GATHER_SECONDS = 0.3
GATHER_ROWS = 2_500


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

    def __init__(self, warehouse: Warehouse, meter: Meter, *, window: int = WINDOW_PAGES) -> None:
        self._warehouse = warehouse
        self._meter = meter
        self._books: list[Book] = []
        self._arrived = asyncio.Event()
        self._full = asyncio.Event()
        self._closing = False
        self._free = window
        self._room = asyncio.Condition()
        self._one_at_a_time = asyncio.Lock()
        self._failed: BaseException | None = None
        self.commits = 0

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
        if sum(book.gathered_rows for book in self._books) >= GATHER_ROWS:
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
        """Write everything that is gathered now, in one transaction. Raises what made an earlier commit fail."""
        async with self._one_at_a_time:
            self.raise_failure()
            pages = sum(book.gathered_pages for book in self._books)
            entries = [book.close_page() for book in self._books if book.gathered_pages]
            if not entries:
                return
            await asyncio.to_thread(self._write, entries)
            self.commits += 1
        await self.dismiss(pages)

    async def alone(self, work: Callable[[], Result]) -> Result:
        """Do other work with the warehouse in a thread, between two commits."""
        async with self._one_at_a_time:
            self.raise_failure()
            return await asyncio.to_thread(work)

    async def close(self) -> None:
        """Write the rest. Call when `run` is to end."""
        self._closing = True
        self._arrived.set()
        self._full.set()

    def raise_failure(self) -> None:
        """Raise what made a commit fail, if one did."""
        if self._failed is not None:
            raise self._failed

    def _waiting(self) -> bool:
        return any(book.gathered_pages for book in self._books)

    def _write(self, entries: list[Entry]) -> None:
        with self._warehouse.transaction() as connection:
            seq = next_seq(connection)
            for entry in entries:
                entry(connection, seq)
            self._meter.save(connection)
