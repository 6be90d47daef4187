"""Whatever goes wrong, every planned item ends accepted, rejected, held or due, and nobody is mailed twice."""

from collections import Counter
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from stripe_cio_pipeline.policy import parse_policy
from stripe_cio_pipeline.sandbox import Clock, CustomerioSwitches, Fault, Workspace
from stripe_cio_pipeline.warehouse import Warehouse
from tests.deliver.conftest import QUICK, MakeWorld, World, event, hold, identify, update

FILLER = {f"field_{number}": "f" * 900 for number in range(20)}


def adds_up(world: World, report: Any) -> None:
    assert report.planned == report.accepted + report.rejected + report.held + report.due
    left = Counter(dict(world.ask("select action, count(*) from customerio.plan group by all")))
    assert report.held == left.pop("hold", 0)
    assert report.due == left.total()
    outcomes = dict(world.ask("select outcome, count(*) from customerio.writes group by all"))
    assert report.accepted == outcomes.get("accepted", 0)
    assert report.rejected == outcomes.get("rejected", 0)
    assert report.requests == world.ask("select count(*) from customerio.requests")[0][0]


@pytest.fixture
def gentle_world(make_world: MakeWorld) -> World:
    return make_world(gentle=True)


#: A workspace without anybody, as one that is saved.
EMPTY = Workspace(CustomerioSwitches.gentle(), Clock(1_800_000_000.0)).save_state()

FAULTS = st.sampled_from(
    [
        Fault.error(400),
        Fault.error(408),
        Fault.error(413),
        Fault.error(500),
        Fault.error(503),
        Fault.rate_limited(),
        Fault.rate_limited(retry_after=0.001),
        Fault.reset_before(),
        Fault.reset_after(),
        Fault.reset_mid_body(),
        Fault.truncated(),
        Fault.not_a_list(),
        Fault.reject(people=["customer-3@example.com", "customer-17@example.com"]),
    ]
)


def suffer(world: World, folder: Path, faults: dict[int, Fault], in_flight: int) -> None:
    """Deliver a plan through faults at these calls, then what is left of it without any."""
    world.runs = 0
    world.workspace.load_state(EMPTY)
    world.warehouse = Warehouse(folder / "warehouse.duckdb")
    world.policy = parse_policy({"customerio": {"requests_per_second": 1000, "in_flight": in_flight}})
    world.plan(
        *(identify(number, **FILLER) for number in range(1, 60)),
        identify(60, plan="x" * 1001),
        identify(61, **{f"field_{number}": "f" * 900 for number in range(40)}),
        hold(62),
    )
    for number, fault in faults.items():
        world.workspace.faults.at(world.workspace.faults.request_number + number, fault)

    report = world.deliver()
    adds_up(world, report)
    world.workspace.faults.clear()

    if report.due:
        again = world.deliver()
        assert again.due == 0
        assert again.accepted + again.rejected == report.due
    accepted = {row[0] for row in world.ask("select person_id from customerio.people")}
    there = {person.id for person in world.workspace.people() if person.id}
    assert accepted <= there
    # Who is there and does not count as accepted was refused after an answer had been lost.
    assert there - accepted <= {row[0] for row in world.ask("select person_id from customerio.rejections")}


SOME_FAULTS = st.dictionaries(st.integers(2, 14), FAULTS, max_size=10)
IN_FLIGHT = st.integers(1, 6)
UNHURRIED = settings(
    deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow], max_examples=25
)


@settings(UNHURRIED, derandomize=True)
@given(faults=SOME_FAULTS, in_flight=IN_FLIGHT)
def test_the_counts_add_up_under_any_fault(
    gentle_world: World, tmp_path_factory: pytest.TempPathFactory, faults: dict[int, Fault], in_flight: int
) -> None:
    suffer(gentle_world, tmp_path_factory.mktemp("faults"), faults, in_flight)


@pytest.mark.gauntlet
@pytest.mark.timeout(3_600)
@settings(UNHURRIED, max_examples=400)
@given(faults=SOME_FAULTS, in_flight=IN_FLIGHT)
def test_the_counts_add_up_under_very_many_faults(
    gentle_world: World, tmp_path_factory: pytest.TempPathFactory, faults: dict[int, Fault], in_flight: int
) -> None:
    suffer(gentle_world, tmp_path_factory.mktemp("faults"), faults, in_flight)


