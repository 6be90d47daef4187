"""What `check` says of the webhook endpoint: whether there is one, what it lacks, and how to make one that fits."""

import shlex
from typing import Any

import pytest

from stripe_cio_pipeline.extract import PINNED_VERSION, WEBHOOK_PATH, command_to_create
from stripe_cio_pipeline.extract.endpoints import judge_endpoint, wanted_types
from stripe_cio_pipeline.listening.door import PATH
from stripe_cio_pipeline.policy import Policy, parse_policy
from stripe_cio_pipeline.sandbox import Sandbox

ADDRESS = "http://127.0.0.1:9/stripe/webhook"


@pytest.fixture
def listens(sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch) -> Sandbox:
    monkeypatch.setenv("STRIPE_WEBHOOK_SECRET", "whsec_any")
    return sandbox


def finding(cli: Any) -> dict[str, Any]:
    found = [each for each in cli("check", "--json").json["checks"] if each["subject"] == "Stripe webhook endpoint"]
    assert len(found) == 1
    return dict(found[0])


def test_without_a_secret_nobody_listens_and_nothing_is_asked(cli, sandbox: Sandbox) -> None:
    cli("check")
    assert sandbox.stripe.counters["GET /v1/webhook_endpoints"] == 0


def test_where_there_is_none_the_command_that_makes_one_is_printed(cli, listens: Sandbox) -> None:
    listens.stripe.create_webhook_endpoint("http://127.0.0.1:9/another")
    found = finding(cli)
    assert (found["state"], found["exit_code"]) == ("failed", 1)
    assert command_to_create(Policy()) in found["advice"]


def test_one_made_by_the_printed_command_fits(cli, listens: Sandbox) -> None:
    fields = [part.split("=", 1) for part in shlex.split(command_to_create(Policy())) if "=" in part]
    types = [value for name, value in fields if name == "enabled_events[]"]
    listens.stripe.create_webhook_endpoint(ADDRESS, types, dict(fields)["api_version"])
    found = finding(cli)
    assert (found["state"], found["note"]) == ("ok", "")


def test_what_it_lacks_is_named(cli, listens: Sandbox) -> None:
    made = listens.stripe.create_webhook_endpoint(ADDRESS, ["customer.updated", "invoice.created"])
    listens.stripe.update_webhook_endpoint(made["id"], disabled=True)
    found = finding(cli)
    assert found["state"] == "failed"
    for said in ("disabled", "charge.dispute.closed", "default version", "invoice.created delays invoices"):
        assert said in found["advice"]


def test_a_key_that_may_not_look_is_no_failure(cli, listens: Sandbox) -> None:
    listens.stripe.switches.permissions.discard("rak_webhook_read")
    found = finding(cli)
    assert found["state"] == "skipped"
    assert "rak_webhook_read" in found["advice"]


def test_every_type_is_all_there_is_and_one_too_many() -> None:
    judged = judge_endpoint({"url": ADDRESS, "enabled_events": ["*"], "status": "enabled"}, Policy())
    assert (judged.unforwarded, judged.late, judged.blocking) == ((), (), ("invoice.created",))
    assert not judged.is_pinned


def test_what_is_forwarded_is_wanted_and_what_blocks_is_not() -> None:
    policy = parse_policy({"events": {"forward": ["payout.*", "invoice.created"]}})
    wanted = wanted_types(policy)
    assert {"payout.paid", "customer.updated"} <= set(wanted)
    assert "invoice.created" not in wanted
    assert judge_endpoint({"api_version": PINNED_VERSION, "enabled_events": list(wanted)}, policy).unforwarded == ()


def test_the_address_is_the_doors() -> None:
    assert WEBHOOK_PATH == PATH
