"""Events: who they make, which are repeats, and which could have started a campaign."""

import pytest

ULID = "01HQ3V6T7YJ8K9M0N1P2Q3R4S5"
OTHER_ULID = "01HQ3V6T7YJ8K9M0N1P2Q3R4S6"
NOW = 1_800_000_000


@pytest.mark.parametrize("kind", ["id", "email"])
def test_an_event_for_somebody_unknown_makes_the_person(workspace, event, kind):
    value = {"id": "cus_1", "email": "customer-1@example.com"}[kind]
    workspace.accept([event("paid", **{kind: value})])
    assert workspace.person(**{kind: value}).cio_id == workspace.events()[0].cio_id
    assert [line.type for line in workspace.activities()] == ["profile_create", "event"]


def test_an_event_for_an_unknown_cio_id_is_dropped(workspace, event):
    workspace.accept([event("paid", cio_id="a3ffffffffff")])
    assert workspace.events() == []


def test_a_person_made_by_an_event_stands_in_the_way_of_a_later_link(make, event, identify):
    workspace = make(auto_merge=False)
    workspace.add_person(email="lead@example.com")
    workspace.accept([event("paid", id="cus_1"), identify(email="lead@example.com", set_id="cus_1")])
    assert workspace.person(email="lead@example.com").id is None
    assert len(workspace.activities("failed_attribute_change")) == 1


def test_a_repeated_ulid_is_ignored(workspace, event):
    workspace.accept([event("paid", id="cus_1", event_id=ULID), event("paid", id="cus_1", event_id=ULID.lower())])
    assert [one.id for one in workspace.events()] == [ULID]
    assert workspace.counters["events.duplicate"] == 1
    assert [mail.times for mail in workspace.mails()] == [1]


@pytest.mark.parametrize(("scope", "kept"), [("workspace", 1), ("person", 2)])
def test_whether_two_people_may_share_an_event_id_is_a_switch(make, event, scope, kept):
    workspace = make(dedupe_scope=scope)
    workspace.accept([event("paid", id="cus_1", event_id=ULID), event("paid", id="cus_2", event_id=ULID)])
    assert len(workspace.events()) == kept


@pytest.mark.parametrize("event_id", [None, "evt_1", "not-a-ulid", "81HQ3V6T7YJ8K9M0N1P2Q3R4S5", ULID[:-1] + "U"])
def test_without_a_valid_ulid_a_retry_sends_the_mail_twice(workspace, event, event_id):
    sent = event("paid", id="cus_1", event_id=event_id, timestamp=NOW, attributes={"amount": 5})
    workspace.accept([sent])
    workspace.accept([sent])
    assert [mail.times for mail in workspace.mails()] == [2]


def test_two_ids_for_one_content_are_a_mail_sent_twice(workspace, event):
    for event_id in (ULID, OTHER_ULID):
        workspace.accept([event("paid", id="cus_1", event_id=event_id, timestamp=NOW)])
    assert [mail.times for mail in workspace.mails()] == [2]


def test_two_contents_are_two_mails(workspace, event):
    for amount in (5, 6):
        workspace.accept([event("paid", id="cus_1", timestamp=NOW, attributes={"amount": amount})])
    assert [mail.times for mail in workspace.mails()] == [1, 1]


@pytest.mark.parametrize(("age", "mails"), [(0, 1), (72 * 3600, 1), (72 * 3600 + 1, 0), (-60, 1)])
def test_only_events_of_the_last_seventy_two_hours_could_start_a_campaign(workspace, event, age, mails):
    workspace.accept([event("paid", id="cus_1", timestamp=NOW - age)])
    assert len(workspace.mails()) == mails
    assert workspace.events()[0].timestamp == NOW - age


def test_the_seventy_two_hours_are_those_of_the_accounts_clock(workspace, event, clock):
    clock.advance(days=10)
    workspace.accept([event("old", id="cus_1", timestamp=NOW), event("new", id="cus_1", timestamp=NOW + 864_000)])
    workspace.accept([event("now", id="cus_1")])
    assert [mail.event.name for mail in workspace.mails()] == ["new", "now"]
    assert workspace.events()[-1].timestamp == NOW + 864_000


def test_a_page_view_is_kept_and_starts_no_mail(workspace, act):
    workspace.accept([act("page", id="cus_1", name="https://example.com/")])
    assert [one.type for one in workspace.events()] == ["page"]
    assert workspace.mails() == []


def test_names_are_trimmed(workspace, event):
    workspace.accept([event("  paid ", id="cus_1")])
    assert workspace.events()[0].name == "paid"


def test_an_anonymous_event_is_given_to_the_person_who_turns_out_to_have_made_it(served, workspace):
    for timestamp in (NOW, NOW - 31 * 86_400):
        body = {"name": "visited", "anonymous_id": "somebody", "timestamp": timestamp}
        assert served.track.post("/api/v1/events", json=body).status_code == 200
    assert [one.cio_id for one in workspace.events()] == [None, None]
    served.track.put("/api/v1/customers/cus_1", json={"anonymous_id": "somebody"})
    assert [one.person_id for one in workspace.events()] == ["cus_1", None]
    assert len(workspace.activities("anon_merge")) == 1
