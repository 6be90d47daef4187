"""`forget`: one person deleted and suppressed in Customer.io, and emptied here, at somebody's request."""

import asyncio
import json
import time
from array import array
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial

from ulid import ULID

from stripe_cio_pipeline.deliver.client import Api, Call, Patience, track_address, track_api, unavailable
from stripe_cio_pipeline.deliver.erasing import Subject, erase_model, erase_objects
from stripe_cio_pipeline.deliver.explain import explain
from stripe_cio_pipeline.deliver.outcome import Accepted, Again, Stop, judge
from stripe_cio_pipeline.deliver.pace import Pace
from stripe_cio_pipeline.deliver.packing import Batch
from stripe_cio_pipeline.deliver.sending import BATCH_PATH
from stripe_cio_pipeline.deliver.workspace import bind_workspace, find_workspace
from stripe_cio_pipeline.errors import CustomerioError, PipelineError
from stripe_cio_pipeline.model import build
from stripe_cio_pipeline.policy import Policy
from stripe_cio_pipeline.settings import Settings
from stripe_cio_pipeline.warehouse import (
    Connection,
    Statements,
    Warehouse,
    next_seq,
    read_cursor,
    rewrite,
    write_cursor,
)

_SQL = Statements("stripe_cio_pipeline.deliver.sql")


#: Set while the model or the file may still hold what was emptied.
_UNFINISHED = "forget.unfinished"


@dataclass(frozen=True, slots=True)
class ForgetReport:
    """Who was forgotten. `writes` is the number of former writes whose content was emptied.

    `suppressed` is False where Customer.io has nothing by which to name them, so that nothing was sent there.
    """

    person_id: str
    suppressed: bool
    writes: int


@dataclass(frozen=True, slots=True)
class Forgettable:
    """Who is meant before anybody is forgotten: the id, and how many of everything goes.

    `addresses` are the identifiers by which Customer.io may know them; without any, nothing is sent there.
    """

    person_id: str
    customers: int
    emails: int
    addresses: int


def look_for(warehouse: Warehouse, policy: Policy, person: str) -> Forgettable:
    """Say whom `forget` would forget. It changes nothing. Raises PipelineError where nobody is known by that name."""
    with warehouse.connect() as connection:
        connection.execute(_SQL["create_mentions"])
        subject, addresses, _ = _find(connection, policy, person)
    return Forgettable(subject.person_id, len(subject.customers), len(subject.emails), len(addresses))


def forget(
    warehouse: Warehouse,
    settings: Settings,
    policy: Policy,
    person: str,
    *,
    run_id: str,
    elsewhere: Callable[[Subject], object] = lambda _: None,
    now: Callable[[], float] = time.time,
    patience: Patience | None = None,
) -> ForgetReport:
    """Suppress a person: Customer.io deletes the profile and ignores its identifiers from then on.

    `person` is a customer, whether Customer.io has accepted anything of them or not, or the email of a guest. The
    ledger keeps the id as the proof, and a hash of the email, so that nothing is sent for whoever has it later.
    Everything else about the person is emptied: former writes, Stripe's objects and events, what the model made of
    them. The file is written anew, because DuckDB leaves the bytes of what is deleted. What Stripe itself has stays,
    and is emptied when it comes again: delete it there. `elsewhere` empties what is kept of them beside the warehouse,
    once the warehouse knows of whom it keeps nothing. The caller has the turn. Raises PipelineError where nobody is
    known by that name.
    """
    with warehouse.connect() as connection:
        connection.execute(_SQL["create_mentions"])
        subject, addresses, people = _find(connection, policy, person)
    calls: list[Call] = []
    if addresses:
        operations = [
            json.dumps({"type": "person", "identifiers": {kind: name}, "action": "suppress"})
            for kind, name in addresses
        ]
        asyncio.run(_suppress(warehouse, settings, policy, operations, patience or Patience(), now, calls))
    with warehouse.transaction() as connection:
        sent_at = calls[-1].sent_at if calls else now()
        told = {"person_id": subject.person_id, "emails": list(subject.emails), "sent_at": sent_at}
        connection.execute(_SQL["remember_suppressed"], told)
        count = sum(_forget_person(connection, each, run_id) for each in people)
        if calls:
            _note_suppression(connection, subject, sent_at, run_id)
        _erase(connection, subject, run_id)
    elsewhere(subject)
    _renew(warehouse, policy, run_id=run_id, now=now)
    return ForgetReport(subject.person_id, bool(calls), count)


def forget_removed(warehouse: Warehouse, policy: Policy, *, run_id: str, now: Callable[[], float] = time.time) -> int:
    """Empty what is kept of people whom Stripe deleted and Customer.io does not have (any more), and give their number.

    As `forget` does, without a call: `identity.on_delete` has said what becomes of them there. A `forget` that was
    interrupted is brought to its end. The caller has the turn.
    """
    with warehouse.transaction() as connection:
        if not connection.execute(_SQL["has_members"]).fetchall():
            return 0  # nothing was ever modelled, so nobody was removed for it
        terms = {
            "settled": now() - policy.identity.settle_seconds,
            "removes": policy.identity.on_delete in ("delete", "suppress"),
        }
        removed = connection.execute(_SQL["removed_people"], terms).fetchall()
        for person_id, customers, emails in removed:
            subject = Subject(str(person_id), tuple(customers), tuple(emails or ()))
            _empty_operations(connection, subject.person_id)
            _erase(connection, subject, run_id)
        is_unfinished = read_cursor(connection, _UNFINISHED) == "yes"
    if is_unfinished:
        _renew(warehouse, policy, run_id=run_id, now=now)
    return len(removed)


