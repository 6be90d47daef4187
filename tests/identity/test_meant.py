"""Who is meant: by which identifier, whose refusal it is, and who must not come back."""

import pytest

from stripe_cio_pipeline.deliver import forget, forgetting
from tests.identity.living import QUICK, MakeWorld, World

ANN, NEW = "ann@example.com", "new@example.com"


def linked(world: World, *emails: str, **fields: str) -> list[str]:
    """Customers who are in Customer.io, and were seen there."""
    people = [world.customer(email, **fields) for email in emails]
    world.sync()
    world.sync()
    assert [world.state(person) for person in people] == ["linked"] * len(people)
    return people


@pytest.mark.parametrize("strategy", ["email", "stripe_id"])
def test_p6_an_event_beside_a_change_of_email_goes_to_the_one_person(make_world: MakeWorld, strategy: str) -> None:
    world = make_world(policy={"identity": {"strategy": strategy}})
    (ann,) = linked(world, ANN)
    world.change(ann, email=NEW)
    world.payment_fails(ann)
    world.sync()
    world.sync()
    (person,) = world.people()
    assert person.email == NEW
    assert world.events_of(email=NEW) == ["invoice.payment_failed"]


def test_p6_without_an_app_key_the_email_stays_and_the_event_goes_to_it(make_world: MakeWorld) -> None:
    world = make_world(policy={"identity": {"strategy": "email"}}, has_app_key=False)
    (ann,) = linked(world, ANN)
    world.change(ann, email=NEW)
    world.payment_fails(ann)
    assert world.sync() == [f"{ann} email_needs_cio_id"]
    assert len(world.people()) == 1
    assert world.events_of(email=ANN) == ["invoice.payment_failed"]


def test_p7_whom_the_app_gave_another_email_is_found_by_the_internal_id(make_world: MakeWorld) -> None:
    world = make_world(policy={"identity": {"strategy": "email"}})
    ann, _ = linked(world, ANN, "bob@example.com")
    world.workspace.update_person(email=ANN, attributes={"email": NEW})
    report = world.verify()
    assert (report.missed, report.drifted_attributes) == (0, {"email": 1})
    assert world.ledger(ann)["email"] == NEW

    assert world.sync() == [f"{ann} email_changed"]
    assert len(world.people()) == 2
    assert world.workspace.person(email=ANN) is not None
    assert world.verify().matched == 2


def test_p8_what_another_system_is_refused_is_not_ours(world: World) -> None:
    (ann,) = linked(world, ANN)
    before = world.ledger(ann)
    for own in ("crm-1", "crm-2"):
        world.workspace.write(
            {"action": "identify", "identifiers": {"id": own}, "attributes": {"email": f"{own}@example.org"}}
        )
        world.workspace.write({"action": "identify", "identifiers": {"id": own}, "attributes": {"email": ANN}})
    world.workspace.write({"action": "identify", "identifiers": {"id": "crm-3"}, "attributes": {"email": ANN}})
    assert [line.type for line in world.workspace.activities("failed_attribute_change")] != []

    assert world.verify().conflicts == {}
    assert world.ledger(ann) == before
    world.change(ann, email=NEW)
    world.sync()
    assert world.workspace.person(id=ann).email == NEW
    assert world.workspace.person(id="crm-1").email == "crm-1@example.org"


def test_p12_a_drifted_email_goes_by_the_internal_id_and_is_right_in_one_round(world: World) -> None:
    (ann,) = linked(world, ANN)
    world.workspace.update_person(id=ann, attributes={"email": NEW})
    world.verify()
    world.sync()
    assert world.workspace.person(id=ann).email == ANN
    assert world.verify().conflicts == {}


def test_p12_a_retried_email_goes_by_the_internal_id_and_is_right_in_one_round(world: World) -> None:
    (ann,) = linked(world, ANN)
    world.workspace.add_person(id="own-42", email=NEW)
    world.change(ann, email=NEW)
    world.sync()
    assert world.verify().conflicts == {"email_taken": 1}
    world.workspace.delete_person(id="own-42")

    assert world.retry(ann) == 1
    world.wait(seconds=10)
    assert world.sync() == [f"{ann} email_changed"]
    assert world.workspace.person(id=ann).email == NEW
    assert world.verify().conflicts == {}


def test_a_retry_while_a_link_is_late_gives_nobody_elses_profile_to_them(world: World) -> None:
    (ann,) = linked(world, ANN)
    bob = world.customer(NEW)
    world.workspace.incident(hours=2)
    world.sync()
    assert world.verify().missed == 1
    world.change(ann, email=NEW)
    assert world.retry() == 1
    assert world.sync() == [f"{ann} joined_another_person", f"{bob} linked_by_email"]

    world.wait(hours=2)
    for _ in range(2):
        assert world.sync() == [f"{ann} joined_another_person"]
    assert sorted((person.id, person.email) for person in world.people()) == [(ann, ANN), (bob, NEW)]


def test_who_is_deleted_while_a_link_is_late_is_removed_once_it_is_applied(make_world: MakeWorld) -> None:
    world = make_world(policy={"identity": {"on_delete": "delete"}})
    ann = world.customer(ANN)
    world.workspace.incident(hours=2)
    world.sync()
    world.verify()
    assert world.retry() == 1
    world.change(ann, deleted=True)
    assert world.sync() == []
    world.wait(hours=2)
    assert [person.id for person in world.people()] == [ann]
    world.verify()
    assert world.sync() == [f"{ann} deleted_in_stripe"]
    assert world.people() == []


