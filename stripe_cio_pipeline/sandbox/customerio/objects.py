"""Objects (companies, accounts and the like) and what relates people to them.

Source: Track API reference, v2 (object operations, object and relationship limits) and
docs.customer.io/journeys/objects-create.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import orjson

from stripe_cio_pipeline.sandbox.customerio.people import Profile
from stripe_cio_pipeline.sandbox.customerio.validation import ATTRIBUTES

TOTAL_KILOBYTES = 100
"""All attributes of one object, or of one relationship, together."""

Relationship = dict[str, Any]
Key = tuple[str, str]


@dataclass(slots=True)
class Thing:
    """One object: its type, its id, the id that Customer.io gives it, and its attributes."""

    object_type_id: str
    object_id: str
    cio_object_id: str
    attributes: dict[str, Any] = field(default_factory=dict)

    @property
    def key(self) -> Key:
        """What it is found by."""
        return self.object_type_id, self.object_id


class Objects:
    """The workspace's objects, and the relationships that wait for an anonymous person to be known."""

    def __init__(self) -> None:
        self.things: dict[Key, Thing] = {}
        self.anonymous: dict[str, list[Relationship]] = {}
        self._by_cio_id: dict[str, Thing] = {}
        self.made = 0

    def __iter__(self) -> Iterator[Thing]:
        return iter(self.things.values())

    def find(self, identifiers: dict[str, str]) -> Thing | None:
        """Find an object by its type and id, or by ``cio_object_id``."""
        if "cio_object_id" in identifiers:
            return self._by_cio_id.get(identifiers["cio_object_id"])
        return self.things.get((identifiers.get("object_type_id", ""), identifiers.get("object_id", "")))

    def create(self, object_type_id: str, object_id: str) -> Thing:
        """Add an object without attributes."""
        self.made += 1
        thing = Thing(object_type_id, object_id, f"ob{self.made:010x}")
        self.put(thing)
        return thing

    def put(self, thing: Thing) -> None:
        """Take in an object that was saved earlier."""
        self.things[thing.key] = self._by_cio_id[thing.cio_object_id] = thing

    def remove(self, thing: Thing) -> None:
        """Forget an object; the relationships to it are the people's, and are removed from them."""
        del self.things[thing.key]
        del self._by_cio_id[thing.cio_object_id]


def merged(old: dict[str, Any], new: dict[str, Any], kilobyte: int) -> dict[str, Any] | None:
    """Merge attributes into others, where null and the empty string remove; none where they do not fit."""
    both = {name: value for name, value in {**old, **new}.items() if value is not None and value != ""}
    if len(both) > ATTRIBUTES or len(orjson.dumps(both)) > TOTAL_KILOBYTES * kilobyte:
        return None
    return both


def relationship_to(thing: Thing, attributes: dict[str, Any]) -> Relationship:
    """Write a relationship as people keep it."""
    identifiers = {"object_type_id": thing.object_type_id, "object_id": thing.object_id}
    return {"identifiers": identifiers, **({"relationship_attributes": attributes} if attributes else {})}


def related(profile: Profile, thing: Thing) -> Relationship | None:
    """Find the relationship of a person to an object."""
    identifiers = relationship_to(thing, {})["identifiers"]
    return next((kept for kept in profile.relationships or () if kept["identifiers"] == identifiers), None)


def put_relationship(profile: Profile, relationship: Relationship) -> None:
    """Add a relationship in place of the one to the same object."""
    others = [kept for kept in profile.relationships or () if kept["identifiers"] != relationship["identifiers"]]
    profile.relationships = [*others, relationship]


def drop_relationship(profile: Profile, relationship: Relationship) -> None:
    """Take a relationship away."""
    profile.relationships = [kept for kept in profile.relationships or () if kept is not relationship] or None
