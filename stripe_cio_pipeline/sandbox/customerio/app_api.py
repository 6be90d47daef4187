"""The App API's read side: people, their attributes, search, and the activity log."""

import base64
from typing import Any

import orjson

from stripe_cio_pipeline.sandbox.customerio import answers
from stripe_cio_pipeline.sandbox.customerio.activities import Activity
from stripe_cio_pipeline.sandbox.customerio.answers import Answer, Request
from stripe_cio_pipeline.sandbox.customerio.people import Person
from stripe_cio_pipeline.sandbox.customerio.search import BadFilterError, predicate, shown_attributes
from stripe_cio_pipeline.sandbox.customerio.workspace import Workspace

_KINDS = ("id", "email", "phone", "cio_id")
_ATTRIBUTES = "/v1/customers/{identifier}/attributes"
_CUSTOMER_ACTIVITIES = "/v1/customers/{identifier}/activities"


class _BadRequestError(Exception):
    """A request that the App API answers with 400."""


def handle(workspace: Workspace, request: Request) -> Answer:
    """Answer one call of the App API."""
    endpoint = _endpoint(request)
    try:
        return _routed(workspace, request, endpoint)
    except (_BadRequestError, BadFilterError) as bad:
        return answers.app_error(400, str(bad), endpoint=endpoint)


def _endpoint(request: Request) -> str:
    match request.segments:
        case ("v1", "customers", _, ("attributes" | "activities") as what):
            return f"/v1/customers/{{identifier}}/{what}"
        case ("v1", ("customers" | "activities" | "exports")) | ("v1", "customers", "attributes"):
            return "/" + "/".join(request.segments)
    return "unknown"


def _routed(workspace: Workspace, request: Request, endpoint: str) -> Answer:
    match request.method, endpoint:
        case "GET", "/v1/customers":
            document: dict[str, Any] = _by_email(workspace, request)
        case "POST", "/v1/customers":
            document = _search(workspace, request)
        case "POST", "/v1/customers/attributes":
            document = _attributes_of_many(workspace, request)
        case "GET", "/v1/customers/{identifier}/attributes":
            person = _person(workspace, request)
            if person is None:
                return answers.app_error(404, "customer not found", endpoint=endpoint)
            document = _customer(person)
        case "GET", "/v1/customers/{identifier}/activities":
            person = _person(workspace, request)
            if person is None:
                return answers.app_error(404, "customer not found", endpoint=endpoint)
            document = _activities(workspace, request, person.cio_id)
        case "GET", "/v1/activities":
            document = _activities_of_anybody(workspace, request)
        case "GET", "/v1/exports":
            document = {"exports": None}
        case _:
            return answers.app_error(404, "not found", endpoint=endpoint)
    return answers.app(200, document, endpoint=endpoint)


def _id_type(workspace: Workspace, request: Request) -> str:
    kind = request.query.get("id_type", "id")
    switches = workspace.switches
    enabled = {"email": switches.email_identifiers, "phone": switches.phone_identifiers}
    if kind not in _KINDS or not enabled.get(kind, True):
        raise _BadRequestError("id_type must be an identifier of this workspace")
    return kind


def _person(workspace: Workspace, request: Request) -> Person | None:
    kind = _id_type(workspace, request)
    return workspace.visible(kind, _value(kind, request.segments[2]))


def _value(kind: str, text: str) -> str:
    """Read an identifier: to refer to a person by ``cio_id``, the reference wants a prefix in some places."""
    return text.removeprefix("cio_") if kind == "cio_id" else text


def _by_email(workspace: Workspace, request: Request) -> dict[str, Any]:
    email = request.query.get("email")
    if not email:
        raise _BadRequestError("email is required")
    person = workspace.visible("email", email)
    return {"results": [_identifiers(person)] if person is not None else []}


def _identifiers(person: Person) -> dict[str, Any]:
    return {"email": person.email, "id": person.id, "cio_id": person.cio_id}


