"""What the Track API refuses in its answer: the shape, names and sizes of v2 operations.

Whether an operation makes sense (an identifier that is taken, a person who is suppressed) is not told in the
answer but only in the activity log: that is the workspace's business.
"""

import json
import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import orjson

from stripe_cio_pipeline.sandbox.customerio.events import is_ulid
from stripe_cio_pipeline.sandbox.customerio.switches import CustomerioSwitches

NAME_BYTES = 150
VALUE_BYTES = 1000
IDENTIFIER_BYTES = 150
ATTRIBUTES = 300
EVENT_NAME_BYTES = 100
EVENT_NAME_CHARACTERS = 500
EVENT_DATA_BYTES = 100_000
_CALLED = {"email": "email address", "phone": "phone number"}
LONG_VALUE = "property value cannot be longer than 1000 bytes"

_EMAIL = re.compile(
    r"(?:[A-Za-z0-9!#$%&'*+/=?^_`{|}~-]+(?:\.[A-Za-z0-9!#$%&'*+/=?^_`{|}~-]+)*|\"(?:[^\"\\\r\n]|\\.)*\")"
    r"@(?:[A-Za-z0-9](?:[A-Za-z0-9-]*[A-Za-z0-9])?(?:\.[A-Za-z0-9](?:[A-Za-z0-9-]*[A-Za-z0-9])?)*|\[[^\]]+\])"
)
_UNICODE_EMAIL = re.compile(_EMAIL.pattern.replace("A-Za-z0-9", r"\w"))
_E164 = re.compile(r"\+[1-9][0-9]{1,14}")

PERSON_ACTIONS = frozenset(
    (
        *("identify", "delete", "suppress", "unsuppress", "merge", "event", "page", "screen"),
        *("add_relationships", "delete_relationships", "add_device", "delete_device"),
    )
)
OBJECT_ACTIONS = frozenset(("identify", "identify_anonymous", "delete", "add_relationships", "delete_relationships"))
_EVENTS = frozenset(("event", "page", "screen"))

Operation = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Problem:
    """Why something is refused; ``field`` is a dotted path."""

    reason: str
    field: str
    message: str

    def as_error(self, batch_index: int | None = None) -> dict[str, Any]:
        """Give the entry of an answer's ``errors``."""
        place = {} if batch_index is None else {"batch_index": batch_index}
        return {**place, "reason": self.reason, "field": self.field, "message": self.message}


class RefusedRequestError(Exception):
    """The whole request is malformed: nothing of it is accepted."""

    def __init__(self, *problems: Problem) -> None:
        super().__init__("; ".join(problem.message for problem in problems))
        self.problems = problems


def is_email(text: str, *, unicode: bool = False) -> bool:
    """Tell whether a text is an address in the sense of RFC 5322 (RFC 6531: `unicode`), without surrounding space."""
    return len(text) <= 254 and (_UNICODE_EMAIL if unicode else _EMAIL).fullmatch(text) is not None


def is_well_formed(kind: str, value: str, switches: CustomerioSwitches) -> bool:
    """Tell whether an identifier has the form of its kind; phone numbers are those of E.164."""
    if kind == "email":
        return is_email(value, unicode=switches.unicode_emails)
    return kind != "phone" or _E164.fullmatch(value) is not None


def utf8_length(text: str) -> int:
    """Give the length in bytes, with an answer for what UTF-8 cannot hold."""
    return len(text.encode("utf-8", "surrogatepass"))


def read_batch(body: bytes, switches: CustomerioSwitches) -> tuple[list[Any], list[int]]:
    """Take a batch apart into operations and their sizes in bytes as sent.

    Raises RefusedRequestError where the whole request is malformed.
    """
    limit = 500 * switches.kilobyte
    if len(body) > limit:
        raise RefusedRequestError(Problem("invalid", "batch", f"batch cannot be larger than {limit} bytes"))
    document = _parsed(body)
    operations = document.get("batch")
    if operations is None:
        raise RefusedRequestError(Problem("required", "batch", "batch is required"))
    if not isinstance(operations, list):
        raise RefusedRequestError(Problem("invalid", "batch", "batch must be an array"))
    if not operations:
        raise RefusedRequestError(Problem("invalid", "batch", "batch cannot be empty"))
    most = switches.max_operations
    if most is not None and len(operations) > most:
        raise RefusedRequestError(Problem("invalid", "batch", f"batch cannot hold more than {most} operations"))
    return operations, _sizes(body, operations, 32 * switches.kilobyte)


