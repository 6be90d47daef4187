"""Stripe's rate limits, kept before Stripe has to say so, and obeyed when it does.

Two limits hold at once: requests per second for one endpoint and for the account (docs.stripe.com/rate-limits: 25,
and 100 live or 25 in a sandbox account). aiolimiter keeps each; this module only changes their pace: a 429 names the
limiter in `Stripe-Rate-Limited-Reason`, that pace is cut, and comes back step by step while nothing more is refused.
"""

import asyncio
import math
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager

from aiolimiter import AsyncLimiter

from stripe_cio_pipeline.policy import Stripe

#: Tokens are given out in portions of this many seconds: enough to ride over a commit, too few to be a burst.
_PORTION_SECONDS = 0.5
_CUT = 0.7
_STEP_BACK = 0.1
_STEP_SECONDS = 5.0
_FLOOR = 0.05

#: Requests under way at one endpoint: never fewer nor more, whatever the measured latency.
MIN_IN_FLIGHT = 4
MAX_IN_FLIGHT = 16

LIVE_ACCOUNT_RATE = 100.0
SANDBOX_ACCOUNT_RATE = 25.0


class Pace:
    """One limiter with a granted rate (requests per second) and the share of it that is used at present."""

    def __init__(self, rate: float, clock: Callable[[], float]) -> None:
        self.granted = rate
        self._clock = clock
        self._share = 1.0
        self._changed_at = -math.inf
        self._most_in_flight = MAX_IN_FLIGHT
        self._limiter = self._at(rate)

    @property
    def rate(self) -> float:
        """Requests per second at present."""
        return self.granted * self._share

    @property
    def most_in_flight(self) -> int:
        """How many requests may be under way, as far as concurrency limits have told."""
        return self._most_in_flight

    async def turn(self) -> None:
        """Wait until a request may go out."""
        self._recover()
        await self._limiter.acquire()

    def slow_down(self) -> None:
        """Take less, once for each wave of refusals."""
        if self._clock() - self._changed_at < 1.0:
            return
        self._set(max(_FLOOR, self._share * _CUT))

    def narrow(self) -> None:
        """Let fewer requests be under way."""
        if self._clock() - self._changed_at >= 1.0:
            self._most_in_flight = max(1, self._most_in_flight // 2)
            self._changed_at = self._clock()

    def _recover(self) -> None:
        if self._clock() - self._changed_at < _STEP_SECONDS:
            return
        if self._share < 1.0:
            self._set(min(1.0, self._share + _STEP_BACK))
        if self._most_in_flight < MAX_IN_FLIGHT:
            self._most_in_flight += 1
            self._changed_at = self._clock()

    def _set(self, share: float) -> None:
        self._share = share
        self._changed_at = self._clock()
        self._limiter = self._at(self.rate)

    @staticmethod
    def _at(rate: float) -> AsyncLimiter:
        # A limiter lets a whole portion through at once; a portion below one request would let none through.
        portion = max(1.0, rate * _PORTION_SECONDS)
        return AsyncLimiter(portion, portion / rate)


class Budget:
    """All paces of one account.

    An endpoint is a path without ids: `/v1/customers` and `/v1/customers/{id}` count apart.
    """

    def __init__(self, policy: Stripe, *, live: bool, clock: Callable[[], float] | None = None) -> None:
        self._clock = clock or (lambda: asyncio.get_running_loop().time())
        granted = policy.limits.account or (LIVE_ACCOUNT_RATE if live else SANDBOX_ACCOUNT_RATE)
        self._share = policy.rate_share
        self._endpoint_rate = policy.limits.endpoint
        self._account = Pace(granted * self._share, self._clock)
        self._endpoints: dict[str, Pace] = {}
        self._latency: dict[str, float] = {}
        self._completion: dict[str, float] = {}
        self.throttled = 0

    @property
    def account_rate(self) -> float:
        """Requests per second for all endpoints together, at the configured share."""
        return self._account.granted

    @property
    def endpoint_rate(self) -> float:
        """Requests per second for one endpoint, at the configured share."""
        return min(self._endpoint_rate * self._share, self.account_rate)

    @asynccontextmanager
    async def permit(self, endpoint: str) -> AsyncIterator[None]:
        """Wait for a turn at the endpoint and at the account."""
        await self._pace(endpoint).turn()
        await self._account.turn()
        started = self._clock()
        yield
        # Only answered requests come here: a broken connection says nothing about latency.
        _smooth(self._latency, endpoint, self._clock() - started)

    @contextmanager
    def completion(self, endpoint: str) -> Iterator[None]:
        """Measure how long an answer takes to be completed by requests to other endpoints, beside its own latency."""
        started = self._clock()
        yield
        _smooth(self._completion, endpoint, self._clock() - started)

    def throttle(self, endpoint: str, reason: str) -> None:
        """Take Stripe's `Stripe-Rate-Limited-Reason` to heart."""
        self.throttled += 1
        pace = self._account if reason.startswith("global") else self._pace(endpoint)
        if reason.endswith("concurrency"):
            pace.narrow()
        elif reason.endswith("rate"):
            pace.slow_down()
        # `resource-specific` limits one object: waiting for the retry is all that helps.

    def in_flight(self, endpoint: str) -> int:
        """How many requests keep the endpoint's pace at its measured latency, with a half as much again in reserve.

        Answers that are being completed count beside them: they are no requests to this endpoint any more.
        """
        pace = self._pace(endpoint)
        needed = math.ceil(pace.rate * self._latency.get(endpoint, 0.3) * 1.5) + 2
        most = min(pace.most_in_flight, self._account.most_in_flight)
        completing = math.ceil(pace.rate * self._completion.get(endpoint, 0.0) * 1.5)
        return min(most, max(MIN_IN_FLIGHT, min(needed, MAX_IN_FLIGHT))) + min(completing, MAX_IN_FLIGHT)

    def _pace(self, endpoint: str) -> Pace:
        if endpoint not in self._endpoints:
            self._endpoints[endpoint] = Pace(self.endpoint_rate, self._clock)
        return self._endpoints[endpoint]


def _smooth(means: dict[str, float], endpoint: str, seconds: float) -> None:
    known = means.get(endpoint, seconds)
    means[endpoint] = known + 0.2 * (seconds - known)
