"""`deliver`: send a plan, write down every outcome, and say what became of it."""

import asyncio
import hashlib
import time
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import partial

import orjson

from stripe_cio_pipeline.deliver.client import Api, Patience, app_api, track_address, track_api
from stripe_cio_pipeline.deliver.ledger import Group
from stripe_cio_pipeline.deliver.lookup import look_up, look_up_guests, note_guests, sought_guests, unknown_ids
from stripe_cio_pipeline.deliver.outcome import Problem
from stripe_cio_pipeline.deliver.pace import Pace
from stripe_cio_pipeline.deliver.packing import MAX_ITEM_BYTES, MAX_OPERATION_BYTES
from stripe_cio_pipeline.deliver.rejections import release_rejections
from stripe_cio_pipeline.deliver.sending import STAMP, Sending
from stripe_cio_pipeline.deliver.survey import Phase, Survey, limit_memory, survey
from stripe_cio_pipeline.deliver.workspace import bind_workspace, find_workspace
from stripe_cio_pipeline.errors import CustomerioError, CustomerioUnavailable, GuardStop
from stripe_cio_pipeline.plan import approve as approve_plan
from stripe_cio_pipeline.plan import current_plan, guard_stop
from stripe_cio_pipeline.policy import Policy
from stripe_cio_pipeline.settings import Settings
from stripe_cio_pipeline.warehouse import Connection, Statements, Warehouse, read_cursor, write_cursor

_SQL = Statements("stripe_cio_pipeline.deliver.sql")
#: However fast the calls may go, no more than this many may be unrecorded: half a megabyte each.
_MOST_UNRECORDED = 512
_LOOKED_UP = "customerio.looked_up"


@dataclass(frozen=True, slots=True)
class DeliveryNote:
    """How far a delivery is: items of this plan, calls and seconds since it began."""

    planned: int
    accepted: int
    rejected: int
    requests: int
    seconds: float


@dataclass(frozen=True, slots=True)
class DeliveryReport:
    """What became of a plan: `planned` is always accepted + rejected + held + due. Seconds and encoded bytes.

    `due` was neither accepted nor rejected and stands in the plan still; `problem` says why. `by_action` counts
    accepted items.
    """

    plan_id: str | None
    planned: int = 0
    accepted: int = 0
    rejected: int = 0
    held: int = 0
    due: int = 0
    events_accepted: int = 0
    events_rejected: int = 0
    requests: int = 0
    throttled: int = 0
    bytes: int = 0
    seconds: float = 0.0
    by_action: Mapping[str, int] = field(default_factory=dict)
    rejections_by_reason: Mapping[str, int] = field(default_factory=dict)
    problem: str | None = None
    warnings: tuple[str, ...] = ()

    def raise_if_due(self) -> None:
        """Raise CustomerioUnavailable where something was left undone."""
        if self.due:
            raise CustomerioUnavailable(
                f"{self.due} of {self.planned} planned items were left due. {self.problem or ''}".strip(),
                "They are sent by the next run; run this again when Customer.io answers.",
            )


@dataclass(slots=True)
class _Tally:
    requests: int = 0
    bytes: int = 0
    settled: int = 0
    rejected: int = 0

    def add(self, group: Group) -> None:
        self.requests += len(group.calls)
        self.bytes += sum(call.bytes for _, call in group.calls)
        self.settled += group.items
        self.rejected += sum(len(batch.refused) for batch in group.settled)


