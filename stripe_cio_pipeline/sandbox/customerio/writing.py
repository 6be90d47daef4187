"""Sets and removes the attributes of one profile: merging, removals, timestamps, what a profile can hold."""

from dataclasses import dataclass, field
from typing import Any, Literal

from stripe_cio_pipeline.sandbox.customerio.people import Profile
from stripe_cio_pipeline.sandbox.customerio.validation import ATTRIBUTES

NOT_ATTRIBUTES = frozenset(
    (
        *("cio_id", "_update", "_timestamp"),
        *("_created_in_customerio_at", "_cio_subscription_preferences_computed", "cio_relationships"),
    )
)
PREFERENCES = "cio_subscription_preferences"
_PREFERENCES_PATH = PREFERENCES + "."

Change = tuple[Any, Any]
"""The value before and after; none where there is none."""


@dataclass(slots=True)
class Written:
    """What became of the attributes of one identify."""

    changes: dict[str, Change] = field(default_factory=dict)
    overflow: list[str] = field(default_factory=list)


def write(profile: Profile, attributes: dict[str, Any], second: int, identifiers: tuple[str, ...]) -> Written:
    """Merge attributes into a profile as edited at a unix second; null and the empty string remove.

    The workspace's identifiers are left alone: they are decided on elsewhere.
    """
    written = Written()
    kept, changes = profile.attributes, written.changes
    for name, value in attributes.items():
        if name in NOT_ATTRIBUTES or name in identifiers:
            continue
        if name.startswith(_PREFERENCES_PATH):
            value = _with_leaf(kept.get(PREFERENCES), name.split(".")[1:], value)
            name = PREFERENCES
        old = kept.get(name)
        if value is None or value == "":
            if old is not None:
                del kept[name]
                changes[name] = (old, None)
            profile.stamp(name, second, removed=True)
            continue
        if old is None and len(kept) >= ATTRIBUTES:
            written.overflow.append(name)
            continue
        if old != value or type(old) is not type(value):
            changes[name] = (old, value)
            kept[name] = value
        if second != profile.first or profile.stamps is not None:
            profile.stamp(name, second)
    return written


def fresh_part(
    profile: Profile, attributes: dict[str, Any], timestamp: int, scope: Literal["attribute", "profile"]
) -> dict[str, Any]:
    """Leave out what was edited later than an update claims to have been made."""
    if timestamp >= profile.edited:
        return attributes
    if scope == "profile":
        return {}
    return {name: value for name, value in attributes.items() if timestamp >= profile.edited_at(name)}


def _with_leaf(tree: Any, path: list[str], value: Any) -> dict[str, Any]:
    """Copy a tree with one leaf set."""
    branch = dict(tree) if isinstance(tree, dict) else {}
    head, *rest = path
    branch[head] = _with_leaf(branch.get(head), rest, value) if rest else value
    return branch
