"""Writing down what Customer.io has answered: ledger, requests, writes and rejections move in one transaction."""

from array import array
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from itertools import accumulate

import pyarrow as pa

from stripe_cio_pipeline.deliver.client import Call
from stripe_cio_pipeline.deliver.outcome import Problem
from stripe_cio_pipeline.deliver.rejections import record_rejections
from stripe_cio_pipeline.warehouse import Connection, Statements, next_seq

_SQL = Statements("stripe_cio_pipeline.deliver.sql")

#: DuckDB keeps rows in groups of so many. A whole one is written once; a part of one is written again with every later
#: commit: a million people in groups of 40,000 cost three times as much as in whole ones.
GROUP_ITEMS = 122_880
_MOST_GROUPS = 2


@dataclass(frozen=True, slots=True)
class Settled:
    """A batch that was answered: which of its places in the plan, in their order, were refused and why.

    All others were accepted.
    `request_id` is that of the call that settled it, None for items that were refused before sending. Times are unix
    seconds.
    """

    positions: "array[int]"
    refused: Mapping[int, Problem]
    request_id: str | None
    sent_at: float
    answered_at: float

    def split(self, items: int) -> "tuple[Settled, Settled]":
        """Cut after so many items."""
        first, rest = self.positions[:items], self.positions[items:]
        return (
            replace(self, positions=first, refused={at: why for at, why in self.refused.items() if at <= first[-1]}),
            replace(self, positions=rest, refused={at: why for at, why in self.refused.items() if at > first[-1]}),
        )

    def stretches(self) -> Iterator[tuple[int, int, str | None]]:
        """Give first and last of the places that lie side by side and got the same answer, and why it was a refusal."""
        if not self.refused and self.positions[-1] - self.positions[0] < len(self.positions):
            yield self.positions[0], self.positions[-1], None
            return
        begun: int | None = None
        last = 0
        for position in self.positions:
            problem = self.refused.get(position)
            if begun is not None and (problem is not None or position != last + 1):
                yield begun, last, None
                begun = None
            if problem is not None:
                yield position, position, problem.detail
            elif begun is None:
                begun = position
            last = position
        if begun is not None:
            yield begun, last, None


