"""What an answer of the batch call means for the items that were sent. Pure: no network, no clock.

Customer.io's documents give 200, 207 and 400 a body and say nothing of 413, 429 and 5xx. A status that is not
documented is read as HTTP defines it, and nothing is ever counted as accepted that was not told to be.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import orjson

from stripe_cio_pipeline.errors import (
    CustomerioCredentialsError,
    CustomerioError,
    CustomerioRegionError,
    CustomerioUnavailable,
)

#: Statuses below 500 after which the same call may succeed. Any from 500 on may pass too: a repeat does no harm.
_PASSING = frozenset({408, 425, 429})
#: Statuses that speak of the whole body, so that half of it may be taken.
_TOO_MUCH_OR_WRONG = frozenset({400, 413, 422})
#: A server may ask for any pause; a run does not sleep longer than this many seconds at once.
_LONGEST_PAUSE = 300.0


@dataclass(frozen=True, slots=True)
class Problem:
    """Why Customer.io (or the check before sending) refuses one item. Never holds the refused value."""

    reason: str
    field: str | None = None
    message: str | None = None

    @property
    def detail(self) -> str:
        """Everything in one line."""
        return ": ".join(part for part in (self.reason, self.field, self.message) if part is not None)


@dataclass(frozen=True, slots=True)
class Answer:
    """What came back, or did not: `status` is None where the connection broke before an answer was complete."""

    status: int | None
    content: bytes = b""
    retry_after: float | None = None
    fault: str = ""


@dataclass(frozen=True, slots=True)
class Accepted:
    """Every item was taken."""


@dataclass(frozen=True, slots=True)
class Partly:
    """The items at these indices were refused, every other one was taken."""

    problems: Mapping[int, Problem] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Without:
    """Nothing was taken, because of the items at these indices: send the others again without them."""

    problems: Mapping[int, Problem] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Halve:
    """Something in it is refused and nobody says what: send each half by itself."""


@dataclass(frozen=True, slots=True)
class Again:
    """Nothing is known to have been taken; the same call may succeed, after `pause` seconds where told."""

    what: str
    pause: float | None = None


@dataclass(frozen=True, slots=True)
class Stop:
    """No call of this run can succeed."""

    error: CustomerioError


Outcome = Accepted | Partly | Without | Halve | Again | Stop


def judge(answer: Answer, items: int) -> Outcome:
    """Say what an answer means for a batch of so many items."""
    status = answer.status
    if status is None:
        return Again(answer.fault or "the connection broke")
    if status in (200, 202, 207):
        return _taken(answer, items)
    if status in _TOO_MUCH_OR_WRONG:
        return _refused(answer, items)
    if (stop := refusal(answer)) is not None:
        return Stop(stop)
    if status in _PASSING or status >= 500:
        return _later(answer)
    return Stop(
        CustomerioError(
            f"Customer.io answered {status} to a batch, which this release does not know.",
            "Look at CUSTOMERIO_TRACK_URL; none of the batch counts as accepted, and it is still pending.",
        )
    )


def _later(answer: Answer) -> Again:
    pause = None if answer.retry_after is None else min(max(answer.retry_after, 0.0), _LONGEST_PAUSE)
    return Again(f"it answered {answer.status}", pause)


def judge_read(answer: Answer) -> Outcome:
    """Say what an answer means for a call that only reads: accepted where it holds a JSON object."""
    status = answer.status
    if status is None:
        return Again(answer.fault or "the connection broke")
    if status == 200:
        unreadable = "it answered 200 with a body that is not a JSON object"
        return Accepted() if _is_object(answer.content) else Again(unreadable)
    if (stop := refusal(answer)) is not None:
        return Stop(stop)
    if status in _PASSING or status >= 500:
        return _later(answer)
    return Stop(
        CustomerioUnavailable(
            f"Customer.io answered {status} to a read, and nothing was learned from it.",
            "Look at status.customer.io, then run this again. If it stays so, the workspace has that kind of "
            "identifier switched off, or this is a defect here; report it.",
        )
    )


def refusal(answer: Answer) -> CustomerioError | None:
    """Give the error for an answer after which no call can succeed: credentials, region, a wrong address."""
    status = answer.status or 0
    if status in (401, 403):
        return CustomerioCredentialsError(
            f"Customer.io refuses the credentials ({status}).",
            "Compare CUSTOMERIO_SITE_ID, CUSTOMERIO_TRACK_API_KEY (and for reading back CUSTOMERIO_APP_API_KEY) with "
            "Settings, Account settings, API credentials. The three kinds of keys are not interchangeable.",
        )
    if 300 <= status < 400:
        return CustomerioRegionError(
            f"Customer.io answers with a redirect ({status}): this account lives in another region.",
            "Set CUSTOMERIO_REGION to eu or us, whichever it is not now, and take CUSTOMERIO_TRACK_URL and "
            "CUSTOMERIO_APP_URL out unless you mean them. Redirects are not followed: data would pass through the "
            "wrong region.",
        )
    if status in (404, 405, 410):
        return CustomerioError(
            f"Customer.io's address does not know the call ({status}).",
            "Correct or unset CUSTOMERIO_TRACK_URL and CUSTOMERIO_APP_URL; give them without a path.",
        )
    return None


def _taken(answer: Answer, items: int) -> Outcome:
    errors = _errors(answer.content)
    if errors is None:
        return Again(f"it answered {answer.status} with a body that is not JSON")
    if not errors and answer.status == 207:
        return Again("it answered 207 without saying which items it refuses")
    problems = _by_index(errors, items)
    if problems is None:
        return Halve() if items > 1 else Partly({0: _problem(errors[0])})
    return Partly(problems) if problems else Accepted()


def _refused(answer: Answer, items: int) -> Outcome:
    errors = _errors(answer.content) or []
    if items == 1:
        unnamed = Problem("invalid", None, f"refused with status {answer.status}")
        return Without({0: _problem(errors[0]) if errors else unnamed})
    problems = _by_index(errors, items)
    return Without(problems) if problems else Halve()


def _by_index(errors: list[Any], items: int) -> dict[int, Problem] | None:
    """Match errors to items; the first error of an item counts. None where one cannot be matched."""
    problems: dict[int, Problem] = {}
    for error in errors:
        index = error.get("batch_index") if isinstance(error, dict) else None
        if isinstance(index, bool) or not isinstance(index, int) or not 0 <= index < items:
            return None
        problems.setdefault(index, _problem(error))
    return problems


def _problem(error: Any) -> Problem:
    if not isinstance(error, dict):
        return Problem("invalid", None, "refused without a readable reason")
    return Problem(
        str(error.get("reason") or "invalid")[:100],
        str(error["field"])[:300] if error.get("field") else None,
        str(error.get("message") or error.get("detail") or "")[:500] or None,
    )


def _is_object(content: bytes) -> bool:
    try:
        return isinstance(orjson.loads(content), dict)
    except orjson.JSONDecodeError:
        return False


def _errors(content: bytes) -> list[Any] | None:
    """Read the errors of a body: `{"errors": [...]}` or `{"meta": {"error": "..."}}`. None: not a JSON object."""
    if not content.strip():
        return []
    try:
        body = orjson.loads(content)
    except orjson.JSONDecodeError:
        return None
    if not isinstance(body, dict):
        return None
    errors = body.get("errors")
    if isinstance(errors, list):
        return errors
    meta = body.get("meta")
    if isinstance(meta, dict):
        several = meta.get("errors")
        if isinstance(several, list):
            return [{"message": message} for message in several]
        if meta.get("error"):
            return [{"message": meta["error"]}]
    return []
