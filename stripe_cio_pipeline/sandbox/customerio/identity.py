"""Who an identify is about: the resolution table of the identify endpoint, as a pure decision."""

from dataclasses import dataclass, field

from stripe_cio_pipeline.sandbox.customerio.activities import ALREADY_SET, ALREADY_TAKEN
from stripe_cio_pipeline.sandbox.customerio.people import People, Profile, email_key
from stripe_cio_pipeline.sandbox.customerio.switches import CustomerioSwitches

IDENTIFIERS = ("id", "email", "phone")


@dataclass(frozen=True, slots=True)
class Conflict:
    """An identifier that is not given to the person, and why: told in the activity log only."""

    kind: str
    value: str | None
    reason: str


@dataclass(slots=True)
class Resolution:
    """What an identify does to identities.

    Neither ``target`` nor ``create``: the operation is dropped. ``merge`` is (primary, secondary), of which the
    primary is then the target.
    """

    target: Profile | None = None
    create: bool = False
    set: dict[str, str | None] = field(default_factory=dict)
    conflicts: list[Conflict] = field(default_factory=list)
    merge: tuple[Profile, Profile] | None = None


def resolve(
    people: People,
    kind: str,
    value: str,
    body: dict[str, str | None],
    switches: CustomerioSwitches,
) -> Resolution:
    """Decide who is meant by the identifier that addresses an identify and the identifiers in its attributes.

    ``body`` may hold none for an identifier that is to be taken away.
    """
    addressed = people.find(kind, value)
    if kind == "cio_id":
        return Resolution() if addressed is None else _identified(people, addressed, kind, body, switches)
    if addressed is not None:
        return _identified(people, addressed, kind, body, switches)
    for other in IDENTIFIERS:
        named = body.get(other) if other != "phone" or switches.phone_claims else None
        known = people.find(other, named) if named and other != kind else None
        if known is not None:
            return _claimed(people, known, other, (kind, value), body, switches)
    given = {other: named for other, named in body.items() if named and other != kind}
    taken = [Conflict(other, named, ALREADY_TAKEN) for other, named in given.items() if people.find(other, named)]
    free = {other: named for other, named in given.items() if other not in {conflict.kind for conflict in taken}}
    return Resolution(create=True, set={kind: value, **free}, conflicts=taken)


def _claimed(
    people: People,
    known: Profile,
    found_by: str,
    given: tuple[str, str],
    body: dict[str, str | None],
    switches: CustomerioSwitches,
) -> Resolution:
    """Somebody found by an identifier in the attributes gets the one that addressed them, if theirs is free."""
    kind, value = given
    others = {other: named for other, named in body.items() if other != kind}
    # What may change goes by how they were found: an id that is not theirs gives no right to their email.
    found = _identified(people, known, found_by, others, switches)
    if known.identifier(kind) is None or (kind == "id" and switches.id_reassignment == "reassign"):
        found.set[kind] = value
    else:
        found.conflicts.append(Conflict(kind, value, ALREADY_SET))
    return found


def _identified(
    people: People, target: Profile, addressed_by: str, body: dict[str, str | None], switches: CustomerioSwitches
) -> Resolution:
    found = Resolution(target=target)
    for kind, value in body.items():
        current = target.identifier(kind)
        if _same(kind, current, value):
            continue
        holder = people.find(kind, value) if value else None
        if holder is not None and holder is not target:
            pair = _mergeable(target, holder, addressed_by, kind, switches)
            if pair is None:
                found.conflicts.append(Conflict(kind, value, ALREADY_TAKEN))
            else:
                found.merge, found.target = pair, pair[0]
        elif current is None or _may_change(kind, addressed_by, switches):
            found.set[kind] = value or None
        else:
            found.conflicts.append(Conflict(kind, value, ALREADY_SET))
    return found


def _same(kind: str, current: str | None, value: str | None) -> bool:
    if not current or not value:
        return not current and not value
    return email_key(current) == email_key(value) if kind == "email" else current == value


def _may_change(kind: str, addressed_by: str, switches: CustomerioSwitches) -> bool:
    if addressed_by == "cio_id":
        return True
    if kind == "email":
        return addressed_by == "id" and switches.allow_email_update_by_id
    return kind == "id" and addressed_by == "email" and switches.id_reassignment == "reassign"


def _mergeable(
    target: Profile, holder: Profile, addressed_by: str, kind: str, switches: CustomerioSwitches
) -> tuple[Profile, Profile] | None:
    """Automatic merge: by id and by email two people match, and neither has what the other one has."""
    if not switches.auto_merge or {addressed_by, kind} != {"id", "email"}:
        return None
    by_id, by_email = (target, holder) if kind == "email" else (holder, target)
    if by_id.email is not None or by_email.id is not None:
        return None
    older, younger = sorted((by_id, by_email), key=lambda profile: (profile.created, profile.cio_id))
    return older, younger
