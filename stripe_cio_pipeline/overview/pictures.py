"""The pictures of the overview, each with words that say what it counts, its unit and where it comes from."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal

from stripe_cio_pipeline.drawing import Bar, Chart, Series, draw_charts, draw_columns, draw_lines
from stripe_cio_pipeline.outside import visible
from stripe_cio_pipeline.overview.figures import EDGES, Lag, Overview, PlanRevenue, Revenue

#: What has a bar or a colour of its own; the rest is "others".
_PLANS, _REASONS, _CURRENCIES, _BINS = 10, 6, 4, 12
_LONGEST_LABEL = 32
#: A picture over time begins with its first number, and has a week at least.
_FEWEST_DAYS = 7
#: Seconds between lines across the picture of the lag, up to a week.
_TICKS = (1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1800, 3600, 7200, 21_600, 43_200, 86_400, 172_800, 604_800)

#: Where somebody may be, in the order of the funnel, and whether that is shown even if nobody is there.
_STAGES = {
    "unsubscribed": ("without a subscription yet", True),
    "trial": ("in trial", True),
    "paying": ("paying", True),
    "free": ("on a free plan", False),
    "past_due": ("past due or unpaid", True),
    "paused": ("paused", False),
    "churned": ("churned", True),
    "deleted": ("deleted without a subscription", False),
}

_NO_MODEL = "Nothing yet: no sync has read Stripe."
_NO_PLAN = "Nothing yet: nothing was planned in these days."


@dataclass(frozen=True, slots=True)
class Picture:
    """A picture as SVG, its title, and what it shows in words: what is counted, in which unit, from where."""

    title: str
    svg: str
    words: str


def draw_pictures(found: Overview) -> list[Picture]:
    """Draw everything. What is not there yet is a sentence in its picture's place."""
    return [_people(found), _plans_revenue(found), _spread(found), _funnel(found), _operations(found), _lag(found)]


def _people(found: Overview) -> Picture:
    title = "People: linked, without a subscription, held back"
    lines = {
        "linked": found.linked,
        "without a subscription yet": found.unsubscribed,
        "held back": found.held,
    }
    shown = {name: values for name, values in lines.items() if values}
    begin = _first_day(*shown.values())
    series = [Series(name, values[begin:]) for name, values in shown.items()]
    return Picture(
        title,
        draw_lines(title, found.days[begin:], series, nothing=_NO_MODEL),
        "People at the end of each day, UTC. Linked: Customer.io has them with their Stripe id, from the day on which "
        "their present link was accepted (customerio.people). Without a subscription yet: customers in Stripe who "
        "never had one, by Stripe's dates (model.people). Held back: those for whom the day's last plan "
        "sent nothing, with a reason (customerio.plans). Leads that are in Customer.io alone are not in the "
        "warehouse, so not counted." + _now(found) + _lacks(found, "unsubscribed"),
    )


def _now(found: Overview) -> str:
    told = ", ".join(f"{state} {people:,}" for state, people in found.states.items())
    return f" In the ledger now: {told}." if told else ""


def _plans_revenue(found: Overview) -> Picture:
    title = "MRR by plan"
    charts = [
        Chart(
            f"{title} in {_named(each.currency)}: {_money(each.mrr)} from {_many(each.people, 'person', 'people')}",
            [
                Bar(_label(name), float(mrr), f"{_money(mrr)} · {_many(people, 'person', 'people')}")
                for name, people, mrr in _top_plans(each.plans)
            ],
        )
        for each in found.revenue[:_CURRENCIES]
    ]
    unknown = found.revenue_not_known
    return Picture(
        title,
        draw_charts(charts or [Chart(title, [], _nothing(found, "revenue", "Nobody pays anything yet."))]),
        "Monthly recurring revenue now, in units of each currency; currencies are never added up. As at Stripe, active "
        "and past-due subscriptions count, without trials, after lasting discounts, without tax. A person counts under "
        "the plan of their main subscription; money in a second currency is shown without a plan (model.people)."
        + _other_currencies(found.revenue[_CURRENCIES:])
        + (f" Of {_many(unknown, 'person', 'people')} the amount is not known." if unknown else "")
        + _lacks(found, "revenue"),
    )


def _spread(found: Overview) -> Picture:
    title = "How much people pay in a month"
    charts = [
        Chart(
            f"{title}, in {_named(each.currency)}",
            [Bar(label, people) for label, people in bins(each.spread)],
        )
        for each in found.revenue[:_CURRENCIES]
    ]
    return Picture(
        title,
        draw_charts(charts or [Chart(title, [], _nothing(found, "revenue", "Nobody pays anything yet."))]),
        "People by their MRR now. A bar begins with its first amount and ends before its second (model.people)."
        + _lacks(found, "revenue"),
    )


def funnel(found: Overview) -> dict[str, int]:
    """Give the people at each stage, by its name and in the order of the way. Nothing where nobody is anywhere."""
    if not any(found.stages.values()):
        return {}
    people = {name: (found.stages.get(stage, 0), always) for stage, (name, always) in _STAGES.items()}
    return {name: count for name, (count, always) in people.items() if count or always}


def _funnel(found: Overview) -> Picture:
    title = "Funnel: from no subscription to churned"
    everybody = sum(found.stages.values())
    bars = [Bar(name, people, f"{people:,} · {people / everybody:.1%}") for name, people in funnel(found).items()]
    return Picture(
        title,
        draw_charts([Chart(title, bars, _nothing(found, "funnel", "Nobody is in Stripe yet."))]),
        f"People now, each once: {_many(everybody, 'person', 'people')}, by the status of their main subscription "
        "(model.people). Churned: had a subscription, and has none now." + _lacks(found, "funnel"),
    )


