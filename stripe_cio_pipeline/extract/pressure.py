"""What an answer means for the next step: pure classification of statuses, headers and bodies.

By HTTP status and header, never by the error body's `type`, which for a 429 is `invalid_request_error`.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import Enum


class Outcome(Enum):
    """What to do after an answer."""

    GOOD = "good"
    AGAIN = "again"
    SLOWER = "slower"
    REFUSED = "refused"
    UNAUTHORIZED = "unauthorized"
    FORBIDDEN = "forbidden"


@dataclass(frozen=True, slots=True)
class Refusal:
    """Stripe says that the request is wrong or that the object does not exist (400, 402, 404). Holds no payload.

    `read_at` is when it was asked, as in `transport.Answer`.
    """

    status: int
    code: str | None
    param: str | None
    read_at: int

    @property
    def missing(self) -> bool:
        """Whether the object that was asked for does not exist."""
        return self.status == 404 or self.code == "resource_missing"


def classify(status: int, headers: Mapping[str, str]) -> Outcome:
    """Say what an answer asks for. `headers` must be case-insensitive or lower-case.

    `Stripe-Should-Retry: false` on a 5xx is not obeyed: it warns of repeating a write, and these are GETs, which Stripe
    calls idempotent. On a 4xx it stands.
    """
    if 200 <= status < 300:
        return Outcome.GOOD
    if status == 429:
        # A 429 without a reason is a lock on the object, not a limiter: the same again, but no slower.
        return Outcome.SLOWER if headers.get("stripe-rate-limited-reason") else Outcome.AGAIN
    if status >= 500 or status in {408, 409} or headers.get("stripe-should-retry") == "true":
        return Outcome.AGAIN
    if status == 401:
        return Outcome.UNAUTHORIZED
    if status == 403:
        return Outcome.FORBIDDEN
    return Outcome.REFUSED
