"""Operators and other systems who write beside the caller, and what the activity log says of them."""

import pytest

TAKEN = "The identifier is already associated with a different profile."
SET = "The identifier is already set and cannot be changed."


def refused(served):
    answer = served.app.get("/v1/activities", params={"type": "failed_attribute_change"}).json()
    return [(line["customer_identifiers"], line["data"]) for line in answer["activities"]]


@pytest.fixture
def ours(workspace):
    """A person who is linked: our id, and the email of the customer."""
    return workspace.add_person(id="cus_1", email="customer-1@example.com", attributes={"plan": "pro"})


def test_another_person_who_is_refused_our_email_is_the_one_that_the_log_names(served, workspace, ours):
    other = workspace.add_person(id="app-7", email="somebody@example.com")
    write = {"action": "identify", "identifiers": {"id": "app-7"}, "attributes": {"email": "customer-1@example.com"}}
    workspace.write(write)
    named = {"id": "app-7", "email": "somebody@example.com", "cio_id": other.cio_id}
    assert refused(served) == [(named, {"email": {"reason": TAKEN, "value": "customer-1@example.com"}})]
    line = served.app.get("/v1/activities").json()["activities"][0]
    assert set(line) == {"id", "type", "timestamp", "customer_id", "customer_identifiers", "data"}
    assert (line["customer_id"], workspace.person(id="cus_1").email) == ("app-7", "customer-1@example.com")


def test_another_systems_id_for_our_email_is_refused_in_our_persons_name(served, workspace, ours):
    write = {"action": "identify", "identifiers": {"id": "crm-3"}, "attributes": {"email": "customer-1@example.com"}}
    workspace.write(write)
    named = {"id": "cus_1", "email": "customer-1@example.com", "cio_id": ours.cio_id}
    assert refused(served) == [(named, {"id": {"reason": SET, "value": "crm-3"}})]


def test_where_another_system_has_the_email_first_our_link_is_refused(workspace, identify, event):
    workspace.write(
        {"action": "identify", "identifiers": {"id": "app-7"}, "attributes": {"email": "customer-1@example.com"}}
    )
    workspace.accept([identify(email="customer-1@example.com", set_id="cus_1", plan="pro")])
    (person,) = workspace.people()
    assert person.id == "app-7"
    workspace.accept([event("invoice_failed", id="cus_1")])
    shell = workspace.person(id="cus_1")
    assert (shell.email, shell.shell, workspace.person(id="app-7").shell) == (None, True, False)


def test_the_app_changes_an_email_and_the_old_address_is_nobodys(workspace, ours, identify, event):
    workspace.update_person(id="cus_1", attributes={"email": "renamed@example.com"})
    assert workspace.person(cio_id=ours.cio_id).email == "renamed@example.com"
    workspace.accept([event("invoice_failed", email="customer-1@example.com")])
    assert workspace.person(email="customer-1@example.com").shell
    workspace.accept([identify(email="customer-1@example.com", plan="pro")])
    assert not workspace.person(email="customer-1@example.com").shell


def test_an_operator_changes_anything_but_what_another_person_has(workspace, ours):
    workspace.add_person(email="second@example.com")
    with pytest.raises(ValueError, match="another person has this email"):
        workspace.update_person(id="cus_1", attributes={"email": "SECOND@example.com"})
    with pytest.raises(LookupError):
        workspace.update_person(id="cus_9", attributes={})
    changed = workspace.update_person(cio_id=ours.cio_id, attributes={"id": "cus_2", "plan": None, "seats": 3})
    assert (changed.id, changed.email, changed.cio_id) == ("cus_2", "customer-1@example.com", ours.cio_id)
    assert ("plan" in changed.attributes, changed.attributes["seats"]) == (False, 3)


def test_what_another_writer_edits_without_a_time_is_newer_than_a_slow_clocks_update(
    workspace, ours, identify, machine
):
    machine.now += 60
    workspace.write({"action": "identify", "identifiers": {"id": "cus_1"}, "attributes": {"plan": "free"}})
    workspace.accept([identify(id="cus_1", plan="pro", timestamp=int(machine.now) - 30)])
    assert workspace.person(id="cus_1").attributes["plan"] == "free"


def test_another_writer_is_held_to_the_rules_of_the_api(workspace):
    with pytest.raises(ValueError, match="action is not known"):
        workspace.write({"action": "greet", "identifiers": {"id": "cus_1"}})
    workspace.write({"action": "event", "identifiers": {"id": "cus_1"}, "name": "signed_up"})
    assert [one.name for one in workspace.events()] == ["signed_up"]


def test_an_operators_deletion_is_told_and_an_event_makes_the_person_again(workspace, ours, event):
    workspace.delete_person(id="cus_1")
    assert [(line.type, line.cio_id) for line in workspace.activities()][-1] == ("profile_delete", ours.cio_id)
    workspace.accept([event("paid", cio_id=ours.cio_id)])
    assert (workspace.people(), workspace.events()) == ([], [])
    assert workspace.counters["ignored.unknown_cio_id"] == 1
    workspace.accept([event("paid", id="cus_1")])
    assert workspace.person(id="cus_1").shell


def test_who_was_suppressed_by_email_alone_is_not_made_by_an_identify_but_by_an_event(workspace, identify, event):
    workspace.add_person(email="erased@example.com")
    workspace.suppress(email="erased@example.com")
    workspace.accept([identify(id="cus_1", email="Erased@example.com"), identify(email="erased@example.com")])
    workspace.accept([event("paid", email="erased@example.com")])
    assert (workspace.people(), workspace.events()) == ([], [])
    assert [line.type for line in workspace.activities()] == ["profile_create", "profile_delete"]
    workspace.accept([event("paid", id="cus_1")])
    assert workspace.person(id="cus_1").shell


@pytest.mark.parametrize("freed", [{"id": "cus_1"}, {"email": "customer-1@example.com"}])
def test_whoever_was_suppressed_with_two_identifiers_gets_both_back(workspace, ours, make, freed):
    workspace.suppress(id="cus_1")
    assert workspace.is_suppressed(email="Customer-1@example.com")
    loaded = make()
    loaded.load_state(workspace.save_state())
    for one in (workspace, loaded):
        one.unsuppress(**freed)
        assert not one.is_suppressed(id="cus_1")
        assert not one.is_suppressed(email="customer-1@example.com")
