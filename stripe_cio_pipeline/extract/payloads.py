"""What a payload may be stored as: without secrets, in one canonical form, and in which API version and shape.

Events carry the `client_secret` of payment intents, setup intents and checkout sessions, keys of ephemeral keys and
webhook endpoints, and the sign-in address of portal sessions. Whoever holds one can act as the customer.

An event's payload is rendered in the account's version at the moment of its creation, whatever version the request
names. Names (acacia, basil ...) may break shapes, dates within one name only add fields; both make the payload
different from what a list at the pinned version gives, so only the pinned version is taken as it is.
"""

import hashlib
import re
import threading
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import Enum
from typing import Any

import orjson

from stripe_cio_pipeline.errors import StripeUnavailable
from stripe_cio_pipeline.extract.objects import PINNED_VERSION, StripeObject, at_path, id_of
from stripe_cio_pipeline.warehouse import Connection, Statements, replace

_SECRET_KEYS = frozenset({"client_secret", "confirmation_secret", "secret", "ephemeral_key"})
#: Every secret key name contains one of these, so that a body without them needs no walk.
_TRACES = (b"secret", b"ephemeral_key", b"billing_portal.session")


def may_hold_secrets(body: bytes) -> bool:
    """Whether a raw answer is worth a walk; never False for one that holds a secret."""
    return any(trace in body for trace in _TRACES)


def scrub(value: Any) -> Any:
    """Remove secrets from a parsed payload, in place, at any depth; gives it back."""
    if isinstance(value, dict):
        for key in _SECRET_KEYS.intersection(value):
            # Metadata is the merchant's own text, and a key named `secret` there is their choice, but not ours to keep.
            del value[key]
        if value.get("object") == "billing_portal.session":
            value.pop("url", None)
        for inner in value.values():
            if isinstance(inner, (dict, list)):
                scrub(inner)
    elif isinstance(value, list):
        for inner in value:
            if isinstance(inner, (dict, list)):
                scrub(inner)
    return value


#: What stays of an object of somebody who was forgotten: whose it is and what, and no word of theirs.
_KEPT = frozenset({"id", "object", "customer", "charge", "created", "livemode", "deleted", "type", "api_version"})


def withhold(body: dict[str, Any], ids: frozenset[str]) -> None:
    """Empty, in place, the objects and events in an answer of Stripe's that concern somebody who was forgotten.

    `ids` are those of `pipeline.forgotten`.
    """
    given = body.get("data")
    for item in given if isinstance(given, list) else [body]:
        subject = at_path(item, "data.object") if item.get("object") == "event" else item
        if isinstance(subject, dict) and not ids.isdisjoint(
            {id_of(subject), id_of(subject.get("customer")), id_of(subject.get("charge"))}
        ):
            _empty(item)


def emptied(payload: dict[str, Any]) -> tuple[str, str]:
    """Give a stored payload as `withhold` leaves it, with the hash of its content."""
    _empty(payload)
    text = canonical(payload)
    return text.decode(), content_hash(text)


def _empty(payload: dict[str, Any]) -> None:
    if payload.get("object") == "event":
        subject = at_path(payload, "data.object")
        if isinstance(subject, dict):
            _empty(subject)
        payload["data"] = {"object": subject}
        return
    for field, value in payload.items():
        # A field without a value is no field that is missing: an unknown shape is told by those.
        payload[field] = (id_of(value) if isinstance(value, dict) else value) if field in _KEPT else None


def canonical(payload: Any) -> bytes:
    """Write a payload as JSON with sorted keys: equal content gives equal bytes, whatever call it came from.

    Raises StripeUnavailable where it is nested deeper than can be written (254 levels).
    """
    try:
        return orjson.dumps(payload, option=orjson.OPT_SORT_KEYS)
    except orjson.JSONEncodeError:
        raise StripeUnavailable(
            "Stripe gave an object that is nested too deep to be stored.", "Run again; if this stays, report it."
        ) from None


def content_hash(text: bytes) -> str:
    """Hash a canonical payload: 128 bits of SHA-256 in hexadecimal, as `left(sha256(payload), 32)` in DuckDB."""
    return hashlib.sha256(text, usedforsecurity=False).hexdigest()[:32]


#: First release of each named version (Stripe's changelog); before them versions were bare dates.
KNOWN_NAMES = ("acacia", "basil", "clover", "dahlia", "endive")

_VERSION = re.compile(r"(?P<date>\d{4}-\d{2}-\d{2})(?:\.(?P<name>[a-z_]+))?$")


class Verdict(Enum):
    """How a payload's version stands to the pinned one."""

    PINNED = "pinned"
    OLDER = "older"
    NEWER = "newer"
    UNKNOWN = "unknown"


def judge_version(version: str | None, pinned: str = PINNED_VERSION) -> Verdict:
    """Compare an event's `api_version` with the pinned one."""
    if version == pinned:
        return Verdict.PINNED
    parts, pin = _VERSION.match(version or ""), _VERSION.match(pinned)
    if parts is None or pin is None:
        return Verdict.UNKNOWN
    if parts["date"] > pin["date"]:
        return Verdict.NEWER
    if parts["name"] is not None and parts["name"] not in KNOWN_NAMES:
        return Verdict.UNKNOWN
    return Verdict.OLDER


def missing_fields(kind: StripeObject, payload: Mapping[str, Any]) -> tuple[str, ...]:
    """Name the fields that the pinned version always gives and that this payload does not have. Null is not missing."""
    return tuple(sorted(kind.required - payload.keys()))


