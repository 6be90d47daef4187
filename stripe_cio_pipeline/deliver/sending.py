"""Sending what is due: several calls under way, answers written down in groups while the next calls go out.

An item is in flight from its sending until its answer is in the warehouse. `unrecorded` bounds that: it is what a
killed run sends again.
"""

import asyncio
import contextlib
import threading
import time
from array import array
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from functools import partial
from typing import TypeVar

import pyarrow as pa
from ulid import ULID

from stripe_cio_pipeline.deliver.client import Api, Call, unavailable
from stripe_cio_pipeline.deliver.due import read_batches
from stripe_cio_pipeline.deliver.ledger import GROUP_ITEMS, Group, Settled, record
from stripe_cio_pipeline.deliver.outcome import (
    Accepted,
    Again,
    Halve,
    Outcome,
    Partly,
    Problem,
    Stop,
    Without,
    judge,
)
from stripe_cio_pipeline.deliver.packing import Batch
from stripe_cio_pipeline.deliver.survey import Phase, Stretch, Survey, due_events, limit_memory
from stripe_cio_pipeline.errors import CustomerioError, CustomerioUnavailable
from stripe_cio_pipeline.warehouse import Connection, Warehouse, last_seq, transaction, write_cursor

Result = TypeVar("Result")

BATCH_PATH = "/api/v2/batch"
#: The cursor of the newest timestamp that an update was sent with: unix seconds.
STAMP = "customerio.stamp"
#: Calls packed ahead of the senders, about half a megabyte each.
_PACKED_AHEAD = 16
#: So many items of a batch that is refused without a word tell whether that is about them.
_SAMPLE = 10
#: How long an answer may wait to be written down together with others.
_LINGER_SECONDS = 2.0
#: Closing the file takes a quarter of a second where a plan is large: while groups keep coming it stays open, so long
#: at most, because others want it.
_HOLD_SECONDS = 3.0


