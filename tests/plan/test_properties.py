"""Whatever happens in whatever order: the same plan from a part as from everything, one owner per email."""

from collections import Counter

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from stripe_cio_pipeline.plan import preview
from stripe_cio_pipeline.plan.values import PlanCounts

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

changes = st.lists(
    st.one_of(
        st.tuples(st.just("email"), st.sampled_from(CUSTOMERS), st.sampled_from(EMAILS)),
        st.tuples(st.just("mrr"), st.sampled_from(CUSTOMERS), st.sampled_from((None, 1, 2))),
        st.tuples(st.just("status"), st.sampled_from(CUSTOMERS), st.sampled_from((None, "active"))),
        st.tuples(st.just("deleted"), st.sampled_from(CUSTOMERS), st.just(True)),
        st.tuples(st.just("event"), st.sampled_from(CUSTOMERS), st.integers(1, 9)),
        st.tuples(st.just("conflict"), st.sampled_from(CUSTOMERS), st.sampled_from(("email_taken", "email_locked"))),
        st.tuples(st.just("plan"), st.just(""), st.none()),
        st.tuples(st.just("accept"), st.just(""), st.sampled_from((1, 31))),
    ),
    min_size=3,
    max_size=9,
)
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
    elif what == "plan":
        desk.plan()
    elif what == "accept":
        desk.plan()
        desk.accept()
        desk.wait(value)
    else:
        desk.customer(customer, **{what: value})


def look(desk) -> None:
    """Hold what must be true at every moment."""
    desk.model()
    part = preview(desk.warehouse, desk.policy, now=lambda: desk.at).plan
    whole = preview(desk.warehouse, desk.policy, now=lambda: desk.at, full=True).plan
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


@settings(max_examples=5, deadline=None, derandomize=True, suppress_health_check=list(HealthCheck))
@given(steps=changes, identity=policies)
def test_any_sequence_of_changes_is_planned_the_same_from_a_part_as_from_everything(open_desk, steps, identity) -> None:
    desk = open_desk()
    desk.set_policy(identity=identity)
    desk.customer(CUSTOMERS[0], email=EMAILS[1])
    desk.sync()
    for step in steps:
        change(desk, *step)
        if step[0] in {"plan", "accept", "conflict"}:
            look(desk)
    look(desk)
    assert desk.plan() == desk.plan(), "planning twice gives two plans"
    once = Counter(row["person_id"] for row in desk.rows() if row["action"] != "event")
    assert set(once.values()) <= {1}, "two operations for one person in one plan"
    for _ in range(6):
        desk.sync()
    assert [line for line in desk.plan() if desk.row(line.split()[0])["action"] != "hold"] == []
    with desk.warehouse.reading() as connection:
        assert connection.execute(UNKNOWN_OWNERS).fetchall() == [], "an owner of an email was not noted"
