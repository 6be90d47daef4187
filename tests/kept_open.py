"""Warehouses whose file stays open between two pieces of work.

DuckDB takes 20 ms to start, and a sync opens the warehouse thirty times: half of what the suite took was that.
"""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from importlib import import_module
from pathlib import Path
from typing import Any

import duckdb
import pytest

from stripe_cio_pipeline.warehouse import Connection, Statements, Warehouse, rewriting

#: What a piece of work sets for the whole of DuckDB, in sql/rows.sql, sending.sql, operations.sql and build.sql.
_SET = ("force_compression", "wal_autocheckpoint", "max_vacuum_tasks", "disabled_compression_methods")
#: A reset of the memory limit is not enough for DuckDB 1.5: it shows the former one and goes on with the present one.
#: One of the threads would give it more than it began with.
_AS_AT_THE_START = ";".join(
    [
        *(f"reset {name}" for name in _SET),
        "set threads = getvariable('threads_at_the_start')",
        "set memory_limit = getvariable('memory_at_the_start')",
    ]
)
_PRESENT = ", ".join(f"current_setting('{name}')" for name in (*_SET, "threads", "memory_limit"))
_PRESENT = f"select {_PRESENT}"


@contextmanager
def kept_open() -> Iterator[None]:
    """Give each piece of work in this process a connection of its own to a file that is opened once.

    Whoever reads cannot write, as ever. No other process gets in, and nobody in this one past `Warehouse`.
    """
    keep = _Keep()
    with pytest.MonkeyPatch.context() as patch:
        # A method bound to another object would not be told which warehouse it is.
        patch.setattr(Warehouse, "_connect_once", lambda warehouse, **mode: keep.connect(warehouse, **mode))
        patch.setattr(Warehouse, "_close", lambda warehouse, connection: keep.finish(connection))
        patch.setattr(rewriting, "_hold", keep.give_up)
        # A build locks all settings for as long as the file is open: it would have to be opened anew after each.
        patch.setattr(_BUILDING, "_ACTS", _NoLock("stripe_cio_pipeline.model.acts"))
        try:
            yield
        finally:
            keep.close()


#: The module, whose name is also that of its function.
_BUILDING = import_module("stripe_cio_pipeline.model.build")


class _NoLock(Statements):
    def __getitem__(self, name: str) -> str:
        return "select 1" if name == "lock" else super().__getitem__(name)


class _Keep:
    def __init__(self) -> None:
        self._open = Warehouse._connect_once
        self._shut = Warehouse._close
        self._hold = rewriting._hold
        self._lock = threading.Lock()
        self._kept: dict[Path, tuple[int, Connection]] = {}
        self._writing = 0
        #: Files that somebody was let into who may have set something.
        self._touched: set[Path] = set()
        self._at_the_start: dict[Path, list[tuple[Any, ...]]] = {}

    def connect(self, warehouse: Warehouse, *, read_only: bool) -> Connection:
        if warehouse.location == ":memory:":
            return self._open(warehouse, read_only=read_only)
        place = Path(warehouse.location).resolve()
        with self._lock:
            connection = self._root(warehouse, place).cursor()
            self._writing += not read_only
            if not read_only or warehouse._memory_limit:
                self._touched.add(place)
        if warehouse._memory_limit:
            connection.execute(f"set memory_limit = '{warehouse._memory_limit}'")
        if read_only:
            connection.execute("begin transaction read only")
        return connection

    def _root(self, warehouse: Warehouse, place: Path) -> Connection:
        """Find DuckDB as it is after a start: what somebody has set holds as long as they are at work."""
        if place in self._kept:
            file, root = self._kept.pop(place)
            try:
                if place.stat().st_ino == file:
                    # A reset takes as long as a small piece of work, a look half of that.
                    if not self._writing and place in self._touched:
                        if root.execute(_PRESENT).fetchall() != self._at_the_start[place]:
                            root.execute(_AS_AT_THE_START)
                        self._touched.discard(place)
                    self._kept[place] = file, root
                    return root
            except (FileNotFoundError, duckdb.InvalidInputException):
                pass  # the file is gone
            root.close()
        root = self._open(warehouse, read_only=False)
        root.execute("set variable threads_at_the_start = current_setting('threads')")
        root.execute("set variable memory_at_the_start = current_setting('memory_limit')")
        self._kept[place] = place.stat().st_ino, root
        self._touched.discard(place)
        self._at_the_start[place] = root.execute(_PRESENT).fetchall()
        return root

    def finish(self, connection: Connection) -> None:
        with self._lock:
            self._writing = max(0, self._writing - 1)
        connection.close()

    def give_up(self, warehouse: Warehouse, connection: Connection) -> None:
        """Close the file for whoever writes it anew, who opens it past `Warehouse`."""
        self.close()
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(Warehouse, "_connect_once", self._open)
            patch.setattr(Warehouse, "_close", self._shut)
            self._hold(warehouse, connection)

    def close(self) -> None:
        with self._lock:
            while self._kept:
                _, (_, root) = self._kept.popitem()
                root.close()
