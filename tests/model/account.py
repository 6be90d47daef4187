"""Raw Stripe objects, put straight into the warehouse as extraction leaves them."""

import json
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from stripe_cio_pipeline.model import ModelReport, build
from stripe_cio_pipeline.policy import Policy, parse_policy
from stripe_cio_pipeline.warehouse import Warehouse, next_seq

Payload = dict[str, Any]

_EVENT_COLUMNS = "id, type, object_type, object_id, customer_id, created, deleted, payload, as_of, source, seq"
_OBJECT_COLUMNS = "id, customer_id, created, livemode, deleted, payload, as_of, source, source_event_id, seq"


class Account:
    """A warehouse with the raw rows of an account, and the model over it."""

    def __init__(self, location: Path | str) -> None:
        self.warehouse = Warehouse(location)

    def put(
        self, kind: str, *objects: Payload, deleted: bool = False, as_of: int = 1, event: str | None = None
    ) -> None:
        """Store objects in one transaction, replacing those of the same id."""
        columns = _EVENT_COLUMNS if kind == "events" else _OBJECT_COLUMNS
        with self.warehouse.transaction() as connection:
            seq = next_seq(connection)
            rows = [_row(kind, payload, deleted, as_of, event, seq) for payload in objects]
            marks = ", ".join("(" + ", ".join("?" for _ in row) + ")" for row in rows)
            connection.execute(f"delete from stripe.{kind} where list_contains(?, id)", [[row[0] for row in rows]])
            connection.execute(
                f"insert into stripe.{kind} ({columns}) values {marks}", [value for row in rows for value in row]
            )

    def load(self, objects: Mapping[str, list[Payload]]) -> None:
        for kind, payloads in objects.items():
            self.put(kind, *payloads)

    def build(
        self, policy: Policy | Mapping[str, Any] | None = None, *, full: bool = False, at: float | None = None
    ) -> ModelReport:
        """Build the model. `at` is the moment of the build, in unix seconds."""
        chosen = policy if isinstance(policy, Policy) else parse_policy(dict(policy or {}))
        return build(self.warehouse, chosen, run_id="run-1", full=full, now=time.time if at is None else lambda: at)

    def rows(self, query: str) -> list[dict[str, Any]]:
        with self.warehouse.reading() as connection:
            result = connection.execute(query)
            names = [column[0] for column in result.description]
            return [dict(zip(names, row, strict=True)) for row in result.fetchall()]

    def people(self) -> dict[str, dict[str, Any]]:
        return {row["person_id"]: row for row in self.rows("select * from model.people order by person_id")}

    def person(self, person_id: str) -> dict[str, Any]:
        return self.people()[person_id]


def _row(kind: str, payload: Payload, deleted: bool, as_of: int, event: str | None, seq: int) -> list[Any]:
    # `as_of` in a case is the row's; Stripe's payload has no such field.
    as_of = payload.get("as_of", as_of)
    deleted = deleted or payload.get("deleted") is True
    text = json.dumps({name: value for name, value in payload.items() if name != "as_of"})
    if kind == "events":
        subject = payload["data"]["object"]
        kind, id_ = subject.get("object"), subject.get("id")
        customer = id_ if kind == "customer" else subject.get("customer")
        about = [payload["type"], kind, id_, customer]
        return [payload["id"], *about, payload["created"], False, text, as_of, "event", seq]
    customer = payload["id"] if kind == "customers" else payload.get("customer")
    source = "list" if event is None else "event"
    livemode = payload.get("livemode", False)
    return [payload["id"], customer, payload.get("created"), livemode, deleted, text, as_of, source, event, seq]
