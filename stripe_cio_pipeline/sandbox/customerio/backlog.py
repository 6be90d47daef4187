"""Accepted operations that are not applied yet: when each is due, and which may overtake which."""

import heapq
import random
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from typing import NamedTuple

from stripe_cio_pipeline.sandbox.customerio.people import email_key
from stripe_cio_pipeline.sandbox.customerio.switches import CustomerioSwitches
from stripe_cio_pipeline.sandbox.customerio.validation import Operation


class Waiting(NamedTuple):
    """One operation that waits; entries sort in the order of applying.

    ``due`` is in the workspace's pace (seconds), ``accepted`` in machine time.
    """

    due: float
    tie: float
    number: int
    accepted: float
    operation: Operation


@dataclass(slots=True)
class _Turn:
    """The operations of one call about one person, where they keep their order."""

    due: float
    tie: float


class Backlog:
    """A queue in the order in which things are due, under the switches of one workspace.

    Customer.io says that it "may not process your API calls in the order you send them"
    (docs.customer.io/journeys/importing-old-data), and nothing of the order within one call. An incident holds
    everything back and then lets all of it go in any order; theirs last up to three hours (status.customerio.com).
    """

    def __init__(self, switches: CustomerioSwitches, chance: random.Random) -> None:
        self._switches = switches
        self._draw = chance.random
        self._heap: list[Waiting] = []
        self._number = 0
        self._last_due = 0.0
        self._held_until = 0.0

    def __len__(self) -> int:
        return len(self._heap)

    def __iter__(self) -> Iterator[Waiting]:
        return iter(sorted(self._heap, key=lambda entry: entry[:3]))

    def is_idle(self, now: float) -> bool:
        """Tell whether what is accepted now, and is due now, need not wait for anything else."""
        return not self._heap and now >= self._held_until

    def add(self, operations: list[Operation], lags: list[float], *, now: float, accepted: float) -> None:
        """Take in the operations of one call; ``lags`` are seconds that each waits on top of its delay."""
        least, most = self._switches.delay_bounds()
        shuffle = self._switches.shuffle
        within = self._switches.shuffle_within_call
        turns: dict[str, _Turn] = {}
        draw = self._draw
        for operation, lag in zip(operations, lags, strict=True):
            due = now + least + (most - least) * draw()
            if not shuffle:
                due = self._last_due = max(due, self._last_due)
            tie = draw() if shuffle else 0.0
            due = max(due + lag, self._held_until)
            if not within:
                turn = turns.setdefault(str(operation.get("identifiers")), _Turn(due, tie))
                due = turn.due = max(due, turn.due)
                tie = turn.tie
            self.put(operation, due, accepted, tie=tie)

    def put(self, operation: Operation, due: float, accepted: float, *, tie: float = 0.0) -> None:
        """Take in one operation that is due at a moment of its own."""
        self._number += 1
        heapq.heappush(self._heap, Waiting(due, tie, self._number, accepted, operation))

    def pop(self, now: float = float("inf")) -> Waiting | None:
        """Take out the next operation that is due; without a moment, whichever comes next."""
        return heapq.heappop(self._heap) if self._heap and self._heap[0].due <= now else None

    def wait(self, now: float) -> float | None:
        """Seconds until the next operation is due; none where nothing waits."""
        return max(0.0, self._heap[0].due - now) if self._heap else None

    def hold(self, until: float) -> None:
        """Let nothing through before a moment; what was due earlier comes then, in any order."""
        self._held_until = max(self._held_until, until)
        self._heap = [entry._replace(due=max(entry.due, self._held_until)) for entry in self._heap]
        heapq.heapify(self._heap)

    def release(self) -> None:
        """End an incident early."""
        self._held_until = 0.0

    def held_seconds(self, now: float) -> float:
        """Seconds until the incident ends; 0 where there is none."""
        return max(0.0, self._held_until - now)


def lag_seconds(switches: CustomerioSwitches, seed: int, identifiers: dict[str, str]) -> float:
    """How much longer than others a person waits for what is sent about them, always by as much.

    ``identifiers`` are all that are known of the person, by kind. Whoever is named in ``lags`` waits as long as it
    says; of the others a share (``lagging_share``) waits for a time of their own within ``lagging_seconds``.
    """
    if switches.lags:
        told = [switches.lags[value] for value in identifiers.values() if value in switches.lags]
        if told:
            return max(told)
    if not switches.lagging_share:
        return 0.0
    # By email where there is one: a person is known by it before and after the link.
    name = next((identifiers[kind] for kind in ("email", "id", "phone", "cio_id") if kind in identifiers), "")
    drawn = zlib.crc32(f"{seed} {email_key(name)}".encode("utf-8", "surrogatepass")) / 2**32
    if drawn >= switches.lagging_share:
        return 0.0
    least, most = switches.lagging_seconds
    return least + (most - least) * drawn / switches.lagging_share