def read_entity(body: bytes, switches: CustomerioSwitches) -> Operation:
    """Take the one operation of ``/api/v2/entity``; raises RefusedRequestError."""
    limit = 32 * switches.kilobyte
    if len(body) >= limit:
        raise RefusedRequestError(Problem("invalid", "", f"entity must be smaller than {limit} bytes"))
    return _parsed(body)


def _parsed(body: bytes) -> dict[str, Any]:
    try:
        document = orjson.loads(body)
    except orjson.JSONDecodeError:
        raise RefusedRequestError(Problem("invalid", "", "request body is not valid JSON")) from None
    if not isinstance(document, dict):
        raise RefusedRequestError(Problem("invalid", "", "request body must be an object"))
    return document


def _sizes(body: bytes, operations: list[Any], limit: int) -> list[int]:
    if len(body) <= limit:
        return [0] * len(operations)
    compact = [len(orjson.dumps(operation)) for operation in operations]
    # Escapes and spaces make what was sent longer than its compact form; by how much in all bounds it for each.
    slack = len(body) - sum(compact)
    if max(compact) + slack <= limit or max(compact) > limit:
        return compact
    return _sizes_as_sent(body.decode(), len(operations)) or compact


def _sizes_as_sent(text: str, count: int) -> list[int]:
    """Measure each operation in the text of its batch; empty where the batch is not the only key."""
    decoder = json.JSONDecoder()
    start = re.match(r'\s*\{\s*"batch"\s*:\s*\[\s*', text)
    sizes: list[int] = []
    position = start.end() if start else len(text)
    while len(sizes) < count and position < len(text):
        _, end = decoder.raw_decode(text, position)
        sizes.append(len(text[position:end].encode()))
        position = end
        while position < len(text) and text[position] in " \t\r\n,":
            position += 1
    return sizes if len(sizes) == count else []


