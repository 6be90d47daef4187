"""Whatever goes wrong, every planned item ends accepted, rejected, held or due, and nobody is mailed twice."""

from collections import Counter
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from stripe_cio_pipeline.policy import parse_policy
from stripe_cio_pipeline.sandbox import Clock, CustomerioSwitches, Fault, Workspace
from stripe_cio_pipeline.warehouse import Warehouse
from tests.deliver.conftest import MakeWorld, World, event, hold, identify, update

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


@settings(
    deadline=None,
    derandomize=True,
    max_examples=8,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(faults=st.dictionaries(st.integers(2, 14), FAULTS, max_size=10), in_flight=st.integers(1, 6))
def test_the_counts_add_up_under_any_fault(
    gentle_world: World, tmp_path_factory: pytest.TempPathFactory, faults: dict[int, Fault], in_flight: int
) -> None:
    world = gentle_world
    world.runs = 0
    world.workspace.load_state(EMPTY)
    world.warehouse = Warehouse(tmp_path_factory.mktemp("faults") / "warehouse.duckdb")
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
    assert accepted == {person.id for person in world.workspace.people() if person.id}


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
        "select max(operations) from (select request_id, person_id, count(*) as operations"
        " from customerio.writes group by all)"
    )
    assert per_call == [(1,)]
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
