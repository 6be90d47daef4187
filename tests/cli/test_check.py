"""`check` proves each thing that a sync needs by name, and says what to do about each failure."""

import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from stripe_cio_pipeline.extract import Patience
from stripe_cio_pipeline.sandbox import Sandbox
from stripe_cio_pipeline.warehouse import Warehouse
from tests.extract.between import between


def looked_at(answer: Any) -> dict[str, Any]:
    """The findings by subject."""
    return {finding["subject"]: finding for finding in answer.json["checks"]}


def test_a_working_installation_passes_and_learns_how_to_switch_on_schedules(cli, sandbox: Sandbox) -> None:
    answer = cli("check", "--all")
    assert answer.exit_code == 0, answer.words
    for words in ("/v1/customers", "/v1/invoices", "Charges and Refunds: Read", "region us", "clock", "can be written"):
        assert words in answer.out
    assert "stripe_changes" in answer.words
    assert "sync_schedule" in answer.words
    assert sandbox.customerio.counters["operations.accepted"] == 0


def test_every_missing_permission_is_named(cli, sandbox: Sandbox) -> None:
    sandbox.stripe.switches.permissions -= {"rak_invoice_read", "rak_plan_read"}
    answer = cli("check", "--json")
    assert answer.exit_code == 2
    found = looked_at(answer)
    assert [name for name, finding in found.items() if finding["state"] == "failed"] == [
        "Stripe /v1/invoices",
        "Stripe /v1/prices",
        "Stripe /v1/invoice_payments",
    ]
    assert "rak_invoice_read" in found["Stripe /v1/invoices"]["what"]
    assert found["Stripe /v1/invoices"]["advice"]


def test_what_a_sync_can_do_without_is_told_and_is_no_failure(cli, sandbox: Sandbox) -> None:
    sandbox.stripe.switches.permissions -= {"rak_dispute_read"}
    answer = cli("check", "--json")
    assert answer.exit_code == 0
    found = looked_at(answer)["Stripe /v1/disputes"]
    assert found["state"] == "skipped"
    assert "rak_dispute_read" in found["what"]
    assert "All else is synced." in found["advice"]


REFUSAL = b'{"error": {"type": "invalid_request_error", "message": "Unrecognized request URL (GET: /v1/v1/account)"}}'


@pytest.mark.parametrize(
    ("status", "body"),
    [
        pytest.param(404, b"<html><body>404 Not Found</body></html>", id="a proxy's 404"),
        pytest.param(200, b"<html><body>Log in</body></html>", id="a page of HTML"),
        pytest.param(404, REFUSAL, id="an address that Stripe does not know"),
    ],
)
def test_what_is_no_answer_of_stripes_account_is_called_good_by_nobody(
    cli, sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch, status: int, body: bytes
) -> None:
    with between(sandbox.stripe_url) as wire:
        wire.respond = lambda *_: (status, {}, body)
        monkeypatch.setenv("STRIPE_API_BASE", wire.address)
        monkeypatch.setattr("stripe_cio_pipeline.extract.peeking.Patience", lambda **_: Patience(1, 0.001, 0.001))
        answer = cli("check", "--json")
    assert answer.exit_code == 1
    of_stripe = [finding for name, finding in looked_at(answer).items() if name.startswith("Stripe ")]
    [found] = [finding for finding in of_stripe if finding["state"] != "ok"]
    assert found["subject"] == "Stripe account"
    assert "STRIPE_API_BASE" in found["advice"]
    assert "Stripe key" not in looked_at(answer)


def test_a_refused_question_for_the_account_fails_as_the_sync_does(cli, sandbox: Sandbox) -> None:
    # Stripe's words do not name the account.
    sandbox.stripe.switches.permissions -= {"rak_accounts_kyc_basic_read"}
    sandbox.stripe.switches.account_id = ""
    answer = cli("check", "--json")
    assert answer.exit_code == 2
    assert "Basic Business Contact Information: Read" in looked_at(answer)["Stripe account"]["what"]
    assert "Basic Business Contact Information: Read" in cli("sync", "--json").words


