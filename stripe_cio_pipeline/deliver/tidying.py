"""Retention: what has grown old goes, and the file gets smaller. What certainty and once-only rest on stays."""

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from stripe_cio_pipeline.policy import Policy
from stripe_cio_pipeline.warehouse import Connection, Statements, Warehouse, read_cursor, rewrite, write_cursor

_SQL = Statements("stripe_cio_pipeline.deliver.sql")
_DAY = 86_400
#: How many plans and answers were taken away: planning counts them with those that are left.
_TAKEN = "tidy.settled"


@dataclass(frozen=True, slots=True)
class TakenAway:
    """What was taken away, in rows. Of an event that was emptied its id, type and time are left."""

    requests: int
    operations: int
    events_emptied: int
    events_deleted: int


@dataclass(frozen=True, slots=True)
class TidyReport:
    """What was taken away, and the file's size in bytes before and after."""

    taken: TakenAway
    bytes_before: int
    bytes_after: int


def tidy(warehouse: Warehouse, policy: Policy, *, now: Callable[[], float] = time.time) -> TidyReport:
    """Take away what is older than `retention` says, and write the file anew. The caller has the turn."""
    place = Path(warehouse.location)
    before = place.stat().st_size
    with warehouse.transaction() as connection:
        taken = take_away(connection, policy, now())
    rewrite(warehouse)
    return TidyReport(taken, before, place.stat().st_size)


def take_away(connection: Connection, policy: Policy, now: float) -> TakenAway:
    """Take away what is older than `retention` says, in the caller's transaction. `now` is unix seconds.

    The ledger stays. So does, of each person, every removal, the write that brought what Customer.io has of each
    attribute, and what tells its cause. Events that were sent keep their id, type and time, and lose their data; events
    that nobody forwards go; those that wait for their person stay.
    """
    kept = policy.retention
    writes = {"before": _moment(now - kept.operations_days * _DAY)}
    requests = _changed(connection, "old_requests", {"before": _moment(now - kept.requests_days * _DAY)})
    for name in ("old_runs", "old_proofs"):
        connection.execute(_SQL[name], writes)
    connection.execute(_SQL["create_past"], writes)
    connection.execute(_SQL["create_kept"])
    while _changed(connection, "keep_causes"):
        pass  # what tells a cause has one too
    connection.execute(_SQL["old_findings"], writes)
    operations = _changed(connection, "old_operations")
    settled = _changed(connection, "old_answers", writes) + _changed(connection, "old_plans", writes)
    if settled:
        write_cursor(connection, _TAKEN, str(settled + int(read_cursor(connection, _TAKEN) or 0)))
    created = {"before": int(now) - kept.events_days * _DAY}
    emptied = _changed(connection, "empty_old_events", created)
    connection.execute(_SQL["empty_old_data"], created)
    return TakenAway(requests, operations, emptied, _changed(connection, "old_events", created))


def _changed(connection: Connection, name: str, parameters: Mapping[str, object] | None = None) -> int:
    return int(connection.execute(_SQL[name], parameters or {}).fetchall()[0][0])


def _moment(seconds: float) -> datetime:
    return datetime.fromtimestamp(seconds, UTC).replace(tzinfo=None)
