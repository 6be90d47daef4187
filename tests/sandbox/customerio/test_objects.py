"""Objects and relationships, as the v2 API takes them."""

import pytest

from stripe_cio_pipeline.sandbox import Clock
from stripe_cio_pipeline.sandbox.customerio import CustomerioSwitches, Workspace

ACME = {"object_type_id": "1", "object_id": "acme"}


def thing(action, identifiers=ACME, **more):
    return {"type": "object", "action": action, "identifiers": identifiers, **more}


def to(identifiers, **attributes):
    return {"identifiers": identifiers, **({"relationship_attributes": attributes} if attributes else {})}


def kinds(workspace):
    return [line.type for line in workspace.activities()]


def related(workspace, **person):
    return [
        (one["identifiers"]["object_id"], one.get("relationship_attributes", {}))
        for one in workspace.person(**person).relationships
    ]


def test_an_identify_makes_an_object_and_later_ones_change_it(workspace):
    workspace.accept([thing("identify", attributes={"name": "Acme", "seats": 3, "city": "Bonn"})])
    (made,) = workspace.objects()
    workspace.accept([thing("identify", {"cio_object_id": made.cio_object_id}, attributes={"seats": 4, "city": None})])
    (changed,) = workspace.objects()
    assert (changed.key, changed.attributes) == (("1", "acme"), {"name": "Acme", "seats": 4})
    assert made.attributes["seats"] == 3
    assert kinds(workspace) == ["_o:1:create", "_o:1:attribute_change", "_o:1:attribute_change"]


def test_an_unknown_cio_object_id_makes_nothing(workspace):
    workspace.accept([thing("identify", {"cio_object_id": "ob7"}, attributes={"seats": 3})])
    assert (workspace.objects(), workspace.counters["ignored.unknown_cio_object_id"]) == ([], 1)


@pytest.mark.parametrize(("position", "status"), [("silent", 200), ("reject", 207)])
def test_a_type_that_the_workspace_does_not_have_makes_nothing(make, serve, identify, position, status):
    workspace = make(unknown_object_type=position, object_types=("1", "3"))
    served = serve(workspace)
    other = {"object_type_id": "2", "object_id": "acme"}
    answer = served.batch(thing("identify", other), identify(id="cus_1", relationships=[to(other)]))
    assert answer.status_code == status
    assert workspace.objects() == []
    if position == "reject":
        assert [error["field"] for error in answer.json()["errors"]] == [
            "identifiers.object_type_id",
            "cio_relationships[0].identifiers.object_type_id",
        ]
    else:
        assert (related(workspace, id="cus_1"), workspace.counters["ignored.unknown_object_type"]) == ([], 2)
    assert served.batch(thing("identify", {"object_type_id": "3", "object_id": "x"})).status_code == 200
    assert [one.key for one in workspace.objects()] == [("3", "x")]


def test_people_are_related_from_either_side_with_attributes_that_merge(workspace, identify, act):
    workspace.accept([identify(id="cus_1", relationships=[to(ACME, role="admin", since=1)])])
    workspace.accept([thing("add_relationships", cio_relationships=[to({"id": "cus_1"}, role="owner", since=None)])])
    workspace.accept([thing("add_relationships", cio_relationships=[to({"email": "two@example.com"})])])
    assert related(workspace, id="cus_1") == [("acme", {"role": "owner"})]
    assert related(workspace, email="two@example.com") == [("acme", {})]
    workspace.accept([thing("delete_relationships", cio_relationships=[to({"id": "cus_1"}), to({"id": "nobody"})])])
    workspace.accept([act("delete_relationships", email="two@example.com", cio_relationships=[to(ACME)])])
    assert [person.relationships for person in workspace.people()] == [(), ()]
    assert kinds(workspace) == [
        *("profile_create", "_o:1:create", "add_relationship"),
        "relationship_attribute_change",
        *("profile_create", "add_relationship"),
        *("delete_relationship", "delete_relationship"),
    ]


@pytest.mark.parametrize("creates", [True, False])
def test_whether_relating_makes_people_and_objects_is_a_switch(make, act, creates):
    workspace = make(relationships_create=creates)
    workspace.add_person(id="cus_1")
    workspace.accept([act("add_relationships", id="cus_1", cio_relationships=[to(ACME)])])
    assert bool(workspace.objects()) is creates
    workspace.accept([thing("identify", cio_relationships=[to({"id": "cus_2"})])])
    assert (workspace.person(id="cus_2") is not None) is creates
    if creates:
        assert workspace.person(id="cus_2").shell
    workspace.accept([thing("add_relationships", cio_relationships=[to({"cio_id": "a3ffffffffff"})])])
    assert len(workspace.people()) == 1 + creates


def test_somebody_suppressed_is_not_made_by_a_relationship(workspace):
    workspace.suppress(id="cus_1")
    workspace.accept([thing("identify", cio_relationships=[to({"id": "cus_1"})])])
    assert workspace.people() == []


def test_deleting_an_object_takes_its_relationships_away(workspace, identify):
    beta = {"object_type_id": "1", "object_id": "beta"}
    workspace.accept([identify(id="cus_1", relationships=[to(ACME), to(beta)])])
    workspace.accept([thing("delete"), thing("delete", {"object_type_id": "1", "object_id": "nothing"})])
    assert related(workspace, id="cus_1") == [("beta", {})]
    assert [one.object_id for one in workspace.objects()] == ["beta"]
    assert kinds(workspace)[-2:] == ["delete_relationship", "_o:1:delete"]


