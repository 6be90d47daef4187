"""The rule, case by case, and then against random histories of one object."""

import heapq
import itertools
import random
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from types import SimpleNamespace
from typing import Any, cast

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from stripe_cio_pipeline.extract.deciding import READ_MARGIN_SECONDS, Signal, SignalKind, Step, Stored, decide
from stripe_cio_pipeline.extract.rows import is_overtaken
from stripe_cio_pipeline.extract.transport import REQUEST_SECONDS


def snapshot(created: int, content: str = "a", *, usable: bool = True, kind: SignalKind = "snapshot") -> Signal:
    return Signal(f"evt_{created}_{content}", created, kind, usable, content)


LISTED = Stored(as_of=1_000, source="list", deleted=False)
BY_EVENT = Stored(as_of=1_000, source="event", deleted=False)


@pytest.mark.parametrize(
    ("stored", "signals", "step"),
    [
        (LISTED, [snapshot(1_001)], Step.APPLY),
        (LISTED, [snapshot(1_000)], Step.READ),
        (LISTED, [snapshot(1_000 - READ_MARGIN_SECONDS)], Step.READ),
        (LISTED, [snapshot(1_000 - READ_MARGIN_SECONDS - 1)], Step.NOTHING),
        (BY_EVENT, [snapshot(999)], Step.NOTHING),
        (BY_EVENT, [snapshot(1_000)], Step.READ),
        (None, [snapshot(5)], Step.APPLY),
        (None, [snapshot(5, usable=False)], Step.READ),
        (LISTED, [snapshot(1_001, "a"), snapshot(1_001, "b")], Step.READ),
        (LISTED, [snapshot(1_001, "a"), snapshot(1_002, "b")], Step.APPLY),
        (LISTED, [snapshot(1_002, "a"), snapshot(1_002, "a")], Step.APPLY),
        (LISTED, [snapshot(1_001, usable=False), snapshot(1_002)], Step.APPLY),
        (LISTED, [snapshot(1_002, usable=False)], Step.READ),
        (LISTED, [snapshot(1_002), snapshot(1_001, kind="touch")], Step.READ),
        (BY_EVENT, [snapshot(5, kind="touch")], Step.READ),
        (LISTED, [snapshot(5, kind="touch")], Step.NOTHING),
        (LISTED, [snapshot(1_002, kind="removal"), snapshot(1_002)], Step.BURY),
        (Stored(1_000, "event", deleted=True), [snapshot(1_500)], Step.NOTHING),
    ],
)
def test_one_object(stored: Stored | None, signals: list[Signal], step: Step) -> None:
    assert decide(stored, signals).step is step


@pytest.mark.parametrize(
    ("stored", "signals", "step"),
    [
        (LISTED, [snapshot(1_002, kind="removal")], Step.BURY),
        (LISTED, [snapshot(1_002, kind="removal"), snapshot(1_003)], Step.READ),
        (LISTED, [snapshot(1_002, kind="removal"), snapshot(1_002)], Step.READ),
        (LISTED, [snapshot(1_000, kind="removal")], Step.READ),
        (Stored(1_000, "event", deleted=True), [snapshot(1_500)], Step.READ),
    ],
)
def test_one_object_whose_id_the_merchant_chose_may_come_back(
    stored: Stored, signals: list[Signal], step: Step
) -> None:
    assert decide(stored, signals, reuses_ids=True).step is step


def test_a_decision_names_the_newest_event() -> None:
    older, newer = snapshot(1_001), snapshot(1_002)
    assert decide(LISTED, [newer, older]).event == newer
    assert decide(LISTED, [older, snapshot(1_002, usable=False)]).event.created == 1_002
    seen = [snapshot(10), snapshot(12)]
    assert decide(LISTED, seen).event == seen[1]
    buried = Stored(1_000, "event", deleted=True)
    assert decide(buried, [newer, older]).event == newer


def test_of_one_second_a_snapshot_is_named_before_a_touch_and_then_the_greater_id() -> None:
    # A touch says nothing of the object itself, whatever its id.
    touch = Signal("evt_z", 1_002, "touch", usable=True, content_hash="a")
    shown = Signal("evt_a", 1_002, "snapshot", usable=True, content_hash="a")
    assert decide(LISTED, [touch, shown]).event == decide(LISTED, [shown, touch]).event == shown
    twins = [Signal(f"evt_{name}", 1_002, "snapshot", usable=True, content_hash="a") for name in "ba"]
    assert decide(LISTED, twins).event == twins[0]


def test_an_object_is_buried_by_its_last_removal() -> None:
    first, last = snapshot(1_001, "b", kind="removal"), snapshot(1_003, "a", kind="removal")
    decision = decide(LISTED, [first, last, snapshot(1_002)])
    assert (decision.step, decision.event) == (Step.BURY, last)
    # Of an id that comes back, what followed the first removal was ended by the last.
    again = decide(LISTED, [last, snapshot(1_002), first], reuses_ids=True)
    assert (again.step, again.event) == (Step.BURY, last)
    left = decide(LISTED, [first, last, snapshot(1_004)], reuses_ids=True)
    assert (left.step, left.event.created) == (Step.READ, 1_004)