def test_an_id_that_was_refused_is_tried_again_and_its_person_is_never_forgotten(world: World) -> None:
    (ann,) = linked(world, ANN)
    bob = world.customer(ANN)
    world.workspace.add_person(id=bob)
    world.change(ann, deleted=True)
    assert world.sync() == [f"{bob} owner_replaced"]
    assert world.verify().conflicts == {"id_refused": 1}
    assert world.retry(bob) == 1
    assert world.sync() == [f"{bob} id_changed"]
    assert world.verify().conflicts == {"id_refused": 1}

    world.workspace.delete_person(id=bob)
    world.retry(bob)
    world.sync()
    world.sync()
    (person,) = world.people()
    assert (person.id, person.email) == (bob, ANN)
    assert world.verify().matched == 1


def test_an_email_that_customerio_ignores_is_sent_twice_and_then_held(world: World) -> None:
    (ann,) = linked(world, ANN)
    world.workspace.suppress(email=NEW)
    world.change(ann, email=NEW)
    for _ in range(2):
        assert world.sync() == [f"{ann} email_changed"]
        assert world.verify().drifted_attributes == {"email": 1}
    world.change(ann, name="Ann Other")
    world.payment_fails(ann)
    assert world.sync() == [f"{ann} attributes_changed"]
    assert world.sync() == [f"{ann} email_unseen"]
    world.verify()
    assert world.sync() == [f"{ann} email_unseen"]
    person = world.workspace.person(id=ann)
    assert (person.email, person.attributes["name"]) == (ANN, "Ann Other")
    assert world.events_of(id=ann) == ["invoice.payment_failed"]

    world.workspace.unsuppress(email=NEW)
    world.retry(ann)
    world.sync()
    assert world.workspace.person(id=ann).email == NEW
    assert world.verify().matched == 1


def test_a_phone_that_customerio_ignores_takes_nothing_else_with_it_for_good(world: World) -> None:
    world.workspace.write({"action": "suppress", "identifiers": {"phone": "+491511234567"}})
    (ann,) = linked(world, ANN)
    world.change(ann, name="Ann Other", phone="+491511234567")
    for _ in range(2):
        assert world.sync() == [f"{ann} attributes_changed"]
        assert world.verify().drifted_attributes == {"name": 1, "phone": 1}
    assert world.sync() == [f"{ann} attributes_changed"]
    person = world.workspace.person(id=ann)
    assert (person.attributes["name"], person.phone) == ("Ann Other", None)
    assert world.verify().drifted == 0
    assert world.sync() == []


def test_a_link_that_customerio_ignores_is_made_anew_once_and_then_told_as_unseen(world: World) -> None:
    world.workspace.write({"action": "suppress", "identifiers": {"phone": "+491511234567"}})
    world.workspace.add_person(email=ANN)
    ann = world.customer(ANN, phone="+491511234567")
    world.sync()
    planned = []
    for _ in range(4):
        world.verify()
        world.wait(hours=7)
        planned.append(world.sync())
    assert planned[-1] == [f"{ann} link_unseen"]
    assert sum(f"{ann} linked_by_email" in each for each in planned) == 1
    assert [(person.id, person.email) for person in world.people()] == [(None, ANN)]


@pytest.mark.parametrize("strategy", ["stripe_id", "email"])
def test_p9_nobody_is_made_with_the_email_of_somebody_who_was_forgotten(
    make_world: MakeWorld, monkeypatch: pytest.MonkeyPatch, strategy: str
) -> None:
    # There are no objects of Stripe's at the desk, and no model that could be built of them.
    monkeypatch.setattr(forgetting, "_renew", lambda *_, **__: None)
    world = make_world(policy={"identity": {"strategy": strategy}})
    (ann,) = linked(world, ANN)
    forget(world.warehouse, world.settings, world.desk.policy, ann, run_id="forget", now=world.now, patience=QUICK)
    world.change(ann, deleted=True)
    later = world.customer(ANN.upper(), name="Somebody Else")
    world.payment_fails(later)

    assert f"{later} suppressed" in world.sync()
    world.sync()
    assert world.people() == []
    assert world.ask("select count(*) from customerio.people where person_id = ?", later) == [(0,)]
    assert ANN not in str(world.ask("from customerio.suppressed"))


def test_p9_whom_policy_suppressed_stays_so_by_email_and_by_id(make_world: MakeWorld) -> None:
    policy = {"identity": {"strategy": "metadata", "metadata_key": "user", "on_delete": "suppress"}}
    world = make_world(policy=policy)
    linked(world, ANN, metadata_id="app-1")
    world.change("cus_0001", deleted=True)
    world.sync()
    by_email = world.customer(ANN, metadata_id="app-2")
    by_id = world.customer(NEW, metadata_id="app-1")

    assert world.sync() == [f"{by_email} suppressed", f"{by_id} suppressed"]
    world.sync()
    assert world.people() == []


def test_p9_nobody_comes_to_a_suppressed_email_by_a_change_and_the_rest_goes_on(make_world: MakeWorld) -> None:
    world = make_world(policy={"identity": {"on_delete": "suppress"}})
    ann, bob = linked(world, ANN, "bob@example.com")
    world.change(ann, deleted=True)
    world.sync()
    world.change(ann, email=None)
    world.change(bob, email=ANN, name="Bob Other")
    assert world.sync() == [f"{bob} attributes_changed"]
    assert world.sync() == [f"{bob} suppressed"]
    person = world.workspace.person(id=bob)
    assert (person.email, person.attributes["name"]) == ("bob@example.com", "Bob Other")
