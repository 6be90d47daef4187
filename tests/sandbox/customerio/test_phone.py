"""A workspace in which a phone number identifies, as an email does."""

import pytest

TAKEN = "The identifier is already associated with a different profile."
SET = "The identifier is already set and cannot be changed."
PHONE = "+15550100123"


def refusals(workspace):
    return [(line.person_id, line.data) for line in workspace.activities("failed_attribute_change")]


def test_of_two_new_people_with_one_phone_the_second_is_never_made_and_the_log_names_the_first(make, identify):
    workspace = make(phone_identifiers=True)
    workspace.accept([identify(id="cus_1", email="one@example.com", phone=PHONE)])
    workspace.accept([identify(id="cus_2", email="two@example.com", phone=PHONE)])
    assert [(person.id, person.email, person.phone) for person in workspace.people()] == [
        ("cus_1", "one@example.com", PHONE)
    ]
    ((named, data),) = refusals(workspace)
    assert (named, data["id"]) == ("cus_1", {"reason": SET, "value": "cus_2"})


@pytest.mark.parametrize(("rest", "made"), [(True, ["cus_1", "cus_2"]), (False, ["cus_1"])])
def test_where_a_phone_claims_nobody_it_is_the_phone_that_is_refused(make, identify, rest, made):
    workspace = make(phone_identifiers=True, phone_claims=False, conflict_applies_rest=rest)
    workspace.accept([identify(id="cus_1", phone=PHONE)])
    workspace.accept([identify(id="cus_2", email="two@example.com", phone=PHONE)])
    assert [person.id for person in workspace.people()] == made
    named = "cus_2" if rest else None
    assert refusals(workspace) == [(named, {"phone": {"reason": TAKEN, "value": PHONE}})]


def test_somebody_known_is_refused_the_phone_of_another_person(make, identify):
    workspace = make(phone_identifiers=True, conflict_applies_rest=False)
    workspace.accept([identify(id="cus_1", phone=PHONE), identify(id="cus_2")])
    workspace.accept([identify(id="cus_2", phone=PHONE, plan="pro")])
    assert refusals(workspace) == [("cus_2", {"phone": {"reason": TAKEN, "value": PHONE}})]
    assert "plan" not in workspace.person(id="cus_2").attributes


@pytest.mark.parametrize("phone", ["0555 0100123", "5550100123", "+1 (555) 010-0123", "0049555010"])
@pytest.mark.parametrize("rest", [True, False])
def test_a_national_or_written_out_number_is_refused_by_name(make, identify, phone, rest):
    workspace = make(phone_identifiers=True, malformed_applies_rest=rest)
    workspace.accept([identify(id="cus_1", email="one@example.com", phone=phone)])
    ((named, data),) = refusals(workspace)
    assert (list(data), data["phone"]["value"]) == (["phone"], phone)
    assert [(person.id, person.phone) for person in workspace.people()] == ([("cus_1", None)] if rest else [])
    assert named == ("cus_1" if rest else None)


def test_a_set_phone_changes_by_cio_id_alone(make, identify):
    workspace = make(phone_identifiers=True)
    workspace.accept([identify(id="cus_1", phone=PHONE)])
    workspace.accept([identify(id="cus_1", phone="+15550100124")])
    assert refusals(workspace) == [("cus_1", {"phone": {"reason": SET, "value": "+15550100124"}})]
    workspace.accept([identify(cio_id=workspace.person(id="cus_1").cio_id, phone="+15550100124")])
    assert workspace.person(id="cus_1").phone == "+15550100124"


def test_a_phone_addresses_in_v2_and_is_an_id_in_v1(make, serve):
    workspace = make(phone_identifiers=True)
    served = serve(workspace)
    assert served.batch({"type": "person", "action": "identify", "identifiers": {"phone": PHONE}}).status_code == 200
    served.track.put("/api/v1/customers/%2B15550100123", json={"plan": "pro"})
    assert [(person.id, person.phone) for person in workspace.people()] == [(None, PHONE), (PHONE, None)]
    answer = served.app.get("/v1/customers/%2B15550100123/attributes", params={"id_type": "phone"}).json()
    assert answer["customer"]["attributes"]["phone"] == PHONE
    assert set(answer["customer"]["identifiers"]) == {"id", "email", "cio_id"}


def test_a_suppressed_person_is_not_made_again_by_their_phone(make, identify):
    workspace = make(phone_identifiers=True)
    workspace.accept([identify(id="cus_1", phone=PHONE)])
    workspace.suppress(id="cus_1")
    workspace.accept([identify(id="cus_2", phone=PHONE)])
    assert workspace.people() == []
