"""Who an identify is about, and what is refused in silence."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from stripe_cio_pipeline.sandbox import Clock
from stripe_cio_pipeline.sandbox.customerio import CustomerioSwitches, Workspace

TAKEN = "The identifier is already associated with a different profile."


def refusals(workspace):
    return [line.data for line in workspace.activities("failed_attribute_change")]


def test_an_unknown_identifier_makes_a_person(workspace, identify):
    workspace.accept([identify(id="cus_1", email="customer-1@example.com", plan="pro")])
    person = workspace.person(id="cus_1")
    assert person == workspace.person(email="customer-1@example.com")
    assert person.attributes["plan"] == "pro"
    assert [line.type for line in workspace.activities()] == ["profile_create"]


def test_a_new_person_is_as_old_as_the_profile_unless_created_at_is_sent(workspace, identify, machine):
    workspace.accept([identify(id="cus_1"), identify(id="cus_2", created_at=1_500_000_000)])
    assert workspace.person(id="cus_1").attributes["created_at"] == int(machine.now)
    assert workspace.person(id="cus_2").attributes["created_at"] == 1_500_000_000


def test_ids_differ_by_case_and_emails_do_not(workspace, identify):
    workspace.accept([identify(id="cus_a"), identify(id="CUS_A"), identify(email="Customer-1@Example.com")])
    workspace.accept([identify(email="customer-1@example.COM", plan="pro")])
    assert len(workspace.people()) == 3
    assert workspace.person(email="CUSTOMER-1@EXAMPLE.COM").attributes["plan"] == "pro"


@pytest.mark.parametrize("addressed_by", ["id", "email"])
def test_a_lead_is_claimed_by_an_id_and_its_email(workspace, identify, addressed_by):
    lead = workspace.add_person(email="Lead@example.com", attributes={"source": "fair"})
    if addressed_by == "id":
        workspace.accept([identify(id="cus_1", email="lead@example.com", plan="pro")])
    else:
        workspace.accept([identify(email="lead@example.com", set_id="cus_1", plan="pro")])
    person = workspace.person(id="cus_1")
    assert person.cio_id == lead.cio_id
    assert person.attributes["source"] == "fair"
    assert person.attributes["plan"] == "pro"
    assert refusals(workspace) == []


def test_the_email_of_somebody_else_is_refused_with_the_documented_reason(workspace, identify):
    workspace.add_person(id="cus_1", email="first@example.com")
    workspace.add_person(id="cus_2", email="second@example.com")
    workspace.accept([identify(id="cus_2", email="first@example.com", plan="pro")])
    assert refusals(workspace) == [{"email": {"reason": TAKEN, "value": "first@example.com"}}]
    assert workspace.person(id="cus_2").email == "second@example.com"


@pytest.mark.parametrize("applies", [True, False])
def test_whether_the_rest_of_a_refused_identify_applies_is_a_switch(make, identify, applies):
    workspace = make(conflict_applies_rest=applies)
    workspace.add_person(id="cus_1", email="first@example.com")
    workspace.add_person(id="cus_2", email="second@example.com")
    workspace.accept([identify(id="cus_2", email="first@example.com", plan="pro")])
    assert ("plan" in workspace.person(id="cus_2").attributes) is applies


@pytest.mark.parametrize("allowed", [True, False])
def test_an_email_changes_by_id_only_where_the_workspace_allows_it(make, identify, allowed):
    workspace = make(allow_email_update_by_id=allowed)
    workspace.add_person(id="cus_1", email="old@example.com")
    workspace.accept([identify(id="cus_1", email="new@example.com")])
    assert workspace.person(id="cus_1").email == ("new@example.com" if allowed else "old@example.com")
    assert len(refusals(workspace)) == (0 if allowed else 1)
    assert (workspace.person(email="old@example.com") is None) is allowed


def test_the_harsh_defaults_refuse_an_email_change_by_id(make):
    assert make(harsh=True).switches.allow_email_update_by_id is False
    assert make(harsh=True).switches.id_reassignment == "fail"
    assert make(harsh=True).switches.conflict_applies_rest is False


def test_an_email_is_given_to_a_person_who_has_none(make, identify):
    workspace = make(allow_email_update_by_id=False)
    workspace.add_person(id="cus_1")
    workspace.accept([identify(id="cus_1", email="new@example.com")])
    assert workspace.person(email="new@example.com").id == "cus_1"


@pytest.mark.parametrize("policy", ["fail", "reassign"])
@pytest.mark.parametrize("addressed_by", ["id", "email"])
def test_a_new_id_for_somebody_who_has_one_follows_the_policy(make, identify, policy, addressed_by):
    workspace = make(id_reassignment=policy)
    workspace.add_person(id="cus_old", email="customer-1@example.com")
    if addressed_by == "id":
        workspace.accept([identify(id="cus_new", email="customer-1@example.com")])
    else:
        workspace.accept([identify(email="customer-1@example.com", set_id="cus_new")])
    assert workspace.person(email="customer-1@example.com").id == ("cus_new" if policy == "reassign" else "cus_old")
    assert (workspace.person(id="cus_old") is None) is (policy == "reassign")
    assert [list(data) for data in refusals(workspace)] == ([] if policy == "reassign" else [["id"]])


def test_identifiers_may_change_when_addressed_by_cio_id(make, identify):
    workspace = make(allow_email_update_by_id=False)
    person = workspace.add_person(id="cus_old", email="old@example.com")
    workspace.accept([identify(cio_id=person.cio_id, set_id="cus_new", set_email="new@example.com")])
    assert (workspace.person(id="cus_new").email, workspace.person(id="cus_old")) == ("new@example.com", None)


def test_a_cio_id_that_nobody_has_is_dropped_without_a_word(workspace, identify):
    workspace.accept([identify(cio_id="a3ffffffffff", plan="pro")])
    assert workspace.people() == []
    assert workspace.activities() == []
    assert workspace.counters["ignored.unknown_cio_id"] == 1


def test_two_people_who_match_are_merged_when_neither_has_what_the_other_has(workspace, identify, machine):
    lead = workspace.add_person(email="customer-1@example.com", attributes={"plan": "none", "source": "fair"})
    machine.now += 1
    workspace.add_person(id="cus_1", attributes={"plan": "pro", "seats": 3})
    workspace.accept([identify(id="cus_1", email="customer-1@example.com")])
    (person,) = workspace.people()
    assert (person.cio_id, person.id, person.email) == (lead.cio_id, "cus_1", "customer-1@example.com")
    assert (person.attributes["plan"], person.attributes["seats"]) == ("none", 3)
    assert [line.type for line in workspace.activities()][-1] == "profile_merge"


def test_without_automatic_merge_the_same_identify_is_refused(make, identify):
    workspace = make(auto_merge=False)
    workspace.add_person(email="customer-1@example.com")
    workspace.add_person(id="cus_1")
    workspace.accept([identify(id="cus_1", email="customer-1@example.com")])
    assert len(workspace.people()) == 2
    assert refusals(workspace)[0]["email"]["reason"] == TAKEN


@pytest.mark.parametrize(("first", "second"), [("first@example.com", None), (None, "cus_2")])
def test_people_are_not_merged_when_one_has_the_other_kind_of_identifier(workspace, identify, first, second):
    workspace.add_person(id="cus_1", email=first)
    workspace.add_person(id=second, email="second@example.com")
    workspace.accept([identify(id="cus_1", email="second@example.com")])
    assert len(workspace.people()) == 2
    assert refusals(workspace)[0]["email"]["reason"] == TAKEN


def test_a_merge_keeps_the_primary_and_fills_what_it_lacks(workspace, act):
    workspace.add_person(id="cus_1", attributes={"plan": "pro", "created_at": 1})
    workspace.add_person(email="lead@example.com", attributes={"plan": "none", "source": "fair"})
    workspace.accept([act("merge", primary={"id": "cus_1"}, secondary={"email": "lead@example.com"})])
    (person,) = workspace.people()
    assert (person.id, person.email) == ("cus_1", "lead@example.com")
    assert person.attributes == {"plan": "pro", "created_at": 1, "source": "fair"}


def test_a_merge_into_somebody_unknown_does_nothing(workspace, act):
    workspace.add_person(email="lead@example.com")
    workspace.accept([act("merge", primary={"id": "cus_1"}, secondary={"email": "lead@example.com"})])
    assert workspace.person(email="lead@example.com") is not None


def test_a_merged_persons_events_belong_to_the_primary(workspace, act, event):
    workspace.add_person(id="cus_1")
    workspace.add_person(email="lead@example.com")
    workspace.accept([event("signed_up", email="lead@example.com", timestamp=1_800_000_000)])
    workspace.accept([act("merge", primary={"id": "cus_1"}, secondary={"email": "lead@example.com"})])
    workspace.accept([event("signed_up", id="cus_1", timestamp=1_800_000_000)])
    assert [mail.times for mail in workspace.mails()] == [2]


def test_update_true_never_makes_a_person(workspace, identify):
    workspace.accept([identify(id="cus_1", plan="pro", _update=True)])
    assert workspace.people() == []
    assert "id" in refusals(workspace)[0]
    workspace.accept([identify(id="cus_1"), identify(id="cus_1", plan="pro", _update=True)])
    person = workspace.person(id="cus_1")
    assert person.attributes["plan"] == "pro"
    assert "_update" not in person.attributes


def test_a_deleted_person_is_made_again_by_the_next_identify(workspace, identify, act):
    before = workspace.add_person(id="cus_1", email="customer-1@example.com", attributes={"plan": "pro"})
    workspace.accept([act("delete", email="customer-1@example.com")])
    assert workspace.people() == []
    workspace.accept([identify(id="cus_1")])
    after = workspace.person(id="cus_1")
    assert after.cio_id != before.cio_id
    assert "plan" not in after.attributes
    assert [line.type for line in workspace.activities()] == [
        "profile_create",
        "profile_delete",
        "profile_create",
    ]


def test_a_suppressed_person_is_gone_and_both_identifiers_are_ignored(workspace, identify, act, event):
    workspace.add_person(id="cus_1", email="customer-1@example.com")
    workspace.accept([act("suppress", id="cus_1")])
    workspace.accept(
        [
            identify(id="cus_1", plan="pro"),
            identify(email="Customer-1@example.com"),
            identify(id="cus_9", email="customer-1@example.com"),
            event("paid", id="cus_1"),
        ]
    )
    assert workspace.people() == []
    assert workspace.events() == []
    assert workspace.counters["ignored.suppressed"] == 4
    assert workspace.is_suppressed(email="customer-1@example.com")


def test_unsuppress_frees_an_identifier_without_its_history(workspace, identify, act):
    workspace.add_person(id="cus_1", attributes={"plan": "pro"})
    workspace.accept([act("suppress", id="cus_1"), act("unsuppress", id="cus_1"), identify(id="cus_1")])
    assert "plan" not in workspace.person(id="cus_1").attributes


def test_a_phone_is_an_attribute_that_many_may_share_unless_it_identifies(workspace, make, identify):
    phones = [identify(id=f"cus_{number}", phone="+15550100123") for number in range(2)]
    workspace.accept([*phones, identify(id="cus_2", phone="call me")])
    assert [person.attributes["phone"] for person in workspace.people()] == ["+15550100123"] * 2 + ["call me"]
    assert refusals(workspace) == []

    identifying = make(phone_identifiers=True)
    identifying.accept([*phones, identify(id="cus_2", phone="call me")])
    assert {person.id: person.phone for person in identifying.people()} == {"cus_0": "+15550100123", "cus_2": None}
    assert [list(data) for data in refusals(identifying)] == [["id"], ["phone"]]


def test_in_a_workspace_of_ids_alone_an_email_is_an_attribute(make, identify):
    workspace = make(email_identifiers=False)
    workspace.accept([identify(id=f"cus_{number}", email="shared@example.com") for number in range(2)])
    assert [person.attributes["email"] for person in workspace.people()] == ["shared@example.com"] * 2
    assert workspace.person(email="shared@example.com") is None


@pytest.mark.parametrize("address", [" customer-1@example.com", "no address", "a@b@example.com"])
def test_a_malformed_email_is_refused_in_the_log_alone(workspace, identify, address):
    workspace.accept([identify(id="cus_1", email=address, plan="pro")])
    person = workspace.person(id="cus_1")
    assert (person.email, person.attributes["plan"]) == (None, "pro")
    assert refusals(workspace)[0]["email"]["value"] == address


def test_a_person_addressed_by_a_malformed_email_is_not_made(workspace, identify, event):
    workspace.accept([identify(email="no address"), event("paid", email="no address")])
    assert workspace.people() == []
    assert len(refusals(workspace)) == 2


IDS = st.sampled_from(["cus_0", "cus_1", "cus_2"])
EMAILS = st.sampled_from(["A@example.com", "a@example.com", "B@example.com", "c@example.com"])
CALLS = st.one_of(
    st.tuples(st.just("by id"), IDS, EMAILS),
    st.tuples(st.just("by email"), IDS, EMAILS),
    st.tuples(st.just("without email"), IDS, EMAILS),
    st.tuples(st.just("delete"), IDS, EMAILS),
    st.tuples(st.just("merge"), IDS, EMAILS),
)


@settings(max_examples=60, deadline=None, derandomize=True)
@given(
    calls=st.lists(CALLS, max_size=15),
    auto_merge=st.booleans(),
    allow=st.booleans(),
    policy=st.sampled_from(["fail", "reassign"]),
    rest=st.booleans(),
)
def test_no_two_people_share_an_identifier_whatever_is_sent(calls, auto_merge, allow, policy, rest, identify, act):
    switches = CustomerioSwitches.gentle()
    switches.auto_merge, switches.allow_email_update_by_id = auto_merge, allow
    switches.id_reassignment, switches.conflict_applies_rest = policy, rest
    workspace = Workspace(switches, Clock(1_800_000_000), machine_time=lambda: 1_800_000_000.0)
    for kind, id_, email in calls:
        operation = {
            "by id": lambda id_=id_, email=email: identify(id=id_, email=email),
            "by email": lambda id_=id_, email=email: identify(email=email, set_id=id_),
            "without email": lambda id_=id_: identify(id=id_, email=None),
            "delete": lambda id_=id_: act("delete", id=id_),
            "merge": lambda id_=id_, email=email: act("merge", primary={"id": id_}, secondary={"email": email}),
        }[kind]()
        workspace.accept([operation])
        people = workspace.people()
        for name in ("id", "email"):
            held = [getattr(person, name).lower() for person in people if getattr(person, name)]
            assert len(held) == len(set(held))
        for person in people:
            assert person.id or person.email
            assert person.id is None or workspace.person(id=person.id) == person
            assert person.email is None or workspace.person(email=person.email) == person
        found = workspace.person(id=id_)
        assert found is None or found.id == id_