def _find(
    connection: Connection, policy: Policy, person: str
) -> tuple[Subject, list[tuple[str, str]], tuple[str, ...]]:
    """Say who is meant, by what Customer.io may know them (kinds and identifiers), and as whom the ledger has them.

    Whoever was a person of their own before they joined this one has a profile and a row of their own.
    """
    try:
        found = explain(connection, person)
    except PipelineError:
        email = person.strip().lower()
        if "@" not in email or not connection.execute(_SQL["is_guest"], {"email": email}).fetchall()[0][0]:
            raise
        name = str(connection.execute(_SQL["name_guest"], {"email": email}).fetchall()[0][0])
        return Subject(name, (), (email,)), [("email", email)], (name,)
    customers = tuple(sorted({found.person_id, *found.customers}))
    joined = connection.execute(_SQL["people_of_ledger"], {"customers": list(customers)}).fetchall()
    people = (found.person_id, *(str(name) for (name,) in joined if name != found.person_id))
    who = {"person_id": found.person_id}
    emails = connection.execute(_SQL["emails_of_people"], {"people": list(people)}).fetchall()
    known = connection.execute(_SQL["addresses_in_ledger"], {"people": list(people)}).fetchall()
    if not known and connection.execute(_SQL["is_modelled"]).fetchall()[0][0]:
        known = connection.execute(_SQL["address_in_plan"], {**who, "strategy": policy.identity.strategy}).fetchall()
    subject = Subject(found.person_id, customers, tuple(str(email) for (email,) in emails))
    return subject, [(str(kind), str(name)) for kind, name in known], people


def _note_suppression(connection: Connection, subject: Subject, sent_at: float, run_id: str) -> None:
    """Note what Customer.io was told. It belongs to no plan, and stands beside what does."""
    request_id = str(ULID())
    position = connection.execute(_SQL["next_position"]).fetchall()[0][0]
    place = {"plan_id": f"forget-{request_id}", "position": position}
    connection.execute(_SQL["insert_forgetting"], {"person_id": subject.person_id, **place})
    answer = {"sent_at": sent_at, "run_id": run_id, "request_id": request_id}
    connection.execute(_SQL["insert_forgetting_answer"], {**place, **answer})


def _forget_person(connection: Connection, person_id: str, run_id: str) -> int:
    """Empty what the ledger and the writes have of somebody; give how many writes that were."""
    who = {"person_id": person_id}
    connection.execute(_SQL["forget_refused_values"], who)
    connection.execute(_SQL["forget_next_people"], who)
    count = _empty_operations(connection, person_id)
    connection.execute(_SQL["forget_person"], {**who, "seq": next_seq(connection), "run_id": run_id})
    return count


def _empty_operations(connection: Connection, person_id: str) -> int:
    connection.execute(_SQL["forget_plan"], {"person_id": person_id})
    count = connection.execute(_SQL["forget_writes"], {"person_id": person_id}).fetchall()
    return int(count[0][0]) if count else 0


def _erase(connection: Connection, subject: Subject, run_id: str) -> None:
    connection.execute(_SQL["create_mentions"])
    erase_objects(connection, subject, run_id)
    write_cursor(connection, _UNFINISHED, "yes", run_id)


def _renew(warehouse: Warehouse, policy: Policy, *, run_id: str, now: Callable[[], float] = time.time) -> None:
    """Compute the model without what was emptied, and write the file without what was deleted."""
    build(warehouse, policy, run_id=run_id, now=now)
    with warehouse.transaction() as connection:
        erase_model(connection)
    rewrite(warehouse)
    with warehouse.transaction() as connection:
        write_cursor(connection, _UNFINISHED, "no", run_id)


async def _suppress(
    warehouse: Warehouse,
    settings: Settings,
    policy: Policy,
    operations: Sequence[str],
    patience: Patience,
    now: Callable[[], float],
    calls: list[Call],
) -> None:
    client = partial(track_api, settings, pace=Pace(policy.customerio.requests_per_second), patience=patience, now=now)
    async with client() as track:
        workspace = await find_workspace(track, settings)
        bind_workspace(warehouse, workspace, now)
        if track.address == track_address(settings, workspace.region):
            await _send(track, operations, calls)
            return
    async with client(region=workspace.region) as track:
        await _send(track, operations, calls)


async def _send(track: Api, operations: Sequence[str], calls: list[Call]) -> None:
    # A call each, so that a refusal is this one's.
    for operation in operations:
        batch = Batch(operation[1:].encode(), array("q", [0]), stamped=False)
        _, outcome = await track.call(
            "POST",
            BATCH_PATH,
            partial(judge, items=1),
            body=partial(batch.body, 0),
            items=1,
            on_call=calls.append,
        )
        if isinstance(outcome, Stop):
            raise outcome.error
        if isinstance(outcome, Again):
            raise unavailable(outcome, "the suppression")
        if not isinstance(outcome, Accepted):
            raise CustomerioError(
                "Customer.io refuses to suppress this person.", "Look at the person there, and delete them by hand."
            )
