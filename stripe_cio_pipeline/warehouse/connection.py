"""Opening the warehouse: late, for a short time, one writer at once (`keeping.py`: or kept open for a moment).

DuckDB's own file lock is the guard: the system frees it when a process dies, so a crash never blocks the next run.
Whoever finds the file held waits a stated time, then gets an error that names the holder.
"""

import re
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from functools import cache
from importlib.util import find_spec
from pathlib import Path

import duckdb

from stripe_cio_pipeline.errors import (
    SettingsError,
    WarehouseError,
    WarehouseLocked,
    WarehouseMissing,
    WarehouseVersionError,
)
from stripe_cio_pipeline.warehouse.faults import LOST, fault_of
from stripe_cio_pipeline.warehouse.keeping import KEEPER
from stripe_cio_pipeline.warehouse.migrations import is_behind, migrate, refuse_newer

Connection = duckdb.DuckDBPyConnection

#: DuckDB names the process that holds the file: `held in /usr/bin/python3 (PID 4711)`.
_HOLDER = re.compile(r"held in (?P<program>\S+) \(PID (?P<pid>\d+)\)")

#: DuckDB takes such a prefix for an extension or a remote file system: `md:`, `ducklake:`, `s3://`.
_CONNECTION_STRING = re.compile(r"\w{2,}:")

#: DuckDB names the catalog after the file, and takes `stripe.customers` for a table of the catalog `stripe`.
_SCHEMAS = frozenset({"stripe", "model", "customerio", "pipeline", "information_schema"})

STORAGE_VERSION = "v1.5.0"

#: A connection reads and writes the warehouse and nothing else, because it runs SQL of users: no files, no network, no
#: data that happens to be in a variable of this program.
_ALONE: dict[str, str | bool | int | float | list[str]] = {
    "enable_external_access": False,
    "python_enable_replacements": False,
}


