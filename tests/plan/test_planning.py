"""Events, rejections, attributes that come and go, and the other strategies."""

import json

import duckdb
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from stripe_cio_pipeline.plan import REASONS, planning
from stripe_cio_pipeline.plan.planning import SQL
from stripe_cio_pipeline.warehouse import Connection, write_cursor
from tests.plan.ulids import event_ulid

NOW = 1_800_000_000


def test_an_event_waits_until_its_person_is_linked_and_settled(desk) -> None:
    desk.customer("cus_a", email="customer-1@example.com")
    desk.set_policy(events={"since": "2026-01-01T00:00:00Z"})
    desk.event("evt_1", "cus_a", NOW)
    assert desk.plan() == ["cus_a linked_by_email"]
    desk.accept()
    desk.wait(29)
    assert desk.plan() == []
    assert desk.last.counts.waiting_events == 1
    desk.wait(2)
    assert desk.plan() == ["cus_a event_forwarded"]
    assert desk.row("cus_a")["operation"] == {
        "type": "person",
        "identifiers": {"id": "cus_a"},
        "action": "event",
        "name": "invoice.paid",
        "id": event_ulid("evt_1", NOW),
        "timestamp": NOW,
        "attributes": {"amount": 10.5},
    }
    desk.accept()
    assert desk.plan() == []


def test_updates_go_before_events_and_events_in_their_order(desk) -> None:
    desk.set_policy(events={"since": "2026-01-01T00:00:00Z"})
    desk.customer("cus_a", email="customer-1@example.com")
    desk.sync()
    desk.event("evt_late", "cus_a", NOW + 2)
    desk.event("evt_early", "cus_a", NOW + 1)
    desk.customer("cus_a", mrr=5)
    desk.plan()
    assert [row["event_id"] for row in desk.rows()] == [None, "evt_early", "evt_late"]


@pytest.mark.parametrize("table", ["changes", "decisions", "planned_events"])
def test_where_nobody_is_decided_about_the_tables_are_as_where_somebody_is(desk, table: str) -> None:
    desk.set_policy(events={"since": "2026-01-01T00:00:00Z"})
    desk.customer("cus_a", email="customer-1@example.com")
    desk.sync()
    desk.customer("cus_a", mrr=5)
    desk.customer("cus_b", email="customer-2@example.com")
    desk.event("evt_1", "cus_a", NOW)
    desk.model()
    with desk.warehouse.transaction() as connection:
        planning._Planning(connection, desk.policy, desk.at).decide()
        assert connection.execute(f"select count(*) > 0 from {table}").fetchall() == [(True,)]
        made = described(connection, table)
        connection.execute(SQL[f"no_{table}"])
        empty = described(connection, table)
    assert empty == {name: made[name] for name in empty}


def described(connection: Connection, table: str) -> dict[str, str]:
    return {name: kind for name, kind, *_ in connection.execute(f"describe {table}").fetchall()}


def test_where_many_have_moved_everybody_is_looked_at_and_the_plan_is_the_same(desk, monkeypatch) -> None:
    desk.customer("cus_a", email="customer-1@example.com")
    desk.customer("cus_b", email="customer-2@example.com")
    desk.sync()
    desk.customer("cus_a", mrr=5)
    assert desk.plan() == ["cus_a attributes_changed"]
    part = desk.last
    monkeypatch.setattr("stripe_cio_pipeline.plan.planning.MANY", 1)
    desk.customer("cus_b", name="moved")
    desk.plan()
    desk.customer("cus_b", name="cus_b")
    assert desk.plan() == ["cus_a attributes_changed"]
    assert (part.full, desk.last.full) == (False, True)
    assert (part.plan_id, part.counts) == (desk.last.plan_id, desk.last.counts)


def test_events_from_before_the_beginning_and_of_other_types_stay_here(desk) -> None:
    desk.set_policy(events={"since": "2027-01-15T08:00:00Z", "forward": ["invoice.paid"]})
    desk.customer("cus_a", email="customer-1@example.com")
    desk.sync()
    desk.event("evt_old", "cus_a", NOW - 1)
    desk.event("evt_other", "cus_a", NOW, "charge.refunded")
    desk.event("evt_new", "cus_a", NOW)
    desk.plan()
    assert [row["event_id"] for row in desk.rows()] == ["evt_new"]


