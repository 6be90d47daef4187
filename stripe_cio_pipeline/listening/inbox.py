"""The inbox: what was accepted is on disk, under its id, until the warehouse has it. A file of SQLite beside it.

It is not the warehouse, because a door must not wait for a run. One commit costs the disk as much as fifty events
together, so that events are stored as many at once as there are. What is taken out leaves no byte (`secure_delete`, and
the log is cut off): a payload may hold anything of a person.
"""

import errno
import os
import sqlite3
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

import orjson

from stripe_cio_pipeline.errors import WarehouseError
from stripe_cio_pipeline.listening import FILE_NAME
from stripe_cio_pipeline.listening.envelope import Envelope
from stripe_cio_pipeline.warehouse import Statements

_SQL = Statements("stripe_cio_pipeline.listening.sql")

#: The steps from one version of the file to the next.
_STEPS = ("create", "create_rounds")
#: More than this is not taken in: Stripe tries again for three days, and the poll finds everything anyway.
MOST_EVENTS = 200_000
MOST_BYTES = 1_000_000_000
#: Ids are remembered for longer than anybody can send an event again (30 days by Stripe's CLI).
REMEMBERED_SECONDS = 31 * 86_400

#: Somebody else who writes, or makes the file, is waited for as long as this.
_PATIENCE_SECONDS = 10.0
#: What waits is counted so often at most.
_COUNT_SECONDS = 1.0

#: What became of an event: it is on disk, it was there already, or there is no room.
Stored = Literal["stored", "repeated", "full"]


@dataclass(frozen=True, slots=True)
class Waiting:
    """An event that the warehouse does not have yet. `created` and `sent_at` are by Stripe's clock."""

    id: str
    created: int
    sent_at: int
    body: bytes = field(repr=False)


@dataclass(frozen=True, slots=True)
class Elsewhere:
    """How many events were accepted and left out: of another account or mode, or thin ones."""

    why: str
    account: str | None
    livemode: bool | None
    events: int
    last_at: float


@dataclass(frozen=True, slots=True)
class Contents:
    """What is in the inbox. Moments are unix seconds by this machine's clock; `oldest_at` is of what waits."""

    waiting: int
    bytes_waiting: int
    oldest_at: float | None
    newest_at: float | None
    remembered: int
    elsewhere: tuple[Elsewhere, ...]


@dataclass(frozen=True, slots=True)
class Traffic:
    """What came in and went on between two moments. `lags` are seconds from Stripe to Customer.io, in order.

    `elsewhere` of what was `received` are events of another account or mode, and thin ones. `people` and `events` were
    accepted by Customer.io.
    """

    received: int
    elsewhere: int
    people: int
    events: int
    lags: tuple[float, ...]

    def lag(self, share: float) -> float | None:
        """Give the lag that this share of the events did not exceed; None where none was sent on."""
        return self.lags[min(len(self.lags) - 1, int(share * len(self.lags)))] if self.lags else None


