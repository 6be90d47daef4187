"""Who is there and who is not: absence is proved, and never for good."""

import pytest

from stripe_cio_pipeline.errors import GuardStop
from stripe_cio_pipeline.sandbox import Fault
from tests.identity.living import MakeWorld, World

ANN = "ann@example.com"


def linked(world: World, *emails: str) -> list[str]:
    """Customers who are in Customer.io, and were seen there."""
    people = [world.customer(email) for email in emails]
    world.sync()
    world.sync()
    assert [world.state(person) for person in people] == ["linked"] * len(people)
    return people


def test_p1_a_new_customer_whom_customerio_applies_an_hour_later_is_not_lost(world: World) -> None:
    world.sync()
    ann = world.customer(ANN)
    world.workspace.incident(hours=1)
    world.sync()
    report = world.verify()
    assert (report.missing, report.missed) == (0, 1)
    assert world.state(ann) == "linking"

    world.payment_fails(ann)
    world.sync()
    assert world.people() == []
    world.wait(hours=2)
    world.change(ann, name="Ann Other")
    world.sync()
    world.sync()
    person = world.workspace.person(id=ann)
    assert person.attributes["name"] == "Ann Other"
    assert "invoice.payment_failed" in world.events_of(id=ann)
    assert len(world.people()) == 1


def test_p2_whom_the_app_api_leaves_out_for_a_while_is_not_buried(make_world: MakeWorld) -> None:
    world = make_world(left_out_share=0.0)
    people = linked(world, *(f"person-{number}@example.com" for number in range(12)))
    world.workspace.switches.left_out_share = 0.5
    report = world.verify()
    assert report.missed > 0
    assert report.missing == 0

    for person in people:
        world.payment_fails(person)
    world.sync()
    world.wait(hours=7)
    world.workspace.switches.left_out_share = 0.0
    assert world.verify().missed == 0
    assert all("invoice.payment_failed" in world.events_of(id=person) for person in people)
    assert world.ask("select distinct state from customerio.people") == [("linked",)]
    assert world.ask("select count(*) from customerio.people where missed_at is not null") == [(0,)]


def test_whom_two_looks_with_hours_between_do_not_find_was_removed(make_world: MakeWorld) -> None:
    world = make_world(policy={"identity": {"missing_after_hours": 6}})
    ann, *_ = linked(world, ANN, "bob@example.com")
    merge = {"action": "merge", "primary": {"email": "bob@example.com"}, "secondary": {"email": ANN}}
    world.workspace.write(merge)  # no line in the log says that she was deleted

    assert (world.verify().missed, world.state(ann)) == (1, "linked")
    world.wait(hours=5)
    assert (world.verify().missed, world.state(ann)) == (1, "linked")
    world.wait(hours=1)
    report = world.verify()
    assert (report.missing, report.missed) == (1, 0)
    assert report.examples["missing"] == (ann,)
    assert (world.state(ann), world.ledger(ann)["reason"]) == ("deleted", "missing_in_customerio")


def test_p4_whom_an_operator_deletes_is_not_made_again_by_a_failed_payment(world: World) -> None:
    ann, *_ = linked(world, ANN, "bob@example.com")
    world.workspace.delete_person(id=ann)
    world.payment_fails(ann)
    world.sync()
    assert world.verify().missing == 1  # the log says so: nobody waits for hours
    world.change(ann, name="Ann Other")
    world.sync()
    world.sync()
    assert [person.email for person in world.people()] == ["bob@example.com"]


def test_retry_of_a_person_who_was_removed_makes_them_again_and_retry_of_everybody_does_not(world: World) -> None:
    ann, *_ = linked(world, ANN, "bob@example.com")
    world.workspace.delete_person(id=ann)
    world.verify()
    assert world.retry() == 0
    world.sync()
    assert len(world.people()) == 1

    assert world.retry(ann) == 1
    assert world.sync() == [f"{ann} linked_by_email"]
    world.sync()
    assert world.state(ann) == "linked"
    assert world.workspace.person(id=ann).email == ANN


