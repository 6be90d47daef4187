"""The clock that both sides live by."""

from datetime import UTC, datetime

import pytest

from stripe_cio_pipeline.sandbox import REAL_TIME, Clock


class Machine:
    """A machine's clock that stands until it is told to go on."""

    def __init__(self) -> None:
        self.seconds = 100.0

    def __call__(self) -> float:
        return self.seconds


def test_it_stands_still_until_it_is_moved() -> None:
    machine = Machine()
    clock = Clock(1_000, machine=machine)
    machine.seconds += 3_600
    assert clock.now() == 1_000
    assert clock.advance(days=1, hours=2, minutes=3, seconds=4) == 1_000 + 86_400 + 7_200 + 180 + 4


def test_it_starts_at_a_datetime_or_at_the_present() -> None:
    assert Clock(datetime(2026, 10, 28, tzinfo=UTC)).now() == 1_793_145_600
    assert Clock().now() > 1_700_000_000


def test_it_runs_by_itself_at_a_chosen_speed_and_stops() -> None:
    machine = Machine()
    clock = Clock(0, machine=machine)
    clock.run(days_per_minute=1.0)
    machine.seconds += 30
    assert clock.now() == 43_200
    clock.stop()
    machine.seconds += 30
    assert clock.now() == 43_200
    assert clock.days_per_minute == 0
    clock.run(REAL_TIME)
    machine.seconds += 10
    assert clock.now() == pytest.approx(43_210)


def test_it_can_be_moved_while_it_runs() -> None:
    machine = Machine()
    clock = Clock(0, machine=machine)
    clock.run(days_per_minute=1.0)
    machine.seconds += 60
    clock.advance(days=1)
    machine.seconds += 60
    assert clock.now() == 3 * 86_400


def test_it_never_goes_back() -> None:
    clock = Clock(1_000)
    with pytest.raises(ValueError, match="cannot go back"):
        clock.advance(seconds=-1)
    with pytest.raises(ValueError, match="cannot go back"):
        clock.move_to(999)
    with pytest.raises(ValueError, match="backwards"):
        clock.run(-1)
    assert clock.move_to(datetime.fromtimestamp(2_000, UTC)) == 2_000


def test_it_tells_who_wants_to_know_of_each_move() -> None:
    clock, heard = Clock(0), []
    clock.on_move(heard.append)
    clock.advance(seconds=5)
    clock.advance(seconds=5)
    assert heard == [5, 10]


def test_it_is_ahead_of_the_machine_by_what_it_was_moved_and_by_what_it_ran_faster() -> None:
    machine = Machine()
    clock = Clock(0, machine=machine)
    machine.seconds += 100
    assert clock.ahead == 0
    clock.advance(hours=1)
    assert clock.ahead == 3_600
    clock.run(3 * REAL_TIME)
    machine.seconds += 10
    assert clock.ahead == pytest.approx(3_620)
    clock.stop()
    clock.run(REAL_TIME / 2)
    machine.seconds += 1_000
    assert clock.ahead == pytest.approx(3_620)
