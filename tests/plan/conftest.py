"""A desk to plan at: a few customers in a real warehouse, a clock to move, and a Customer.io that answers at once."""

import json
from array import array
from collections.abc import Callable, Mapping
from copy import deepcopy
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import duckdb
import pytest

from stripe_cio_pipeline.deliver.ledger import Group, Settled, record
from stripe_cio_pipeline.deliver.outcome import Problem
from stripe_cio_pipeline.plan import Plan, make_plan
from stripe_cio_pipeline.policy import Policy, parse_policy
from stripe_cio_pipeline.warehouse import Connection, Warehouse, last_seq, next_seq, read_script
from stripe_cio_pipeline.warehouse.connection import spare_searching_for_pandas
from stripe_cio_pipeline.warehouse.migrations import migrate

START = 1_800_000_000.0
MEMBERS = read_script("stripe_cio_pipeline.model.sql", "members")

TABLES = """
create table model.customers (id varchar, email varchar, created bigint, deleted boolean);
create table model.subscriptions (customer_id varchar, status varchar);
create table model.charges (customer_id varchar, status varchar, created bigint);
create table model.members (
    customer_id varchar, person_id varchar, role varchar, email varchar, email_key varchar, reason varchar
);
create table model.people (
    person_id varchar, id varchar, email varchar, name varchar, plans varchar[], mrr decimal(18, 2),
    stripe_deleted_at bigint, phone varchar, _seq bigint, _source_event_id varchar, _rejected varchar
);
create table model.events (
    event_id varchar, type varchar, customer_id varchar, created bigint, name varchar, guest_email varchar, data json
);
"""

# What a build tells the plan: docs/architecture.md, "The plan".
FORMER_OWNERS = """
create or replace temp table former_owners as
select email_key, person_id from model.members where role = 'owner'
"""
NEW_OWNERS = """
insert into model.new_owners
select email_key, person_id from model.members where role = 'owner' and email_key is not null
except
from former_owners
"""

PEOPLE = """
select
    m.person_id,
    case $strategy when 'email' then null when 'metadata' then n.metadata_id else m.person_id end,
    m.email, n.name, n.plans, n.mrr, n.stripe_deleted_at, n.phone, 0, n.source_event_id, n.rejected
from model.members as m
join names as n on n.id = m.person_id
where m.role = 'owner'
order by m.person_id
"""


@cache
def _migrated() -> tuple[TemporaryDirectory[str], Path]:
    """Make a warehouse with all steps of the schema, once in a process: to copy it takes a third of the time."""
    folder = TemporaryDirectory(prefix="migrated-")
    place = Path(folder.name) / "migrated.duckdb"
    with duckdb.connect(place) as connection:
        migrate(connection)
    return folder, place


class InMemory(Warehouse):
    """A warehouse that stays open: every piece of work has a connection of its own, and no file is opened for it."""

    def __init__(self) -> None:
        super().__init__(":memory:")
        spare_searching_for_pandas()
        self._root = duckdb.connect(":memory:", config={"threads": 1})
        _, place = _migrated()
        self._root.execute(f"attach '{place}' as migrated (read_only)")
        self._root.execute("copy from database migrated to memory")
        self._root.execute("detach migrated")

    def _open(self, *, read_only: bool) -> Connection:
        return self._root.cursor()

    @property
    def exists(self) -> bool:
        return True


