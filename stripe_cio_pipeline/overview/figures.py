"""The numbers behind the pictures. All are read from the warehouse, and nothing in them tells who somebody is."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Any

from stripe_cio_pipeline.warehouse import Connection, Statements

_SQL = Statements("stripe_cio_pipeline.overview.sql")

#: Days that a picture over time shows at most.
MOST_DAYS = 90
#: Amounts at which a bin of the distribution begins: 1, 2 and 5 of each power of ten, from a hundredth on.
EDGES: tuple[float, ...] = (0.0, *(float(f"{factor}e{power}") for power in range(-2, 10) for factor in (1, 2, 5)))

#: The attributes that each part reads. A models folder may have taken any of them out.
_READS = {
    "unsubscribed": ("created_at", "subscriber_since", "stripe_deleted_at"),
    "revenue": ("plan", "currency", "mrr", "mrr_other_currencies", "subscription_status"),
    "funnel": ("subscription_status", "subscriber_since", "mrr", "mrr_other_currencies", "stripe_deleted_at"),
}


@dataclass(frozen=True, slots=True)
class PlanRevenue:
    """What one plan brings in a month, in units of its currency. An empty `plan` has no name, or is not known."""

    plan: str
    people: int
    mrr: Decimal


@dataclass(frozen=True, slots=True)
class Revenue:
    """What is paid in one currency in a month: by plan, the largest first, and by how much people pay.

    `spread` has the number of people by place in EDGES: those who pay at least that amount and less than the next.
    """

    currency: str
    plans: tuple[PlanRevenue, ...]
    spread: Mapping[int, int]

    @property
    def mrr(self) -> Decimal:
        """All of it."""
        return sum((plan.mrr for plan in self.plans), Decimal(0))

    @property
    def people(self) -> int:
        """Who pays in this currency."""
        return sum(self.spread.values())


@dataclass(frozen=True, slots=True)
class Lag:
    """How long what was accepted on a day had taken since its Stripe event, in seconds: half of it, and 19 of 20."""

    items: int
    half: float
    most: float


@dataclass(frozen=True, slots=True)
class Overview:
    """An account at a moment. Series have a value for each of `days`, the last of which is that moment's.

    `missing` has, for each part that cannot be drawn, the attributes that people.sql does not give: all of them before
    the first build, which `is_modelled` tells.
    """

    account: str | None
    livemode: bool | None
    made_at: datetime
    days: tuple[date, ...]
    is_modelled: bool
    missing: Mapping[str, tuple[str, ...]]
    states: Mapping[str, int]
    linked: tuple[int | None, ...]
    unsubscribed: tuple[int | None, ...]
    held: tuple[int | None, ...]
    revenue: tuple[Revenue, ...]
    revenue_not_known: int
    stages: Mapping[str, int]
    operations: Mapping[str, tuple[int, ...]]
    lags: tuple[Lag | None, ...]


def read_overview(connection: Connection, *, now: float) -> Overview:
    """Read everything. `now` is unix seconds by this machine's clock."""
    made_at = datetime.fromtimestamp(now, UTC)
    last = made_at.date()
    first = last - timedelta(days=MOST_DAYS - 1)
    span = {"first": first, "last": last}
    bindings = dict(_rows(connection, "bindings"))
    columns = {str(name) for (name,) in _rows(connection, "columns_of_people")}
    missing = {
        part: lacking for part, names in _READS.items() if (lacking := tuple(n for n in names if n not in columns))
    }
    has_revenue = "revenue" not in missing
    ((began,),) = _rows(connection, "first_day")
    return Overview(
        account=bindings.get("stripe.account"),
        livemode={"true": True, "false": False}.get(bindings.get("stripe.livemode", "")),
        made_at=made_at,
        days=tuple(first + timedelta(days=day) for day in range(MOST_DAYS)),
        is_modelled=bool(columns),
        missing=missing,
        states=dict(_rows(connection, "people_by_state")),
        linked=tuple(
            people if began is not None and day >= began else None
            for day, people in _rows(connection, "linked_by_day", span)
        ),
        unsubscribed=()
        if "unsubscribed" in missing
        else tuple(people for _, people in _rows(connection, "unsubscribed_by_day", span)),
        held=tuple(people for _, people in _rows(connection, "held_by_day", span)),
        revenue=_revenue(connection) if has_revenue else (),
        revenue_not_known=_rows(connection, "revenue_not_known")[0][0] if has_revenue else 0,
        stages={} if "funnel" in missing else dict(_rows(connection, "people_by_stage")),
        operations=_operations(_rows(connection, "operations_by_day", span), first),
        lags=_lags(_rows(connection, "lag_by_day", span), first),
    )


def _revenue(connection: Connection) -> tuple[Revenue, ...]:
    """Give what is paid, the currency of most people first."""
    spread: dict[str, Counter[int]] = {}
    plans: dict[str, dict[str, PlanRevenue]] = {}
    edges = [f"{edge:.2f}" for edge in EDGES]
    for currency, name, number, people, mrr in _rows(connection, "revenue", {"edges": edges}):
        spread.setdefault(currency, Counter())[number - 1] += people
        of_currency = plans.setdefault(currency, {})
        plan = of_currency.get(name, PlanRevenue(name, 0, Decimal(0)))
        of_currency[name] = PlanRevenue(name, plan.people + people, plan.mrr + mrr)
    found = (
        Revenue(
            currency,
            tuple(sorted(plans[currency].values(), key=lambda plan: (-plan.mrr, plan.plan))),
            dict(sorted(spread[currency].items())),
        )
        for currency in spread
    )
    return tuple(sorted(found, key=lambda each: (-each.people, each.currency)))


def _operations(rows: Sequence[tuple[Any, ...]], first: date) -> dict[str, tuple[int, ...]]:
    """Give the operations of each day by reason, the reason with most first."""
    counted = Counter[str]()
    by_day: dict[str, list[int]] = {}
    for day, reason, operations in rows:
        counted[reason] += operations
        by_day.setdefault(reason, [0] * MOST_DAYS)[(day - first).days] += operations
    return {
        reason: tuple(by_day[reason]) for reason, _ in sorted(counted.items(), key=lambda item: (-item[1], item[0]))
    }


def _lags(rows: Sequence[tuple[Any, ...]], first: date) -> tuple[Lag | None, ...]:
    found: list[Lag | None] = [None] * MOST_DAYS
    for day, *lag in rows:
        found[(day - first).days] = Lag(*lag)
    return tuple(found)


def _rows(
    connection: Connection, statement: str, parameters: Mapping[str, object] | None = None
) -> list[tuple[Any, ...]]:
    return connection.execute(_SQL[statement], dict(parameters or {})).fetchall()
