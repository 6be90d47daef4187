"""The activity log: the only place where a workspace tells what it did not do."""

from bisect import bisect_right
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from operator import attrgetter
from typing import Any

from stripe_cio_pipeline.sandbox.customerio.people import Profile

ALREADY_TAKEN = "The identifier is already associated with a different profile."
"""The reason of a refused identifier, as a live workspace words it."""

ALREADY_SET = "The identifier is already set and cannot be changed."
MALFORMED = "The value is not a valid identifier."
UNKNOWN_PERSON = "The profile does not exist and the request may not create it."

NOTHING: dict[str, Any] = {}
"""The data of a line that tells nothing but its type: one for all, since a million people have such lines."""

_COMMON = frozenset(("profile_create", "attribute_change", "event"))
"""Types of which a workspace has about as many lines as people; the others are found without reading them all."""

KEPT_SECONDS = 30 * 86_400
"""The App API lists the activities of thirty days."""


@dataclass(frozen=True, slots=True)
class Activity:
    """One line of the log; ``at`` is machine time in unix seconds, ``number`` its place in the log.

    The identifiers are those that the person had then. ``previous`` is the number of the same person's line
    before this one, -1 where there is none.
    """

    number: int
    type: str
    at: float
    cio_id: str
    person_id: str | None
    email: str | None
    name: str | None
    raw: dict[str, Any]
    previous: int = -1

    @property
    def identifiers(self) -> dict[str, str | None]:
        """The person's identifiers by their kind; none where the line is about nobody who exists."""
        return {"id": self.person_id, "email": self.email, "cio_id": self.cio_id or None}

    @property
    def data(self) -> dict[str, Any]:
        """What happened; the changes of attributes are kept as pairs and told as from and to."""
        if self.type != "attribute_change":
            return self.raw
        return {name: {"from": old, "to": new} for name, (old, new) in self.raw.items()}

    @property
    def id(self) -> str:
        """A ULID-shaped name that sorts as the log does."""
        return ulid_of(int(self.at * 1000), self.number)


_CROCKFORD = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"


def ulid_of(milliseconds: int, number: int) -> str:
    """Spell a time (48 bits) and a number (80 bits) as a ULID."""
    bits = (milliseconds << 80) | number
    return "".join(_CROCKFORD[(bits >> shift) & 31] for shift in range(125, -1, -5))


class ActivityLog:
    """Append-only, in the order in which things were done."""

    def __init__(self, lines: Iterable[Activity] = ()) -> None:
        self.lines: list[Activity] = []
        self._rare: dict[str, list[int]] = {}
        for line in lines:
            self._append(line)

    def _append(self, line: Activity) -> None:
        if line.type not in _COMMON:
            self._rare.setdefault(line.type, []).append(line.number)
        self.lines.append(line)

    def add(
        self,
        type_: str,
        at: float,
        profile: Profile | None,
        data: dict[str, Any],
        name: str | None = None,
    ) -> None:
        """Write one line."""
        number = len(self.lines)
        if profile is None:
            self._append(Activity(number, type_, at, "", None, None, name, data))
            return
        before, profile.latest_activity = profile.latest_activity, number
        self._append(Activity(number, type_, at, profile.cio_id, profile.id, profile.email, name, data, before))

    def page(
        self,
        *,
        seen_until: float,
        newest: int | None = None,
        type: str | None = None,  # noqa: A002 - the API's own word
        name: str | None = None,
        below: int | None = None,
        limit: int = 10,
        keep: Callable[[Activity], bool] | None = None,
    ) -> tuple[list[Activity], int | None]:
        """List newest first what readers may see at ``seen_until``, and below which number the next page starts.

        ``newest`` is the number of a person's latest line; without it, everybody's are listed. ``keep`` chooses.
        """
        found: list[Activity] = []
        lines = self._of_everybody(seen_until, below, type) if newest is None else self._of_one(newest)
        for line in lines:
            if line.at > seen_until or (below is not None and line.number >= below):
                continue
            if line.at < seen_until - KEPT_SECONDS:
                break
            if (type is not None and line.type != type) or (name is not None and line.name != name):
                continue
            if keep is not None and not keep(line):
                continue
            if len(found) == limit:
                return found, found[-1].number
            found.append(line)
        return found, None

    def _of_everybody(self, seen_until: float, below: int | None, type_: str | None) -> Iterator[Activity]:
        if type_ is not None and type_ not in _COMMON:
            yield from (self.lines[number] for number in reversed(self._rare.get(type_, ())))
            return
        end = bisect_right(self.lines, seen_until, key=attrgetter("at"))
        for number in range(end if below is None else min(end, below), 0, -1):
            yield self.lines[number - 1]

    def _of_one(self, newest: int) -> Iterator[Activity]:
        while newest >= 0:
            line = self.lines[newest]
            yield line
            newest = line.previous
