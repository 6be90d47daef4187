"""The rules by which operations change objects, and relate people to them."""

from collections.abc import Callable, Iterable
from typing import Any, Protocol

from stripe_cio_pipeline.sandbox.customerio.objects import (
    Objects,
    Relationship,
    Thing,
    drop_relationship,
    merged,
    put_relationship,
    related,
    relationship_to,
)
from stripe_cio_pipeline.sandbox.customerio.people import Profile
from stripe_cio_pipeline.sandbox.customerio.switches import CustomerioSwitches
from stripe_cio_pipeline.sandbox.customerio.validation import Operation


class Household(Protocol):
    """What objects need of the people's side."""

    def log(self, type_: str, profile: Profile | None, at: float, data: dict[str, Any]) -> None:
        """Write one activity."""

    def count(self, name: str) -> None:
        """Count one more of something."""

    def named(self, identifiers: dict[str, str], at: float, *, create: bool) -> Profile | None:
        """Find a person, or make one."""

    def related_people(self) -> Iterable[Profile]:
        """Give everybody who is related to any object."""

    def before_change(self, profile: Profile, at: float) -> None:
        """Keep how a person looked."""


class ObjectRules:
    """Applies operations on objects and relationships; what is refused is told in the activity log alone."""

    def __init__(self, switches: CustomerioSwitches, household: Household) -> None:
        self.objects = Objects()
        self._switches = switches
        self._household = household

    def apply(self, operation: Operation, at: float) -> None:
        """Apply one valid operation of type object."""
        acts: dict[str, Callable[[Thing, Operation, float], None]] = {
            "identify": self._identify,
            "identify_anonymous": self._identify_anonymous,
            "delete": self._delete,
            "add_relationships": self._relate_people,
            "delete_relationships": self._unrelate_people,
        }
        action = operation["action"]
        creates = action.startswith("identify") or (action == "add_relationships" and self._creates)
        thing = self._found(operation["identifiers"], at, create=creates)
        if thing is not None:
            acts[action](thing, operation, at)

    @property
    def _creates(self) -> bool:
        return self._switches.relationships_create

    def _found(self, identifiers: dict[str, str], at: float, *, create: bool) -> Thing | None:
        thing = self.objects.find(identifiers)
        if thing is not None:
            return thing
        if "cio_object_id" in identifiers:
            self._household.count("ignored.unknown_cio_object_id")
        elif identifiers["object_type_id"] not in self._switches.object_types:
            self._household.count("ignored.unknown_object_type")
        elif create:
            thing = self.objects.create(identifiers["object_type_id"], identifiers["object_id"])
            self._log(thing, "create", at)
        return thing

    def _log(self, thing: Thing, what: str, at: float, data: dict[str, Any] | None = None) -> None:
        self._household.log(
            f"_o:{thing.object_type_id}:{what}", None, at, {"object_id": thing.object_id, **(data or {})}
        )

    # Objects

    def _identify(self, thing: Thing, operation: Operation, at: float) -> None:
        given = operation.get("attributes") or {}
        both = merged(thing.attributes, given, self._switches.kilobyte)
        if both is None:
            self._log(thing, "failed_attribute_change", at)
        elif both != thing.attributes:
            thing.attributes = both
            self._log(thing, "attribute_change", at)
        if operation["action"] == "identify":
            self._relate_people(thing, operation, at)

    def _identify_anonymous(self, thing: Thing, operation: Operation, at: float) -> None:
        self._identify(thing, operation, at)
        named = operation.get("cio_relationships") or [{"identifiers": {"anonymous_id": operation.get("anonymous_id")}}]
        for relationship in named:
            anonymous = relationship["identifiers"].get("anonymous_id")
            if isinstance(anonymous, str) and anonymous:
                made = relationship_to(thing, relationship.get("relationship_attributes") or {})
                self.objects.anonymous.setdefault(anonymous, []).append(made)

    def _delete(self, thing: Thing, operation: Operation, at: float) -> None:
        """Delete an object, "this also removes relationships from people"."""
        for profile in self._household.related_people():
            relationship = related(profile, thing)
            if relationship is not None:
                self._unrelate(profile, relationship, at)
        self.objects.remove(thing)
        self._log(thing, "delete", at)

    def _relate_people(self, thing: Thing, operation: Operation, at: float) -> None:
        for relationship in operation.get("cio_relationships") or ():
            profile = self._household.named(relationship["identifiers"], at, create=self._creates)
            if profile is not None:
                self._relate(profile, thing, relationship, at)

    def _unrelate_people(self, thing: Thing, operation: Operation, at: float) -> None:
        for relationship in operation.get("cio_relationships") or ():
            profile = self._household.named(relationship["identifiers"], at, create=False)
            kept = related(profile, thing) if profile is not None else None
            if profile is not None and kept is not None:
                self._unrelate(profile, kept, at)

    # People

    def relate(self, profile: Profile, relationships: Iterable[Relationship] | None, at: float) -> None:
        """Relate a person to objects."""
        for relationship in relationships or ():
            thing = self._found(relationship["identifiers"], at, create=self._creates)
            if thing is not None:
                self._relate(profile, thing, relationship, at)

    def unrelate(self, profile: Profile, relationships: Iterable[Relationship], at: float) -> None:
        """Take away a person's relationships to objects."""
        for relationship in relationships:
            thing = self.objects.find(relationship["identifiers"])
            kept = related(profile, thing) if thing is not None else None
            if kept is not None:
                self._unrelate(profile, kept, at)

    def carry_over(self, profile: Profile, relationships: Iterable[Relationship] | None) -> None:
        """Give a person the relationships of somebody merged into them, where they have none to the same object."""
        mine = [kept["identifiers"] for kept in profile.relationships or ()]
        for relationship in relationships or ():
            if relationship["identifiers"] not in mine:
                put_relationship(profile, relationship)

    def attach(self, anonymous_id: str, profile: Profile, at: float) -> None:
        """Give a person the relationships that they had before they were known."""
        self.relate(profile, self.objects.anonymous.pop(anonymous_id, ()), at)

    def _relate(self, profile: Profile, thing: Thing, relationship: Relationship, at: float) -> None:
        kept = related(profile, thing)
        old = (kept or {}).get("relationship_attributes") or {}
        both = merged(old, relationship.get("relationship_attributes") or {}, self._switches.kilobyte)
        told = relationship_to(thing, {})["identifiers"]
        if both is None:
            self._household.log("relationship_failed_attribute_change", profile, at, told)
            return
        if kept is not None and both == old:
            return
        self._household.before_change(profile, at)
        put_relationship(profile, relationship_to(thing, both))
        self._household.log("relationship_attribute_change" if kept else "add_relationship", profile, at, told)

    def _unrelate(self, profile: Profile, relationship: Relationship, at: float) -> None:
        self._household.before_change(profile, at)
        drop_relationship(profile, relationship)
        self._household.log("delete_relationship", profile, at, relationship["identifiers"])
