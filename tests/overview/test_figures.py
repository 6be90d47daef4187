"""The numbers of the overview, against what is worked out here by hand from an account that fits on a page."""

import shutil
from bisect import bisect_right
from collections import Counter
from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from math import ceil
from pathlib import Path

import duckdb
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from stripe_cio_pipeline.overview import Overview
from stripe_cio_pipeline.overview.figures import EDGES, MOST_DAYS, PlanRevenue
from stripe_cio_pipeline.warehouse import Connection, Statements, Warehouse
from tests.overview.conftest import NOW, overview_of

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
    # One since January. `monthly` came on the 1st and subscribed on the 15th, `gone` came on the 12th and was deleted
    # on the 20th, `looking` came on the 24th. `yearly`, with a subscription older than itself, never counts.
    assert by_day(found, found.unsubscribed) == {"09-02": 1, "11-01": 2, "11-12": 3, "11-15": 2, "11-20": 1, "11-24": 2}


def test_held_back_is_whom_the_last_plan_of_a_day_held_back_and_lasts_until_the_next(found: Overview) -> None:
    assert by_day(found, found.held) == {"09-02": 0, "11-20": 1, "11-25": 4}


def test_mrr_is_added_by_plan_and_never_across_currencies(found: Overview) -> None:
    dollars, euros = found.revenue
    # Two at 20.00, one of them past due; 120.00 a year and 10.00 a month. A trial, a free plan, a paused one: nothing.
    assert (dollars.currency, dollars.mrr, dollars.people) == ("usd", 60, 4)
    assert dollars.plans == (PlanRevenue("Gold", 2, Decimal(40)), PlanRevenue("Silver", 2, Decimal(20)))
    # 15.00 of the one who pays in euros, and 7.00 and 5.00 of two whose main currency is the dollar.
    assert (euros.currency, euros.mrr, euros.people) == ("eur", 27, 3)
    assert euros.plans == (PlanRevenue("Gold", 1, Decimal(15)), PlanRevenue("", 2, Decimal(12)))
    assert found.revenue_not_known == 1


def test_the_distribution_counts_an_amount_with_the_edge_that_it_reaches(found: Overview) -> None:
    dollars, euros = found.revenue
    assert {EDGES[place]: people for place, people in dollars.spread.items()} == {10: 2, 20: 2}
    assert {EDGES[place]: people for place, people in euros.spread.items()} == {5: 2, 10: 1}


def test_everybody_stands_at_one_place_of_the_funnel(found: Overview) -> None:
    assert found.stages == {
        "unsubscribed": 2,
        "trial": 1,
        "paying": 6,
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


def test_a_clock_that_runs_ahead_puts_nobody_beyond_the_last_day(small: Warehouse, found: Overview) -> None:
    """As a sandbox's clock does; here eight days of the account are still to come."""
    earlier = overview_of(small, NOW - timedelta(days=8))
    assert earlier.days[-1] == date(2026, 11, 22)
    assert (earlier.linked[-1], earlier.unsubscribed[-1], earlier.held[-1]) == (3, 2, 4)
    assert {reason: sum(counts) for reason, counts in earlier.operations.items()} == {
        reason: sum(counts) for reason, counts in found.operations.items()
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


@pytest.mark.parametrize(
    ("edit", "missing"),
    [
        ("drop column mrr", {"revenue": ("mrr",), "funnel": ("mrr",)}),
        ("drop column created_at", {"unsubscribed": ("created_at",)}),
        ("alter column mrr type varchar using 'unlimited'", {}),
        ("alter column created_at type varchar using 'long ago'", {}),
    ],
)
def test_models_of_the_users_own_leave_the_rest_as_it_is(
    edit: str, missing: dict[str, tuple[str, ...]], small: Warehouse, found: Overview, tmp_path: Path
) -> None:
    edited = Warehouse(shutil.copy(small.location, tmp_path))
    with edited.transaction() as connection:
        connection.execute(f"alter table model.people {edit}")
    read = overview_of(edited)
    assert read.missing == missing
    assert (read.linked, read.operations, read.lags) == (found.linked, found.operations, found.lags)
    # What is no number counts nothing; of two people something is told in a second currency.
    if "mrr" in edit:
        assert [each.currency for each in read.revenue] == ([] if missing else ["eur"])
        assert read.unsubscribed == found.unsubscribed
    else:
        assert not any(read.unsubscribed)
        assert (read.revenue, read.stages) == (found.revenue, found.stages)


@pytest.fixture(scope="module")
def desk() -> Iterator[Connection]:
    """The columns that two statements read, and no more: both are tried with many values."""
    with duckdb.connect(":memory:", config={"threads": 1}) as connection:
        connection.execute(
            "create schema customerio; create schema stripe; create schema model;"
            "create table customerio.writes (source_event_id varchar, outcome varchar, sent_at timestamp);"
            "create table stripe.events (id varchar, created bigint);"
            "create table model.people (plan varchar, currency varchar, mrr decimal(38, 6), "
            "mrr_other_currencies varchar[])"
        )
        yield connection


@given(seconds=st.lists(st.integers(0, 10_000), min_size=1, max_size=60))
@settings(max_examples=60, deadline=None)
def test_percentiles_are_values_that_so_many_do_not_exceed(desk: Connection, seconds: list[int]) -> None:
    """The nearest rank: of n values in order the one at place n × p, rounded up."""
    noon, day = datetime(2026, 9, 21, 12, tzinfo=UTC), date(2026, 9, 21)
    desk.execute("delete from customerio.writes; delete from stripe.events")
    desk.execute(
        "insert into customerio.writes select 'e' || i, 'accepted', $noon from range($n) t(i)",
        {"n": len(seconds), "noon": noon.replace(tzinfo=None)},
    )
    desk.execute(
        "insert into stripe.events select 'e' || i, $noon - $seconds[i + 1] from range(len($seconds)) t(i)",
        {"seconds": seconds, "noon": int(noon.timestamp())},
    )
    rows = desk.execute(SQL["lag_by_day"], {"first": day - timedelta(days=5), "last": day}).fetchall()
    ordered, count = sorted(seconds), len(seconds)
    assert rows == [(day, count, ordered[ceil(count / 2) - 1], ordered[ceil(count * 19 / 20) - 1])]


@given(
    near=st.lists(
        st.tuples(
            st.sampled_from(EDGES[1:]),
            st.sampled_from([Decimal(0), Decimal("0.000001"), Decimal("-0.000001"), Decimal("0.5")]),
        ),
        min_size=1,
        max_size=30,
    )
)
@settings(max_examples=60, deadline=None)
def test_every_amount_is_in_the_one_bin_that_begins_at_or_below_it(
    desk: Connection, near: list[tuple[float, Decimal]]
) -> None:
    amounts = [Decimal(f"{edge:.2f}") + beside for edge, beside in near]
    desk.execute("delete from model.people")
    desk.execute(
        "insert into model.people select 'basic', 'usd', unnest($amounts::decimal(38, 6)[]), null",
        {"amounts": [str(amount) for amount in amounts]},
    )
    edges = [Decimal(f"{edge:.2f}") for edge in EDGES]
    rows = desk.execute(SQL["revenue"], {"edges": [str(edge) for edge in edges]}).fetchall()
    assert {place: people for _, _, place, people, _ in rows} == Counter(
        bisect_right(edges, amount) for amount in amounts
    )
