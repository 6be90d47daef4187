"""The rule, case by case, and then against random histories of one object."""

import random
from dataclasses import dataclass

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from stripe_cio_pipeline.extract.deciding import READ_MARGIN_SECONDS, Signal, SignalKind, Step, Stored, decide
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


@settings(deadline=None, derandomize=True, max_examples=150)
@given(
    st.lists(
        st.tuples(st.floats(0, 40), st.sampled_from("abc"), st.floats(0, 25), st.booleans()), min_size=1, max_size=9
    ),
    st.lists(st.floats(0, 70), max_size=6),
    st.randoms(use_true_random=False),
)
def test_whatever_the_order_in_which_events_appear_the_row_ends_as_the_object(
    changes: list[tuple[float, str, float, bool]], polls: list[float], chance: random.Random
) -> None:
    """An object changes, its events appear late and in any order, answers take time: after the last, the row is right.

    And never does a row that was right go back to something older than what it had shown.
    """
    history = [
        (Change(100 + moment, f"{content}{number}", 100 + moment + late), usable)
        for number, (moment, content, late, usable) in enumerate(sorted(changes))
    ]

    def state_at(moment: float) -> int:
        return max((place for place, (change, _) in enumerate(history) if change.moment <= moment), default=-1)

    stored: Stored | None = None
    shown = -1
    known: set[int] = set()
    for poll in [*sorted(100 + moment for moment in polls), 200.0]:
        new = [place for place, (change, _) in enumerate(history) if change.visible <= poll and place not in known]
        known.update(new)
        if not new:
            continue
        signals = [
            Signal(
                f"evt_{place}", int(history[place][0].moment), "snapshot", history[place][1], history[place][0].content
            )
            for place in new
            for change, usable in [history[place]]
        ]
        decision = decide(stored, signals)
        before = shown
        if decision.step is Step.APPLY:
            shown = int(decision.event.event_id.removeprefix("evt_"))
            stored = Stored(decision.event.created, "event", deleted=False)
        elif decision.step is Step.READ:
            answered = poll + chance.random() * 20
            shown = state_at(answered - chance.random() * (answered - poll))
            stored = Stored(int(answered), "retrieve", deleted=False)
        assert shown >= before
    assert shown == len(history) - 1
