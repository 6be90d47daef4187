"""Other writers by chance: what they did is known, and is what became of the workspace."""

import pytest

from stripe_cio_pipeline.sandbox.customerio import Neighbours


@pytest.fixture
def inhabited(make):
    workspace = make(conflict_applies_rest=False)
    workspace.add_people({"id": f"cus_{n}", "email": f"customer-{n}@example.com"} for n in range(60))
    return workspace


def now(workspace, deed):
    return workspace.person(cio_id=deed.person.cio_id)


def test_every_deed_is_noted_as_it_was_done(inhabited):
    neighbours = Neighbours(inhabited, seed=1)
    seen = set()
    for _ in range(60):
        deed = neighbours.act()
        seen.add(deed.kind)
        lines = {line.type for line in inhabited.activities()[-2:]}
        match deed.kind:
            case "renamed":
                assert now(inhabited, deed).email == deed.value != deed.person.email
            case "updated":
                assert now(inhabited, deed).attributes["last_seen"] > 0
            case "tracked":
                assert inhabited.events()[-1].cio_id == deed.person.cio_id
            case "refused" | "claimed":
                refused = inhabited.activities("failed_attribute_change")[-1]
                names_the_crm = refused.person_id == deed.value
                assert names_the_crm is (deed.kind == "refused")
                assert now(inhabited, deed) == deed.person
            case "deleted":
                assert (now(inhabited, deed), "profile_delete" in lines) == (None, True)
            case "suppressed":
                assert now(inhabited, deed) is None
                assert inhabited.is_suppressed(id=deed.person.id)
    assert len(neighbours.deeds) == 60
    assert seen == {"renamed", "updated", "tracked", "refused", "claimed", "deleted", "suppressed"}


def test_a_lead_is_claimed_by_the_crms_id(make):
    workspace = make()
    workspace.add_person(email="lead@example.com")
    deed = Neighbours(workspace, kinds=("claimed",)).act()
    assert workspace.person(email="lead@example.com").id == deed.value


def test_the_same_seed_does_the_same(make):
    done = []
    for seed in (1, 1, 2):
        workspace = make()
        workspace.add_people({"email": f"customer-{n}@example.com"} for n in range(20))
        neighbours = Neighbours(workspace, seed=seed)
        for _ in range(10):
            neighbours.act()
        done.append([(deed.kind, deed.person.email) for deed in neighbours.deeds])
    assert done[0] == done[1] != done[2]


def test_they_live_by_the_clock(inhabited, clock):
    neighbours = Neighbours(inhabited, kinds=("updated",))
    neighbours.live(hours=6)
    clock.advance(hours=5)
    assert neighbours.deeds == []
    clock.advance(hours=1)
    clock.advance(days=1)
    assert [deed.kind for deed in neighbours.deeds] == ["updated"] * 5
    neighbours.rest()
    clock.advance(days=1)
    assert len(neighbours.deeds) == 5


def test_where_nobody_is_nothing_is_done(workspace):
    assert Neighbours(workspace).act() is None
