"""Applies accepted operations to a workspace, long after their senders were told 200."""

from collections.abc import Callable, Iterator, Mapping
from typing import Any

from stripe_cio_pipeline.sandbox.clock import Clock
from stripe_cio_pipeline.sandbox.customerio.activities import MALFORMED, NOTHING, UNKNOWN_PERSON, ActivityLog
from stripe_cio_pipeline.sandbox.customerio.devices import add_device, delete_device
from stripe_cio_pipeline.sandbox.customerio.events import Event, EventLog
from stripe_cio_pipeline.sandbox.customerio.identity import IDENTIFIERS, Conflict, Resolution, resolve
from stripe_cio_pipeline.sandbox.customerio.object_rules import ObjectRules
from stripe_cio_pipeline.sandbox.customerio.people import People, Profile, email_key
from stripe_cio_pipeline.sandbox.customerio.switches import CustomerioSwitches
from stripe_cio_pipeline.sandbox.customerio.validation import ATTRIBUTES, PERSON_ACTIONS, Operation, is_well_formed
from stripe_cio_pipeline.sandbox.customerio.writing import Change, Written, fresh_part, write

_COUNTED = {action: f"applied.{action}" for action in PERSON_ACTIONS}

ANONYMOUS_SECONDS = 30 * 86_400
"""How old an anonymous event may be to be given to the person who turns out to have made it."""


