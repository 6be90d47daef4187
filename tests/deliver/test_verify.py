"""Reading back: what Customer.io did with what it accepted."""

import json
from typing import Any

import pytest

from stripe_cio_pipeline.deliver import VerifyReport, deliver, retry, verify
from stripe_cio_pipeline.deliver.comparing import says_the_same
from stripe_cio_pipeline.errors import CustomerioError
from stripe_cio_pipeline.policy import parse_policy
from tests.deliver.conftest import QUICK, MakeWorld, World, hold, identify, update

SETTLED = parse_policy({"identity": {"settle_seconds": 0}, "customerio": {"requests_per_second": 1000}})


def look(world: World, **more: Any) -> VerifyReport:
    world.workspace.settle()
    world.runs += 1
    return verify(world.warehouse, world.settings, SETTLED, run_id=f"verify-{world.runs}", patience=QUICK, **more)


def due(world: World) -> list[tuple[str, str]]:
    return world.ask("select person_id, reason from customerio.due order by all")


def test_what_is_there_as_accepted_is_linked_and_its_internal_id_is_kept(world: World) -> None:
    world.deliver(*(identify(number, mrr=49.0, tags=["a", "b"], paid=True, note=" x ") for number in range(1, 6)))
    report = look(world)

    assert (report.checked, report.matched, report.settled, report.drifted) == (5, 5, 5, 0)
    assert world.ledger(2)["state"] == "linked"
    assert world.ledger(2)["cio_id"] == world.workspace.person(id="cus_000002").cio_id
    assert due(world) == []
    assert world.ask("select count(*) from customerio.requests where endpoint = 'POST /v1/customers/attributes'") == [
        (1,)
    ]


def test_drift_becomes_due_again_and_only_what_drifted(world: World) -> None:
    world.deliver(identify(1, plan="pro", mrr=49), identify(2, plan="pro"))
    world.workspace.settle()
    profile = world.workspace.person(id="cus_000001")
    world.workspace.delete_person(id="cus_000001")
    world.workspace.add_person(id="cus_000001", email=profile.email, attributes={"plan": "other", "mrr": 49})

    report = look(world)
    assert (report.checked, report.drifted, report.drifted_attributes) == (2, 1, {"plan": 1})
    assert world.ledger(1)["attributes"] == {"id": "cus_000001", "email": "customer-1@example.com", "mrr": 49}
    assert due(world) == [("cus_000001", "drift")]
    assert world.ask("select person_id, finding, field from customerio.verifications") == [
        ("cus_000001", "drift", "plan")
    ]


def test_who_was_deleted_in_customerio_is_not_created_again(world: World) -> None:
    linked(world, 1, 2)
    world.workspace.delete_person(id="cus_000001")

    report = look(world)
    assert report.missing == 1
    ledger = world.ledger(1)
    assert (ledger["state"], ledger["reason"], ledger["id"]) == ("deleted", "missing_in_customerio", "cus_000001")
    assert due(world) == []


def test_an_id_that_somebody_else_has_by_this_email_is_a_conflict(world: World) -> None:
    world.workspace.add_person(id="own-42", email="customer-1@example.com")
    world.deliver(identify(1, plan="pro"), identify(2))

    report = look(world)
    assert report.conflicts == {"id_refused": 1}
    ledger = world.ledger(1)
    assert (ledger["state"], ledger["reason"], ledger["attributes"]) == ("conflict", "id_refused", {})
    assert ledger["email"] == "customer-1@example.com"
    assert ledger["cio_id"] is None
    assert look(world).conflicts == {}  # told once


def linked(world: World, *numbers: int) -> None:
    world.deliver(*(identify(number) for number in numbers))
    look(world)


def test_an_email_of_somebody_else_is_a_conflict_and_everything_else_goes_on(make_world: MakeWorld) -> None:
    world = make_world(allow_email_update_by_id=True, auto_merge=False)
    linked(world, 1, 2)
    world.workspace.add_person(email="taken@example.com")
    world.deliver(update(1, {"email": "customer-1@example.com"}, email="taken@example.com"))

    assert look(world).conflicts == {"email_taken": 1}
    assert world.ledger(1)["email"] == "taken@example.com"
    assert world.ledger(1)["cio_id"] is not None

    world.deliver(update(1, {}, plan="pro"))
    assert world.ledger(1)["state"] == "conflict"
    assert world.ledger(1)["attributes"]["plan"] == "pro"


