"""Tidying changes nothing that is planned, sent, guarded or explained: two desks live one life, one tidies."""

import json
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from stripe_cio_pipeline.deliver.explain import Explanation, explain
from stripe_cio_pipeline.deliver.tidying import take_away
from stripe_cio_pipeline.errors import PipelineError
from stripe_cio_pipeline.warehouse import next_seq
from tests.plan.conftest import Desk, InMemory

DAY = 86_400
CUSTOMERS = ("cus_a", "cus_b")
EMAILS = ("customer-1@example.com", "customer-2@example.com", None)

step = st.one_of(
    st.tuples(st.just("email"), st.sampled_from(CUSTOMERS), st.sampled_from(EMAILS)),
    st.tuples(st.just("mrr"), st.sampled_from(CUSTOMERS), st.sampled_from((None, 1, 2))),
    st.tuples(st.just("name"), st.sampled_from(CUSTOMERS), st.sampled_from(("one", "two"))),
    st.tuples(st.just("deleted"), st.sampled_from(CUSTOMERS), st.just(True)),
    st.tuples(st.just("event"), st.sampled_from(CUSTOMERS), st.integers(1, 9)),
    st.tuples(st.just("drift"), st.sampled_from(CUSTOMERS), st.sampled_from(("name", "mrr"))),
    st.tuples(st.just("refuse"), st.just(""), st.sets(st.integers(0, 2), max_size=2)),
    st.tuples(st.just("sync"), st.just(""), st.just(0)),
    st.tuples(st.just("wait"), st.just(""), st.sampled_from((0.01, 1, 40, 200, 400))),
    st.tuples(st.just("tidy"), st.just(""), st.just(0)),
)


class Life:
    """A desk; what happens at it is told to a second one in the same words."""

    def __init__(self, *, tidies: bool, on_delete: str) -> None:
        self.desk = Desk(InMemory())
        guard = {"first_load": "send", "max_changed_people": 1, "max_events": 1}
        self.desk.set_policy(identity={"on_delete": on_delete}, guard=guard)
        self.tidies = tidies
        self.told = 0

    def live(self, what: str, customer: str, value: Any) -> None:
        desk = self.desk
        if what == "wait":
            desk.wait(value * DAY)
        elif what == "sync":
            desk.sync()
        elif what == "refuse":
            desk.plan()
            desk.answer(value)
            desk.wait()
        elif what == "event":
            self.told += 1
            desk.event(f"evt_{self.told}", customer, int(desk.at) + value)
            # What follows comes of this event.
            desk.customer(customer, source_event_id=f"evt_{self.told}")
        elif what == "drift":
            self.drift(customer, value)
        elif what == "tidy":
            if self.tidies:
                with desk.warehouse.transaction() as connection:
                    take_away(connection, desk.policy, desk.at)
        else:
            desk.customer(customer, **{what: value})

    def drift(self, customer: str, name: str) -> None:
        """As reading back does: the finding is noted, and the value does not count as accepted any more."""
        desk = self.desk
        with desk.warehouse.transaction() as connection:
            known = connection.execute(
                "select count(*) from customerio.people where person_id = ? and state = 'linked'", [customer]
            ).fetchall()[0][0]
            if known:
                connection.execute(
                    "insert into customerio.verifications values ('v', make_timestamp(?::bigint), ?, 'drift', ?, '')",
                    [int(desk.at * 1e6), customer, name],
                )
                connection.execute(
                    "update customerio.people set attributes = json_merge_patch(attributes, ?::json), seq = ? "
                    "where person_id = ?",
                    [json.dumps({name: None}), next_seq(connection), customer],
                )

    def planned(self) -> tuple[Any, ...]:
        """All that a plan says, its name among it."""
        self.desk.plan()
        rows = [{**row, "position": None} for row in self.desk.rows()]
        assert self.desk.last is not None
        return replace(self.desk.last, seconds=0.0), rows

    def explained(self, customer: str) -> Explanation | None:
        with self.desk.warehouse.reading() as connection:
            try:
                return explain(connection, customer)
            except PipelineError:
                return None


def compare(whole: Life, tidied: Life) -> None:
    assert tidied.planned() == whole.planned()
    for customer in CUSTOMERS:
        before, after = whole.explained(customer), tidied.explained(customer)
        if before is None or after is None:
            assert before is after
            continue
        left_out: dict[str, Any] = {"writes": (), "findings": ()}
        assert replace(after, **left_out) == replace(before, **left_out)
        # Positions are the same at both desks, so that nothing but the calls' names differs.
        assert set(map(told, after.writes)) <= set(map(told, before.writes))
        now = whole.desk.at
        young = [write for write in before.writes if write.sent_at.timestamp() > now - 366 * DAY]
        removals = [write for write in before.writes if write.action in ("delete", "suppress")]
        assert set(map(told, [*young, *removals])) <= set(map(told, after.writes))
        for name in before.attributes:
            newest = [told(write) for write in before.writes if write.outcome == "accepted" and name in write.after][
                -1:
            ]
            assert set(newest) <= set(map(told, after.writes)), name


def told(write: Any) -> str:
    """Everything that `explain` says of a write."""
    return repr(replace(write, request_id=None, status=None))


def play(life: list[tuple[str, str, Any]], on_delete: str) -> int:
    """Live a life at two desks, and give how many writes the tidy one has less."""
    desks = whole, tidied = [Life(tidies=tidies, on_delete=on_delete) for tidies in (False, True)]
    for desk in desks:
        desk.desk.customer(CUSTOMERS[0], email=EMAILS[0])
        desk.desk.sync()
    for step in [*life, ("wait", "", 400), ("tidy", "", 0)]:
        for desk in desks:
            desk.live(*step)
    compare(whole, tidied)
    counts = []
    for desk in desks:
        with desk.desk.warehouse.reading() as connection:
            counts.append(connection.execute("select count(*) from customerio.operations").fetchall()[0][0])
    return int(counts[0] - counts[1])


@pytest.mark.timeout(600)
@settings(max_examples=25, deadline=None, derandomize=True, suppress_health_check=list(HealthCheck))
@given(life=st.lists(step, min_size=3, max_size=5), on_delete=st.sampled_from(("keep", "delete")))
def test_whatever_happened_the_same_is_planned_guarded_and_explained(life, on_delete) -> None:
    play(life, on_delete)


def test_what_was_overwritten_long_ago_is_gone() -> None:
    life: list[tuple[str, str, Any]] = []
    for number in range(4):
        life += [("name", CUSTOMERS[0], f"name {number}"), ("event", CUSTOMERS[0], 1), ("sync", "", 0), ("sync", "", 0)]

    # Three changes of the name, and four events.
    assert play(life, "keep") == 7


@pytest.mark.gauntlet
@pytest.mark.timeout(3_600)
@settings(max_examples=400, deadline=None, suppress_health_check=list(HealthCheck))
@given(life=st.lists(step, min_size=3, max_size=6), on_delete=st.sampled_from(("keep", "delete", "suppress")))
def test_many_lives(life, on_delete) -> None:
    play(life, on_delete)