def deliver(
    warehouse: Warehouse,
    settings: Settings,
    policy: Policy,
    *,
    run_id: str,
    plan_id: str | None = None,
    approve: bool = False,
    progress: Callable[[DeliveryNote], None] | None = None,
    now: Callable[[], float] = time.time,
    patience: Patience | None = None,
) -> DeliveryReport:
    """Send what is due of the current plan, at the policy's pace, and move the ledger with every answer.

    Nothing is called where nothing is due. `plan_id` says which plan is meant; `approve` lets it through its guard.
    What finds no answer after all retries stays due: the report counts it, see `DeliveryReport.raise_if_due`.

    Raises GuardStop before anything is sent; BindingError, CustomerioCredentialsError and CustomerioRegionError where
    no call can succeed, after writing down what was answered before.
    """
    began = time.monotonic()
    current = _choose_plan(warehouse, plan_id, approving=approve, now=now)
    if current is None:
        return DeliveryReport(None)
    with warehouse.connect() as connection:
        plan = survey(connection, current)
        last_stamp = int(read_cursor(connection, STAMP) or 0)
    tally = _Tally()

    def told(group: Group) -> None:
        tally.add(group)
        if progress is not None:
            accepted = tally.settled - tally.rejected
            progress(DeliveryNote(plan.total, accepted, tally.rejected, tally.requests, time.monotonic() - began))

    context = _Context(warehouse, settings, policy, plan, run_id, patience or Patience(), now)
    lookups, guests = context.lookups(), context.guests()
    pace = Pace(policy.customerio.requests_per_second)
    problem: CustomerioError | None = None
    if plan.total > plan.held or lookups or guests:
        sending = Sending(
            warehouse,
            plan,
            run_id,
            in_flight=policy.customerio.in_flight,
            unrecorded=_unrecorded(policy),
            now=now,
            last_stamp=last_stamp,
            told=told,
        )
        try:
            if plan.has_unsendable:
                reject_unsendable(warehouse, sending, plan)
            asyncio.run(_send(context, sending, pace, plan, lookups, guests))
            problem = sending.stopped_by
        except CustomerioUnavailable as unreachable:
            problem = unreachable
        finally:
            sending.write_rest()
    if problem is not None and not isinstance(problem, CustomerioUnavailable):
        raise problem
    with warehouse.transaction() as connection:
        limit_memory(connection, plan.megabytes)
        return _report(connection, context, tally, pace.throttled, time.monotonic() - began, problem)


@dataclass(frozen=True, slots=True)
class _Context:
    """What one delivery works with."""

    warehouse: Warehouse
    settings: Settings
    policy: Policy
    plan: Survey
    run_id: str
    patience: Patience
    now: Callable[[], float]

    def lookups(self) -> list[tuple[str, str, str]]:
        """List whose internal id is to be looked up; where nothing is sent, the same list is asked for only once."""
        if self.settings.customerio_app_api_key is None:
            return []
        with self.warehouse.connect() as connection:
            limit_memory(connection, self.plan.megabytes)
            wanted = unknown_ids(connection, self.plan.first)
            mark = hashlib.sha256(repr(wanted).encode()).hexdigest()
            if wanted and read_cursor(connection, _LOOKED_UP) != mark:
                write_cursor(connection, _LOOKED_UP, mark, self.run_id)
            elif self.plan.total == self.plan.held:
                return []
        return wanted

    def guests(self) -> list[str]:
        """List the emails of guests who are to be looked for. Without the key that takes, nobody is known."""
        with self.warehouse.connect() as connection:
            emails = sought_guests(connection)
        if emails and self.settings.customerio_app_api_key is None:
            with self.warehouse.transaction() as connection:
                note_guests(connection, emails, {}, self.now())
            return []
        return emails


async def _send(
    context: _Context,
    sending: Sending,
    pace: Pace,
    plan: Survey,
    lookups: list[tuple[str, str, str]],
    guests: list[str],
) -> None:
    settings, now = context.settings, context.now
    client = partial(
        track_api,
        settings,
        pace=pace,
        patience=context.patience,
        connections=context.policy.customerio.in_flight,
        now=now,
    )
    async with client(on_call=sending.note_call) as track:
        workspace = await find_workspace(track, settings)
        bind_workspace(context.warehouse, workspace, now)
        if lookups or guests:
            async with app_api(
                settings,
                region=workspace.region,
                patience=context.patience,
                now=now,
                on_call=sending.note_call,
            ) as app:
                await look_up(app, context.warehouse, context.plan.first, lookups, context.run_id)
                await look_up_guests(app, context.warehouse, guests, now())
        if track.address == track_address(settings, workspace.region):
            track.on_call = None
            await _send_phases(sending, track, plan)
            return
    async with client(region=workspace.region) as track:
        await _send_phases(sending, track, plan)


async def _send_phases(sending: Sending, track: Api, plan: Survey) -> None:
    for phase in (Phase.PEOPLE, Phase.REMOVALS):
        if phase in plan.spans:
            await sending.run(track, phase)
    settled = -1 if Phase.EVENTS in plan.spans else sending.settled
    while sending.settled > settled and sending.stopped_by is None:
        settled = sending.settled
        await sending.run(track, Phase.EVENTS)


