"""Control over HTTP: who may, and what."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from stripe_cio_pipeline.sandbox import CustomerioSwitches, Sandbox, StripeSwitches
from stripe_cio_pipeline.sandbox.control import Control

START = 1_790_000_000
SIDES = ("stripe", "customerio")


@pytest.fixture
def sandbox() -> Iterator[Sandbox]:
    switches = StripeSwitches(late_events_share=0.0)
    with Sandbox(customers=5, start=START, stripe=switches, customerio=CustomerioSwitches.gentle()) as running:
        yield running


def control(sandbox: Sandbox, side: str = "stripe") -> httpx.Client:
    return httpx.Client(
        base_url=sandbox.description()["control"][side], headers={"Sandbox-Token": sandbox.token}, trust_env=False
    )


def asked(sandbox: Sandbox, path: str, **params: str) -> Any:
    key = {"Authorization": f"Bearer {sandbox.environment()['STRIPE_API_KEY']}"}
    answer = httpx.get(f"{sandbox.stripe_url}/v1/{path}", params=params, headers=key, trust_env=False)
    return answer.json()


@pytest.mark.parametrize("side", SIDES)
def test_only_the_token_opens(sandbox: Sandbox, side: str) -> None:
    url = sandbox.description()["control"][side]
    assert httpx.get(url + "counters", trust_env=False).status_code == 401
    assert httpx.get(url + "counters", headers={"Sandbox-Token": "x"}, trust_env=False).status_code == 401
    with control(sandbox, side) as client:
        assert client.get("counters").status_code == 200
        assert "POST act/NAME" in client.get("").json()


@pytest.mark.anyio
async def test_only_loopback_is_heard(sandbox: Sandbox) -> None:
    """A server on loopback hears nobody else, so the caller's address is made up here."""
    heard: list[dict[str, Any]] = []

    async def receive() -> dict[str, Any]:
        return {"type": "http.request", "body": b"", "more_body": False}

    async def send(message: Any) -> None:
        heard.append(dict(message))

    scope = {
        "type": "http",
        "method": "GET",
        "path": "/_sandbox/counters",
        "client": ("192.0.2.1", 1),
        "headers": [(b"sandbox-token", sandbox.token.encode())],
    }
    await Control(sandbox.stripe, sandbox.clock, sandbox.token)(scope, receive, send)
    assert heard[0]["status"] == 403


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


def test_both_servers_listen_on_loopback_only(sandbox: Sandbox) -> None:
    for server in sandbox._servers:
        assert server._socket.getsockname()[0] == "127.0.0.1"


@pytest.mark.parametrize("side", SIDES)
def test_the_clock_is_moved_and_started_and_stopped(sandbox: Sandbox, side: str) -> None:
    with control(sandbox, side) as client:
        assert client.get("clock").json() == {"now": START, "days_per_minute": 0}
        assert client.post("clock", json={"advance": {"days": 1}}).json()["now"] == START + 86_400
        assert client.post("clock", json={"to": START + 90_000}).json()["now"] == START + 90_000
        assert client.post("clock", json={"run": 1.0}).json()["days_per_minute"] == 1.0
        assert client.post("clock", json={"stop": True}).json()["days_per_minute"] == 0
        assert client.post("clock", json={"advance": {"days": -1}}).status_code == 400
        assert client.post("clock", json={"rewind": 1}).status_code == 400


def test_the_account_lives_when_the_clock_is_moved_by_a_request(sandbox: Sandbox) -> None:
    before = {event["id"] for event in asked(sandbox, "events", limit="100")["data"]}
    with control(sandbox, "customerio") as client:
        client.post("clock", json={"advance": {"days": 20}})
    assert {event["id"] for event in asked(sandbox, "events", limit="100")["data"]} - before


def test_a_running_clock_lets_the_account_live_without_being_moved(sandbox: Sandbox) -> None:
    before = {event["id"] for event in asked(sandbox, "events", limit="100")["data"]}
    sandbox.clock.run(days_per_minute=1_000)
    for _ in range(500):
        if {event["id"] for event in asked(sandbox, "events", limit="100")["data"]} - before:
            break
    else:
        raise AssertionError("nothing has happened")


