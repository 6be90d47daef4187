"""The commands by which a person steps in: retry, verify, reconcile, forget, backfill-events."""

import io
from datetime import UTC, datetime, timedelta
from pathlib import Path

import duckdb
import pytest

from stripe_cio_pipeline.sandbox import Sandbox

TAMPER = 'update stripe.customers set payload = json_merge_patch(payload, \'{"name": "Tampered"}\')'

pytestmark = pytest.mark.usefixtures("policy_file")


def test_a_rejected_person_is_listed_with_the_reason_and_sent_again_by_retry(cli, synced: Sandbox) -> None:
    id_ = synced.stripe.create_customer(email="customer-7@example.com")["id"]
    synced.clock.advance(minutes=2)
    synced.customerio.switches.refuse["customer-7@example.com"] = "not today"
    try:
        answer = cli("sync", "--json")
    finally:
        synced.customerio.switches.refuse.clear()
    assert answer.exit_code == 0, "rejected with a reason is done"
    assert answer.json["customerio"]["rejected"] == 1
    listed = cli("status", "--json").json["rejections"]
    assert [(row["items"], row["examples"]) for row in listed] == [(1, [id_])]
    again = cli("sync", "--json").json
    # Others of this installation may have something due.
    assert (again["plan"]["rejected"], again["customerio"]["rejected"]) == (1, 0), "the same content is not tried again"
    assert cli("retry", id_, "--json").json == {"due_again": 1}
    assert cli("sync", "--json").json["customerio"]["accepted"] >= 1
    assert synced.customerio.person(id=id_) is not None
    assert cli("status", "--json").json["rejections"] == []


def test_verify_tells_who_was_removed_by_an_operator(cli, synced: Sandbox) -> None:
    id_ = synced.stripe.create_customer(email="customer-8@example.com")["id"]
    synced.clock.advance(minutes=2)
    assert cli("sync").exit_code == 0
    before = cli("verify", "--json")
    assert before.exit_code == 0
    assert before.json["checked"] >= 2
    assert id_ not in before.json["examples"].get("missing", ())
    synced.customerio.delete_person(id=id_)
    after = cli("verify", "--json")
    assert after.exit_code == 0
    assert id_ in after.json["examples"]["missing"]
    assert id_ in after.err


def test_without_the_app_key_verify_and_status_say_so(cli, synced, monkeypatch: pytest.MonkeyPatch) -> None:
    known = "people count as linked once accepted and settled"
    assert known not in cli("status").words
    monkeypatch.delenv("CUSTOMERIO_APP_API_KEY")
    assert known in cli("status").words
    answer = cli("verify")
    assert answer.exit_code == 0
    assert "CUSTOMERIO_APP_API_KEY is not set" in answer.words


def test_reconcile_finds_and_repairs_a_row_that_was_tampered_with(cli, synced: Sandbox) -> None:
    synced.clock.advance(hours=1)
    with duckdb.connect(".stripe_cio/warehouse.duckdb") as connection:
        connection.execute(TAMPER)
    dry = cli("reconcile", "--dry-run", "--json")
    assert dry.exit_code == 0
    assert dry.json["whole"] is False
    assert "Nothing was repaired" in dry.words
    done = cli("reconcile", "--json")
    assert done.exit_code == 0, done.words
    assert done.json["whole"] is True
    with duckdb.connect(".stripe_cio/warehouse.duckdb", read_only=True) as connection:
        assert connection.execute(
            "select count(*) from stripe.customers where payload->>'name' = 'Tampered'"
        ).fetchone() == (0,)


def test_forget_asks_first_and_then_leaves_an_id_and_nothing_else(
    cli, synced: Sandbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    id_ = synced.stripe.create_customer(email="customer-9@example.com")["id"]
    synced.clock.advance(minutes=2)
    assert cli("sync").exit_code == 0
    # Events go out once their people are linked.
    assert cli("sync").exit_code == 0
    monkeypatch.setattr("sys.stdin", io.StringIO("n\n"))
    assert cli("forget", id_).exit_code == 1
    assert synced.customerio.person(id=id_) is not None
    answer = cli("forget", id_, "--yes")
    assert answer.exit_code == 0, answer.words
    assert synced.customerio.person(id=id_) is None
    assert cli("sync", "--json").json["customerio"]["accepted"] == 0
    assert synced.customerio.person(id=id_) is None
    explained = cli("explain", id_, "--json").json
    assert explained["attributes"] == {}
    assert "customer-9@example.com" not in str(explained["writes"])


def test_an_unknown_person_is_told(cli, synced) -> None:
    answer = cli("explain", "cus_nobody", "--json")
    assert answer.exit_code == 1
    assert answer.json["error"]["kind"] == "PipelineError"


def test_backfill_shows_older_events_and_sends_them_only_when_told(cli, sandbox: Sandbox) -> None:
    customer = sandbox.stripe.create_customer(email="customer-1@example.com")["id"]
    sandbox.stripe.create_subscription(customer)
    before = datetime.fromtimestamp(sandbox.clock.now(), UTC) - timedelta(hours=1)
    sandbox.clock.advance(minutes=5)
    first = cli("sync", "--json")
    assert first.exit_code == 0
    assert first.json["events"]["accepted"] == 0, "events from before the installation are not forwarded"
    since = ("backfill-events", "--since", f"{before:%Y-%m-%dT%H:%M:%S}", "--json")
    shown = cli(*since)
    assert shown.json["events"] > 0
    assert shown.json["sent"] is False
    assert sandbox.customerio.events() == []
    sent = cli(*since, "--send")
    assert sent.exit_code == 0, sent.words
    assert len(sandbox.customerio.events()) == shown.json["events"]
    assert cli(*since).json["events"] == 0


def test_backfill_fetches_what_the_installation_came_too_late_for(cli, sandbox: Sandbox) -> None:
    customer = sandbox.stripe.create_customer(email="customer-1@example.com")["id"]
    sandbox.stripe.create_subscription(customer)
    sandbox.clock.advance(hours=5)
    assert cli("sync", "--json").exit_code == 0
    since = datetime.fromtimestamp(sandbox.clock.now(), UTC) - timedelta(hours=6)
    command = ("backfill-events", "--since", f"{since:%Y-%m-%dT%H:%M:%S}", "--json")
    shown = cli(*command).json
    assert shown["fetched"] > shown["events"] > 0
    assert cli(*command).json["fetched"] == 0
    assert sandbox.customerio.events() == []
    assert cli(*command, "--send").exit_code == 0
    assert {event.name for event in sandbox.customerio.events()} >= {"customer.subscription.created", "invoice.paid"}


def test_backfill_before_the_first_sync_says_so(cli, sandbox: Sandbox) -> None:
    answer = cli("backfill-events", "--since", "2026-01-01", "--json")
    assert answer.exit_code == 1
    assert answer.json["error"]["kind"] == "WarehouseMissing"


def test_sandbox_options_are_those_of_the_sandbox(cli) -> None:
    assert "--customers" in cli("sandbox", "--help").out
    assert cli("sandbox", "--nonsense").exit_code == 2


def test_lineage_needs_nothing_and_names_fields(cli) -> None:
    one = cli("lineage", "mrr")
    assert one.exit_code == 0
    assert "unit_amount_decimal, unit_amount}" in one.words
    assert "recurring.monthly_amount" in one.out
    every = cli("lineage", "--json").json["attributes"]
    assert every["email"][0]["field"] == "email"
    unknown = cli("lineage", "nonsense", "--json")
    assert unknown.exit_code == 2
    assert not Path(".stripe_cio").exists()
