import asyncio
import time
from collections.abc import Callable
from datetime import date, timedelta
from pathlib import Path

import pytest

from stripe_cio_pipeline.errors import ReadBudgetSpent
from stripe_cio_pipeline.extract import poll_seconds, read_budget
from stripe_cio_pipeline.extract.budget import MAX_IN_FLIGHT, Budget
from stripe_cio_pipeline.policy import parse_policy
from stripe_cio_pipeline.sandbox import Fault
from stripe_cio_pipeline.warehouse import Warehouse, replace
from tests.extract.stage import Stage, fast_policy, of

CUSTOMERS, INVOICES = "/v1/customers", "/v1/invoices"


class Clock:
    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


def budget(clock: Clock, *, live: bool = True, **stripe: object) -> Budget:
    return Budget(parse_policy({"stripe": stripe}).stripe, live=live, clock=clock)


def rate(paces: Budget, endpoint: str) -> float:
    return paces._pace(endpoint).rate


def test_a_share_of_stripes_limits_is_granted() -> None:
    live, sandbox = budget(Clock()), budget(Clock(), live=False)
    assert (live.endpoint_rate, live.account_rate) == (20.0, 80.0)
    # A sandbox account has 25 requests per second in all.
    assert (sandbox.endpoint_rate, sandbox.account_rate) == (20.0, 20.0)


def test_a_refusal_slows_the_endpoint_that_it_names_and_no_other() -> None:
    clock = Clock()
    paces = budget(clock)
    clock.now = 10
    paces.throttle(CUSTOMERS, "endpoint-rate")
    assert rate(paces, CUSTOMERS) == pytest.approx(14.0)
    assert rate(paces, INVOICES) == 20.0


def test_a_wave_of_refusals_counts_once() -> None:
    clock = Clock()
    paces = budget(clock)
    clock.now = 10
    for _ in range(8):
        paces.throttle(CUSTOMERS, "endpoint-rate")
    assert rate(paces, CUSTOMERS) == pytest.approx(14.0)


def test_the_pace_comes_back_while_nothing_is_refused() -> None:
    clock = Clock()
    paces = budget(clock)
    clock.now = 10
    paces.throttle(CUSTOMERS, "endpoint-rate")

    async def turns() -> None:
        for _ in range(4):
            clock.now += 6
            await paces._pace(CUSTOMERS).turn()

    asyncio.run(turns())
    assert rate(paces, CUSTOMERS) == 20.0


def test_a_concurrency_limit_narrows_and_leaves_the_rate() -> None:
    clock = Clock()
    paces = budget(clock)
    clock.now = 10
    paces.throttle(CUSTOMERS, "global-concurrency")
    assert paces.in_flight(CUSTOMERS) == MAX_IN_FLIGHT // 2
    assert rate(paces, CUSTOMERS) == 20.0


def test_a_locked_object_slows_nothing_down() -> None:
    clock = Clock()
    paces = budget(clock)
    clock.now = 10
    paces.throttle(CUSTOMERS, "resource-specific")
    assert (rate(paces, CUSTOMERS), paces.in_flight(CUSTOMERS)) == (20.0, 11)


def test_stripes_limits_are_never_hit_at_a_share(stage: Stage) -> None:
    """Eighty objects are read by id as fast as may be: Stripe would take 25 at once, and then 25 a second."""
    stage.stripe.switches.late_events_share = 0.0
    customer = next(iter(stage.stripe.objects("customer").values()))
    stage.stripe.load([{**customer, "id": f"cus_more{number:03d}"} for number in range(80)])
    stage.extract()
    for name in ("One of two", "in a second"):
        for number in range(80):
            stage.stripe.update_customer(f"cus_more{number:03d}", name=name)
    stage.stripe.switches.limits = True
    stage.stripe.switches.endpoint_per_second = 25.0
    stage.stripe.switches.account_per_second = 100.0
    stage.policy = fast_policy(limits={"endpoint": 25, "account": 100})
    report = stage.extract()
    assert of(report, "customers").requests >= 80
    assert report.throttled == 0
    assert stage.stripe.counters["429"] == 0


def test_refusals_are_counted_and_survived(stage: Stage) -> None:
    stage.stripe.faults.rate(0.3, Fault.rate_limited("global-rate"), requests=20)
    report = stage.extract()
    assert report.throttled > 0
    stage.assert_in_step()


def test_every_get_is_in_the_meter(stage: Stage) -> None:
    stage.stripe.faults.rate(0.1, Fault.error(503))
    stage.extract()
    stage.stripe.faults.clear()
    stage.pass_time(days=1)
    stage.extract()
    stage.peek()
    with stage.warehouse.reading() as connection:
        budget = read_budget(connection, stage.policy)
    assert budget.used_30_days == stage.requests()
    assert sum(requests for _, requests in budget.by_endpoint) == budget.used_30_days
    assert "/v1/customers" in dict(budget.by_endpoint)


def test_reads_older_than_thirty_days_no_longer_count(stage: Stage) -> None:
    stage.extract()
    used = stage.requests()
    stage.pass_time(days=29)
    stage.extract()
    between = stage.requests()
    with stage.warehouse.reading() as connection:
        assert read_budget(connection, stage.policy).used_30_days == between
    stage.pass_time(days=2)
    stage.extract()
    with stage.warehouse.reading() as connection:
        assert read_budget(connection, stage.policy).used_30_days == stage.requests() - used


