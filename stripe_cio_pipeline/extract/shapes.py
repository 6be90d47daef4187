"""Shapes of several API versions: which payloads may be stored as they are, and which must be read again.

An event's payload is rendered in the account's version at the moment of its creation, whatever version the request
names. Names (acacia, basil ...) may break shapes, dates within one name only add fields; both make the payload
different from what a list at the pinned version gives, so only the pinned version is taken as it is.
"""

import re
from collections.abc import Mapping
from enum import Enum
from typing import Any

from stripe_cio_pipeline.extract.objects import PINNED_VERSION, StripeObject, at_path, id_of

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
    for path in kind.references:
        if not _graft_reference(snapshot, stored, path.split(".")):
            return False
    return all(_graft_optional(snapshot, stored, field) for field in kind.optional)


def _graft_reference(snapshot: Any, stored: Any, path: list[str]) -> bool:
    field, rest = path[0], path[1:]
    if not isinstance(snapshot, dict) or field not in snapshot:
        # An absent reference is an unknown shape unless its parent is null or absent, which `missing_fields` judges.
        return snapshot is None
    value = snapshot[field]
    known = stored.get(field) if isinstance(stored, Mapping) else None
    if isinstance(value, list):
        by_id = {id_of(item): item for item in known} if isinstance(known, list) else {}
        for place, item in enumerate(value):
            match = by_id.get(id_of(item))
            if rest:
                if not _graft_reference(item, match, rest):
                    return False
            elif isinstance(item, str):
                if not isinstance(match, Mapping):
                    return False
                value[place] = match
        return True
    if rest:
        return value is None or _graft_reference(value, known, rest)
    if isinstance(value, str):
        if not isinstance(known, Mapping) or known.get("id") != value:
            return False
        snapshot[field] = known
    return True


def _graft_optional(snapshot: dict[str, Any], stored: Mapping[str, Any] | None, field: str) -> bool:
    if field in snapshot:
        return True
    if stored is not None and field in stored:
        # A price's amounts cannot be changed once it exists, so neither can its tiers.
        snapshot[field] = stored[field]
        return True
    # Only a tiered price has tiers. For another, an expanded list has no such field either, or a null one; which of
    # the two is not documented, so the first sight of a price is always a read.
    return False
