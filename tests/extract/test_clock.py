"""A date that is wrong hides no change, whoever on the way wrote it: it is told, and nothing is concluded from it."""

import time
from collections.abc import Iterator
from email.utils import formatdate
from pathlib import Path

import pytest

from stripe_cio_pipeline.errors import StripeUnavailable
from stripe_cio_pipeline.extract.clock import StripeClock
from stripe_cio_pipeline.extract.deciding import Signal, Step, Stored, decide
from stripe_cio_pipeline.sandbox import StripeSwitches
from tests.extract.between import Between, between_stage
from tests.extract.stage import Stage

DAY = 86_400


@pytest.fixture
def stage(tmp_path: Path) -> Iterator[Stage]:
    """An account that keeps real time."""
    start, switches = int(time.time()), StripeSwitches(late_events_share=0.0)
    stage = Stage(tmp_path, customers=4, history_days=10, switches=switches, start=start)
    with stage.sandbox:
        yield stage


@pytest.fixture
def wire(stage: Stage, monkeypatch: pytest.MonkeyPatch) -> Iterator[Between]:
    """Between us and it, and silent about its being a sandbox."""
    with between_stage(stage, monkeypatch) as one:
        one.is_simulated = False
        yield one


def watermark(stage: Stage) -> int:
    [(value,)] = stage.rows("select cast(value as bigint) from pipeline.cursors where name = 'events.watermark'")
    return int(value)


@pytest.mark.parametrize("off", [DAY, -DAY, 400, -400])
def test_a_date_far_from_this_machines_clock_holds_the_watermark_and_is_told(
    stage: Stage, wire: Between, off: int
) -> None:
    assert stage.extract().warnings == ()
    before = watermark(stage)
    stage.pass_time(seconds=2)
    wire.seconds_off["/v1/events"] = off
    told = [warning for warning in stage.extract().warnings if "Stripe's clock cannot be believed" in warning]
    assert len(told) == 1
    assert watermark(stage) == before
    assert stage.peek().page is None
    wire.clear()
    assert stage.extract().warnings == ()
    assert watermark(stage) > before


def test_a_page_whose_date_is_ahead_hides_no_later_change(stage: Stage, wire: Between) -> None:
    """The row would seem to be from tomorrow, and to show whatever happens until then."""
    wire.seconds_off["/v1/customers"] = DAY
    stage.extract()
    wire.clear()
    changed = next(iter(stage.stripe.objects("customer")))
    # The sandbox's clock goes on by a minute, and no machine need wait for it.
    stage.pass_time(seconds=60)
    stage.stripe.update_customer(changed, name="Changed since")
    stage.extract()
    assert stage.stored("customers")[changed]["name"] == "Changed since"
    [(mark,)] = stage.rows("select value from pipeline.cursors where name = 'history.customers'")
    assert int(mark.split('"began":')[1].split(",")[0]) <= time.time() + 1


def test_events_on_a_page_whose_date_is_behind_are_not_taken_for_older_than_they_are(
    stage: Stage, wire: Between
) -> None:
    """Dated in what seems to be the future, they would count as of yesterday, which every row seems to show."""
    stage.extract()
    changed = next(iter(stage.stripe.objects("customer")))
    stage.pass_time(seconds=60)
    stage.stripe.update_customer(changed, name="Changed since")
    wire.seconds_off["/v1/events"] = -DAY
    stage.extract()
    assert stage.stored("customers")[changed]["name"] == "Changed since"


def test_a_first_sync_with_clocks_that_disagree_binds_nothing(stage: Stage, wire: Between) -> None:
    wire.seconds_off["/v1/account"] = DAY
    with pytest.raises(StripeUnavailable, match="Stripe's clock cannot be believed"):
        stage.extract()
    assert stage.rows("select count(*) from pipeline.bindings") == [(0,)]


def test_a_sandboxs_clock_is_taken_as_it_is(stage: Stage, wire: Between) -> None:
    wire.is_simulated = True
    stage.pass_time(days=3)
    assert stage.extract().warnings == ()
    assert watermark(stage) > time.time() + 2 * DAY


def dated(moment: float) -> dict[str, str]:
    return {"date": formatdate(moment, usegmt=True)}


def test_a_clock_that_runs_backwards_is_not_believed() -> None:
    clock = StripeClock(lambda: 1_000_000.0)
    assert clock.hear(dated(1_000_250))
    assert clock.hear(dated(1_000_249))
    assert not clock.hear(dated(999_900))
    assert "after it showed" in str(clock.doubt)
    assert clock.now == 1_000_250


@pytest.mark.parametrize(
    ("as_of", "asked", "created", "step"),
    [
        pytest.param(5_000, 5_000, 4_900, Step.NOTHING, id="both clocks say that the answer saw it"),
        pytest.param(95_000, 5_000, 6_000, Step.READ, id="by the date alone it did"),
        pytest.param(5_000, 95_000, 6_000, Step.READ, id="by the date alone it is newer"),
        pytest.param(5_000, 5_000, 6_000, Step.APPLY, id="both clocks say that it is newer"),
    ],
)
def test_an_answer_is_as_old_as_either_clock_says(as_of: int, asked: int, created: int, step: Step) -> None:
    signal = Signal("evt_1", created, "snapshot", True, "hash")
    assert decide(Stored(as_of, "list", False, asked), [signal]).step is step
