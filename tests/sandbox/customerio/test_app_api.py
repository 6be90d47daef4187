"""The App API's read side over HTTP."""

import pytest


@pytest.fixture
def person(workspace):
    return workspace.add_person(
        id="cus_1",
        email="Customer-1@example.com",
        attributes={
            "plan": "pro",
            "seats": 3,
            "mrr": 29.5,
            "total": 30.0,
            "delinquent": False,
            "tags": ["a", 1],
            "address": {"country": "DE"},
            "created_at": 1_700_000_000,
        },
    )


def test_people_are_found_by_email_without_case(served, person):
    answer = served.app.get("/v1/customers", params={"email": "customer-1@EXAMPLE.com"})
    assert answer.json() == {"results": [{"email": "Customer-1@example.com", "id": "cus_1", "cio_id": person.cio_id}]}


def test_an_unencoded_plus_finds_nobody(served, workspace):
    workspace.add_person(email="customer+1@example.com")
    assert served.app.get("/v1/customers?email=customer+1@example.com").json() == {"results": []}
    assert len(served.app.get("/v1/customers?email=customer%2B1@example.com").json()["results"]) == 1


def test_the_search_by_email_needs_an_email(served):
    answer = served.app.get("/v1/customers")
    assert answer.status_code == 400
    assert answer.json()["errors"][0]["status"] == "400"


def test_every_attribute_is_read_back_as_a_string(served, person):
    customer = served.app.get("/v1/customers/cus_1/attributes").json()["customer"]
    assert customer["id"] == "cus_1"
    assert customer["identifiers"] == {
        "id": "cus_1",
        "email": "Customer-1@example.com",
        "cio_id": person.cio_id,
    }
    assert customer["attributes"] == {
        "id": "cus_1",
        "email": "Customer-1@example.com",
        "cio_id": person.cio_id,
        "plan": "pro",
        "seats": "3",
        "mrr": "29.5",
        "total": "30",
        "delinquent": "false",
        "tags": '["a",1]',
        "address": '{"country":"DE"}',
        "created_at": "1700000000",
        "_created_in_customerio_at": "1800000000",
    }
    assert customer["timestamps"]["plan"] == 1_800_000_000
    assert (customer["unsubscribed"], customer["devices"]) == (False, [])


@pytest.mark.parametrize(("id_type", "identifier"), [("email", "customer-1%40example.com"), ("id", "cus_1")])
def test_attributes_are_found_by_each_kind_of_identifier(served, person, id_type, identifier):
    answer = served.app.get(f"/v1/customers/{identifier}/attributes", params={"id_type": id_type})
    assert answer.json()["customer"]["id"] == "cus_1"
    answer = served.app.get(f"/v1/customers/{person.cio_id}/attributes", params={"id_type": "cio_id"})
    assert answer.json()["customer"]["id"] == "cus_1"


def test_attributes_of_nobody_are_a_404_and_of_a_disabled_kind_a_400(served, person):
    assert served.app.get("/v1/customers/cus_2/attributes").status_code == 404
    assert served.app.get("/v1/customers/5/attributes", params={"id_type": "phone"}).status_code == 400
    assert served.app.get("/v1/customers/5/attributes", params={"id_type": "shoe"}).status_code == 400


def test_unsubscribed_is_told_apart_from_the_attributes(served, workspace):
    for number, value in enumerate([True, "true", 1, False, "no"]):
        workspace.add_person(id=f"cus_{number}", attributes={"unsubscribed": value})
    answer = served.app.post("/v1/customers/attributes", json={"ids": [f"cus_{n}" for n in range(5)]})
    told = [entry["customer"]["unsubscribed"] for entry in answer.json()["customers"]]
    assert told == [True, True, True, False, False]


def test_attributes_of_many_leave_out_who_is_unknown(served, workspace):
    for number in range(3):
        workspace.add_person(id=f"cus_{number}", email=f"customer-{number}@example.com")
    answer = served.app.post("/v1/customers/attributes", json={"ids": ["cus_2", "nobody", "cus_0"]})
    assert [entry["customer"]["id"] for entry in answer.json()["customers"]] == ["cus_2", "cus_0"]
    answer = served.app.post(
        "/v1/customers/attributes", params={"id_type": "email"}, json={"ids": ["customer-1@example.com"]}
    )
    assert answer.json()["customers"][0]["customer"]["id"] == "cus_1"


@pytest.mark.parametrize("ids", [[], [str(number) for number in range(101)], "cus_1", [1], None])
def test_attributes_of_many_take_one_to_a_hundred(served, ids):
    assert served.app.post("/v1/customers/attributes", json={"ids": ids}).status_code == 400
    assert served.app.post("/v1/customers/attributes", json={"ids": ["x"] * 100}).status_code == 200


