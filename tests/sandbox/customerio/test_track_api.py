"""The Track API over HTTP: v2 batch and entity, and the v1 calls."""

import pytest

BAD = {"type": "person", "action": "identify", "identifiers": {"id": ""}}


def test_a_batch_of_good_operations_is_accepted_whole(served, workspace, identify):
    answer = served.batch(identify(id="cus_1"), identify(id="cus_2"))
    assert (answer.status_code, answer.content) == (200, b"{}\n")
    assert len(workspace.people()) == 2
    assert workspace.counters["POST /api/v2/batch 200"] == 1
    assert workspace.counters["operations.accepted"] == 2


def test_a_207_lists_the_bad_operations_and_accepts_all_others(served, workspace, identify):
    bad = identify(id="cus_2", plan="x" * 1001, note="y" * 1001)
    answer = served.batch(identify(id="cus_1"), bad, identify(id="cus_3"))
    assert answer.status_code == 207
    message = "property value cannot be longer than 1000 bytes"
    assert answer.json() == {
        "errors": [
            {"batch_index": 1, "reason": "invalid", "field": "attributes.plan", "message": message},
            {"batch_index": 1, "reason": "invalid", "field": "attributes.note", "message": message},
        ]
    }
    assert [person.id for person in workspace.people()] == ["cus_1", "cus_3"]
    assert workspace.counters["operations.rejected"] == 1


@pytest.mark.parametrize("status", [207, 400])
def test_the_status_of_a_batch_without_a_good_operation_is_a_switch(served, workspace, status):
    workspace.switches.all_invalid_status = status
    answer = served.batch(BAD, BAD)
    assert answer.status_code == status
    assert [error["batch_index"] for error in answer.json()["errors"]] == [0, 1]


@pytest.mark.parametrize("body", [b"{", b'{"batch":{}}', b'{"batch":[' + b" " * 500_000 + b"]}"])
def test_a_malformed_request_is_a_400_without_indexes(served, workspace, body):
    answer = served.track.post("/api/v2/batch", content=body)
    assert answer.status_code == 400
    assert [set(error) for error in answer.json()["errors"]] == [{"reason", "field", "message"}]
    assert workspace.counters["operations.accepted"] == 0


def test_an_entity_is_accepted_or_refused(served, workspace, identify):
    assert served.track.post("/api/v2/entity", json=identify(id="cus_1")).content == b"{}\n"
    answer = served.track.post("/api/v2/entity", json=BAD)
    assert answer.status_code == 400
    assert answer.json()["errors"][0]["field"] == "identifiers.id"
    assert [person.id for person in workspace.people()] == ["cus_1"]


def test_operations_for_chosen_people_are_refused(served, workspace, identify):
    workspace.switches.refuse = {"cus_2": "no such plan", "customer-3@example.com": "no"}
    answer = served.batch(
        identify(id="cus_1"), identify(id="cus_2"), identify(id="cus_3", email="customer-3@example.com")
    )
    assert [(error["batch_index"], error["field"], error["message"]) for error in answer.json()["errors"]] == [
        (1, "identifiers.id", "no such plan"),
        (2, "attributes.email", "no"),
    ]


@pytest.mark.parametrize(
    ("identifier", "found_by"),
    [
        ("cus_1", {"id": "cus_1"}),
        ("a/b%20c+d", {"id": "a/b%20c+d"}),
        ("customer+1@example.com", {"email": "customer+1@example.com"}),
    ],
)
def test_v1_identify_tells_the_kind_of_identifier_by_its_shape(served, workspace, identifier, found_by):
    from urllib.parse import quote

    answer = served.track.put(f"/api/v1/customers/{quote(identifier, safe='')}", json={"plan": "pro"})
    assert (answer.status_code, answer.content) == (200, b"{}\n")
    assert workspace.person(**found_by).attributes["plan"] == "pro"


def test_v1_identify_by_cio_id_changes_identifiers(served, workspace):
    person = workspace.add_person(id="cus_old")
    served.track.put(f"/api/v1/customers/cio_{person.cio_id}", json={"id": "cus_new"})
    assert workspace.person(cio_id=person.cio_id).id == "cus_new"


def test_v1_misreads_an_id_that_looks_like_an_address(served, workspace):
    served.track.put("/api/v1/customers/user%40example.com", json={})
    assert workspace.person(email="user@example.com").id is None


def test_v1_timestamp_and_update_are_heeded(served, workspace, machine):
    served.track.put("/api/v1/customers/cus_1", json={"plan": "pro"})
    served.track.put("/api/v1/customers/cus_1", json={"plan": "free", "_timestamp": int(machine.now) - 60})
    served.track.put("/api/v1/customers/cus_2", json={"plan": "free", "_update": True})
    assert workspace.person(id="cus_1").attributes["plan"] == "pro"
    assert "_timestamp" not in workspace.person(id="cus_1").attributes
    assert workspace.person(id="cus_2") is None


def test_v2_orders_by_its_own_timestamp_and_not_by_an_attribute(served, workspace, identify, machine):
    old = int(machine.now) - 60
    served.batch(identify(id="cus_1", plan="pro"))
    served.batch(identify(id="cus_1", plan="free", _timestamp=old))
    assert workspace.person(id="cus_1").attributes["plan"] == "free"
    served.batch(identify(id="cus_1", plan="pro", timestamp=old))
    assert workspace.person(id="cus_1").attributes["plan"] == "free"


