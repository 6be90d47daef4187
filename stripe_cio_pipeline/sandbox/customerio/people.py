"""The people of a workspace: who they are, by which identifiers they are found, and what the App API shows."""

from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

Json = Any


@dataclass(frozen=True, slots=True)
class Person:
    """One person as a reader sees them; ``attributes`` leaves out the identifiers.

    A ``shell`` was made by an event or a device, and nobody has identified them since.
    """

    cio_id: str
    id: str | None
    email: str | None
    attributes: dict[str, Json]
    created: float
    phone: str | None = None
    devices: tuple[dict[str, Json], ...] = ()
    relationships: tuple[dict[str, Json], ...] = ()
    timestamps: dict[str, int] = field(default_factory=dict)
    shell: bool = False


@dataclass(slots=True, eq=False)
class Profile:
    """One person as the workspace keeps them.

    ``edited`` is the time of the latest edit of any attribute and ``stamps`` holds the exceptions: attributes
    whose own latest edit differs from ``first``, the time of the first one. Nearly everybody is written in one
    piece, so that a million people cost a million small objects less.
    """

    cio_id: str
    created: float
    id: str | None = None
    email: str | None = None
    phone: str | None = None
    attributes: dict[str, Json] = field(default_factory=dict)
    first: int = 0
    edited: int = 0
    stamps: dict[str, int] | None = None
    devices: list[dict[str, Json]] | None = None
    relationships: list[dict[str, Json]] | None = None
    latest_activity: int = -1
    shell: bool = False

    def edited_at(self, name: str) -> int:
        """Unix second of the latest edit of one attribute; 0 when it was never set."""
        if self.stamps is not None and name in self.stamps:
            return self.stamps[name]
        if name in self.attributes or (name in ("id", "email", "phone") and self.identifier(name)):
            return self.first
        return 0

    def stamp(self, name: str, second: int, *, removed: bool = False) -> None:
        """Record that one attribute was edited at this unix second."""
        if not self.edited:
            self.first = second
        if removed or second != self.first or self.stamps is not None:
            if self.stamps is None:
                self.stamps = {}
            self.stamps[name] = second
        self.edited = max(self.edited, second)

    def identifier(self, kind: str) -> str | None:
        """Give the identifier of this kind, if the person has one."""
        found: str | None = getattr(self, kind)
        return found

    def person(self) -> Person:
        """Give a copy for readers."""
        return Person(
            cio_id=self.cio_id,
            id=self.id,
            email=self.email,
            phone=self.phone,
            attributes=dict(self.attributes),
            created=self.created,
            devices=tuple(dict(device) for device in self.devices or ()),
            relationships=tuple(dict(relationship) for relationship in self.relationships or ()),
            shell=self.shell,
            timestamps=(
                dict.fromkeys(self.attributes, self.first)
                if self.stamps is None
                else {name: self.edited_at(name) for name in self.attributes}
            ),
        )


def email_key(email: str) -> str:
    """Give the form in which two spellings of one address are equal."""
    lowered = email.lower()
    # The same object where nothing changes: a million addresses are kept once and not twice.
    return email if lowered == email else lowered