def _customer(person: Person) -> dict[str, Any]:
    unsubscribed = person.attributes.get("unsubscribed")
    return {
        "customer": {
            "id": person.id or "",
            "identifiers": _identifiers(person),
            "attributes": shown_attributes(person),
            "timestamps": person.timestamps,
            "unsubscribed": unsubscribed in (True, 1) or str(unsubscribed).lower() == "true",
            "devices": list(person.devices),
        }
    }


def _body(request: Request) -> dict[str, Any]:
    try:
        document = orjson.loads(request.body)
    except orjson.JSONDecodeError:
        raise _BadRequestError("request body is not valid JSON") from None
    if not isinstance(document, dict):
        raise _BadRequestError("request body must be an object")
    return document


def _attributes_of_many(workspace: Workspace, request: Request) -> dict[str, Any]:
    kind = _id_type(workspace, request)
    ids = _body(request).get("ids")
    if not isinstance(ids, list) or not 1 <= len(ids) <= 100 or not all(isinstance(one, str) for one in ids):
        raise _BadRequestError("ids must be a list of 1 to 100 strings")
    found = workspace.listed(kind, (_value(kind, one) for one in ids))
    return {"customers": [_customer(person) for person in found]}


def _search(workspace: Workspace, request: Request) -> dict[str, Any]:
    limit = _limit(request, default=50, most=1000)
    after = _cursor(request)
    matches = predicate(_body(request).get("filter"))
    people, last = workspace.search(matches, after=after, limit=limit)
    return {
        "identifiers": [_identifiers(person) for person in people],
        "ids": [person.id or "" for person in people],
        "next": _spelled(last) if last is not None else "",
    }


def _activities_of_anybody(workspace: Workspace, request: Request) -> dict[str, Any]:
    """List everybody's, or those of ``customer_id``; who was deleted is listed with ``deleted=true`` alone."""
    deleted = request.query.get("deleted", "false").lower()
    if deleted not in ("true", "false"):
        raise _BadRequestError("deleted must be true or false")
    name = request.query.get("customer_id")
    if not name:
        return _activities(workspace, request, None, deleted=deleted == "true")
    kind = _id_type(workspace, request)
    value = _value(kind, name)
    if deleted == "true":
        return _activities(workspace, request, None, deleted=True, keep=lambda line: _is_about(line, kind, value))
    person = workspace.visible(kind, value)
    return _activities(workspace, request, person.cio_id if person is not None else "")


def _is_about(line: Activity, kind: str, value: str) -> bool:
    told = line.identifiers.get(kind)
    return told is not None and (told.lower() == value.lower() if kind == "email" else told == value)


def _activities(workspace: Workspace, request: Request, cio_id: str | None, **chosen: Any) -> dict[str, Any]:
    start = _cursor(request)
    if start and not start.isdigit():
        raise _BadRequestError("start is not a cursor of this list")
    lines, below = workspace.visible_activities(
        cio_id,
        type=request.query.get("type"),
        name=request.query.get("name"),
        below=int(start) if start else None,
        limit=_limit(request, default=10, most=100),
        **chosen,
    )
    return {
        "activities": [_activity(line) for line in lines],
        "next": _spelled(str(below)) if below is not None else "",
    }


def _activity(line: Activity) -> dict[str, Any]:
    shown = {
        "id": line.id,
        "type": line.type,
        "timestamp": int(line.at),
        "customer_id": line.identifiers.get("id") or "",
        "customer_identifiers": line.identifiers,
        "data": line.data,
    }
    return shown if line.name is None else {**shown, "name": line.name}


def _limit(request: Request, *, default: int, most: int) -> int:
    text = request.query.get("limit", str(default))
    if not text.isdecimal() or not text.isascii() or not 1 <= int(text) <= most:
        raise _BadRequestError(f"limit must be a number from 1 to {most}")
    return int(text)


def _spelled(cursor: str) -> str:
    return base64.urlsafe_b64encode(cursor.encode()).decode().rstrip("=")


def _cursor(request: Request) -> str:
    text = request.query.get("start", "")
    try:
        return base64.b64decode(text + "=" * (-len(text) % 4), b"-_", validate=True).decode("ascii")
    except ValueError:
        raise _BadRequestError("start is not a cursor of this list") from None
