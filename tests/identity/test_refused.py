"""Emails and phones that Customer.io refuses: left out until they change, and counted with their reason."""

import pytest

from stripe_cio_pipeline.cli.status import read_status
from tests.identity.living import MakeWorld, World

ANN, BOB = "ann@example.com", "bob@example.com"


def until_quiet(world: World) -> None:
    """Sync until nothing is planned any more."""
    for _ in range(6):
        if not world.sync() and not world.planned.counts.waiting:
            return
    raise AssertionError("it never ends")


def renamed_with_a_refused_phone(world: World) -> str:
    """Give a linked customer whose new name came with a phone that Customer.io has refused."""
    customer = world.customer(ANN, phone="+491511234567")
    until_quiet(world)
    world.change(customer, phone="unknown", name="Ann Other")
    world.sync()
    assert world.verify().conflicts == {"phone_refused": 1}
    until_quiet(world)
    return customer


def test_p10_of_two_who_share_a_phone_the_second_is_linked_without_it(world: World) -> None:
    ann = world.customer(ANN, phone="+4915112345678")
    world.sync()
    bob = world.customer(BOB, phone="+4915112345678")
    until_quiet(world)
    assert (world.state(ann), world.state(bob)) == ("linked", "linked")
    assert world.workspace.person(id=ann).phone == "+4915112345678"
    assert world.workspace.person(id=bob).email == BOB
    assert world.workspace.person(id=bob).phone is None
    assert world.ask("select name, count(*) from customerio.refused_values group by name") == [("phone", 1)]
    assert (bob, "phone_refused") in world.ask("select person_id, finding from customerio.verifications")


def test_p10_a_lead_whose_customer_shares_a_phone_is_linked_without_it(world: World) -> None:
    ann = world.customer(ANN, phone="+4915112345678")
    world.sync()
    world.workspace.add_person(email=BOB, attributes={"source": "app"})
    bob = world.customer(BOB, phone="+4915112345678")
    until_quiet(world)
    person = world.workspace.person(email=BOB)
    assert (person.id, person.phone, person.attributes["source"]) == (bob, None, "app")
    assert world.workspace.person(id=ann).phone == "+4915112345678"
    assert world.state(bob) == "linked"


@pytest.mark.parametrize("phone_claims", [True, False])
def test_p10_a_phone_in_national_format_or_of_another_system_is_left_out(
    make_world: MakeWorld, phone_claims: bool
) -> None:
    world = make_world(phone_claims=phone_claims)
    world.workspace.write(
        {"action": "identify", "identifiers": {"id": "crm-1"}, "attributes": {"phone": "+4915100000000"}}
    )
    world.workspace.update_person(id="crm-1", attributes={"email": "crm@example.org"})
    ann = world.customer(ANN, phone="0151 1234567")
    bob = world.customer(BOB, phone="+4915100000000")
    until_quiet(world)
    assert (world.state(ann), world.state(bob)) == ("linked", "linked")
    assert {world.workspace.person(id=person).phone for person in (ann, bob)} == {None}
    assert world.workspace.person(id="crm-1").email == "crm@example.org"

    world.change(ann, phone="+491511234567")
    until_quiet(world)
    assert world.workspace.person(id=ann).phone == "+491511234567"


def test_p10_a_phone_that_is_refused_later_takes_nothing_with_it(world: World) -> None:
    ann = renamed_with_a_refused_phone(world)
    person = world.workspace.person(id=ann)
    assert person.attributes["name"] == "Ann Other"
    assert world.verify().matched == 1


def test_p10_an_email_that_changed_with_a_refused_phone_arrives(world: World) -> None:
    ann = world.customer(ANN, phone="+491511234567")
    until_quiet(world)
    world.change(ann, phone="unknown", email="ann.other@example.com")
    world.sync()
    world.verify()
    until_quiet(world)
    world.verify()
    until_quiet(world)
    assert world.workspace.person(id=ann).email == "ann.other@example.com"


def test_the_email_of_somebody_whose_phone_was_refused_is_still_ours(world: World) -> None:
    ann = renamed_with_a_refused_phone(world)
    world.workspace.update_person(id=ann, attributes={"email": "renamed@example.org"})
    assert world.verify().drifted_attributes == {"email": 1}
    until_quiet(world)
    assert world.workspace.person(id=ann).email == ANN


@pytest.mark.parametrize(
    "email", ["jos\u00e9@example.com", "info@m\u00fcnchen.example", "\u7528\u6237@\u4f8b\u5b50.example"]
)
@pytest.mark.parametrize("is_taken", [True, False])
def test_p14_addresses_as_the_world_has_them_are_addresses(make_world: MakeWorld, email: str, is_taken: bool) -> None:
    world = make_world(unicode_emails=is_taken)
    ann = world.customer(email)
    until_quiet(world)
    person = world.workspace.person(id=ann)
    assert world.state(ann) == "linked"
    assert person.email == (email if is_taken else None)
    refused = world.ask("select person_id, name from customerio.refused_values")
    assert refused == ([] if is_taken else [(ann, "email")])


def test_p14_what_is_no_address_is_known_by_id_and_counted_with_its_reason(world: World) -> None:
    odd = {
        "Ann Other <ann@example.com>": None,
        "a\u200bb@example.com": None,
        "two words@example.com": None,
        "\u200bcopied@example.com\ufeff": "copied@example.com",
    }
    people = {world.customer(email): address for email, address in odd.items()}
    nobody = world.customer(None)
    until_quiet(world)
    assert {person: world.workspace.person(id=person).email for person in people} == people
    assert world.workspace.person(id=nobody).email is None
    with world.warehouse.reading() as connection:
        found = read_status(connection, world.desk.policy, links_are_seen=True, now=world.now())
    assert found.left_out == {"email is no address": 3}


def test_what_was_left_out_is_tried_again_when_asked(world: World) -> None:
    ann = world.customer("jos\u00e9@example.com")
    until_quiet(world)
    world.workspace.switches.unicode_emails = True
    assert world.retry(ann) == 1
    until_quiet(world)
    assert world.workspace.person(id=ann).email == "jos\u00e9@example.com"
