"""What an answer of Stripe's becomes: whole objects, as rows, in their table. A page and a read go the same way."""

from collections.abc import Iterable
from functools import partial
from typing import Any, NamedTuple

import orjson

from stripe_cio_pipeline.errors import StripeError, StripeRequestError, StripeUnavailable
from stripe_cio_pipeline.extract.feed import leave_signals
from stripe_cio_pipeline.extract.objects import PINNED_VERSION, Nested, StripeObject
from stripe_cio_pipeline.extract.payloads import judge_version, keep_absent, missing_fields
from stripe_cio_pipeline.extract.rows import Row, Tally, check_mode, read_payloads, row_of, write_rows
from stripe_cio_pipeline.extract.session import Session
from stripe_cio_pipeline.extract.transport import Answer, Refusal, wrong_request
from stripe_cio_pipeline.waiting import together
from stripe_cio_pipeline.warehouse import Connection

#: When so many single objects have failed one after the other, or on one page, it is not the objects.
MOST_UNREAD_IN_A_ROW = 5


class Arrival(NamedTuple):
    """A row on its way into its table, and whether its payload lacks fields that it must have."""

    row: Row
    lacks_fields: bool = False


async def rows_of_page(session: Session, kind: StripeObject, answer: Answer) -> list[Arrival]:
    """Make rows of a list's page. Raises BindingError where they are of the other mode, StripeError."""
    return await _rows_of(session, kind, answer, answer.body["data"], "list")


async def row_of_object(session: Session, kind: StripeObject, answer: Answer, event_id: str | None) -> Arrival:
    """Make a row of an object that was read by id, because of an event or of none. Raises as `rows_of_page` does."""
    [arrival] = await _rows_of(session, kind, answer, [answer.body], "retrieve", event_id)
    return arrival


def store(session: Session, connection: Connection, kind: StripeObject, arrivals: Iterable[Arrival], seq: int) -> Tally:
    """Write rows in the caller's transaction, and count them. A field that an answer lacks keeps its stored value."""
    whole = session.forgotten.emptied(connection, keep_absent_fields(connection, kind, arrivals))
    tally = write_rows(connection, kind, whole, seq=seq, run_id=session.run_id)
    session.tally(kind.name, tally)
    session.shapes.save(connection, session.run_id)
    return tally


def keep_absent_fields(connection: Connection, kind: StripeObject, arrivals: Iterable[Arrival]) -> list[Row]:
    """Carry stored values over into rows whose payload lacks fields."""
    arrivals = list(arrivals)
    lacking = sorted({arrival.row.id for arrival in arrivals if arrival.lacks_fields})
    stored = read_payloads(connection, kind, lacking)
    return [_completed(kind, row, stored[row.id]) if row.id in stored else row for row, _ in arrivals]


def _completed(kind: StripeObject, row: Row, stored: dict[str, Any]) -> Row:
    payload = orjson.loads(row.payload)
    if not keep_absent(kind, payload, stored):
        return row
    return row_of(kind, payload, as_of=row.as_of, source=row.source, read_at=row.read_at, event_id=row.source_event_id)


async def _rows_of(
    session: Session,
    kind: StripeObject,
    answer: Answer,
    payloads: list[dict[str, Any]],
    source: str,
    event_id: str | None = None,
) -> list[Arrival]:
    payloads = await _completed_payloads(session, kind, answer, payloads, is_page=source == "list")
    lacking = {payload["id"] for payload in payloads if _lacks_fields(session, kind, payload, answer, source)}
    rows = [
        row_of(kind, payload, as_of=answer.date, source=source, read_at=answer.read_at, event_id=event_id)
        for payload in payloads
    ]
    check_mode((row.livemode for row in rows), session.livemode)
    return [Arrival(row, row.id in lacking) for row in rows]


async def _completed_payloads(
    session: Session, kind: StripeObject, answer: Answer, payloads: list[dict[str, Any]], *, is_page: bool
) -> list[dict[str, Any]]:
    """Fetch what a list or a read cuts off of its objects, and give those that are whole.

    One of a page that cannot be completed leaves the others alone: it is signalled, to be read by id like any that an
    event speaks of. Where that is so of several, it is no matter of one object. Raises StripeError.
    """
    failed: dict[str, StripeError] = {}

    async def complete(payload: dict[str, Any], expands: tuple[str, ...], cut: list[Nested]) -> None:
        try:
            if expands:
                await _ask_by_currency(session, kind, payload, expands)
            for nested in cut:
                await _complete(session, nested, payload)
        except (StripeUnavailable, StripeRequestError) as error:
            if not is_page:
                raise
            failed[payload["id"]] = error

    works = []
    for payload in payloads:
        expands = kind.per_currency.expands_of(payload) if kind.per_currency is not None else ()
        inner = [(nested, payload.get(nested.field)) for nested in kind.nested]
        cut = [nested for nested, value in inner if _is_cut(value) or _is_deep(value, nested)]
        if expands or cut:
            works.append(complete(payload, expands, cut))
    await together(works)
    if len(failed) >= MOST_UNREAD_IN_A_ROW:
        raise next(iter(failed.values()))
    if failed:
        await session.writer.alone(partial(leave_signals, session, kind, list(failed), answer.until))
    return [payload for payload in payloads if payload["id"] not in failed]


def _lacks_fields(session: Session, kind: StripeObject, payload: dict[str, Any], answer: Answer, source: str) -> bool:
    version = answer.version or PINNED_VERSION
    if version == PINNED_VERSION and payload.keys() >= kind.required:
        return False
    missing = missing_fields(kind, payload)
    session.shapes.note(kind.name, source, version, judge_version(version), missing)
    return bool(missing)


def _is_cut(inner: Any) -> bool:
    return isinstance(inner, dict) and bool(inner.get("has_more"))


def _is_deep(inner: Any, nested: Nested) -> bool:
    """Whether a list inside an object has what only its own address can expand."""
    return isinstance(inner, dict) and any(row.get(nested.deep) for row in inner.get("data") or ())


async def _ask_by_currency(
    session: Session, kind: StripeObject, payload: dict[str, Any], expands: tuple[str, ...]
) -> None:
    answer = await session.transport.retrieve(kind.path, payload["id"], (*kind.expands, *expands))
    if isinstance(answer, Refusal):
        if answer.missing:
            return
        raise wrong_request(answer, f"{kind.path}/{{id}}")
    payload.clear()
    payload.update(answer.body)


async def _complete(session: Session, nested: Nested, payload: dict[str, Any]) -> None:
    """Fetch all of a list inside an object where Stripe gave only its beginning, or too little of each row."""
    inner = payload[nested.field]
    rows: list[dict[str, Any]] = [] if _is_deep(inner, nested) else list(inner.get("data") or ())
    again = False
    while True:
        parameters: dict[str, object] = {nested.parameter: payload["id"]}
        parameters["expand"] = [f"data.{path}" for path in nested.expands]
        if rows:
            parameters["starting_after"] = rows[-1]["id"]
        answer = await session.transport.list(nested.path, parameters)
        if isinstance(answer, Refusal):
            if answer.param != "starting_after" or again:
                raise wrong_request(answer, nested.path)
            # The row to start after is gone. Never is a list stored that was cut.
            rows, again = [], True
            continue
        rows.extend(answer.body["data"])
        if not answer.body["has_more"]:
            break
    inner["data"] = rows
    inner["has_more"] = False