@pytest.mark.parametrize(
    ("condition", "found"),
    [
        ({"attribute": {"field": "plan", "operator": "eq", "value": "pro"}}, ["cus_0", "cus_2"]),
        ({"attribute": {"field": "seats", "operator": "eq", "value": 1}}, ["cus_1"]),
        ({"attribute": {"field": "email", "operator": "eq", "value": "CUSTOMER-1@example.com"}}, ["cus_1"]),
        ({"attribute": {"field": "trial", "operator": "exists"}}, ["cus_2"]),
        ({"not": {"attribute": {"field": "trial", "operator": "exists"}}}, ["cus_0", "cus_1", "cus_3"]),
        (
            {
                "and": [
                    {"attribute": {"field": "plan", "operator": "eq", "value": "pro"}},
                    {"not": {"segment": {"id": 4}}},
                    {"attribute": {"field": "seats", "operator": "eq", "value": "2"}},
                ]
            },
            ["cus_2"],
        ),
        (
            {
                "or": [
                    {"attribute": {"field": "seats", "operator": "eq", "value": "0"}},
                    {"attribute": {"field": "seats", "operator": "eq", "value": "3"}},
                ]
            },
            ["cus_0", "cus_3"],
        ),
    ],
)
def test_people_are_searched_by_filter(served, workspace, condition, found):
    for number in range(4):
        attributes = {"plan": "free" if number % 2 else "pro", "seats": number}
        workspace.add_person(
            id=f"cus_{number}",
            email=f"customer-{number}@example.com",
            attributes=attributes | ({"trial": 1} if number == 2 else {}),
        )
    answer = served.app.post("/v1/customers", json={"filter": condition}).json()
    assert answer["ids"] == found
    assert [entry["id"] for entry in answer["identifiers"]] == found
    assert answer["next"] == ""


def test_a_search_is_paged(served, workspace):
    for number in range(7):
        workspace.add_person(email=f"customer-{number}@example.com")
    condition = {"filter": {"attribute": {"field": "email", "operator": "exists"}}}
    emails, start = [], ""
    for _ in range(3):
        page = served.app.post("/v1/customers", params={"limit": 3, "start": start}, json=condition).json()
        emails += [entry["email"] for entry in page["identifiers"]]
        assert set(page["ids"]) == {""}
        start = page["next"]
    assert emails == [f"customer-{number}@example.com" for number in range(7)]
    assert start == ""


@pytest.mark.parametrize("limit", ["0", "1001", "many"])
def test_a_search_takes_limits_up_to_a_thousand(served, limit):
    condition = {"filter": {"attribute": {"field": "email", "operator": "exists"}}}
    assert served.app.post("/v1/customers", params={"limit": limit}, json=condition).status_code == 400


@pytest.mark.parametrize(
    "condition",
    [None, {}, {"plan": "pro"}, {"and": {}}, {"attribute": {"field": "plan", "operator": "like", "value": "p"}}],
)
def test_a_filter_that_is_not_understood_is_a_400(served, condition):
    assert served.app.post("/v1/customers", json={"filter": condition}).status_code == 400


def test_activities_are_listed_newest_first_and_paged(served, workspace, event, machine):
    for number in range(25):
        workspace.accept([event("paid", id=f"cus_{number % 2}", timestamp=1_800_000_000 + number)])
        machine.now += 1
    names, start = [], ""
    for _ in range(3):
        page = served.app.get("/v1/activities", params={"type": "event", "limit": 10, "start": start}).json()
        names += [entry["timestamp"] for entry in page["activities"]]
        start = page["next"]
    assert names == [int(machine.now) - 1 - number for number in range(25)]
    assert start == ""
    ids = [entry["id"] for entry in page["activities"]]
    assert ids == sorted(ids, reverse=True)


def test_new_activities_do_not_shift_a_page(served, workspace, event):
    workspace.accept([event("paid", id="cus_1") for _ in range(4)])
    first = served.app.get("/v1/activities", params={"type": "event", "limit": 2}).json()
    workspace.accept([event("paid", id="cus_1") for _ in range(4)])
    second = served.app.get("/v1/activities", params={"type": "event", "limit": 10, "start": first["next"]}).json()
    assert len(second["activities"]) == 2


def test_one_persons_activities(served, workspace, identify, event):
    workspace.accept([identify(id="cus_1", plan="pro"), identify(id="cus_2"), event("paid", id="cus_2")])
    workspace.accept([identify(id="cus_1", plan="free"), event("paid", id="cus_1"), event("left", id="cus_1")])
    listed = served.app.get("/v1/customers/cus_1/activities").json()["activities"]
    assert [entry["type"] for entry in listed] == ["event", "event", "attribute_change", "profile_create"]
    assert listed[2]["data"] == {"plan": {"from": "pro", "to": "free"}}
    assert {entry["customer_id"] for entry in listed} == {"cus_1"}
    named = served.app.get("/v1/customers/cus_1/activities", params={"name": "paid"}).json()["activities"]
    assert [entry["name"] for entry in named] == ["paid"]
    assert served.app.get("/v1/customers/nobody/activities").status_code == 404


def test_one_persons_activities_are_paged(served, workspace, event):
    for number in range(6):
        workspace.accept([event(f"event {number}", id=f"cus_{number % 2}")])
    names, start = [], ""
    while start is not None:
        query = {"type": "event", "limit": 1, "start": start}
        page = served.app.get("/v1/customers/cus_1/activities", params=query).json()
        names += [entry["name"] for entry in page["activities"]]
        start = page["next"] or None
    assert names == ["event 5", "event 3", "event 1"]