def test_an_answer_that_was_lost_is_repeated_with_the_same_timestamp_and_counts_once(world: World) -> None:
    world.plan(identify(1), identify(2))
    world.workspace.faults.at(2, Fault.reset_after())

    report = world.deliver()
    assert (report.accepted, report.due) == (2, 0)
    world.workspace.settle()
    assert len(world.workspace.people()) == 2
    assert world.workspace.activities("skipped_update") == []
    assert [row[0] for row in world.ask("select status from customerio.requests where items > 0 order by attempt")] == [
        None,
        200,
    ]


def test_a_whole_batch_refused_for_its_number_of_items_is_halved(make_world: MakeWorld) -> None:
    world = make_world(gentle=True, max_operations=10)
    report = world.deliver(*(identify(number) for number in range(1, 38)))

    assert (report.accepted, report.rejected, report.due) == (37, 0, 0)
    assert len(world.workspace.people()) == 37


def test_a_batch_in_which_everything_is_bad_is_rejected_whatever_the_status(make_world: MakeWorld) -> None:
    for status in (207, 400):
        world = make_world(gentle=True, all_invalid_status=status)
        report = world.deliver(*(identify(number, plan="x" * 1001) for number in range(1, 6)))
        assert (report.rejected, report.due) == (5, 0)
    assert world.ask("select attempts, count(*) from customerio.rejections group by all") == [(2, 5)]


def test_a_429_slows_the_pace_and_its_pause_is_kept(make_world: MakeWorld) -> None:
    world = make_world(gentle=True)
    world.plan(*(identify(number, **FILLER) for number in range(1, 100)))
    world.workspace.faults.at(3, Fault.rate_limited(retry_after=0.3))

    report = world.deliver()
    assert (report.accepted, report.throttled) == (99, 1)
    ((pause,),) = world.ask(
        "select min(later.sent_at - first.sent_at) from customerio.requests as first, customerio.requests as later"
        " where first.status = 429"
        " and later.sent_at > first.sent_at + to_seconds(first.seconds) + interval 5 millisecond"
    )
    assert pause.total_seconds() >= 0.3


def test_one_person_has_one_operation_in_a_batch_and_events_keep_their_order(make_world: MakeWorld) -> None:
    world = make_world(gentle=True)
    world.deliver(*(identify(number) for number in range(1, 5)))
    rows = [update(number, {}, plan="pro") for number in range(1, 5)]
    for turn in range(3):
        rows += [event(number, f"evt_{number}_{turn}", created=1_800_000_000 + turn) for number in range(1, 5)]
    report = world.deliver(*rows)

    assert (report.accepted, report.events_accepted) == (16, 12)
    per_call = world.ask(
        "select action = 'event', max(operations) from (select action, request_id, person_id, count(*) as operations"
        " from customerio.writes group by all) group by all order by all"
    )
    assert per_call == [(False, 1), (True, 3)]
    sent = [(one.person_id, one.timestamp) for one in world.workspace.events()]
    for number in range(1, 5):
        times = [time for person, time in sent if person == f"cus_{number:06}"]
        assert times == sorted(times)
        assert len(times) == 3


def test_events_wait_for_their_persons_change_and_for_earlier_events(make_world: MakeWorld) -> None:
    world = make_world(gentle=True, policy=parse_policy({"customerio": {"requests_per_second": 1000, "in_flight": 4}}))
    world.deliver(identify(1), identify(2))
    world.plan(update(1, {}, plan="pro"), event(1, "evt_1"), event(2, "evt_2"), event(2, "evt_3"))
    # The change of person 1 finds no answer; then neither does the first event of person 2.
    for number in range(4, 10):
        world.workspace.faults.at(number, Fault.error(503))

    report = world.deliver()
    assert (report.accepted, report.due) == (0, 4)
    assert world.workspace.events() == []
    report = world.deliver()
    assert (report.accepted, report.due) == (4, 0)


