"""The proof of completeness: counts and content hashes of both sides, by object type and month of `created`."""

from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from typing import Any

from stripe_cio_pipeline.extract.objects import StripeObject
from stripe_cio_pipeline.extract.reports import MonthProof, ObjectReconciliation
from stripe_cio_pipeline.warehouse import Connection, Statements

_SQL = Statements("stripe_cio_pipeline.extract.sql")

#: No rows, as a month of one side shows them where the other has some.
_NOTHING = (0, "0")

Side = Mapping[str, tuple[int, str]]


def save_proof(connection: Connection, run_id: str, outcome: ObjectReconciliation, *, dry_run: bool) -> None:
    """Keep the proof of one object type, month by month."""
    made_at = datetime.now(UTC).replace(tzinfo=None)
    for month in outcome.months:
        connection.execute(
            _SQL["insert_reconciliation"],
            [
                run_id,
                made_at,
                month.object,
                month.month,
                month.stripe_rows,
                month.stripe_hash,
                month.before_rows,
                month.before_hash,
                month.after_rows,
                month.after_hash,
                outcome.missing,
                outcome.changed,
                outcome.vanished,
                outcome.explained,
                dry_run,
            ],
        )


def prove_stored(connection: Connection, kind: StripeObject, began: int) -> Side:
    """Sum the warehouse's rows up that are older than `began` (unix seconds) and not tombstones, by month."""
    statement = _SQL["proof_stored"].replace("{table}", kind.name)
    return _side(connection.execute(statement, {"began": began}).fetchall())


def prove_listed(connection: Connection, kind: StripeObject, began: int) -> Side:
    """Sum up what Stripe listed in this reconcile, by month."""
    return _side(connection.execute(_SQL["proof_listed"], {"object": kind.name, "began": began}).fetchall())


def join_sides(name: str, stripe: Side, before: Side, after: Side) -> tuple[MonthProof, ...]:
    """Put the sides together, month by month."""
    return tuple(
        MonthProof(name, month, *stripe.get(month, _NOTHING), *before.get(month, _NOTHING), *after.get(month, _NOTHING))
        for month in sorted({*stripe, *before, *after})
    )


def latest_proof(connection: Connection) -> tuple[tuple[MonthProof, ...], Mapping[str, datetime]]:
    """Give the newest proof of each object type, and when each was made (UTC, this machine's clock)."""
    rows = connection.execute(_SQL["latest_proof"]).fetchall()
    return tuple(MonthProof(*row[:8]) for row in rows), {row[0]: row[8] for row in rows}


def _side(rows: Iterable[tuple[Any, ...]]) -> Side:
    return {str(month): (int(count), str(content)) for month, count, content in rows}
