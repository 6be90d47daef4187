"""The days of an installation, by its commands: look, be stopped, approve, change, send again, look back."""

import contextlib
import io
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from stripe_cio_pipeline.cli.output import Output, attribute
from stripe_cio_pipeline.cli.status import read_status, show_status
from stripe_cio_pipeline.extract import OBJECTS
from stripe_cio_pipeline.extract.state import HistoryMark, write_mark
from stripe_cio_pipeline.policy import parse_policy
from stripe_cio_pipeline.sandbox import CustomerioSwitches, Fault, Sandbox
from stripe_cio_pipeline.warehouse import Warehouse, write_cursor

POLICY = "identity: {settle_seconds: 0}\nstripe: {limits: {endpoint: 500, account: 2000}}\n"


@dataclass(slots=True)
class Story:
    """What each command answered, and what Customer.io had been asked by then."""

    sandbox: Sandbox
    folder: Path
    answers: dict[str, Any] = field(default_factory=dict)
    asked: dict[str, int] = field(default_factory=dict)


@pytest.fixture(scope="module")
def story(cli, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Story]:
    folder = tmp_path_factory.mktemp("story")
    (folder / "stripe_cio.yaml").write_text(POLICY)
    with (
        pytest.MonkeyPatch.context() as monkeypatch,
        Sandbox(seed=3, customers=12, customerio=CustomerioSwitches.gentle()) as sandbox,
    ):
        for name, value in sandbox.environment().items():
            monkeypatch.setenv(name, value)
        monkeypatch.chdir(folder)
        told = Story(sandbox, folder)

        def step(name: str, *arguments: str) -> None:
            told.answers[name] = cli(*arguments)
            told.asked[name] = sandbox.customerio.counters.requests

        step("dry run", "sync", "--dry-run", "--json")
        step("plan", "plan", "--json")
        step("plan for people", "plan", "--limit", "3")
        step("stopped", "sync", "--json")
        step("approved", "sync", "--approve", "--json")
        step("again", "sync", "--json")
        customer = next(iter(sandbox.stripe.objects("customer")))
        sandbox.stripe.update_customer(customer, name="Another Name")
        sandbox.clock.advance(minutes=2)
        step("changed", "sync")
        told.answers["customer"] = customer
        step("explained", "explain", customer, "--json")
        step("status", "status", "--json")
        step("status for people", "status")
        yield told


def test_a_dry_run_reads_and_plans_and_asks_customerio_nothing(story: Story) -> None:
    answer = story.answers["dry run"]
    assert answer.exit_code == 0
    assert answer.json["stripe"]["objects"] > 12
    assert answer.json["plan"]["identify"] > 0
    assert story.asked["dry run"] == 0


def test_a_plan_shows_before_and_after_and_why_and_asks_nobody(story: Story) -> None:
    row = story.answers["plan"].json["rows"][0]
    assert row["action"] == "identify"
    assert row["reason"]
    assert row["explanation"]
    assert row["after"]["stripe_customer_id"].startswith("cus_")
    assert story.asked["plan for people"] == 0


def test_a_plan_for_people_is_a_summary_and_a_few_examples_on_a_screen_and_a_half(story: Story) -> None:
    said = story.answers["plan for people"].out
    for title in ("Planned: people: ", "\nWhy\n", "\n3 examples (--limit N shows more"):
        assert title in said
    assert len(said.splitlines()) <= 75


def test_a_moment_has_its_date_beside_it_and_other_numbers_have_none() -> None:
    assert attribute(1_772_442_000, "created_at") == "1772442000 (2026-03-02 09:00 UTC)"
    assert [attribute(1_772_442_000, "phone"), attribute(None, "trial_ends_at"), attribute(-1, "ended_at")] == [
        "1772442000",
        "–",
        "-1",
    ]


def test_the_first_load_is_stopped_by_the_guard_with_exit_code_3(story: Story) -> None:
    answer = story.answers["stopped"]
    assert answer.exit_code == 3
    assert answer.json["exit_code"] == 3
    assert answer.json["error"]["kind"] == "GuardStop"
    assert answer.json["plan"]["guard"]["findings"][0]["rule"] == "first_load"
    assert story.asked["stopped"] == 0