class Sending:
    """One delivery's calls. `told` hears of every group that was written down.

    `last_stamp` (unix seconds) is the newest timestamp of earlier deliveries.
    """

    def __init__(
        self,
        warehouse: Warehouse,
        plan: Survey,
        run_id: str,
        *,
        in_flight: int,
        unrecorded: int,
        now: Callable[[], float],
        last_stamp: int,
        told: Callable[[Group], None],
    ) -> None:
        self._warehouse = warehouse
        self._plan = plan
        self.run_id = run_id
        self._in_flight = in_flight
        self._mark = 0
        self._last_seq = -1
        self._now = now
        self._least_stamp = last_stamp + 1
        self._last_stamp = self._kept_stamp = last_stamp
        self._told = told
        self._room = asyncio.Semaphore(max(unrecorded, in_flight))
        # The other half is for calls that go out while these are written down.
        self._enough = max(1, unrecorded // 2)
        self._group = Group()
        self._answered = asyncio.Event()
        self._all_sent = False
        self._one_at_a_time = threading.Lock()
        self._gathering = threading.Lock()
        self._given_up = 0
        self._turns: pa.Table | None = None
        self.left_due: set[int] = set()
        self.stopped_by: CustomerioError | None = None
        self.settled = 0

    def note_call(self, call: Call) -> None:
        """Keep a call that carries no items for the record."""
        self._group.calls.append((str(ULID()), call))

    def refuse(self, refused: dict[int, Problem]) -> None:
        """Settle items that cannot be sent at all."""
        moment = self._now()
        self._group.settled.append(Settled(array("q", sorted(refused)), refused, None, moment, moment))
        self.write_rest()

    async def run(self, track: Api, phase: Phase) -> None:
        """Send everything that is due in a phase, and return when it is answered and written down."""
        self._track = track
        self._last_seq = -1
        # One thread for each, always the same: every thread that allocates keeps memory of its own.
        with ThreadPoolExecutor(1, "plan") as self._reader, ThreadPoolExecutor(1, "ledger") as self._writer:
            await self._run(phase)

    async def _run(self, phase: Phase) -> None:
        stretches, begun = await self._in_thread(self._reader, partial(self._begin, phase))
        if not stretches:
            return
        queue: asyncio.Queue[Batch | None] = asyncio.Queue(_PACKED_AHEAD)
        self._all_sent = False
        try:
            async with asyncio.TaskGroup() as recording:
                recording.create_task(self._keep_recording())
                async with asyncio.TaskGroup() as sending:
                    sending.create_task(self._fill(queue, phase, stretches, begun))
                    # Whatever is sent is no longer held.
                    del begun
                    for _ in range(self._in_flight):
                        sending.create_task(self._drain(queue))
                self._all_sent = True
                self._answered.set()
        except BaseExceptionGroup as failed:
            raise _first(failed) from None
        finally:
            # After an interruption too: what was answered must not be sent again.
            self.write_rest()

    def _begin(self, phase: Phase) -> tuple[list[Stretch], list[Batch]]:
        """Give the stretches of a phase, and the first of them read: most plans have no other."""
        with self._open() as connection:
            if phase is Phase.EVENTS:
                events = due_events(connection, self._plan, self.left_due)
                stretches, self._turns = events.stretches, events.turns
            else:
                stretches = self._plan.stretches(phase)
            return stretches, self._pack(connection, phase, stretches[0]) if stretches else []

    async def _fill(
        self, queue: asyncio.Queue[Batch | None], phase: Phase, stretches: list[Stretch], batches: list[Batch]
    ) -> None:
        for following in [*stretches[1:], None]:
            # The last has room for more: it is read again with what comes next, for calls are what is scarce.
            begin = batches.pop().positions[0] if batches and following is not None else None
            while batches:
                await queue.put(batches.pop(0))
            if following is None or self.stopped_by is not None:
                break
            stretch = following if begin is None else replace(following, first=begin)
            batches = await self._in_thread(self._reader, partial(self._read, phase, stretch))
        for _ in range(self._in_flight):
            await queue.put(None)

    @staticmethod
    async def _in_thread(thread: ThreadPoolExecutor, work: Callable[[], Result]) -> Result:
        return await asyncio.get_running_loop().run_in_executor(thread, work)

    def _read(self, phase: Phase, stretch: Stretch) -> list[Batch]:
        with self._open() as connection:
            return self._pack(connection, phase, stretch)

    def _pack(self, connection: Connection, phase: Phase, stretch: Stretch) -> list[Batch]:
        batches = list(read_batches(connection, self._plan, phase, stretch, self._turns))
        if not self.left_due:
            return batches
        fresh = []
        for batch in batches:
            kept = [index for index, position in enumerate(batch.positions) if position not in self.left_due]
            if len(kept) == len(batch):
                fresh.append(batch)
            elif kept:
                fresh.append(batch.pick(kept))
        return fresh

    async def _drain(self, queue: asyncio.Queue[Batch | None]) -> None:
        while (batch := await queue.get()) is not None:
            waiting = await self._send(batch)
            if len(waiting) > 1 and len(batch) > _SAMPLE:
                waiting = await self._sample(batch)
            while waiting and self.stopped_by is None:
                part = waiting.pop()
                waiting += await self._send(part)
                if not part.stamped and self.left_due.issuperset(part.positions):
                    # Events keep their order: what would come after one that was left due is left due too.
                    self.left_due.update(position for rest in waiting for position in rest.positions)
                    waiting = []

    async def _sample(self, batch: Batch) -> list[Batch]:
        """Send some of a batch alone that was refused as a whole and without a word; give what is then to be sent.

        Where all of them are refused alike, it is not about them: nothing is rejected then, and the delivery stops.
        """
        # Events keep their order.
        step = len(batch) // _SAMPLE if batch.stamped else 1
        places = range(0, _SAMPLE * step, step)
        doubts: list[Problem] = []
        again: list[Batch] = []
        for place in places:
            if self.stopped_by is not None:
                return []
            alone = batch.pick([place])
            again += await self._send(alone, doubts)
            if not batch.stamped and self.left_due.issuperset(alone.positions):
                self.left_due.update(batch.positions)
                return []
        if len(doubts) == _SAMPLE and len(set(doubts)) == 1:
            self.stopped_by = self.stopped_by or CustomerioUnavailable(
                f"Customer.io refuses whatever is sent and does not say why: {_SAMPLE} items of one call were refused "
                "alone too.",
                "Look at status.customer.io, then run this again; nothing was rejected, all of it is still pending.",
            )
        others = batch.pick([index for index in range(len(batch)) if index not in places])
        return [*(_first_last(others) if len(others) > 1 else [others]), *reversed(again)]

    async def _send(self, batch: Batch, doubts: list[Problem] | None = None) -> list[Batch]:
        """Send one batch to the end of its call, and give what is to be sent in its place.

        Where `doubts` is given, an item that is refused alone without a named field is not rejected yet.
        """
        await self._room.acquire()
        made: list[tuple[str, Call]] = []
        _, outcome = await self._track.call(
            "POST",
            BATCH_PATH,
            partial(judge, items=len(batch)),
            body=lambda: batch.body(self._stamp()),
            items=len(batch),
            on_call=lambda call: made.append((str(ULID()), call)),
        )
        request_id, call = made[-1]
        # A group that is taken to be recorded holds a call with all that it settled.
        with self._gathering:
            self._group.calls += made
            self._group.ended += 1
            problem = outcome.problems.get(0) if isinstance(outcome, Without) and len(batch) == 1 else None
            if doubts is not None and problem is not None and problem.field is None:
                doubts.append(problem)
                rest = [batch]
            else:
                rest = self._take(batch, outcome, request_id, call)
        self._answered.set()
        return rest

    def _stamp(self) -> int:
        """Give the time that updates carry: Customer.io skips one older than the last, whatever our clock did."""
        stamp = max(int(self._now()), self._least_stamp)
        self._last_stamp = max(self._last_stamp, stamp)
        return stamp

    def _take(self, batch: Batch, outcome: Outcome, request_id: str, call: Call) -> list[Batch]:
        settle = partial(self._settle, request_id=request_id, call=call)
        if isinstance(outcome, Stop):
            self.stopped_by = self.stopped_by or outcome.error
            return []
        if isinstance(outcome, Again):
            self.left_due.update(batch.positions)
            self._given_up += 1
            if self._given_up >= self._in_flight:
                self.stopped_by = self.stopped_by or unavailable(outcome, f"a batch of {len(batch)} items")
            return []
        self._given_up = 0
        if isinstance(outcome, Halve):
            return _first_last(batch)
        # Events go out by person; answers are written down by stretches of the plan.
        in_plan_order = batch.positions if batch.stamped else array("q", sorted(batch.positions))
        if isinstance(outcome, Accepted):
            settle(in_plan_order, {})
        elif isinstance(outcome, Partly):
            settle(in_plan_order, {batch.positions[index]: why for index, why in outcome.problems.items()})
        elif isinstance(outcome, Without):
            refused = {batch.positions[index]: why for index, why in outcome.problems.items()}
            settle(array("q", sorted(refused)), refused)
            kept = [index for index in range(len(batch)) if index not in outcome.problems]
            return [batch.pick(kept)] if kept else []
        return []

    def _settle(self, positions: "array[int]", refused: dict[int, Problem], *, request_id: str, call: Call) -> None:
        self._group.settled.append(Settled(positions, refused, request_id, call.sent_at, call.sent_at + call.seconds))
        self.settled += len(positions)

    async def _keep_recording(self) -> None:
        while not self._all_sent or self._group:
            await self._gather_answers()
            await self._in_thread(self._writer, partial(self._write_groups, asyncio.get_running_loop()))

    async def _gather_answers(self) -> None:
        """Wait for answers, and a little longer for as many as are cheap to write down at once."""
        loop = asyncio.get_running_loop()
        deadline = None
        while not (self._all_sent or self._group.ended >= self._enough or self._group.items >= GROUP_ITEMS):
            if self._group and deadline is None:
                deadline = loop.time() + _LINGER_SECONDS
            remaining = None if deadline is None else deadline - loop.time()
            if remaining is not None and remaining <= 0:
                return
            self._answered.clear()
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._answered.wait(), remaining)

    def write_rest(self) -> None:
        """Record whatever is not recorded yet."""
        with self._one_at_a_time:
            while self._group:
                with self._open() as connection:
                    self._write_down(connection)

    def _write_groups(self, loop: asyncio.AbstractEventLoop) -> None:
        """Record what was answered. While whole groups keep coming, the file is not closed between them."""
        with self._one_at_a_time:
            if not self._group:
                return
            with self._open() as connection:
                until = time.monotonic() + _HOLD_SECONDS
                while True:
                    loop.call_soon_threadsafe(self._free, self._write_down(connection))
                    comes_more = self._group.items >= GROUP_ITEMS or (self._all_sent and self._group)
                    if not comes_more or time.monotonic() > until:
                        break

    def _free(self, batches: int) -> None:
        for _ in range(batches):
            self._room.release()

    @contextlib.contextmanager
    def _open(self) -> Iterator[Connection]:
        with self._warehouse.connect() as connection:
            limit_memory(connection, self._plan.megabytes)
            yield connection

    def _write_down(self, connection: Connection) -> int:
        """Record what was answered, or as much of it as is cheap at once; give how many batches it came from."""
        with self._gathering:
            group = self._group.take()
        try:
            with transaction(connection):
                if last_seq(connection) != self._last_seq:
                    # The phase's first group, or somebody else has written meanwhile.
                    self._mark = last_seq(connection)
                stamp = self._last_stamp
                if stamp > self._kept_stamp:
                    write_cursor(connection, STAMP, str(stamp), self.run_id)
                record(connection, group, plan_id=self._plan.plan_id, run_id=self.run_id, mark=self._mark)
                reached = last_seq(connection)
        except BaseException:
            # The run fails, but what was answered is tried once more (`write_rest`): else it would be sent again.
            with self._gathering:
                self._group.give_back(group)
            raise
        self._last_seq = reached
        self._kept_stamp = stamp
        self._told(group)
        return group.ended


def _first_last(batch: Batch) -> list[Batch]:
    """Halve a batch; its first half is last, and so is sent first."""
    return list(reversed(batch.halves()))


def _first(failed: BaseExceptionGroup[BaseException]) -> BaseException:
    error: BaseException = failed
    while isinstance(error, BaseExceptionGroup):
        error = error.exceptions[0]
    return error
