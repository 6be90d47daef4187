"""An app, a CRM and an operator who write into a workspace beside the caller, by chance and from a seed."""

import random
from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal, get_args

from stripe_cio_pipeline.sandbox.customerio.people import Person
from stripe_cio_pipeline.sandbox.customerio.workspace import Workspace

DeedKind = Literal[
    "renamed",  # the app gives a person another email
    "updated",  # the app writes an attribute of its own, without a timestamp
    "tracked",  # the app sends an event of its own, by email
    "refused",  # the CRM knows somebody by an id of its own and sends a person's email for them: refused
    "claimed",  # the CRM sends an id of its own for a person's email: theirs if they have none, else refused
    "deleted",  # the operator deletes a person
    "suppressed",  # the operator suppresses a person
]


@dataclass(frozen=True, slots=True)
class Deed:
    """What was done to whom; the person is told as they were before. ``value`` is the new email or the CRM's id."""

    kind: DeedKind
    person: Person
    value: str = ""


class Neighbours:
    """Writers whose every deed is noted in ``deeds``, so that a test knows what is right afterwards.

    ``kinds`` are those that they do. A deed is done at once, by the rules that hold for every call.
    """

    def __init__(
        self, workspace: Workspace, *, seed: int = 0, kinds: tuple[DeedKind, ...] = get_args(DeedKind)
    ) -> None:
        self._workspace = workspace
        self._chance = random.Random(f"neighbours {seed}")
        self._kinds = kinds
        self._number = 0
        self._acted = workspace.clock.now()
        self._lives = False
        self.deeds: list[Deed] = []

    def live(self, *, hours: float) -> None:
        """Do one thing for so many hours of the clock, whenever it is moved from now on."""
        self._acted = self._workspace.clock.now()
        self._lives = True

        def moved(moment: float) -> None:
            while self._lives and moment - self._acted >= hours * 3600:
                self._acted += hours * 3600
                self.act()

        self._workspace.clock.on_move(moved)

    def rest(self) -> None:
        """Do nothing more when the clock is moved."""
        self._lives = False

    def act(self) -> Deed | None:
        """Do one thing to somebody with an email; none where there is nobody."""
        # Their own contacts are not what they do things to.
        people = [person for person in self._workspace.people() if person.email and not _is_of_the_crm(person)]
        if not people:
            return None
        person = self._chance.choice(people)
        self._number += 1
        kind = self._chance.choice(self._kinds)
        acts: dict[DeedKind, Callable[[Person], str]] = {
            "renamed": self._rename,
            "updated": self._update,
            "tracked": self._track,
            "refused": self._refuse,
            "claimed": self._claim,
            "deleted": self._delete,
            "suppressed": self._suppress,
        }
        deed = Deed(kind, person, acts[kind](person))
        self.deeds.append(deed)
        return deed

    def _rename(self, person: Person) -> str:
        email = f"renamed-{self._number}@example.org"
        self._workspace.update_person(cio_id=person.cio_id, attributes={"email": email})
        return email

    def _update(self, person: Person) -> str:
        attributes = {"last_seen": self._number}
        self._workspace.write({"action": "identify", "identifiers": {"email": person.email}, "attributes": attributes})
        return ""

    def _track(self, person: Person) -> str:
        self._workspace.write({"action": "event", "identifiers": {"email": person.email}, "name": "signed_in"})
        return ""

    def _refuse(self, person: Person) -> str:
        own = f"crm-{self._number}"
        self._workspace.write(
            {"action": "identify", "identifiers": {"id": own}, "attributes": {"email": f"{own}@example.org"}}
        )
        self._send_email(own, person)
        return own

    def _claim(self, person: Person) -> str:
        own = f"crm-{self._number}"
        self._send_email(own, person)
        return own

    def _send_email(self, own: str, person: Person) -> None:
        attributes = {"email": person.email}
        self._workspace.write({"action": "identify", "identifiers": {"id": own}, "attributes": attributes})

    def _delete(self, person: Person) -> str:
        self._workspace.delete_person(cio_id=person.cio_id)
        return ""

    def _suppress(self, person: Person) -> str:
        self._workspace.suppress(email=person.email)
        return ""


def _is_of_the_crm(person: Person) -> bool:
    return (person.email or "").startswith("crm-")