@pytest.mark.parametrize("side", SIDES)
def test_faults_are_planned_shown_and_cleared(sandbox: Sandbox, side: str) -> None:
    with control(sandbox, side) as client:
        plan = client.post("faults", json={"kind": "status", "status": 503, "next": 1}).json()
        assert next(iter(plan["at"].values()))["status"] == 503
        client.post("faults", json={"kind": "reset_before", "rate": 0.5, "path": "/v1/events", "requests": 9})
        assert client.get("faults").json()["rates"][0]["path"] == "/v1/events"
        assert client.request("DELETE", "faults").json()["rates"] == []
        assert client.post("faults", json={"kind": "flood", "next": 1}).status_code == 400
        assert "say when" in client.post("faults", json={"kind": "truncated"}).json()["error"]


def test_control_requests_neither_count_nor_fail(sandbox: Sandbox) -> None:
    with control(sandbox) as client:
        client.post("faults", json={"kind": "status", "status": 503, "next": 1})
        assert client.get("counters").json() == {}
        assert asked(sandbox, "customers")["error"]["type"] == "api_error"
        assert client.get("counters").json()["GET /v1/customers 503"] == 1
        assert client.delete("counters").json() == {}


@pytest.mark.parametrize("side", SIDES)
def test_switches_are_shown_and_changed_and_unknown_ones_named(sandbox: Sandbox, side: str) -> None:
    with control(sandbox, side) as client:
        assert client.get("switches").json()["latency_seconds"] == 0
        assert client.post("switches", json={"latency_seconds": 0.01}).json()["latency_seconds"] == 0.01
        refusal = client.post("switches", json={"shoe_size": 1})
        assert refusal.status_code == 400
        assert "unknown switches: shoe_size; known: " in refusal.json()["error"]


def test_permissions_can_be_taken_away_by_a_request(sandbox: Sandbox) -> None:
    with control(sandbox) as client:
        left = set(client.get("switches").json()["permissions"]) - {"rak_invoice_read"}
        client.post("switches", json={"permissions": sorted(left)})
    assert "Permission denied" in asked(sandbox, "invoices")["error"]["message"]


def test_acts_are_done_by_name(sandbox: Sandbox) -> None:
    with control(sandbox) as client:
        made = client.post("act/create_customer", json={"email": "new@example.com"}).json()
        assert asked(sandbox, f"customers/{made['id']}")["email"] == "new@example.com"
        unknown = client.post("act/dance", json={})
        assert unknown.status_code == 404
        assert "create_customer" in unknown.json()["error"]
        assert client.post("act/create_customer", json={"shoe_size": 1}).status_code == 400
        assert client.post("act/update_customer", json={"id": "cus_none", "name": "x"}).status_code == 400
    with control(sandbox, "customerio") as client:
        assert "add_person" in client.get("").json()["POST act/NAME"]


@pytest.mark.parametrize("side", SIDES)
def test_what_is_there_can_be_dumped(sandbox: Sandbox, side: str) -> None:
    with control(sandbox, side) as client:
        assert client.get("dump").json()
        assert client.get("nothing").status_code == 404
        assert client.post("clock", content=b"{").status_code == 400
        assert client.post("clock", content=b"[]").status_code == 400


@pytest.mark.parametrize("side", SIDES)
def test_the_state_can_be_taken_out_and_put_back_over_http(sandbox: Sandbox, side: str) -> None:
    with control(sandbox, side) as client:
        state = client.get("state").json()
        sandbox.stripe.create_customer(email="later@example.com")
        sandbox.customerio.add_person(email="later@example.com")
        changed = client.get("state").json()
        assert client.put("state", json=state).json() == {"loaded": True}
        again = client.get("state").json()
    assert changed != state
    assert again == state


def test_a_saved_sandbox_goes_on_in_another_process_as_if_nothing_had_been(sandbox: Sandbox, tmp_path: Path) -> None:
    sandbox.clock.advance(days=3)
    sandbox.stripe.create_customer(email="new@example.com")
    sandbox.save(tmp_path / "state.json")
    other = Sandbox(
        customers=5, start=START, stripe=StripeSwitches(late_events_share=0.0), customerio=CustomerioSwitches.gentle()
    )
    other.load(tmp_path / "state.json")
    assert other.clock.now() == sandbox.clock.now()
    for world in (sandbox, other):
        world.clock.advance(days=10)
    for type_ in ("customer", "subscription", "invoice", "charge", "event"):
        assert other.stripe.objects(type_) == sandbox.stripe.objects(type_)
    assert len(other.customerio.people()) == len(sandbox.customerio.people())
    other.stop()


def test_a_state_of_another_seed_is_refused(sandbox: Sandbox) -> None:
    other = Sandbox(seed=8, customers=0, start=START)
    with pytest.raises(ValueError, match="seed 7"):
        other.stripe.load_state(sandbox.stripe.save_state())
    other.stop()