def test_an_event_of_a_person_whose_id_changes_waits(desk) -> None:
    desk.set_policy(events={"since": "2026-01-01T00:00:00Z"})
    desk.customer("cus_a", email="customer-1@example.com")
    desk.customer("cus_b", email="customer-1@example.com")
    desk.sync()
    desk.change_ledger("cus_a", cio_id="a300")
    desk.event("evt_1", "cus_b", NOW)
    desk.customer("cus_a", deleted=True)
    assert desk.sync() == ["cus_b owner_replaced"]
    assert "cus_b event_forwarded" in desk.sync()


@settings(max_examples=25, deadline=None, derandomize=True)
@given(st.text(min_size=1, max_size=30), st.integers(0, 4_000_000_000))
def test_sql_and_python_give_an_event_the_same_ulid(event_id: str, created: int) -> None:

    with duckdb.connect() as connection:
        connection.execute(SQL["event_ulid"])
        found = connection.execute("select event_ulid(?::varchar, ?::bigint)", [event_id, created]).fetchone()
    assert found == (event_ulid(event_id, created),)


def test_what_was_turned_down_is_planned_again_when_it_changes(desk) -> None:
    desk.customer("cus_a", email="customer-1@example.com", name="bad")
    desk.plan()
    turned_down = desk.row("cus_a")["payload_hash"]
    with desk.warehouse.transaction() as connection:
        connection.execute(
            "insert into customerio.rejections (action, person_id, reason, payload_hash, first_at, last_at, attempts) "
            "values ('identify', 'cus_a', 'invalid', ?, now()::timestamp, now()::timestamp, 1)",
            [turned_down],
        )
    assert desk.plan() == []
    assert (desk.last.counts.rejected, desk.last.by_reason) == (1, {"rejected_before": 1})
    desk.customer("cus_a", name="good")
    assert desk.plan() == ["cus_a linked_by_email"]
    desk.customer("cus_a", name="bad")
    with desk.warehouse.transaction() as connection:
        connection.execute("update customerio.rejections set payload_hash = null")
    assert desk.plan() == ["cus_a linked_by_email"]


def test_an_email_that_was_turned_down_does_not_stand_in_the_way_of_the_rest(desk) -> None:
    desk.customer("cus_a", email="customer-1@example.com")
    desk.sync()
    desk.customer("cus_a", email="customer-2@example.com", mrr=5)
    desk.plan()
    with desk.warehouse.transaction() as connection:
        connection.execute(
            "insert into customerio.rejections (action, person_id, reason, payload_hash, first_at, last_at, attempts) "
            "select action, person_id, 'invalid', payload_hash, now()::timestamp, now()::timestamp, 1 "
            "from customerio.plan"
        )
    assert desk.sync() == ["cus_a attributes_changed"]
    assert desk.sync() == []
    assert desk.last.by_reason == {"email_rejected": 1}


@pytest.mark.parametrize(("policy", "planned"), [("unset", ["cus_a attributes_changed"]), ("leave", [])])
def test_an_attribute_whose_column_is_taken_out_is_unset_or_left(desk, policy: str, planned: list[str]) -> None:
    desk.set_policy(customerio={"removed_attribute": policy})
    desk.customer("cus_a", email="customer-1@example.com", mrr=5)
    desk.sync()
    with desk.warehouse.connect() as connection:
        connection.execute("alter table model.people drop column mrr")
    desk.model = lambda: None
    assert desk.plan() == planned
    if planned:
        assert desk.row("cus_a")["after"] == {"mrr": None}
    desk.accept()
    assert desk.plan(full=True) == []


def test_people_known_by_email_have_no_id_and_are_addressed_by_email(desk) -> None:
    desk.set_policy(identity={"strategy": "email"})
    desk.customer("cus_a", email="customer-1@example.com")
    desk.customer("cus_b")
    assert desk.sync() == ["cus_a identified_by_email", "cus_b no_email"]
    desk.customer("cus_a", mrr=5, email="customer-2@example.com")
    desk.plan()
    assert desk.row("cus_a")["operation"]["identifiers"] == {"email": "customer-1@example.com"}
    desk.accept()
    assert "cus_a email_needs_cio_id" in desk.plan()
    desk.change_ledger("cus_a", cio_id="a300")
    assert "cus_a email_changed" in desk.sync()


