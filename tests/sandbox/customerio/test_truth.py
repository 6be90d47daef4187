"""What a long run is judged by: who is there, once, with each event counted once."""

import httpx
import pytest

ULIDS = [f"01HQ3V6T7YJ8K9M0N1P2Q3R4S{number}" for number in range(5)]
NOW = 1_800_000_000


def test_one_human_being_who_is_there_once_with_each_event_once(workspace, identify, event):
    workspace.accept([identify(id="cus_1", email="One@example.com", plan="pro"), identify(id="cus_2")])
    workspace.accept([event("paid", id="cus_1", event_id=ULIDS[0], timestamp=NOW)] * 2)
    workspace.accept([event("left", email="one@example.com", event_id=ULIDS[1], timestamp=NOW - 10**6)])
    human = workspace.truth().of("cus_1", "one@EXAMPLE.com")
    assert (human.exists, human.is_twice, human.suppressed, human.mailed_twice) == (True, False, frozenset(), ())
    assert (human.events, human.mails) == ({ULIDS[0]: 1, ULIDS[1]: 1}, 1)
    assert human.people[0].attributes["plan"] == "pro"


def test_nobody_is_found_by_what_nobody_has(workspace):
    human = workspace.truth().of("cus_1", "one@example.com")
    assert (human.exists, human.events, human.mails) == (False, {}, 0)


def test_a_shell_beside_the_person_is_the_same_human_being_twice(workspace, event):
    workspace.add_person(id="app-7", email="one@example.com")
    workspace.accept([event("paid", id="cus_1", event_id=ULIDS[0], timestamp=NOW)])
    workspace.accept([event("paid", email="one@example.com", event_id=ULIDS[1], timestamp=NOW)])
    truth = workspace.truth()
    assert [person.id for person in truth.shells] == ["cus_1"]
    human = truth.of("cus_1", "one@example.com")
    assert (human.is_twice, human.mails, human.mailed_twice) == (True, 2, ("paid",))
    assert human.events == {ULIDS[0]: 1, ULIDS[1]: 1}


def test_a_shell_is_none_any_more_when_somebody_identifies_it(workspace, event, identify, act):
    workspace.accept(
        [event("paid", id="cus_1"), act("add_device", id="cus_2", device={"token": "t", "platform": "ios"})]
    )
    assert [person.id for person in workspace.truth().shells] == ["cus_1", "cus_2"]
    workspace.accept([identify(id="cus_1", plan="pro")])
    assert [person.id for person in workspace.truth().shells] == ["cus_2"]
    workspace.accept([act("merge", primary={"id": "cus_2"}, secondary={"id": "cus_1"})])
    assert workspace.truth().shells == ()


def test_a_deleted_persons_events_are_still_counted(workspace, event):
    workspace.accept([event("paid", id="cus_1", event_id=ULIDS[0], timestamp=NOW)])
    workspace.delete_person(id="cus_1")
    human = workspace.truth().of("cus_1")
    assert (human.exists, human.events, human.mails) == (False, {ULIDS[0]: 1}, 1)


def test_a_merged_persons_events_are_the_survivors(workspace, event, act):
    workspace.add_person(id="cus_1")
    workspace.accept([event("paid", email="lead@example.com", event_id=ULIDS[0], timestamp=NOW)])
    workspace.accept([act("merge", primary={"id": "cus_1"}, secondary={"email": "lead@example.com"})])
    assert workspace.truth().of("cus_1").events == {ULIDS[0]: 1}


@pytest.mark.parametrize(("scope", "repeated"), [("workspace", {}), ("person", {ULIDS[0]: 2})])
def test_an_event_that_was_kept_twice_is_told(make, event, scope, repeated):
    workspace = make(dedupe_scope=scope)
    workspace.accept([event("paid", id="cus_1", event_id=ULIDS[0]), event("paid", id="cus_2", event_id=ULIDS[0])])
    truth = workspace.truth()
    assert truth.repeated == repeated
    assert truth.of("cus_1", "cus_2").events == {ULIDS[0]: 1 + len(repeated)}


def test_somebody_suppressed_who_is_there_is_told(workspace, event):
    workspace.add_person(id="cus_1", email="one@example.com")
    workspace.suppress(id="cus_1")
    assert workspace.truth().returned == ()
    assert workspace.truth().of("cus_1", "one@example.com").suppressed == {"cus_1", "one@example.com"}
    workspace.add_person(id="cus_9", email="One@example.com")
    assert [person.id for person in workspace.truth().returned] == ["cus_9"]


def test_the_truth_is_of_its_moment(workspace, event):
    before = workspace.truth()
    workspace.accept([event("paid", id="cus_1")])
    assert (before.of("cus_1").exists, before.shells) == (False, ())


def test_the_truth_is_told_over_control_requests(served, workspace, event):
    workspace.accept([event("paid", id="cus_1", event_id=ULIDS[0], timestamp=NOW)])
    workspace.suppress(email="one@example.com")
    answer = httpx.post(
        served.url + "/_sandbox/act/truth",
        headers={"sandbox-token": "a-token"},
        json={"identifiers": ["cus_1", "one@example.com"]},
    ).json()
    assert (answer["events"], answer["mails"], answer["suppressed"]) == ({ULIDS[0]: 1}, 1, ["one@example.com"])
    assert [person["id"] for person in answer["people"]] == ["cus_1"]