class Inbox:
    """One file, for threads of this process and for other processes too. Everything raises WarehouseError."""

    def __init__(
        self,
        path: Path,
        *,
        most_events: int = MOST_EVENTS,
        most_bytes: int = MOST_BYTES,
        now: Callable[[], float] = time.time,
        clock: Callable[[], float] = time.monotonic,
        patience: float = _PATIENCE_SECONDS,
    ) -> None:
        self.path = path
        self._most_events = most_events
        self._most_bytes = most_bytes
        self._now = now
        self._lock = threading.Lock()
        self._connection: sqlite3.Connection | None = None
        self._clock = clock
        self._patience = patience
        self._counted: tuple[int, int] | None = None
        self._counted_at = 0.0

    @classmethod
    def under(cls, home: Path, *, patience: float = _PATIENCE_SECONDS) -> "Inbox":
        """Give the inbox of a home folder, whether there is one or not."""
        return cls(home / FILE_NAME, patience=patience)

    @property
    def exists(self) -> bool:
        """Whether anything was ever listened to here."""
        return self.path.exists()

    def store(self, envelopes: Sequence[Envelope]) -> list[Stored]:
        """Put events on disk, all in one commit. When this returns they outlast the machine."""
        with self._transaction() as connection:
            count, size = self._size(connection)
            outcomes: list[Stored] = []
            for envelope in envelopes:
                if count >= self._most_events or size + len(envelope.body) > self._most_bytes:
                    outcomes.append("full")
                    continue
                own = envelope.belongs == "own"
                row = {
                    "id": envelope.id,
                    "type": envelope.type,
                    "created": envelope.created,
                    "account": envelope.account,
                    "livemode": envelope.livemode,
                    "state": "waiting" if own else envelope.belongs,
                    "sent_at": envelope.sent_at,
                    "received_at": self._now(),
                    "body": envelope.body if own else None,
                }
                is_new = connection.execute(_SQL["insert"], row).rowcount == 1
                outcomes.append("stored" if is_new else "repeated")
                if is_new and own:
                    count, size = count + 1, size + len(envelope.body)
        self._counted = (count, size)
        return outcomes

    def knock(self) -> bool:
        """Prove that an event could be stored now: something is written, and there is room."""
        with self._transaction() as connection:
            connection.execute(_SQL["knock"], {"value": f"{self._now():.3f}"})
            count, size = self._size(connection)
        return count < self._most_events and size < self._most_bytes

    def _size(self, connection: sqlite3.Connection) -> tuple[int, int]:
        """Count what waits, anew where that was not done for a second: others take out of it too."""
        if self._counted is None or self._clock() - self._counted_at >= _COUNT_SECONDS:
            count, size, _ = connection.execute(_SQL["size"]).fetchone()
            self._counted, self._counted_at = (int(count), int(size)), self._clock()
        return self._counted

    def waiting(self, most: int) -> list[Waiting]:
        """Give what waits, in the order of its arrival."""
        with self._reading() as connection:
            return [Waiting(*row) for row in connection.execute(_SQL["waiting"], {"most": most}).fetchall()]

    def taken(self, ids: Iterable[str]) -> None:
        """Note that the warehouse has these events. Their content goes; their ids are remembered."""
        self._settle(ids, "taken")

    def sent_on(self, ids: Iterable[str], *, people: int, events: int) -> None:
        """Note that what these events brought about has reached Customer.io, with the numbers that it accepted."""
        now = self._now()
        with self._transaction() as connection:
            connection.executemany(_SQL["send_on"], [{"id": id_, "at": now} for id_ in ids])
            if people or events:
                counted = {"minute": int(now // 60) * 60, "people": people, "events": events}
                connection.execute(_SQL["count_sent"], counted)

    def traffic(self, since: float, until: float) -> Traffic:
        """Say what came in and went on between two moments, unix seconds by this machine's clock."""
        within = {"since": since, "until": until}
        with self._reading() as connection:
            received, elsewhere = connection.execute(_SQL["received_between"], within).fetchone()
            people, events = connection.execute(_SQL["sent_between"], within).fetchone()
            lags = connection.execute(_SQL["lags_between"], within).fetchall()
        return Traffic(received, elsewhere, people, events, tuple(lag for (lag,) in lags))

    def erase(self, words: Iterable[str]) -> int:
        """Take out what names somebody by one of these ids or emails, and give the number of such events.

        The poll finds these events again, and the warehouse knows by then of whom it keeps nothing.
        """
        wanted = [word.lower() for word in words if word]
        if not self.exists:
            return 0
        with self._reading() as connection:
            bodies = connection.execute(_SQL["bodies"]).fetchall()
        found = [
            id_ for id_, body in bodies if any(word in said for said in _texts(orjson.loads(body)) for word in wanted)
        ]
        self._settle(found, "erased")
        return len(found)

    def tidy(self) -> int:
        """Forget ids that are older than anybody can send an event again, and make the file smaller."""
        if not self.exists:
            return 0
        with self._transaction() as connection:
            before = {"before": self._now() - REMEMBERED_SECONDS}
            count = connection.execute(_SQL["forget_old"], before).rowcount
            connection.execute(_SQL["forget_old_minutes"], before)
        with self._reading() as connection:
            connection.execute(_SQL["vacuum"])
            connection.execute(_SQL["truncate"])
        return count

    def look(self) -> Contents:
        """Say what is in it."""
        with self._reading() as connection:
            count, size, oldest = connection.execute(_SQL["size"]).fetchone()
            newest, remembered = connection.execute(_SQL["newest"]).fetchone()
            elsewhere = connection.execute(_SQL["elsewhere"]).fetchall()
        return Contents(
            count,
            size,
            oldest,
            newest,
            remembered,
            tuple(
                Elsewhere(why, account, None if livemode is None else bool(livemode), events, last)
                for why, account, livemode, events, last in elsewhere
            ),
        )

    def backlog(self) -> tuple[int, float | None]:
        """Say how many events wait, and since when the oldest does. It costs next to nothing, unlike `look`."""
        with self._reading() as connection:
            count, oldest = connection.execute(_SQL["backlog"]).fetchone()
        return int(count), None if oldest is None else float(oldest)

    def close(self) -> None:
        """Let go of the file."""
        with self._lock:
            self._let_go()

    def _settle(self, ids: Iterable[str], state: str) -> None:
        settled = [{"id": id_, "state": state} for id_ in ids]
        if not settled:
            return
        with self._transaction() as connection:
            connection.executemany(_SQL["settle"], settled)
        with self._reading() as connection:
            # What was overwritten still stands in the log, until that is cut off. Where another process reads, later.
            connection.execute(_SQL["truncate"])

    @contextmanager
    def _transaction(self) -> Iterator[sqlite3.Connection]:
        with self._reading() as connection:
            connection.execute("begin immediate")
            yield connection
            connection.execute("commit")

    @contextmanager
    def _reading(self) -> Iterator[sqlite3.Connection]:
        with self._lock:
            try:
                if self._connection is None:
                    self._connection = self._open()
                yield self._connection
            except sqlite3.Error as error:
                # A connection that failed is not used again: nothing half-done may be in what comes next.
                self._let_go()
                raise _fault(error, self.path) from None
            except BaseException:
                self._let_go()
                raise

    def _open(self) -> sqlite3.Connection:
        try:
            self.path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            # Only where there is none yet: to close a file frees all locks that this process has on it, SQLite's too.
            with suppress(FileExistsError):
                os.close(os.open(self.path, os.O_RDWR | os.O_CREAT | os.O_EXCL, 0o600))
            if not os.access(self.path, os.R_OK | os.W_OK):
                raise PermissionError(errno.EACCES, os.strerror(errno.EACCES))
        except OSError as refused:
            raise WarehouseError(
                f"The inbox {self.path} cannot be opened ({refused.strerror}).",
                "Its folder (STRIPE_CIO_HOME) must be writable and on a local disk.",
            ) from None
        deadline = time.monotonic() + self._patience
        while True:
            connection = sqlite3.connect(
                self.path, timeout=self._patience, isolation_level=None, check_same_thread=False
            )
            try:
                connection.executescript(_SQL["pragmas"])
                if self._version(connection) < len(_STEPS):
                    _upgrade(connection)
            except sqlite3.OperationalError as busy:
                connection.close()
                # Somebody else makes or upgrades it, and SQLite does not wait for that by itself.
                if "SQLITE_BUSY" not in getattr(busy, "sqlite_errorname", "") or time.monotonic() > deadline:
                    raise
                time.sleep(0.02)
            except BaseException:
                connection.close()
                raise
            else:
                return connection

    def _version(self, connection: sqlite3.Connection) -> int:
        version = int(connection.execute(_SQL["version"]).fetchone()[0])
        if version > len(_STEPS):
            raise WarehouseError(
                f"The inbox {self.path} was written by a newer release.", "Run that release, or a later one."
            )
        return version

    def _let_go(self) -> None:
        self._counted = None
        if self._connection is not None:
            connection, self._connection = self._connection, None
            with suppress(sqlite3.Error):
                connection.close()


def _upgrade(connection: sqlite3.Connection) -> None:
    """Bring the file up to date, or find that another process has done so."""
    connection.execute("begin exclusive")
    (version,) = connection.execute(_SQL["version"]).fetchone()
    for step in _STEPS[version:]:
        for statement in filter(str.strip, _SQL[step].split(";")):
            connection.execute(statement)
    connection.execute("commit")


def _fault(error: sqlite3.Error, path: Path) -> WarehouseError:
    name = getattr(error, "sqlite_errorname", "") or type(error).__name__
    if name in ("SQLITE_NOTADB", "SQLITE_CORRUPT"):
        return WarehouseError(
            f"The inbox {path} is damaged ({name}).",
            "Move it away and start again: what it held is found by the next sync.",
        )
    return WarehouseError(
        f"The inbox {path} cannot be written or read ({name}).",
        "Make room on its disk, and look whether that is healthy. Stripe sends again what was not accepted.",
    )


def _texts(value: Any) -> Iterator[str]:
    """Give every text in a payload, lower-cased."""
    if isinstance(value, str):
        yield value.lower()
    elif isinstance(value, dict):
        for part in value.values():
            yield from _texts(part)
    elif isinstance(value, list):
        for part in value:
            yield from _texts(part)
