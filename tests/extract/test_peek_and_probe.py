import gc
from urllib.parse import parse_qsl, urlsplit

import pytest

from stripe_cio_pipeline.errors import StripeCredentialsError
from stripe_cio_pipeline.extract import probe
from stripe_cio_pipeline.settings import Settings
from tests.extract.stage import QUICK, Stage


def test_before_the_first_run_there_is_something_to_do_and_nothing_is_asked(stage: Stage) -> None:
    looked = stage.peek()
    assert (looked.changed, looked.history_pending, stage.requests()) == (True, True, 0)
    assert not stage.warehouse.exists


def test_a_quiet_account_is_one_request_and_nothing_new(stage: Stage) -> None:
    stage.extract()
    before = stage.requests()
    looked = stage.peek()
    assert (looked.changed, looked.reason, stage.requests() - before) == (False, "nothing new", 1)


def test_a_new_event_is_seen_until_it_is_read(stage: Stage) -> None:
    stage.stripe.switches.late_events_share = 0.0
    stage.extract()
    stage.stripe.create_customer(email="customer-99@example.com")
    looked = stage.peek()
    assert looked.changed
    assert looked.reason == "1 new events"
    assert looked.newest_event_id in {event["id"] for event in stage.stripe.events()}
    stage.extract()
    assert not stage.peek().changed


def test_a_peek_writes_nothing_but_the_meter_and_the_page_that_it_read(stage: Stage) -> None:
    stage.extract()
    stage.pass_time(days=1)
    tables = (
        "select schema_name, table_name, estimated_size from duckdb_tables() "
        "where table_name not in ('reads', 'handed_page')"
    )
    counts = "select (select count(*) from stripe.events), (select count(*) from pipeline.cursors)"
    before = (stage.rows(tables), stage.rows(counts))
    for _ in range(2):
        stage.peek()
    assert (stage.rows(tables), stage.rows(counts)) == before
    assert stage.rows("select count(*) <= 1 from pipeline.handed_page") == [(True,)]


def test_the_page_of_a_look_is_not_read_a_second_time_by_the_run_that_it_starts(stage: Stage) -> None:
    stage.stripe.switches.late_events_share = 0.0
    stage.extract()
    stage.pass_time(minutes=20)
    changed = next(iter(stage.stripe.objects("customer")))
    stage.stripe.update_customer(changed, name="Somebody else")
    before = stage.requests()
    looked = stage.peek()
    report = stage.extract(page=looked.page)
    assert (stage.requests() - before, report.requests, report.events) == (1, 0, 1)
    assert stage.stored("customers")[changed]["name"] == "Somebody else"
    assert stage.rows("select * from pipeline.handed_page") == []
    stage.assert_in_step()
    # Somebody tries the same run again: the page is taken, and the feed is read.
    stage.stripe.update_customer(changed, name="And another")
    assert stage.extract(page=looked.page).events == 1


def test_a_page_is_not_taken_where_it_would_leave_something_out(stage: Stage) -> None:
    stage.stripe.switches.late_events_share = 0.0
    stage.extract()
    stage.pass_time(minutes=20)
    customers = list(stage.stripe.objects("customer"))
    for number, customer in enumerate((customers * 5)[:101]):
        stage.stripe.update_customer(customer, name=f"Change {number}")
    # It goes on: what is behind the page nobody has seen.
    assert stage.peek().page is None
    stage.extract()
    stage.pass_time(minutes=20)
    stage.stripe.update_customer(customers[0], name="The first")
    page = stage.peek().page
    stage.pass_time(minutes=1)
    stage.stripe.update_customer(customers[0], name="The last")
    stage.extract()
    # Another run was faster: what it knows is newer.
    stage.stripe.update_customer(customers[1], name="Since then")
    stage.extract(page=page)
    assert stage.stored("customers")[customers[1]]["name"] == "Since then"
    stage.assert_in_step()


def test_of_a_page_on_its_way_nothing_is_kept_of_who_was_forgotten_meanwhile(stage: Stage) -> None:
    stage.stripe.switches.late_events_share = 0.0
    stage.extract()
    stage.pass_time(minutes=20)
    changed = next(iter(stage.stripe.objects("customer")))
    stage.stripe.update_customer(changed, name="Somebody to forget")
    page = stage.peek().page
    with stage.warehouse.transaction() as connection:
        connection.execute("insert into pipeline.forgotten values (?, ?, now()::timestamp)", [changed, changed])
    stage.extract(page=page)
    kept = stage.rows("select payload from stripe.events union all select payload from stripe.customers")
    assert "Somebody to forget" not in str(kept)


def test_unfinished_history_is_said(stage: Stage) -> None:
    stage.stripe.switches.permissions.discard("rak_plan_read")
    stage.extract(raise_failures=False)
    looked = stage.peek()
    assert looked.history_pending
    assert "history of prices is" in looked.reason


def test_a_gap_is_said(stage: Stage) -> None:
    stage.extract()
    stage.pass_time(days=31)
    assert "gap" in stage.peek().reason


def test_a_probe_names_each_missing_permission_as_the_dashboard_does(stage: Stage) -> None:
    stage.stripe.switches.permissions.difference_update({"rak_plan_read", "rak_event_read"})
    findings = probe(stage.settings, stage.policy, patience=QUICK)
    refused = {finding.endpoint: finding for finding in findings if not finding.ok}
    assert set(refused) == {"/v1/prices", "/v1/events"}
    assert "Prices: Read (rak_plan_read)" in refused["/v1/prices"].what
    assert "Events: Read (rak_event_read)" in refused["/v1/events"].what
    assert len(findings) == stage.requests() == 13


def test_a_probe_asks_exactly_what_a_sync_asks(stage: Stage) -> None:
    """Each address with each expand: of those that the sync used, none is left out."""

    def asked() -> set[tuple[str, tuple[str, ...]]]:
        log, stage.stripe.counters.log = stage.stripe.counters.log, []
        targets = [urlsplit(line.removeprefix("GET ")) for line in log]
        return {
            (target.path, tuple(sorted(value for name, value in parse_qsl(target.query) if name.startswith("expand"))))
            for target in targets
        }

    subscription = next(iter(stage.stripe.objects("subscription").values()))
    coupon = stage.stripe.create_coupon(percent_off=10.0)["id"]
    stage.stripe.add_discount(subscription["items"]["data"][0]["id"], coupon)
    stage.stripe.counters.log = []
    stage.extract()
    by_sync = {(path, expands) for path, expands in asked() if path.count("/") == 2}
    assert ("/v1/subscription_items", ("data.discounts.source.coupon",)) in by_sync
    stage.stripe.counters.log = []
    probe(stage.settings, stage.policy, patience=QUICK)
    assert by_sync <= asked()


def test_a_probe_with_a_wrong_key_says_that_the_key_is_wrong(stage: Stage) -> None:
    settings = Settings(stripe_api_key="rk_test_wrong", stripe_api_base=stage.settings.stripe_api_base)
    with pytest.raises(StripeCredentialsError, match="STRIPE_API_KEY"):
        probe(settings, stage.policy, patience=QUICK)


def test_a_probe_that_is_refused_leaves_no_connection_open(stage: Stage) -> None:
    settings = Settings(stripe_api_key="rk_test_wrong", stripe_api_base=stage.settings.stripe_api_base)
    for _ in range(5):
        with pytest.raises(StripeCredentialsError):
            probe(settings, stage.policy, patience=QUICK)
    # Python warns of an open socket when it collects it, and a warning fails a test here.
    gc.collect()
