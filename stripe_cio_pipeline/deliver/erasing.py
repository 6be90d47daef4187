"""Emptying everything that is kept of a person: what stays is Stripe's ids, and that they were forgotten.

Stripe's objects keep their fields, all without a value but those that say whose and what an object is. Objects that
Stripe gives of them later are emptied before they are stored (`extract.forgotten`).
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

import orjson

from stripe_cio_pipeline.extract import OBJECTS, StripeObject, emptied
from stripe_cio_pipeline.warehouse import Connection, Statements, next_seq

_SQL = Statements("stripe_cio_pipeline.deliver.sql")


@dataclass(frozen=True, slots=True)
class Subject:
    """Somebody of whom nothing is to be kept: their Stripe customers, and emails by which they may have been a guest.

    `person_id` names them in the proof.
    """

    person_id: str
    customers: tuple[str, ...]
    emails: tuple[str, ...] = field(repr=False)


def erase_objects(connection: Connection, subject: Subject, run_id: str) -> None:
    """Empty Stripe's objects of a person and what Customer.io said of them, in the caller's transaction.

    The model follows with the next build; `erase_model` does the rest.
    """
    seq = next_seq(connection)
    customers, emails = list(subject.customers), list(subject.emails)
    ids = set(customers)
    for kind in OBJECTS:
        ids.update(_ids(connection, _of(kind, "objects_of_person"), {"customers": customers}))
        if kind.customer_field is not None:
            ids.update(_ids(connection, _of(kind, "objects_of_guest"), {"emails": emails}))
    # What names neither a customer nor an email, but a charge.
    ids.update(_ids(connection, _SQL["disputes_of_charges"], {"ids": list(ids)}))
    events = list(_ids(connection, _SQL["events_of_guest"], {"emails": emails}))
    ids.update(_ids(connection, _SQL["objects_of_events"], {"events": events}))
    who = {"customers": customers, "ids": list(ids)}
    for kind in OBJECTS:
        for id_, payload in connection.execute(_of(kind, "payloads_of_person"), who).fetchall():
            text, digest = emptied(orjson.loads(payload))
            connection.execute(_of(kind, "empty_payload"), {"id": id_, "payload": text, "hash": digest, "seq": seq})
    for id_, payload in connection.execute(_SQL["events_of_person"], {**who, "events": events}).fetchall():
        text, digest = emptied(orjson.loads(payload))
        connection.execute(_SQL["empty_event"], {"id": id_, "payload": text, "hash": digest})
    connection.execute(_SQL["erase_handed_page"])
    connection.execute(_SQL["note_forgotten"], {"person_id": subject.person_id, "ids": list(ids)})
    connection.execute(_SQL["suppress_customers"], {"customers": customers, "run_id": run_id, "seq": seq})
    for statement in _parts("erase_said"):
        connection.execute(statement, {"customers": [*customers, subject.person_id]})
    for statement in _parts("erase_guests"):
        connection.execute(statement, {"emails": emails})


def erase_model(connection: Connection) -> None:
    """Empty what a build does not compute anew: who owned an email, and the data of events."""
    for statement in _parts("erase_model"):
        connection.execute(statement)


def _ids(connection: Connection, statement: str, parameters: dict[str, list[str]]) -> Iterator[str]:
    return (str(id_) for (id_,) in connection.execute(statement, parameters).fetchall())


def _of(kind: StripeObject, act: str) -> str:
    return _SQL[act].replace("{table}", kind.name)


def _parts(name: str) -> Sequence[str]:
    # DuckDB takes parameters for one statement at a time.
    return _SQL[name].split(";\n")
