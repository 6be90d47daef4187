import gc

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


def test_a_probe_names_each_missing_permission(stage: Stage) -> None:
    stage.stripe.switches.permissions.difference_update({"rak_plan_read", "rak_event_read"})
    findings = probe(stage.settings, stage.policy, patience=QUICK)
    assert {finding.permission for finding in findings if not finding.ok} == {"rak_plan_read", "rak_event_read"}
    assert all(finding.permission in finding.advice for finding in findings if not finding.ok)
    assert len(findings) == stage.requests() == 11


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
