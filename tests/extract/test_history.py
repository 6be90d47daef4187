import importlib
import re
from pathlib import Path

import pytest
import stripe

from stripe_cio_pipeline.errors import BindingError, StripePermissionError
from stripe_cio_pipeline.extract import ProgressNote, probe
from stripe_cio_pipeline.extract.budget import Budget
from stripe_cio_pipeline.extract.transport import Answer, Transport, wrong_request
from stripe_cio_pipeline.policy import parse_policy
from stripe_cio_pipeline.sandbox import Fault, Sandbox, StripeSwitches
from tests.extract.stage import START, Stage, of

SERVER = importlib.import_module("stripe_cio_pipeline.sandbox.stripe.application")


def test_history_holds_everything_that_stripe_lists(stage: Stage) -> None:
    report = stage.extract()
    stage.assert_in_step()
    assert all(part.history_finished for part in report.objects)
    assert of(report, "customers").added == of(report, "customers").rows_total == 25


def test_canceled_subscriptions_are_in_the_history(stage: Stage) -> None:
    subscription = next(iter(stage.stripe.objects("subscription")))
    stage.stripe.cancel_subscription(subscription)
    stage.extract()
    assert stage.stored("subscriptions")[subscription]["status"] == "canceled"


def test_a_list_inside_an_object_that_stripe_cuts_is_stored_whole(stage: Stage) -> None:
    long = {
        object_id for object_id, payload in stage.listed("subscriptions").items() if len(payload["items"]["data"]) > 10
    }
    assert long
    stage.extract()
    for object_id in long:
        assert stage.stored("subscriptions")[object_id] == stage.listed("subscriptions")[object_id]


def test_an_import_within_one_second_is_read_whole(tmp_path: Path) -> None:
    stage = Stage(tmp_path, customers=5)
    with stage.sandbox:
        customer = next(iter(stage.stripe.objects("customer").values()))
        stage.stripe.load(
            [{**customer, "id": f"cus_import{number:05d}", "created": START - 900_000} for number in range(730)]
        )
        stage.extract(objects=["customers"])
        assert len(stage.stored("customers")) == 735
        stage.settle()
        assert set(stage.stored("customers")) == set(stage.listed("customers"))


