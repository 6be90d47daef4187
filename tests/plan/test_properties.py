"""Whatever happens in whatever order: the same plan from a part as from everything, one owner per email."""

import json
from collections import Counter
from typing import Any

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from stripe_cio_pipeline.plan import preview
from stripe_cio_pipeline.plan.values import PlanCounts
from stripe_cio_pipeline.warehouse import next_seq

CUSTOMERS = ("cus_a", "cus_b", "cus_c", "cus_d")
EMAILS = (None, "customer-1@example.com", "CUSTOMER-1@example.com ", "customer-2@example.com", "customer-3@example.com")

#: Whoever was removed is forgotten.
UNKNOWN_OWNERS = """
select email_key, person_id from model.members where role = 'owner' and email_key is not null
except
select email_key, person_id from model.owners
except
select m.email_key, m.person_id
from model.members as m
semi join customerio.people as l on l.person_id = m.person_id and l.state in ('deleted', 'suppressed')
"""

step = st.one_of(
    st.tuples(st.just("email"), st.sampled_from(CUSTOMERS), st.sampled_from(EMAILS)),
    st.tuples(st.just("mrr"), st.sampled_from(CUSTOMERS), st.sampled_from((None, 1, 2))),
    st.tuples(st.just("status"), st.sampled_from(CUSTOMERS), st.sampled_from((None, "active"))),
    st.tuples(st.just("deleted"), st.sampled_from(CUSTOMERS), st.just(True)),
    st.tuples(st.just("event"), st.sampled_from(CUSTOMERS), st.integers(1, 9)),
    st.tuples(st.just("conflict"), st.sampled_from(CUSTOMERS), st.sampled_from(("email_taken", "email_locked"))),
    st.tuples(st.just("look"), st.just(""), st.none()),
    st.tuples(st.just("accept"), st.just(""), st.sampled_from((1, 31))),
    st.tuples(st.just("refuse"), st.just(""), st.sets(st.integers(0, 5), min_size=1, max_size=3)),
    st.tuples(st.just("drift"), st.sampled_from(CUSTOMERS), st.just("name")),
)
#: Nobody may have the email yet that one gives up and two want.
GIVEN_UP_A_MOMENT_AGO = [
    ("email", "cus_a", None),
    ("email", "cus_b", "customer-1@example.com"),
    ("accept", "", 1),
    ("email", "cus_a", "customer-1@example.com"),
]
policies = st.fixed_dictionaries({"merge": st.booleans(), "on_delete": st.sampled_from(("keep", "delete"))})


def counted(counts: PlanCounts) -> int:
    return sum(
        getattr(counts, name)
        for name in ("identify", "update", "delete", "suppress", "merge", "hold", "waiting", "rejected", "keep")
    )


def change(desk, what: str, customer: str, value) -> None:
    if what == "event":
        with desk.warehouse.reading() as connection:
            seen = connection.execute("select count(*) from model.events").fetchone()[0]
        desk.event(f"evt_{seen}", customer, int(desk.at) + value)
    elif what == "conflict":
        with desk.warehouse.reading() as connection:
            known = connection.execute(
                "select count(*) from customerio.people where person_id = ? and state = 'linked'", [customer]
            ).fetchone()[0]
        if known:
            desk.change_ledger(customer, state="conflict", reason=value)
    elif what == "drift":
        with desk.warehouse.transaction() as connection:
            connection.execute(
                "update customerio.people set attributes = json_merge_patch(attributes, '{\"name\":null}'), seq = ? "
                "where person_id = ? and state = 'linked'",
                [next_seq(connection), customer],
            )
    elif what == "look":
        pass
    elif what == "accept":
        desk.plan()
        desk.accept()
        desk.wait(value)
    elif what == "refuse":
        answer_in_part(desk, value)
    else:
        desk.customer(customer, **{what: value})


