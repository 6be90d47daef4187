"""Counting reads: Stripe allots GET requests per 30 days (500 per transaction, at least 10,000)."""

import threading
from collections import Counter
from dataclasses import dataclass
from datetime import UTC, date, datetime

from stripe_cio_pipeline.errors import ReadBudgetSpent
from stripe_cio_pipeline.policy import Policy
from stripe_cio_pipeline.warehouse import Connection, Statements, replace

_SQL = Statements("stripe_cio_pipeline.extract.sql")

WINDOW_DAYS = 30
WARN_SHARE = 0.8


@dataclass(frozen=True, slots=True)
class ReadBudget:
    """GET requests in the 30 days up to the newest counted day, by Stripe's clock.

    `projected` is what the present pace comes to in 30 days, not counting the single most expensive day, which is the
    history load's; it is `used_30_days` while fewer than two days are known. `share` is used / allotted.
    """

    used_30_days: int
    allotted: int
    projected: int
    share: float
    days: int
    by_endpoint: tuple[tuple[str, int], ...]
    on_budget: str

    @property
    def warning(self) -> str | None:
        """What to tell the user, from 80 % on."""
        if self.share >= 1:
            return (
                f"The month's read allocation is used up: {self.used_30_days:,} of {self.allotted:,} GET "
                "requests in 30 days. Raise stripe.monthly_reads if Stripe allots you more (500 for each "
                "transaction), or poll less often (stripe.poll_seconds)."
            )
        if self.share >= WARN_SHARE:
            return (
                f"{self.share:.0%} of the month's read allocation is used: {self.used_30_days:,} of "
                f"{self.allotted:,} GET requests in 30 days."
            )
        return None


def read_budget(connection: Connection, policy: Policy) -> ReadBudget:
    """Sum the meter up. Only reads; works on an empty warehouse."""
    rows = connection.execute(_SQL["reads_by_day"]).fetchall()
    allotted = policy.stripe.monthly_reads
    newest: date = max((row[0] for row in rows), default=date.min)
    recent = [row for row in rows if (newest - row[0]).days < WINDOW_DAYS]
    used = sum(int(row[2]) for row in recent)
    by_day: Counter[date] = Counter()
    by_endpoint: Counter[str] = Counter()
    for day, endpoint, requests in recent:
        by_day[day] += int(requests)
        by_endpoint[endpoint] += int(requests)
    days = (newest - min(by_day)).days + 1 if by_day else 0
    projected = used
    if days >= 2:
        dearest = max(by_day.values())
        projected = max(used, round((used - dearest) / (days - 1) * (WINDOW_DAYS - 1)) + dearest)
    return ReadBudget(
        used_30_days=used,
        allotted=allotted,
        projected=projected,
        share=used / allotted,
        days=days,
        by_endpoint=tuple(by_endpoint.most_common()),
        on_budget=policy.stripe.on_budget,
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
        for (counted_on, endpoint), requests in new.items():
            day = counted_on or today
            row = connection.execute(_SQL["reads_of_day"], [day, endpoint]).fetchone()
            before = int(row[0]) if row and row[0] is not None else 0
            counted = {"day": day, "endpoint": endpoint, "requests": before + requests}
            replace(connection, "pipeline.reads", ["day", "endpoint"], [counted])