@dataclass(slots=True)
class Group:
    """What was answered since the last look at the warehouse; `ended` counts the batches that it came from."""

    settled: list[Settled] = field(default_factory=list)
    calls: list[tuple[str, Call]] = field(default_factory=list)
    ended: int = 0

    def __bool__(self) -> bool:
        return bool(self.settled or self.calls)

    @property
    def items(self) -> int:
        """How many places in the plan were answered."""
        return sum(len(batch.positions) for batch in self.settled)

    def take(self) -> "Group":
        """Give one or two whole groups of items where there are so many, else everything; the rest stays here."""
        taken = Group([], self.calls, self.ended)
        self.calls, self.ended = [], 0
        room = GROUP_ITEMS * max(1, min(self.items // GROUP_ITEMS, _MOST_GROUPS))
        while self.settled and room > 0:
            batch = self.settled.pop(0)
            if len(batch.positions) > room:
                batch, rest = batch.split(room)
                self.settled.insert(0, rest)
            taken.settled.append(batch)
            room -= len(batch.positions)
        return taken

    def give_back(self, taken: "Group") -> None:
        """Put back what was taken and could not be recorded."""
        self.settled[:0] = taken.settled
        self.calls[:0] = taken.calls
        self.ended += taken.ended


def record(connection: Connection, group: Group, *, plan_id: str, run_id: str, mark: int) -> None:
    """Move the ledger by a group of answers, inside the caller's transaction.

    `mark` is the last `seq` that is not this delivery's: whoever has a later one was written down by it, and is not in
    the plan a second time.
    """
    record_calls(connection, group.calls, plan_id=plan_id, run_id=run_id)
    if not group.settled:
        return
    _record_answers(connection, group.settled, plan_id=plan_id, run_id=run_id)
    parameters = _hand_over(connection, group)
    run = {"run_id": run_id}
    actions = {action for (action,) in connection.execute(_SQL["answered_actions"], parameters).fetchall()}
    if actions - {"event"}:
        seq = {"seq": next_seq(connection)}
        connection.execute(_SQL.since("insert_people", mark), {**parameters, **run, **seq})
        connection.execute(_SQL.since("delete_replaced_people", mark), seq)
    if "suppress" in actions:
        connection.execute(_SQL["insert_suppressed"], parameters)
    if "event" in actions:
        connection.execute(_SQL["delete_older_events"], parameters)
        connection.execute(_SQL["insert_events"], {**parameters, **run})
    is_any_refused = any(batch.refused for batch in group.settled)
    record_rejections(connection, parameters, run_id=run_id, is_any_refused=is_any_refused)
    connection.execute(_SQL["drop_answered"])


def record_calls(connection: Connection, made: list[tuple[str, Call]], *, plan_id: str, run_id: str) -> None:
    """Keep calls, each with its request id, inside the caller's transaction."""
    if not made:
        return
    calls = [call for _, call in made]
    table = pa.table(
        {
            "request_id": pa.array([request_id for request_id, _ in made], pa.string()),
            "sent_at": pa.array([call.sent_at for call in calls], pa.float64()),
            "endpoint": pa.array([call.endpoint for call in calls], pa.string()),
            "items": pa.array([call.items for call in calls], pa.int64()),
            "bytes": pa.array([call.bytes for call in calls], pa.int64()),
            "status": pa.array([call.status for call in calls], pa.int32()),
            "seconds": pa.array([call.seconds for call in calls], pa.float64()),
            "attempt": pa.array([call.attempt for call in calls], pa.int32()),
        }
    )
    connection.register("made_calls", table)
    connection.execute(_SQL["insert_requests"], {"plan_id": plan_id, "run_id": run_id})
    connection.unregister("made_calls")


def _record_answers(connection: Connection, settled: list[Settled], *, plan_id: str, run_id: str) -> None:
    """Keep what was said of which places, inside the caller's transaction."""
    stretches = [(batch, *stretch) for batch in settled for stretch in batch.stretches()]
    table = pa.table(
        {
            "first_position": pa.array([first for _, first, _, _ in stretches], pa.int64()),
            "last_position": pa.array([last for _, _, last, _ in stretches], pa.int64()),
            "sent_at": pa.array([batch.sent_at for batch, *_ in stretches], pa.float64()),
            "outcome": pa.array(["accepted" if why is None else "rejected" for *_, why in stretches], pa.string()),
            "detail": pa.array([why for *_, why in stretches], pa.string()),
            "request_id": pa.array([batch.request_id for batch, *_ in stretches], pa.string()),
        }
    )
    connection.register("handed_answers", table)
    connection.execute(_SQL["insert_answers"], {"plan_id": plan_id, "run_id": run_id})
    connection.unregister("handed_answers")


def _hand_over(connection: Connection, group: Group) -> dict[str, int]:
    """Put the answers where SQL sees them, and give the span of positions that they lie in."""
    settled = group.settled
    batches = pa.table(
        {
            "batch": pa.array(range(len(settled)), pa.int32()),
            "positions": _lists([batch.positions for batch in settled]),
            "request_id": pa.array([batch.request_id for batch in settled], pa.string()),
            "answered_at": pa.array([batch.answered_at for batch in settled], pa.float64()),
        }
    )
    refused = [(position, problem) for batch in settled for position, problem in batch.refused.items()]
    problems = pa.table(
        {
            "position": pa.array([position for position, _ in refused], pa.int64()),
            "reason": pa.array([problem.reason for _, problem in refused], pa.string()),
            "field": pa.array([problem.field for _, problem in refused], pa.string()),
            "message": pa.array([problem.message for _, problem in refused], pa.string()),
        }
    )
    connection.register("handed_batches", batches)
    connection.register("handed_problems", problems)
    connection.execute(_SQL["create_answered"])
    connection.unregister("handed_batches")
    connection.unregister("handed_problems")
    return {
        "first": min(min(batch.positions) for batch in settled),
        "last": max(max(batch.positions) for batch in settled),
    }


def _lists(parts: "list[array[int]]") -> pa.Array:
    """Make a column of lists from the arrays' own memory: a million numbers never become Python objects."""
    offsets = [0, *accumulate(len(part) for part in parts)]
    values = pa.py_buffer(b"".join(memoryview(part).cast("b") for part in parts))
    flat = pa.Array.from_buffers(pa.int64(), offsets[-1], [None, values])
    return pa.ListArray.from_arrays(pa.array(offsets, pa.int32()), flat)