def test_refusals_of_everything_without_a_word_stop_the_run_and_reject_nothing(world: World) -> None:
    world.plan(*(identify(number) for number in range(320)))
    world.workspace.faults.rate(1.0, Fault.error(400), path="/api/v2")

    report = world.deliver()

    assert (report.accepted, report.rejected, report.due) == (0, 0, 320)
    assert report.problem is not None
    assert "does not say why" in report.problem
    assert report.requests == 12  # which region, the batch, and ten alone
    assert world.ask("select count(*) from customerio.rejections") == [(0,)]
    world.workspace.faults.clear()
    report = world.deliver()
    assert (report.accepted, report.rejected, report.due) == (320, 0, 0)


def test_items_that_are_refused_without_a_word_are_found_among_those_that_are_not(make_world: MakeWorld) -> None:
    world = make_world(gentle=True)
    bad = {f"customer-{number}@example.com" for number in range(0, 320, 32)}  # all that are tried alone
    world.workspace.switches.refuse = dict.fromkeys(bad - {"customer-0@example.com"}, "no")
    world.plan(*(identify(number) for number in range(320)))
    world.workspace.faults.at(2, Fault.error(400))

    report = world.deliver()

    assert (report.accepted, report.rejected, report.due) == (311, 9, 0)


def test_many_events_of_one_person_go_out_in_few_calls_and_in_their_order(make_world: MakeWorld) -> None:
    world = make_world(gentle=True)
    world.deliver(*(identify(number) for number in range(3)))
    rows = [
        event(number, f"evt_{number}_{turn}", created=1_800_000_000 + turn, pad="p" * 600)
        for turn in range(600)
        for number in range(3)
    ]
    world.plan(*rows)
    # A call is refused as a whole, for nothing that is in it: its parts are sent in their order too.
    world.workspace.faults.at(world.workspace.faults.request_number + 3, Fault.error(413))

    report = world.deliver()

    assert (report.events_accepted, report.due) == (1800, 0)
    assert report.requests < 40
    for number in range(3):
        sent = [one.timestamp for one in world.workspace.events() if one.person_id == f"cus_{number:06}"]
        assert sent == list(range(1_800_000_000, 1_800_000_600))


def test_events_of_several_people_in_one_call_are_each_sent_once_however_they_lie_in_the_plan(
    make_world: MakeWorld,
) -> None:
    world = make_world(gentle=True)
    world.deliver(identify(1), identify(2))
    # By person they go out as first, fourth, second, third.
    world.plan(event(1, "evt_a"), event(2, "evt_b"), event(2, "evt_c"), event(1, "evt_d"))

    report = world.deliver()

    assert (report.events_accepted, report.accepted, report.due) == (4, 4, 0)
    assert world.workspace.counters["events.duplicate"] == 0
    assert world.ask("select sum(items) from customerio.requests where plan_id = ?", report.plan_id) == [(4,)]


def test_no_event_overtakes_one_of_the_same_person_that_found_no_answer(make_world: MakeWorld) -> None:
    world = make_world(gentle=True)
    world.deliver(identify(1), identify(2))
    many = [event(1, f"evt_{turn}", created=1_800_000_000 + turn, pad="p" * 5_000) for turn in range(200)]
    world.plan(*many, event(2, "evt_other"))
    # The first call of events finds no answer; 200 of them need several.
    for number in range(2, 5):
        world.workspace.faults.at(world.workspace.faults.request_number + number, Fault.error(503))

    report = world.deliver()

    assert report.due > 0
    assert [one for one in world.workspace.events() if one.person_id == "cus_000001"] == []
    assert world.deliver().due == 0
    sent = [one.timestamp for one in world.workspace.events() if one.person_id == "cus_000001"]
    assert sent == [1_800_000_000 + turn for turn in range(200)]


def test_the_second_half_of_a_call_waits_where_the_first_found_no_answer(make_world: MakeWorld) -> None:
    world = make_world(gentle=True)
    world.deliver(identify(1))
    world.plan(*(event(1, f"evt_{turn}", created=1_800_000_000 + turn) for turn in range(40)))
    before = world.workspace.faults.request_number
    world.workspace.faults.at(before + 2, Fault.error(413))
    # Ten went out alone, in their order; then comes the first half of the rest.
    for number in range(13, 13 + QUICK.attempts):
        world.workspace.faults.at(before + number, Fault.error(503))

    report = world.deliver()

    assert (report.accepted, report.due) == (10, 30)
    assert world.deliver().due == 0
    sent = [one.timestamp for one in world.workspace.events()]
    assert sent == [1_800_000_000 + turn for turn in range(40)]
