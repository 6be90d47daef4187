"""The names of Stripe's events (`event_types.json`, with their source), and which of them a policy means."""

import difflib
import json
import re
from collections.abc import Iterable
from functools import cache
from importlib.resources import files

#: What `default` stands for in a list of types.
DEFAULT = "default"

#: Forwarded where the policy says nothing else.
DEFAULT_TYPES = (
    "charge.dispute.closed",
    "charge.dispute.created",
    "charge.refunded",
    "checkout.session.completed",
    "customer.created",
    "customer.subscription.created",
    "customer.subscription.deleted",
    "customer.subscription.paused",
    "customer.subscription.resumed",
    "customer.subscription.trial_will_end",
    "customer.subscription.updated",
    "invoice.paid",
    "invoice.payment_action_required",
    "invoice.payment_failed",
    "invoice.upcoming",
)

_PATTERN = re.compile(r"[a-z0-9_.*]+")


@cache
def known_types() -> tuple[str, ...]:
    """Give every type that Stripe's API has at the pinned version."""
    text = files("stripe_cio_pipeline").joinpath("event_types.json").read_text(encoding="utf-8")
    return tuple(json.loads(text)["types"])


def meant(chosen: Iterable[str]) -> str:
    """Give the regular expression (RE2, for a full match) of the types that names and patterns mean.

    A `*` stands for anything, so that a pattern also means what Stripe adds later.
    """
    names = [name for each in chosen for name in (DEFAULT_TYPES if each == DEFAULT else (each,))]
    return "|".join(".*".join(map(re.escape, name.split("*"))) for name in names)


def check_type(name: str) -> None:
    """Raise ValueError for a name that Stripe does not have, with the nearest one that it has."""
    if name not in known_types():
        raise ValueError(f"{name} is not a Stripe event type (nearest: {_nearest(name, known_types())})")


def check_choice(name: str) -> None:
    """Raise ValueError for what is neither `default`, nor a type, nor a pattern that means one."""
    if name == DEFAULT:
        return
    if "*" not in name:
        check_type(name)
    elif not _PATTERN.fullmatch(name) or not any(re.fullmatch(meant([name]), known) for known in known_types()):
        groups = {f"{known[: end.start()]}.*" for known in known_types() for end in re.finditer(r"\.", known)}
        raise ValueError(f"{name} means no Stripe event type (nearest: {_nearest(name, sorted(groups))})")


def _nearest(name: str, known: Iterable[str]) -> str:
    return difflib.get_close_matches(name, list(known), n=1, cutoff=0.0)[0]