def test_people_known_by_metadata_have_that_id_and_nobody_has_it_twice(desk) -> None:
    desk.set_policy(identity={"strategy": "metadata", "metadata_key": "user"})
    desk.customer("cus_a", email="customer-1@example.com", metadata_id="app-1")
    desk.customer("cus_b", email="customer-2@example.com", metadata_id="app-1")
    desk.customer("cus_c", email="customer-3@example.com")
    assert desk.sync() == ["cus_a linked_by_metadata_id", "cus_b id_in_use", "cus_c no_metadata_id"]
    assert desk.ledger("cus_a")["id"] == "app-1"
    desk.customer("cus_a", metadata_id="app-9")
    assert "cus_a id_needs_cio_id" in desk.sync()
    desk.change_ledger("cus_a", cio_id="a300")
    assert "cus_a id_changed" in desk.sync()


def test_attributes_of_every_type_are_planned_once_and_never_again(desk) -> None:
    desk.customer(
        "cus_a", email="customer-1@example.com", name='a "quoted" \\ name \u00e9\u4e16 \n', plans=["x", "y"], mrr=0.1
    )
    desk.model()
    with desk.warehouse.connect() as connection:
        connection.execute('alter table model.people add column address json default \'{"city":null,"zip":"1"}\'')
        connection.execute("alter table model.people add column limits map(varchar, integer) default map {'a': 1}")
        connection.execute("alter table model.people add column rate double default 0.25")
        connection.execute("alter table model.people add column active boolean default true")
        connection.execute("alter table model.people add column nothing json default 'null'")
    desk.model = lambda: None
    desk.plan()
    after = desk.row("cus_a")["after"]
    assert after["address"] == {"zip": "1"}
    assert after["limits"] == {"a": 1}
    assert (after["rate"], after["active"], after["mrr"]) == (0.25, True, 0.1)
    assert "nothing" not in after
    desk.accept()
    desk.wait()
    assert desk.plan(full=True) == []


def test_every_planned_row_says_why_in_words(desk) -> None:
    desk.customer("cus_a", email="customer-1@example.com")
    desk.customer("cus_b", email="customer-2@example.com")
    desk.sync()
    desk.customer("cus_b", email="customer-1@example.com")
    desk.plan()
    for row in desk.rows():
        assert row["explanation"]
        assert "{other}" not in row["explanation"]
        assert "@" not in row["explanation"]


def test_reasons_are_sentences() -> None:
    for code, sentence in REASONS.items():
        assert sentence[0].isupper() or sentence.startswith("stripe-cio"), code
        assert sentence.endswith("."), code


def test_what_was_answered_stays_as_it_was_sent_and_the_rest_gives_way(desk) -> None:
    desk.customer("cus_a", email="customer-1@example.com")
    desk.customer("cus_b", email="customer-2@example.com")
    desk.plan()
    first, sent = desk.last.plan_id, desk.row("cus_a")
    with desk.warehouse.transaction() as connection:
        connection.execute(
            "insert into customerio.answers (plan_id, first_position, last_position, sent_at, outcome) "
            "values (?, ?, ?, now()::timestamp, 'rejected')",
            [first, sent["position"], sent["position"]],
        )

    desk.plan()

    with desk.warehouse.reading() as connection:
        ours = connection.execute("select person_id, operation from customerio.planned where plan_id = ?", [first])
        assert [(person, json.loads(text)) for person, text in ours.fetchall()] == [("cus_a", sent["operation"])]
    assert desk.last.plan_id != first, "an answer counts for the plan that it was given to, and for no later one"
    assert {row["plan_id"] for row in desk.rows()} == {desk.last.plan_id}
    assert [row["person_id"] for row in desk.rows()] == ["cus_b"]


def test_a_plan_says_by_which_models_and_of_which_day_people_were_computed(desk) -> None:
    def made_by() -> dict[str, str | None]:
        desk.plan()
        with desk.warehouse.reading() as connection:
            ((counts,),) = connection.execute("select counts from customerio.plans").fetchall()
        return {name: json.loads(counts)[name] for name in ("models", "day")}

    assert made_by() == {"models": None, "day": None}
    seen = []
    for name, value in (("model.sql.people", "1"), ("model.day", "2026-01-01"), ("model.sql.events", "2")):
        with desk.warehouse.transaction() as connection:
            write_cursor(connection, name, value)
        seen.append(made_by())
    assert seen[0]["models"] == seen[1]["models"] == seen[2]["models"] is not None
    assert [each["day"] for each in seen] == [None, "2026-01-01", "2026-01-01"]


def test_a_plan_that_nobody_answered_keeps_its_name(desk) -> None:
    desk.customer("cus_a", email="customer-1@example.com")
    desk.plan()
    first = desk.last.plan_id
    desk.plan()
    assert desk.last.plan_id == first
    assert len(desk.rows()) == 1