@dataclass
class Desk:
    """`customer` says what Stripe has, `plan` plans, `accept` delivers without a network, `wait` lets time pass."""

    warehouse: Warehouse
    policy: Policy = field(default_factory=Policy)
    at: float = START
    customers: dict[str, dict[str, Any]] = field(default_factory=dict)
    last: Plan | None = None
    _known: dict[str, tuple[Any, ...]] = field(default_factory=dict)
    _modelled: tuple[Any, ...] = ()

    def __post_init__(self) -> None:
        with self.warehouse.transaction() as connection:
            connection.execute(TABLES)

    def set_policy(self, **sections: Mapping[str, Any]) -> None:
        self.policy = parse_policy({"guard": {"first_load": "send"}, **sections})

    def customer(self, customer_id: str, /, **fields: Any) -> None:
        known = self.customers.setdefault(customer_id, {"created": len(self.customers) + 1, "deleted": False})
        known.update(fields)

    def event(
        self,
        event_id: str,
        customer: str | None,
        created: int,
        type_: str = "invoice.paid",
        *,
        guest: str | None = None,
    ) -> None:
        with self.warehouse.transaction() as connection:
            connection.execute(
                "insert into model.events values (?, ?, ?, ?, ?, ?, ?)",
                [event_id, type_, customer, created, type_, guest, '{"amount":10.5}'],
            )

    def wait(self, seconds: float = 31) -> None:
        self.at += seconds

    def model(self) -> None:
        """Write what a build would; nothing where nothing has changed since the last one."""
        present = deepcopy(self.customers), self.policy.identity.strategy
        if present == self._modelled:
            return
        self._modelled = present
        with self.warehouse.transaction() as connection:
            self._write_customers(connection)
            connection.execute("set search_path = 'model'")
            connection.execute(FORMER_OWNERS)
            connection.execute(f"create or replace table model.members as {MEMBERS}")
            connection.execute(NEW_OWNERS)
            connection.execute("set search_path = 'main'")
            rows = connection.execute(PEOPLE, {"strategy": self.policy.identity.strategy}).fetchall()
            seq = next_seq(connection)
            numbered = []
            for row in rows:
                before = self._known.get(row[0])
                same = before is not None and before[:8] == row[:8]
                numbered.append((*row[:8], before[8] if same and before else seq, *row[9:]))
            for gone in self._known.keys() - {row[0] for row in rows}:
                connection.execute("insert into model.former_people values (?)", [gone])
            self._known = {row[0]: row for row in numbered}
            connection.execute("delete from model.people")
            for row in numbered:
                connection.execute(
                    "insert into model.people values (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
                    list(row),
                )

    def _write_customers(self, connection: Connection) -> None:
        connection.execute(
            "create or replace temp table names (id varchar, name varchar, plans varchar[], mrr decimal(18, 2), "
            "stripe_deleted_at bigint, metadata_id varchar, source_event_id varchar, rejected varchar, phone varchar)"
        )
        for table in ("customers", "subscriptions", "charges"):
            connection.execute(f"delete from model.{table}")
        for name, fields in self.customers.items():
            deleted = fields["deleted"]
            connection.execute(
                "insert into model.customers values (?, ?, ?, ?)",
                [name, fields.get("email"), fields["created"], deleted],
            )
            if fields.get("status"):
                connection.execute("insert into model.subscriptions values (?, ?)", [name, fields["status"]])
            if fields.get("paid_at"):
                connection.execute("insert into model.charges values (?, 'succeeded', ?)", [name, fields["paid_at"]])
            connection.execute(
                "insert into names values (?, ?, ?, ?, ?, ?, ?, ?, ?)",
                [
                    name,
                    fields.get("name", name),
                    fields.get("plans"),
                    fields.get("mrr"),
                    int(START) if deleted else None,
                    fields.get("metadata_id"),
                    fields.get("source_event_id"),
                    fields.get("rejected"),
                    fields.get("phone"),
                ],
            )

    def plan(self, *, full: bool = False, events_since: float | None = None) -> list[str]:
        """Model and plan; give what is planned as `person reason` lines, by person, events last."""
        self.model()
        self.last = make_plan(
            self.warehouse,
            self.policy,
            run_id="run",
            now=lambda: self.at,
            full=full,
            events_since=events_since,
        )
        rows = sorted(self.rows(), key=lambda row: (row["action"] == "event", row["person_id"]))
        return [f"{row['person_id']} {row['reason']}" for row in rows]

    def rows(self) -> list[dict[str, Any]]:
        with self.warehouse.reading() as connection:
            found = connection.execute("from customerio.plan order by position")
            names = [column[0] for column in found.description or ()]
            rows = [dict(zip(names, row, strict=True)) for row in found.fetchall()]
        for row in rows:
            for name in ("operation", "before", "after"):
                row[name] = json.loads(row[name]) if row[name] else None
        return rows

    def row(self, person: str) -> dict[str, Any]:
        (found,) = (row for row in self.rows() if row["person_id"] == person)
        return found

    def accept(self) -> None:
        """Customer.io accepts the whole plan."""
        self.answer(set())

    def answer(self, refused: set[int]) -> None:
        """Customer.io refuses what stands at these places of the plan, counted from 0, and accepts the rest."""
        positions = [row["position"] for row in self.rows() if row["action"] != "hold"]
        problems = {
            positions[place]: Problem("invalid", "attributes.name") for place in refused if place < len(positions)
        }
        with self.warehouse.transaction() as connection:
            group = Group([Settled(array("q", positions), problems, "call", self.at, self.at)] if positions else [])
            plan = self.last.plan_id if self.last else ""
            record(connection, group, plan_id=plan, run_id="run", mark=last_seq(connection))
            connection.execute(
                "update customerio.plans set delivered_at = ? where delivered_at is null",
                [datetime.fromtimestamp(self.at, UTC).replace(tzinfo=None)],
            )

    def sync(self) -> list[str]:
        """Plan, have it accepted, and wait until links have settled."""
        planned = self.plan()
        self.accept()
        self.wait()
        return planned

    def ledger(self, person: str) -> dict[str, Any]:
        with self.warehouse.reading() as connection:
            found = connection.execute("from customerio.people where person_id = ?", [person])
            names = [column[0] for column in found.description or ()]
            row = found.fetchone()
        assert row is not None, f"{person} is not in the ledger"
        return dict(zip(names, row, strict=True))

    def change_ledger(self, person: str, **columns: Any) -> None:
        """What verification and look-ups write: a state, a reason, a cio_id."""
        with self.warehouse.transaction() as connection:
            seq = next_seq(connection)
            for name, value in columns.items():
                connection.execute(f"update customerio.people set {name} = ? where person_id = ?", [value, person])
            connection.execute("update customerio.people set seq = ? where person_id = ?", [seq, person])


@pytest.fixture
def open_desk() -> Callable[[], Desk]:
    def opened() -> Desk:
        desk = Desk(InMemory())
        desk.set_policy()
        return desk

    return opened


@pytest.fixture
def desk(open_desk: Callable[[], Desk]) -> Desk:
    return open_desk()


@pytest.fixture
def desk_on_disk(tmp_path: Path) -> Desk:
    desk = Desk(Warehouse(tmp_path / "desk.duckdb", lock_wait_seconds=5))
    desk.set_policy()
    return desk