def test_v1_relationships_are_wrapped_in_an_object(served, workspace):
    acme = {"identifiers": {"object_type_id": "1", "object_id": "acme"}}
    for action in ("add_relationships", "delete_relationships"):
        body = {"cio_relationships": {"action": action, "relationships": [acme]}}
        assert served.track.put("/api/v1/customers/cus_1", json=body).status_code == 200
        expected = (acme,) if action == "add_relationships" else ()
        assert workspace.person(id="cus_1").relationships == expected
    assert served.track.put("/api/v1/customers/cus_1", json={"cio_relationships": [acme]}).status_code == 400


def test_v1_delete_suppress_and_unsuppress(served, workspace):
    workspace.add_person(id="cus_1")
    assert served.track.delete("/api/v1/customers/cus_1").content == b"{}\n"
    assert workspace.people() == []
    served.track.post("/api/v1/customers/cus_1/suppress")
    served.track.put("/api/v1/customers/cus_1", json={})
    assert workspace.people() == []
    served.track.post("/api/v1/customers/cus_1/unsuppress")
    served.track.put("/api/v1/customers/cus_1", json={})
    assert len(workspace.people()) == 1


def test_v1_events_carry_data_and_an_id(served, workspace):
    body = {"name": "paid", "id": "01HQ3V6T7YJ8K9M0N1P2Q3R4S5", "timestamp": 1_800_000_000, "data": {"amount": 5}}
    for _ in range(2):
        assert served.track.post("/api/v1/customers/cus_1/events", json=body).status_code == 200
    (event,) = workspace.events()
    assert (event.name, event.attributes, event.person_id) == ("paid", {"amount": 5}, "cus_1")


def test_v1_merge(served, workspace):
    workspace.add_person(id="cus_1")
    workspace.add_person(email="lead@example.com")
    body = {"primary": {"id": "cus_1"}, "secondary": {"email": "lead@example.com"}}
    assert served.track.post("/api/v1/merge_customers", json=body).content == b"{}\n"
    assert workspace.person(id="cus_1").email == "lead@example.com"
    answer = served.track.post("/api/v1/merge_customers", json={"primary": {}, "secondary": {"id": "1"}})
    assert (answer.status_code, set(answer.json()["meta"])) == (400, {"error"})


def test_v1_devices(served, workspace):
    served.track.put("/api/v1/customers/cus_1/devices", json={"device": {"id": "t/1", "platform": "ios"}})
    assert [device["token"] for device in workspace.person(id="cus_1").devices] == ["t/1"]
    served.track.delete("/api/v1/customers/cus_1/devices/t%2F1")
    assert workspace.person(id="cus_1").devices == ()


@pytest.mark.parametrize(
    ("path", "body", "message"),
    [
        ("/api/v1/customers/cus_1/events", {}, "event name must not be blank"),
        ("/api/v1/events", {"name": ""}, "event name must not be blank"),
        ("/api/v1/customers/cus_1/events", {"name": "n" * 101}, "event name cannot be longer than 100 bytes"),
        ("/api/v1/events", {"name": "n", "timestamp": "x"}, "timestamp must be an integer of unix seconds"),
    ],
)
def test_v1_errors_are_told_in_meta(served, path, body, message):
    answer = served.track.post(path, json=body)
    assert (answer.status_code, answer.json()) == (400, {"meta": {"error": message}})


@pytest.mark.parametrize(
    ("body", "message"),
    [
        ({"id": ""}, "id attribute cannot be an empty string"),
        ({"id": 5}, "id attribute must be a string value"),
        ({"plan": "x" * 1001}, "value for attribute 'plan' cannot be longer than 1000 bytes"),
        (
            {f"name_{number}": 1 for number in range(301)},
            "cannot identify more than 300 attributes in one request",
        ),
    ],
)
def test_v1_identify_refuses_what_is_documented(served, body, message):
    answer = served.track.put("/api/v1/customers/cus_1", json=body)
    assert (answer.status_code, answer.json()) == (400, {"meta": {"error": message}})


def test_v1_malformed_json_is_told_in_the_generic_shape(served):
    answer = served.track.put("/api/v1/customers/cus_1", content=b"{")
    assert (answer.status_code, set(answer.json()["meta"])) == (400, {"errors"})


def test_unknown_paths_are_404(served):
    assert served.track.get("/api/v2/nothing").status_code == 404
    assert served.track.post("/api/v1/nothing").status_code == 404
    assert served.app.get("/v1/nothing").status_code == 404


def test_an_acceptor_counts_and_keeps_nothing(served, workspace, identify):
    workspace.switches.acceptor_only = True
    answer = served.batch(identify(id="cus_1"), BAD, identify(id="cus_3"))
    assert (answer.status_code, answer.content) == (200, b"{}\n")
    assert workspace.counters["operations.accepted"] == 3
    assert workspace.counters["bytes"] > 0
    assert (workspace.people(), workspace.pending) == ([], 0)
    assert served.track.post("/api/v2/batch", content=b"{").status_code == 400
