"""Group commit, where it is broken off."""

import asyncio
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest

from stripe_cio_pipeline.extract.budget import Budget
from stripe_cio_pipeline.extract.writer import Book, Entry, Writer
from stripe_cio_pipeline.policy import Policy
from stripe_cio_pipeline.warehouse import Connection, Warehouse

pytestmark = pytest.mark.file_is_shared


class Watched(Warehouse):
    """A warehouse that tells when a connection is closed."""

    def __init__(self, place: Path, happened: list[str]) -> None:
        super().__init__(place)
        self._happened = happened

    @contextmanager
    def connect(self) -> Iterator[Connection]:
        with super().connect() as connection:
            try:
                yield connection
            finally:
                self._happened.append("closed")


class Slow(Book[int]):
    """A book whose entry takes until it is told to end."""

    def __init__(self, happened: list[str]) -> None:
        super().__init__()
        self._happened = happened
        self.begun, self.may_end = threading.Event(), threading.Event()

    def entry(self, items: list[int]) -> Entry:
        def write(_: Connection, __: int) -> None:
            self.begun.set()
            self.may_end.wait(10)
            self._happened.append(f"wrote {len(items)}")

        return write


def test_what_is_broken_off_in_the_middle_of_a_write_is_closed_after_it(tmp_path: Path) -> None:
    """DuckDB crashes where a connection is closed in one thread while another one writes with it."""
    happened: list[str] = []

    async def work() -> None:
        writer = Writer(Watched(tmp_path / "a.duckdb", happened), Budget(Policy().stripe, live=False))
        book = Slow(happened)
        writer.open_book(book)
        book.gather([1, 2])
        committing = asyncio.create_task(writer.commit_now())
        await asyncio.to_thread(book.begun.wait, 10)
        committing.cancel()
        with suppress(asyncio.CancelledError):
            await committing
        assert happened == []
        book.may_end.set()
        writer.shut_down()

    asyncio.run(work())

    assert happened == ["wrote 2", "closed"]
