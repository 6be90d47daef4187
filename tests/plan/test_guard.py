"""What is too large to be sent unasked, and what an approval is worth."""

from collections import Counter
from datetime import UTC, datetime
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from stripe_cio_pipeline.errors import PipelineError
from stripe_cio_pipeline.plan import approve, current_plan, preview
from stripe_cio_pipeline.plan.guard import Measure, Scale, findings
from stripe_cio_pipeline.plan.measuring import Counted, measure
from stripe_cio_pipeline.plan.planning import SQL
from stripe_cio_pipeline.plan.values import PlanCounts
from stripe_cio_pipeline.policy import Guard
from stripe_cio_pipeline.warehouse import Connection, Warehouse, write_cursor
from tests.plan.conftest import InMemory


@pytest.mark.parametrize(
    ("plan", "scale", "guard", "broken"),
    [
        ({"new": 1}, {"first_load": True}, {}, ["first_load"]),
        ({"new": 1}, {"first_load": True}, {"first_load": "send"}, []),
        ({"changed": 20}, {"known": 100}, {}, []),
        ({"changed": 21}, {"known": 100}, {}, ["max_changed_share"]),
        ({"changed": 99}, {"known": 99}, {}, []),
        ({"new": 100}, {"known": 100}, {}, []),
        ({"new": 101}, {"known": 100}, {}, ["assigned_ids"]),
        ({"new": 101}, {"known": 3}, {}, ["assigned_ids"]),
        ({"new": 300}, {"known": 10_000}, {}, []),
        ({"changed": 6, "new": 5}, {}, {"max_changed_people": 10}, ["max_changed_people"]),
        ({"changed": 100, "removed": 100}, {"known": 10_000}, {}, []),
        ({"changed": 101, "removed": 101}, {"known": 10_000}, {}, ["max_deleted_people"]),
        ({"changed": 101, "reassigned": 101}, {"known": 10_000}, {}, ["max_reassigned_ids"]),
        ({"events": 10_000}, {}, {}, []),
        ({"events": 10_001}, {}, {}, ["max_events"]),
        # What was sent in the last hour counts with it, and of what was sent in the last day twice as much may go.
        ({"events": 1}, {"sent": {1: {"events": 9_999}, 24: {"events": 9_999}}}, {}, []),
        ({"events": 1}, {"sent": {1: {"events": 10_000}, 24: {"events": 10_000}}}, {}, ["max_events"]),
        ({"events": 1}, {"sent": {24: {"events": 19_999}}}, {}, []),
        ({"events": 1}, {"sent": {24: {"events": 20_000}}}, {}, ["max_events"]),
        ({"events": 1}, {"sent": {24: {"events": 20_000}}}, {"times_a_day": 3}, []),
        ({"changed": 11}, {"known": 100, "sent": {1: {"changed": 10}}}, {}, ["max_changed_share"]),
        ({"new": 1}, {"known": 9, "sent": {1: {"new": 100}}}, {}, ["assigned_ids"]),
        # Where nothing of it goes now, nothing is asked.
        ({"events": 1}, {"known": 100, "sent": {1: {"changed": 90, "removed": 200}}}, {}, []),
    ],
)
def test_a_plan_breaks_a_rule_only_above_its_limit(plan, scale, guard, broken) -> None:
    sent = {hours: Measure(**numbers) for hours, numbers in scale.pop("sent", {}).items()}
    of = Scale(**{"known": 0, "first_load": False, "sent": sent, **scale})
    assert [finding.rule for finding in findings(Measure(**plan), of, Guard(**guard))] == broken


def test_the_first_load_stops_until_it_is_approved(desk) -> None:
    desk.set_policy(guard={"first_load": "approve"})
    desk.customer("cus_a", email="customer-1@example.com")
    desk.plan()
    assert desk.last.guard.stopped
    assert desk.last.guard.findings[0].examples == ("cus_a",)
    approve(desk.warehouse, desk.last.plan_id)
    with desk.warehouse.reading() as connection:
        standing = current_plan(connection)
    assert standing.guard.approved
    assert not standing.guard.stopped
    desk.plan()
    assert desk.last.guard.approved


def test_d3_what_was_approved_goes_and_only_what_came_since_is_measured(desk) -> None:
    desk.set_policy(guard={"first_load": "approve", "max_changed_people": 1})
    for number in range(5):
        desk.customer(f"cus_{number}", email=f"customer-{number}@example.com")
    desk.plan()
    approve(desk.warehouse, desk.last.plan_id)
    desk.customer("cus_0", name="changed meanwhile")
    desk.plan()
    assert (desk.last.guard.stopped, desk.last.guard.approved) == (False, True)
    assert desk.last.counts.identify == 5

    desk.customer("cus_1", name="changed meanwhile")
    desk.customer("cus_2", name="changed meanwhile")
    desk.plan()
    assert [finding.value for finding in desk.last.guard.findings] == [2]
    assert desk.last.guard.stopped


