"""The warehouse's own list of runs: what `status` and alerts go by when Dagster's storage is elsewhere, or gone."""

import json
import time
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from typing import Literal

from stripe_cio_pipeline.warehouse import Connection, Statements, Warehouse, replace

_SQL = Statements("stripe_cio_pipeline.sync.sql")

Kind = Literal["sync", "reconcile", "verify", "overview", "tidy", "listen"]


def begin_run(warehouse: Warehouse, run_id: str, kind: Kind, now: Callable[[], float] = time.time) -> None:
    """Note that a run has begun. A step that is tried again begins it anew."""
    with warehouse.transaction() as connection:
        _write(connection, run_id, kind, now)


def finish_run(
    warehouse: Warehouse,
    run_id: str,
    kind: Kind,
    outcome: str,
    summary: Mapping[str, object],
    now: Callable[[], float] = time.time,
) -> None:
    """Note how a run ended: `done`, `stopped by the guard`, `dry run, nothing sent`, or the name of the error."""
    with warehouse.transaction() as connection:
        known = connection.execute(_SQL["has_run"], {"run_id": run_id}).fetchone()
        if not (known and known[0]):
            # Only the end of the way was materialized.
            _write(connection, run_id, kind, now)
        connection.execute(
            _SQL["finish_run"],
            {
                "run_id": run_id,
                "finished_at": _moment(now()),
                "outcome": outcome,
                "summary": json.dumps(dict(summary)),
            },
        )


def _write(connection: Connection, run_id: str, kind: Kind, now: Callable[[], float]) -> None:
    row = {"run_id": run_id, "kind": kind, "started_at": _moment(now())}
    replace(connection, "pipeline.runs", ["run_id"], [row])


def _moment(unix_seconds: float) -> datetime:
    return datetime.fromtimestamp(unix_seconds, UTC).replace(tzinfo=None)