def test_silent_conflicts_are_found_over_the_whole_workspace(served, workspace, identify):
    workspace.add_person(id="cus_1", email="first@example.com")
    workspace.add_person(id="cus_2", email="second@example.com")
    served.batch(identify(id="cus_2", email="first@example.com"))
    (line,) = served.app.get("/v1/activities", params={"type": "failed_attribute_change"}).json()["activities"]
    assert line["customer_identifiers"]["id"] == "cus_2"
    assert line["data"] == {
        "email": {
            "reason": "The identifier is already associated with a different profile.",
            "value": "first@example.com",
        }
    }


def test_activities_are_kept_for_thirty_days(served, workspace, event, machine):
    workspace.accept([event("paid", id="cus_1")])
    machine.now += 30 * 86_400
    assert len(served.app.get("/v1/activities").json()["activities"]) == 2
    machine.now += 1
    assert served.app.get("/v1/activities").json()["activities"] == []


@pytest.mark.parametrize("query", [{"limit": 101}, {"limit": 0}, {"start": "!!"}, {"start": "bm8="}])
def test_activities_refuse_odd_paging(served, query):
    assert served.app.get("/v1/activities", params=query).status_code == 400


def asked(served, count):
    answer = served.app.post("/v1/customers/attributes", json={"ids": [f"cus_{number}" for number in range(count)]})
    return {entry["customer"]["id"] for entry in answer.json()["customers"]}


def test_of_a_hundred_people_asked_for_some_are_left_out_and_shown_later(make, serve, machine):
    workspace = make(left_out_share=0.1, left_out_seconds=1800.0)
    served = serve(workspace)
    workspace.add_people({"id": f"cus_{number}"} for number in range(100))
    everybody = {f"cus_{number}" for number in range(100)}
    missing = everybody - asked(served, 100)
    assert 2 < len(missing) < 25
    machine.now += 1799
    assert missing <= everybody - asked(served, 100)
    machine.now += 1
    assert missing <= asked(served, 100)
    assert served.app.get(f"/v1/customers/{min(missing)}/attributes").status_code == 200


def test_nobody_is_missed_by_two_looks_some_time_apart(make, serve, clock):
    workspace = make(left_out_share=0.3)
    served = serve(workspace)
    workspace.add_people({"id": f"cus_{number}"} for number in range(100))
    for _ in range(10):
        first = asked(served, 100)
        clock.advance(hours=1)
        assert len(first | asked(served, 100)) == 100
        clock.advance(hours=20)


def test_a_search_leaves_people_out_as_well(make, serve):
    workspace = make(left_out_share=0.3)
    served = serve(workspace)
    workspace.add_people({"id": f"cus_{number}"} for number in range(100))
    condition = {"filter": {"attribute": {"field": "id", "operator": "exists"}}}
    found = served.app.post("/v1/customers", params={"limit": 1000}, json=condition).json()["ids"]
    assert 50 < len(found) < 90


def listed(served, **parameters):
    lines = served.app.get("/v1/activities", params=parameters).json()["activities"]
    return [(line["type"], line["customer_id"]) for line in lines]


@pytest.mark.parametrize(("position", "told"), [("listed", ["cus_2", "cus_1", "cus_1"]), ("asked", ["cus_2"])])
def test_activities_of_deleted_people_are_listed_where_they_are_asked_for(make, serve, act, identify, position, told):
    workspace = make(activities_of_deleted=position)
    served = serve(workspace)
    workspace.accept([identify(id="cus_1", email="gone@example.com"), act("delete", id="cus_1"), identify(id="cus_2")])
    cio_id = workspace.activities("profile_delete")[0].cio_id
    gone = [("profile_delete", "cus_1"), ("profile_create", "cus_1")]
    assert [person for _, person in listed(served)] == told
    assert listed(served, deleted="true") == gone
    assert listed(served, deleted="true", type="profile_delete") == gone[:1]
    assert listed(served, deleted="true", customer_id="GONE@example.com", id_type="email") == gone
    assert listed(served, deleted="true", customer_id=f"cio_{cio_id}", id_type="cio_id") == gone
    assert listed(served, deleted="true", customer_id="cus_2") == []
    assert served.app.get("/v1/activities", params={"deleted": "maybe"}).status_code == 400


def test_activities_of_one_person_are_found_by_each_kind_of_identifier(served, workspace, identify):
    workspace.accept([identify(id="cus_1", email="one@example.com"), identify(id="cus_2")])
    cio_id = workspace.person(id="cus_1").cio_id
    for kind, value in (("id", "cus_1"), ("email", "one@example.com"), ("cio_id", f"cio_{cio_id}")):
        assert listed(served, customer_id=value, id_type=kind) == [("profile_create", "cus_1")]
    assert listed(served, customer_id="cus_9") == []
    assert served.app.get("/v1/activities", params={"customer_id": "1", "id_type": "phone"}).status_code == 400
