import asyncio
import time

import pytest

from stripe_cio_pipeline.errors import ReadBudgetSpent
from stripe_cio_pipeline.extract import read_budget
from stripe_cio_pipeline.extract.budget import MAX_IN_FLIGHT, Budget
from stripe_cio_pipeline.policy import parse_policy
from stripe_cio_pipeline.sandbox import Fault
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
