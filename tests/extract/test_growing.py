"""After an upgrade what is stored lacks what the release before did not read. It is fetched, and nothing else is."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from stripe_cio_pipeline.extract import OBJECTS, still_missing
from stripe_cio_pipeline.sandbox import StripeSwitches
from tests.extract.stage import START, Lives, Stage, fast_policy

PATHS = {kind.name: kind.path for kind in OBJECTS}
#: How a release that did not ask for something has stored it. It did not note what it asked for either.
OLDER = {
    "an expand": (
        "customers",
        """update stripe.customers set payload = json_merge_patch(payload, json_object('invoice_settings', json_object(
            'default_payment_method', payload ->> '$.invoice_settings.default_payment_method.id')))
        where payload ->> '$.invoice_settings.default_payment_method.id' is not null""",
        "expand invoice_settings.default_payment_method",
    ),
    "an expand inside a list": (
        "subscriptions",
        """update stripe.subscriptions set payload = replace(payload::varchar,
            payload ->> '$.discounts[0].source.coupon', '"' || (payload ->> '$.discounts[0].source.coupon.id') || '"')
        where payload ->> '$.discounts[0].source.coupon.id' is not null""",
        "expand discounts.source.coupon",
    ),
    "what only an expand gives": (
        "prices",
        "update stripe.prices set payload = json_merge_patch(payload, '{\"tiers\": null}')",
        "expand tiers",
    ),
    "a field": (
        "invoices",
        "update stripe.invoices set payload = json_merge_patch(payload, '{\"attempt_count\": null}')",
        "field attempt_count",
    ),
}


def with_a_discount(stage: Stage) -> None:
    subscription = next(iter(stage.stripe.objects("subscription")))
    stage.stripe.add_discount(subscription, stage.stripe.create_coupon(percent_off=10.0)["id"])
    stage.pass_time(minutes=20)
    stage.extract()
    stage.pass_time(minutes=20)
    stage.extract()


@pytest.fixture
def stage(lives: Lives, tmp_path: Path) -> Iterator[Stage]:
    """An account that was read, with a discount."""
    made = {"customers": 12, "history_days": 40, "switches": StripeSwitches(late_events_share=0.0)}
    with lives.go_on("a discount", tmp_path, with_a_discount, **made) as stage:
        yield stage


def of_older_release(stage: Stage, *statements: str) -> None:
    with stage.warehouse.transaction() as connection:
        connection.execute("delete from pipeline.cursors where name like 'asked.%'")
        for statement in statements:
            connection.execute(statement)
        for name in PATHS:
            connection.execute(f"update stripe.{name} set content_hash = left(sha256(payload::varchar), 32)")
    stage.stripe.counters.log = []


def listed(stage: Stage) -> set[str]:
    """Which object types were listed since the last look."""
    log, stage.stripe.counters.log = stage.stripe.counters.log, []
    return {name for name, path in PATHS.items() if any(request.startswith(f"GET {path}?") for request in log)}


def missing(stage: Stage) -> dict[str, tuple[str, ...]]:
    with stage.warehouse.reading() as connection:
        return {growth.object: growth.parts for growth in still_missing(connection)}


def test_what_an_older_release_did_not_read_is_fetched_for_its_types_alone(stage: Stage) -> None:
    of_older_release(stage, *(statement for _, statement, _ in OLDER.values()))
    assert missing(stage) == {name: (part,) for name, _, part in OLDER.values()}
    assert stage.extract().warnings == ()
    assert listed(stage) == {name for name, _, _ in OLDER.values()}
    stage.assert_in_step()
    assert missing(stage) == {}
    stage.stripe.counters.log = []
    assert stage.extract().requests == 1


def test_a_warehouse_that_lacks_nothing_is_asked_for_nothing(stage: Stage) -> None:
    of_older_release(stage)
    assert missing(stage) == {}
    assert stage.extract().requests == 1
    assert stage.rows("select count(*) from pipeline.cursors where name like 'asked.%'") == [(len(OBJECTS),)]


def test_a_new_object_type_is_listed_and_no_other(stage: Stage) -> None:
    of_older_release(stage, "delete from pipeline.cursors where name = 'history.charges'")
    with stage.warehouse.transaction() as connection:
        connection.execute("delete from stripe.charges")
    assert missing(stage) == {"charges": ()}
    stage.extract()
    assert listed(stage) == {"charges"}
    stage.assert_in_step()


def test_what_the_release_before_noted_is_compared_with_what_this_one_asks(stage: Stage) -> None:
    with stage.warehouse.transaction() as connection:
        connection.execute(
            """update pipeline.cursors set value = replace(replace(value, '"expand default_source",', ''),
                '"field email",', '') where name = 'asked.customers'"""
        )
        connection.execute(
            """update pipeline.cursors set value = replace(value, '2026-10-28.endive', '2026-09-30.endive')
                where name = 'asked.charges'"""
        )
    assert missing(stage) == {
        "customers": ("expand default_source", "field email"),
        "charges": ("API version 2026-10-28.endive",),
    }
    stage.stripe.counters.log = []
    stage.extract()
    assert listed(stage) == {"customers", "charges"}
    assert missing(stage) == {}


def test_it_is_fetched_at_the_pace_of_the_budget_and_goes_on_where_it_was(stage: Stage) -> None:
    customer = next(iter(stage.stripe.objects("customer").values()))
    stage.stripe.load([{**customer, "id": f"cus_more{n:04d}", "created": START - 9_000 + n} for n in range(700)])
    stage.reconcile()
    _, statement, _ = OLDER["a field"]
    of_older_release(stage, statement.replace("invoices", "customers").replace("attempt_count", "email"))
    # Nothing is left of the month, so that a run takes no more than it must.
    stage.policy = fast_policy(monthly_reads=1)
    runs, pages = 0, 0
    while missing(stage):
        runs += 1
        report = stage.extract()
        told = [warning for warning in report.warnings if "is read since an upgrade" in warning]
        assert bool(told) == bool(missing(stage))
        taken = sum(request.startswith("GET /v1/customers?") for request in stage.stripe.counters.log)
        stage.stripe.counters.log = []
        assert taken <= 3
        pages += taken
        assert runs < 12
    assert runs >= 3
    # Eight pages, and the empty ends of slices, of which a run takes three at most.
    assert pages <= 8 * 2.5
    assert stage.stored("customers") == stage.listed("customers")


def test_what_no_list_shows_is_read_by_id(stage: Stage) -> None:
    archived = stage.stripe.create_price(unit_amount=900)["id"]
    customer = next(iter(stage.stripe.objects("customer")))
    stage.stripe.create_subscription(customer, prices=[archived])
    stage.stripe.update_price(archived, active=False)
    stage.pass_time(minutes=20)
    stage.extract()
    of_older_release(stage, OLDER["what only an expand gives"][1])
    stage.extract()
    assert "tiers" in stage.stored("prices")[archived]
    assert missing(stage) == {}
    stage.assert_in_step()


def test_a_history_that_an_older_release_began_is_looked_at_when_it_is_done(stage: Stage) -> None:
    """Its first pages were asked for less than its last ones."""
    _, statement, _ = OLDER["a field"]
    of_older_release(stage, statement)
    with stage.warehouse.transaction() as connection:
        connection.execute(
            """update pipeline.cursors set value = replace(value, 'finished', 'listing')
                where name = 'history.invoices'"""
        )
        connection.execute(
            "insert into pipeline.slices (object, created_from, created_before, run_id) values ('invoices', ?, ?, '')",
            [START - 100, START],
        )
    stage.extract()
    stage.extract()
    stage.assert_in_step()
    assert missing(stage) == {}
