"""A Stripe side to ask, empty or lived in."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

import httpx
import pytest

from stripe_cio_pipeline.sandbox import CustomerioSwitches, Sandbox, StripeSwitches

START = 1_790_000_000


@dataclass
class Api:
    """Asks a sandbox over HTTP, as a program with a key does."""

    sandbox: Sandbox
    headers: dict[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        key = {"Authorization": f"Bearer {self.sandbox.stripe.restricted_key}"}
        self.http = httpx.Client(base_url=self.sandbox.stripe_url, headers={**key, **self.headers}, trust_env=False)

    def ask(self, path: str, query: str = "", **headers: str) -> httpx.Response:
        return self.http.get(f"/v1/{path}{'?' if query else ''}{query}", headers=headers)

    def get(self, path: str, query: str = "", **headers: str) -> Any:
        answer = self.ask(path, query, **headers)
        assert answer.status_code == 200, answer.text
        return answer.json()

    def refused(self, path: str, query: str = "", **headers: str) -> tuple[int, dict[str, Any]]:
        answer = self.ask(path, query, **headers)
        assert answer.status_code >= 400, answer.text
        return answer.status_code, answer.json()["error"]

    def ids(self, path: str, query: str = "") -> list[str]:
        return [row["id"] for row in self.get(path, query)["data"]]

    def walk(self, path: str, query: str = "", *, backwards: bool = False, limit: int = 100) -> list[dict[str, Any]]:
        """Page through a list by the rule for each direction; the order is that of arrival."""
        rows: list[dict[str, Any]] = []
        cursor = ""
        for _ in range(10_000):
            page = self.get(path, f"limit={limit}&{query}{cursor}")
            rows.extend(reversed(page["data"]) if backwards else page["data"])
            if not page["has_more"]:
                return rows
            edge = page["data"][0 if backwards else -1]["id"]
            cursor = f"&{'ending_before' if backwards else 'starting_after'}={edge}"
        raise AssertionError("the list does not end")


Start = Callable[..., Api]


@pytest.fixture
def start() -> Iterator[Start]:
    """Start a sandbox of the test's own; it is empty unless a number of customers is given."""
    running: list[Api] = []

    def begin(
        *, switches: StripeSwitches | None = None, customers: int = 0, headers: dict[str, str] | None = None, **kw: Any
    ) -> Api:
        sandbox = Sandbox(
            customers=customers,
            start=kw.pop("at", START),
            stripe=switches or StripeSwitches(late_events_share=0.0, duplicate_events_share=0.0),
            customerio=CustomerioSwitches.gentle(),
            **kw,
        )
        api = Api(sandbox.start(), headers or {})
        running.append(api)
        return api

    yield begin
    for api in running:
        api.http.close()
        api.sandbox.stop()


@pytest.fixture
def empty(start: Start) -> Api:
    """An account without anybody in it."""
    return start()


@pytest.fixture(scope="module")
def lively() -> Iterator[Api]:
    """An account of 120 customers that nobody changes."""
    with Sandbox(customers=120, start=START, leads=0, customerio=CustomerioSwitches.gentle()) as sandbox:
        api = Api(sandbox)
        yield api
        api.http.close()
