"""A plan becomes calls, and calls become the ledger."""

from typing import Any

import duckdb
import pytest

from stripe_cio_pipeline.deliver import DeliveryNote, sending
from stripe_cio_pipeline.deliver.ledger import Group, record
from stripe_cio_pipeline.errors import (
    BindingError,
    CustomerioCredentialsError,
    CustomerioRegionError,
    CustomerioUnavailable,
    GuardStop,
    WarehouseError,
)
from stripe_cio_pipeline.policy import parse_policy
from stripe_cio_pipeline.sandbox import Fault
from stripe_cio_pipeline.warehouse import Connection, next_seq
from tests.deliver.conftest import MakeWorld, World, event, hold, identify, removal, update


def test_people_are_linked_and_the_ledger_says_so(world: World) -> None:
    report = world.deliver(*(identify(number, plan="pro", mrr=49.5) for number in range(1, 8)), hold(9))
    world.workspace.settle()

    assert (report.planned, report.accepted, report.held, report.due, report.rejected) == (8, 7, 1, 0, 0)
    assert report.requests == 2  # which region, and one batch
    assert {person.id for person in world.workspace.people()} == {f"cus_{number:06}" for number in range(1, 8)}
    assert world.ledger(3) == {
        "state": "linking",
        "id": "cus_000003",
        "email": "customer-3@example.com",
        "cio_id": None,
        "attributes": {"id": "cus_000003", "email": "customer-3@example.com", "plan": "pro", "mrr": 49.5},
        "reason": None,
    }
    assert world.ask("select count(*), max(linked_at) is not null from customerio.people") == [(7, True)]
    assert world.ask("select action, outcome, count(*) from customerio.writes group by all") == [
        ("identify", "accepted", 7)
    ]
    assert world.ask("select count(*) from customerio.plans where delivered_at is not null") == [(1,)]


def test_an_update_merges_what_changed_and_a_null_removes(world: World) -> None:
    world.deliver(identify(1, plan="pro", coupon="HALF", tags=["a", "b"], address={"city": "Bonn", "zip": "53111"}))
    world.deliver(update(1, {"plan": "pro"}, plan="team", coupon=None, address={"city": "Köln"}))

    attributes = world.ledger(1)["attributes"]
    assert attributes["plan"] == "team"
    assert "coupon" not in attributes
    assert attributes["tags"] == ["a", "b"]
    assert attributes["address"] == {"city": "Köln"}  # replaced whole, as Customer.io does


def test_an_email_that_is_removed_leaves_the_ledger(world: World) -> None:
    world.deliver(identify(1))
    world.deliver(update(1, {"email": "customer-1@example.com"}, email=None))

    ledger = world.ledger(1)
    assert ledger["email"] is None
    assert ledger["attributes"] == {"id": "cus_000001"}


@pytest.mark.parametrize(("action", "state"), [("delete", "deleted"), ("suppress", "suppressed")])
def test_who_is_removed_leaves_only_the_proof(make_world: MakeWorld, action: str, state: str) -> None:
    world = make_world(gentle=True)
    world.deliver(identify(1, plan="pro"))
    world.deliver(removal(1, action))

    ledger = world.ledger(1)
    assert (ledger["state"], ledger["id"], ledger["email"], ledger["attributes"]) == (state, "cus_000001", None, {})
    assert world.workspace.people() == []


def test_a_merged_customer_is_deleted_and_a_merged_lead_links_its_owner(make_world: MakeWorld) -> None:
    world = make_world(gentle=True)
    world.workspace.add_person(email="lead@example.com")
    world.deliver(identify(1), identify(2), identify(3))
    by_id = {
        "type": "person",
        "action": "merge",
        "primary": {"id": "cus_000001"},
        "secondary": {"id": "cus_000002"},
    }
    by_email = {**by_id, "primary": {"id": "cus_000003"}, "secondary": {"email": "lead@example.com"}}
    world.deliver(
        {"action": "merge", "person_id": "cus_000002", "operation": by_id, "before": {"id": "cus_000002"}},
        {"action": "merge", "person_id": "cus_000003", "operation": by_email, "after": {"email": ""}},
    )

    assert [world.ledger(number)["state"] for number in (1, 2, 3)] == ["linking", "deleted", "linking"]
    assert world.ledger(3)["email"] == ""
    assert len(world.workspace.people()) == 2


def test_nothing_due_opens_no_connection(world: World) -> None:
    assert world.deliver().planned == 0
    report = world.deliver(hold(1), hold(2))

    assert (report.planned, report.held, report.requests) == (2, 2, 0)
    assert world.workspace.counters.requests == 0


def test_a_guarded_plan_waits_until_exactly_it_is_approved(world: World) -> None:
    guard = {
        "stopped": True,
        "findings": [{"rule": "first_load", "limit": 0, "value": 1, "message": "m", "examples": []}],
    }
    world.plan(identify(1), plan_id="big", guard=guard)

    with pytest.raises(GuardStop):
        world.deliver()
    with pytest.raises(GuardStop):
        world.deliver(plan_id="another", approve=True)
    assert world.workspace.counters.requests == 0
    assert world.deliver(plan_id="big", approve=True).accepted == 1


def test_the_first_delivery_binds_the_warehouse_to_the_workspace(world: World) -> None:
    world.deliver(identify(1))
    world.workspace.switches.environment_id = 7

    with pytest.raises(BindingError):
        world.deliver(identify(2))
    assert len(world.workspace.people()) + world.workspace.pending == 1


def test_wrong_credentials_stop_at_once(world: World) -> None:
    settings = world.settings.model_copy(update={"customerio_site_id": None})
    world.workspace.switches.track_api_key = "sandbox-track"
    world.plan(identify(1))
    world.workspace.faults.next(Fault.error(401))
    with pytest.raises(CustomerioCredentialsError, match="CUSTOMERIO_TRACK_API_KEY"):
        world.deliver()
    assert settings.customerio_site_id is None
    assert world.workspace.counters.requests == 1