def test_an_email_that_the_workspace_locks_is_a_conflict_until_it_goes_by_internal_id(world: World) -> None:
    linked(world, 1, 2)
    with world.warehouse.transaction() as connection:
        connection.execute("update customerio.people set cio_id = null")
    settings = world.settings.model_copy(update={"customerio_app_api_key": None})
    change = update(1, {"email": "customer-1@example.com"}, email="new-1@example.com")
    world.plan(change, plan_id="locked")
    world.runs += 1
    deliver(world.warehouse, settings, world.policy, run_id="run-locked", patience=QUICK)
    assert look(world).conflicts == {"email_locked": 1}

    change["operation"]["identifiers"] = {"cio_id": world.ledger(1)["cio_id"]}  # as planning does once it is known
    world.deliver(change)
    world.workspace.settle()
    assert world.workspace.person(id="cus_000001").email == "new-1@example.com"
    assert world.ledger(1)["state"] == "linked"


def test_an_identifier_changes_by_the_internal_id_that_is_looked_up(world: World) -> None:
    world.deliver(identify(1), identify(2))
    world.workspace.settle()
    report = world.deliver(
        update(1, {"email": "customer-1@example.com"}, email="new-1@example.com"), update(2, {}, plan="pro")
    )
    world.workspace.settle()

    assert report.accepted == 2
    assert world.workspace.person(id="cus_000001").email == "new-1@example.com"
    assert world.ledger(1)["cio_id"] == world.workspace.person(id="cus_000001").cio_id
    assert world.ledger(2)["cio_id"] is None


def test_who_is_held_for_want_of_an_internal_id_is_looked_up_once(world: World) -> None:
    world.deliver(identify(1), identify(2))
    world.workspace.settle()
    world.workspace.delete_person(id="cus_000002")
    world.workspace.settle()
    held = [hold(1, "id_needs_cio_id"), hold(2, "id_needs_cio_id")]
    before = world.workspace.counters.requests

    assert world.deliver(*held).requests == 2
    assert world.ledger(1)["cio_id"] == world.workspace.person(id="cus_000001").cio_id
    world.deliver(*held)  # only person 2 is left, and not there
    after = world.workspace.counters.requests
    assert world.deliver(*held).requests == 0
    assert (world.workspace.counters.requests, after - before) == (after, 4)


def test_a_skipped_update_is_read_back_whatever_the_sample(make_world: MakeWorld) -> None:
    world = make_world(stale_logged=True, stale_scope="profile")
    world.deliver(*(identify(number) for number in range(1, 30)))
    world.workspace.settle()
    with world.warehouse.transaction() as connection:
        connection.execute("delete from pipeline.cursors where name = 'customerio.stamp'")  # it would mend the clock
    world.deliver(update(7, {}, plan="pro"), now=lambda: 1_000_000_000.0)

    with world.warehouse.transaction() as connection:
        connection.execute("update customerio.people set accepted_at = now()::timestamp - interval 1 minute")
    report = look(world, sample=1)
    assert report.skipped_updates == 1
    assert (report.checked, report.drifted) == (1, 1)
    assert due(world) == [("cus_000007", "drift")]


def test_a_key_of_another_workspace_is_an_error_and_changes_nothing(make_world: MakeWorld) -> None:
    world, other = make_world(), make_world()
    linked(world, 1, 2)
    elsewhere = world.settings.model_copy(update={"customerio_app_url": other.sandbox.customerio_url})

    with pytest.raises(CustomerioError, match="another workspace"):
        verify(world.warehouse, elsewhere, SETTLED, run_id="elsewhere", patience=QUICK)
    assert world.ledger(1)["state"] == "linked"


def test_without_an_app_key_verification_says_that_it_is_skipped(world: World) -> None:
    settings = world.settings.model_copy(update={"customerio_app_api_key": None})
    report = verify(world.warehouse, settings, SETTLED, run_id="verify")

    assert report.skipped is not None
    assert "CUSTOMERIO_APP_API_KEY" in report.skipped


def test_retry_reopens_a_conflict(world: World) -> None:
    world.workspace.add_person(id="own-42", email="customer-1@example.com")
    world.deliver(identify(1), identify(2))
    look(world)

    assert retry(world.warehouse, ["cus_000001"]) == 1
    assert (world.ledger(1)["state"], world.ledger(1)["reason"]) == ("linking", "anew")
    assert due(world) == [("cus_000001", "retry")]


@pytest.mark.parametrize(
    ("value", "shown", "same"),
    [
        (49.0, "49", True),
        (49.5, "49.50", True),
        (0.1, "0.1", True),
        (True, "true", True),
        (False, "true", False),
        (["a", {"b": 1}], '["a", {"b": 1}]', True),
        (["a"], "a", False),
        (None, None, True),
        ("", None, True),
        ("pro", None, False),
        (12, "twelve", False),
    ],
)
def test_a_value_and_what_is_shown_of_it_are_compared_by_what_they_say(
    value: Any, shown: str | None, same: bool
) -> None:
    assert says_the_same(value, shown) is same
    assert json.dumps(value) is not None
