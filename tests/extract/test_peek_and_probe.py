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


def test_a_peek_writes_nothing_but_the_meter(stage: Stage) -> None:
    stage.extract()
    stage.pass_time(days=1)
    tables = "select schema_name, table_name, estimated_size from duckdb_tables() where table_name <> 'reads'"
    counts = "select (select count(*) from stripe.events), (select count(*) from pipeline.cursors)"
    before = (stage.rows(tables), stage.rows(counts))
    stage.peek()
    assert (stage.rows(tables), stage.rows(counts)) == before


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
