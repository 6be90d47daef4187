"""Comparing what Customer.io shows with what it has accepted. Pure.

The App API gives every value back as a string, nested ones as JSON text, so that `49.0` may come back as `49`, and a
list with other spaces: values are the same when they say the same.
"""

from collections.abc import Mapping
from decimal import Decimal, InvalidOperation
from typing import Any, Literal

import orjson

from stripe_cio_pipeline.deliver.app_reads import Activity, Profile

#: Why a person is in conflict; each is explained by planning's reason of the same name.
ConflictReason = Literal["id_refused", "email_taken", "email_locked", "email_refused", "phone_refused"]

_IDENTIFIERS = ("id", "email", "phone")


def drifted(accepted: Mapping[str, Any], profile: Profile) -> list[str]:
    """Name the attributes that Customer.io does not show as it accepted them. Others' attributes do not count."""
    names = []
    for name, value in accepted.items():
        if name == "id":
            same = profile.id == value
        elif name == "email":
            same = _email(profile.email) == _email(value)
        else:
            same = says_the_same(value, profile.attributes.get(name))
        if not same:
            names.append(name)
    return names


def says_the_same(value: Any, shown: str | None) -> bool:
    """Tell whether a value that was sent and the string that is shown are the same."""
    if value is None or value == "":
        return shown in (None, "")
    if shown is None:
        return False
    if isinstance(value, str):
        return value.strip() == shown.strip()
    if isinstance(value, bool):
        return shown.lower() in (("true", "1") if value else ("false", "0"))
    if isinstance(value, int | float):
        try:
            return Decimal(shown) == Decimal(str(value)) or float(shown) == float(value)
        except (InvalidOperation, ValueError):
            return False
    try:
        return bool(orjson.loads(shown) == value)
    except orjson.JSONDecodeError:
        return False


def refused_identifiers(activity: Activity) -> list[tuple[str, str, ConflictReason]]:
    """Read a `failed_attribute_change`: kind of identifier, refused value, and what that makes of the person.

    Its data is like `{"email": {"reason": "The identifier is already associated with a different profile.", "value":
    "..."}}`. No list of reasons is documented, so that only the words for a different profile, and for a value that is
    none, are looked for.
    """
    found: list[tuple[str, str, ConflictReason]] = []
    for kind in _IDENTIFIERS:
        refusal = activity.data.get(kind)
        if not isinstance(refusal, dict) or not refusal.get("value"):
            continue
        words = str(refusal.get("reason") or "").lower()
        if "does not exist" in words:
            continue
        if kind == "id":
            found.append((kind, str(refusal["value"]), "id_refused"))
        elif kind == "phone":
            found.append((kind, str(refusal["value"]), "phone_refused"))
        elif "different profile" in words or "another" in words:
            found.append((kind, str(refusal["value"]), "email_taken"))
        else:
            is_bad = "not a valid" in words or "invalid" in words or "malformed" in words
            found.append((kind, str(refusal["value"]), "email_refused" if is_bad else "email_locked"))
    return found


def _email(text: Any) -> str:
    return str(text or "").strip().lower()