@pytest.mark.parametrize(
    ("stripe", "seconds"),
    [
        # 30 days are 2,592,000 s; a third of 10,000 looks is 3,333.
        ({}, 778),
        ({"monthly_reads": 1_000}, 7_776),
        ({"monthly_reads": 26_000}, 300),
        ({"monthly_reads": 1_000_000}, 300),
        ({"monthly_reads": 1_000_000, "poll_seconds": 60}, 60),
        ({"poll_seconds": 3_600}, 3_600),
    ],
)
def test_the_time_between_looks_follows_from_the_reads_and_is_never_shorter_than_set(
    stripe: dict[str, object], seconds: int
) -> None:
    assert poll_seconds(parse_policy({"stripe": stripe}).stripe) == seconds


def test_the_default_pace_leaves_more_than_half_of_the_default_allotment_on_a_quiet_account(stage: Stage) -> None:
    """What a look, an hourly sync and a weekly comparison cost is counted, and then it is arithmetic."""
    stage.stripe.switches.late_events_share = 0.0
    stage.extract()
    stage.pass_time(minutes=20)
    stage.extract()

    def cost(act: Callable[[], object]) -> int:
        before = stage.requests()
        act()
        return stage.requests() - before

    look, sync, comparison = cost(stage.peek), cost(stage.extract), cost(stage.reconcile)
    days = 30
    looks = days * 86_400 / poll_seconds(parse_policy({}).stripe)
    month = looks * look + days * 24 * sync + days / 7 * comparison
    assert (look, sync) == (1, 1)
    assert month < 10_000 / 2
    with stage.warehouse.reading() as connection:
        told = read_budget(connection, parse_policy({}))
    # The day of the history load is none by which to judge.
    assert (told.days, told.changes) == (1, 0)
    assert told.looking == round(looks * look + days * 24 * sync) == 4_052
    assert told.projected == pytest.approx(month, rel=0.05)


def test_the_projection_counts_the_changes_of_the_last_week_and_no_others(tmp_path: Path) -> None:
    warehouse = Warehouse(tmp_path / "warehouse.duckdb")
    first = date(2026, 11, 1)
    with warehouse.transaction() as connection:
        reads = [
            (0, "/v1/customers", 4_000),  # the history load, with what it read by id
            (0, "/v1/prices/{id}", 900),
            (3, "/v1/customers/{id}", 70),  # before the last week
            *((day, "/v1/customers/{id}", 10) for day in range(14, 21)),
            (20, "/v1/events", 24),
        ]
        for day, endpoint, requests in reads:
            row = {"day": first + timedelta(days=day), "endpoint": endpoint, "requests": requests}
            replace(connection, "pipeline.reads", ["day", "endpoint"], [row])
        told = read_budget(connection, parse_policy({}))
    assert told.changes == 10 * 30
    assert told.used_30_days == 4_000 + 900 + 70 + 70 + 24


def test_a_pace_that_leads_beyond_the_allotment_is_told_with_what_to_do(tmp_path: Path) -> None:
    warehouse = Warehouse(tmp_path / "warehouse.duckdb")
    with warehouse.connect() as connection:
        told = read_budget(connection, parse_policy({"stripe": {"monthly_reads": 1_000}}))
        assert read_budget(connection, parse_policy({})).warning is None
    # 333 looks and 720 hourly syncs.
    assert told.projected >= 1_053
    assert told.warning is not None
    for words in ("500 for each transaction", "stripe.monthly_reads", "a webhook of yours", "saves the 1,053"):
        assert words in told.warning


def test_four_fifths_of_the_allocation_are_a_warning(stage: Stage) -> None:
    stage.policy = fast_policy(monthly_reads=12)
    report = stage.extract()
    assert any("read allocation" in warning for warning in report.warnings)


def test_pause_stops_before_the_request_that_is_too_much_and_keeps_what_was_read(stage: Stage) -> None:
    stage.policy = fast_policy(monthly_reads=6, on_budget="pause")
    with pytest.raises(ReadBudgetSpent, match="monthly_reads"):
        stage.extract()
    assert stage.requests() == 6
    stored = sum(stage.rows(f"select count(*) from stripe.{name}")[0][0] for name in ("customers", "products"))
    assert stored > 0
    stage.policy = fast_policy()
    stage.extract()
    stage.assert_in_step()


def test_who_was_paused_goes_on_when_the_days_have_passed(stage: Stage) -> None:
    """While it is paused nothing is asked, so that no day is counted: this machine's clock tells that they passed."""
    stage.policy = fast_policy(monthly_reads=12, on_budget="pause")
    with pytest.raises(ReadBudgetSpent):
        stage.extract()
    for days in (1, 29):
        with pytest.raises(ReadBudgetSpent):
            stage.extract(now=lambda days=days: time.time() + days * 86_400)
    assert stage.requests() == 12
    stage.extract(now=lambda: time.time() + 31 * 86_400, raise_failures=False)
    assert stage.requests() > 12


def test_answers_that_other_requests_complete_leave_their_place_to_new_requests() -> None:
    clock = Clock()
    paces = budget(clock)
    alone = paces.in_flight(INVOICES)
    with paces.completion(INVOICES):
        clock.now += 0.3
    # 20 requests a second, each completed for 0.3 s, and half as much again.
    assert paces.in_flight(INVOICES) == alone + 9
    assert paces.in_flight(CUSTOMERS) == alone
