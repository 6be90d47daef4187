"""What an identify does to attributes: merging, removing, timestamps."""

import pytest


def test_attributes_that_are_not_sent_stay(workspace, identify):
    workspace.accept([identify(id="cus_1", plan="pro"), identify(id="cus_1", seats=3)])
    attributes = workspace.person(id="cus_1").attributes
    assert (attributes["plan"], attributes["seats"]) == ("pro", 3)


@pytest.mark.parametrize("nothing", [None, ""])
def test_null_and_the_empty_string_remove(workspace, identify, nothing):
    workspace.accept([identify(id="cus_1", plan="pro"), identify(id="cus_1", plan=nothing)])
    assert "plan" not in workspace.person(id="cus_1").attributes
    change = workspace.activities("attribute_change")[-1]
    assert change.data == {"plan": {"from": "pro", "to": None}}


def test_false_and_zero_are_values(workspace, identify):
    workspace.accept([identify(id="cus_1", delinquent=False, balance=0)])
    attributes = workspace.person(id="cus_1").attributes
    assert (attributes["delinquent"], attributes["balance"]) == (False, 0)


def test_names_are_case_sensitive(workspace, identify):
    workspace.accept([identify(id="cus_1", plan="pro", Plan="free")])
    attributes = workspace.person(id="cus_1").attributes
    assert (attributes["plan"], attributes["Plan"]) == ("pro", "free")


def test_a_value_of_another_type_is_a_change(workspace, identify):
    workspace.accept([identify(id="cus_1", flag=1), identify(id="cus_1", flag=True)])
    assert workspace.person(id="cus_1").attributes["flag"] is True


def test_an_unchanged_identify_leaves_no_activity(workspace, identify):
    workspace.accept([identify(id="cus_1", plan="pro"), identify(id="cus_1", plan="pro")])
    assert workspace.activities("attribute_change") == []


def test_reserved_names_are_not_kept_as_attributes(workspace, identify):
    workspace.accept([identify(id="cus_1", _created_in_customerio_at=1, set_cio_id="a3")])
    assert set(workspace.person(id="cus_1").attributes) == {"created_at"}


def test_a_dotted_name_reaches_into_subscription_preferences_and_nowhere_else(workspace, identify):
    workspace.accept([identify(id="cus_1", cio_subscription_preferences={"topics": {"topic_1": True}})])
    operation = identify(id="cus_1")
    operation["attributes"] = {"cio_subscription_preferences.topics.topic_7": False, "address.city": "x"}
    workspace.accept([operation])
    attributes = workspace.person(id="cus_1").attributes
    assert attributes["cio_subscription_preferences"] == {"topics": {"topic_1": True, "topic_7": False}}
    assert attributes["address.city"] == "x"


def test_a_person_holds_three_hundred_attributes(workspace, identify):
    first = {f"first_{number}": number for number in range(299)}
    workspace.accept([identify(id="cus_1", **first), identify(id="cus_1", one_more=1, first_1=5)])
    attributes = workspace.person(id="cus_1").attributes
    assert len(attributes) == 300
    assert attributes["first_1"] == 5
    assert "one_more" not in attributes
    assert list(workspace.activities("failed_attribute_change")[0].data) == ["one_more"]


def test_an_update_older_than_the_profiles_latest_edit_is_dropped_in_silence(make, identify, machine):
    workspace = make(stale_scope="profile")
    workspace.accept([identify(id="cus_1", plan="pro")])
    workspace.accept([identify(id="cus_1", seats=3, timestamp=int(machine.now) - 1)])
    assert "seats" not in workspace.person(id="cus_1").attributes
    (line,) = workspace.activities("skipped_update")
    assert list(line.data) == ["seats"]
    workspace.accept([identify(id="cus_1", seats=3, timestamp=int(machine.now))])
    assert workspace.person(id="cus_1").attributes["seats"] == 3


def test_by_attribute_only_what_was_edited_later_is_dropped(make, identify, machine):
    workspace = make(stale_scope="attribute")
    workspace.accept([identify(id="cus_1", plan="pro")])
    workspace.accept([identify(id="cus_1", plan="free", seats=3, timestamp=int(machine.now) - 1)])
    attributes = workspace.person(id="cus_1").attributes
    assert (attributes["plan"], attributes["seats"]) == ("pro", 3)
    assert [list(line.data) for line in workspace.activities("skipped_update")] == [["plan"]]


