"""Making the plan: what Customer.io should have against what it has accepted, person by person, in SQL.

The statements in `sql/` run one after the other in one transaction. All but the last ones write temporary tables only,
so that a preview runs the same way on a read-only connection.
"""

import hashlib
import json
import time
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import asdict, replace
from datetime import UTC, datetime
from typing import Any

from stripe_cio_pipeline.event_types import meant
from stripe_cio_pipeline.plan.attributes import Attribute, attributes
from stripe_cio_pipeline.plan.measuring import Counted, measure
from stripe_cio_pipeline.plan.reasons import REASONS
from stripe_cio_pipeline.plan.values import Plan, PlanCounts, Preview, PreviewRow
from stripe_cio_pipeline.policy import Policy
from stripe_cio_pipeline.warehouse import Connection, Statements, Warehouse, read_cursors, write_cursor

SQL = Statements("stripe_cio_pipeline.plan.sql")

#: From so many people who have moved, and from this share of all, everybody is looked at.
MANY = 10_000
MUCH = 0.1

_OPERATIONS = "customerio.operations"
_IDENTIFIERS = ("id", "email")
#: A position that no operation has.
_BEYOND = 2**62
_PLANNED = ("identify", "update", "delete", "suppress", "merge", "hold", "event")


def make_plan(
    warehouse: Warehouse,
    policy: Policy,
    *,
    run_id: str,
    now: Callable[[], float] = time.time,
    full: bool = False,
    events_since: float | None = None,
    links_are_seen: bool = False,
) -> Plan:
    """Decide what the next delivery sends, and let it stand in `customerio.plan` in place of what was not delivered.

    Only people who may have changed are compared, unless `full` is set, nothing was planned before, or a policy that
    the decisions rest on is another than last time: the result is the same. `now` is this machine's clock in unix
    seconds; `events_since` (unix seconds of Stripe's clock) forwards events from then on, whatever policy says.
    `links_are_seen`: somebody looks whether accepted links were applied (`deliver.look_at_links`), and nothing is
    addressed by an id before that; without it a link counts once it had `identity.settle_seconds` to settle.
    """
    started = time.perf_counter()
    with warehouse.transaction() as connection:
        planning = _Planning(
            connection, policy, now(), full=full, events_since=events_since, links_are_seen=links_are_seen
        )
        planning.decide()
        connection.execute(SQL["settings_for_plan"])
        planning.empty()
        plan = planning.write(_OPERATIONS)
        planning.keep(plan, run_id)
        return replace(plan, seconds=time.perf_counter() - started)


def preview(
    warehouse: Warehouse,
    policy: Policy,
    *,
    limit: int | None = None,
    now: Callable[[], float] = time.time,
    full: bool = False,
    events_since: float | None = None,
    links_are_seen: bool = False,
) -> Preview:
    """Give the plan that would be made now, with its first `limit` rows, without writing anything.

    `events_since` and `links_are_seen` are those of `make_plan`. Raises WarehouseMissing where nothing was ever synced.
    """
    started = time.perf_counter()
    with warehouse.reading() as connection:
        planning = _Planning(
            connection, policy, now(), full=full, events_since=events_since, links_are_seen=links_are_seen
        )
        planning.decide()
        connection.execute(SQL["previewed_operations"])
        plan = planning.write("previewed_operations")
        rows = connection.execute(SQL["preview_rows"], {"rows": limit}).fetchall()
    return Preview(
        plan=replace(plan, seconds=time.perf_counter() - started),
        rows=tuple(
            PreviewRow(
                action=action,
                person_id=person,
                reason=reason,
                explanation=explanation,
                before=json.loads(before or "{}"),
                after=json.loads(after or "{}"),
                event_id=event,
                source_event_id=source,
            )
            for action, person, event, reason, explanation, before, after, source in rows
        ),
    )