class Validator:
    """Validates operations under one workspace's switches.

    It remembers attribute names that were found good: a million people share a few dozen of them.
    """

    def __init__(self, switches: CustomerioSwitches) -> None:
        self._switches = switches
        self._good_names: set[str] = set()

    def problems(self, operation: Any, size: int = 0) -> list[Problem]:
        """List what is wrong with one operation of ``size`` bytes; empty when it is accepted."""
        if not isinstance(operation, dict):
            return [Problem("invalid", "", "operation must be an object")]
        limit = 32 * self._switches.kilobyte
        if size > limit:
            return [Problem("invalid", "", f"operation cannot be larger than {limit} bytes")]
        type_ = operation.get("type")
        if type_ == "person":
            return self._person(operation)
        if type_ == "object":
            return self._object(operation)
        if type_ == "delivery":
            return self._delivery(operation)
        if type_ is None:
            return [Problem("required", "type", "type is required")]
        return [Problem("invalid", "type", "type must be one of person, object, delivery")]

    def _person(self, operation: Operation) -> list[Problem]:
        action = operation.get("action")
        if action is None:
            return [Problem("required", "action", "action is required")]
        if not isinstance(action, str) or action not in PERSON_ACTIONS:
            return [Problem("invalid", "action", "action is not known for type person")]
        found: list[Problem] = []
        if action == "merge":
            for side in ("primary", "secondary"):
                found += self.identifiers(operation.get(side), side, ("id", "email", "cio_id"))
            return found
        found += self.identifiers(operation.get("identifiers"), "identifiers", self._kinds())
        if "timestamp" in operation:
            found += _timestamp(operation["timestamp"])
        if action == "identify":
            found += self.attributes(operation.get("attributes"))
            if operation.get("cio_relationships") is not None:
                found += self._relationships(operation, self._object_identifiers)
        elif action in _EVENTS:
            found += self.event(operation.get("name"), operation.get("id"), operation.get("attributes"))
        elif action in ("add_relationships", "delete_relationships"):
            found += self._relationships(operation, self._object_identifiers)
        elif action in ("add_device", "delete_device"):
            found += _device(operation.get("device"), add=action == "add_device")
        return found

    def _kinds(self) -> tuple[str, ...]:
        return (*self._switches.identifiers(), "cio_id")

    def identifiers(self, identifiers: Any, path: str, kinds: tuple[str, ...]) -> list[Problem]:
        """Check that there is exactly one identifier of a kind that is enabled, and its value."""
        if identifiers is None:
            return [Problem("required", path, f"{path} is required")]
        if not isinstance(identifiers, dict):
            return [Problem("invalid", path, f"{path} must be an object")]
        if len(identifiers) != 1:
            return [Problem("invalid", path, f"{path} must have exactly one of {', '.join(kinds)}")]
        ((kind, value),) = identifiers.items()
        if kind not in kinds:
            return [Problem("invalid", f"{path}.{kind}", f"{kind} is not an identifier of this workspace")]
        return self._identifier(kind, value, f"{path}.{kind}")

    def _identifier(self, kind: str, value: Any, path: str) -> list[Problem]:
        if value is None:
            return [Problem("required", path, f"{kind} attribute must be present")]
        if not isinstance(value, str):
            return [Problem("invalid", path, f"{kind} attribute must be a string value")]
        if not value:
            return [Problem("invalid", path, f"{kind} attribute cannot be an empty string")]
        if kind in ("id", "object_id") and len(value) > 37 and utf8_length(value) > IDENTIFIER_BYTES:
            message = f"{kind} attribute cannot be longer than {IDENTIFIER_BYTES} bytes"
            return [Problem("invalid", path, message)]
        if self._switches.invalid_email == "reject" and not is_well_formed(kind, value, self._switches):
            return [Problem("invalid", path, f"{kind} attribute must be a valid {_CALLED[kind]}")]
        return []

    def attributes(self, attributes: Any, path: str = "attributes", *, most: int = ATTRIBUTES) -> list[Problem]:
        """Check the names, values and number of attributes; identifiers among them too."""
        if attributes is None:
            return []
        if not isinstance(attributes, dict):
            return [Problem("invalid", path, f"{path} must be an object")]
        found: list[Problem] = []
        if len(attributes) > most:
            found.append(Problem("invalid", path, f"cannot identify more than {most} attributes in one request"))
        good, identifiers = self._good_names, self._switches.identifiers()
        for name, value in attributes.items():
            if name not in good and not self._is_good_name(name):
                found.append(
                    Problem("invalid", f"{path}.{name[:50]}", "attribute name cannot be longer than 150 bytes")
                )
            kind = type(value)
            if kind is str:
                # Four bytes is the most that a character takes.
                if len(value) > 250 and utf8_length(value) > VALUE_BYTES:
                    found.append(_long_value(path, name))
            elif (kind is dict or kind is list) and len(orjson.dumps(value)) > VALUE_BYTES:
                found.append(_long_value(path, name))
            if name in identifiers and value is not None and value != "":
                found += self._identifier(name, value, f"{path}.{name}")
        if "_update" in attributes and not isinstance(attributes["_update"], bool):
            found.append(Problem("invalid", f"{path}._update", "_update must be a boolean"))
        return found

    def _is_good_name(self, name: str) -> bool:
        if utf8_length(name) > NAME_BYTES:
            return False
        if len(self._good_names) < 100_000:
            self._good_names.add(name)
        return True

    def event(self, name: Any, id_: Any, data: Any, path: str = "attributes") -> list[Problem]:
        """Check an event's name, id and data."""
        found: list[Problem] = []
        if name is None or (isinstance(name, str) and not name.strip()):
            found.append(Problem("required", "name", "event name must not be blank"))
        elif not isinstance(name, str):
            found.append(Problem("invalid", "name", "event name must be a string value"))
        elif len(name) >= EVENT_NAME_CHARACTERS:
            found.append(Problem("invalid", "name", "event name must be less than 500 characters"))
        elif utf8_length(name.strip()) > EVENT_NAME_BYTES:
            found.append(Problem("invalid", "name", "event name cannot be longer than 100 bytes"))
        strict = id_ is not None and self._switches.invalid_ulid == "reject"
        if strict and not (isinstance(id_, str) and is_ulid(id_)):
            found.append(Problem("invalid", "id", "event id must be a ULID"))
        if data is not None:
            if not isinstance(data, dict):
                found.append(Problem("invalid", path, f"{path} must be an object"))
            elif len(orjson.dumps(data)) > EVENT_DATA_BYTES:
                found.append(Problem("invalid", path, "event data cannot be longer than 100000 bytes"))
        return found

    def anonymous_event(self, operation: Operation) -> list[Problem]:
        """Check a v1 event without a person."""
        found = self.event(operation.get("name"), operation.get("id"), operation.get("attributes"), "data")
        return found + _timestamp(operation["timestamp"]) if "timestamp" in operation else found

    def _object(self, operation: Operation) -> list[Problem]:
        action = operation.get("action")
        if action is None:
            return [Problem("required", "action", "action is required")]
        if not isinstance(action, str) or action not in OBJECT_ACTIONS:
            return [Problem("invalid", "action", "action is not known for type object")]
        found = self._object_identifiers(operation.get("identifiers"), "identifiers")
        found += self.attributes(operation.get("attributes"))
        if action in ("add_relationships", "delete_relationships") or operation.get("cio_relationships") is not None:
            check = self._anonymous_person if action == "identify_anonymous" else self._related_person
            found += self._relationships(operation, check)
        return found

    def _object_identifiers(self, identifiers: Any, path: str) -> list[Problem]:
        if not isinstance(identifiers, dict) or not identifiers:
            return [Problem("required", path, f"{path} is required")]
        if set(identifiers) not in ({"object_type_id", "object_id"}, {"cio_object_id"}):
            message = "identifiers must have object_type_id and object_id, or cio_object_id"
            return [Problem("invalid", path, message)]
        found: list[Problem] = []
        for kind, value in identifiers.items():
            found += self._identifier(kind, value, f"{path}.{kind}")
        type_id = identifiers.get("object_type_id")
        if isinstance(type_id, str) and type_id and not (type_id.isascii() and type_id.isdigit()):
            message = "object_type_id must be a string integer"
            found.append(Problem("invalid", f"{path}.object_type_id", message))
        elif not found and type_id is not None and type_id not in self._switches.object_types:
            message = "object_type_id is not an object type of this workspace"
            if self._switches.unknown_object_type == "reject":
                found.append(Problem("invalid", f"{path}.object_type_id", message))
        return found

    def _related_person(self, identifiers: Any, path: str) -> list[Problem]:
        return self.identifiers(identifiers, path, self._kinds())

    def _anonymous_person(self, identifiers: Any, path: str) -> list[Problem]:
        return self.identifiers(identifiers, path, ("anonymous_id",))

    def _relationships(self, operation: Operation, check: Callable[[Any, str], list[Problem]]) -> list[Problem]:
        relationships = operation.get("cio_relationships")
        if relationships is None:
            return [Problem("required", "cio_relationships", "cio_relationships is required")]
        if not isinstance(relationships, list):
            return [Problem("invalid", "cio_relationships", "cio_relationships must be an array")]
        found: list[Problem] = []
        for index, relationship in enumerate(relationships):
            path = f"cio_relationships[{index}]"
            if not isinstance(relationship, dict):
                found.append(Problem("required", f"{path}.identifiers", "identifiers is required"))
                continue
            found += check(relationship.get("identifiers"), f"{path}.identifiers")
            found += self.attributes(relationship.get("relationship_attributes"), f"{path}.relationship_attributes")
        return found

    def _delivery(self, operation: Operation) -> list[Problem]:
        if operation.get("action") != "event":
            return [Problem("invalid", "action", "action is not known for type delivery")]
        if operation.get("name") not in ("opened", "converted", "delivered", "clicked", "bounced"):
            return [Problem("invalid", "name", "name is not a delivery event")]
        return []


def _long_value(path: str, name: str) -> Problem:
    return Problem("invalid", f"{path}.{name}", LONG_VALUE)


def _timestamp(value: Any) -> list[Problem]:
    if isinstance(value, bool) or not isinstance(value, int) or value < 0:
        return [Problem("invalid", "timestamp", "timestamp must be an integer of unix seconds")]
    return []


def _device(device: Any, *, add: bool) -> list[Problem]:
    if not isinstance(device, dict):
        return [Problem("required", "device", "device is required")]
    found = [] if device.get("token") else [Problem("required", "device.token", "device token is required")]
    if add and not device.get("platform"):
        found.append(Problem("required", "device.platform", "device platform is required"))
    return found
