"""The activity log: the only place where a workspace tells what it did not do."""

from bisect import bisect_right
from dataclasses import dataclass
from operator import attrgetter
from typing import Any

ALREADY_TAKEN = "The identifier is already associated with a different profile."
"""The reason of a refused identifier, as a live workspace words it."""

ALREADY_SET = "The identifier is already set and cannot be changed."
INVALID_EMAIL = "The value is not a valid email address."
UNKNOWN_PERSON = "The profile does not exist and the request may not create it."

KEPT_SECONDS = 30 * 86_400
"""The App API lists the activities of thirty days."""


@dataclass(frozen=True, slots=True)
class Activity:
    """One line of the log; ``at`` is machine time in unix seconds, ``number`` its place in the log."""

    number: int
    type: str
    at: float
    cio_id: str
    identifiers: dict[str, str | None]
    name: str | None
    raw: dict[str, Any]

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

    def __init__(self) -> None:
        self.lines: list[Activity] = []

    def add(
        self,
        type: str,  # noqa: A002 - the API's own word
        at: float,
        cio_id: str,
        identifiers: dict[str, str | None],
        data: dict[str, Any],
        name: str | None = None,
    ) -> int:
        """Write one line and give its number."""
        number = len(self.lines)
        self.lines.append(Activity(number, type, at, cio_id, identifiers, name, data))
        return number

    def page(
        self,
        *,
        seen_until: float,
        numbers: list[int] | None = None,
        type: str | None = None,  # noqa: A002 - the API's own word
        name: str | None = None,
        below: int | None = None,
        limit: int = 10,
    ) -> tuple[list[Activity], int | None]:
        """List newest first what readers may see at ``seen_until``, and where the next page starts."""
        found: list[Activity] = []
        positions = range(len(self.lines)) if numbers is None else numbers
        end = bisect_right(self.lines, seen_until, key=attrgetter("at")) if numbers is None else len(positions)
        for position in range(end - 1, -1, -1):
            line = self.lines[positions[position]]
            if line.at > seen_until or (below is not None and line.number >= below):
                continue
            if line.at < seen_until - KEPT_SECONDS:
                break
            if (type is not None and line.type != type) or (name is not None and line.name != name):
                continue
            if len(found) == limit:
                return found, found[-1].number
            found.append(line)
        return found, None
