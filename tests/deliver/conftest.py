"""Plans written straight into the warehouse, and a Customer.io on loopback that takes them."""

import json
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from itertools import count
from typing import Any

import pytest

from stripe_cio_pipeline.deliver import DeliveryReport, Patience, deliver
from stripe_cio_pipeline.policy import Policy, parse_policy
from stripe_cio_pipeline.sandbox import CustomerioSwitches, Sandbox
from stripe_cio_pipeline.settings import Settings
from stripe_cio_pipeline.warehouse import Warehouse
from tests.plan.ulids import event_ulid

#: Retries as fast as they can be, so that a test waits for nothing.
QUICK = Patience(attempts=3, seconds=10.0, first=0.001, longest=0.002, jitter=0.0)
#: As fast as the machine allows, in small calls.
POLICY = parse_policy({"customerio": {"requests_per_second": 1000}})

Row = dict[str, Any]
#: A plan that was answered is never made again under its name.
_PLANS = count(1)


def identify(number: int, **attributes: Any) -> Row:
    """A customer who is linked by email."""
    person, email = f"cus_{number:06}", f"customer-{number}@example.com"
    after = {"id": person, "email": email, **attributes}
    operation = {"type": "person", "identifiers": {"email": email}, "action": "identify", "attributes": after}
    return {"action": "identify", "person_id": person, "operation": operation, "before": {}, "after": after}


def update(number: int, before: dict[str, Any] | None = None, **after: Any) -> Row:
    """A change of attributes of a linked person."""
    person = f"cus_{number:06}"
    operation = {
        "type": "person",
        "identifiers": {"id": person},
        "action": "identify",
        "attributes": {**after, "_update": True},
    }
    return {"action": "update", "person_id": person, "operation": operation, "before": before or {}, "after": after}


def removal(number: int, action: str) -> Row:
    """A deletion or a suppression."""
    person = f"cus_{number:06}"
    operation = {"type": "person", "identifiers": {"id": person}, "action": action}
    return {"action": action, "person_id": person, "operation": operation, "before": {"id": person}, "after": None}


def event(number: int, event_id: str, *, name: str = "invoice.paid", created: int = 1_800_000_000, **data: Any) -> Row:
    """A Stripe event of a linked person."""
    person = f"cus_{number:06}"
    operation = {
        "type": "person",
        "identifiers": {"id": person},
        "action": "event",
        "name": name,
        "id": event_ulid(event_id, created),
        "timestamp": created,
        "attributes": data,
    }
    return {"action": "event", "person_id": person, "event_id": event_id, "operation": operation}


def hold(number: int, reason: str = "email_in_use") -> Row:
    """Somebody about whom nothing is sent, with the reason."""
    return {"action": "hold", "person_id": f"cus_{number:06}", "reason": reason, "operation": None}


def write_plan(warehouse: Warehouse, rows: Sequence[Row], *, plan_id: str = "plan-1", guard: Any = None) -> str:
    """Put a plan into the warehouse as planning does."""
    with warehouse.transaction() as connection:
        connection.execute("delete from customerio.operations where position in (select position from customerio.plan)")
        connection.execute("delete from customerio.plans where delivered_at is null")
        ((first,),) = connection.execute(
            "select coalesce(max(last_position), 0) + 1 from customerio.answers"
        ).fetchall()
        connection.execute(
            "insert into customerio.plans (plan_id, run_id, first_position, planned_at, counts, guard)"
            " select ?, 'run', ?, now()::timestamp + count(*)::int * interval 1 second, '{}', ? from customerio.plans",
            [plan_id, first, json.dumps(guard or {"stopped": False, "findings": []})],
        )
        connection.execute(
            """
            insert into customerio.operations
                (plan_id, position, action, person_id, event_id, reason, operation, before, after, source_event_id)
            from (
                select unnest(from_json(?::json, '[{
                    "plan_id": "varchar", "position": "bigint", "action": "varchar", "person_id": "varchar",
                    "event_id": "varchar", "reason": "varchar", "operation": "varchar", "before": "varchar",
                    "after": "varchar", "source_event_id": "varchar"}]'), recursive := true)
            )
            """,
            [json.dumps(_lines(plan_id, first, rows))],
        )
        connection.execute("delete from customerio.next_people")
        columns = "person_id, seq, state, reason, id, email, attributes"
        found = connection.execute(f"select {columns} from customerio.people").fetchall()
        known = {row[0]: dict(zip(columns.split(", "), row, strict=True)) for row in found}
        moving = [
            (position, row["person_id"], *_becomes(row, known.get(row["person_id"], {})))
            for position, row in enumerate(rows, first)
            if row["action"] not in ("event", "hold")
        ]
        if moving:
            connection.executemany("insert into customerio.next_people values (?, ?, ?, ?, ?, ?, ?, ?)", moving)
    return plan_id