def test_a_change_in_stripe_of_a_person_who_is_seen_again_brings_them_back(world: World) -> None:
    ann, *_ = linked(world, ANN, "bob@example.com")
    world.workspace.delete_person(id=ann)
    world.verify()
    world.workspace.add_person(id=ann, email=ANN, attributes={"source": "operator"})
    world.sync()
    assert world.state(ann) == "deleted"

    world.change(ann, name="Ann Other")
    world.sync()
    world.sync()
    world.sync()
    assert world.state(ann) == "linked"
    person = world.workspace.person(id=ann)
    assert (person.attributes["name"], person.attributes["source"]) == ("Ann Other", "operator")


def test_verification_too_sees_who_was_brought_back(world: World) -> None:
    ann, *_ = linked(world, ANN, "bob@example.com")
    world.workspace.delete_person(id=ann)
    world.verify()
    world.workspace.add_person(id=ann, email=ANN)
    assert world.verify().returned == 1
    assert world.sync() == [f"{ann} attributes_changed"]
    assert world.workspace.person(id=ann).attributes["name"] == ann


def test_never_are_many_believed_to_be_gone_at_once(make_world: MakeWorld) -> None:
    world = make_world(policy={"guard": {"first_load": "send", "max_missing_share": 0.2}})
    people = linked(world, *(f"person-{number}@example.com" for number in range(30)))
    for person in people[:12]:
        world.workspace.delete_person(id=person)

    with pytest.raises(GuardStop, match="12 of 30 people") as stopped:
        world.verify()
    assert "guard.max_missing_share" in stopped.value.advice
    assert world.ask("select distinct state from customerio.people") == [("linked",)]

    world.set_policy(guard={"first_load": "send", "max_missing_share": 0.5})
    assert world.verify().missing == 12


def test_p3_an_event_of_a_person_whose_link_is_refused_makes_nobody(world: World) -> None:
    world.workspace.add_person(id="own-42", email=ANN)
    ann = world.customer(ANN)
    world.sync()
    world.payment_fails(ann)
    world.sync()
    world.sync()
    assert [person.id for person in world.people()] == ["own-42"]
    assert (world.state(ann), world.ledger(ann)["reason"]) == ("conflict", "id_refused")
    assert world.planned.counts.waiting_events > 0


def test_p3_without_an_app_key_a_link_counts_once_it_has_settled(make_world: MakeWorld) -> None:
    world = make_world(has_app_key=False)
    ann = world.customer(ANN)
    world.sync()
    world.payment_fails(ann)
    world.sync()
    assert world.state(ann) == "linked"
    assert "invoice.payment_failed" in world.events_of(id=ann)


def test_every_new_link_is_looked_at_once_a_hundred_a_call(world: World) -> None:
    for number in range(150):
        world.customer(f"person-{number}@example.com")
    world.sync()
    looks = "select count(*) from customerio.requests where endpoint = 'POST /v1/customers/attributes'"
    assert world.ask(looks) == [(0,)]
    world.sync()
    assert world.ask(looks) == [(2,)]
    world.sync()
    assert world.ask(looks) == [(2,)]


def test_links_wait_while_the_app_api_refuses_without_a_word_and_the_rest_goes_on(world: World) -> None:
    (bob,) = linked(world, "bob@example.com")
    ann = world.customer(ANN)
    world.sync()
    world.workspace.faults.during(600, Fault.error(400), path="/v1")
    world.change(bob, name="Bob Other")
    assert world.sync() == [f"{bob} attributes_changed"]
    assert "answered 400 to a read" in (world.looked.problem or "")
    assert world.state(ann) == "linking"

    world.wait(seconds=600)
    world.sync()
    assert world.state(ann) == "linked"


def test_p5_a_person_whose_email_is_suppressed_is_not_made_and_is_told(world: World) -> None:
    world.workspace.suppress(email=ANN)
    ann = world.customer(ANN)
    world.sync()
    world.payment_fails(ann)
    world.sync()
    world.verify()
    world.wait(hours=7)
    assert f"{ann} link_unseen" in world.sync()
    world.verify()
    world.sync()
    assert world.people() == []
    assert world.planned.by_reason["link_unseen"] == 1


def test_p5_whom_an_operator_suppresses_later_is_not_made_again(world: World) -> None:
    ann, *_ = linked(world, ANN, "bob@example.com")
    world.workspace.suppress(email=ANN)
    world.payment_fails(ann)
    world.sync()
    world.verify()
    world.sync()
    assert [person.email for person in world.people()] == ["bob@example.com"]
