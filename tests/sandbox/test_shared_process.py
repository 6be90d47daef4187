"""The sandbox as a process of its own, and as a pair in this one."""

import json
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import httpx
import pytest

from stripe_cio_pipeline.sandbox import REAL_TIME, CustomerioSwitches, Sandbox
from stripe_cio_pipeline.sandbox.__main__ import parser

VARIABLES = {
    "STRIPE_API_KEY",
    "STRIPE_API_BASE",
    "CUSTOMERIO_SITE_ID",
    "CUSTOMERIO_TRACK_API_KEY",
    "CUSTOMERIO_APP_API_KEY",
    "CUSTOMERIO_REGION",
    "CUSTOMERIO_TRACK_URL",
    "CUSTOMERIO_APP_URL",
}


@pytest.mark.parametrize("ending", [signal.SIGINT, signal.SIGTERM])
def test_it_prints_what_to_export_serves_both_sides_and_stops_cleanly(tmp_path: Path, ending: signal.Signals) -> None:
    port_file, state = tmp_path / "ports.json", tmp_path / "state.json"
    command = [sys.executable, "-m", "stripe_cio_pipeline.sandbox", "--customers", "5", "--clock", "still"]
    command += ["--port-file", str(port_file), "--save", str(state), "--gentle"]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    try:
        assert process.stdout is not None
        exported: dict[str, str] = {}
        while (line := process.stdout.readline()).startswith("export "):
            name, _, value = line.removeprefix("export ").strip().partition("=")
            exported[name] = value
        description: dict[str, Any] = json.loads(port_file.read_text())
        assert {name: exported[name] for name in VARIABLES} == description["environment"]
        assert exported["SANDBOX_TOKEN"] == description["token"]
        key = {"Authorization": f"Bearer {exported['STRIPE_API_KEY']}"}
        customers = httpx.get(f"{exported['STRIPE_API_BASE']}/v1/customers", headers=key, trust_env=False).json()
        assert len(customers["data"]) == 5
        auth = (exported["CUSTOMERIO_SITE_ID"], exported["CUSTOMERIO_TRACK_API_KEY"])
        region = httpx.get(f"{exported['CUSTOMERIO_TRACK_URL']}/api/v1/accounts/region", auth=auth, trust_env=False)
        assert region.json()["region"] == exported["CUSTOMERIO_REGION"]
        token = {"Sandbox-Token": exported["SANDBOX_TOKEN"]}
        for address in description["control"].values():
            assert httpx.get(f"{address}clock", headers=token, trust_env=False).json()["days_per_minute"] == 0
    finally:
        process.send_signal(ending)
        _, errors = process.communicate(timeout=30)
    assert process.returncode == 0
    assert errors == ""
    assert json.loads(state.read_text())["stripe"]["seed"] == 7


def test_every_option_has_help_and_a_default() -> None:
    options = parser().parse_args([])
    assert (options.seed, options.customers, options.clock) == (7, 50, REAL_TIME)
    assert all(action.help for action in parser()._actions)


def test_leads_stand_in_customerio_by_email_alone() -> None:
    sandbox = Sandbox(customers=60, start=1_790_000_000, leads=0.5, customerio=CustomerioSwitches.gentle())
    people = sandbox.customerio.people()
    emails = {row["email"] for row in sandbox.stripe.objects("customer").values()}
    customers = [person for person in people if person.email in emails]
    assert 10 < len(customers) < 50
    assert len(people) > len(customers), "nobody is a lead without being a customer"
    assert all(person.id is None for person in people)
    sandbox.stop()


def test_a_sandbox_without_anybody_has_no_leads() -> None:
    sandbox = Sandbox(customers=0, start=1_790_000_000)
    assert sandbox.customerio.people() == []
    assert sandbox.stripe.objects("customer") == {}
    assert set(sandbox.environment()) == VARIABLES
    sandbox.stop()


def test_a_port_that_is_taken_is_named() -> None:
    with Sandbox(customers=0, customerio=CustomerioSwitches.gentle()) as sandbox:
        taken = int(sandbox.stripe_url.rpartition(":")[2])
        for wanted in ({"stripe_port": taken}, {"customerio_port": taken}):
            with pytest.raises(OSError, match=f"port {taken} of 127.0.0.1 is taken"):
                Sandbox(customers=0, **wanted)  # type: ignore[arg-type]


def test_two_sandboxes_of_one_seed_are_the_same_world() -> None:
    worlds = []
    for _ in range(2):
        with Sandbox(customers=10, start=1_790_000_000, customerio=CustomerioSwitches.gentle()) as sandbox:
            sandbox.clock.advance(days=5)
            worlds.append((sandbox.stripe.events(), [person.email for person in sandbox.customerio.people()]))
    assert worlds[0] == worlds[1]
