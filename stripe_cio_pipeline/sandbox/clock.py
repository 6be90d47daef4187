"""The sandbox's clock: it stands still until somebody moves it, or runs at a chosen speed."""

import threading
import time
from collections.abc import Callable
from datetime import datetime

SECONDS_PER_DAY = 86_400
REAL_TIME = 60 / SECONDS_PER_DAY
"""The speed, in days per minute, at which the clock keeps pace with the machine's."""


class Clock:
    """Unix time in seconds, shared by both servers.

    A clock that stands still makes runs repeatable; `run` is for people who watch. It never goes back:
    neither Stripe nor Customer.io ever does.
    """

    def __init__(self, start: float | datetime | None = None, *, machine: Callable[[], float] = time.monotonic) -> None:
        if isinstance(start, datetime):
            start = start.timestamp()
        self._machine = machine
        self._moment = float(int(time.time()) if start is None else start)
        self._speed = 0.0
        self._ahead = 0.0
        self._since = machine()
        self._lock = threading.Lock()
        self._listeners: list[Callable[[float], None]] = []

    def now(self) -> float:
        """Return the current moment in unix seconds."""
        with self._lock:
            return self._read()

    @property
    def days_per_minute(self) -> float:
        """How fast the clock runs by itself; 0 when it stands still."""
        return self._speed * 60 / SECONDS_PER_DAY

    @property
    def ahead(self) -> float:
        """Seconds that have passed here and not on the machine's clock: moved by hand, or run faster than it."""
        with self._lock:
            return self._ahead + self._outrun()

    def advance(self, *, days: float = 0, hours: float = 0, minutes: float = 0, seconds: float = 0) -> float:
        """Move forward and return the new moment; everything that was due in between has then happened."""
        step = days * SECONDS_PER_DAY + hours * 3600 + minutes * 60 + seconds
        if step < 0:
            raise ValueError(f"the sandbox's clock cannot go back (asked for {step} seconds)")
        with self._lock:
            self._settle(self._read() + step)
            self._ahead += step
            moment = self._moment
        self._tell(moment)
        return moment

    def move_to(self, moment: float | datetime) -> float:
        """Move forward to a moment (unix seconds or an aware datetime)."""
        target = moment.timestamp() if isinstance(moment, datetime) else moment
        return self.advance(seconds=target - self.now())

    def run(self, days_per_minute: float = 1.0) -> None:
        """Let the clock run by itself; `REAL_TIME` keeps pace with the machine's clock."""
        if days_per_minute < 0:
            raise ValueError("the sandbox's clock cannot run backwards")
        with self._lock:
            self._settle(self._read())
            self._speed = days_per_minute * SECONDS_PER_DAY / 60

    def stop(self) -> None:
        """Stand still from now on."""
        self.run(0.0)

    def on_move(self, listener: Callable[[float], None]) -> None:
        """Call `listener` with the new moment after each move (not while the clock runs by itself)."""
        self._listeners.append(listener)

    def _read(self) -> float:
        return self._moment + (self._machine() - self._since) * self._speed

    def _outrun(self) -> float:
        return (self._machine() - self._since) * max(0.0, self._speed - 1.0)

    def _settle(self, moment: float) -> None:
        self._ahead += self._outrun()
        self._moment = moment
        self._since = self._machine()

    def _tell(self, moment: float) -> None:
        for listener in self._listeners:
            listener(moment)