class Warehouse:
    """A DuckDB file, opened anew for each piece of work.

    `lock_wait_seconds` is how long to wait for another process. `memory_limit` is DuckDB's (`'300MB'`). `sleep` and
    `clock` are the waiting's hands, for tests.

    Raises SettingsError where `location` is none that can be guarded (a connection string), or none that works.
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
        _refuse(self.location)
        self.wait_seconds = lock_wait_seconds
        self._memory_limit = memory_limit
        self._sleep = sleep
        self._clock = clock
        self._migrated = False
        self._known = False

    def __repr__(self) -> str:
        return f"Warehouse({self.location!r})"

    @property
    def exists(self) -> bool:
        """Whether there is anything to read. Raises WarehouseError where the path is none that can be looked at."""
        try:
            return Path(self.location).exists()
        except OSError as refused:
            raise WarehouseError(
                f"The warehouse {self.location} cannot be looked for ({refused.strerror}).",
                "Set STRIPE_CIO_HOME or STRIPE_CIO_WAREHOUSE to another path.",
            ) from None

    def attempts(self) -> Iterator[float]:
        """Give the seconds waited so far, again and again after a pause, until the wait for others is over."""
        began = self._clock()
        pause = 0.02
        while True:
            waited = self._clock() - began
            yield waited
            if waited >= self.wait_seconds:
                return
            self._sleep(pause)
            pause = min(pause * 1.5, 0.5)

    def make_folder(self) -> None:
        """Make the folder that the warehouse lies in. Raises WarehouseError."""
        folder = Path(self.location).parent
        try:
            folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        except OSError as refused:
            raise WarehouseError(
                f"The folder {folder} for the warehouse cannot be made ({refused.strerror}).",
                "Set STRIPE_CIO_HOME or STRIPE_CIO_WAREHOUSE to a place that can be written.",
            ) from None

    @contextmanager
    def connect(self) -> Iterator[Connection]:
        """Open for reading and writing, without a transaction. Raises WarehouseLocked, WarehouseVersionError."""
        self.make_folder()
        connection = self._open(read_only=False)
        failed = True
        try:
            if not self._migrated:
                migrate(connection)
                self._migrated = self._known = True
            yield connection
            failed = False
        except (duckdb.Error, OSError, MemoryError) as error:
            raise fault_of(error, self.location) or error from None
        finally:
            self._close(connection, failed=failed)

    @contextmanager
    def transaction(self) -> Iterator[Connection]:
        """Open, do everything or nothing, close."""
        with self.connect() as connection, transaction(connection):
            yield connection

    @contextmanager
    def reading(self) -> Iterator[Connection]:
        """Open read-only. Raises WarehouseMissing where nothing was ever synced, else what `connect` raises."""
        if not self.exists:
            raise WarehouseMissing(
                f"There is no warehouse at {self.location} yet.",
                "Run stripe-cio sync first, or set STRIPE_CIO_WAREHOUSE to the one that you mean.",
            )
        connection = self._open(read_only=True)
        failed = True
        try:
            if not self._known:
                if is_behind(refuse_newer(connection)):
                    # A newer release looks at it for the first time, and nothing has written since the upgrade.
                    self._close(connection, failed=False)
                    with self.connect():
                        pass
                    connection = self._open(read_only=True)
                self._known = True
            yield connection
            failed = False
        except (duckdb.Error, OSError, MemoryError) as error:
            raise fault_of(error, self.location) or error from None
        finally:
            self._close(connection, failed=failed)

    @contextmanager
    def apart(self) -> Iterator[None]:
        """Open the file for each piece of work alone within this block, also where files are kept open (keeping.py)."""
        with KEEPER.apart(self.place):
            yield

    @property
    def place(self) -> Path:
        """The file, with links followed: two ways to one warehouse are one."""
        return Path(self.location).resolve()

    def _open(self, *, read_only: bool) -> Connection:
        message = ""
        for _ in self.attempts():
            try:
                return self._connect_once(read_only=read_only)
            except duckdb.Error as refused:
                message = str(refused)
                if not _is_busy(message):
                    raise self._explain(refused) from None
        raise self._locked(message)

    def _connect_once(self, *, read_only: bool) -> Connection:
        if self.location == ":memory:":
            connection = self._open_file(read_only)
        else:
            connection = KEEPER.lend(self.place, self._open_file, read_only=read_only)
        if self._memory_limit:
            # SET takes no parameters; the value is ours, from a keyword argument, never from input.
            connection.execute(f"set memory_limit = '{self._memory_limit}'")
        return connection

    def _open_file(self, read_only: bool) -> Connection:
        if not read_only and not self.exists and self.location != ":memory:":
            if self._migrated:
                # Made anew it would know nobody, in the middle of a run that knows them.
                raise WarehouseMissing(f"The warehouse {self.location} was there when this began, and is gone.", LOST)
            self._create()
        spare_searching_for_pandas()
        return duckdb.connect(self.location, read_only=read_only, config=_ALONE)

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
            Path(self.location).chmod(0o600)
        finally:
            connection.close()

    def _locked(self, message: str) -> WarehouseLocked:
        found = _HOLDER.search(message)
        holder = f"process {found['pid']} ({found['program']})" if found else "another connection"
        return WarehouseLocked(
            f"The warehouse {self.location} is held by {holder} and was not free within {self.wait_seconds:.0f} s.",
            "Wait until that process has finished, or close it if it is a DuckDB shell, and run this again.",
        )

    def _close(self, connection: Connection, *, failed: bool) -> None:
        """Close a connection. What closing tidies up (a checkpoint) is not lost where it fails."""
        try:
            KEEPER.give_back(connection, failed=failed)
        except duckdb.Error as error:
            if fault := fault_of(error, self.location):
                raise fault from None
            raise

    def _explain(self, refused: duckdb.Error) -> WarehouseError:
        message = str(refused)
        if "version number" in message or "storage version" in message.lower():
            return WarehouseVersionError(
                f"The warehouse {self.location} was written by a newer DuckDB than the one installed here "
                f"({duckdb.__version__}).",
                "Install that version of duckdb, or begin a new warehouse with STRIPE_CIO_WAREHOUSE.",
            )
        if "not a valid DuckDB database file" in message:
            return WarehouseError(
                f"{self.location} is not a DuckDB database.",
                "Set STRIPE_CIO_WAREHOUSE to another path, or restore the file from a backup.",
            )
        if fault := fault_of(refused, self.location):
            return fault
        return WarehouseError(
            f"The warehouse {self.location} cannot be opened: {message.splitlines()[0]}.",
            "Look at the path, its permissions and the free disk space.",
        )


@cache
def spare_searching_for_pandas() -> None:
    """Say once that pandas is not installed.

    DuckDB 1.5 asks for it twice at every text and every time among the parameters of a statement, and Python looks for
    a missing module on the disk again each time: a statement with fifty texts takes 10 ms so, and 1 ms without.
    """
    if find_spec("pandas") is None:
        sys.modules["pandas"] = None  # type: ignore[assignment]


def _refuse(location: str) -> None:
    if _CONNECTION_STRING.match(location):
        # The rest of a connection string can hold a token.
        raise SettingsError(
            f"The warehouse {location.split(':')[0]}:… is a connection string. Two syncs at once would send everything "
            "twice there: only a file on a local disk can be guarded.",
            "Set STRIPE_CIO_WAREHOUSE to a path, such as /var/lib/stripe-cio/warehouse.duckdb.",
        )
    name = Path(location).stem
    if name.lower() in _SCHEMAS:
        raise SettingsError(
            f"The warehouse {location} cannot be called {name}: DuckDB names the database after the file, and then "
            "cannot tell it from the schema of that name inside.",
            f"Set STRIPE_CIO_WAREHOUSE to another name, such as {name}_warehouse.duckdb.",
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
            # A query that a stop came out of goes on in DuckDB's threads, and the rollback would wait for its end.
            connection.interrupt()
            connection.rollback()
        raise
    connection.commit()


def _is_busy(message: str) -> bool:
    # In one process DuckDB refuses a read-only handle beside a writing one, and any beside the one that makes the file.
    signs = ("Could not set lock on file", "different configuration", "Unique file handle conflict")
    return any(sign in message for sign in signs)