class _Planning:
    """One plan inside the caller's transaction."""

    def __init__(
        self,
        connection: Connection,
        policy: Policy,
        now: float,
        *,
        full: bool = False,
        events_since: float | None = None,
        links_are_seen: bool = False,
    ) -> None:
        self._connection = connection
        self._policy = policy
        self._now = now
        self._events_since = events_since
        self._links_are_seen = links_are_seen
        self._has_decisions = False
        self._cursors = read_cursors(connection)
        self._attributes = attributes(connection)
        self._names, self._kept = self._attribute_names()
        self._basis = _basis(policy, self._attributes)
        mark = self._cursors.get("plan.seq")
        self.full = full or mark is None or self._cursors.get("plan.basis") != self._basis
        self._mark = int(mark or -1)
        # Where the last plan begins, and after which position this one does.
        self._first = int(_one(connection, SQL["last_first_position"]))
        self._start = int(_one(connection, SQL["last_position"]))
        self._approved = self._remember_standing()

    def _remember_standing(self) -> bool:
        """Set aside what the last plan left without an answer, and tell whether any of it was approved."""
        # Mostly everything was answered, and looking for what was not would read the whole of it.
        is_any = _one(self._connection, SQL["count_standing"], {"first": self._first})
        first = {"first": self._first if is_any else _BEYOND}
        self._connection.execute(SQL["standing"], first)
        self._connection.execute(SQL["approved_rows"], first)
        return bool(_one(self._connection, "select count(*) from approved_rows"))

    def _attribute_names(self) -> tuple[list[str], list[str]]:
        """Name what is compared, and what is kept as it was accepted.

        Compared are the model's attributes. Those that it once had are removed with them, or kept where policy leaves
        them. Identifiers are decided apart.
        """
        names = [attribute.name for attribute in self._attributes if attribute.name not in _IDENTIFIERS]
        former = [name for name in json.loads(self._cursors.get("plan.attributes", "[]")) if name not in names]
        if self._policy.customerio.removed_attribute == "unset":
            return names + former, [*_IDENTIFIERS]
        return names, [*_IDENTIFIERS, *former]

    def decide(self) -> None:
        """Fill the temporary tables: from who is looked at to one decision a person."""
        execute = self._connection.execute
        identity = self._policy.identity
        execute(
            SQL["terms"],
            {
                "now": _moment(self._now),
                "strategy": identity.strategy,
                "settle_seconds": identity.settle_seconds,
                "merge": identity.merge,
                "on_delete": identity.on_delete,
                "without_email": identity.without_email,
                "links_are_seen": self._links_are_seen,
            },
        )
        execute(SQL["wordings"], {"reasons": list(REASONS), "sentences": list(REASONS.values())})
        execute(SQL["operation_macros"])
        execute(SQL["lost_all" if self.full else "lost_new"])
        execute(SQL["orphans"])
        execute(SQL["successions"])
        self._look()
        execute(SQL["ledger"])
        members = ", ".join(attribute.json_member for attribute in self._attributes)
        columns = ", ".join(attribute.column for attribute in self._attributes)
        execute(SQL["people_attributes"].format(attributes=members, columns=columns))
        execute(SQL["compared"])
        names = [*self._names, *self._kept]
        paths = [f'$."{name}"' for name in names]
        if _one(self._connection, "select count(*) from compared where differs"):
            execute(SQL["changes"], {"names": names, "paths": paths, "kept": self._kept})
        else:
            execute(SQL["no_changes"])
        execute(SQL["candidates"])
        self._has_decisions = bool(_one(self._connection, "select count(*) from candidates")) and self._decide_each()
        if not self._has_decisions:
            execute(SQL["no_decisions"])
        self._choose_events()

    def _decide_each(self) -> bool:
        """Decide about each candidate; tell whether anything is to be done about anybody."""
        execute = self._connection.execute
        for statement in ("wanted", "addresses"):
            execute(SQL[statement])
        is_any = _one(self._connection, SQL["count_suppressed"])
        execute(SQL["suppressed_people" if is_any else "no_suppressed_people"])
        execute(SQL["id_holders" if self._policy.identity.strategy == "metadata" else "no_id_holders"])
        for statement in ("joined_people", "facts", "rings", "steps", "decisions"):
            execute(SQL[statement])
        return bool(_one(self._connection, "select count(*) from decisions"))

    def _choose_events(self) -> None:
        """Choose the events that are forwarded now, and name the reason for those that are not."""
        execute, events = self._connection.execute, self._policy.events
        again = self._events_since is not None
        execute(SQL["unsent_events"], {"since": self._since(), "types": meant(events.forward), "again": again})
        execute(SQL["guests"], {"guests": events.guests})
        execute(SQL["fresh_events"])
        execute(SQL["gone_events"])
        execute(SQL["skipped_events"])
        if _one(self._connection, "select count(*) from unsent_events"):
            for statement in ("event_ulid", "event_operation", "planned_events"):
                execute(SQL[statement])
        else:
            execute(SQL["no_planned_events"])

    def _look(self) -> None:
        """Choose whom to look at. Where much has moved, everybody: picking half of them takes longer than all."""
        execute = self._connection.execute
        if not self.full:
            moved, people = execute(SQL.since("count_moved", self._mark)).fetchall()[0]
            self.full = moved >= MANY and moved >= people * MUCH
        if self.full:
            execute(SQL["looked_at_all"])
        else:
            execute(SQL.since("suspects", self._mark))
            execute(SQL.since("looked_at_new", self._mark))
            if _one(self._connection, "select count(*) from others"):
                execute(SQL["looked_at_others"])
        if _one(self._connection, SQL["count_refused_values"]):
            self._leave_out_refused()

    def _leave_out_refused(self) -> None:
        """Take emails and phones that Customer.io has refused out of what is looked at."""
        has_phone = any(attribute.name == "phone" for attribute in self._attributes)
        names = ["email", "phone"] if has_phone else ["email"]
        execute = self._connection.execute
        execute(SQL["refused_values"].format(phone="p.phone::varchar" if has_phone else "null"))
        if self.full:
            left = ", ".join(f"if(r.{name}, null, p.{name}) as {name}" for name in names)
            execute(SQL["looked_at_without_refused"].format(replaced=left))
        else:
            left = ", ".join(f"{name} = if(r.{name}, null, looked_at.{name})" for name in names)
            execute(SQL["leave_out_refused"].format(replaced=left))

    def _since(self) -> int:
        """Unix second of Stripe's clock from which on events are forwarded."""
        if self._events_since is not None:
            return int(self._events_since)
        since = self._policy.events.since
        if isinstance(since, datetime):
            return int((since if since.tzinfo else since.replace(tzinfo=UTC)).timestamp())
        installed = self._cursors.get("events.since")
        return int(float(installed)) if installed is not None else int(self._now)

    def empty(self) -> None:
        """Give up what stands of the last plan."""
        if _one(self._connection, "select count(*) from standing"):
            self._connection.execute(SQL["delete_standing"], {"first": self._first})
        self._connection.execute(SQL["delete_undelivered"])
        self._connection.execute(SQL["delete_next_people"])

    def write(self, table: str) -> Plan:
        """Write operations to the plan's table (or its preview) and tell what they come to."""
        execute = self._connection.execute
        settled = int(_one(self._connection, SQL["count_settled"]))
        plan_id = str(_one(self._connection, SQL["hash_plan"], {"settled": settled}))
        position = {"plan_id": plan_id, "start": self._start}
        # A plan of nothing is the usual one, and to make ready for each of these takes longer than to look.
        if self._has_decisions:
            execute(SQL["planned_people"])
            execute(SQL["insert_people"].replace(_OPERATIONS, table), position)
        if _one(self._connection, "select count(*) from planned_events"):
            execute(SQL["insert_events"].replace(_OPERATIONS, table), position)
        counted = self._count(table)
        return Plan(
            plan_id=plan_id,
            counts=counted.counts,
            by_reason=counted.by_reason,
            by_attribute=dict(execute(SQL["count_attributes"]).fetchall()),
            guard=measure(
                self._connection,
                self._policy.guard,
                counted,
                table=table,
                start=self._start,
                is_approved=self._approved,
            ),
            planned_at=_moment(self._now),
            full=self.full,
        )

    def _count(self, table: str) -> Counted:
        execute = self._connection.execute
        rows = execute(SQL["count_rows"].replace(_OPERATIONS, table), {"start": self._start}).fetchall()
        waits = execute(SQL["count_open"]).fetchall()
        actions = dict.fromkeys(_PLANNED, 0)
        by_reason: dict[str, int] = {}
        for action, reason, number in rows:
            actions[action] += number
            by_reason[reason] = by_reason.get(reason, 0) + number
        for _, reason, number in waits:
            by_reason[reason] = by_reason.get(reason, 0) + number
        skipped = dict(execute(SQL["count_skipped"]).fetchall())
        sought = int(_one(self._connection, SQL["count_sought"]))
        by_reason |= skipped
        if sought:
            by_reason["event_of_sought_guest"] = sought
        totals = Counter(dict(execute(SQL["count_people"]).fetchall()))
        planned = sum(number for action, number in actions.items() if action != "event")
        turned_down = totals["decided"] - planned
        if turned_down:
            by_reason["rejected_before"] = turned_down
        people = totals["modelled"] + totals["orphaned"]
        keep = people - planned - totals["wait"] - totals["rejected"] - turned_down
        counts = PlanCounts(
            **actions,
            keep=keep,
            waiting=totals["wait"],
            rejected=totals["rejected"] + turned_down,
            people=people,
            waiting_events=totals["waiting_events"] + sought,
            rejected_events=totals["due_events"] - actions["event"],
            skipped_events=sum(skipped.values()),
        )
        return Counted(counts, totals["in_ledger"] - totals["unknown"], dict(sorted(by_reason.items())), rows)

    def keep(self, plan: Plan, run_id: str) -> None:
        """Move the ledger where nothing is sent, and remember how far we looked."""
        connection = self._connection
        if self._has_decisions:
            connection.execute(SQL["insert_next_people"], {"start": self._start})
        connection.execute(SQL["settle_ledger"])
        if plan.counts.people and not plan.guard.first_load and "plan.loaded" not in self._cursors:
            write_cursor(connection, "plan.loaded", plan.plan_id, run_id)
        if plan.counts.skipped_events:
            connection.execute(SQL["record_skipped"], {"run_id": run_id})
        if "event_of_sought_guest" in plan.by_reason:
            connection.execute(SQL["seek_guests"])
        owners, are_any = connection.execute(SQL["count_new_owners"]).fetchall()[0]
        if self.full or owners:
            connection.execute(SQL["new_owners_all" if self.full or are_any else "new_owners"])
            connection.execute(SQL["record_owners"])
        connection.execute(SQL["forget_owners"])
        connection.execute(SQL["remember_due"])
        if _one(connection, SQL["count_removed"]):
            connection.execute(SQL["wipe_removed"])
        told = {"by_reason": plan.by_reason, "by_attribute": plan.by_attribute, "full": plan.full}
        connection.execute(
            SQL["insert_summary"],
            {
                "plan_id": plan.plan_id,
                "run_id": run_id,
                "first_position": self._start + 1,
                "planned_at": plan.planned_at,
                "counts": json.dumps({**asdict(plan.counts), **told, **self._made_by()}),
                "guard": json.dumps(asdict(plan.guard)),
                "approved_at": plan.planned_at if plan.guard.approved else None,
            },
        )
        write_cursor(connection, "plan.seq", self._cursors.get("seq", "0"), run_id)
        if self._cursors.get("plan.basis") != self._basis:
            write_cursor(connection, "plan.basis", self._basis, run_id)
        # What once was an attribute is remembered while policy leaves it, because policy may change.
        names = json.dumps([name for name in (*self._names, *self._kept) if name not in _IDENTIFIERS])
        if self._cursors.get("plan.attributes") != names:
            write_cursor(connection, "plan.attributes", names, run_id)

    def _made_by(self) -> dict[str, str | None]:
        """Say by which models, and of which day, people were computed: what differs tells `explain` the cause."""
        ((models, day),) = self._connection.execute(SQL["made_by"]).fetchall()
        return {"models": models, "day": day}


def _basis(policy: Policy, columns: Sequence[Attribute]) -> str:
    identity = policy.identity
    parts = (
        identity.strategy,
        identity.metadata_key,
        identity.merge,
        identity.on_delete,
        identity.without_email,
        policy.customerio.removed_attribute,
        *(f"{column.name} {column.type}" for column in columns),
    )
    return hashlib.sha256(json.dumps(parts).encode()).hexdigest()


def _one(connection: Connection, statement: str, parameters: dict[str, Any] | None = None) -> Any:
    row = connection.execute(statement, parameters or {}).fetchone()
    return None if row is None else row[0]


def _moment(seconds: float) -> datetime:
    return datetime.fromtimestamp(seconds, UTC).replace(tzinfo=None)
