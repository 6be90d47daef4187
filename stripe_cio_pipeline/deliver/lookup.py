"""Finding Customer.io's internal id of people whose identifier changes, and of guests who have events.

An identifier that is set can only be changed by addressing the person by `cio_id` in every workspace; by `id` only an
email can, and only where the workspace allows it. Without CUSTOMERIO_APP_API_KEY nothing is looked up: planning then
sends by id, or holds.
"""

from collections.abc import Mapping, Sequence
from itertools import groupby

import pyarrow as pa

from stripe_cio_pipeline.deliver.app_reads import hundreds, read_people
from stripe_cio_pipeline.deliver.client import Api
from stripe_cio_pipeline.warehouse import Connection, Statements, Warehouse

_SQL = Statements("stripe_cio_pipeline.deliver.sql")


def unknown_ids(connection: Connection, first: int) -> list[tuple[str, str, str]]:
    """List whose `cio_id` the plan that begins there would use if it were known: person id, kind, identifier."""
    rows = connection.execute(_SQL["unknown_cio_ids"], {"first": first}).fetchall()
    return [(str(person), str(kind), str(name)) for person, kind, name in rows]


async def look_up(app: Api, warehouse: Warehouse, first: int, wanted: list[tuple[str, str, str]], run_id: str) -> int:
    """Look people up, put their `cio_id` into the ledger, and address what is planned for them by it.

    Gives how many were found.
    """
    found: dict[str, str] = {}
    for kind, group in groupby(sorted(wanted, key=lambda one: one[1]), key=lambda one: one[1]):
        people = {_key(kind, name): person for person, _, name in group}
        for names in hundreds(sorted(people)):
            for profile in await read_people(app, kind, names):
                name = profile.id if kind == "id" else profile.email
                person = people.get(_key(kind, name or ""))
                if person is not None and profile.cio_id:
                    found[person] = profile.cio_id
    if found:
        with warehouse.transaction() as connection:
            remember_cio_ids(connection, found, run_id)
            connection.execute(_SQL["address_by_cio_id"], {"first": first})
    return len(found)


def sought_guests(connection: Connection) -> list[str]:
    """List the emails of guests whom planning wants to be looked for."""
    return [str(email) for (email,) in connection.execute(_SQL["sought_guests"]).fetchall()]


async def look_up_guests(app: Api, warehouse: Warehouse, emails: list[str], now: float) -> None:
    """Note who has these emails in Customer.io: one person each, or nobody. `now` is unix seconds by this machine."""
    for names in hundreds(emails):
        found: dict[str, set[str]] = {}
        for profile in await read_people(app, "email", names):
            if profile.email and profile.cio_id:
                found.setdefault(_key("email", profile.email), set()).add(profile.cio_id)
        ids = {name: next(iter(ids)) for name, ids in found.items() if len(ids) == 1}
        with warehouse.transaction() as connection:
            note_guests(connection, names, ids, now)


def note_guests(connection: Connection, emails: Sequence[str], ids: Mapping[str, str], now: float) -> None:
    """Put internal ids beside the emails of guests, none where there is none, inside the caller's transaction."""
    found = [ids.get(email) for email in emails]
    table = pa.table({"email_key": pa.array(emails, pa.string()), "cio_id": pa.array(found, pa.string())})
    connection.register("looked_guests", table)
    connection.execute(_SQL["note_guests"], {"now": now})
    connection.unregister("looked_guests")


def remember_cio_ids(connection: Connection, found: dict[str, str], run_id: str) -> None:
    """Put internal ids into the ledger, inside the caller's transaction."""
    table = pa.table(
        {"person_id": pa.array(list(found), pa.string()), "cio_id": pa.array(list(found.values()), pa.string())}
    )
    connection.register("found_cio_ids", table)
    connection.execute(_SQL["fill_cio_ids"], {"run_id": run_id})
    connection.unregister("found_cio_ids")


def _key(kind: str, name: str) -> str:
    return name.strip().lower() if kind == "email" else name