class Processor:
    """The rules by which operations change people, events and the activity log.

    Edits and activities are stamped with machine time, as the caller's own timestamps are; campaigns look at
    the account's clock, as the events' timestamps do.
    """

    def __init__(self, switches: CustomerioSwitches, clock: Clock) -> None:
        self.switches = switches
        self.people = People()
        self.activities = ActivityLog()
        self.events = EventLog()
        self.suppressed: dict[tuple[str, str], frozenset[tuple[str, str]]] = {}
        self.merged_into: dict[str, str] = {}
        self.object_rules = ObjectRules(switches, self)
        self._clock = clock
        self.counted: dict[str, int] = {}
        self._acts: dict[str, Callable[[Operation, float], None]] = {
            "identify": self._identify,
            "delete": self._delete,
            "suppress": self._suppress,
            "unsuppress": self._unsuppress,
            "event": self._event,
            "page": self._event,
            "screen": self._event,
            "add_relationships": self._add_relationships,
            "delete_relationships": self._delete_relationships,
            "add_device": self._add_device,
            "delete_device": self._delete_device,
            "merge": self._merge,
        }

    def apply(self, operation: Operation, at: float) -> None:
        """Apply one valid operation at ``at`` (machine seconds)."""
        kind, action = operation["type"], operation["action"]
        self.count("operations.applied")
        if kind == "person":
            self.count(_COUNTED[action])
            self._acts[action](operation, at)
        elif kind == "object":
            self.object_rules.apply(operation, at)

    def count(self, name: str, amount: int = 1) -> None:
        """Count so many more of something."""
        self.counted[name] = self.counted.get(name, 0) + amount

    # Looking people up

    def _addressed(self, operation: Operation) -> tuple[str, str]:
        ((kind, value),) = operation["identifiers"].items()
        return kind, value

    def is_suppressed(self, kind: str, value: str | None) -> bool:
        """Tell whether calls for this identifier are ignored."""
        if not self.suppressed or not value:
            return False
        return (kind, email_key(value) if kind == "email" else value) in self.suppressed

    def identifiers_known(self, operation: Operation) -> dict[str, str]:
        """Give all identifiers, by kind, of the person an operation is about: its own, and those of who has them."""
        named: dict[str, Any] = operation.get("identifiers") or operation.get("primary") or {}
        body = operation.get("attributes") or {} if operation["action"] == "identify" else {}
        told = {kind: body[kind] for kind in self.switches.identifiers() if isinstance(body.get(kind), str)} | named
        for kind, value in named.items():
            known = self.people.find(kind, value) if kind in (*IDENTIFIERS, "cio_id") else None
            if known is not None:
                held = {other: known.identifier(other) for other in IDENTIFIERS}
                told |= {other: text for other, text in held.items() if text}
        return {kind: text for kind, text in told.items() if text}

    def _existing(self, operation: Operation) -> Profile | None:
        kind, value = self._addressed(operation)
        return self.people.find(kind, value)

    def _existing_or_new(self, operation: Operation, at: float) -> Profile | None:
        """Find whom an event or a device belongs to; an unknown person is created by them."""
        return self.named(operation["identifiers"], at, create=True)

    def named(self, identifiers: dict[str, str], at: float, *, create: bool) -> Profile | None:
        """Find a person by their one identifier; with ``create``, somebody unknown is made, if that may be."""
        ((kind, value),) = identifiers.items()
        if self.is_suppressed(kind, value):
            self.count("ignored.suppressed")
            return None
        found = self.people.find(kind, value)
        if found is not None:
            return found
        if kind == "cio_id":
            self.count("ignored.unknown_cio_id")
            return None
        if not create:
            return None
        if not is_well_formed(kind, value, self.switches):
            self._refuse(None, [Conflict(kind, value, MALFORMED)], at)
            return None
        profile = self.create(at, {kind: value}, {})
        profile.shell = True
        self.before_change(profile, at, exists=False)
        return profile

    # Telling

    def log(
        self, type_: str, profile: Profile | None, at: float, data: dict[str, Any], name: str | None = None
    ) -> None:
        """Write one activity, under the identifiers that the person has at this moment."""
        self.activities.add(type_, at, profile, data, name)

    def _refuse(self, profile: Profile | None, conflicts: list[Conflict], at: float) -> None:
        self.count("conflicts", len(conflicts))
        data = {conflict.kind: {"reason": conflict.reason, "value": conflict.value} for conflict in conflicts}
        self.log("failed_attribute_change", profile, at, data)

    def before_change(self, profile: Profile, at: float, *, exists: bool = True) -> None:
        """Keep how a person looked, if the App API lags behind."""
        if self.switches.reads_lag_seconds > 0:
            self.people.before_change(profile, at, exists=exists)

    # Identify

    def _identify(self, operation: Operation, at: float) -> None:
        kind, value = self._addressed(operation)
        attributes: dict[str, Any] = operation.get("attributes") or {}
        body = {name: attributes[name] or None for name in self.switches.identifiers() if name in attributes}
        if self.is_suppressed(kind, value) or any(self.is_suppressed(k, v) for k, v in body.items()):
            self.count("ignored.suppressed")
            return
        if not is_well_formed(kind, value, self.switches):
            self._refuse(None, [Conflict(kind, value, MALFORMED)], at)
            return
        malformed = [
            Conflict(name, text, MALFORMED)
            for name, text in body.items()
            if text and not is_well_formed(name, text, self.switches)
        ]
        if malformed and not self.switches.malformed_applies_rest:
            self._refuse(self.people.find(kind, value), malformed, at)
            return
        for conflict in malformed:
            del body[conflict.kind]
        found = resolve(self.people, kind, value, body, self.switches)
        taken = bool(found.conflicts)
        found.conflicts += malformed
        if found.create and attributes.get("_update") is True:
            self._refuse(None, [Conflict(kind, value, UNKNOWN_PERSON)], at)
        elif found.create and taken and not self.switches.conflict_applies_rest:
            self._refuse(None, found.conflicts, at)
        elif found.create:
            profile = self._create_identified(found, attributes, operation, at)
            if found.conflicts:
                self._refuse(profile, found.conflicts, at)
        elif found.target is not None:
            self._update(found.target, found, attributes, operation, at)
        else:
            self.count("ignored.unknown_cio_id")

    def _create_identified(
        self, found: Resolution, attributes: dict[str, Any], operation: Operation, at: float
    ) -> Profile:
        identifiers = {kind: value for kind, value in found.set.items() if value}
        profile = self.create(at, identifiers, attributes, operation.get("timestamp"))
        self.before_change(profile, at, exists=False)
        self._relate(profile, operation, at)
        return profile

    def _relate(self, profile: Profile, operation: Operation, at: float) -> None:
        """Relate somebody identified to objects, to those of their anonymous time too."""
        self.object_rules.relate(profile, operation.get("cio_relationships"), at)
        anonymous = profile.attributes.get("anonymous_id")
        if isinstance(anonymous, str):
            self.object_rules.attach(anonymous, profile, at)

    def create(
        self,
        at: float,
        identifiers: Mapping[str, str],
        attributes: dict[str, Any],
        timestamp: int | None = None,
    ) -> Profile:
        """Add a person; without ``created_at`` they are as old as their profile."""
        profile = self.people.create(at, **identifiers)
        second = int(at) if timestamp is None else timestamp
        for kind in identifiers:
            profile.stamp(kind, second)
        written = write(profile, attributes, second, self.switches.identifiers())
        if "created_at" not in profile.attributes:
            profile.attributes["created_at"] = int(at)
        self._attach_anonymous(profile, at)
        self.log("profile_create", profile, at, NOTHING)
        written.changes = {}
        self._told(profile, written, at, {})
        return profile

    def _update(
        self, target: Profile, found: Resolution, attributes: dict[str, Any], operation: Operation, at: float
    ) -> None:
        timestamp: int | None = operation.get("timestamp")
        second = int(at) if timestamp is None else timestamp
        if timestamp is not None and self.switches.stale_timestamps == "drop":
            fresh = fresh_part(target, attributes, timestamp, self.switches.stale_scope)
            stale = {name: {"timestamp": timestamp} for name in attributes if name not in fresh}
            if timestamp < target.edited and not fresh:
                self._skip(target, stale, at)
                return
            if stale:
                self._skip(target, stale, at)
                found.set = {kind: value for kind, value in found.set.items() if kind not in stale}
                found.conflicts = [conflict for conflict in found.conflicts if conflict.kind not in stale]
            attributes = fresh
        if found.conflicts:
            self._refuse(target, found.conflicts, at)
            if not self.switches.conflict_applies_rest:
                return
        if found.merge is not None:
            self.merge(*found.merge, at)
        self.before_change(target, at)
        target.shell = False
        changes: dict[str, Change] = {}
        for kind, value in found.set.items():
            changes[kind] = (getattr(target, kind), value)
            self.people.set_identifier(target, kind, value)
            target.stamp(kind, second, removed=value is None)
        written = write(target, attributes, second, self.switches.identifiers())
        self._told(target, written, at, changes)
        self._relate(target, operation, at)
        self._attach_anonymous(target, at)

    def _skip(self, target: Profile, stale: dict[str, Any], at: float) -> None:
        self.count("skipped_updates")
        if self.switches.stale_logged:
            self.log("skipped_update", target, at, stale)

    def _told(self, profile: Profile, written: Written, at: float, changes: dict[str, Change]) -> None:
        """Log what an identify changed, and what a full profile could not take."""
        if written.overflow:
            reason = f"A profile cannot have more than {ATTRIBUTES} attributes."
            self._refuse(profile, [Conflict(name, None, reason) for name in written.overflow], at)
        changes |= written.changes
        if changes:
            self.log("attribute_change", profile, at, changes)

    # The end of a person

    def _delete(self, operation: Operation, at: float) -> None:
        profile = self._existing(operation)
        if profile is not None:
            self.delete(profile, at)

    def delete(self, profile: Profile, at: float) -> None:
        """Remove a person; a later call for one of their identifiers makes a new one."""
        self.before_change(profile, at)
        self.log("profile_delete", profile, at, NOTHING)
        self.people.remove(profile)

    def _suppress(self, operation: Operation, at: float) -> None:
        kind, value = self._addressed(operation)
        profile = self.people.find(kind, value)
        blocked = {kind: value} if profile is None else {name: profile.identifier(name) for name in IDENTIFIERS}
        together = frozenset(
            (name, email_key(text) if name == "email" else text)
            for name, text in blocked.items()
            if text and name != "cio_id"
        )
        self.suppressed |= dict.fromkeys(together, together)
        if profile is not None:
            self.delete(profile, at)

    def _unsuppress(self, operation: Operation, at: float) -> None:
        kind, value = self._addressed(operation)
        # Whoever had an id and an email when they were suppressed gets both back.
        for freed in self.suppressed.get((kind, email_key(value) if kind == "email" else value), ()):
            self.suppressed.pop(freed, None)

    def _merge(self, operation: Operation, at: float) -> None:
        ((kind, value),) = operation["primary"].items()
        primary = self.people.find(kind, value)
        ((kind, value),) = operation["secondary"].items()
        secondary = self.people.find(kind, value)
        if primary is not None and secondary is not None and primary is not secondary:
            self.merge(primary, secondary, at)

    def merge(self, primary: Profile, secondary: Profile, at: float) -> None:
        """Fill what the primary lacks from the secondary, hand over its events, and delete it."""
        self.before_change(primary, at)
        self.before_change(secondary, at)
        identifiers = {kind: getattr(secondary, kind) for kind in IDENTIFIERS}
        data = {"secondary": {**identifiers, "cio_id": secondary.cio_id}}
        self.people.remove(secondary)
        for kind, value in identifiers.items():
            if value is not None and getattr(primary, kind) is None:
                self.people.set_identifier(primary, kind, value)
        for name, value in secondary.attributes.items():
            if primary.attributes.get(name) in (None, ""):
                primary.attributes[name] = value
        primary.devices = [*(primary.devices or ()), *(secondary.devices or ())] or None
        self.object_rules.carry_over(primary, secondary.relationships)
        primary.shell = primary.shell and secondary.shell
        self.merged_into[secondary.cio_id] = primary.cio_id
        self.log("profile_merge", primary, at, data)

    def survivor(self, cio_id: str | None) -> str | None:
        """Follow merges to the person who has somebody's history now."""
        while cio_id is not None and cio_id in self.merged_into:
            cio_id = self.merged_into[cio_id]
        return cio_id

    def related_people(self) -> Iterator[Profile]:
        """Give everybody who is related to any object."""
        return (profile for profile in self.people if profile.relationships)

    # Events, devices, relationships

    def _event(self, operation: Operation, at: float) -> None:
        anonymous = operation.get("anonymous_id")
        event_id = operation.get("id")
        profile = None
        if "identifiers" in operation:
            profile = self._existing_or_new(operation, at)
            if profile is None:
                return
        scope = profile.cio_id if profile is not None and self.switches.dedupe_scope == "person" else ""
        if self.events.is_repeat(event_id if isinstance(event_id, str) else None, scope):
            self.count("events.duplicate")
            return
        now = self._clock.now()
        timestamp = operation.get("timestamp")
        second = int(now) if timestamp is None else timestamp
        recent = now - second <= self.switches.campaign_hours * 3600
        event = Event(
            name=operation["name"].strip(),
            cio_id=profile.cio_id if profile is not None else None,
            person_id=profile.id if profile is not None else None,
            email=profile.email if profile is not None else None,
            timestamp=second,
            attributes=operation.get("attributes") or {},
            id=event_id,
            type=operation["action"],
            anonymous_id=anonymous,
            mails=recent and operation["action"] == "event",
        )
        self.events.add(event)
        self.log(operation["action"], profile, at, event.attributes, event.name)

    def _attach_anonymous(self, profile: Profile, at: float) -> None:
        anonymous = profile.attributes.get("anonymous_id")
        if isinstance(anonymous, str) and self.events.attach(
            anonymous, profile, oldest=self._clock.now() - ANONYMOUS_SECONDS
        ):
            self.log("anon_merge", profile, at, {"anonymous_id": anonymous})

    def _add_device(self, operation: Operation, at: float) -> None:
        profile = self._existing_or_new(operation, at)
        if profile is not None:
            self.before_change(profile, at)
            add_device(profile, operation["device"])

    def _delete_device(self, operation: Operation, at: float) -> None:
        profile = self._existing(operation)
        if profile is not None:
            self.before_change(profile, at)
            delete_device(profile, operation["device"]["token"])

    def _add_relationships(self, operation: Operation, at: float) -> None:
        profile = self._existing_or_new(operation, at)
        if profile is not None:
            self.object_rules.relate(profile, operation["cio_relationships"], at)

    def _delete_relationships(self, operation: Operation, at: float) -> None:
        profile = self._existing(operation)
        if profile is not None:
            self.object_rules.unrelate(profile, operation["cio_relationships"], at)
