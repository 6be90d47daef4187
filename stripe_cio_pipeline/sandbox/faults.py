"""Faults to rehearse: which answers go wrong, and how, by request number or by rate."""

import random
import threading
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal, get_args

FaultKind = Literal[
    "status",  # an error answer instead of the real one
    "slow",  # the real answer, after `seconds`
    "reset_before",  # the connection breaks before the request is acted on
    "reset_after",  # the request is acted on, then the connection breaks: the caller cannot know
    "reset_mid_body",  # the connection breaks halfway through the answer
    "truncated",  # status 200, well-framed, but the JSON is cut
    "not_a_list",  # status 200, complete JSON, but not what was asked for
    "reject",  # an answer that refuses chosen items (Customer.io's 207)
]


@dataclass(frozen=True, slots=True)
class Fault:
    """One way in which an answer goes wrong. Prefer the constructors: `Fault.error(503)` and so on.

    `detail` carries what only one server understands, such as an error code or the people to refuse.
    """

    kind: FaultKind
    status: int = 0
    seconds: float = 0.0
    headers: Mapping[str, str] = field(default_factory=dict)
    detail: Mapping[str, Any] = field(default_factory=dict)

    @classmethod
    def error(cls, status: int, *, should_retry: bool | None = None, **detail: Any) -> "Fault":
        """Answer with an error status; `should_retry` sets the `Stripe-Should-Retry` header."""
        headers = {} if should_retry is None else {"Stripe-Should-Retry": str(should_retry).lower()}
        return cls("status", status=status, headers=headers, detail=detail)

    @classmethod
    def rate_limited(cls, reason: str | None = None, *, retry_after: float | None = None) -> "Fault":
        """Answer 429; `reason` is Stripe's `Stripe-Rate-Limited-Reason`, `retry_after` is in seconds."""
        headers: dict[str, str] = {}
        if reason is not None:
            headers["Stripe-Rate-Limited-Reason"] = reason
        if retry_after is not None:
            headers["Retry-After"] = f"{retry_after:g}"
        return cls("status", status=429, headers=headers)

    @classmethod
    def lock_timeout(cls) -> "Fault":
        """Answer Stripe's other 429: an object is locked. No limiter's header, but one that says to retry."""
        return cls("status", status=429, headers={"Stripe-Should-Retry": "true"}, detail={"code": "lock_timeout"})

    @classmethod
    def slow(cls, seconds: float) -> "Fault":
        """Answer rightly, but late."""
        return cls("slow", seconds=seconds)

    @classmethod
    def reset_before(cls) -> "Fault":
        """Break the connection before the request is acted on."""
        return cls("reset_before")

    @classmethod
    def reset_after(cls) -> "Fault":
        """Act on the request, then break the connection instead of answering."""
        return cls("reset_after")

    @classmethod
    def reset_mid_body(cls) -> "Fault":
        """Break the connection halfway through the answer's body."""
        return cls("reset_mid_body")

    @classmethod
    def truncated(cls) -> "Fault":
        """Answer 200 with JSON that stops in the middle."""
        return cls("truncated")

    @classmethod
    def not_a_list(cls) -> "Fault":
        """Answer 200 with complete JSON that is not a list."""
        return cls("not_a_list")

    @classmethod
    def reject(cls, **detail: Any) -> "Fault":
        """Refuse chosen items of a batch; the Customer.io side reads `detail`."""
        return cls("reject", detail=detail)

    @classmethod
    def from_json(cls, value: Mapping[str, Any]) -> "Fault":
        """Read a fault from a control request; raises `ValueError` naming what is wrong."""
        kind: FaultKind | None = value.get("kind")
        if kind is None or kind not in get_args(FaultKind):
            raise ValueError(f"unknown fault kind {kind!r}; known: {', '.join(get_args(FaultKind))}")
        if kind == "status" and not isinstance(value.get("status"), int):
            raise ValueError('a fault of kind "status" needs a "status" number')
        return cls(
            kind,
            status=int(value.get("status", 0)),
            seconds=float(value.get("seconds", 0.0)),
            headers={str(k): str(v) for k, v in dict(value.get("headers", {})).items()},
            detail=dict(value.get("detail", {})),
        )

    def to_json(self) -> dict[str, Any]:
        """Return the form that `from_json` reads."""
        return {
            "kind": self.kind,
            "status": self.status,
            "seconds": self.seconds,
            "headers": dict(self.headers),
            "detail": dict(self.detail),
        }


@dataclass(frozen=True, slots=True)
class _Rate:
    share: float
    fault: Fault
    path: str | None
    until: int | None


class Faults:
    """The plan of faults of one server. Requests are numbered from 1 in the order of their arrival."""

    def __init__(self, seed: int = 0) -> None:
        self._random = random.Random(seed)
        self._lock = threading.Lock()
        self._number = 0
        self._at: dict[int, Fault] = {}
        self._rates: list[_Rate] = []

    @property
    def request_number(self) -> int:
        """The number of the request that came in last; 0 before the first."""
        return self._number

    def at(self, request_number: int, fault: Fault) -> None:
        """Let one request go wrong, by its number since the start (see `request_number`)."""
        self._at[request_number] = fault

    def next(self, fault: Fault, *, count: int = 1) -> None:
        """Let the next `count` requests go wrong."""
        with self._lock:
            for offset in range(1, count + 1):
                self._at[self._number + offset] = fault

    def rate(self, share: float, fault: Fault, *, path: str | None = None, requests: int | None = None) -> None:
        """Let a share (0 to 1) of requests go wrong.

        `path` limits it to requests whose path starts so; `requests` to that many requests from now.
        """
        if not 0 <= share <= 1:
            raise ValueError(f"a share of faults lies between 0 and 1, got {share}")
        with self._lock:
            until = None if requests is None else self._number + requests
            self._rates.append(_Rate(share, fault, path, until))

    def clear(self) -> None:
        """Let everything go right again. The numbering goes on."""
        with self._lock:
            self._at.clear()
            self._rates.clear()

    def draw(self, path: str) -> Fault | None:
        """Say what goes wrong with the request that has just come in. Call once per request: it counts."""
        with self._lock:
            self._number += 1
            if (planned := self._at.pop(self._number, None)) is not None:
                return planned
            for rate in self._rates:
                if rate.until is not None and self._number > rate.until:
                    continue
                if rate.path is not None and not path.startswith(rate.path):
                    continue
                if self._random.random() < rate.share:
                    return rate.fault
            return None

    def snapshot(self) -> dict[str, Any]:
        """Return the plan as JSON."""
        with self._lock:
            return {
                "request_number": self._number,
                "at": {str(number): fault.to_json() for number, fault in sorted(self._at.items())},
                "rates": [
                    {
                        "share": rate.share,
                        "path": rate.path,
                        "until": rate.until,
                        "fault": rate.fault.to_json(),
                    }
                    for rate in self._rates
                ],
            }