class People:
    """Profiles by ``cio_id``, with an index for each other identifier.

    With a reads lag, ``before_change`` must be called ahead of every change: it keeps how the person looked, so
    that ``visible`` can show readers the past.
    """

    def __init__(self) -> None:
        self.profiles: dict[str, Profile] = {}
        self._by: dict[str, dict[str, Profile]] = {"id": {}, "email": {}, "phone": {}}
        self.made = 0
        self._past: dict[str, list[tuple[float, Person | None]]] = {}
        self._past_keys: dict[tuple[str, str], set[str]] = {}
        self._changes: deque[tuple[float, str]] = deque()

    def __len__(self) -> int:
        return len(self.profiles)

    def __iter__(self) -> Iterator[Profile]:
        return iter(self.profiles.values())

    def next_cio_id(self) -> str:
        """Give an identifier that no person of this workspace has had."""
        self.made += 1
        return f"a3{self.made:010x}"

    def find(self, kind: str, value: str) -> Profile | None:
        """Find a person by one identifier; email is compared without case."""
        if kind == "cio_id":
            return self.profiles.get(value)
        if kind == "email":
            value = email_key(value)
        return self._by[kind].get(value)

    def create(self, created: float, **identifiers: str | None) -> Profile:
        """Add a person without attributes; ``created`` is unix seconds."""
        profile = Profile(cio_id=self.next_cio_id(), created=created)
        self.profiles[profile.cio_id] = profile
        for kind, value in identifiers.items():
            self.set_identifier(profile, kind, value)
        return profile

    def put(self, profile: Profile) -> None:
        """Take in a profile that was saved earlier."""
        self.profiles[profile.cio_id] = profile
        for kind in ("id", "email", "phone"):
            value = getattr(profile, kind)
            setattr(profile, kind, None)
            self.set_identifier(profile, kind, value)

    def set_identifier(self, profile: Profile, kind: str, value: str | None) -> None:
        """Give, change or take away one identifier, keeping its index right."""
        index = self._by[kind]
        old = getattr(profile, kind)
        if old is not None:
            index.pop(email_key(old) if kind == "email" else old, None)
        setattr(profile, kind, value)
        if value is not None:
            index[email_key(value) if kind == "email" else value] = profile

    def remove(self, profile: Profile) -> None:
        """Forget a person and free their identifiers."""
        for kind in ("id", "email", "phone"):
            self.set_identifier(profile, kind, None)
        del self.profiles[profile.cio_id]

    def before_change(self, profile: Profile, at: float, *, exists: bool = True) -> None:
        """Keep how a person looked until ``at`` (machine seconds), for readers who lag behind."""
        image = profile.person() if exists else None
        self._past.setdefault(profile.cio_id, []).append((at, image))
        self._changes.append((at, profile.cio_id))
        for key in _keys(image):
            self._past_keys.setdefault(key, set()).add(profile.cio_id)

    def forget_past(self, until: float) -> None:
        """Let readers see every change made at or before ``until``."""
        while self._changes and self._changes[0][0] <= until:
            _, cio_id = self._changes.popleft()
            _, image = self._past[cio_id].pop(0)
            for key in _keys(image):
                holders = self._past_keys.get(key)
                if holders is not None and all(key not in _keys(old) for _, old in self._past[cio_id]):
                    holders.discard(cio_id)
                    if not holders:
                        del self._past_keys[key]
            if not self._past[cio_id]:
                del self._past[cio_id]

    def visible(self, cio_id: str) -> Person | None:
        """Give one person as readers see them now."""
        past = self._past.get(cio_id)
        if past:
            return past[0][1]
        profile = self.profiles.get(cio_id)
        return profile.person() if profile is not None else None

    def visible_by(self, kind: str, value: str) -> Person | None:
        """Find one person as readers see them now."""
        if kind == "cio_id":
            return self.visible(value)
        key = (kind, email_key(value) if kind == "email" else value)
        candidates = set(self._past_keys.get(key, ()))
        profile = self._by[kind].get(key[1])
        if profile is not None:
            candidates.add(profile.cio_id)
        for cio_id in sorted(candidates):
            person = self.visible(cio_id)
            if person is not None and key in _keys(person):
                return person
        return None

    def all_visible(self, after: str = "") -> Iterator[Person]:
        """Give everybody as readers see them now, oldest first, from the one after a ``cio_id`` on."""
        for cio_id in sorted({*self.profiles, *self._past}) if self._past else self.profiles:
            if cio_id <= after:
                continue
            person = self.visible(cio_id)
            if person is not None:
                yield person


def _keys(person: Person | None) -> list[tuple[str, str]]:
    if person is None:
        return []
    keys = [("id", person.id), ("email", email_key(person.email) if person.email else None)]
    keys.append(("phone", person.phone))
    return [(kind, value) for kind, value in keys if value is not None]