def test_an_edit_during_the_listing_is_not_lost(stage: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
    stage.stripe.switches.late_events_share = 0.0
    victim = next(iter(stage.stripe.objects("customer")))
    edited = False
    ask = Transport.list

    async def edit_after_the_page(self: Transport, path: str, *rest: object, **options: object) -> object:
        nonlocal edited
        answer = await ask(self, path, *rest, **options)  # type: ignore[arg-type]
        if path == "/v1/customers" and isinstance(answer, Answer) and not edited:
            edited = True
            stage.stripe.update_customer(victim, name="Edited in between")
            # Events that were read only from after the listing would not go back so far.
            stage.pass_time(minutes=30)
        return answer

    monkeypatch.setattr(Transport, "list", edit_after_the_page)
    stage.extract()
    assert edited
    assert stage.stored("customers")[victim]["name"] == "Edited in between"
    stage.assert_in_step()


def test_a_missing_permission_fails_loudly_and_keeps_the_rest(stage: Stage) -> None:
    stage.stripe.switches.permissions.discard("rak_invoice_read")
    with pytest.raises(StripePermissionError, match="rak_invoice_read"):
        stage.extract()
    assert len(stage.stored("customers")) == 25
    assert stage.stored("invoices") == {}
    report = stage.extract(raise_failures=False)
    assert [failure.object for failure in report.failures] == ["invoices", "invoice_payments"]
    assert not of(report, "invoices").history_finished


def test_a_permission_that_is_added_later_loads_that_history(stage: Stage) -> None:
    stage.stripe.switches.permissions.discard("rak_invoice_read")
    stage.extract(raise_failures=False)
    stage.pass_time(days=2)
    stage.extract(raise_failures=False)
    stage.stripe.switches.permissions.add("rak_invoice_read")
    stage.settle()
    report = stage.extract()
    assert of(report, "invoices").history_finished
    stage.assert_in_step()


def test_what_is_not_needed_may_be_refused_and_all_else_is_synced(stage: Stage) -> None:
    stage.stripe.switches.permissions.discard("rak_dispute_read")
    charge = next(charge for charge in stage.stripe.objects("charge").values() if charge["status"] == "succeeded")
    report = stage.extract()
    assert report.failures == ()
    assert "rak_dispute_read" in " ".join(report.warnings)
    assert stage.rows("select object, permission from pipeline.not_granted") == [("disputes", "rak_dispute_read")]
    # What cannot be read does not wait either: the sensor asks for no run because of it.
    stage.settle()
    stage.stripe.dispute(charge["id"])
    stage.settle()
    stage.extract()
    assert stage.stored("disputes") == {}
    assert not stage.peek().changed
    stage.stripe.switches.permissions.add("rak_dispute_read")
    stage.extract()
    assert stage.rows("select object, permission from pipeline.not_granted") == []
    stage.assert_in_step()


def test_what_the_policy_leaves_out_is_not_asked_for_and_read_once_it_is_wanted(stage: Stage) -> None:
    wanted = stage.policy
    stage.policy = wanted.model_copy(update={"stripe": wanted.stripe.model_copy(update={"leave_out": ["disputes"]})})
    stage.stripe.switches.permissions.discard("rak_dispute_read")
    charge = next(charge for charge in stage.stripe.objects("charge").values() if charge["status"] == "succeeded")
    stage.stripe.dispute(charge["id"])
    report = stage.extract()
    assert (report.failures, report.warnings) == ((), ())
    assert stage.rows("select object from pipeline.not_granted") == [("disputes",)]
    assert all(found.ok for found in probe(stage.settings, stage.policy))
    stage.settle()
    stage.extract()
    assert not stage.peek().changed
    stage.policy = wanted
    stage.stripe.switches.permissions.add("rak_dispute_read")
    stage.extract()
    stage.assert_in_step()


def test_a_permission_that_is_taken_away_is_noticed_and_its_history_read_anew(stage: Stage) -> None:
    charges = [charge["id"] for charge in stage.stripe.objects("charge").values() if charge["status"] == "succeeded"]
    first = stage.stripe.dispute(charges[0])["id"]
    stage.extract()
    stage.stripe.switches.permissions.discard("rak_dispute_read")
    stage.stripe.close_dispute(first, won=True)
    stage.settle()
    assert stage.extract().failures == ()
    assert stage.rows("select object from pipeline.not_granted") == [("disputes",)]
    stage.stripe.dispute(charges[1])
    stage.stripe.switches.permissions.add("rak_dispute_read")
    stage.settle()
    assert of(stage.extract(), "disputes").history_finished
    stage.assert_in_step()


def test_without_the_event_permission_history_is_kept_and_the_failure_told(stage: Stage) -> None:
    stage.stripe.switches.permissions.discard("rak_event_read")
    with pytest.raises(StripePermissionError, match="rak_event_read"):
        stage.extract()
    assert len(stage.stored("customers")) == 25
    stage.pass_time(days=1)
    stage.stripe.switches.permissions.add("rak_event_read")
    stage.settle()
    stage.extract()
    stage.settle()
    stage.extract()
    stage.assert_in_step()


def test_a_starting_object_that_is_deleted_in_between_is_no_obstacle(tmp_path: Path) -> None:
    stage = Stage(tmp_path, customers=5, switches=StripeSwitches(deleted_cursor_fails=True))
    with stage.sandbox:
        customer = next(iter(stage.stripe.objects("customer").values()))
        stage.stripe.load(
            [{**customer, "id": f"cus_load{number:05d}", "created": START - number * 60} for number in range(350)]
        )
        stage.stripe.faults.at(stage.stripe.faults.request_number + 5, Fault.error(403))
        with pytest.raises(StripePermissionError):
            stage.extract(objects=["customers"], window=1)
        starts = [row[0] for row in stage.rows("select starting_after from pipeline.slices where object = 'customers'")]
        assert any(starts)
        for start in filter(None, starts):
            stage.stripe.delete_customer(start)
        stage.settle()
        stage.extract()
        stage.settle()
        stage.extract()
        stage.assert_in_step()


def test_another_account_is_refused_before_anything_is_read(stage: Stage, tmp_path: Path) -> None:
    stage.extract()
    before = stage.stored("customers")
    with Sandbox(seed=12, customers=3, leads=0, start=START) as other:
        environment = other.environment()
        stage.sandbox.environment = lambda: environment  # type: ignore[method-assign]
        with pytest.raises(BindingError, match="acct_"):
            stage.extract()
        # Its one request asked whose key it is.
        assert other.stripe.counters.gets == 1
    assert stage.stored("customers") == before


def test_another_mode_is_refused_without_a_request(stage: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
    stage.extract()
    requests = stage.requests()
    live = stage.settings.model_copy(update={"stripe_api_key": "rk_live_0000000000000000"})
    settings = type(live)(stripe_api_key="rk_live_0000000000000000", stripe_api_base=live.stripe_api_base)
    monkeypatch.setattr(Stage, "settings", property(lambda _: settings))
    with pytest.raises(BindingError, match="live mode"):
        stage.extract()
    monkeypatch.undo()
    assert stage.requests() == requests


def test_the_account_is_known_to_a_key_that_may_not_ask_for_it(stage: Stage) -> None:
    stage.stripe.switches.permissions.discard("rak_accounts_kyc_basic_read")
    stage.extract()
    [(account,)] = stage.rows("select value from pipeline.bindings where name = 'stripe.account'")
    assert account.startswith("acct_")


def test_a_connected_account_is_proved_by_reading_and_never_by_what_a_refusal_names(
    stage: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    connected = stage.stripe.switches.account_id
    named = re.sub(r"\w{8}$", "platform", connected)
    given = stage.settings.model_copy(update={"stripe_account": connected})
    monkeypatch.setattr(Stage, "settings", property(lambda _: given))
    permissions = stage.stripe.switches.permissions
    permissions.discard("rak_accounts_kyc_basic_read")
    with monkeypatch.context() as patch:
        # Stripe's refusal names the platform, to which the key belongs.
        patch.setattr(stage.stripe.switches, "account_id", named)
        patch.setattr(SERVER._Stripe, "_check_account", lambda *_: None)
        permissions.discard("rak_event_read")
        with pytest.raises(StripePermissionError):
            stage.extract()
        permissions.add("rak_event_read")
        stage.extract()
    assert stage.rows("select value from pipeline.bindings where name = 'stripe.account'") == [(connected,)]


def test_another_account_than_the_connected_one_is_refused(stage: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
    given = stage.settings.model_copy(update={"stripe_account": "acct_connected"})
    monkeypatch.setattr(Stage, "settings", property(lambda _: given))
    with pytest.raises(StripePermissionError, match="does not have access to account 'acct_connected'"):
        stage.extract()
    # Something on the way leaves the header out.
    monkeypatch.setattr(SERVER._Stripe, "_check_account", lambda *_: None)
    with pytest.raises(BindingError, match="STRIPE_ACCOUNT is acct_connected"):
        stage.extract()
    assert stage.rows("select count(*) from pipeline.bindings") == [(0,)]


def test_progress_tells_rows_rate_and_share(stage: Stage) -> None:
    notes: list[ProgressNote] = []
    stage.extract(progress=notes.append)
    [cost] = [note for note in notes if note.stage == "cost"]
    assert "customers" in cost.message
    assert "1,000 objects" in cost.message
    last = [note for note in notes if note.stage == "history" and note.object == "customers"][-1]
    assert (last.rows, last.share) == (25, 1.0)
    assert last.rows_per_second > 0


def test_a_request_that_stripe_calls_wrong_is_told_in_stripes_own_words(
    stage: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("stripe_cio_pipeline.extract.history.list_parameters", lambda kind: {"expand": ["data.colour"]})
    report = stage.extract(objects=["customers"], raise_failures=False)
    [failure] = report.failures
    told = f"{failure.what} {failure.advice}"
    assert "GET /v1/customers at 127.0.0.1" in told
    assert told.count("This property cannot be expanded (colour)") == 1
    assert re.search(r"its log names the request req_\w+", told, re.IGNORECASE)
    assert "newer release" not in told
    assert stage.rows("select count(*) from pipeline.cursors where value like '%finished%'") == [(0,)]


def test_stripes_words_are_told_without_keys_and_addresses_of_people() -> None:
    said = "The key 'rk_live_****ab12' and person@example.com, sk_test_0123456789 \x1b[31m are wrong"
    refused = stripe.InvalidRequestError(said, None, http_status=400, json_body={"error": {}}, headers={})
    transport = Transport("rk_test_1", "https://api.stripe.com", None, Budget(parse_policy({}).stripe, live=False))
    told = str(wrong_request(transport._judge(refused, "/v1/customers", 0), "/v1/customers"))
    assert "The key '…' and …, … \\x1b[31m are wrong" in told
