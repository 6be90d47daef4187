"""Emptying everything that is kept of a person: what stays is Stripe's ids, and that they were forgotten.

Stripe's objects keep their fields, all without a value but those that say whose and what an object is. Objects that
Stripe gives of them later are emptied before they are stored (`extract.payloads.withhold`).
"""

from collections.abc import Sequence

import orjson

from stripe_cio_pipeline.extract import OBJECTS, emptied
from stripe_cio_pipeline.warehouse import Connection, Statements, next_seq

_SQL = Statements("stripe_cio_pipeline.deliver.sql")


def erase_objects(connection: Connection, person_id: str, customers: Sequence[str], run_id: str) -> None:
    """Empty Stripe's objects of a person and what Customer.io said of them, in the caller's transaction.

    `customers` are all their Stripe customers. The model follows with the next build; `erase_model` does the rest.
    """
    seq = next_seq(connection)
    who = {"customers": list(customers)}
    ids = [id_ for (id_,) in connection.execute(_SQL["objects_of_person"], who).fetchall()]
    as_guest = {"events": [id_ for (id_,) in connection.execute(_SQL["guest_events_of_person"], who).fetchall()]}
    ids += [id_ for (id_,) in connection.execute(_SQL["guest_objects_of_person"], as_guest).fetchall()]
    for kind in OBJECTS:
        found = connection.execute(
            _SQL["payloads_of_person"].replace("{table}", kind.name), {**who, "ids": ids}
        ).fetchall()
        for id_, payload in found:
            text, digest = emptied(orjson.loads(payload))
            connection.execute(
                _SQL["empty_payload"].replace("{table}", kind.name),
                {"id": id_, "payload": text, "hash": digest, "seq": seq},
            )
    for id_, payload in connection.execute(_SQL["events_of_person"], {**who, **as_guest, "ids": ids}).fetchall():
        text, digest = emptied(orjson.loads(payload))
        connection.execute(_SQL["empty_event"], {"id": id_, "payload": text, "hash": digest})
    connection.execute(_SQL["note_forgotten"], {"person_id": person_id, "ids": ids})
    connection.execute(_SQL["suppress_customers"], {**who, "run_id": run_id, "seq": seq})
    _each(connection, "erase_said", customers)
    _each(connection, "erase_guests", customers)


def erase_model(connection: Connection, customers: Sequence[str]) -> None:
    """Empty what a build does not compute anew: who owned an email, and the data of events."""
    _each(connection, "erase_model", customers)


def _each(connection: Connection, name: str, customers: Sequence[str]) -> None:
    # DuckDB takes parameters for one statement at a time.
    for statement in _SQL[name].split(";\n"):
        connection.execute(statement, {"customers": list(customers)})