def test_what_was_approved_is_not_held_against_what_comes_later(desk) -> None:
    desk.set_policy(guard={"first_load": "approve", "max_changed_people": 2})
    people(desk, 5)
    desk.plan()
    approve(desk.warehouse, desk.last.plan_id)
    desk.accept()
    desk.wait()
    change(desk, range(2))
    desk.plan()
    assert not desk.last.guard.findings


def people(desk, number: int) -> None:
    for each in range(len(desk.customers), len(desk.customers) + number):
        desk.customer(f"cus_{each:04}", email=f"customer-{each}@example.com")


def change(desk, numbers) -> None:
    for number in numbers:
        desk.customer(f"cus_{number:04}", name=f"changed at {desk.at}")


def test_d1_a_bad_value_that_comes_in_slices_is_stopped_within_the_hour_and_within_the_day(desk) -> None:
    people(desk, 100)
    desk.sync()
    change(desk, range(17))
    desk.sync()
    change(desk, range(17, 34))
    desk.plan()
    (finding,) = desk.last.guard.findings
    assert (finding.rule, finding.value) == ("max_changed_share", 0.34)
    assert finding.message == "17 of 100 known people change. 17 were sent in the last hour."

    desk.wait(3600)
    desk.sync()
    desk.wait(3600)
    change(desk, range(34, 40))
    desk.sync()
    desk.wait(3600)
    change(desk, range(40, 41))
    desk.plan()
    (finding,) = desk.last.guard.findings
    assert (finding.rule, finding.limit, finding.value) == ("max_changed_share", 0.4, 0.41)
    desk.wait(21 * 3600)
    desk.plan()
    assert not desk.last.guard.findings


def test_who_changes_again_is_counted_once(desk) -> None:
    people(desk, 100)
    desk.sync()
    for _ in range(3):
        change(desk, range(20))
        desk.plan()
        assert not desk.last.guard.findings
        desk.accept()
        desk.wait()


def test_d2_a_first_load_is_not_over_because_a_few_were_sent(desk) -> None:
    desk.set_policy(guard={"first_load": "approve"})
    people(desk, 2)
    desk.plan()
    approve(desk.warehouse, desk.last.plan_id)
    people(desk, 30)
    desk.answer(set())
    desk.wait()
    desk.plan()
    assert [finding.rule for finding in desk.last.guard.findings] == ["first_load"]


def test_d2_many_new_people_are_a_finding_at_any_size(desk) -> None:
    desk.set_policy(guard={"first_load": "approve"})
    people(desk, 5)
    desk.plan()
    approve(desk.warehouse, desk.last.plan_id)
    desk.accept()
    desk.wait()
    assert desk.plan() == []  # the first load is over
    people(desk, 101)
    desk.plan()
    assert [finding.rule for finding in desk.last.guard.findings] == ["assigned_ids"]


LIMITS = {"max_changed_people": 4, "max_deleted_people": 2, "max_events": 3}
#: What of an action counts against which limit.
COUNTED = {
    "max_changed_people": ("identify", "update", "delete"),
    "max_deleted_people": ("delete",),
    "max_events": ("event",),
}
SENT = """
insert into customerio.answers (plan_id, first_position, last_position, sent_at, outcome)
select 'plan', $first, $last, $now, 'accepted'
"""


class Sent:
    """What is planned and sent, straight in the tables that the guard reads: an example takes some milliseconds."""

    def __init__(self, connection: Connection) -> None:
        self.connection = connection
        connection.execute("delete from customerio.operations; delete from customerio.answers")
        connection.execute(SQL["operation_macros"])
        connection.execute(
            "create or replace temp table approved_rows as "
            "select plan_id, action, person_id, event_id, '' as payload_hash from customerio.operations limit 0"
        )
        write_cursor(connection, "plan.loaded", "plan", "run")
        self.last = 0

    def plan(self, rows: list[tuple[str, int]], now: float) -> set[str]:
        """Put this into the plan, and give the rules that it breaks."""
        moment = datetime.fromtimestamp(now, UTC).replace(tzinfo=None)
        self.connection.execute("create or replace temp table terms as select ?::timestamp as now", [moment])
        self.connection.execute("delete from customerio.operations where position > ?", [self.last])
        self.connection.execute(
            "insert into customerio.operations (plan_id, position, action, person_id, event_id, reason, operation) "
            "select 'plan', $last + place, action, person, if(action = 'event', 'evt_' || place, null), 'because', '' "
            "from (select unnest($actions) as action, unnest($people) as person, unnest($places) as place)",
            {
                "last": self.last,
                "actions": [action for action, _ in rows],
                "people": [f"cus_{number}" for _, number in rows],
                "places": list(range(1, len(rows) + 1)),
            },
        )
        actions = [(action, "because", number) for action, number in Counter(action for action, _ in rows).items()]
        counted = Counted(PlanCounts(), known=50, by_reason={}, actions=actions)
        found = measure(
            self.connection, Guard(**LIMITS), counted, table="customerio.operations", start=self.last, is_approved=False
        )
        return {finding.rule for finding in found.findings}

    def accept(self, items: int, now: float) -> None:
        moment = datetime.fromtimestamp(now, UTC).replace(tzinfo=None)
        self.connection.execute(SENT, {"first": self.last + 1, "last": self.last + items, "now": moment})
        self.last += items