def keep_absent(kind: StripeObject, payload: dict[str, Any], stored: Mapping[str, Any]) -> bool:
    """Carry stored values over into a payload that lacks the fields; whether any was.

    A field that is absent never overwrites a value; a field that is null does.
    """
    carried = [field for field in missing_fields(kind, payload) if field in stored]
    for field in carried:
        payload[field] = stored[field]
    return bool(carried)


def graft(kind: StripeObject, snapshot: dict[str, Any], stored: Mapping[str, Any] | None) -> bool:
    """Complete an event's snapshot, in place, with what only an expand gives; whether that was possible with certainty.

    Where the snapshot has an id and the stored payload has the expanded object of that id in the same place, the stored
    one is right, because a change of it reaches us as a touch (see `objects.TOUCHES`) and reads the object again.
    """
    if any(at_path(snapshot, nested.field + ".has_more") for nested in kind.nested):
        return False
    for path in kind.known_by_id:
        if not _graft_reference(snapshot, stored, path.split(".")):
            return False
    # What an event leaves out altogether may have changed: a price can be given further currencies.
    return all(field in snapshot for field in kind.optional)


def _graft_reference(snapshot: Any, stored: Any, path: list[str]) -> bool:
    field, rest = path[0], path[1:]
    if not isinstance(snapshot, dict) or field not in snapshot:
        # An absent reference is an unknown shape unless its parent is null or absent, which `missing_fields` judges.
        return snapshot is None
    value = snapshot[field]
    known = stored.get(field) if isinstance(stored, Mapping) else None
    if isinstance(value, Mapping) and isinstance(known, Mapping) and value.get("id") != known.get("id"):
        known = None
    if isinstance(value, list):
        by_id = {id_of(item): item for item in known} if isinstance(known, list) else {}
        for place, item in enumerate(value):
            match = by_id.get(id_of(item))
            if isinstance(item, str):
                if not isinstance(match, Mapping):
                    return False
                value[place] = match
            elif rest and not _graft_reference(item, match, rest):
                return False
        return True
    if rest:
        return value is None or _graft_reference(value, known, rest)
    if isinstance(value, str):
        if not isinstance(known, Mapping) or known.get("id") != value:
            return False
        snapshot[field] = known
    return True


def fold(payload: Any, path: str) -> None:
    """Reduce the objects at a dotted path to `id` and `created`, in place; lists on the way are gone through."""
    first, _, rest = path.partition(".")
    if isinstance(payload, list):
        for each in payload:
            fold(each, path)
    elif isinstance(payload, dict) and isinstance(inner := payload.get(first), (dict, list)):
        if rest:
            fold(inner, rest)
        elif isinstance(inner, dict) and inner.get("created") is not None:
            payload[first] = {name: inner.get(name) for name in ("id", "object", "created")}


_SQL = Statements("stripe_cio_pipeline.extract.sql")

_KEY = ("object", "source", "api_version", "verdict", "missing")
_Key = tuple[str, str, str, str, str]


@dataclass(frozen=True, slots=True)
class ShapeFinding:
    """Payloads that were not of the pinned version's shape.

    `source` is `event`, `list` or `retrieve`; `missing` names fields that the pinned version always gives. `alarming`
    is what an older version is not: it is known, and its objects are read again as a matter of course.
    """

    object: str
    source: str
    api_version: str
    verdict: str
    missing: str
    payloads: int
    first_at: datetime
    last_at: datetime

    @property
    def alarming(self) -> bool:
        """Whether somebody should look: a version newer than the pin or unknown, or a field gone from it."""
        return self.verdict in {Verdict.NEWER.value, Verdict.UNKNOWN.value} or (
            self.verdict == Verdict.PINNED.value and bool(self.missing)
        )


def shape_findings(connection: Connection) -> tuple[ShapeFinding, ...]:
    """Give all that was ever met, the newest first."""
    return tuple(ShapeFinding(*row) for row in connection.execute(_SQL["shape_findings"]).fetchall())


class Shapes:
    """Counts payloads of other shapes until a transaction takes the counts along."""

    def __init__(self) -> None:
        self._new: Counter[_Key] = Counter()
        self._all: Counter[_Key] = Counter()
        self._lock = threading.Lock()

    def note(self, name: str, source: str, version: str | None, verdict: Verdict, missing: tuple[str, ...]) -> None:
        """Note a payload that is not of the pinned shape."""
        key = (name, source, version or "none", verdict.value, ", ".join(missing))
        with self._lock:
            self._new[key] += 1
            self._all[key] += 1

    def warnings(self) -> list[str]:
        """Say what somebody should look at, one sentence each."""
        sentences = []
        for (name, source, version, verdict, missing), count in sorted(self._all.items()):
            if verdict in {Verdict.NEWER.value, Verdict.UNKNOWN.value}:
                sentences.append(
                    f"{count} {source} payloads of {name} are in API version {version}, which this release does "
                    "not know; each was read again in the pinned version. Look for a newer release."
                )
            elif verdict == Verdict.PINNED.value and missing:
                sentences.append(
                    f"{count} {source} payloads of {name} lack {missing}; known values were kept. "
                    "Stripe's answer has an unknown shape: look for a newer release."
                )
        return sentences

    def save(self, connection: Connection, run_id: str) -> None:
        """Write the new counts in the caller's transaction."""
        with self._lock:
            new, self._new = self._new, Counter()
        now = datetime.now(UTC).replace(tzinfo=None)
        for key, count in new.items():
            known = connection.execute(_SQL["shape_known"], list(key)).fetchall()
            payloads, first_at = (int(known[0][0]), known[0][1]) if known else (0, now)
            seen = {"payloads": payloads + count, "first_at": first_at, "last_at": now, "run_id": run_id}
            replace(connection, "pipeline.shapes", _KEY, [dict(zip(_KEY, key, strict=True)) | seen])
