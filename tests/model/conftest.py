"""Raw Stripe objects, put straight into the warehouse as extraction leaves them."""

import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest

from stripe_cio_pipeline.model import ModelReport, build
from stripe_cio_pipeline.policy import Policy, parse_policy
from stripe_cio_pipeline.warehouse import Warehouse, next_seq

Payload = dict[str, Any]

_EVENT_COLUMNS = "id, type, customer_id, created, deleted, payload, as_of, source, seq"
_OBJECT_COLUMNS = "id, customer_id, created, livemode, deleted, payload, as_of, source, source_event_id, seq"


class Account:
    """A warehouse with the raw rows of an account, and the model over it."""

    def __init__(self, location: Path | str) -> None:
        self.warehouse = Warehouse(location)

    def put(
        self, kind: str, *objects: Payload, deleted: bool = False, as_of: int = 1, event: str | None = None
    ) -> None:
        """Store objects in one transaction, replacing those of the same id."""
        with self.warehouse.transaction() as connection:
            seq = next_seq(connection)
            for payload in objects:
                connection.execute(f"delete from stripe.{kind} where id = ?", [payload["id"]])
                text = json.dumps(payload)
                if kind == "events":
                    values: list[Any] = [
                        payload["id"], payload["type"], payload["data"]["object"].get("customer"),
                        payload["created"], False, text, as_of, "event", seq,
                    ]  # fmt: skip
                    columns = _EVENT_COLUMNS
                else:
                    customer = payload["id"] if kind == "customers" else payload.get("customer")
                    values = [
                        payload["id"], customer, payload.get("created"), payload.get("livemode", False), deleted,
                        text, as_of, "list" if event is None else "event", event, seq,
                    ]  # fmt: skip
                    columns = _OBJECT_COLUMNS
                marks = ", ".join("?" for _ in values)
                connection.execute(f"insert into stripe.{kind} ({columns}) values ({marks})", values)

    def load(self, objects: Mapping[str, list[Payload]]) -> None:
        for kind, payloads in objects.items():
            self.put(kind, *payloads)

    def build(self, policy: Policy | Mapping[str, Any] | None = None, *, full: bool = False) -> ModelReport:
        chosen = policy if isinstance(policy, Policy) else parse_policy(dict(policy or {}))
        return build(self.warehouse, chosen, run_id="run-1", full=full)

    def rows(self, query: str) -> list[dict[str, Any]]:
        with self.warehouse.reading() as connection:
            result = connection.execute(query)
            names = [column[0] for column in result.description]
            return [dict(zip(names, row, strict=True)) for row in result.fetchall()]

    def people(self) -> dict[str, dict[str, Any]]:
        return {row["person_id"]: row for row in self.rows("select * from model.people order by person_id")}

    def person(self, person_id: str) -> dict[str, Any]:
        return self.people()[person_id]


@pytest.fixture
def account(tmp_path: Path) -> Account:
    return Account(tmp_path / "warehouse.duckdb")


@pytest.fixture
def account_at() -> Callable[[Path], Account]:
    return Account
