"""Track API v1: each call is put into the form of a v2 operation, and accepted in the same way."""

from typing import Any

import orjson

from stripe_cio_pipeline.sandbox.customerio import answers
from stripe_cio_pipeline.sandbox.customerio.answers import Answer, Request
from stripe_cio_pipeline.sandbox.customerio.validation import LONG_VALUE, Operation, Problem
from stripe_cio_pipeline.sandbox.customerio.workspace import Workspace

CUSTOMER = "/api/v1/customers/{identifier}"
_SIDES = ("primary", "secondary")


def region(workspace: Workspace, request: Request, prefix: str) -> Answer:
    """Tell where the account lives; ``url`` is this server's address for that region."""
    document = {
        "url": f"http://{request.host}{prefix}",
        "region": workspace.switches.region,
        "environment_id": workspace.switches.environment_id,
    }
    return answers.track(200, document, endpoint="/api/v1/accounts/region")


def handle(workspace: Workspace, request: Request) -> Answer:
    """Answer any v1 call except the region's."""
    try:
        body = orjson.loads(request.body) if request.body else {}
    except orjson.JSONDecodeError:
        return answers.track(400, {"meta": {"errors": ["request body is not valid JSON"]}}, endpoint="/api/v1")
    if not isinstance(body, dict):
        return answers.track(400, {"meta": {"errors": ["request body must be an object"]}}, endpoint="/api/v1")
    match request.method, request.segments[2:]:
        case "PUT", ("customers", identifier):
            return _accept(workspace, _identify(workspace, identifier, body), CUSTOMER)
        case "DELETE", ("customers", identifier):
            return _accept(workspace, _act("delete", identifier), CUSTOMER)
        case "POST", ("customers", identifier, ("suppress" | "unsuppress") as action):
            return _accept(workspace, _act(action, identifier), f"{CUSTOMER}/{action}")
        case "POST", ("customers", identifier, "events"):
            return _accept(workspace, _event(workspace, body, identifier), f"{CUSTOMER}/events")
        case "POST", ("events",):
            return _accept(workspace, _event(workspace, body, None), "/api/v1/events")
        case "PUT", ("customers", identifier, "devices"):
            return _accept(workspace, _device(identifier, body.get("device")), f"{CUSTOMER}/devices")
        case "DELETE", ("customers", identifier, "devices", token):
            operation = _act("delete_device", identifier) | {"device": {"token": token}}
            return _accept(workspace, operation, f"{CUSTOMER}/devices/{{token}}")
        case "POST", ("merge_customers",):
            operation = {"type": "person", "action": "merge"} | {side: body.get(side) for side in _SIDES}
            return _accept(workspace, operation, "/api/v1/merge_customers")
    return answers.track(404, {"meta": {"error": "not found"}}, endpoint="unknown")


def _accept(workspace: Workspace, asked: Operation | Problem, endpoint: str) -> Answer:
    problems = [asked] if isinstance(asked, Problem) else workspace.v1_problems(asked)
    if problems:
        workspace.counters.add("operations.rejected")
        # The first message alone: v1 tells one error at a time.
        return answers.track(400, {"meta": {"error": _message(problems[0])}}, endpoint=endpoint)
    assert not isinstance(asked, Problem)  # noqa: S101 - told to the type checker
    workspace.accept([asked])
    return Answer(200, answers.ACCEPTED.body, answers.ACCEPTED.headers, endpoint)


def _message(problem: Problem) -> str:
    """Give the text of v1, which names the attribute where v2 gives its path beside the text."""
    if problem.message != LONG_VALUE:
        return problem.message
    name = problem.field.removeprefix("attributes.")
    return f"value for attribute '{name}' cannot be longer than 1000 bytes"


def identifiers_of(identifier: str) -> dict[str, str]:
    """Tell the kind of a path identifier by its shape, as the API does: an id that looks like one is misread."""
    if identifier.startswith("cio_"):
        return {"cio_id": identifier.removeprefix("cio_")}
    return {"email": identifier} if "@" in identifier else {"id": identifier}


def _act(action: str, identifier: str) -> Operation:
    return {"type": "person", "action": action, "identifiers": identifiers_of(identifier)}


def _identify(workspace: Workspace, identifier: str, body: dict[str, Any]) -> Operation | Problem:
    if "id" in body and body["id"] == "":
        return Problem("invalid", "id", "id attribute cannot be an empty string")
    operation = _act("identify", identifier)
    attributes = {name: value for name, value in body.items() if name not in ("_timestamp", "cio_relationships")}
    operation["attributes"] = attributes
    if "_timestamp" in body:
        operation["timestamp"] = body["_timestamp"]
    wrapped = body.get("cio_relationships")
    if wrapped is not None:
        if not isinstance(wrapped, dict) or not isinstance(wrapped.get("relationships"), list):
            return Problem("invalid", "cio_relationships", "cio_relationships must be an object with relationships")
        if wrapped.get("action") == "delete_relationships":
            removal = _act("delete_relationships", identifier)
            workspace.accept([removal | {"cio_relationships": wrapped["relationships"]}])
        else:
            operation["cio_relationships"] = wrapped["relationships"]
    return operation


def _event(workspace: Workspace, body: dict[str, Any], identifier: str | None) -> Operation | Problem:
    kind = body.get("type", "event")
    if kind not in ("event", "page", "screen"):
        return Problem("invalid", "type", "type must be one of event, page, screen")
    operation: Operation = {"type": "person", "action": kind, "name": body.get("name")}
    if identifier is not None:
        operation["identifiers"] = identifiers_of(identifier)
    elif isinstance(body.get("anonymous_id"), str):
        operation["anonymous_id"] = body["anonymous_id"]
    for name in ("id", "timestamp"):
        if body.get(name) is not None:
            operation[name] = body[name]
    if body.get("data") is not None:
        operation["attributes"] = body["data"]
    return operation


def _device(identifier: str, device: Any) -> Operation:
    operation = _act("add_device", identifier)
    if isinstance(device, dict):
        others = {name: value for name, value in device.items() if name != "id"}
        operation["device"] = {"token": device.get("id"), **others}
    return operation
