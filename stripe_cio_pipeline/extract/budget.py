"""Stripe's rate limits, kept before Stripe has to say so, and obeyed when it does.

Two limits hold at once: requests per second for one endpoint and for the account (docs.stripe.com/rate-limits: 25,
and 100 live or 25 in a sandbox account). aiolimiter keeps each; this module only changes their pace: a 429 names the
limiter in `Stripe-Rate-Limited-Reason`, that pace is cut, and comes back step by step while nothing more is refused.
"""

import asyncio
import math
import threading
import time
from collections import Counter
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass
from datetime import UTC, date, datetime

from aiolimiter import AsyncLimiter

from stripe_cio_pipeline.cron import times_in_30_days
from stripe_cio_pipeline.errors import ReadBudgetSpent
from stripe_cio_pipeline.extract.objects import PAGE_ROWS
from stripe_cio_pipeline.policy import Policy, Stripe
from stripe_cio_pipeline.warehouse import Connection, Statements, replace

_SQL = Statements("stripe_cio_pipeline.extract.sql")

WINDOW_DAYS = 30
WARN_SHARE = 0.8

#: Looks for changes may take this share of the reads. With the hourly sync they leave more than half of the 10,000 that
#: Stripe allots at least: 10,000 / 3 + 720 = 4,053.
LOOKS_SHARE = 1 / 3
#: What changes have cost lately says what they will cost.
_LATELY_DAYS = 7
#: Slices end in partly filled pages: measured, a list takes about so much more than its rows / 100.
PARTIAL_PAGES = 1.1


def poll_seconds(policy: Stripe) -> int:
    """Give the seconds between two looks for changes: as they are set, or longer where few reads are allotted."""
    return max(policy.poll_seconds, math.ceil(WINDOW_DAYS * 86_400 / (policy.monthly_reads * LOOKS_SHARE)))


def list_requests(rows: int) -> int:
    """Estimate the requests that listing so many objects takes."""
    return max(1, math.ceil(rows / PAGE_ROWS * PARTIAL_PAGES))


@dataclass(frozen=True, slots=True)
class ReadBudget:
    """GET requests in the last 30 days, by Stripe's clock, and what the next 30 will take.

    `looking`: the sensor's looks and the schedule's syncs, as they are set. `comparing`: the scheduled comparisons of
    what is stored. `changes`: reads of single objects at the pace of the last week; not known on the first day, which
    is the history load's. `projected` is their sum. `share` is used / allotted, `every_seconds` the time between looks.
    """

    used_30_days: int
    allotted: int
    looking: int
    comparing: int
    changes: int
    share: float
    days: int
    by_endpoint: tuple[tuple[str, int], ...]
    on_budget: str
    every_seconds: int

    @property
    def projected(self) -> int:
        """What the next 30 days will take at this pace."""
        return self.looking + self.comparing + self.changes

    @property
    def warning(self) -> str | None:
        """What to tell the user: from 80 % used on, or where the pace leads beyond."""
        used = f"{self.used_30_days:,} of {self.allotted:,} GET requests in 30 days"
        if self.share >= 1:
            return f"The month's read allocation is used up: {used}. {self.remedy}"
        if self.share >= WARN_SHARE:
            return f"{self.share:.0%} of the month's read allocation is used: {used}. {self.remedy}"
        if self.projected > self.allotted:
            return (
                f"At this pace {self.projected:,} of {self.allotted:,} reads are used in 30 days ({self.makeup}). "
                f"{self.remedy}"
            )
        return None

    @property
    def makeup(self) -> str:
        """What the projection is made of."""
        return (
            f"{self.looking:,} for a poll every {self.every_seconds:,} s and the scheduled syncs, {self.changes:,} for "
            f"changes as in the last week, {self.comparing:,} for the scheduled comparisons"
        )

    @property
    def remedy(self) -> str:
        """How to have more reads, or to need less."""
        return (
            "Stripe allots 500 for each transaction of the last 30 days and 10,000 at least: set stripe.monthly_reads "
            "to what you have, or ask Stripe's support for more. Or look less often (stripe.poll_seconds, schedule.*): "
            f"a webhook of yours that starts the job sync costs no read, and saves the {self.looking:,} for polling."
        )


