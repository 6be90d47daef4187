"""The numbers of the overview, against what is worked out here by hand from an account that fits on a page."""

from bisect import bisect_right
from collections import Counter
from datetime import date, timedelta
from decimal import Decimal
from math import ceil

import duckdb
from hypothesis import given, settings
from hypothesis import strategies as st

from stripe_cio_pipeline.overview import Overview
from stripe_cio_pipeline.overview.figures import EDGES, MOST_DAYS, PlanRevenue
from stripe_cio_pipeline.warehouse import Statements, Warehouse
from tests.overview.conftest import overview_of

SQL = Statements("stripe_cio_pipeline.overview.sql")


def by_day(found: Overview, values: tuple[int | None, ...]) -> dict[str, int | None]:
    """A series, by `11-30`, where it differs from the day before."""
    told: dict[str, int | None] = {}
    for before, (day, value) in zip((object(), *values), zip(found.days, values, strict=True), strict=False):
        if value != before:
            told[f"{day:%m-%d}"] = value
    return told


def test_the_days_are_ninety_up_to_now(found: Overview) -> None:
    assert found.days[0] == date(2026, 9, 2)
    assert found.days[-1] == date(2026, 11, 30)
    assert len(found.days) == MOST_DAYS
    for values in (found.linked, found.unsubscribed, found.held, found.lags, *found.operations.values()):
        assert len(values) == MOST_DAYS


def test_linked_people_count_from_their_link_to_their_removal(found: Overview) -> None:
    # Two who are linked and one who was removed on the 27th; one more on the 25th. The first plan was on 20 August.
    assert by_day(found, found.linked) == {"09-02": 0, "11-20": 3, "11-25": 4, "11-27": 3}
    assert found.states == {"conflict": 1, "deleted": 1, "linked": 3, "linking": 1}


def test_people_without_a_subscription_count_from_when_they_came_to_their_first(found: Overview) -> None:
    # One since January. `monthly` came on the 1st and subscribed on the 15th, `looking` came on the 10th, `gone` on the
    # 12th and was deleted on the 20th. `yearly`, with a subscription older than itself, never counts.
    assert by_day(found, found.unsubscribed) == {"09-02": 1, "11-01": 2, "11-10": 3, "11-12": 4, "11-15": 3, "11-20": 2}


def test_held_back_is_whom_the_last_plan_of_a_day_held_back_and_lasts_until_the_next(found: Overview) -> None:
    assert by_day(found, found.held) == {"09-02": 0, "11-20": 1, "11-25": 4}


def test_mrr_is_added_by_plan_and_never_across_currencies(found: Overview) -> None:
    dollars, euros = found.revenue
    # Two at 20.00, one of them past due; 120.00 a year and 10.00 a month. A trial, a free plan, a paused one: nothing.
    assert (dollars.currency, dollars.mrr, dollars.people) == ("usd", 60, 4)
    assert dollars.plans == (PlanRevenue("Gold", 2, Decimal(40)), PlanRevenue("Silver", 2, Decimal(20)))
    # 15.00 of the one who pays in euros, and 7.00 of one whose main currency is the dollar.
    assert (euros.currency, euros.mrr, euros.people) == ("eur", 22, 2)
    assert euros.plans == (PlanRevenue("Gold", 1, Decimal(15)), PlanRevenue("", 1, Decimal(7)))
    assert found.revenue_not_known == 0


def test_the_distribution_counts_an_amount_with_the_edge_that_it_reaches(found: Overview) -> None:
    dollars, euros = found.revenue
    assert {EDGES[place]: people for place, people in dollars.spread.items()} == {10: 2, 20: 2}
    assert {EDGES[place]: people for place, people in euros.spread.items()} == {5: 1, 10: 1}


def test_everybody_stands_at_one_place_of_the_funnel(found: Overview) -> None:
    assert found.stages == {
        "unsubscribed": 2,
        "trial": 1,
        "paying": 4,
        "past_due": 1,
        "churned": 1,
        "free": 1,
        "paused": 1,
        "deleted": 1,
    }
    # The funnel and the last day of the picture above it say the same.
    assert found.stages["unsubscribed"] == found.unsubscribed[-1]