def test_somebody_anonymous_takes_their_relationships_along(workspace, identify):
    workspace.accept([thing("identify_anonymous", anonymous_id="somebody")])
    beta = {"object_type_id": "1", "object_id": "beta"}
    workspace.accept(
        [thing("identify_anonymous", beta, cio_relationships=[to({"anonymous_id": "somebody"}, role="x")])]
    )
    workspace.accept([identify(id="cus_1", anonymous_id="somebody"), identify(id="cus_2")])
    assert related(workspace, id="cus_1") == [("acme", {}), ("beta", {"role": "x"})]
    assert related(workspace, id="cus_2") == []


def test_a_merge_carries_the_relationships_that_the_primary_lacks(workspace, identify, act):
    beta = {"object_type_id": "1", "object_id": "beta"}
    workspace.accept([identify(id="cus_1", relationships=[to(ACME, role="owner")])])
    workspace.accept([identify(id="cus_2", relationships=[to(ACME, role="guest"), to(beta)])])
    workspace.accept([act("merge", primary={"id": "cus_1"}, secondary={"id": "cus_2"})])
    assert related(workspace, id="cus_1") == [("acme", {"role": "owner"}), ("beta", {})]


def test_an_object_holds_a_hundred_kilobytes_and_refuses_more_in_the_log(workspace):
    def attributes(start):
        return {f"name_{number}": "x" * 970 for number in range(start, start + 30)}

    for start in (0, 30, 60):
        workspace.accept([thing("identify", attributes=attributes(start))])
    before = workspace.objects()[0].attributes
    workspace.accept([thing("identify", attributes=attributes(90))])
    assert len(before) == 90
    assert workspace.objects()[0].attributes == before
    assert kinds(workspace)[-1] == "_o:1:failed_attribute_change"


@pytest.mark.parametrize(
    ("operation", "field"),
    [
        (thing("identify", {"object_type_id": "1", "object_id": "x" * 151}), "identifiers.object_id"),
        (thing("identify", {"object_type_id": "one", "object_id": "x"}), "identifiers.object_type_id"),
        (thing("identify", {"object_type_id": "1"}), "identifiers"),
        (thing("identify", attributes={"a": "x" * 1001}), "attributes.a"),
        (thing("add_relationships"), "cio_relationships"),
        (thing("identify", cio_relationships=[to({"id": "a", "email": "b"})]), "cio_relationships[0].identifiers"),
        (thing("identify", cio_relationships=[to({"id": 1})]), "cio_relationships[0].identifiers.id"),
        (
            thing("identify", cio_relationships=[to({"anonymous_id": "x"})]),
            "cio_relationships[0].identifiers.anonymous_id",
        ),
        (thing("identify", cio_relationships=["cus_1"]), "cio_relationships[0].identifiers"),
        (
            thing("identify", cio_relationships=[to({"id": "a"}, b="x" * 1001)]),
            "cio_relationships[0].relationship_attributes.b",
        ),
        (
            {
                "type": "person",
                "action": "identify",
                "identifiers": {"id": "a"},
                "cio_relationships": [to({"id": "b"})],
            },
            "cio_relationships[0].identifiers",
        ),
    ],
)
def test_what_an_object_cannot_be_is_refused_by_field(served, operation, field):
    answer = served.batch(operation)
    assert (answer.status_code, [error["field"] for error in answer.json()["errors"]]) == (207, [field])


def test_readers_who_lag_do_not_see_somebody_new_before_their_time(make, identify, machine):
    workspace = make(reads_lag_seconds=5.0)
    workspace.accept([identify(id="cus_1", relationships=[to(ACME)])])
    assert workspace.visible("id", "cus_1") is None
    machine.now += 5
    assert workspace.visible("id", "cus_1").relationships == (to(ACME),)
    workspace.accept([thing("identify", {**ACME, "object_id": "beta"}, cio_relationships=[to({"id": "cus_1"})])])
    assert workspace.visible("id", "cus_1").relationships == (to(ACME),)
    machine.now += 5
    assert len(workspace.visible("id", "cus_1").relationships) == 2


def test_objects_are_saved_and_loaded(workspace, identify):
    workspace.accept([thing("identify", attributes={"seats": 3}), identify(id="cus_1", relationships=[to(ACME)])])
    workspace.accept([thing("identify_anonymous", anonymous_id="somebody")])
    loaded = Workspace(CustomerioSwitches.gentle(), Clock(1_800_000_000))
    loaded.load_state(workspace.save_state())
    assert loaded.objects() == workspace.objects()
    loaded.accept([thing("identify", {"cio_object_id": workspace.objects()[0].cio_object_id}, attributes={"seats": 4})])
    loaded.accept([identify(id="cus_2", anonymous_id="somebody"), thing("identify", {**ACME, "object_id": "beta"})])
    assert loaded.objects()[0].attributes == {"seats": 4}
    assert related(loaded, id="cus_2") == [("acme", {})]
    assert len({one.cio_object_id for one in loaded.objects()}) == 2
