"""What stored objects name and no list gives: archived and inline prices, their products, former coupons.

Each is read by id once. A coupon that is deleted cannot be read by id any more: whoever has a discount by it shows it.
"""

from collections.abc import Iterator
from functools import partial
from typing import Any, NamedTuple

from stripe_cio_pipeline.errors import StripeError, StripeRequestError, StripeUnavailable
from stripe_cio_pipeline.extract.changes import Reading, ReadingBook, read_again
from stripe_cio_pipeline.extract.objects import BY_NAME, StripeObject, at_path
from stripe_cio_pipeline.extract.reports import ObjectFailure
from stripe_cio_pipeline.extract.rows import former_row, write_rows
from stripe_cio_pipeline.extract.session import Session
from stripe_cio_pipeline.extract.transport import Answer, Refusal, wrong_request
from stripe_cio_pipeline.extract.unread import held_back, note_unread, now_utc, take_out
from stripe_cio_pipeline.waiting import together
from stripe_cio_pipeline.warehouse import Statements, Warehouse, next_seq, read_cursor, read_cursors, write_cursor

_SQL = Statements("stripe_cio_pipeline.extract.sql")

#: Object types that others name, each with the statement that finds what is missing. Coupons have one of their own.
NAMED = {"products": "named_products", "prices": "named_prices", "coupons": "named_coupons"}

_ITEMS_PATH = "/v1/subscription_items"


class FormerCoupon(NamedTuple):
    """A coupon that is not stored, and who has a discount by it: an object of a type, or an item of a subscription."""

    id: str
    created: int
    holder_type: str
    holder: str
    item: str | None

    @property
    def kept_as(self) -> str:
        """The id under which it will be stored."""
        return f"{self.id}@{self.created}"


def not_looked_through(warehouse: Warehouse) -> set[str]:
    """Name the object types that something may name which was written since they were last looked for."""
    with warehouse.connect() as connection:
        row = next(iter(connection.execute(_SQL["newest_row"]).fetchall()), None)
        cursors = read_cursors(connection)
        return {name for name in NAMED if int(cursors.get(f"named.{name}", 0)) < (row[0] if row else 0)}


async def read_named(session: Session, kind: StripeObject) -> None:
    """Read what is named of one object type and not stored; after a failure, all again. Raises what Stripe refuses.

    What cannot be read is noted in the session, and looked for again.
    """
    newest, found, held = await session.writer.alone(partial(_find, session, kind))
    session.unread.extend(held.values())
    unread: dict[str, StripeError] = {}
    try:
        if kind.keeps_former:
            wanted = [coupon for row in found if (coupon := FormerCoupon(*row)).kept_as not in held]
            await together(_read_former(session, kind, coupon, unread) for coupon in wanted)
        else:
            ids = [str(row[0]) for row in found if row[0] not in held]
            readings = [Reading(id_, None) for id_ in ids]
            await read_again(session, kind, readings, ReadingBook(session, kind), unread)
            await session.writer.alone(partial(_note_named, session, kind, [id_ for id_ in ids if id_ not in unread]))
    finally:
        await note_unread(session, kind, unread)
    if not unread and not held:
        await session.writer.alone(partial(_move_mark, session, kind, newest))


def _find(session: Session, kind: StripeObject) -> tuple[int, list[tuple[Any, ...]], dict[str, ObjectFailure]]:
    with session.warehouse.connect() as connection:
        mark = int(read_cursor(connection, f"named.{kind.name}") or 0)
        row = next(iter(connection.execute(_SQL["newest_row"]).fetchall()), None)
        newest = int(row[0]) if row else 0
        found = connection.execute(_SQL[NAMED[kind.name]], {"mark": mark}).fetchall()
        named = {FormerCoupon(*row).kept_as if kind.keeps_former else row[0] for row in found}
        resting = held_back(connection, kind, now_utc())
        return newest, found, {id_: failure for id_, failure in resting.items() if id_ in named}


def _note_named(session: Session, kind: StripeObject, ids: list[str]) -> None:
    if ids:
        with session.warehouse.transaction() as connection:
            connection.execute(_SQL["insert_named"], {"object": kind.name, "ids": ids, "run_id": session.run_id})


def _move_mark(session: Session, kind: StripeObject, newest: int) -> None:
    with session.warehouse.transaction() as connection:
        write_cursor(connection, f"named.{kind.name}", str(newest), session.run_id)


async def _read_former(
    session: Session, kind: StripeObject, wanted: FormerCoupon, unread: dict[str, StripeError]
) -> None:
    try:
        await _ask_holder(session, kind, wanted)
    except (StripeUnavailable, StripeRequestError) as error:
        unread[wanted.kept_as] = error


async def _ask_holder(session: Session, kind: StripeObject, wanted: FormerCoupon) -> None:
    """Ask for somebody's discount with all of its coupon, and keep the coupon under an id of its own."""
    holder = BY_NAME[wanted.holder_type]
    path, object_id = (_ITEMS_PATH, wanted.item) if wanted.item else (holder.path, wanted.holder)
    coupon = "discount.source.coupon" if holder.customer_field == "id" else "discounts.source.coupon"
    expands = (coupon, *(f"{coupon}.{each}" for each in kind.optional))
    answer = await session.transport.retrieve(path, object_id, expands)
    if isinstance(answer, Refusal):
        if answer.missing:
            return
        raise wrong_request(answer, f"{path}/{{id}}")
    for payload in _coupons_of(answer.body):
        if (payload.get("id"), payload.get("created")) == (wanted.id, wanted.created):
            await session.writer.alone(partial(_keep_former, session, kind, payload, answer))
            return


def _coupons_of(payload: dict[str, Any]) -> Iterator[dict[str, Any]]:
    for discount in [payload.get("discount"), *(payload.get("discounts") or [])]:
        coupon = at_path(discount, "source.coupon")
        if isinstance(coupon, dict):
            yield coupon


def _keep_former(session: Session, kind: StripeObject, payload: dict[str, Any], answer: Answer) -> None:
    row = former_row(kind, payload, as_of=answer.date, read_at=answer.read_at)
    with session.warehouse.transaction() as connection:
        tally = write_rows(connection, kind, [row], seq=next_seq(connection), run_id=session.run_id)
        take_out(connection, kind, [row.id])
    session.tally(kind.name, tally)
    session.read[kind.name] = session.read.get(kind.name, 0) + 1