def test_an_approved_sync_sends_everybody_and_gives_the_promised_numbers(story: Story) -> None:
    answer = story.answers["approved"]
    assert answer.exit_code == 0, answer.words
    numbers = answer.json
    for group, names in {
        "stripe": ("requests", "objects"),
        "plan": ("identify", "update", "delete", "hold"),
        "customerio": ("requests", "accepted", "rejected"),
        "events": ("accepted", "rejected"),
    }.items():
        assert all(isinstance(numbers[group][name], int) for name in names), group
    assert numbers["seconds"] > 0
    assert numbers["customerio"]["accepted"] == numbers["plan"]["identify"] > 0
    assert numbers["customerio"]["rejected"] == 0


def test_with_json_standard_output_is_one_line(story: Story) -> None:
    answer = story.answers["approved"]
    assert len(answer.out.splitlines()) == 1
    assert "Read from Stripe" in answer.err


def test_with_nothing_changed_one_request_is_asked_and_none_sent(story: Story) -> None:
    answer = story.answers["again"]
    assert answer.exit_code == 0
    assert answer.json["stripe"]["requests"] == 1
    assert answer.json["customerio"]["requests"] == 0
    # The people who are new are looked at, in the log and by their ids, and never again.
    assert story.asked["again"] == story.asked["approved"] + 2


def test_a_change_at_stripe_is_sent(story: Story) -> None:
    assert story.answers["changed"].exit_code == 0, story.answers["changed"].words
    person = story.sandbox.customerio.person(id=story.answers["customer"])
    assert person is not None
    assert person.attributes["name"] == "Another Name"


def test_a_person_can_be_explained(story: Story) -> None:
    answer = story.answers["explained"]
    assert answer.exit_code == 0, answer.words
    assert story.answers["customer"] in answer.out


def test_status_tells_account_objects_ledger_and_reads(story: Story) -> None:
    answer = story.answers["status"]
    assert answer.exit_code == 0
    found = answer.json
    assert found["bindings"]["stripe.account"] == story.sandbox.stripe.switches.account_id
    assert {row["object"] for row in found["objects"]} >= {"customers", "subscriptions", "invoices", "events"}
    assert {row["object"]: row["history"] for row in found["objects"]} == {
        **dict.fromkeys((kind.name for kind in OBJECTS), "finished"),
        "events": None,
    }
    assert found["people"]["linked"] == story.answers["approved"].json["customerio"]["accepted"]
    assert found["reads"]["used_30_days"] == story.sandbox.stripe.counters.gets
    assert found["rejections"] == []
    assert "Nothing is rejected" in story.answers["status for people"].out


def test_a_dry_run_is_told_as_one_and_not_as_a_run_that_never_ended(story: Story) -> None:
    outcomes = [run["outcome"] for run in story.answers["status"].json["runs"]]
    assert outcomes == ["done", "done", "done", "stopped by the guard", "dry run, nothing sent"]


def test_status_counts_no_look_at_stripe_that_never_was(tmp_path: Path) -> None:
    """Planning and computing move cursors too, and before the first sync it says what to do."""
    warehouse, out = Warehouse(tmp_path / "warehouse.duckdb"), io.StringIO()
    with warehouse.transaction() as connection:
        write_cursor(connection, "plan.seq", "1")
        write_cursor(connection, "model.seq", "1")
    with warehouse.reading() as connection, contextlib.redirect_stdout(out):
        found = read_status(connection, parse_policy({}), links_are_seen=True, now=0.0)
        show_status(Output(as_json=False), found)
    assert found.seconds_since_look is None
    assert "last asked" not in out.getvalue()
    for next_step in ("stripe-cio check", "stripe-cio sync --dry-run"):
        assert next_step in out.getvalue()


