"""Keeping the warehouse's file open from one piece of work to the next, for a moment.

To start DuckDB for a file and to end it takes 20 ms of processor, and a sync is thirty pieces of work: that was half of
what it took. Here the next piece finds the file open, if it comes at once. Each has a connection of its own, so what it
makes for itself (a temporary table, a variable) ends with it, and what it sets for all of DuckDB is taken back.

Nobody is kept out for long. The file is closed when nothing came for `IDLE_SECONDS`, which every wait for an answer of
Stripe or Customer.io is, and between two pieces after `LONGEST_SECONDS`.
"""

import math
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

import duckdb

from stripe_cio_pipeline.errors import WarehouseError
from stripe_cio_pipeline.warehouse.faults import fault_of

Connection = duckdb.DuckDBPyConnection

IDLE_SECONDS = 0.05
LONGEST_SECONDS = 1.0

#: What closing raises, where what it tidies up (a checkpoint) is refused.
_REFUSED = (duckdb.Error, WarehouseError)

#: What pieces of work set for all of DuckDB (rows.sql, sending.sql, operations.sql), beside threads and memory.
_SET = ("force_compression", "wal_autocheckpoint", "max_vacuum_tasks", "disabled_compression_methods")
_SHOWN = "select " + ", ".join(f"current_setting('{name}')" for name in (*_SET, "threads", "memory_limit"))
#: A reset of the memory limit is not enough for DuckDB 1.5: it shows the former one and goes on with the present one.
#: A reset of the threads would give more than there were.
_TAKE_BACK = ";".join(
    [*(f"reset {name}" for name in _SET), "set threads = {threads}", "set memory_limit = '{memory_limit}'"]
)


@dataclass(slots=True, eq=False)
class _Kept:
    """A file that is open. `is_over`: the next one opens it anew."""

    connection: Connection
    is_read_only: bool
    file: int
    opened: float
    at_first: tuple[object, ...]
    taken_back: tuple[object, ...] | None = None
    users: int = 0
    idle_since: float = 0.0
    is_over: bool = False

    def take_back(self) -> None:
        """Set what is set for all of DuckDB as it was when the file was opened."""
        if self.connection.execute(_SHOWN).fetchone() in (self.at_first, self.taken_back):
            return
        threads, memory_limit = self.at_first[-2:]
        self.connection.execute(_TAKE_BACK.format(threads=threads, memory_limit=memory_limit))
        # A memory limit is shown in a rounded form, and so set a little smaller.
        self.taken_back = self.connection.execute(_SHOWN).fetchone()


class Keeper:
    """The files of this process that are kept open, while somebody wants them to be. For use from any thread."""

    def __init__(self, idle_seconds: float = IDLE_SECONDS, longest_seconds: float = LONGEST_SECONDS) -> None:
        self.idle_seconds = idle_seconds
        self.longest_seconds = longest_seconds
        self._changed = threading.Condition()
        self._scopes = 0
        self._kept: dict[Path, _Kept] = {}
        self._lent: dict[int, _Kept] = {}
        self._apart: Counter[Path] = Counter()
        self._closer: threading.Thread | None = None
        self._wakes_at = math.inf

    @contextmanager
    def keeping(self) -> Iterator[None]:
        """Keep files open from one piece of work to the next within this block, and close them at its end.

        Blocks may lie within each other and beside each other. Raises WarehouseError where a file cannot be closed.
        """
        with self._changed:
            self._scopes += 1
        try:
            yield
        except BaseException:
            with suppress(*_REFUSED):
                self._end_scope()
            raise
        self._end_scope()

    @contextmanager
    def apart(self, place: Path) -> Iterator[None]:
        """Open a file for each piece of work alone: what is set in it may be such that nothing takes it back."""
        with self._changed:
            self._apart[place] += 1
            self._end(place)
        try:
            yield
        finally:
            with self._changed:
                self._apart[place] -= 1

    def lend(self, place: Path, open_file: Callable[[bool], Connection], *, read_only: bool) -> Connection:
        """Give a connection to a file, opened by `open_file(read_only)` if it is not open. Raises what that raises."""
        with self._changed:
            kept = self._find(place, open_file, read_only) if self._scopes and not self._apart[place] else None
            if kept is None:
                return open_file(read_only)
            connection = kept.connection.cursor()
            if read_only and not kept.is_read_only:
                connection.execute("begin transaction read only")
            self._lent[id(connection)] = kept
            kept.users += 1
            return connection

    def give_back(self, connection: Connection, *, failed: bool) -> None:
        """Close a connection. After a failure DuckDB may be of no use any more, and the file is opened anew."""
        with self._changed:
            kept = self._lent.pop(id(connection), None)
            if kept is None:
                connection.close()
                return
            with suppress(duckdb.Error):
                connection.close()
            kept.users -= 1
            kept.is_over |= failed
            if not kept.users:
                self._rest(kept)

    def _rest(self, kept: _Kept) -> None:
        kept.idle_since = time.monotonic()
        if kept.is_over or not self._scopes or kept.idle_since - kept.opened > self.longest_seconds:
            self._close(kept)
            return
        try:
            kept.take_back()
            if self._closer is None:
                closer = threading.Thread(target=self._close_idle, name="warehouse-closer", daemon=True)
                closer.start()
                self._closer = closer
                return
        except (duckdb.Error, RuntimeError):  # nothing can be set any more, or no thread be started
            self._close(kept)
            return
        if kept.idle_since + self.idle_seconds < self._wakes_at:
            self._changed.notify_all()

    def _find(self, place: Path, open_file: Callable[[bool], Connection], read_only: bool) -> _Kept | None:
        """Find the open file, or open it. None where others in this process have it in a way that does not do."""
        kept = self._kept.get(place)
        if kept is not None:
            if not kept.is_over and (read_only or not kept.is_read_only) and _number_of(place) == kept.file:
                return kept
            if kept.users:
                return None
            self._close(kept)
        root = open_file(read_only)
        shown = root.execute(_SHOWN).fetchone() or ()
        kept = self._kept[place] = _Kept(root, read_only, _number_of(place), time.monotonic(), shown)
        return kept

    def _end_scope(self) -> None:
        with self._changed:
            self._scopes -= 1
            if not self._scopes:
                for place in list(self._kept):
                    self._end(place)

    def _end(self, place: Path) -> None:
        if kept := self._kept.get(place):
            kept.is_over = True
            if not kept.users:
                self._close(kept)

    def _close(self, kept: _Kept) -> None:
        place = next(place for place, each in self._kept.items() if each is kept)
        del self._kept[place]
        try:
            kept.connection.close()
        except duckdb.Error as error:
            raise fault_of(error, str(place)) or error from None

    def _close_idle(self) -> None:
        with self._changed:
            while True:
                idle = [kept for kept in self._kept.values() if not kept.users]
                self._wakes_at = min((kept.idle_since for kept in idle), default=math.inf) + self.idle_seconds
                wait = self._wakes_at - time.monotonic()
                if wait > 0:
                    # Whoever comes and goes in time wakes nobody.
                    self._changed.wait(None if math.isinf(wait) else wait)
                    continue
                for kept in idle:
                    if kept.idle_since + self.idle_seconds <= time.monotonic():
                        # What cannot be tidied up now is told by whoever opens the file next; nothing is lost.
                        with suppress(*_REFUSED):
                            self._close(kept)


#: One for the process, as DuckDB has one instance for a file in a process.
KEEPER = Keeper()


def _number_of(place: Path) -> int:
    """Give the number of a file, which another one in its place has not; 0 where there is none."""
    try:
        return place.stat().st_ino
    except OSError:
        return 0
