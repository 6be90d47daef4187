"""Looking for people in Customer.io: whom an answer shows, by which identifier, and whose refusals the log tells."""

import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Literal

import orjson
import pyarrow as pa

from stripe_cio_pipeline.deliver.app_reads import Activity, Profile, hundreds, read_people
from stripe_cio_pipeline.deliver.client import Api
from stripe_cio_pipeline.deliver.comparing import refused_identifiers
from stripe_cio_pipeline.waiting import together
from stripe_cio_pipeline.warehouse import Connection, Statements, next_seq

_SQL = Statements("stripe_cio_pipeline.deliver.sql")
#: The log is read again this far back, because lines appear late: seconds.
OVERLAP = 600
#: Activities are kept for thirty days.
KEPT = 30 * 86_400

#: As accepted, there without an id, there with another id, or not there.
Sight = Literal["seen", "without_id", "other_id", "absent"]


@dataclass(frozen=True, slots=True)
class Known:
    """A person as the ledger has them. `missed_at` is when they were missed first since they were last seen.

    `was_linked_anew`: they were found without their id once, and linked again. To do so a third time changes nothing.
    """

    person_id: str
    state: str
    id: str | None
    email: str | None
    cio_id: str | None
    missed_at: datetime | None
    attributes: dict[str, Any]
    was_linked_anew: bool = False

    @classmethod
    def of(cls, row: Sequence[Any]) -> "Known":
        """Take a row of `choose_people` or `choose_links`."""
        person_id, state, id_, email, cio_id, missed_at, attributes, was_linked_anew = row
        read = orjson.loads(attributes or "{}")
        return cls(person_id, state, id_, email, cio_id, missed_at, read, bool(was_linked_anew))

    @property
    def accepted(self) -> dict[str, Any]:
        """Give what Customer.io has accepted: the email also where the attributes are to be sent anew."""
        return {"email": self.email, **self.attributes} if self.email else self.attributes

    def sight(self, profile: Profile | None) -> Sight:
        """Say whether the person who was found is this one as it was accepted."""
        if profile is None:
            return "absent"
        if self.id is None or profile.id == self.id:
            return "seen"
        return "without_id" if profile.id is None else "other_id"


async def find(app: Api, people: Iterable[Known]) -> dict[str, Profile]:
    """Find people by their internal id, else by their id, else by email; give profiles by person id.

    An internal id may have gone with a merge, an id with an operator: whoever is there by any of the three is there.
    """
    found: dict[str, Profile] = {}
    wanted = list(people)
    for kind in ("cio_id", "id", "email"):
        named = {
            folded(kind, name): person.person_id
            for person in wanted
            if person.person_id not in found and (name := getattr(person, kind))
        }
        pages = list(hundreds(sorted(named)))
        for page in await together(read_people(app, kind, page) for page in pages):
            for profile in page:
                name = folded(kind, getattr(profile, kind) or "")
                if name in named:
                    found.setdefault(named[name], profile)
    return found


def folded(kind: str, name: str) -> str:
    """Give an identifier as it is compared: emails without case."""
    return name.strip().lower() if kind == "email" else name


def mark_conflicts(
    connection: Connection, refused: Sequence[Activity], *, moment: datetime, run_id: str
) -> list[tuple[str, str]]:
    """Mark whom the log's refusals concern, inside the caller's transaction; give person id and reason of each.

    An email or a phone that is none, or a phone that somebody else has, is left out from then on.
    """
    lines = [
        (activity, kind, value, reason) for activity in refused for kind, value, reason in refused_identifiers(activity)
    ]
    if not lines:
        return []
    table = pa.table(
        {
            "at": pa.array([line[0].timestamp for line in lines], pa.int64()),
            "cio_id": pa.array([line[0].cio_id for line in lines], pa.string()),
            "customer_id": pa.array([line[0].customer_id for line in lines], pa.string()),
            "email": pa.array([line[0].email for line in lines], pa.string()),
            "kind": pa.array([line[1] for line in lines], pa.string()),
            "value": pa.array([line[2] for line in lines], pa.string()),
            "reason": pa.array([line[3] for line in lines], pa.string()),
        }
    )
    connection.register("refused_identifiers", table)
    connection.execute(_SQL["create_conflicts"])
    connection.unregister("refused_identifiers")
    found = [(str(person), str(reason)) for person, reason in connection.execute(_SQL["read_conflicts"]).fetchall()]
    if found:
        changed = {"seq": next_seq(connection), "run_id": run_id}
        connection.execute(_SQL["insert_conflict_findings"], {"now": moment, "run_id": run_id})
        connection.execute(_SQL["mark_conflicts"], changed)
        if any(reason in ("email_refused", "phone_refused") for _, reason in found):
            connection.execute(_SQL["keep_refused_values"], {"now": moment})
            connection.execute(_SQL["send_without_refused"], {"now": moment})
            connection.execute(_SQL["link_without_refused"], changed)
            connection.execute(_SQL["forget_refused_changes"], changed)
    connection.execute(_SQL["drop_conflicts"])
    return found


def keep_sight(
    connection: Connection,
    seen: Mapping[str, Profile],
    missed: Iterable[str],
    *,
    moment: datetime,
    since: datetime,
    run_id: str,
) -> None:
    """Write down who was seen and who was not, inside the caller's transaction.

    A new link that is missed for the second time, and was before `since`, counts as unseen.
    """
    if seen:
        connection.register("seen_people", seen_table(seen))
        connection.execute(_SQL["settle_seen"], {"seq": next_seq(connection), "run_id": run_id})
        connection.unregister("seen_people")
    if absent := list(missed):
        who = {"people": absent, "now": moment, "since": since, "run_id": run_id}
        connection.execute(_SQL["note_missed"], who)


def seen_table(seen: Mapping[str, Profile]) -> pa.Table:
    """Give who was seen, and with which internal id and email."""
    return pa.table(
        {
            "person_id": pa.array(list(seen), pa.string()),
            "cio_id": pa.array([profile.cio_id for profile in seen.values()], pa.string()),
            "email": pa.array([profile.email for profile in seen.values()], pa.string()),
        }
    )


def in_utc(now: Callable[[], float] = time.time, *, ago: float = 0) -> datetime:
    """Give this machine's time, or some seconds before it, as the warehouse keeps it."""
    return datetime.fromtimestamp(now() - ago, UTC).replace(tzinfo=None)