def test_status_says_what_each_state_of_people_means(story: Story) -> None:
    assert re.search(r"linked +│ +\d+ │ in Customer.io with the Stripe id", story.answers["status for people"].out)


def test_status_tells_how_far_each_history_is(tmp_path: Path) -> None:
    warehouse = Warehouse(tmp_path / "warehouse.duckdb")
    with warehouse.transaction() as connection:
        write_mark(connection, "customers", HistoryMark("finished", 1, 3, 250), "run")
        write_mark(connection, "invoices", HistoryMark("listing", 1, 12, 1_200), "run")
    out = io.StringIO()
    with warehouse.reading() as connection, contextlib.redirect_stdout(out):
        found = read_status(connection, parse_policy({}), links_are_seen=True, now=0.0)
        show_status(Output(as_json=False), found)
    said = {line.strip("│ ").partition(" ")[0]: line.strip("│ ") for line in out.getvalue().splitlines()}
    assert said["customers"].endswith("complete")
    assert said["invoices"].endswith("1,200 rows so far")
    assert said["charges"].endswith("not begun")
    assert "begun" not in said["events"]


def test_no_command_shows_a_key_or_lets_an_address_into_its_errors(story: Story) -> None:
    secrets = set(story.sandbox.environment().values()) - {"us", story.sandbox.stripe_url, story.sandbox.customerio_url}
    for name, answer in story.answers.items():
        if name != "customer":
            assert not [secret for secret in secrets if secret in answer.out + answer.err], name


def test_everything_that_was_written_stands_under_the_home_folder(story: Story) -> None:
    assert {path.name for path in story.folder.iterdir()} == {".stripe_cio", "stripe_cio.yaml"}


def test_what_was_looked_at_can_be_approved_by_its_id_and_goes_whatever_came_since(cli, sandbox: Sandbox) -> None:
    sandbox.stripe.create_customer(email="customer-1@example.com")
    seen = cli("sync", "--json").json["plan"]["id"]
    other = cli("sync", "--approve-plan", "0" * 32, "--json")
    assert (other.exit_code, sandbox.customerio.people()) == (1, [])
    assert seen in other.words
    sandbox.stripe.create_customer(email="customer-2@example.com")
    sandbox.clock.advance(minutes=2)
    assert cli("sync", "--approve-plan", seen, "--json").exit_code == 0
    assert len(sandbox.customerio.people()) == 2


def test_an_approval_where_nothing_was_planned_says_so(cli, sandbox: Sandbox) -> None:
    assert cli("sync", "--approve-plan", "0" * 32).exit_code == 1


def test_a_wrong_request_is_told_once(cli, sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("stripe_cio_pipeline.extract.history.list_parameters", lambda kind: {"expand": ["data.colour"]})
    answer = cli("sync")
    assert answer.exit_code == 1
    objects = [kind.name for kind in OBJECTS]
    told = [name for name in objects if answer.words.count(f"{name}: Stripe refuses GET") == 1]
    assert told == objects
    assert answer.words.count("cannot be expanded (colour)") == len(objects)


def test_one_object_that_cannot_be_read_is_named_and_everybody_else_is_sent(
    cli, synced: Sandbox, policy_file: None
) -> None:
    bad, other = (synced.stripe.create_customer(email=f"unread-{number}@example.com")["id"] for number in range(2))
    for name in ("One of two", "in a second"):
        for customer in (bad, other):
            synced.stripe.update_customer(customer, name=name)
    synced.clock.advance(minutes=2)
    synced.stripe.faults.rate(1.0, Fault.error(404), path=f"/v1/customers/{bad}")
    try:
        answer = cli("sync", "--json")
    finally:
        synced.stripe.faults.clear()
    assert answer.exit_code == answer.json["exit_code"] == 1
    [unread] = answer.json["stripe"]["unread"]
    assert bad in unread["what"]
    assert answer.words.count(f"{bad} of customers is not up to date") == 2  # to people, and in the JSON
    assert answer.json["stripe"]["failures"] == []
    assert synced.customerio.person(id=other) is not None