def test_a_tombstone_includes_all_of_its_own_second() -> None:
    buried = Stored(1_000, "event", deleted=True)
    assert decide(buried, [snapshot(1_000)], reuses_ids=True).step is Step.NOTHING
    assert decide(buried, [snapshot(1_001)], reuses_ids=True).step is Step.READ


def test_the_margin_covers_the_longest_request_and_the_second_that_date_leaves_out() -> None:
    assert READ_MARGIN_SECONDS >= REQUEST_SECONDS + 1


@dataclass
class Change:
    moment: float
    content: str
    visible: float
    usable: bool


@dataclass
class Life:
    """One object, and what the warehouse knows of it. Moments are seconds of one clock."""

    history: list[Change]
    stored: Stored | None = None
    read_at: float = float("-inf")
    shown: int = -1
    known: set[int] = field(default_factory=set)
    waiting: set[int] = field(default_factory=set)

    def state_at(self, moment: float) -> int:
        return max((place for place, change in enumerate(self.history) if change.moment <= moment), default=-1)

    def run(self, now: float) -> frozenset[int] | None:
        """Read the feed and decide. Gives the events that a read by id will settle, None where none is needed."""
        new = {place for place, change in enumerate(self.history) if change.visible <= now} - self.known
        self.known |= new
        self.waiting |= new
        if not self.waiting:
            return None
        signals = [
            Signal(f"evt_{place}", int(change.moment), "snapshot", change.usable, change.content)
            for place, change in ((place, self.history[place]) for place in sorted(self.waiting))
        ]
        decision = decide(self.stored, signals)
        if decision.step is Step.READ:
            return frozenset(self.waiting)
        if decision.step is Step.APPLY:
            self.shown = int(decision.event.event_id.removeprefix("evt_"))
            self.stored, self.read_at = Stored(decision.event.created, "event", deleted=False), now
        self.waiting.clear()
        return None

    def arrive(self, asked: float, read: float, answered: float, settles: frozenset[int], now: float) -> None:
        """Take an answer: the object as it was when Stripe read it, asked for and answered at these moments."""
        row, known = (cast("Any", SimpleNamespace(read_at=moment)) for moment in (asked, self.read_at))
        if not is_overtaken(row, known, cast("int", now)):
            self.shown, self.read_at = self.state_at(read), asked
            self.stored = Stored(int(answered), "retrieve", deleted=False)
        self.waiting -= settles


changes = st.lists(
    st.tuples(st.floats(0, 40), st.sampled_from("abc"), st.floats(0, 25), st.booleans()), min_size=1, max_size=9
)


def life(drawn: list[tuple[float, str, float, bool]]) -> Life:
    return Life(
        [
            Change(100 + moment, f"{content}{number}", 100 + moment + late, usable)
            for number, (moment, content, late, usable) in enumerate(sorted(drawn))
        ]
    )


@settings(deadline=None, derandomize=True, max_examples=150)
@given(changes, st.lists(st.floats(0, 70), max_size=6), st.randoms(use_true_random=False))
def test_whatever_the_order_in_which_events_appear_the_row_ends_as_the_object(
    drawn: list[tuple[float, str, float, bool]], runs: list[float], chance: random.Random
) -> None:
    """An object changes, its events appear late and in any order, answers take time: after the last, the row is right.

    And never does a row that was right go back to something older than what it had shown.
    """
    one = life(drawn)
    answered = 0.0
    for due in [*sorted(100 + moment for moment in runs), 200.0]:
        before = one.shown
        now = max(due, answered)
        settles = one.run(now)
        if settles is not None:
            answered = now + chance.random() * 20
            one.arrive(now, answered - chance.random() * (answered - now), answered, settles, answered)
        assert one.shown >= before
    assert one.shown == len(one.history) - 1


@settings(deadline=None, derandomize=True, max_examples=400)
@given(changes, st.lists(st.floats(0, 70), max_size=9), st.randoms(use_true_random=False))
def test_however_many_runs_are_under_way_at_once_the_row_ends_as_the_object(
    drawn: list[tuple[float, str, float, bool]], runs: list[float], chance: random.Random
) -> None:
    """While one process waits for an answer others decide, apply and read. An answer may arrive when it is old."""
    one = life(drawn)
    number = itertools.count()
    due: list[tuple[float, int, Callable[[], None]]] = []

    def at(moment: float, happens: Callable[[], None]) -> None:
        heapq.heappush(due, (moment, next(number), happens))

    def run(now: float) -> None:
        settles = one.run(now)
        if settles is not None:
            answered = now + chance.random() * 30
            read = answered - chance.random() * (answered - now)
            written = answered + chance.random() * 10
            at(written, lambda: one.arrive(now, read, answered, settles, written))

    for moment in [*(100 + moment for moment in runs), 220.0]:
        at(moment, partial(run, moment))
    while due:
        heapq.heappop(due)[2]()
    assert one.waiting == set()
    assert one.shown == len(one.history) - 1
