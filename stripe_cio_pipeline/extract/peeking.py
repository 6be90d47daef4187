"""Looking before reading: whether there is anything new, and whether the key may read everything."""

import asyncio
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from stripe_cio_pipeline.errors import PipelineError, StripeCredentialsError, StripePermissionError, WarehouseMissing
from stripe_cio_pipeline.extract.budget import Budget
from stripe_cio_pipeline.extract.feed import is_gap
from stripe_cio_pipeline.extract.history import list_parameters
from stripe_cio_pipeline.extract.lists import Slice
from stripe_cio_pipeline.extract.objects import EVENTS_PATH, EVENTS_PERMISSION, OBJECTS
from stripe_cio_pipeline.extract.session import open_session
from stripe_cio_pipeline.extract.state import (
    ACCOUNT,
    FINGERPRINT,
    State,
    check_bindings,
    fingerprint,
    is_live,
    read_state,
)
from stripe_cio_pipeline.extract.transport import Patience, Refusal, Transport, wrong_request
from stripe_cio_pipeline.policy import Policy
from stripe_cio_pipeline.settings import Settings
from stripe_cio_pipeline.waiting import together
from stripe_cio_pipeline.warehouse import Statements, Warehouse

_SQL = Statements("stripe_cio_pipeline.extract.sql")


@dataclass(frozen=True, slots=True)
class Peek:
    """Whether a run would find anything to do.

    `changed`: there is an event that is not stored, or work that an earlier run left. `history_pending`: an object type
    was never listed to its end. `newest_created` is Stripe's unix seconds.
    """

    newest_event_id: str | None
    newest_created: int | None
    changed: bool
    history_pending: bool
    reason: str


@dataclass(frozen=True, slots=True)
class ProbeFinding:
    """Whether one endpoint answers this key, and what to do where it does not.

    `object` is the object type behind it; where that is not `needed`, a sync goes on without it.
    """

    object: str
    endpoint: str
    permission: str
    ok: bool
    advice: str
    needed: bool = True


def peek(
    warehouse: Warehouse,
    settings: Settings,
    policy: Policy,
    *,
    now: Callable[[], float] = time.time,
    patience: Patience | None = None,
) -> Peek:
    """Ask Stripe with one GET whether there is an event that is not stored. Writes nothing but the read meter.

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
    events = answer.body["data"]
    ids = [event["id"] for event in events]
    with warehouse.reading() as connection:
        row = connection.execute(_SQL["has_event"], [ids]).fetchone()
    unknown = len(ids) - int(row[0] if row else 0)
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
    )


def check_account(
    warehouse: Warehouse,
    settings: Settings,
    policy: Policy,
    *,
    now: Callable[[], float] = time.time,
    patience: Patience | None = None,
) -> str | None:
    """Prove that the key belongs to the account that this warehouse is bound to, and give that account's id.

    Gives None where the warehouse is not bound to any yet, and binds nothing. Raises SettingsError, BindingError,
    StripeError, WarehouseError.
    """
    with warehouse.connect() as connection:
        state = read_state(connection, policy)
    account = state.bindings.get(ACCOUNT)
    if account is not None:
        asyncio.run(_open_and_close(warehouse, settings, policy, state, now, patience))
    return account


async def _open_and_close(
    warehouse: Warehouse,
    settings: Settings,
    policy: Policy,
    state: State,
    now: Callable[[], float],
    patience: Patience | None,
) -> None:
    async with open_session(warehouse, settings, policy, run_id="check", now=now, patience=patience, state=state):
        pass


def probe(
    settings: Settings,
    policy: Policy,
    *,
    now: Callable[[], float] = time.time,
    patience: Patience | None = None,
) -> tuple[ProbeFinding, ...]:
    """Ask each endpoint for one object. Raises StripeCredentialsError where the key itself is refused.

    These requests are not in the read meter: there may be no warehouse yet.
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
        now=now(),
    ) as transport:

        async def one(
            name: str, path: str, permission: str, needed: bool, parameters: Mapping[str, object]
        ) -> ProbeFinding:
            try:
                answer = await transport.list(path, parameters, limit=1)
            except StripeCredentialsError:
                raise
            except StripePermissionError as refused:
                return ProbeFinding(name, path, permission, False, f"{refused.what} {refused.advice}", needed)
            except PipelineError as error:
                return ProbeFinding(name, path, permission, False, str(error))
            if isinstance(answer, Refusal):
                return ProbeFinding(name, path, permission, False, str(wrong_request(answer, path)))
            return ProbeFinding(name, path, permission, True, "")

        # As a sync asks: an expand needs the permission of what it expands.
        asked = [(kind.name, kind.path, kind.permission, kind.needed, list_parameters(kind)) for kind in OBJECTS]
        asked.append(("events", EVENTS_PATH, EVENTS_PERMISSION, True, {}))
        return tuple(await together(one(*each) for each in asked))


def _is_ours(row: tuple[int, ...] | None) -> bool:
    return row is not None and row[0] > 0