def test_operations_count_by_reason_on_the_day_of_their_plan_without_what_is_held_back(found: Overview) -> None:
    told = {
        reason: {f"{day:%m-%d}": n for day, n in zip(found.days, counts, strict=True) if n}
        for reason, counts in found.operations.items()
    }
    # The plan of August is older than the picture. 20 updates, and one that was turned down later.
    assert told == {
        "attributes_changed": {"11-25": 20, "11-26": 1},
        "event_forwarded": {"11-25": 2, "11-26": 1},
        "linked_by_email": {"11-20": 3},
    }
    assert list(told) == ["attributes_changed", "event_forwarded", "linked_by_email"]


def test_lag_is_the_half_and_nineteen_of_twenty_of_what_was_accepted_that_day(found: Overview) -> None:
    told = {f"{day:%m-%d}": lag for day, lag in zip(found.days, found.lags, strict=True) if lag}
    # 1 to 20 seconds: the 10th and the 19th. What was turned down, and what came from the future, is not in it.
    assert {day: (lag.items, lag.half, lag.most) for day, lag in told.items()} == {
        "11-25": (20, 10, 19),
        "11-26": (1, 7, 7),
    }


def test_the_account_is_named(found: Overview) -> None:
    assert (found.account, found.livemode) == ("acct_1", False)


def test_an_empty_warehouse_has_nothing_to_tell(warehouse: Warehouse) -> None:
    with warehouse.connect():
        pass
    found = overview_of(warehouse)
    assert not found.is_modelled
    assert set(found.linked) == {None}
    assert (found.revenue, found.stages, found.operations, set(found.lags)) == ((), {}, {}, {None})


@given(st.lists(st.integers(0, 10_000), min_size=1, max_size=60))
@settings(max_examples=60, deadline=None)
def test_percentiles_are_values_that_so_many_do_not_exceed(seconds: list[int]) -> None:
    """The nearest rank: of n values in order the one at place n × p, rounded up."""
    with duckdb.connect(":memory:", config={"threads": 1}) as connection:
        connection.execute(f"create table taken as select cast(unnest({seconds}) as bigint) as lag")
        connection.execute(
            "create schema customerio; create schema stripe;"
            "create table customerio.writes as select 'e' || rowid as source_event_id, 'accepted' as outcome, "
            "timestamp '2026-09-21 12:00:00' as sent_at from taken;"
            "create table stripe.events as "
            "select 'e' || rowid as id, epoch(timestamp '2026-09-21 12:00:00') - lag as created from taken"
        )
        day = date(2026, 9, 21)
        ((_, items, half, most),) = connection.execute(
            SQL["lag_by_day"], {"first": day - timedelta(days=5), "last": day}
        ).fetchall()
    ordered = sorted(seconds)
    count = len(ordered)
    assert (items, half, most) == (count, ordered[ceil(count / 2) - 1], ordered[ceil(count * 19 / 20) - 1])


@given(
    st.lists(
        st.tuples(
            st.sampled_from(EDGES[1:]),
            st.sampled_from([Decimal(0), Decimal("0.000001"), Decimal("-0.000001"), Decimal("0.5")]),
        ),
        min_size=1,
        max_size=30,
    )
)
@settings(max_examples=60, deadline=None)
def test_every_amount_is_in_the_one_bin_that_begins_at_or_below_it(near: list[tuple[float, Decimal]]) -> None:
    amounts = [Decimal(f"{edge:.2f}") + beside for edge, beside in near]
    with duckdb.connect(":memory:", config={"threads": 1}) as connection:
        connection.execute(
            "create schema model; create table model.people as select unnest($amounts::decimal(38, 6)[]) as mrr, "
            "'usd' as currency, 'cus' as person_id, null::varchar[] as mrr_other_currencies",
            {"amounts": [str(amount) for amount in amounts]},
        )
        rows = connection.execute(SQL["revenue_spread"], {"edges": [f"{edge:.2f}" for edge in EDGES]}).fetchall()
    edges = [Decimal(f"{edge:.2f}") for edge in EDGES]
    assert {place: people for _, place, people in rows} == Counter(bisect_right(edges, amount) for amount in amounts)