def read_budget(connection: Connection, policy: Policy, now: float | None = None) -> ReadBudget:
    """Sum the meter up. Only reads; works on an empty warehouse. `now` is this machine's clock.

    Stripe's day is that of its clock when it last told the time, and what this machine's clock has gone on since: who
    pauses asks Stripe for nothing, and counts no day.
    """
    rows = connection.execute(_SQL["reads_by_day"]).fetchall()
    allotted = policy.stripe.monthly_reads
    newest: date = max((row[0] for row in rows), default=date.min)
    if told := connection.execute(_SQL["time_told"]).fetchall():
        stripe_time, told_at = told[0]
        elapsed = (time.time() if now is None else now) - told_at
        newest = max(newest, datetime.fromtimestamp(stripe_time + max(0.0, elapsed), UTC).date())
    recent = [row for row in rows if (newest - row[0]).days < WINDOW_DAYS]
    used = sum(int(row[2]) for row in recent)
    first = min((row[0] for row in rows), default=newest)
    by_endpoint: Counter[str] = Counter()
    lately = 0
    for day, endpoint, requests in recent:
        by_endpoint[endpoint] += int(requests)
        if "{id}" in endpoint and day > first and (newest - day).days < _LATELY_DAYS:
            lately += int(requests)
    days_lately = min(_LATELY_DAYS, (newest - first).days) if rows else 0
    stored = connection.execute(_SQL["rows_stored"]).fetchall()
    comparisons = times_in_30_days(policy.schedule.reconcile)
    every = poll_seconds(policy.stripe)
    return ReadBudget(
        used_30_days=used,
        allotted=allotted,
        looking=round(WINDOW_DAYS * 86_400 / every + times_in_30_days(policy.schedule.sync)),
        comparing=round(comparisons * sum(list_requests(int(rows)) for (rows,) in stored)),
        changes=round(lately / days_lately * WINDOW_DAYS) if days_lately else 0,
        share=used / allotted,
        days=(newest - min(row[0] for row in recent)).days + 1 if recent else 0,
        by_endpoint=tuple(by_endpoint.most_common()),
        on_budget=policy.stripe.on_budget,
        every_seconds=every,
    )


class Meter:
    """Counts requests until a transaction takes the counts along.

    With `limit` a request beyond it raises ReadBudgetSpent; `used` is what the warehouse already knows.
    """

    def __init__(self, used: int = 0, limit: int | None = None) -> None:
        self._used = used
        self._limit = limit
        self._lock = threading.Lock()
        self._new: Counter[tuple[date | None, str]] = Counter()
        #: Stripe's day, as soon as an answer told it; requests before that count on it too.
        self.today: date | None = None
        self.requests = 0
        self.by_path: Counter[str] = Counter()

    def tell_time(self, stripe_now: float) -> None:
        """Take over what Stripe's clock shows (unix seconds)."""
        self.today = datetime.fromtimestamp(stripe_now, UTC).date()

    def count(self, endpoint: str) -> None:
        """Count one GET. Raises ReadBudgetSpent before the request goes out."""
        if self._limit is not None and self._used + self.requests >= self._limit:
            raise ReadBudgetSpent(
                f"The month's read allocation is used up ({self._limit:,} GET requests in 30 days) and "
                "stripe.on_budget is pause.",
                "What was read is kept. Wait, raise stripe.monthly_reads if Stripe allots you more, or set "
                "stripe.on_budget to warn.",
            )
        with self._lock:
            self._new[self.today, endpoint] += 1
        self.requests += 1
        self.by_path[endpoint] += 1

    def redate(self, guessed: float, told: float) -> None:
        """Move what was counted by this machine's clock, before Stripe told the time, to Stripe's day."""
        wrong, right = (datetime.fromtimestamp(moment, UTC).date() for moment in (guessed, told))
        if wrong == right:
            return
        with self._lock:
            for day, endpoint in [key for key in self._new if key[0] == wrong]:
                self._new[right, endpoint] += self._new.pop((day, endpoint))

    @property
    def unsaved(self) -> bool:
        """Whether there are counts that no transaction took along."""
        return bool(self._new)

    def save(self, connection: Connection) -> None:
        """Write the new counts in the caller's transaction."""
        with self._lock:
            new, self._new = self._new, Counter()
        # Where nothing was ever answered there is only this machine's day.
        today = self.today or datetime.now(UTC).date()
        counted: Counter[tuple[date, str]] = Counter()
        for (counted_on, endpoint), requests in new.items():
            counted[counted_on or today, endpoint] += requests
        if not counted:
            return
        days = list({day for day, _ in counted})
        for day, endpoint, requests in connection.execute(_SQL["reads_of_days"], [days]).fetchall():
            if (day, endpoint) in counted:
                counted[day, endpoint] += int(requests)
        rows = [{"day": day, "endpoint": endpoint, "requests": many} for (day, endpoint), many in counted.items()]
        replace(connection, "pipeline.reads", ["day", "endpoint"], rows)


