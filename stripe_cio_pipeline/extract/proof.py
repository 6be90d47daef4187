"""The proof of completeness: counts and content hashes of both sides, by object type and month of `created`."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from stripe_cio_pipeline.extract.objects import StripeObject
from stripe_cio_pipeline.warehouse import Connection, Statements

_SQL = Statements("stripe_cio_pipeline.extract.sql")

#: No rows, as a month of one side shows them where the other has some.
_NOTHING = (0, "0")


@dataclass(frozen=True, slots=True)
class MonthProof:
    """One object type in one month (`2026-11`, UTC; `unknown` for objects without `created`).

    A hash is the sum over all rows of a hash of id and content, so that it does not depend on order and one changed
    character changes it. `before` is the warehouse as it was found, `after` as it was left.
    """

    object: str
    month: str
    stripe_rows: int
    stripe_hash: str
    before_rows: int
    before_hash: str
    after_rows: int
    after_hash: str

    @property
    def equal_before(self) -> bool:
        """Whether the warehouse held exactly what Stripe listed."""
        return (self.stripe_rows, self.stripe_hash) == (self.before_rows, self.before_hash)

    @property
    def equal_after(self) -> bool:
        """Whether it does now."""
        return (self.stripe_rows, self.stripe_hash) == (self.after_rows, self.after_hash)


Side = Mapping[str, tuple[int, str]]


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
