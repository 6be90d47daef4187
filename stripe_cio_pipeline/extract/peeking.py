"""Looking before reading: whether there is anything new, and whether the key may read everything."""

import asyncio
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial

from stripe_cio_pipeline.errors import PipelineError, StripeCredentialsError, StripePermissionError, WarehouseMissing
from stripe_cio_pipeline.extract.budget import Budget
from stripe_cio_pipeline.extract.feed import hand_page, is_gap, own_events
from stripe_cio_pipeline.extract.history import list_parameters
from stripe_cio_pipeline.extract.lists import Slice
from stripe_cio_pipeline.extract.objects import ACCOUNT_PATH, EVENTS_PATH, EVENTS_PERMISSION, OBJECTS, StripeObject
from stripe_cio_pipeline.extract.session import Session, ask_account, open_session
from stripe_cio_pipeline.extract.state import (
    ACCOUNT,
    FINGERPRINT,
    State,
    check_bindings,
    fingerprint,
    is_live,
    read_bindings,
    read_state,
)
from stripe_cio_pipeline.extract.transport import Answer, Patience, Refusal, Transport, wrong_request
from stripe_cio_pipeline.policy import Policy
from stripe_cio_pipeline.settings import Settings, permission_name
from stripe_cio_pipeline.waiting import together
from stripe_cio_pipeline.warehouse import Statements, Warehouse

_SQL = Statements("stripe_cio_pipeline.extract.sql")


@dataclass(frozen=True, slots=True)
class Peek:
    """Whether a run would find anything to do.

    `changed`: there is an event that is not stored, or work that an earlier run left. `history_pending`: an object type
    was never listed to its end. `newest_created` is Stripe's unix seconds. `page` names what was read of the feed, for
    the run that follows; None where that is not all that is new.
    """

    newest_event_id: str | None
    newest_created: int | None
    changed: bool
    history_pending: bool
    reason: str
    page: str | None = None


@dataclass(frozen=True, slots=True)
class ProbeFinding:
    """Whether one endpoint answers this key as a sync needs it, and what to do where it does not.

    `what` is what was seen: of the account its id, of a list the permission that it needs. `object` is the object type
    behind it; where that is not `needed`, a sync goes on without it.
    """

    object: str
    endpoint: str
    ok: bool
    what: str
    advice: str = ""
    needed: bool = True
    exit_code: int = 0

    @classmethod
    def of(cls, name: str, endpoint: str, error: PipelineError, *, needed: bool = True) -> "ProbeFinding":
        """Turn an error into a finding."""
        needed = needed or not isinstance(error, StripePermissionError)
        return cls(name, endpoint, False, error.what, error.advice, needed, error.exit_code)


def peek(
    warehouse: Warehouse,
    settings: Settings,
    policy: Policy,
    *,
    now: Callable[[], float] = time.time,
    patience: Patience | None = None,
) -> Peek:
    """Ask Stripe with one GET whether there is an event that is not stored.

    Writes nothing but the read meter and, where there is one, the page that it read.

    Raises SettingsError, BindingError, StripeError, WarehouseError.
    """
    key = settings.require_stripe()
    try:
        with warehouse.reading() as connection:
            if not _is_ours(connection.execute(_SQL["has_tables"]).fetchone()):
                return Peek(None, None, True, True, "nothing was read yet")
            state = read_state(connection, policy)
    except WarehouseMissing:
        return Peek(None, None, True, True, "nothing was read yet")
    check_bindings(state.bindings, account=None, livemode=is_live(key))
    pending = [kind.name for kind in OBJECTS if state.unfinished(kind.name) and kind.name not in state.refused]
    if state.watermark is None or state.bindings.get(FINGERPRINT) != fingerprint(settings):
        return Peek(None, None, True, bool(pending), "this key was not used with this warehouse yet")
    return asyncio.run(_peek(warehouse, settings, policy, state, pending, now, patience))


async def _peek(
    warehouse: Warehouse,
    settings: Settings,
    policy: Policy,
    state: State,
    pending: list[str],
    now: Callable[[], float],
    patience: Patience | None,
) -> Peek:
    floor = state.floor(policy.stripe.overlap_seconds)
    async with open_session(warehouse, settings, policy, run_id="peek", now=now, patience=patience, state=state) as (
        session,
        _,
    ):
        answer = await session.transport.list(EVENTS_PATH, Slice(created_from=floor).parameters())
        stripe_now = session.transport.stripe_now
        if isinstance(answer, Refusal):
            raise wrong_request(answer, EVENTS_PATH)
        events = own_events(session, answer)
        ids = [event["id"] for event in events]
        unknown, page = await session.writer.alone(partial(_look_up, session, ids, floor, answer))
    reasons = []
    if unknown:
        reasons.append(f"{unknown}{'+' if answer.body.get('has_more') else ''} new events")
    if state.waiting:
        reasons.append("changes that an earlier run left")
    if is_gap((state.watermark or 0) - policy.stripe.overlap_seconds, stripe_now):
        reasons.append("a gap in the events longer than 30 days")
    if outdated := [kind.name for kind in OBJECTS if state.outdated(kind.name)]:
        reasons.append(f"{', '.join(outdated)} must be listed again after such a gap")
    if pending:
        reasons.append(f"history of {', '.join(pending)} is not complete")
    return Peek(
        newest_event_id=ids[0] if ids else None,
        newest_created=events[0].get("created") if events else None,
        changed=bool(reasons),
        history_pending=bool(pending),
        reason="; ".join(reasons) or "nothing new",
        page=page,
    )