def test_an_expand_that_is_refused_fails_the_list_that_a_sync_asks_with_it(cli, sandbox: Sandbox) -> None:
    sandbox.stripe.switches.permissions -= {"rak_payment_method_read"}
    found = looked_at(cli("check", "--json"))
    for path in ("/v1/customers", "/v1/subscriptions"):
        assert found[f"Stripe {path}"]["state"] == "failed"
        assert "Payment Methods: Read (rak_payment_method_read)" in found[f"Stripe {path}"]["what"]


def test_an_address_that_ends_in_the_version_is_named(cli, sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("STRIPE_API_BASE", f"{sandbox.stripe_url}/v1/")
    for command in ("check", "sync"):
        answer = cli(command, "--json")
        assert answer.exit_code == 2
        assert "STRIPE_API_BASE" in answer.words
        assert "must end before /v1" in answer.words


def test_without_any_setting_it_says_what_is_missing(cli) -> None:
    answer = cli("check", "--json")
    assert answer.exit_code == 2
    found = looked_at(answer)
    assert "STRIPE_API_KEY is not set" in found["Stripe key"]["what"]
    assert "CUSTOMERIO_SITE_ID and CUSTOMERIO_TRACK_API_KEY are not set" in found["Customer.io credentials"]["what"]


def test_without_the_app_key_it_passes_and_says_that_nothing_is_verified(
    cli, sandbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("CUSTOMERIO_APP_API_KEY")
    answer = cli("check", "--json")
    assert answer.exit_code == 0
    app = looked_at(answer)["Customer.io App API"]
    assert app["state"] == "skipped"
    assert "people count as linked once accepted and settled, and nothing is verified" in app["what"]


def test_wrong_keys_and_a_wrong_region_are_told_apart(cli, sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("STRIPE_API_KEY", "rk_test_0123456789")
    monkeypatch.setenv("CUSTOMERIO_REGION", "eu")
    monkeypatch.setenv("CUSTOMERIO_APP_API_KEY", "0123456789")
    answer = cli("check", "--json")
    assert answer.exit_code == 2
    found = looked_at(answer)
    assert found["Stripe key"]["state"] == "failed"
    assert "CUSTOMERIO_REGION=us" in found["Customer.io Track API"]["advice"]
    assert found["Customer.io App API"]["state"] == "failed"
    assert "0123456789" not in answer.words


def test_a_moved_stripe_clock_is_no_failure(cli, sandbox: Sandbox) -> None:
    sandbox.clock.advance(days=3)
    answer = cli("check", "--json")
    assert answer.exit_code == 0
    found = looked_at(answer)
    assert "2 d 23 h" in found["Stripe's clock"]["what"] or "3 d" in found["Stripe's clock"]["what"]


def test_a_clock_of_stripes_that_no_sync_would_believe_is_a_failure(
    cli, sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("stripe_cio_pipeline.cli.checks._skew", lambda address: (400.0, False))
    answer = cli("check", "--json")
    assert answer.exit_code == 1
    assert looked_at(answer)["Stripe's clock"]["state"] == "failed"
    assert "NTP" in looked_at(answer)["Stripe's clock"]["advice"]


def test_a_warehouse_in_use_names_who_holds_it(cli, sandbox) -> None:
    assert cli("check").exit_code == 0
    hold = "import duckdb, sys; held = duckdb.connect(sys.argv[1]); print('held', flush=True); sys.stdin.read()"
    with subprocess.Popen(
        [sys.executable, "-c", hold, ".stripe_cio/warehouse.duckdb"], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as holder:
        assert holder.stdout is not None
        assert holder.stdin is not None
        holder.stdout.readline()
        answer = cli("check", "--json")
        assert answer.exit_code == 1
        assert f"process {holder.pid}" in looked_at(answer)["warehouse"]["what"]
        holder.stdin.close()


def test_a_warehouse_that_cannot_be_written_is_told(cli, sandbox, monkeypatch: pytest.MonkeyPatch) -> None:
    Path("file").write_text("")
    monkeypatch.setenv("STRIPE_CIO_HOME", "file/home")
    answer = cli("check", "--json")
    assert answer.exit_code == 1
    assert looked_at(answer)["warehouse"]["state"] == "failed"
    assert "STRIPE_CIO_HOME" in looked_at(answer)["warehouse"]["advice"]


def test_another_account_and_another_workspace_are_told(cli, monkeypatch: pytest.MonkeyPatch, synced: Sandbox) -> None:
    assert cli("check").exit_code == 0
    with Sandbox(seed=11, customers=0) as other:
        other.customerio.switches.environment_id = 5
        for name, value in other.environment().items():
            monkeypatch.setenv(name, value)
        answer = cli("check", "--json")
    assert answer.exit_code == 2
    found = looked_at(answer)
    assert found["Stripe account"]["state"] == "failed"
    assert found["Customer.io workspace"]["state"] == "failed"


def test_what_an_upgrade_reads_more_is_told_by_check_and_init(cli, synced: Sandbox) -> None:
    assert "upgrade" not in looked_at(cli("check", "--json"))
    with Warehouse(".stripe_cio/warehouse.duckdb").transaction() as connection:
        connection.execute("delete from pipeline.cursors where name = 'history.charges'")
        connection.execute(
            """update pipeline.cursors set value = replace(value, '"expand default_source",', '')
                where name = 'asked.customers'"""
        )
    found = looked_at(cli("check", "--json"))["upgrade"]
    assert "customers (expand default_source), charges (a new object type)" in found["what"]
    assert "about 2 in all" in found["advice"]
    told = cli("init").words
    assert "customers (expand default_source): this release reads it" in told
    assert "charges (a new object type)" in told


def test_a_test_alert_is_sent_where_that_is_asked_for(cli, sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch) -> None:
    # Nobody listens behind it.
    monkeypatch.setenv("STRIPE_CIO_ALERT_WEBHOOK", "http://127.0.0.1:9/secret")

    assert "webhook alert" not in looked_at(cli("check", "--json"))
    answer = cli("check", "--alerts", "--json")

    assert answer.exit_code == 1
    assert "cannot be reached" in looked_at(answer)["webhook alert"]["what"]
    assert "secret" not in answer.words


def test_a_test_alert_that_nobody_would_get_is_told(cli, sandbox: Sandbox) -> None:
    answer = cli("check", "--alerts", "--json")
    assert answer.exit_code == 2
    assert looked_at(answer)["alerts"]["what"] == "nobody is told of anything"


def test_mail_that_nobody_would_get_is_told(cli, sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("STRIPE_CIO_SMTP_URL", "smtp://mail.example.com")
    answer = cli("check", "--json")
    assert answer.exit_code == 2
    assert "nobody to mail" in looked_at(answer)["alerts"]["what"]


def test_keys_that_others_can_read_are_told(cli, sandbox: Sandbox) -> None:
    Path(".env").write_text("")
    Path(".env").chmod(0o644)
    answer = cli("check", "--json")
    assert answer.exit_code == 1
    assert "chmod 600 .env" in looked_at(answer)[".env"]["advice"]


def test_what_is_wrong_with_models_and_schedules_is_told_before_anything_else(cli, sandbox: Sandbox) -> None:
    Path("models").mkdir()
    Path("stripe_cio.yaml").write_text("")
    Path("models/pepole.sql").write_text("select 1 as a")
    answer = cli("check", "--json")
    assert answer.exit_code == 2
    assert "The nearest file that has a meaning is people.sql" in looked_at(answer)["models"]["what"]
    Path("stripe_cio.yaml").write_text('schedule: {sync: "99 * * * *"}\n')
    for command in (("check",), ("sync",), ("plan",), ("status",)):
        answer = cli(*command, "--json")
        assert answer.exit_code == 2
        assert "schedule.sync" in answer.words


def test_events_from_the_future_are_refused(cli, sandbox: Sandbox) -> None:
    answer = cli("backfill-events", "--since", "2099-01-01", "--json")
    assert answer.exit_code == 2
    assert "is in the future" in answer.words


def test_copies_of_built_in_models_are_named(cli, sandbox: Sandbox) -> None:
    cli("init")
    answer = cli("check", "--json")
    assert answer.exit_code == 0, answer.words
    assert looked_at(answer)["models/people.sql"]["what"] == "equals the built-in one"
