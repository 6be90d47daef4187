"""The filters of the App API's people search, as predicates."""

from collections.abc import Callable
from typing import Any

import orjson

from stripe_cio_pipeline.sandbox.customerio.people import Person

Predicate = Callable[[Person], bool]


class BadFilterError(Exception):
    """A filter that the search does not understand; the message says which part."""


def text_of(value: Any) -> str:
    """Spell a value as the App API does: everything is a string, nested values are JSON text."""
    if isinstance(value, str):
        return value
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, float):
        return str(int(value)) if value.is_integer() else repr(value)
    if isinstance(value, int):
        return str(value)
    return orjson.dumps(value).decode()


def shown_attributes(person: Person) -> dict[str, str]:
    """Give a person's attributes as strings, identifiers among them."""
    shown = {name: text_of(value) for name, value in person.attributes.items()}
    for kind in ("id", "email", "phone", "cio_id"):
        value = getattr(person, kind)
        if value is not None:
            shown[kind] = value
    shown["_created_in_customerio_at"] = str(int(person.created))
    return shown


def predicate(condition: Any) -> Predicate:
    """Read a filter: ``and``, ``or``, ``not``, ``attribute``, ``segment``; raises BadFilterError."""
    if not isinstance(condition, dict) or len(condition) != 1:
        raise BadFilterError("each condition must be an object with one of and, or, not, attribute, segment")
    ((kind, value),) = condition.items()
    if kind in ("and", "or"):
        if not isinstance(value, list) or not value:
            raise BadFilterError(f"{kind} must be a list of conditions")
        parts = [predicate(part) for part in value]
        choose = all if kind == "and" else any
        return lambda person: choose(part(person) for part in parts)
    if kind == "not":
        inner = predicate(value)
        return lambda person: not inner(person)
    if kind == "segment":
        # Workspaces of the sandbox have no segments, so nobody is in one.
        return lambda person: False
    if kind == "attribute":
        return _attribute(value)
    raise BadFilterError(f"{kind} is not a condition")


def _attribute(value: Any) -> Predicate:
    if not isinstance(value, dict) or not isinstance(value.get("field"), str):
        raise BadFilterError("attribute needs a field")
    field, operator = value["field"], value.get("operator")
    if operator == "exists":
        return lambda person: field in shown_attributes(person)
    if operator == "eq" and "value" in value:
        wanted = text_of(value["value"])
        if field == "email":
            return lambda person: person.email is not None and person.email.lower() == wanted.lower()
        return lambda person: shown_attributes(person).get(field) == wanted
    raise BadFilterError("attribute needs the operator exists, or eq and a value")
