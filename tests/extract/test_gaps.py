"""Stripe keeps events for 30 days. Whatever a gap swallowed is listed again: each object type once, when it can be."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from stripe_cio_pipeline.errors import StripeUnavailable
from stripe_cio_pipeline.extract import OBJECTS, Patience
from stripe_cio_pipeline.sandbox import Fault, StripeSwitches
from tests.extract.stage import Lives, Stage

PATHS = {kind.name: kind.path for kind in OBJECTS}


def forty_days(stage: Stage) -> None:
    stage.extract()
    gone = next(iter(stage.stripe.objects("customer")))
    stage.stripe.delete_customer(gone)
    stage.pass_time(days=40)
    stage.settle()


@pytest.fixture
def gap(lives: Lives, tmp_path: Path) -> Iterator[Stage]:
    """An account of which nothing was read for 40 days after the first time."""
    with lives.go_on("a gap", tmp_path, forty_days) as stage:
        stage.stripe.counters.log = []
        yield stage


def listed(stage: Stage) -> set[str]:
    """Which object types were listed since the last look."""
    log, stage.stripe.counters.log = stage.stripe.counters.log, []
    return {name for name, path in PATHS.items() if any(request.startswith(f"GET {path}?") for request in log)}


def test_a_gap_is_healed_and_said_and_a_quiet_run_lists_nothing_any_more(gap: Stage) -> None:
    report = gap.extract()
    assert report.healed_gap
    [told] = [warning for warning in report.warnings if "30 days" in warning]
    assert "customers" in told
    gap.assert_in_step()
    gap.stripe.counters.log = []
    assert not gap.extract().healed_gap
    assert listed(gap) == set()


def test_what_must_be_listed_again_is_remembered_for_each_object_type(gap: Stage) -> None:
    report = gap.extract(objects=["customers"])
    assert report.healed_gap
    assert listed(gap) == {"customers"}
    [told] = [warning for warning in report.warnings if "must still be listed again" in warning]
    assert "charges" in told
    assert "customers" not in told
    assert "must be listed again after such a gap" in gap.peek().reason
    gap.extract()
    assert listed(gap) == set(PATHS) - {"customers"}
    gap.assert_in_step()
    gap.stripe.counters.log = []
    gap.extract()
    assert listed(gap) == set()
    assert gap.peek().reason == "nothing new"


def test_an_object_type_that_may_not_be_read_waits_and_the_others_are_listed_once(gap: Stage) -> None:
    gap.stripe.switches.permissions.discard("rak_charge_read")
    gap.extract(raise_failures=False)
    assert listed(gap) | {"charges"} == set(PATHS)
    for _ in range(2):
        gap.extract(raise_failures=False)
        assert listed(gap) <= {"charges"}
    gap.reconcile(raise_failures=False)
    listed(gap)
    gap.extract(raise_failures=False)
    assert listed(gap) <= {"charges"}
    gap.stripe.switches.permissions.add("rak_charge_read")
    gap.extract()
    assert listed(gap) == {"charges"}
    gap.assert_in_step()
    gap.stripe.counters.log = []
    gap.extract()
    assert listed(gap) == set()


def test_a_feed_that_broke_off_before_its_events_aged_out_loses_none(tmp_path: Path) -> None:
    stage = Stage(tmp_path, customers=60, switches=StripeSwitches(late_events_share=0.0))
    with stage.sandbox:
        stage.extract()
        stage.pass_time(days=1)
        for customer in list(stage.stripe.objects("customer"))[:10]:
            for number in range(30):
                stage.stripe.update_customer(customer, name=f"Name {number}")
        stage.pass_time(days=28)
        # The newest pages come, and then Stripe is away.
        faults = stage.stripe.faults
        for number in range(3, 60):
            faults.at(faults.request_number + number, Fault.error(503))
        with pytest.raises(StripeUnavailable):
            stage.extract(patience=Patience(attempts=2, wait_initial=0.001, wait_max=0.01))
        faults.clear()
        stage.pass_time(days=2)
        report = stage.extract()
        assert report.healed_gap
        stage.assert_in_step()


def test_a_walk_that_broke_off_begins_again_and_stores_each_event_once(tmp_path: Path) -> None:
    stage = Stage(tmp_path, customers=10, switches=StripeSwitches(late_events_share=0.0))
    with stage.sandbox:
        stage.extract()
        stage.pass_time(minutes=20)
        [(watermark,)] = stage.rows("select value from pipeline.cursors where name = 'events.watermark'")
        customer = next(iter(stage.stripe.objects("customer")))
        for number in range(1_000):
            stage.stripe.update_customer(customer, name=f"Name {number}")
        faults = stage.stripe.faults
        for number in range(6, 60):
            faults.at(faults.request_number + number, Fault.error(503))
        with pytest.raises(StripeUnavailable):
            stage.extract(patience=Patience(attempts=1, wait_initial=0.001, wait_max=0.01))
        faults.clear()
        [(kept,)] = stage.rows("select count(*) from stripe.events")
        assert kept >= 100
        assert stage.rows("select value from pipeline.cursors where name = 'events.watermark'") == [(watermark,)]
        report = stage.extract()
        assert report.events + kept >= 1_000
        assert stage.rows("select count(*) - count(distinct id) from stripe.events") == [(0,)]
        stage.assert_in_step()


def test_a_type_that_was_listed_after_what_the_gap_swallowed_is_not_listed_again(stage: Stage) -> None:
    stage.extract(objects=["products"])
    stage.stripe.switches.permissions.discard("rak_event_read")
    stage.pass_time(days=35)
    # Listed on day 35 for the first time, while the feed could not be read; the feed's memory goes back to day 6.
    stage.extract(raise_failures=False, objects=["customers"])
    stage.stripe.switches.permissions.add("rak_event_read")
    stage.pass_time(days=1)
    stage.settle()
    stage.stripe.counters.log = []
    stage.extract(objects=["customers", "products"])
    assert listed(stage) == {"products"}
    for name in ("customers", "products"):
        assert stage.stored(name) == stage.listed(name)
