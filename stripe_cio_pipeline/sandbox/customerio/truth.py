"""What became of everybody, for tests that live through days: who is there, what was counted, what was mailed."""

from collections import Counter, defaultdict
from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import dataclass

import orjson

from stripe_cio_pipeline.sandbox.customerio.events import Event, Mail
from stripe_cio_pipeline.sandbox.customerio.people import Person, email_key


@dataclass(frozen=True, slots=True)
class Human:
    """One human being, found by every identifier that they ever had.

    ``people`` are the profiles that have one of these now, ``suppressed`` the identifiers that are blocked. ``events``
    counts, by its id, how often each event was kept (one without an id under its name), whoever was its person;
    ``mails`` counts what campaigns would have sent, and ``mailed_twice`` names the events of which that was more than
    one mail for the same content.
    """

    people: tuple[Person, ...]
    suppressed: frozenset[str]
    events: Mapping[str, int]
    mails: int
    mailed_twice: tuple[str, ...]

    @property
    def exists(self) -> bool:
        """Is there a profile."""
        return bool(self.people)

    @property
    def is_twice(self) -> bool:
        """Is there more than one."""
        return len(self.people) > 1


class Truth:
    """A workspace at one moment, as it is and not as the App API shows it.

    ``people`` are all profiles; ``shells`` those that an event made and nobody has identified since; ``returned`` those
    of whom an identifier is suppressed; ``repeated`` the ids of events that were kept more than once.
    """

    def __init__(
        self,
        people: Iterable[Person],
        events: Iterable[Event],
        mails: Iterable[Mail],
        suppressed: Collection[tuple[str, str]],
        survivor: Callable[[str | None], str | None],
    ) -> None:
        self.people = tuple(people)
        self.shells = tuple(person for person in self.people if person.shell)
        self.returned = tuple(person for person in self.people if any(pair in suppressed for pair in _pairs(person)))
        events = tuple(events)
        kept = Counter(event.id for event in events if event.id is not None)
        self.repeated = {name: times for name, times in kept.items() if times > 1}
        self._suppressed = suppressed
        self._people: dict[str, list[Person]] = defaultdict(list)
        for person in self.people:
            for _, value in _pairs(person):
                self._people[value].append(person)
        self._events: dict[str, list[int]] = defaultdict(list)
        self._all_events = events
        for place, event in enumerate(events):
            for value in _names(event, survivor):
                self._events[value].append(place)
        self._mails: dict[str, list[Mail]] = defaultdict(list)
        for mail in mails:
            for value in _names(mail.event, survivor):
                self._mails[value].append(mail)

    def of(self, *identifiers: str) -> Human:
        """Give one human being by ids, emails, phones and ``cio_id`` s, as many as they ever had."""
        values = {email_key(value) if "@" in value else value for value in identifiers}
        people = {person.cio_id: person for value in values for person in self._people.get(value, ())}
        values |= set(people)
        places = {place for value in values for place in self._events.get(value, ())}
        events = [self._all_events[place] for place in sorted(places)]
        mails = {id(mail): mail for value in values for mail in self._mails.get(value, ())}
        contents: Counter[tuple[str, int, bytes]] = Counter()
        for mail in mails.values():
            content = orjson.dumps(mail.event.attributes, option=orjson.OPT_SORT_KEYS)
            contents[(mail.event.name, mail.event.timestamp, content)] += mail.times
        return Human(
            people=tuple(people[cio_id] for cio_id in sorted(people)),
            suppressed=frozenset(value for _, value in self._suppressed if value in values),
            events=dict(Counter(event.id or event.name for event in events)),
            mails=contents.total(),
            mailed_twice=tuple(sorted({name for (name, _, _), times in contents.items() if times > 1})),
        )


def _names(event: Event, survivor: Callable[[str | None], str | None]) -> set[str]:
    """Give the identifiers under which an event is found: those its person had, and the profile that has it now."""
    names = {event.person_id, event.cio_id, survivor(event.cio_id)}
    return {name for name in names if name} | ({email_key(event.email)} if event.email else set())


def _pairs(person: Person) -> list[tuple[str, str]]:
    email = email_key(person.email) if person.email else None
    named = (("id", person.id), ("email", email), ("phone", person.phone), ("cio_id", person.cio_id))
    return [(kind, value) for kind, value in named if value]
