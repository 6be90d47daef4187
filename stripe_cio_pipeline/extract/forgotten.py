"""Whose objects are emptied before they are stored: those who were forgotten, and who is forgotten while a run reads.

Reading waits for nobody's turn. So what a run knew when it began is looked at again in each transaction that stores,
or an answer that came before somebody was forgotten would bring them back.
"""

from collections.abc import Iterable
from typing import Any, NamedTuple, TypeVar

import orjson

from stripe_cio_pipeline.extract.payloads import canonical, content_hash, withhold
from stripe_cio_pipeline.warehouse import Connection, Statements

_SQL = Statements("stripe_cio_pipeline.extract.sql")

#: A row with a `payload` and a `content_hash`.
Stored = TypeVar("Stored", bound=NamedTuple)


class Forgotten:
    """Ids of the Stripe objects of people who were forgotten, as they stood when that was last looked at."""

    def __init__(self, ids: Iterable[str] = ()) -> None:
        self._ids = frozenset(ids)
        self._has_grown = False

    def withhold(self, body: dict[str, Any]) -> None:
        """Empty, in place, what an answer of Stripe's has of them."""
        if self._ids:
            withhold(body, self._ids)

    def emptied(self, connection: Connection, rows: Iterable[Stored]) -> list[Stored]:
        """Give rows as they may be stored, in the caller's transaction."""
        ids = read_forgotten(connection)
        if not ids <= self._ids:
            self._ids |= ids
            self._has_grown = True
        # Otherwise their answers have been looked through already.
        return [self._as_stored(row) for row in rows] if self._has_grown else list(rows)

    def _as_stored(self, row: Stored) -> Stored:
        fields: Any = row
        payload = orjson.loads(fields.payload)
        self.withhold(payload)
        text = canonical(payload)
        given: Stored = fields._replace(payload=text.decode(), content_hash=content_hash(text))
        return given


def read_forgotten(connection: Connection) -> frozenset[str]:
    """Give the ids of all that is emptied."""
    return frozenset(id_ for (id_,) in connection.execute(_SQL["forgotten"]).fetchall())