def _becomes(row: Row, known: Row) -> tuple[Any, ...]:
    """Say what a person is once this is accepted, as planning would: a `row` may name its own `state` and `reason`."""
    seen, after = known.get("seq"), row.get("after") or {}
    if row["action"] in ("delete", "suppress") or "id" in row["operation"].get("secondary", {}):
        state = "suppressed" if row["action"] == "suppress" else "deleted"
        return seen, state, known.get("id"), None, "{}", None
    attributes = {**json.loads(known.get("attributes") or "{}"), **after}
    attributes = {name: value for name, value in attributes.items() if value is not None}
    state, reason = "linking", None
    if row["action"] == "update":
        is_still = known.get("state") == "conflict" and not after.keys() & {"id", "email"}
        state, reason = ("conflict", known["reason"]) if is_still else ("linked", None)
    whole = None if row["action"] == "identify" and attributes == after else _text(attributes)
    return seen, state, attributes.get("id", known.get("id")), attributes.get("email"), whole, reason


def _lines(plan_id: str, first: int, rows: Sequence[Row]) -> list[Row]:
    return [
        {
            "plan_id": plan_id,
            "position": position,
            "action": row["action"],
            "person_id": row.get("person_id"),
            "event_id": row.get("event_id"),
            "reason": row.get("reason", "attributes_changed"),
            "operation": None if row.get("operation") is None else _text(row["operation"]),
            "before": None if row.get("before") is None else _text(row["before"]),
            "after": None if row.get("after") is None else _text(row["after"]),
            "source_event_id": row.get("source_event_id"),
        }
        for position, row in enumerate(rows, first)
    ]


def _text(value: Any) -> str:
    return json.dumps(value, separators=(",", ":"), ensure_ascii=False)


@dataclass
class World:
    """A warehouse, a workspace, and what leads from one to the other."""

    warehouse: Warehouse
    sandbox: Sandbox
    policy: Policy = POLICY
    runs: int = field(default=0)

    @property
    def settings(self) -> Settings:
        names = {name.lower(): value for name, value in self.sandbox.environment().items()}
        return Settings(_env_file=None, **names)  # type: ignore[arg-type,call-arg]

    @property
    def workspace(self) -> Any:
        return self.sandbox.customerio

    def plan(self, *rows: Row, **more: Any) -> str:
        return write_plan(self.warehouse, rows, plan_id=more.pop("plan_id", f"plan-{next(_PLANS)}"), **more)

    def deliver(self, *rows: Row, **more: Any) -> DeliveryReport:
        """Deliver these rows, or what stands in the plan."""
        if rows:
            self.plan(*rows)
        self.runs += 1
        arguments = {"run_id": f"run-{self.runs}", "patience": QUICK, **more}
        return deliver(self.warehouse, self.settings, arguments.pop("policy", self.policy), **arguments)

    def ask(self, statement: str, *parameters: Any) -> list[tuple[Any, ...]]:
        with self.warehouse.reading() as connection:
            return connection.execute(statement, list(parameters)).fetchall()

    def ledger(self, number: int) -> dict[str, Any]:
        columns = ("state", "id", "email", "cio_id", "attributes", "reason")
        (row,) = self.ask(f"select {', '.join(columns)} from customerio.people where person_id = ?", f"cus_{number:06}")
        return {**dict(zip(columns, row, strict=True)), "attributes": json.loads(row[4] or "null")}


MakeWorld = Callable[..., World]


@pytest.fixture
def make_world(warehouse: Warehouse) -> Iterator[MakeWorld]:
    """Make a world whose Customer.io is awkward, unless `gentle`, with these switches; nobody is late by chance."""
    running: list[Sandbox] = []

    def made(*, gentle: bool = False, policy: Policy = POLICY, **switches: Any) -> World:
        chosen = CustomerioSwitches.gentle() if gentle else CustomerioSwitches.awkward()
        told = {"lagging_share": 0.0, "left_out_share": 0.0, "requests_per_second": None}
        for name, value in {**told, "app_requests_per_second": None, **switches}.items():
            setattr(chosen, name, value)
        sandbox = Sandbox(customers=0, leads=0, customerio=chosen).start()
        running.append(sandbox)
        return World(warehouse, sandbox, policy)

    yield made
    for sandbox in running:
        sandbox.stop()


@pytest.fixture
def world(make_world: MakeWorld) -> World:
    return make_world()
