"""`forget`: one person deleted and suppressed in Customer.io, and emptied here, at somebody's request."""

import asyncio
import json
import time
from array import array
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

from ulid import ULID

from stripe_cio_pipeline.deliver.client import Api, Call, Patience, track_address, track_api, unavailable
from stripe_cio_pipeline.deliver.erasing import erase_model, erase_objects
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
from stripe_cio_pipeline.warehouse import Statements, Warehouse, next_seq, rewrite

_SQL = Statements("stripe_cio_pipeline.deliver.sql")


@dataclass(frozen=True, slots=True)
class ForgetReport:
    """Who was forgotten. `writes` is the number of former writes whose content was emptied."""

    person_id: str
    suppressed: bool
    writes: int


def forget(
    warehouse: Warehouse,
    settings: Settings,
    policy: Policy,
    person: str,
    *,
    run_id: str,
    now: Callable[[], float] = time.time,
    patience: Patience | None = None,
) -> ForgetReport:
    """Suppress a person: Customer.io deletes the profile and ignores its identifiers from then on.

    The ledger keeps the id as the proof, and a hash of the email, so that nothing is sent for whoever has it later.
    Everything else about the person is emptied: former writes, Stripe's objects and events, what the model made of
    them. The file is written anew, because DuckDB leaves the bytes of what is deleted. What Stripe itself has stays,
    and is emptied when it comes again: delete it there. The caller has the turn. Raises PipelineError where nobody is
    known by that name.
    """
    with warehouse.connect() as connection:
        found = explain(connection, person)
        row = connection.execute(_SQL["address_of_person"], {"person_id": found.person_id}).fetchone()
    customers = sorted({found.person_id, *found.customers})
    if row is None:
        raise PipelineError(
            "Nothing about this person was ever accepted by Customer.io, so there is nothing to forget.",
            "Delete the customer in Stripe.",
        )
    kind, name = row
    operation = json.dumps({"type": "person", "identifiers": {kind: name}, "action": "suppress"})
    calls: list[Call] = []
    asyncio.run(_suppress(warehouse, settings, policy, operation, patience or Patience(), now, calls))
    with warehouse.transaction() as connection:
        who = {"person_id": found.person_id}
        call = calls[-1]
        connection.execute(_SQL["remember_suppressed"], {**who, "sent_at": call.sent_at})
        connection.execute(_SQL["forget_refused_values"], who)
        connection.execute(_SQL["forget_plan"], who)
        connection.execute(_SQL["forget_next_people"], who)
        count = connection.execute(_SQL["forget_writes"], who).fetchone()
        request_id = str(ULID())
        # It belongs to no plan, and stands beside what does.
        place = {
            "plan_id": f"forget-{request_id}",
            "position": connection.execute(_SQL["next_position"]).fetchall()[0][0],
        }
        connection.execute(_SQL["insert_forgetting"], {**who, **place})
        connection.execute(
            _SQL["insert_forgetting_answer"],
            {**place, "sent_at": call.sent_at, "run_id": run_id, "request_id": request_id},
        )
        connection.execute(_SQL["forget_person"], {**who, "seq": next_seq(connection), "run_id": run_id})
        erase_objects(connection, found.person_id, customers, run_id)
    _renew(warehouse, policy, customers, run_id=run_id, now=now)
    return ForgetReport(found.person_id, True, int(count[0]) if count else 0)


def forget_removed(warehouse: Warehouse, policy: Policy, *, run_id: str, now: Callable[[], float] = time.time) -> int:
    """Empty what is kept of people whom Stripe deleted and Customer.io has removed for it, and give their number.

    As `forget` does, without a call: `identity.on_delete` has said what becomes of them there. The caller has the turn.
    """
    with warehouse.transaction() as connection:
        if not connection.execute(_SQL["has_members"]).fetchall():
            return 0  # nothing was ever modelled, so nobody was removed for it
        settled = now() - policy.identity.settle_seconds
        removed = connection.execute(_SQL["removed_people"], {"settled": settled}).fetchall()
        for person_id, customers in removed:
            connection.execute(_SQL["forget_plan"], {"person_id": person_id})
            connection.execute(_SQL["forget_writes"], {"person_id": person_id})
            erase_objects(connection, person_id, customers, run_id)
    if removed:
        _renew(
            warehouse, policy, sorted({id_ for _, customers in removed for id_ in customers}), run_id=run_id, now=now
        )
    return len(removed)


def _renew(
    warehouse: Warehouse, policy: Policy, customers: list[str], *, run_id: str, now: Callable[[], float] = time.time
) -> None:
    """Compute the model without what was emptied, and write the file without what was deleted."""
    build(warehouse, policy, run_id=run_id, now=now)
    with warehouse.transaction() as connection:
        erase_model(connection, customers)
    rewrite(warehouse)


async def _suppress(
    warehouse: Warehouse,
    settings: Settings,
    policy: Policy,
    operation: str,
    patience: Patience,
    now: Callable[[], float],
    calls: list[Call],
) -> None:
    client = partial(track_api, settings, pace=Pace(policy.customerio.requests_per_second), patience=patience, now=now)
    async with client() as track:
        workspace = await find_workspace(track, settings)
        bind_workspace(warehouse, workspace, now)
        if track.address == track_address(settings, workspace.region):
            await _send(track, operation, calls)
            return
    async with client(region=workspace.region) as track:
        await _send(track, operation, calls)


async def _send(track: Api, operation: str, calls: list[Call]) -> None:
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