@pytest.fixture(scope="module")
def tables() -> Warehouse:
    return InMemory()


def broken(rows: list[tuple[str, int]], now: float, before: list[tuple[float, list[tuple[str, int]]]]) -> set[str]:
    """Work out anew which limits this is over, with what was sent before."""
    found = set()
    for rule, actions in COUNTED.items():
        for hours, times in ((1, 1), (24, 2)):
            lately = [row for at, many in before if at > now - hours * 3600 for row in many]
            # Whoever is new and changes later counts as both, and an event counts every time.
            told = [
                (action == "identify", number) if action != "event" else (place, number)
                for place, (action, number) in enumerate([*rows, *lately])
                if action in actions
            ]
            if any(action in actions for action, _ in rows) and len(set(told)) > LIMITS[rule] * times:
                found.add(rule)
    return found


planned = st.lists(
    st.tuples(st.sampled_from(["identify", "update", "delete", "event"]), st.integers(0, 7)),
    min_size=1,
    max_size=4,
    unique_by=lambda row: (row[0] == "event") or row[1],
)
slicings = st.lists(st.tuples(planned, st.sampled_from([60, 900, 3600, 4 * 3600])), min_size=3, max_size=7)


def play_slices(tables: Warehouse, slices: list[tuple[list[tuple[str, int]], int]]) -> None:
    now = 1_800_000_000.0
    before: list[tuple[float, list[tuple[str, int]]]] = []
    with tables.transaction() as connection:
        sent = Sent(connection)
        for rows, seconds in slices:
            rules = sent.plan(rows, now)
            assert rules == broken(rows, now, before)
            if not rules:
                sent.accept(len(rows), now)
                before.append((now, rows))
            now += seconds


@settings(max_examples=30, deadline=None, derandomize=True)
@given(slices=slicings)
def test_no_slicing_of_a_change_into_syncs_sends_more_than_the_limit(tables, slices) -> None:
    play_slices(tables, slices)


@pytest.mark.gauntlet
@pytest.mark.timeout(1_800)
@settings(max_examples=1_000, deadline=None)
@given(slices=slicings)
def test_no_slicing_of_many_sends_more_than_the_limit(tables, slices) -> None:
    play_slices(tables, slices)


@pytest.mark.gauntlet
@pytest.mark.timeout(1_800)
@settings(max_examples=200, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    slices=st.lists(
        st.tuples(st.integers(0, 8), st.integers(1, 4), st.sampled_from([60, 900, 3600, 4 * 3600])),
        min_size=3,
        max_size=10,
    )
)
def test_no_slicing_into_whole_plans_sends_more_than_the_limit(open_desk, slices) -> None:
    desk = open_desk()
    people(desk, 12)
    desk.sync()
    desk.set_policy(guard={"max_changed_people": 4})
    sent: list[tuple[float, set[str]]] = []
    for first, number, seconds in slices:
        change(desk, range(first, first + number))
        desk.plan()
        changing = {row["person_id"] for row in desk.rows()}
        if not desk.last.guard.stopped:
            desk.accept()
            sent.append((desk.at, changing))
        desk.wait(seconds)
    for hours, most in ((1, 4), (24, 8)):
        for end, _ in sent:
            lately = [who for at, who in sent if end - hours * 3600 < at <= end]
            assert len(set().union(*lately)) <= most


def test_an_approval_counts_for_what_is_left_of_an_interrupted_delivery(desk) -> None:
    desk.set_policy(guard={"max_changed_people": 1, "first_load": "approve"})
    desk.customer("cus_a", email="customer-1@example.com")
    desk.customer("cus_b", email="customer-2@example.com")
    desk.plan()
    approve(desk.warehouse, desk.last.plan_id)
    desk.customer("cus_b", email="customer-2@example.com", deleted=True)
    desk.plan()
    assert desk.last.counts.identify == 1
    assert desk.last.guard.approved


def test_only_the_plan_that_stands_can_be_approved(desk) -> None:
    with pytest.raises(PipelineError, match="no plan is waiting"):
        approve(desk.warehouse, "0" * 32)
    desk.customer("cus_a", email="customer-1@example.com")
    desk.plan()
    with pytest.raises(PipelineError, match=desk.last.plan_id):
        approve(desk.warehouse, "0" * 32)


@pytest.mark.file_is_shared
def test_a_preview_is_the_plan_that_would_be_made_and_writes_nothing(desk_on_disk) -> None:
    desk = desk_on_disk
    desk.customer("cus_a", email="customer-1@example.com")
    desk.customer("cus_b", email="customer-2@example.com")
    desk.model()
    file = Path(desk.warehouse.location)
    before = file.read_bytes()
    seen = preview(desk.warehouse, desk.policy, limit=1, now=lambda: desk.at)
    assert file.read_bytes() == before
    assert len(seen.rows) == 1
    assert seen.rows[0].after["email"].endswith("@example.com")
    desk.plan()
    assert desk.last.plan_id == seen.plan.plan_id
    assert desk.last.counts == seen.plan.counts