def test_a_removal_is_an_edit_too(make, identify, machine):
    workspace = make(stale_scope="attribute")
    workspace.accept([identify(id="cus_1", plan="pro"), identify(id="cus_1", plan=None)])
    workspace.accept([identify(id="cus_1", plan="free", timestamp=int(machine.now) - 5)])
    assert "plan" not in workspace.person(id="cus_1").attributes


def test_a_stale_link_gives_no_id(make, identify, machine):
    workspace = make(stale_scope="profile")
    workspace.add_person(email="lead@example.com")
    old = int(machine.now) - 86_400
    workspace.accept([identify(id="cus_1", email="lead@example.com", timestamp=old)])
    assert workspace.person(email="lead@example.com").id is None


def test_stale_updates_apply_where_the_switch_keeps_them(make, identify, machine):
    workspace = make(stale_timestamps="keep")
    workspace.accept([identify(id="cus_1", plan="pro")])
    workspace.accept([identify(id="cus_1", plan="free", timestamp=1)])
    assert workspace.person(id="cus_1").attributes["plan"] == "free"


def test_an_update_without_a_timestamp_counts_as_made_when_it_is_applied(make, identify, machine):
    workspace = make(apply_delay_seconds=10.0)
    workspace.accept([identify(id="cus_1", plan="pro")])
    machine.now += 30
    workspace.accept([identify(id="cus_1", plan="free", timestamp=int(machine.now) - 25)])
    machine.now += 30
    assert workspace.person(id="cus_1").attributes["plan"] == "pro"
    assert len(workspace.activities("skipped_update")) == 1


def test_devices_and_relationships_come_and_go(workspace, identify, act):
    acme = {"identifiers": {"object_type_id": "1", "object_id": "acme"}}
    workspace.accept([identify(id="cus_1", relationships=[acme])])
    workspace.accept([act("add_device", id="cus_1", device={"token": "t", "platform": "ios"})])
    person = workspace.person(id="cus_1")
    assert (person.relationships, [device["token"] for device in person.devices]) == ((acme,), ["t"])
    workspace.accept([act("delete_relationships", id="cus_1", cio_relationships=[acme])])
    workspace.accept([act("delete_device", id="cus_1", device={"token": "t"})])
    person = workspace.person(id="cus_1")
    assert (person.relationships, person.devices) == ((), ())
    workspace.accept([act("add_relationships", id="cus_1", cio_relationships=[acme, acme])])
    assert workspace.person(id="cus_1").relationships == (acme,)


def test_a_dropped_update_is_told_nowhere_where_the_switch_says_so(make, identify, machine):
    workspace = make(stale_scope="attribute", stale_logged=False)
    workspace.accept([identify(id="cus_1", plan="pro")])
    workspace.accept([identify(id="cus_1", plan="free", timestamp=int(machine.now) - 1)])
    assert workspace.person(id="cus_1").attributes["plan"] == "pro"
    assert (workspace.activities("skipped_update"), workspace.counters["skipped_updates"]) == ([], 1)


def test_by_attribute_a_stale_identifier_neither_changes_nor_is_in_anybodys_way(make, identify, machine):
    workspace = make(stale_scope="attribute", conflict_applies_rest=False, phone_identifiers=True)
    workspace.add_person(email="second@example.com")
    workspace.accept([identify(id="cus_1", email="first@example.com", phone="+15550100123")])
    cio_id, old = workspace.person(id="cus_1").cio_id, int(machine.now) - 1
    workspace.accept([identify(cio_id=cio_id, phone="+15550100124", seats=3, timestamp=old)])
    workspace.accept([identify(id="cus_1", email="second@example.com", plan="pro", timestamp=old)])
    person = workspace.person(id="cus_1")
    assert (person.email, person.phone) == ("first@example.com", "+15550100123")
    assert (person.attributes["seats"], person.attributes["plan"]) == (3, "pro")
    assert workspace.activities("failed_attribute_change") == []
