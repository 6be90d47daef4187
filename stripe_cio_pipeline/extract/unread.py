"""Single objects that cannot be read: named in every run, and tried again at growing distances.

Somebody must look, so a run says so as long as it lasts. But an object that Stripe never gives must not start a run at
each look for changes, nor take eight requests of each.
"""

from collections.abc import Iterable, Mapping
from datetime import UTC, datetime, timedelta
from functools import partial

from stripe_cio_pipeline.errors import StripeError
from stripe_cio_pipeline.extract.objects import StripeObject
from stripe_cio_pipeline.extract.reports import ObjectFailure
from stripe_cio_pipeline.extract.rows import execute_with, table_of_ids
from stripe_cio_pipeline.extract.session import Session
from stripe_cio_pipeline.warehouse import Connection, Statements, replace

_SQL = Statements("stripe_cio_pipeline.extract.sql")

#: The next run tries once more, for it may have been an outage. From the second failure in a row on an object is left
#: alone for so long, twice as long after each further one, a day at most.
FIRST_PAUSE = timedelta(minutes=10)
LONGEST_PAUSE = timedelta(days=1)

_STAYS = "It stays as it was."


async def note_unread(session: Session, kind: StripeObject, unread: Mapping[str, StripeError]) -> None:
    """Name what could not be read in this run, and note when it is tried again."""
    if unread:
        await session.writer.alone(partial(_note, session, kind, unread))
    for object_id, error in unread.items():
        what = f"{object_id} of {kind.name} is not up to date. {error.what}"
        session.unread.append(ObjectFailure(kind.name, type(error).__name__, what, f"{_STAYS} {error.advice}"))


def held_back(connection: Connection, kind: StripeObject, now: datetime) -> dict[str, ObjectFailure]:
    """Give the objects that are not to be tried yet, as they are to be named."""
    return {
        object_id: ObjectFailure(
            kind.name,
            error,
            f"{object_id} of {kind.name} is not up to date. {what}",
            f"{_STAYS} It was tried {tries:,} times, and is tried again after {next_at:%Y-%m-%d %H:%M} UTC.",
        )
        for object_id, error, what, tries, next_at in connection.execute(
            _SQL["held_back"], {"object": kind.name, "now": now}
        ).fetchall()
    }


def take_out(connection: Connection, kind: StripeObject, ids: Iterable[str]) -> None:
    """Forget that objects could not be read: they were, or nothing is to be read of them any more."""
    execute_with(connection, table_of_ids(ids), _SQL["delete_unread"], [kind.name])


def now_utc() -> datetime:
    """Give this machine's clock as the warehouse has it."""
    return datetime.now(UTC).replace(tzinfo=None)


def _note(session: Session, kind: StripeObject, unread: Mapping[str, StripeError]) -> None:
    with session.warehouse.transaction() as connection:
        found = execute_with(connection, table_of_ids(unread), _SQL["tries_of_unread"], [kind.name])
        tries = dict(found)
        for object_id, error in unread.items():
            times = int(tries.get(object_id, 0)) + 1
            pause = min(LONGEST_PAUSE, FIRST_PAUSE * 2 ** min(times - 2, 20)) if times > 1 else timedelta()
            row = {
                "object": kind.name,
                "id": object_id,
                "error": type(error).__name__,
                "what": error.what,
                "tries": times,
                "next_at": now_utc() + pause,
                "run_id": session.run_id,
            }
            replace(connection, "pipeline.unread", ("object", "id"), [row])