def _look_up(session: Session, ids: list[str], floor: int, answer: Answer) -> tuple[int, str | None]:
    """Count the events that are not stored; where these are all that are new, keep their page for the run."""
    with session.warehouse.reading() as connection:
        row = connection.execute(_SQL["has_event"], [ids]).fetchone()
    unknown = len(ids) - int(row[0] if row else 0)
    if not unknown or answer.body["has_more"] or session.transport.time.doubt:
        return unknown, None
    with session.warehouse.transaction() as connection:
        session.meter.save(connection)
        return unknown, hand_page(session, connection, floor, answer)


def check_account(warehouse: Warehouse, settings: Settings, account: str) -> bool:
    """Prove that an account and the key's mode are those that this warehouse is bound to.

    Gives whether it is bound at all, and binds nothing. Raises SettingsError, BindingError, WarehouseError.
    """
    with warehouse.connect() as connection:
        bound = read_bindings(connection)
    check_bindings(bound, account=account, livemode=is_live(settings.require_stripe()))
    return ACCOUNT in bound


def bound_account(warehouse: Warehouse) -> str | None:
    """Give the account that a warehouse is bound to; None before the first sync. Raises WarehouseError."""
    if not warehouse.exists:
        return None
    with warehouse.reading() as connection:
        return read_bindings(connection).get(ACCOUNT)


def probe(
    settings: Settings,
    policy: Policy,
    *,
    now: Callable[[], float] = time.time,
    patience: Patience | None = None,
) -> tuple[ProbeFinding, ...]:
    """Ask whose the key is, then each endpoint for one object, as a sync does. The first finding is the account's.

    Where that is no answer of Stripe's, it is the only one: nothing else is asked. Raises StripeCredentialsError where
    the key itself is refused. These requests are not in the read meter: there may be no warehouse yet.
    """
    return asyncio.run(_probe(settings, policy, now, patience))


async def _probe(
    settings: Settings, policy: Policy, now: Callable[[], float], patience: Patience | None
) -> tuple[ProbeFinding, ...]:
    key = settings.require_stripe()
    budget = Budget(policy.stripe, live=is_live(key))
    async with Transport(
        key,
        settings.stripe_api_base,
        settings.stripe_account,
        budget,
        patience=patience or Patience(attempts=3),
        now=now,
    ) as transport:
        try:
            account = await ask_account(transport, settings.stripe_account)
            own = ProbeFinding("account", ACCOUNT_PATH, True, account)
        except StripeCredentialsError:
            raise
        except PipelineError as error:
            own = ProbeFinding.of("account", ACCOUNT_PATH, error)
            if not isinstance(error, StripePermissionError):
                return (own,)
        asked = [kind for kind in OBJECTS if kind.name not in policy.stripe.leave_out]
        found = await together(_probe_object(transport, kind) for kind in asked)
        events = await _probe_list(transport, "events", EVENTS_PATH, EVENTS_PERMISSION, {})
        return (own, *(finding for findings in found for finding in findings), events[0])


async def _probe_object(transport: Transport, kind: StripeObject) -> tuple[ProbeFinding, ...]:
    """Ask for one object with its expands, for they need the permissions of what they expand, and for its inner lists.

    Those have addresses of their own, which a sync asks where an object holds more than Stripe shows with it.
    """
    parameters = list_parameters(kind)
    finding, answer = await _probe_list(
        transport, kind.name, kind.path, kind.permission, parameters, needed=kind.needed
    )
    findings = [finding]
    for nested in kind.nested if answer is not None else ():
        for row in answer.body["data"] if answer is not None else ():
            inside = {nested.parameter: row["id"], "expand": [f"data.{path}" for path in nested.expands]}
            findings.append((await _probe_list(transport, kind.name, nested.path, kind.permission, inside))[0])
    return tuple(findings)


async def _probe_list(
    transport: Transport,
    name: str,
    path: str,
    permission: str,
    parameters: Mapping[str, object],
    *,
    needed: bool = True,
) -> tuple[ProbeFinding, Answer | None]:
    try:
        answer = await transport.list(path, parameters, limit=1)
        if isinstance(answer, Refusal):
            raise wrong_request(answer, path)
    except StripeCredentialsError:
        raise
    except PipelineError as error:
        return ProbeFinding.of(name, path, error, needed=needed), None
    return ProbeFinding(name, path, True, f"may be read: {permission_name(permission)}"), answer


def _is_ours(row: tuple[int, ...] | None) -> bool:
    return row is not None and row[0] > 0
