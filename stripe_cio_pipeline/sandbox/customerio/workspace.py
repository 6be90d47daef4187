"""A Customer.io workspace in memory: what can be seen of it, and done in it by hand."""

import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace
from typing import Any

from stripe_cio_pipeline.sandbox.clock import Clock
from stripe_cio_pipeline.sandbox.customerio import saved_state
from stripe_cio_pipeline.sandbox.customerio.activities import Activity
from stripe_cio_pipeline.sandbox.customerio.backlog import Backlog
from stripe_cio_pipeline.sandbox.customerio.events import Event, Mail
from stripe_cio_pipeline.sandbox.customerio.gaps import Gaps
from stripe_cio_pipeline.sandbox.customerio.intake import Intake
from stripe_cio_pipeline.sandbox.customerio.objects import Thing
from stripe_cio_pipeline.sandbox.customerio.people import Person, Profile
from stripe_cio_pipeline.sandbox.customerio.processing import Processor
from stripe_cio_pipeline.sandbox.customerio.switches import CustomerioSwitches
from stripe_cio_pipeline.sandbox.customerio.truth import Human, Truth


class Workspace(Intake):
    """One workspace: a queue of accepted operations, and the people whom they are about.

    Safe to use from the server's thread and the caller's at once. Methods that look (``people``, ``person``,
    ``events`` ...) show what has been applied so far; ``settle`` applies everything that waits. The App API
    shows the same, less the reads lag.

    For its times (``clock``, ``machine_time``) see ``Intake``.
    """

    def __init__(
        self,
        switches: CustomerioSwitches,
        clock: Clock,
        *,
        seed: int = 0,
        machine_time: Callable[[], float] = time.time,
    ) -> None:
        super().__init__(switches, clock, seed=seed, machine_time=machine_time)
        self._gaps = Gaps(switches, seed)

    # Looking

    def people(self) -> list[Person]:
        """Give everybody, oldest first."""
        with self.lock:
            self.apply_due()
            return [profile.person() for profile in self._processor.people]

    def person(
        self,
        *,
        id: str | None = None,  # noqa: A002 - the API's own word
        email: str | None = None,
        cio_id: str | None = None,
    ) -> Person | None:
        """Find one person by one identifier."""
        with self.lock:
            self.apply_due()
            found = self._find(id, email, cio_id)
            return found.person() if found is not None else None

    def activities(self, type: str | None = None) -> list[Activity]:  # noqa: A002 - the API's own word
        """Give the activity log, oldest first."""
        with self.lock:
            self.apply_due()
            return [line for line in self._processor.activities.lines if type in (None, line.type)]

    def events(self) -> list[Event]:
        """Give the accepted unique events in the order in which they were applied, each with its person."""
        with self.lock:
            self.apply_due()
            return list(self._processor.events.events)

    def mails(self) -> list[Mail]:
        """Give the events that could have started a campaign, and how many times each would have."""
        with self.lock:
            self.apply_due()
            return self._processor.events.mails(self._processor.survivor)

    def objects(self) -> list[Thing]:
        """Give all objects, oldest first; who is related to one is told by the people's ``relationships``."""
        with self.lock:
            self.apply_due()
            return [replace(thing) for thing in self._processor.object_rules.objects]

    def truth(self) -> Truth:
        """Give everything as it is at this moment, to be asked about many people."""
        with self.lock:
            suppressed = set(self._processor.suppressed)
            return Truth(self.people(), self.events(), self.mails(), suppressed, self._processor.survivor)

    def is_suppressed(self, *, id: str | None = None, email: str | None = None) -> bool:  # noqa: A002
        """Tell whether calls for this identifier are ignored."""
        with self.lock:
            self.apply_due()
            processor = self._processor
            return processor.is_suppressed("id", id) or processor.is_suppressed("email", email)

    # What the App API shows

    def visible(self, kind: str, value: str) -> Person | None:
        """Find one person as the App API sees them."""
        with self.lock:
            self.apply_due()
            return self._processor.people.visible_by(kind, value)

    def listed(self, kind: str, values: Iterable[str]) -> list[Person]:
        """Find people by one kind of identifier as the App API lists them: some may be left out."""
        with self.lock:
            self.apply_due()
            found = [self._processor.people.visible_by(kind, value) for value in values]
            return [person for person in found if person is not None and not self._is_left_out(person)]

    def _is_left_out(self, person: Person) -> bool:
        return self._gaps.leave_out(person.cio_id, self.pace())

    def search(
        self, matches: Callable[[Person], bool], *, after: str = "", limit: int = 50
    ) -> tuple[list[Person], str | None]:
        """Find people as the App API lists them, oldest first, and after whom the next page starts."""
        found: list[Person] = []
        with self.lock:
            self.apply_due()
            for person in self._processor.people.all_visible(after):
                if matches(person) and not self._is_left_out(person):
                    if len(found) == limit:
                        return found, found[-1].cio_id
                    found.append(person)
        return found, None

    def visible_activities(
        self, cio_id: str | None = None, *, deleted: bool = False, **filters: Any
    ) -> tuple[list[Activity], int | None]:
        """Page through the log as the App API sees it (see ``ActivityLog.page``), of all or of those now deleted."""
        with self.lock:
            self.apply_due()
            log, profiles = self._processor.activities, self._processor.people.profiles
            until = max(self._settled_at, self.machine_time() - self.switches.reads_lag_seconds)
            if deleted:
                chosen = filters.pop("keep", None) or (lambda line: True)
                filters["keep"] = lambda line: bool(line.cio_id) and line.cio_id not in profiles and chosen(line)
            elif self.switches.activities_of_deleted == "asked":
                filters["keep"] = lambda line: not line.cio_id or line.cio_id in profiles
            profile = profiles.get(cio_id) if cio_id is not None else None
            newest = None if cio_id is None else profile.latest_activity if profile is not None else -1
            return log.page(seen_until=until, newest=newest, **filters)

    # Acting as an operator of the workspace

    def add_person(
        self,
        *,
        id: str | None = None,  # noqa: A002 - the API's own word
        email: str | None = None,
        attributes: Mapping[str, Any] | None = None,
        created: float | None = None,
    ) -> Person:
        """Add a person by hand; raises ValueError where an identifier is missing or taken."""
        with self.lock:
            self.apply_due()
            return self._add(id, email, attributes, created).person()

    def add_people(self, people: Iterable[Mapping[str, Any]]) -> int:
        """Add many people, each given as the arguments of ``add_person``; tells how many."""
        count = 0
        with self.lock:
            self.apply_due()
            for given in people:
                self._add(given.get("id"), given.get("email"), given.get("attributes"), given.get("created"))
                count += 1
        return count

    def _add(
        self, id_: str | None, email: str | None, attributes: Mapping[str, Any] | None, created: float | None
    ) -> Profile:
        given = {kind: value for kind, value in (("id", id_), ("email", email)) if value}
        if not given:
            raise ValueError("a person needs an id or an email")
        for kind, value in given.items():
            if self._processor.people.find(kind, value) is not None:
                raise ValueError(f"another person has this {kind}; delete or merge them first")
        profile = self._processor.create(self.machine_time(), given, dict(attributes or {}))
        if created is not None:
            profile.created = created
            profile.attributes["created_at"] = (attributes or {}).get("created_at", int(created))
        return profile

    def update_person(
        self,
        *,
        id: str | None = None,  # noqa: A002 - the API's own word
        email: str | None = None,
        cio_id: str | None = None,
        attributes: Mapping[str, Any],
    ) -> Person:
        """Change a person by hand, identifiers too; raises LookupError (nobody) or ValueError (one is taken)."""
        with self.lock:
            found = self._found(id, email, cio_id)
            for kind in self.switches.identifiers():
                value = attributes.get(kind)
                holder = self._processor.people.find(kind, value) if value else None
                if holder is not None and holder is not found:
                    raise ValueError(f"another person has this {kind}; delete or merge them first")
            self.write({"action": "identify", "identifiers": {"cio_id": found.cio_id}, "attributes": dict(attributes)})
            return found.person()

    def write(self, operation: Mapping[str, Any]) -> None:
        """Do at once what another system's call asks for, by the rules that hold for every call.

        ``operation`` is one of the v2 API; ``type`` is person unless it says otherwise. Raises ValueError for one that
        the API would refuse in its answer.
        """
        given = {"type": "person", **operation}
        with self.lock:
            self.apply_due()
            if problems := self._validator.problems(given):
                raise ValueError("; ".join(problem.message for problem in problems))
            self._apply(given, self.machine_time())
            self._count_applied()

    def delete_person(
        self,
        *,
        id: str | None = None,  # noqa: A002 - the API's own word
        email: str | None = None,
        cio_id: str | None = None,
    ) -> None:
        """Delete a person by hand; raises LookupError where there is none."""
        with self.lock:
            self._processor.delete(self._found(id, email, cio_id), self.machine_time())

    def suppress(self, *, id: str | None = None, email: str | None = None) -> None:  # noqa: A002
        """Delete a person, if there is one, and have all calls for their identifiers ignored."""
        self._by_hand("suppress", id, email)

    def unsuppress(self, *, id: str | None = None, email: str | None = None) -> None:  # noqa: A002
        """Free a suppressed identifier."""
        self._by_hand("unsuppress", id, email)

    def _by_hand(self, action: str, id_: str | None, email: str | None) -> None:
        self.write({"action": action, "identifiers": {"id": id_} if id_ is not None else {"email": email}})

    def _find(self, id_: str | None, email: str | None, cio_id: str | None) -> Profile | None:
        given = [pair for pair in (("id", id_), ("email", email), ("cio_id", cio_id)) if pair[1] is not None]
        if len(given) != 1:
            raise ValueError("name a person by exactly one of id, email and cio_id")
        ((kind, value),) = given
        return self._processor.people.find(kind, value or "")

    def _found(self, id_: str | None, email: str | None, cio_id: str | None) -> Profile:
        self.apply_due()
        found = self._find(id_, email, cio_id)
        if found is None:
            raise LookupError("there is no such person in this workspace")
        return found

    # What the control requests use

    def dump(self) -> dict[str, Any]:
        """Give the state in readable form."""
        with self.lock:
            return {
                "people": self.people(),
                "objects": self.objects(),
                "pending": self.pending,
                "activities": [{"id": line.id, "type": line.type, "data": line.data} for line in self.activities()],
                "events": self.events(),
                "mails": self.mails(),
                "suppressed": sorted(self._processor.suppressed),
            }

    def save_state(self) -> dict[str, Any]:
        """Give the whole state as JSON, for ``load_state``; what waits is saved with its remaining delay."""
        with self.lock:
            self.apply_due()
            now = self.pace()
            return {
                **saved_state.save(self._processor),
                "queue": [[entry.due - now, entry.operation] for entry in self._backlog],
                "incident_seconds": self._backlog.held_seconds(now),
            }

    def load_state(self, state: Mapping[str, Any]) -> None:
        """Take over a state that ``save_state`` gave, in place of the present one."""
        with self.lock:
            processor = Processor(self.switches, self.clock)
            saved_state.load(processor, state)
            self._processor = processor
            now = self.pace()
            self._backlog = Backlog(self.switches, self._random)
            self._backlog.hold(now + state["incident_seconds"])
            for remaining, operation in state["queue"]:
                self._backlog.put(operation, now + remaining, self.machine_time())

    def _truth_of(self, identifiers: list[str]) -> Human:
        return self.truth().of(*identifiers)

    def acts(self) -> Mapping[str, Callable[..., Any]]:
        """List what can be done by hand."""
        return {
            "add_person": self.add_person,
            "update_person": self.update_person,
            "delete_person": self.delete_person,
            "write": lambda **operation: self.write(operation),
            "suppress": self.suppress,
            "unsuppress": self.unsuppress,
            "incident": self.incident,
            "settle": self.settle,
            "person": self.person,
            "truth": self._truth_of,
            "activities": self.activities,
            "mails": self.mails,
        }
