"""Opening the warehouse: late, for a short time, one writer at once.

DuckDB's own file lock is the guard: the system frees it when a process dies, so a crash never blocks the next run.
Whoever finds the file held waits a stated time, then gets an error that names the holder.
"""

import re
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import duckdb

from stripe_cio_pipeline.errors import (
    SettingsError,
    WarehouseError,
    WarehouseLocked,
    WarehouseMissing,
    WarehouseVersionError,
)
from stripe_cio_pipeline.warehouse.migrations import migrate

Connection = duckdb.DuckDBPyConnection

#: DuckDB names the process that holds the file: `held in /usr/bin/python3 (PID 4711)`.
_HOLDER = re.compile(r"held in (?P<program>\S+) \(PID (?P<pid>\d+)\)")

STORAGE_VERSION = "v1.5.0"


class Warehouse:
    """A DuckDB file, opened anew for each piece of work.

    `location` is its path. A connection string (`md:...`, `ducklake:...`) is refused when it is to be opened: nothing
    keeps two runs apart there, and two deliveries sent every item twice. `lock_wait_seconds` is how long to wait for
    another process. `memory_limit` is DuckDB's (`'300MB'`). `sleep` and `clock` are the waiting's
    hands, for tests.
    """

    def __init__(
        self,
        location: str | Path,
        *,
        lock_wait_seconds: float = 60.0,
        memory_limit: str | None = None,
        sleep: Callable[[float], None] = time.sleep,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.location = str(location)
        self._lock_wait_seconds = lock_wait_seconds
        self._memory_limit = memory_limit
        self._sleep = sleep
        self._clock = clock
        self._migrated = False

    def __repr__(self) -> str:
        return f"Warehouse({self.shown!r})"

    @property
    def shown(self) -> str:
        """The location as it may be shown: a connection string can hold a token, so only its kind is."""
        return self.location.split(":")[0] + ":…" if self._is_remote else self.location

    @property
    def _is_remote(self) -> bool:
        # "md:", "ducklake:...", "motherduck:..."; a one-letter prefix is a Windows drive.
        return re.match(r"[a-z]{2,}:", self.location) is not None

    @property
    def exists(self) -> bool:
        """Whether there is anything to read."""
        return Path(self.location).exists()

    @contextmanager
    def connect(self) -> Iterator[Connection]:
        """Open for reading and writing, without a transaction.

        Raises WarehouseLocked, WarehouseVersionError, and SettingsError where the location is a connection string.
        """
        self._refuse_remote()
        self._make_folder()
        connection = self._open(read_only=False)
        try:
            if not self._migrated:
                migrate(connection)
                self._migrated = True
            yield connection
        finally:
            connection.close()

    @contextmanager
    def transaction(self) -> Iterator[Connection]:
        """Open, do everything or nothing, close."""
        with self.connect() as connection, transaction(connection):
            yield connection

    @contextmanager
    def reading(self) -> Iterator[Connection]:
        """Open read-only. Raises WarehouseMissing where nothing was ever synced, else what `connect` raises."""
        self._refuse_remote()
        if not self.exists:
            raise WarehouseMissing(
                f"There is no warehouse at {self.shown} yet.",
                "Run stripe-cio sync first, or set STRIPE_CIO_WAREHOUSE to the one that you mean.",
            )
        connection = self._open(read_only=True)
        try:
            yield connection
        finally:
            connection.close()

    def _refuse_remote(self) -> None:
        if self._is_remote:
            raise SettingsError(
                f"STRIPE_CIO_WAREHOUSE is the connection string {self.shown} and must be the path of a DuckDB file: "
                "nothing keeps two runs apart there, and both would send everything.",
                "Set it to a path, or take it out: the warehouse is then a file in STRIPE_CIO_HOME.",
            )

    def _make_folder(self) -> None:
        folder = Path(self.location).parent
        try:
            folder.mkdir(parents=True, exist_ok=True)
        except OSError as refused:
            raise WarehouseError(
                f"The folder {folder} for the warehouse cannot be made ({refused.strerror}).",
                "Set STRIPE_CIO_HOME or STRIPE_CIO_WAREHOUSE to a place that can be written.",
            ) from None

    def _open(self, *, read_only: bool) -> Connection:
        deadline = self._clock() + self._lock_wait_seconds
        pause = 0.02
        while True:
            try:
                return self._connect_once(read_only=read_only)
            except duckdb.Error as refused:
                message = str(refused)
                if not _is_busy(message):
                    raise self._explain(message) from None
                if self._clock() >= deadline:
                    raise self._locked(message) from None
            self._sleep(pause)
            pause = min(pause * 1.5, 0.5)

    def _connect_once(self, *, read_only: bool) -> Connection:
        if not read_only and not self.exists and self.location != ":memory:":
            self._create()
        connection = duckdb.connect(self.location, read_only=read_only)
        if self._memory_limit:
            # SET takes no parameters; the value is ours, from a keyword argument, never from input.
            connection.execute(f"set memory_limit = '{self._memory_limit}'")
        return connection

    def _create(self) -> None:
        """Make the file in the format of the oldest DuckDB that we run on, not of the oldest that there is.

        Text can be kept as zstd in it, which writes the ledger in half the time (benchmarks/deliver_people.py).
        """
        connection = duckdb.connect()
        try:
            place = self.location.replace("'", "''")
            # ATTACH takes no parameters; the place is a setting of whoever runs this.
            connection.execute(f"attach '{place}' as warehouse (storage_version '{STORAGE_VERSION}')")
            connection.execute("detach warehouse")
        finally:
            connection.close()

    def _locked(self, message: str) -> WarehouseLocked:
        found = _HOLDER.search(message)
        holder = f"process {found['pid']} ({found['program']})" if found else "another connection"
        return WarehouseLocked(
            f"The warehouse {self.shown} is held by {holder} and was not free within {self._lock_wait_seconds:.0f} s.",
            "Wait until that process has finished, or close it if it is a DuckDB shell, and run this again.",
        )

    def _explain(self, message: str) -> WarehouseError:
        if "version number" in message or "storage version" in message.lower():
            return WarehouseVersionError(
                f"The warehouse {self.shown} was written by a newer DuckDB than the one installed here "
                f"({duckdb.__version__}).",
                "Install that version of duckdb, or begin a new warehouse with STRIPE_CIO_WAREHOUSE.",
            )
        if "not a valid DuckDB database file" in message:
            return WarehouseError(
                f"{self.shown} is not a DuckDB database.",
                "Set STRIPE_CIO_WAREHOUSE to another path, or restore the file from a backup.",
            )
        return WarehouseError(
            f"The warehouse {self.shown} cannot be opened: {message.splitlines()[0]}.",
            "Look at the path, its permissions and the free disk space.",
        )


@contextmanager
def transaction(connection: Connection) -> Iterator[None]:
    """Do everything or nothing on an open connection."""
    connection.begin()
    try:
        yield
    except BaseException:
        # After a fatal DuckDB error nothing is left to roll back; the first error is the one to tell.
        with suppress(duckdb.Error):
            connection.rollback()
        raise
    connection.commit()


def _is_busy(message: str) -> bool:
    # The second: in one process DuckDB refuses a read-only handle beside a writing one, until that one closes.
    return "Could not set lock on file" in message or "different configuration" in message