def _operations(found: Overview) -> Picture:
    title = "The plan by reason, per day"
    reasons = [*found.operations.items()]
    own = len(reasons) if len(reasons) <= _REASONS + 1 else _REASONS
    shown = {reason.replace("_", " "): values for reason, values in reasons[:own]}
    rest = [values for _, values in reasons[own:]]
    if rest:
        shown[f"{len(rest)} others"] = tuple(map(sum, zip(*rest, strict=True)))
    begin = _first_day(*([value or None for value in values] for values in shown.values()))
    series = [Series(name, values[begin:]) for name, values in shown.items()]
    return Picture(
        title,
        draw_columns(title, found.days[begin:], series, nothing=_NO_PLAN),
        "Operations on people and events by the day they were planned (UTC), and their sums. What was not answered is "
        "planned again and counts once; what is held back is not in it (customerio.operations and plans).",
    )


def _lag(found: Overview) -> Picture:
    title = "From a Stripe event to its acceptance by Customer.io"
    begin = _first_day(found.lags)
    lags = found.lags[begin:]
    series = [
        Series("p50", _each(lags, lambda lag: lag.half)),
        Series("p95", _each(lags, lambda lag: lag.most)),
    ]
    items = sum(lag.items for lag in lags if lag)
    return Picture(
        title,
        draw_lines(
            title,
            found.days[begin:],
            series,
            nothing="No figure: no event has led to a write in these days, or Stripe's clock is ahead of ours.",
            written=duration,
            ticks=_TICKS,
        ),
        f"Time per day (UTC) within which half (p50) and 19 of 20 (p95) of what an event caused was accepted: "
        f"{_many(items, 'item')} here. It includes the wait for the next poll, for a link and for an approval "
        "(stripe.events and customerio.writes).",
    )


def duration(seconds: float) -> str:
    """Write a span of time in one unit."""
    for size, unit in ((86_400, "d"), (3600, "h"), (60, "min")):
        if seconds >= size:
            return f"{seconds / size:.1f}".removesuffix(".0") + f" {unit}"
    return f"{seconds:.0f} s" if seconds >= 10 or seconds == int(seconds) else f"{seconds:.1f} s"


def _first_day(*series: Sequence[object]) -> int:
    """Give the place of the first day that has a value."""
    length = max((len(values) for values in series), default=0)
    known = (next((day for day, value in enumerate(values) if value is not None), length) for values in series)
    return max(0, min(*known, length - _FEWEST_DAYS, length))


def _each(lags: Sequence[Lag | None], value: Callable[[Lag], float]) -> list[float | None]:
    return [None if lag is None else value(lag) for lag in lags]


def _top_plans(plans: Sequence[PlanRevenue]) -> Iterable[tuple[str, int, Decimal]]:
    """Give the largest plans, and what all others come to."""
    shown = plans if len(plans) <= _PLANS + 1 else plans[:_PLANS]
    for plan in shown:
        yield plan.plan or "plan not known", plan.people, plan.mrr
    if rest := plans[len(shown) :]:
        yield f"{len(rest)} others", sum(plan.people for plan in rest), sum((plan.mrr for plan in rest), Decimal(0))


def bins(spread: Mapping[int, int]) -> Iterable[tuple[str, int]]:
    """Give people by amount, without gaps. Where there are too many bins, the emptier end is put into one."""
    low, high = min(spread), max(spread)
    least, most = low, high
    below, above = spread[low], spread[high]
    while high - low >= _BINS:
        if below <= above:
            low += 1
            below += spread.get(low, 0)
        else:
            high -= 1
            above += spread.get(high, 0)
    for place in range(low, high + 1):
        begin = f"{EDGES[place]:,.12g}"
        if place == low and least < low:
            yield f"less than {EDGES[place + 1]:,.12g}", below
        elif place == high and (high < most or high + 1 == len(EDGES)):
            yield f"{begin} or more", above
        else:
            yield f"{begin} – {EDGES[place + 1]:,.12g}", spread.get(place, 0)


def _other_currencies(revenue: Sequence[Revenue]) -> str:
    told = ", ".join(f"{_money(each.mrr)} {_named(each.currency)}" for each in revenue)
    return f" Not drawn: {told}." if told else ""


def _nothing(found: Overview, part: str, otherwise: str) -> str:
    if not found.is_modelled:
        return _NO_MODEL
    return "Not drawn: see below." if part in found.missing else otherwise


def _lacks(found: Overview, part: str) -> str:
    """Say which attributes a part needs and people.sql does not give."""
    names = found.missing.get(part, ()) if found.is_modelled else ()
    return f" people.sql has no column {', '.join(names)}, which this needs." if names else ""


def _money(amount: Decimal) -> str:
    return f"{amount:,.0f}" if amount == amount.to_integral_value() or amount >= 100_000 else f"{amount:,.2f}"


def _named(currency: str) -> str:
    return visible(currency).upper()


def _label(name: str) -> str:
    shown = visible(name)
    return shown if len(shown) <= _LONGEST_LABEL else f"{shown[: _LONGEST_LABEL - 1]}…"


def _many(count: int, noun: str, several: str = "") -> str:
    return f"{count:,} {noun if count == 1 else several or noun + 's'}"
