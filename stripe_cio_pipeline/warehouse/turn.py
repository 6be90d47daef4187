"""One turn: whoever builds, plans and delivers from a warehouse does so alone.

DuckDB's lock keeps two writers apart for a transaction. A plan that is made of one transaction and sent in the next
needs more: the turn, from the build to the last answer. It is a lock file beside the warehouse, held by `flock` (POSIX;
a local disk). The system frees it when its holder dies, however that happens, so nothing is ever to be cleaned up.
Reading, from Stripe and from the warehouse, needs no turn.
"""

import fcntl
import json
import os
from collections.abc import Callable
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path
from types import TracebackType
from typing import Self

from stripe_cio_pipeline.errors import WarehouseBusy, WarehouseError
from stripe_cio_pipeline.warehouse.connection import Warehouse
from stripe_cio_pipeline.warehouse.faults import fault_of

#: Waits below this are not worth a line.
_LONG_WAIT_SECONDS = 1.0


class Turn:
    """The turn of one warehouse, to be taken and given back; a block (`with`) does both.

    `command` is what the holder is called to whoever waits (`stripe-cio sync`). `tell` gets a sentence once the wait is
    longer than a second. Taking a turn that this object holds already changes nothing; two objects exclude each other,
    in threads of one process too.
    """

    def __init__(self, warehouse: Warehouse, command: str, *, tell: Callable[[str], object] | None = None) -> None:
        self._warehouse = warehouse
        self._command = command
        self._tell = tell
        self._file: int | None = None

    @property
    def path(self) -> Path:
        """The lock file."""
        place = self._warehouse.place
        return place.with_name(f"{place.name}.turn")

    def take(self) -> None:
        """Wait for the turn, as long as the warehouse is waited for. Raises WarehouseBusy, which names the holder."""
        if self._file is not None:
            return
        file = self._open()
        try:
            self._wait(file)
        except BaseException:
            os.close(file)
            raise
        self._sign(file)
        self._file = file

    def _sign(self, file: int) -> None:
        note = {"pid": os.getpid(), "command": self._command, "since": f"{datetime.now(UTC):%Y-%m-%d %H:%M:%S} UTC"}
        try:
            os.ftruncate(file, 0)
            os.pwrite(file, json.dumps(note).encode(), 0)
        except OSError as refused:
            os.close(file)
            raise self._unusable(refused) from None

    def give_back(self) -> None:
        """Let the next one go on. Giving back what is not held changes nothing."""
        if self._file is not None:
            file, self._file = self._file, None
            os.ftruncate(file, 0)
            os.close(file)

    def __enter__(self) -> Self:
        self.take()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.give_back()

    def _open(self) -> int:
        self._warehouse.make_folder()
        try:
            return os.open(self.path, os.O_RDWR | os.O_CREAT, 0o600)
        except OSError as refused:
            raise self._unusable(refused) from None

    def _wait(self, file: int) -> None:
        told = False
        for waited in self._warehouse.attempts():
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                if waited >= _LONG_WAIT_SECONDS and not told and self._tell is not None:
                    self._tell(f"Waiting for {self._holder(file)} to finish building, planning or delivering.")
                    told = True
            except OSError as refused:
                raise self._unusable(refused) from None
            else:
                return
        raise WarehouseBusy(
            f"The warehouse {self._warehouse.location} is in use: {self._holder(file)} is building, planning or "
            f"delivering, and was not done within {self._warehouse.wait_seconds:.0f} s.",
            "Run this again when it has ended, or wait longer (--wait SECONDS). What was read is stored, and what is "
            "due stays due.",
        )

    def _holder(self, file: int) -> str:
        # Whoever has just taken the turn may not have written its name yet.
        with suppress(ValueError, KeyError):
            note = json.loads(os.pread(file, 4096, 0))
            return f"process {note['pid']} ({note['command']}, since {note['since']})"
        return "another process"

    def _unusable(self, refused: OSError) -> WarehouseError:
        return fault_of(refused, self._warehouse.location) or WarehouseError(
            f"The lock file {self.path} cannot be used ({refused.strerror}).",
            "The folder of the warehouse must be writable and on a local disk.",
        )
