"""Worlds to live in, each with a Customer.io as awkward as the documents allow."""

from collections.abc import Iterator
from typing import Any

import pytest

from stripe_cio_pipeline.deliver import client
from stripe_cio_pipeline.sandbox import Sandbox
from tests.identity.living import MakeWorld, World, awkward
from tests.plan.conftest import START


@pytest.fixture(autouse=True)
def _as_many_reads_as_there_are(monkeypatch: pytest.MonkeyPatch) -> None:
    """Ten reads a second are the App API's limit and not this one's."""
    monkeypatch.setattr(client, "APP_REQUESTS_PER_SECOND", 10_000.0)


@pytest.fixture
def make_world() -> Iterator[MakeWorld]:
    """Make a world with sections of a policy, with or without an App API key, and with these switches."""
    running: list[Sandbox] = []

    def made(*, policy: dict[str, Any] | None = None, has_app_key: bool = True, **switches: Any) -> World:
        sandbox = Sandbox(customers=0, leads=0, start=START, customerio=awkward(**switches), one_clock=True).start()
        running.append(sandbox)
        world = World(sandbox, has_app_key=has_app_key)
        world.set_policy(**(policy or {}))
        return world

    yield made
    for sandbox in running:
        sandbox.stop()


@pytest.fixture
def world(make_world: MakeWorld) -> World:
    return make_world()
