"""Reading people and the activity log back through the App API (10 calls a second, 100 people a call)."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Any

import orjson

from stripe_cio_pipeline.deliver.client import Api, unavailable
from stripe_cio_pipeline.deliver.outcome import Again, Stop, judge_read

PEOPLE_PATH = "/v1/customers/attributes"
ACTIVITIES_PATH = "/v1/activities"
#: `POST /v1/customers/attributes` takes 1 to 100 identifiers; unknown ones are left out of the answer.
PEOPLE_A_CALL = 100
_ACTIVITIES_A_CALL = 100


@dataclass(frozen=True, slots=True)
class Profile:
    """A person as Customer.io shows them: every attribute's value is a string, nested ones JSON text."""

    cio_id: str | None
    id: str | None
    email: str | None
    attributes: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Activity:
    """One line of the activity log. `timestamp` is unix seconds; `data` is that type's own."""

    id: str
    type: str
    timestamp: int
    cio_id: str | None
    customer_id: str | None
    email: str | None
    data: dict[str, Any]


async def read_people(app: Api, kind: str, names: Sequence[str]) -> list[Profile]:
    """Read up to 100 people by `kind`: `id`, `email` or `cio_id`. Names travel in the body: addresses get logged."""
    body = orjson.dumps({"ids": list(names)})
    content = await _read(app, "POST", PEOPLE_PATH, {"id_type": kind}, body, len(names))
    return [_profile(entry.get("customer") or {}) for entry in content.get("customers") or []]


async def read_activities(app: Api, kind: str, *, since: int, deleted: bool = False) -> list[Activity]:
    """Read the log of one type, newest first, back to `since` (unix seconds); `deleted`: of people who are gone."""
    found: list[Activity] = []
    start: str | None = None
    while True:
        parameters = {"type": kind, "limit": str(_ACTIVITIES_A_CALL)} | ({"start": start} if start else {})
        parameters |= {"deleted": "true"} if deleted else {}
        content = await _read(app, "GET", ACTIVITIES_PATH, parameters, None, 0)
        lines = [_activity(line) for line in content.get("activities") or []]
        found += [line for line in lines if line.timestamp >= since]
        start = content.get("next") or None
        if start is None or not lines or lines[-1].timestamp < since:
            return found


def hundreds(names: Sequence[str]) -> Iterator[Sequence[str]]:
    """Cut names into what one call takes."""
    for start in range(0, len(names), PEOPLE_A_CALL):
        yield names[start : start + PEOPLE_A_CALL]


async def _read(
    app: Api, method: str, path: str, parameters: dict[str, str], body: bytes | None, items: int
) -> dict[str, Any]:
    content = partial(bytes, body) if body is not None else None
    answer, outcome = await app.call(method, path, judge_read, params=parameters, body=content, items=items)
    if isinstance(outcome, Stop):
        raise outcome.error
    if isinstance(outcome, Again):
        raise unavailable(outcome, f"{method} {path}")
    read: dict[str, Any] = orjson.loads(answer.content)
    return read


def _profile(customer: dict[str, Any]) -> Profile:
    named = customer.get("identifiers") or {}
    return Profile(
        named.get("cio_id") or None,
        named.get("id") or customer.get("id") or None,
        named.get("email") or None,
        customer.get("attributes") or {},
    )


def _activity(line: dict[str, Any]) -> Activity:
    named = line.get("customer_identifiers") or {}
    data = line.get("data")
    return Activity(
        str(line.get("id") or ""),
        str(line.get("type") or ""),
        int(line.get("timestamp") or 0),
        named.get("cio_id") or None,
        named.get("id") or line.get("customer_id") or None,
        named.get("email") or None,
        data if isinstance(data, dict) else {},
    )
