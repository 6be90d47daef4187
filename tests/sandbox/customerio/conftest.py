"""A workspace on a time that stands still, and its server on loopback."""

from collections.abc import Callable, Iterator
from typing import Any

import httpx
import pytest

from stripe_cio_pipeline.sandbox import Clock
from stripe_cio_pipeline.sandbox.control import Control
from stripe_cio_pipeline.sandbox.customerio import CustomerioSwitches, Workspace, application
from stripe_cio_pipeline.sandbox.server import Application, Receive, Scope, Send, Server

NOW = 1_800_000_000.0


class MachineTime:
    """Unix seconds that move when a test says so."""

    def __init__(self) -> None:
        self.now = NOW

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def machine() -> MachineTime:
    return MachineTime()


@pytest.fixture
def clock() -> Clock:
    return Clock(NOW)


MakeWorkspace = Callable[..., Workspace]


@pytest.fixture
def make(clock: Clock, machine: MachineTime) -> MakeWorkspace:
    """Make a workspace whose switches are gentle except those named."""

    def made(*, harsh: bool = False, seed: int = 0, **switches: Any) -> Workspace:
        chosen = CustomerioSwitches() if harsh else CustomerioSwitches.gentle()
        for name, value in switches.items():
            setattr(chosen, name, value)
        return Workspace(chosen, clock, seed=seed, machine_time=machine)

    return made


@pytest.fixture
def workspace(make: MakeWorkspace) -> Workspace:
    return make()


class Host:
    """One listening server for all tests of a process; each test puts its own workspace behind it."""

    def __init__(self) -> None:
        self.application: Application | None = None
        self.server = Server(self)
        self.server.start()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        assert self.application is not None
        await self.application(scope, receive, send)


@pytest.fixture(scope="session")
def host() -> Iterator[Host]:
    host = Host()
    yield host
    host.server.stop()


class Served:
    """A workspace behind HTTP, with a client for each of its APIs."""

    def __init__(self, workspace: Workspace, host: Host) -> None:
        self.control = Control(workspace, workspace.clock, token="a-token")
        host.application = application(workspace, self.control)
        self.url = host.server.url
        self.port = host.server.port
        switches = workspace.switches
        self.track = httpx.Client(base_url=self.url, auth=(switches.site_id, switches.track_api_key))
        self.app = httpx.Client(base_url=self.url, headers={"authorization": f"Bearer {switches.app_api_key}"})

    def batch(self, *operations: Any) -> httpx.Response:
        return self.track.post("/api/v2/batch", json={"batch": list(operations)})

    def close(self) -> None:
        self.track.close()
        self.app.close()


@pytest.fixture
def serve(host: Host) -> Iterator[Callable[[Workspace], Served]]:
    servers: list[Served] = []

    def served(workspace: Workspace) -> Served:
        servers.append(Served(workspace, host))
        return servers[-1]

    yield served
    for server in servers:
        server.close()


@pytest.fixture
def served(workspace: Workspace, serve: Callable[[Workspace], Served]) -> Served:
    return serve(workspace)


def _identify(timestamp: int | None = None, relationships: Any = None, **arguments: Any) -> dict[str, Any]:
    kind = next(name for name in ("cio_id", "id", "email") if name in arguments)
    operation = {
        "type": "person",
        "action": "identify",
        "identifiers": {kind: arguments[kind]},
        "attributes": {name.removeprefix("set_"): arguments[name] for name in arguments if name != kind},
    }
    if timestamp is not None:
        operation["timestamp"] = timestamp
    if relationships is not None:
        operation["cio_relationships"] = relationships
    return operation


@pytest.fixture(scope="session")
def identify() -> Callable[..., dict[str, Any]]:
    """Write an identify: the first of cio_id, id and email addresses, all else is an attribute (set_id: id)."""
    return _identify


def _act(action: str, **arguments: Any) -> dict[str, Any]:
    kind = next((name for name in ("cio_id", "id", "email") if name in arguments), None)
    named = {} if kind is None else {"identifiers": {kind: arguments.pop(kind)}}
    return {"type": "person", "action": action, **named, **arguments}


@pytest.fixture(scope="session")
def act() -> Callable[..., dict[str, Any]]:
    """Write any other operation on a person."""
    return _act


def _event(name: str, *, event_id: str | None = None, **arguments: Any) -> dict[str, Any]:
    identified = {} if event_id is None else {"id": event_id}
    kind = next(kind for kind in ("cio_id", "id", "email") if kind in arguments)
    operation = {
        "type": "person",
        "action": "event",
        "identifiers": {kind: arguments.pop(kind)},
        "name": name,
        **identified,
    }
    return operation | arguments


@pytest.fixture(scope="session")
def event() -> Callable[..., dict[str, Any]]:
    """Write an event; the keyword that names the person is an identifier, event_id is the event's own."""
    return _event
