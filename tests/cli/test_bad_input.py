"""Bad input gets a clear message or a stated outcome: never a traceback, never a lost row."""

import json
import os
import re
import socket
import subprocess
import sys
from pathlib import Path

import pytest
import stamina

from stripe_cio_pipeline.sandbox import Sandbox

pytestmark = pytest.mark.usefixtures("policy_file")


def refused(cli, *arguments: str, exit_code: int) -> str:
    """Run a command that must fail with this exit code; give what it said."""
    answer = cli(*arguments, "--json")
    assert answer.exit_code == exit_code, answer.words
    assert answer.json["exit_code"] == exit_code
    return answer.words


def closed_port() -> int:
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        return int(unused.getsockname()[1])


# Keys and addresses


def test_a_missing_stripe_key_names_the_variable_and_the_permissions(cli) -> None:
    told = refused(cli, "sync", exit_code=2)
    assert "STRIPE_API_KEY is not set" in told
    assert "rak_customer_read" in told


def test_a_malformed_stripe_key_is_refused_and_not_shown(cli, sandbox, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("STRIPE_API_KEY", "pk_test_0123456789")
    told = refused(cli, "sync", exit_code=2)
    assert "does not look like" in told
    assert "0123456789" not in told


def test_a_wrong_stripe_key_is_refused_and_not_shown(cli, sandbox, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("STRIPE_API_KEY", "rk_test_0123456789")
    assert "0123456789" not in refused(cli, "sync", exit_code=2)


def test_a_missing_customerio_key_is_told_before_anything_is_sent(
    cli, sandbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    sandbox.stripe.create_customer(email="customer-1@example.com")
    monkeypatch.delenv("CUSTOMERIO_TRACK_API_KEY")
    assert "CUSTOMERIO_TRACK_API_KEY is not set" in refused(cli, "sync", exit_code=2)
    assert sandbox.customerio.people() == []


def test_a_wrong_customerio_key_is_refused_and_not_shown(cli, sandbox, monkeypatch: pytest.MonkeyPatch) -> None:
    sandbox.stripe.create_customer(email="customer-1@example.com")
    monkeypatch.setenv("CUSTOMERIO_TRACK_API_KEY", "0123456789")
    told = refused(cli, "sync", exit_code=2)
    assert "Customer.io" in told
    assert "0123456789" not in told


def test_a_key_without_a_permission_names_it(cli, sandbox: Sandbox) -> None:
    sandbox.stripe.switches.permissions.discard("rak_invoice_read")
    told = refused(cli, "sync", exit_code=2)
    assert "rak_invoice_read" in told or "/v1/invoices" in told


def test_a_wrong_region_says_which_is_right(cli, sandbox, monkeypatch: pytest.MonkeyPatch) -> None:
    sandbox.stripe.create_customer(email="customer-1@example.com")
    monkeypatch.setenv("CUSTOMERIO_REGION", "eu")
    assert "CUSTOMERIO_REGION=us" in refused(cli, "sync", exit_code=2)


def test_a_region_that_does_not_exist_names_the_variable(cli, sandbox, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CUSTOMERIO_REGION", "asia")
    assert "CUSTOMERIO_REGION" in refused(cli, "sync", exit_code=2)


# Policy and models


def test_an_unknown_key_in_the_policy_names_it_and_the_nearest(cli, sandbox) -> None:
    Path("stripe_cio.yaml").write_text("guard: {max_changed_peple: 5}\n")
    for command in ("sync", "plan", "status", "check"):
        told = refused(cli, command, exit_code=2)
        assert "guard.max_changed_peple" in told
        assert "guard.max_changed_people" in told


def test_an_event_type_that_stripe_does_not_have_stops_every_command(cli, sandbox) -> None:
    Path("stripe_cio.yaml").write_text("events: {forward: [invoice.paied]}\n")
    for command in ("sync", "plan", "status", "check"):
        told = refused(cli, command, exit_code=2)
        assert "events.forward: invoice.paied is not a Stripe event type (nearest: invoice.paid)" in told


def test_a_policy_that_is_no_yaml_names_line_and_column(cli, sandbox) -> None:
    Path("stripe_cio.yaml").write_text("guard: {first_load: [\n")
    assert "line 2" in refused(cli, "sync", exit_code=2)


def test_a_model_that_is_wrong_names_file_line_and_column_and_sends_nothing(cli, sandbox: Sandbox) -> None:
    sandbox.stripe.create_customer(email="customer-1@example.com")
    cli("init")
    people = Path("models") / "people.sql"
    lines = people.read_text().splitlines()
    at = next(number for number, line in enumerate(lines) if line.endswith(".phone as phone,"))
    lines[at] = lines[at].replace(".phone as", ".fone as")
    people.write_text("\n".join(lines))
    told = refused(cli, "sync", exit_code=2)
    assert f"people.sql:{at + 1}:" in told
    assert sandbox.customerio.people() == []


# The warehouse


def test_a_warehouse_of_another_account_is_refused_before_anything_is_read(
    cli, synced: Sandbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    with Sandbox(seed=11, customers=3) as other:
        for name, value in other.environment().items():
            monkeypatch.setenv(name, value)
        told = refused(cli, "sync", exit_code=2)
        assert other.stripe.counters["GET /v1/customers"] == 0
        assert other.customerio.counters.requests == 0
    assert "belongs to" in told


def test_a_live_key_on_a_warehouse_of_test_mode_is_refused(cli, synced, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("STRIPE_API_KEY", "rk_live_0123456789")
    assert "test mode" in refused(cli, "sync", exit_code=2)


def test_a_workspace_that_is_another_is_refused_before_anything_is_sent(cli, synced: Sandbox) -> None:
    synced.customerio.switches.environment_id += 1
    synced.stripe.create_customer(email="customer-2@example.com")
    synced.clock.advance(minutes=2)
    try:
        assert "belongs to" in refused(cli, "sync", exit_code=2)
    finally:
        synced.customerio.switches.environment_id -= 1
    assert synced.customerio.person(email="customer-2@example.com") is None


def test_a_locked_warehouse_names_the_process_that_holds_it(cli, synced) -> None:
    hold = "import duckdb, sys; held = duckdb.connect(sys.argv[1]); print('held', flush=True); sys.stdin.read()"
    with subprocess.Popen(
        [sys.executable, "-c", hold, ".stripe_cio/warehouse.duckdb"], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as holder:
        assert holder.stdout is not None
        assert holder.stdin is not None
        holder.stdout.readline()
        for command in ("status", "sync"):
            assert f"process {holder.pid}" in refused(cli, command, "--wait", "0.2", exit_code=1)
        holder.stdin.close()
    assert cli("status").exit_code == 0


def test_a_file_that_is_no_warehouse_is_told(cli, sandbox, monkeypatch: pytest.MonkeyPatch) -> None:
    Path("other.duckdb").write_text("not a database, and long enough to be looked at")
    monkeypatch.setenv("STRIPE_CIO_WAREHOUSE", "other.duckdb")
    assert "is not a DuckDB database" in refused(cli, "status", exit_code=1)


# People


def test_odd_customers_all_arrive(cli, sandbox: Sandbox) -> None:
    long_name, emoji = "N" * 600, "Ω 🚀 é"
    stripe = sandbox.stripe
    no_email = stripe.create_customer(name="No Email")["id"]
    not_an_email = stripe.create_customer(email="nobody at all", name="Not An Address")["id"]
    long = stripe.create_customer(email="customer-600@example.com", name=long_name)["id"]
    signs = stripe.create_customer(email="customer-emoji@example.com", name=emoji)["id"]
    metadata = {f"key_{number}": "v" * 500 for number in range(50)}
    many = stripe.create_customer(email="customer-50@example.com", metadata=metadata)["id"]
    too_long = stripe.create_customer(email="customer-1200@example.com", name="🚀" * 300)["id"]
    answer = cli("sync", "--json")
    assert answer.exit_code == 0, answer.words
    assert answer.json["customerio"]["accepted"] == 6
    person = {each.id: each for each in sandbox.customerio.people()}
    assert person[no_email].email is None
    assert person[not_an_email].email is None
    assert person[long].attributes["name"] == long_name
    assert person[signs].attributes["name"] == emoji
    assert person[many].attributes["stripe_customer_id"] == many
    assert "name" not in person[too_long].attributes
    assert [(found["column"], found["action"]) for found in answer.json["model"]["findings"]] == [("name", "dropped")]


# Networks


@pytest.mark.parametrize("name", ["STRIPE_API_BASE", "CUSTOMERIO_TRACK_URL"])
def test_an_unreachable_host_is_named_and_nothing_is_lost(
    cli, sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    sandbox.stripe.create_customer(email="customer-1@example.com")
    monkeypatch.setenv(name, f"http://127.0.0.1:{closed_port()}")
    with stamina.set_testing(True, attempts=2):
        told = refused(cli, "sync", exit_code=1)
    assert {"STRIPE_API_BASE": "Stripe", "CUSTOMERIO_TRACK_URL": "Customer.io"}[name] in told
    assert "network" in told
    monkeypatch.setenv(name, sandbox.environment()[name])
    assert cli("sync").exit_code == 0
    assert len(sandbox.customerio.people()) == 1


# What stands where a file is expected


def test_a_policy_that_is_a_folder_is_told(cli) -> None:
    Path("stripe_cio.yaml").unlink()
    Path("stripe_cio.yaml").mkdir()
    assert "stripe_cio.yaml cannot be read (Is a directory)" in refused(cli, "plan", exit_code=2)


def test_a_model_that_is_a_folder_is_told(cli) -> None:
    Path("models/people.sql").mkdir(parents=True)
    assert "people.sql cannot be read (Is a directory)" in refused(cli, "lineage", exit_code=2)


def test_an_environment_that_is_no_text_is_told_and_not_quoted(cli) -> None:
    Path(".env").write_bytes(b"STRIPE_API_KEY=rk_test_0123456789\xff\xfe\n")
    told = refused(cli, "status", exit_code=2)
    assert ".env in" in told
    assert "it is not UTF-8 text" in told
    assert "0123456789" not in told


def test_a_warehouse_whose_name_is_too_long_is_told(cli, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("STRIPE_CIO_WAREHOUSE", f"{'a' * 300}.duckdb")
    assert "cannot be looked for (File name too long)" in refused(cli, "status", exit_code=1)


@pytest.mark.parametrize(
    "arguments", [("lineage", "mrr"), ("lineage", "mrr", "--json"), ("init", "Müller 😀", "--json")]
)
def test_a_terminal_without_unicode_gets_what_it_can_show(arguments: tuple[str, ...]) -> None:
    ended = subprocess.run(
        [sys.executable, "-m", "stripe_cio_pipeline.cli", *arguments],
        env={**os.environ, "LC_ALL": "C", "PYTHONCOERCECLOCALE": "0", "PYTHONUTF8": "0"},
        capture_output=True,
        check=False,
    )
    assert ended.returncode == 0, ended.stderr
    assert (ended.stdout + ended.stderr).isascii()
    if "--json" in arguments:
        assert json.loads(ended.stdout.splitlines()[-1])


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="only Linux has a file that is always full")
@pytest.mark.parametrize("unbuffered", ["", "1"])
@pytest.mark.parametrize("form", [("lineage", "mrr"), ("lineage", "mrr", "--json"), ("--help",), ("--version",)])
def test_standard_output_that_is_full_is_told_as_that(form: tuple[str, ...], unbuffered: str) -> None:
    with Path("/dev/full").open("wb") as full:
        ended = subprocess.run(
            [sys.executable, "-m", "stripe_cio_pipeline.cli", *form],
            env={**os.environ, "PYTHONUNBUFFERED": unbuffered},
            stdout=full,
            stderr=subprocess.PIPE,
            text=True,
            check=False,
        )
    assert ended.returncode == 1
    assert "✘ Standard output cannot be written (No space left on device)." in ended.stderr
    assert "Traceback" not in ended.stderr


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="only Linux has a file that is always full")
@pytest.mark.parametrize("unbuffered", ["", "1"])
def test_an_error_is_told_where_standard_output_is_full(unbuffered: str) -> None:
    with Path("/dev/full").open("wb") as full:
        ended = subprocess.run(
            [sys.executable, "-m", "stripe_cio_pipeline.cli", "explain", "nobody", "--json"],
            env={**os.environ, "PYTHONUNBUFFERED": unbuffered},
            stdout=full,
            stderr=subprocess.PIPE,
            text=True,
            check=False,
        )
    assert ended.returncode == 1
    assert ended.stderr.startswith("✘ There is no warehouse at ")
    assert "Exception ignored" not in ended.stderr


def test_standard_output_that_is_closed_is_nobody_who_reads(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "stripe_cio_pipeline.cli", "lineage", "mrr", "--json"]
    ended = subprocess.run(["sh", "-c", '"$@" >&-', "sh", *command], capture_output=True, text=True, check=False)
    assert (ended.returncode, ended.stdout) == (0, "")
    assert "unexpected" not in ended.stderr


def test_fields_in_a_table_stand_under_one_another(cli) -> None:
    answer = cli("lineage", "mrr")
    assert r"\x0a" not in answer.out
    assert re.search(r"│ coupons\s+│ applies_to\.products\s+│", answer.out)