def reject_unsendable(warehouse: Warehouse, sending: Sending, plan: Survey) -> None:
    """Reject what Customer.io could only refuse, and name the field that makes it so large."""
    while True:
        with warehouse.connect() as connection:
            limit_memory(connection, plan.megabytes)
            rows = connection.execute(
                _SQL["oversize"], {"first": plan.first, "max_bytes": MAX_OPERATION_BYTES}
            ).fetchall()
        if not rows:
            return
        sending.refuse({int(position): oversize_problem(operation) for position, operation in rows})


def oversize_problem(operation: str | None) -> Problem:
    """Say what is wrong with an operation that is empty or over Customer.io's 32,000 bytes."""
    if operation is None:
        return Problem("empty", None, "the plan holds no operation for this item")
    size = len(operation.encode())
    message = f"the operation has {size} bytes encoded; Customer.io takes {MAX_ITEM_BYTES}"
    attributes = orjson.loads(operation).get("attributes") or {}
    if not attributes:
        return Problem("oversize", None, message)
    largest = max(attributes, key=lambda name: len(orjson.dumps(attributes[name])))
    return Problem("oversize", f"attributes.{largest}", message)


def _unrecorded(policy: Policy) -> int:
    """Bound what a killed run sends again: what is under way, and a second's worth of answers."""
    pace = policy.customerio
    return min(_MOST_UNRECORDED, pace.in_flight + max(1, round(pace.requests_per_second)))


def _choose_plan(warehouse: Warehouse, plan_id: str | None, *, approving: bool, now: Callable[[], float]) -> str | None:
    """Name the plan to send; None where everything planned was delivered. Raises GuardStop."""
    with warehouse.connect() as connection:
        plan = current_plan(connection)
    if plan is None:
        return None
    if plan_id is not None and plan_id != plan.plan_id:
        raise GuardStop(
            f"Plan {plan_id} is not the current one any more; nothing was sent.",
            f"Look at the new plan {plan.plan_id} with stripe-cio plan, and approve that.",
        )
    if plan.guard.stopped:
        if not approving:
            raise guard_stop(plan)
        approve_plan(warehouse, plan.plan_id, now=now)
    return plan.plan_id


def _moment(now: Callable[[], float]) -> datetime:
    return datetime.fromtimestamp(now(), UTC).replace(tzinfo=None)


def _report(
    connection: Connection,
    context: _Context,
    tally: _Tally,
    throttled: int,
    seconds: float,
    problem: CustomerioError | None,
) -> DeliveryReport:
    plan_id, moment = context.plan.plan_id, _moment(context.now)
    outcomes = connection.execute(
        _SQL["count_outcomes"], {"plan_id": plan_id, "first": context.plan.first, "run_id": context.run_id}
    ).fetchall()
    left = {str(action): int(items) for action, outcome, _, _, items in outcomes if outcome is None}
    due = sum(items for action, items in left.items() if action != "hold")
    if (hours := context.policy.customerio.retry_rejected_hours) is not None:
        release_rejections(connection, hours, moment)
    if not due:
        connection.execute(_SQL["finish_plan"], [moment, plan_id])
    mine = [(str(action), outcome, reason, int(items)) for action, outcome, reason, of_run, items in outcomes if of_run]
    accepted = {action: items for action, outcome, _, items in mine if outcome == "accepted"}
    reasons: Counter[str] = Counter()
    for _, outcome, reason, items in mine:
        if outcome == "rejected":
            reasons[str(reason)] += items
    events_accepted = accepted.get("event", 0)
    events_rejected = sum(items for action, outcome, _, items in mine if (action, outcome) == ("event", "rejected"))
    return DeliveryReport(
        plan_id=plan_id,
        planned=context.plan.total,
        accepted=tally.settled - tally.rejected,
        rejected=tally.rejected,
        held=left.get("hold", 0),
        due=due,
        events_accepted=events_accepted,
        events_rejected=events_rejected,
        requests=tally.requests,
        throttled=throttled,
        bytes=tally.bytes,
        seconds=seconds,
        by_action=accepted,
        rejections_by_reason=reasons,
        problem=None if problem is None else str(problem),
    )
