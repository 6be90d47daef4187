"""State that is saved and loaded, and the control requests of this side."""

import httpx
import orjson
import pytest

from stripe_cio_pipeline.sandbox import CustomerioSwitches

TOKEN = {"sandbox-token": "a-token"}
ULID = "01HQ3V6T7YJ8K9M0N1P2Q3R4S5"


@pytest.fixture
def lived(make, identify, event, act, machine):
    """A workspace in which something of everything has happened, with an operation still waiting."""
    workspace = make(auto_merge=False)
    workspace.add_person(email="lead@example.com", attributes={"source": "fair"})
    workspace.add_person(id="cus_2", email="second@example.com")
    workspace.add_person(id="cus_3")
    workspace.add_person(id="cus_4")
    workspace.accept(
        [
            identify(id="cus_1", email="lead@example.com", plan="pro"),
            identify(id="cus_2", email="lead@example.com"),
            event("paid", id="cus_1", event_id=ULID, attributes={"amount": 5}),
            act("suppress", id="cus_3"),
            act("merge", primary={"id": "cus_2"}, secondary={"id": "cus_4"}),
            {
                "type": "object",
                "action": "identify",
                "identifiers": {"object_type_id": "1", "object_id": "acme"},
                "attributes": {"seats": 3},
            },
        ]
    )
    workspace.switches.apply_delay_seconds = 60.0
    workspace.accept([identify(id="cus_5")])
    return workspace


def test_a_saved_state_is_the_same_workspace_after_loading(lived, make, identify, event, machine):
    state = orjson.loads(orjson.dumps(lived.save_state()))
    loaded = make()
    loaded.load_state(state)
    assert loaded.people() == lived.people()
    assert loaded.activities() == lived.activities()
    for kind in ("failed_attribute_change", "event"):
        assert loaded.visible_activities(type=kind) == lived.visible_activities(type=kind) != ([], None)
    assert loaded.events() == lived.events()
    assert loaded.mails() == lived.mails()
    assert loaded.is_suppressed(id="cus_3")
    assert loaded.pending == 1
    assert orjson.loads(orjson.dumps(loaded.save_state())) == state
    machine.now += 60
    assert loaded.person(id="cus_5") is not None
    loaded.accept([event("paid", id="cus_1", event_id=ULID), identify(id="cus_6")])
    assert len(loaded.events()) == 1
    assert loaded.person(id="cus_6").cio_id not in {person.cio_id for person in lived.people()[:-1]}


def test_a_state_of_another_format_is_refused(workspace):
    with pytest.raises(ValueError, match="format 99"):
        workspace.load_state({"format": 99})


def test_control_requests_need_the_token(served):
    assert httpx.get(served.url + "/_sandbox/dump").status_code == 401
    assert httpx.get(served.url + "/_sandbox/dump", headers=TOKEN).status_code == 200


def test_the_state_travels_over_control_requests(serve, lived, make):
    state = httpx.get(serve(lived).url + "/_sandbox/state", headers=TOKEN).content
    other = make()
    answer = httpx.put(serve(other).url + "/_sandbox/state", headers=TOKEN, content=state)
    assert answer.json() == {"loaded": True}
    assert other.people() == lived.people()


def test_a_dump_shows_people_conflicts_and_mails(serve, lived):
    dump = httpx.get(serve(lived).url + "/_sandbox/dump", headers=TOKEN).json()
    assert {person["id"] for person in dump["people"]} == {"cus_1", "cus_2"}
    assert "failed_attribute_change" in {line["type"] for line in dump["activities"]}
    assert [(mail["event"]["name"], mail["times"]) for mail in dump["mails"]] == [("paid", 1)]
    assert dump["pending"] == 1


def test_switches_are_changed_over_control_requests(served, workspace):
    answer = httpx.post(
        served.url + "/_sandbox/switches",
        headers=TOKEN,
        json={"apply_delay_seconds": [1, 2], "refuse": {"cus_1": "no"}},
    )
    assert answer.status_code == 200
    assert workspace.switches.delay_bounds() == (1.0, 2.0)
    assert served.batch({"type": "person", "action": "delete", "identifiers": {"id": "cus_1"}}).status_code == 207


def test_a_switch_has_no_other_positions_than_its_own(served, workspace):
    answer = httpx.post(served.url + "/_sandbox/switches", headers=TOKEN, json={"stale_scope": "nothing"})
    assert answer.status_code == 400
    assert "'attribute', 'profile'" in answer.json()["error"]
    assert workspace.switches.stale_scope == "attribute"
    with pytest.raises(ValueError, match="redirect_status"):
        CustomerioSwitches(redirect_status=200)


def test_an_operator_acts_over_control_requests(served, workspace):
    def act(name, /, **arguments):
        return httpx.post(f"{served.url}/_sandbox/act/{name}", headers=TOKEN, json=arguments)

    assert act("add_person", email="lead@example.com", attributes={"plan": "none"}).json()["id"] is None
    assert act("add_person", email="LEAD@example.com").status_code == 400
    assert act("person", email="lead@example.com").json()["attributes"]["plan"] == "none"
    assert (
        act("update_person", email="lead@example.com", attributes={"plan": "pro"}).json()["attributes"]["plan"] == "pro"
    )
    assert act("write", action="event", identifiers={"email": "lead@example.com"}, name="visited").status_code == 200
    assert [one.name for one in workspace.events()] == ["visited"]
    assert act("delete_person", email="lead@example.com").status_code == 200
    assert act("delete_person", email="lead@example.com").status_code == 400
    assert act("suppress", id="cus_1").status_code == 200
    assert workspace.is_suppressed(id="cus_1")
    assert act("unsuppress", id="cus_1").status_code == 200
    assert act("settle").status_code == 200
    assert [mail["times"] for mail in act("mails").json()] == [1]


def test_counters_tell_requests_by_endpoint_and_status(served, workspace, identify):
    served.batch(identify(id="cus_1"), identify(id=""))
    served.track.put("/api/v1/customers/cus_1", json={})
    served.app.get("/v1/customers/cus_1/attributes")
    counters = httpx.get(served.url + "/_sandbox/counters", headers=TOKEN).json()
    assert counters["POST /api/v2/batch 207"] == 1
    assert counters["PUT /api/v1/customers/{identifier} 200"] == 1
    assert counters["GET /v1/customers/{identifier}/attributes 200"] == 1
    assert (counters["requests"], counters["operations.applied"]) == (3, 2)


def test_people_are_named_by_exactly_one_identifier(workspace):
    with pytest.raises(ValueError, match="exactly one"):
        workspace.person(id="cus_1", email="a@example.com")
    with pytest.raises(ValueError, match="exactly one"):
        workspace.person()


def test_many_people_are_added_at_once(workspace):
    added = workspace.add_people({"email": f"customer-{number}@example.com"} for number in range(100))
    assert (added, len(workspace.people())) == (100, 100)


def test_a_person_added_by_hand_may_be_older_than_today(workspace):
    person = workspace.add_person(email="lead@example.com", created=1_600_000_000)
    assert (person.created, person.attributes["created_at"]) == (1_600_000_000, 1_600_000_000)
