"""Events that the workspace keeps, and the mails that they could have started."""

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Any

import orjson

from stripe_cio_pipeline.sandbox.customerio.people import Profile

_ULID_ALPHABET = frozenset("0123456789ABCDEFGHJKMNPQRSTVWXYZabcdefghjkmnpqrstvwxyz")


def is_ulid(text: str) -> bool:
    """Tell whether a text is 26 Crockford base-32 characters that fit 128 bits."""
    return len(text) == 26 and text[0] in "01234567" and _ULID_ALPHABET.issuperset(text)


@dataclass(frozen=True, slots=True)
class Event:
    """One event as the workspace keeps it; ``timestamp`` is unix seconds of the account's clock.

    ``mails`` tells whether its timestamp was recent enough to start a campaign when the event was applied.
    """

    name: str
    cio_id: str | None
    person_id: str | None
    email: str | None
    timestamp: int
    attributes: dict[str, Any]
    id: str | None = None
    type: str = "event"
    anonymous_id: str | None = None
    mails: bool = True


@dataclass(frozen=True, slots=True)
class Mail:
    """What a campaign on this event's name would have sent to one person, and how many times."""

    event: Event
    times: int


@dataclass(slots=True)
class EventLog:
    """The accepted unique events of a workspace, in the order in which they were applied."""

    events: list[Event] = field(default_factory=list)
    seen: set[str] = field(default_factory=set)
    anonymous: dict[str, list[int]] = field(default_factory=dict)

    def is_repeat(self, id: str | None, scope: str) -> bool:  # noqa: A002 - the API's own word
        """Note an event id within its scope; true when it was there already, and is to be ignored."""
        if id is None or not is_ulid(id):
            return False
        key = f"{scope}\x00{id.upper()}"
        if key in self.seen:
            return True
        self.seen.add(key)
        return False

    def attach(self, anonymous_id: str, profile: Profile, *, oldest: float) -> bool:
        """Give anonymous events since ``oldest`` to the person who made them; tells whether there were any."""
        found = False
        for place in self.anonymous.get(anonymous_id, ()):
            event = self.events[place]
            if event.cio_id is None and event.timestamp >= oldest:
                self.events[place] = replace(event, cio_id=profile.cio_id, person_id=profile.id, email=profile.email)
                found = True
        return found

    def add(self, event: Event) -> None:
        """Keep one event."""
        if event.anonymous_id is not None and event.cio_id is None:
            self.anonymous.setdefault(event.anonymous_id, []).append(len(self.events))
        self.events.append(event)

    def mails(self, survivor: Callable[[str | None], str | None]) -> list[Mail]:
        """Count, per person and content, how often a campaign could have started.

        ``survivor`` follows merges. Two events of one content under different ids are one mail sent twice: so
        it looks to the one who gets it.
        """
        counted: dict[tuple[str, str | None, int, bytes], tuple[Event, int]] = {}
        for event in self.events:
            if not event.mails or event.cio_id is None:
                continue
            content = orjson.dumps(event.attributes, option=orjson.OPT_SORT_KEYS)
            key = (event.name, survivor(event.cio_id), event.timestamp, content)
            first, times = counted.get(key, (event, 0))
            counted[key] = (first, times + 1)
        return [Mail(event, times) for event, times in counted.values()]