def answer_in_part(desk, refused: set[int]) -> None:
    """Customer.io takes a part of the plan: of that nothing is planned again, and neither is what it has refused."""
    desk.plan()
    sent = [row for row in desk.rows() if row["action"] != "hold"]
    desk.answer(refused)
    desk.wait()
    desk.plan()
    left = {(row["action"], row["person_id"], row["event_id"], json.dumps(row["after"])) for row in desk.rows()}
    again = [
        row for row in sent if (row["action"], row["person_id"], row["event_id"], json.dumps(row["after"])) in left
    ]
    assert again == [], "what was answered is planned again"


def look(desk) -> None:
    """Hold what must be true at every moment. A plan from a part stands afterwards."""
    desk.model()
    whole = preview(desk.warehouse, desk.policy, now=lambda: desk.at, full=True).plan
    desk.plan()
    part = desk.last
    assert (part.plan_id, part.counts, part.by_reason) == (whole.plan_id, whole.counts, whole.by_reason)
    assert counted(part.counts) == part.counts.people
    with desk.warehouse.reading() as connection:
        owners = connection.execute(
            "select count(*), count(distinct coalesce(email_key, customer_id)) from model.members where role = 'owner'"
        ).fetchone()
        held = connection.execute(
            "select count(lower(email)), count(distinct lower(email)) from customerio.people "
            "where state in ('linking', 'linked')"
        ).fetchone()
    assert owners[0] == owners[1]
    assert held[0] == held[1], "two people in the ledger have one email"


def whole(row: dict[str, Any]) -> bool:
    """Whether an operation says all that there is to say of a person: an identifier travels alone."""
    return row["action"] in {"identify", "update"} and row["reason"] in {
        "linked_by_email",
        "identified_without_email",
        "attributes_changed",
    }


def nothing_is_left(desk) -> list[str]:
    """Hold that plan and acceptance leave nothing: the ledger has what the model wants. Gives the rest."""
    # An email that somebody gave up a moment ago may still be in the way at Customer.io, so it comes a plan later.
    desk.wait()
    desk.plan()
    sent = {row["person_id"] for row in desk.rows() if whole(row)}
    events = {row["event_id"] for row in desk.rows() if row["event_id"]}
    desk.accept()
    desk.wait()
    planned: list[str] = desk.plan(full=True)
    assert not {row["event_id"] for row in desk.rows() if row["event_id"]} & events
    assert not [row for row in desk.rows() if row["person_id"] in sent and row["action"] not in {"hold", "event"}]
    return planned


def play(desk, steps, identity) -> None:
    desk.set_policy(identity=identity)
    desk.customer(CUSTOMERS[0], email=EMAILS[1])
    desk.sync()
    for step in steps:
        change(desk, *step)
        if step[0] in {"look", "conflict", "drift"}:
            look(desk)
    look(desk)
    assert nothing_is_left(desk) == desk.plan(), "planning twice gives two plans"
    once = Counter(row["person_id"] for row in desk.rows() if row["action"] != "event")
    assert set(once.values()) <= {1}, "two operations for one person in one plan"
    for _ in range(8):
        if all(row["action"] == "hold" for row in desk.rows()) and desk.last.counts.waiting == 0:
            break
        desk.accept()
        desk.wait()
        desk.plan()
    else:
        pytest.fail("there is always something left to send")
    with desk.warehouse.reading() as connection:
        assert connection.execute(UNKNOWN_OWNERS).fetchall() == [], "an owner of an email was not noted"


@pytest.mark.timeout(600)
@settings(max_examples=25, deadline=None, derandomize=True, suppress_health_check=list(HealthCheck))
@given(steps=st.lists(step, min_size=3, max_size=6), identity=policies)
@example(steps=GIVEN_UP_A_MOMENT_AGO, identity={"merge": False, "on_delete": "keep"})
def test_any_sequence_of_changes_and_answers_is_planned_the_same_from_a_part_and_ends(
    open_desk, steps, identity
) -> None:
    play(open_desk(), steps, identity)


@pytest.mark.gauntlet
@pytest.mark.timeout(3_600)
@settings(max_examples=400, deadline=None, suppress_health_check=list(HealthCheck))
@given(steps=st.lists(step, min_size=3, max_size=9), identity=policies)
def test_many_sequences_of_changes_and_answers(open_desk, steps, identity) -> None:
    play(open_desk(), steps, identity)