#: Tokens are given out in portions of this many seconds: enough to ride over a commit, too few to be a burst.
_PORTION_SECONDS = 0.5
_CUT = 0.7
_STEP_BACK = 0.1
_STEP_SECONDS = 5.0
_FLOOR = 0.05

#: Requests under way at one endpoint: never fewer nor more, whatever the measured latency.
MIN_IN_FLIGHT = 4
MAX_IN_FLIGHT = 16

#: Pages that may be asked for and not yet durable, over all object types: what a crash can repeat, and no more.
WINDOW_PAGES = 192

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


class Place:
    """Room for one page that was asked for. It is given back unless the page was kept to be written."""

    def __init__(self) -> None:
        self.kept = False

    def keep(self) -> None:
        """Tell that the page came, and waits to be written: the place is free again when it is durable."""
        self.kept = True


class Budget:
    """What may be asked of Stripe. Every admission is taken here, and given back here.

    `place`: how many pages may be asked for and not yet durable. `request`: how many GETs go out in a second, and in 30
    days. `in_flight`: how many may be under way.

    An endpoint is a path without ids: `/v1/customers` and `/v1/customers/{id}` count apart.
    """

    def __init__(
        self,
        policy: Stripe,
        *,
        live: bool,
        meter: Meter | None = None,
        window: int = WINDOW_PAGES,
        clock: Callable[[], float] | None = None,
    ) -> None:
        self.meter = meter or Meter()
        self._clock = clock or (lambda: asyncio.get_running_loop().time())
        granted = policy.limits.account or (LIVE_ACCOUNT_RATE if live else SANDBOX_ACCOUNT_RATE)
        self._share = policy.rate_share
        self._endpoint_rate = policy.limits.endpoint
        self._account = Pace(granted * self._share, self._clock)
        self._endpoints: dict[str, Pace] = {}
        self._latency: dict[str, float] = {}
        self._completion: dict[str, float] = {}
        self._places = asyncio.Semaphore(window)
        self._stopped: BaseException | None = None
        #: Called where somebody must wait for a place: whoever makes pages durable should not wait for more of them.
        self.on_crowded: Callable[[], None] = lambda: None
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
    async def place(self) -> AsyncIterator[Place]:
        """Wait until one more page may be asked for. Raises what `stop` was told."""
        if self._places.locked():
            self.on_crowded()
        await self._places.acquire()
        place = Place()
        try:
            if self._stopped is not None:
                raise self._stopped
            yield place
        finally:
            if not place.kept:
                self._places.release()

    def durable(self, pages: int) -> None:
        """Give back the places of pages that were kept and are written now."""
        for _ in range(pages):
            self._places.release()

    def stop(self, error: BaseException) -> None:
        """Admit nothing more: nothing can be made durable. Whoever waits for a place gets the error."""
        self._stopped = error
        self._places.release()

    @asynccontextmanager
    async def request(self, endpoint: str) -> AsyncIterator[None]:
        """Wait for a turn at the endpoint and at the account, and count. Raises ReadBudgetSpent."""
        await self._pace(endpoint).turn()
        await self._account.turn()
        self.meter.count(endpoint)
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
