"""What a workspace accepts now and does later: its queue, its time, and the rules that are applied."""

import random
import threading
import time
from collections.abc import Callable
from typing import Any

from stripe_cio_pipeline.sandbox.clock import Clock
from stripe_cio_pipeline.sandbox.counters import Counters
from stripe_cio_pipeline.sandbox.customerio.backlog import Backlog, Waiting, lag_seconds
from stripe_cio_pipeline.sandbox.customerio.processing import Processor
from stripe_cio_pipeline.sandbox.customerio.switches import CustomerioSwitches
from stripe_cio_pipeline.sandbox.customerio.validation import Operation, Problem, Validator
from stripe_cio_pipeline.sandbox.faults import Faults


class Intake:
    """Accepts operations and applies them when they are due. Safe to use from several threads.

    ``machine_time`` gives unix seconds: the time of edits and activities. ``clock`` is the account's, and decides
    which events are recent enough to start a campaign. Processing goes by both: an hour for which the clock is moved
    is an hour in which it went on. With ``clock.now`` as ``machine_time`` there is one time for everything.
    """

    def __init__(
        self,
        switches: CustomerioSwitches,
        clock: Clock,
        *,
        seed: int = 0,
        machine_time: Callable[[], float] = time.time,
    ) -> None:
        self.switches = switches
        self.clock = clock
        self.machine_time = machine_time
        self.counters = Counters()
        self.faults = Faults(seed, now=self.pace)
        self.lock = threading.RLock()
        self._seed = seed
        self._random = random.Random(seed)
        self._backlog = Backlog(switches, self._random)
        self._latest = 0.0
        self._settled_at = 0.0
        self._processor = Processor(switches, clock)
        self._validator = Validator(switches)
        clock.on_move(self._clock_moved)

    # Time

    def _clock_moved(self, moment: float) -> None:
        self.apply_due()

    def pace(self) -> float:
        """Seconds by which processing goes: the machine's, and those for which the clock was moved."""
        return self.machine_time() + (0.0 if self._has_one_time() else self.clock.ahead)

    def request_time(self) -> float:
        """Seconds by which requests are limited: those of the caller, who does not live by a clock that stands."""
        return time.time() if self._has_one_time() else self.machine_time()

    def _has_one_time(self) -> bool:
        return self.machine_time == self.clock.now

    # Accepting and applying

    def problems(self, operation: Any, size: int = 0) -> list[Problem]:
        """List why an operation is refused in the answer; empty when it is accepted."""
        found = self._validator.problems(operation, size)
        if self.switches.refuse and not found:
            found = self._chosen(operation)
        return found

    def v1_problems(self, operation: Operation) -> list[Problem]:
        """List why a v1 call, put as an operation, is refused; an anonymous event needs no identifiers."""
        if "identifiers" not in operation and operation["action"] != "merge":
            return self._validator.anonymous_event(operation)
        return self.problems(operation)

    def _chosen(self, operation: Operation) -> list[Problem]:
        identifiers = operation.get("identifiers") or {}
        attributes = operation.get("attributes") or {}
        named = [("identifiers", identifiers), ("attributes", attributes)]
        return [
            Problem("invalid", f"{path}.{kind}", self.switches.refuse[value])
            for path, values in named
            for kind, value in values.items()
            if kind in ("id", "email", "cio_id") and isinstance(value, str) and value in self.switches.refuse
        ]

    def accept(self, operations: list[Operation]) -> None:
        """Take the valid operations of one call in; they are applied later, in whatever order the switches give."""
        _, most = self.switches.delay_bounds()
        with self.lock:
            self.counters.add("operations.accepted", len(operations))
            lags = self._lags(operations)
            if most == 0 and not any(lags) and self._backlog.is_idle(self.pace()):
                if self.switches.shuffle and self.switches.shuffle_within_call and len(operations) > 1:
                    operations = self._random.sample(operations, len(operations))
                for operation in operations:
                    self._apply(operation, self.machine_time())
                self._count_applied()
                return
            self._backlog.add(operations, lags, now=self.pace(), accepted=self.machine_time())

    def _lags(self, operations: list[Operation]) -> list[float]:
        switches = self.switches
        if not switches.lagging_share and not switches.lags:
            return [0.0] * len(operations)
        return [
            lag_seconds(switches, self._seed, self._processor.identifiers_known(operation)) for operation in operations
        ]

    def apply_due(self, most: int | None = None) -> float | None:
        """Apply what is due, at most ``most`` operations; tells in how many seconds the next one is due."""
        with self.lock:
            pace = self.pace()
            while most != 0 and (entry := self._backlog.pop(pace)) is not None:
                self._apply_waiting(entry, pace)
                most = None if most is None else most - 1
            self._processor.people.forget_past(self.machine_time() - self.switches.reads_lag_seconds)
            self._count_applied()
            return self._backlog.wait(pace)

    def settle(self) -> None:
        """Apply everything that was accepted, now, and let the App API see it; an incident is over."""
        with self.lock:
            self._backlog.release()
            pace = self.pace()
            while (entry := self._backlog.pop()) is not None:
                self._apply_waiting(entry, pace)
            self._processor.people.forget_past(float("inf"))
            self._settled_at = self.machine_time()
            self._count_applied()

    def incident(self, hours: float = 1.0) -> None:
        """Apply nothing for so long, of what waits and of what comes; then all of it, in any order."""
        with self.lock:
            self.apply_due()
            self._backlog.hold(self.pace() + hours * 3600)

    def _apply_waiting(self, entry: Waiting, pace: float) -> None:
        """Apply an operation as of the machine second in which it was due, which a moved clock may have skipped."""
        now = self.machine_time()
        self._apply(entry.operation, min(now, max(entry.accepted, now - (pace - entry.due))))

    def _apply(self, operation: Operation, at: float) -> None:
        # The log is in the order of time.
        self._latest = max(self._latest, at)
        self._processor.apply(operation, self._latest)

    def _count_applied(self) -> None:
        for name, amount in self._processor.counted.items():
            self.counters.add(name, amount)
        self._processor.counted.clear()

    @property
    def pending(self) -> int:
        """How many accepted operations wait to be applied."""
        with self.lock:
            self.apply_due()
            return len(self._backlog)
