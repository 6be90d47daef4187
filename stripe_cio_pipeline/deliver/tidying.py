"""Retention: what has grown old goes, and the file gets smaller. What certainty and once-only rest on stays."""

import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from stripe_cio_pipeline.policy import Policy
from stripe_cio_pipeline.warehouse import Connection, Statements, Warehouse, rewrite

_SQL = Statements("stripe_cio_pipeline.deliver.sql")
_DAY = 86_400


@dataclass(frozen=True, slots=True)
class TidyReport:
    """What was taken away, in rows, and the file's size in bytes before and after."""

    requests: int
    events_emptied: int
    events_deleted: int
    bytes_before: int
    bytes_after: int


def tidy(warehouse: Warehouse, policy: Policy, *, now: Callable[[], float] = time.time) -> TidyReport:
    """Take away what is older than `retention` says, and write the file anew. The caller has the turn.

    Events that were sent keep their id, type and time, and lose their data; events that nobody forwards go. Events that
    wait for their person stay, and so do the ledger, and every operation with its answer.
    """
    place = Path(warehouse.location)
    before = place.stat().st_size
    kept = policy.retention
    with warehouse.transaction() as connection:
        moment = datetime.fromtimestamp(now() - kept.requests_days * _DAY, UTC).replace(tzinfo=None)
        created = int(now()) - kept.events_days * _DAY
        requests = _changed(connection, "old_requests", moment)
        emptied = _changed(connection, "empty_old_events", created)
        connection.execute(_SQL["empty_old_data"], {"before": created})
        deleted = _changed(connection, "old_events", created)
    rewrite(warehouse)
    return TidyReport(requests, emptied, deleted, before, place.stat().st_size)


def _changed(connection: Connection, name: str, before: object) -> int:
    row = connection.execute(_SQL[name], {"before": before}).fetchone()
    return int(row[0]) if row else 0