def test_a_redirect_is_not_followed_and_named_as_the_wrong_region(make_world: MakeWorld) -> None:
    world = make_world(region="eu", host_region="us")
    world.plan(identify(1))

    with pytest.raises(CustomerioRegionError, match="region"):
        world.deliver()
    assert world.workspace.counters["operations.accepted"] == 0


def test_a_stop_in_the_middle_keeps_what_was_accepted(world: World) -> None:
    big = {"note": "x" * 900, **{f"field_{number}": "y" * 900 for number in range(20)}}
    world.plan(*(identify(number, **big) for number in range(100)))
    world.workspace.faults.at(4, Fault.error(403))

    with pytest.raises(CustomerioCredentialsError):
        world.deliver()
    ((recorded,),) = world.ask("select count(*) from customerio.people")
    assert recorded == world.workspace.counters["operations.accepted"] > 0
    assert world.deliver().accepted == 100 - recorded


def test_a_refused_item_is_rejected_alone_with_its_reason(world: World) -> None:
    report = world.deliver(*(identify(number) for number in range(1, 30)), identify(30, plan="x" * 1001))

    assert (report.accepted, report.rejected, report.due) == (29, 1, 0)
    assert report.rejections_by_reason == {"invalid": 1}
    rows = world.ask(
        "select person_id, scope, reason, field, message, attempts, payload_hash is null from customerio.rejections"
    )
    assert rows == [
        (
            "cus_000030",
            "attributes",
            "invalid",
            "attributes.plan",
            "property value cannot be longer than 1000 bytes",
            1,
            False,
        )
    ]
    assert world.ask("select outcome, count(*) from customerio.writes group by all order by all") == [
        ("accepted", 29),
        ("rejected", 1),
    ]


def test_an_outage_leaves_everything_due_and_the_next_run_sends_it(world: World) -> None:
    world.plan(*(identify(number) for number in range(1, 6)))
    world.workspace.faults.rate(1.0, Fault.error(503), path="/api/v2")

    report = world.deliver()
    assert (report.accepted, report.due, report.planned) == (0, 5, 5)
    with pytest.raises(CustomerioUnavailable):
        report.raise_if_due()

    world.workspace.faults.clear()
    report = world.deliver()
    assert (report.accepted, report.due) == (5, 0)
    assert world.ask("select status, attempt from customerio.requests where endpoint like 'POST%' order by sent_at")[
        :3
    ] == [
        (503, 1),
        (503, 2),
        (503, 3),
    ]


def test_answers_that_could_not_be_written_down_at_once_are_tried_once_more(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    tried = []

    def record_at_the_second_try(connection: Connection, group: Group, **context: Any) -> None:
        tried.append(group.items)
        if len(tried) == 1:
            raise duckdb.OutOfMemoryException("no memory")
        record(connection, group, **context)

    monkeypatch.setattr(sending, "record", record_at_the_second_try)
    with pytest.raises(WarehouseError, match="not enough memory"):
        world.deliver(*(identify(number) for number in range(1, 6)))

    assert tried == [5, 5]
    assert world.ask("select outcome, count(*) from customerio.writes group by all") == [("accepted", 5)]
    assert world.ask("select count(*) from customerio.plan") == [(0,)]


def test_events_are_recorded_with_their_ulid(make_world: MakeWorld) -> None:
    world = make_world(gentle=True)
    world.deliver(identify(1))
    report = world.deliver(event(1, "evt_1", amount=12.5), event(1, "evt_2", created=1_800_000_100))

    assert (report.events_accepted, report.events_rejected) == (2, 0)
    assert [one.name for one in world.workspace.events()] == ["invoice.paid", "invoice.paid"]
    assert world.ask("select event_id, state, name, created from customerio.events order by event_id") == [
        ("evt_1", "accepted", "invoice.paid", 1_800_000_000),
        ("evt_2", "accepted", "invoice.paid", 1_800_000_100),
    ]


def test_whoever_is_changed_by_others_while_calls_go_out_stays_one_person(make_world: MakeWorld) -> None:
    world = make_world(gentle=True, policy=parse_policy({"customerio": {"requests_per_second": 20, "in_flight": 1}}))
    people = 300
    world.deliver(*(identify(number) for number in range(people)))
    world.workspace.settle()
    notes: list[DeliveryNote] = []

    def change_everybody(note: DeliveryNote) -> None:
        if not notes:
            with world.warehouse.transaction() as connection:
                connection.execute("update customerio.people set seq = ?", [next_seq(connection)])
        notes.append(note)

    filler = {f"field_{index}": "x" * 900 for index in range(22)}
    world.deliver(*(update(number, {}, **filler) for number in range(people)), progress=change_everybody)

    assert len(notes) > 1, "everything was written down at once"
    assert world.ask("select count(*), count(distinct person_id) from customerio.people") == [(people, people)]


def test_a_clock_that_was_ahead_and_is_set_right_makes_no_update_stale(world: World) -> None:
    start = 1_800_000_000.0
    world.deliver(identify(1, plan="free"), now=lambda: start + 3600)
    world.workspace.settle()
    world.deliver(update(1, {}, plan="pro"), now=lambda: start)
    world.workspace.settle()
    world.deliver(update(1, {}, plan="team"), now=lambda: start + 0.5)
    world.workspace.settle()

    assert world.workspace.activities("skipped_update") == []
    assert world.workspace.person(id="cus_000001").attributes["plan"] == "team"
    assert world.ask("select value from pipeline.cursors where name = 'customerio.stamp'") == [
        (str(int(start) + 3602),)
    ]
