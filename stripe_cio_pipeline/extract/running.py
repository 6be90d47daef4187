"""How a run goes: open everything, note the watermark, list history, read events, follow them.

`extract` and `reconcile` are both such runs.
"""

import asyncio
import gc
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from functools import partial
from typing import Any

from stripe_cio_pipeline.errors import (
    BindingError,
    PipelineError,
    ReadBudgetSpent,
    StripeCredentialsError,
    WarehouseError,
)
from stripe_cio_pipeline.extract.binding import (
    FINGERPRINT,
    ask_account,
    bind_stripe,
    check_bindings,
    fingerprint,
    is_live,
)
from stripe_cio_pipeline.extract.budget import Budget
from stripe_cio_pipeline.extract.changes import follow_signals
from stripe_cio_pipeline.extract.feed import WATERMARK, FeedBook, read_feed
from stripe_cio_pipeline.extract.history import read_history
from stripe_cio_pipeline.extract.meter import Meter
from stripe_cio_pipeline.extract.objects import EVENTS_PATH, OBJECTS, PAGE_ROWS, StripeObject
from stripe_cio_pipeline.extract.progress import ObjectFailure, Progress
from stripe_cio_pipeline.extract.session import Session
from stripe_cio_pipeline.extract.state import State, read_state
from stripe_cio_pipeline.extract.transport import Patience, Transport
from stripe_cio_pipeline.extract.writer import WINDOW_PAGES, Writer
from stripe_cio_pipeline.policy import Policy
from stripe_cio_pipeline.settings import Settings
from stripe_cio_pipeline.waiting import together
from stripe_cio_pipeline.warehouse import Statements, Warehouse, read_cursor, write_cursor

_SQL = Statements("stripe_cio_pipeline.extract.sql")

#: What stops a whole run, whatever object type met it.
_FATAL = (StripeCredentialsError, BindingError, ReadBudgetSpent, WarehouseError)


async def bring_up_to_date(session: Session, state: State, selected: tuple[StripeObject, ...]) -> FeedBook | None:
    """List what history is missing, then read the events and follow them. None where the feed could not be read.

    The order matters: the watermark is noted before the first list call, so that what changes during the listing is in
    the events that are read after it.
    """
    watermark = await _hold_watermark(session, state)
    _tell_cost(session, state, selected)
    await each(session, selected, lambda kind: _history(session, state, kind))
    feed = await _events(session, watermark)
    signalled = await session.writer.alone(partial(_signalled, session.warehouse))
    await each(
        session,
        tuple(kind for kind in selected if kind.name in signalled),
        lambda kind: follow_signals(session, kind),
    )
    return feed


@asynccontextmanager
async def open_session(
    warehouse: Warehouse,
    settings: Settings,
    policy: Policy,
    *,
    run_id: str,
    progress: Progress | None = None,
    now: Callable[[], float] = time.time,
    patience: Patience | None = None,
    window: int = WINDOW_PAGES,
    state: State | None = None,
) -> AsyncIterator[tuple[Session, State]]:
    """Open everything that a run needs, check the binding, and write what is left when the caller is done."""
    key = settings.require_stripe()
    livemode = is_live(key)
    if state is None:
        with warehouse.connect() as connection:
            state = read_state(connection, policy)
    check_bindings(state.bindings, account=None, livemode=livemode)
    thresholds = gc.get_threshold()
    limit = policy.stripe.monthly_reads if policy.stripe.on_budget == "pause" else None
    meter = Meter(state.budget.used_30_days, limit)
    budget = Budget(policy.stripe, live=livemode, clock=asyncio.get_running_loop().time)
    async with Transport(
        key, settings.stripe_api_base, settings.stripe_account, budget, meter, patience=patience, now=now()
    ) as transport:
        writer = Writer(warehouse, meter, window=window)
        session = Session(warehouse, transport, writer, meter, policy, run_id, livemode, progress)
        committing = asyncio.create_task(writer.run())
        # A page is thousands of objects and no cycle among them; looking for one would take a tenth of the time.
        gc.set_threshold(30_000, *thresholds[1:])
        try:
            await _bind(session, settings, state)
            yield session, state
        finally:
            gc.set_threshold(*thresholds)
            await writer.close()
            await committing
            if meter.unsaved:
                await writer.alone(partial(_save_meter, warehouse, meter))
            writer.shut_down()
        writer.raise_failure()


async def _bind(session: Session, settings: Settings, state: State) -> None:
    mark = fingerprint(settings)
    if state.bindings.get(FINGERPRINT) == mark:
        return
    account = await ask_account(session.transport)

    def write() -> None:
        with session.warehouse.transaction() as connection:
            bind_stripe(
                connection,
                account=account,
                livemode=session.livemode,
                mark=mark,
                stripe_now=int(session.transport.stripe_now),
                run_id=session.run_id,
            )

    await session.writer.alone(write)


async def _hold_watermark(session: Session, state: State) -> int:
    """Note, before the first list call of all, from when on events must be read (Stripe's clock)."""
    if state.watermark is not None:
        return state.watermark
    if not session.transport.answered:
        # Whatever Stripe answers, even a refusal, tells the time.
        try:
            await session.transport.list(EVENTS_PATH, {}, limit=1)
        except PipelineError as error:
            _note_failure(session, "events", error)
    moment = int(session.transport.stripe_now)

    def write() -> None:
        with session.warehouse.transaction() as connection:
            if read_cursor(connection, WATERMARK) is None:
                write_cursor(connection, WATERMARK, str(moment), session.run_id)

    await session.writer.alone(write)
    return moment


async def _history(session: Session, state: State, kind: StripeObject) -> None:
    if state.unfinished(kind.name):
        await read_history(session, kind, state.marks.get(kind.name), state.slices.get(kind.name, ()))


async def _events(session: Session, watermark: int) -> FeedBook | None:
    """Read the feed from the watermark on, less the overlap."""
    try:
        feed = await read_feed(session, watermark - session.policy.stripe.overlap_seconds)
        # The signals must be in the warehouse before anybody follows them.
        await session.writer.commit_now()
    except _FATAL:
        raise
    except PipelineError as error:
        _note_failure(session, "events", error)
        return None
    return feed


def _tell_cost(session: Session, state: State, selected: tuple[StripeObject, ...]) -> None:
    """Say what the history that is missing will cost. Stripe counts no list, so it can only be a price."""
    missing = [kind.name for kind in selected if state.unfinished(kind.name)]
    if not missing:
        return
    budget = session.transport.budget
    rate = min(budget.account_rate, budget.endpoint_rate * len(missing)) * PAGE_ROWS
    left = max(0, state.budget.allotted - state.budget.used_30_days)
    session.note(
        "cost",
        "history",
        message=f"history of {', '.join(missing)}: about 11 GET requests and {1_000 / rate:.1f} s for each "
        f"1,000 objects; {left:,} of the month's {state.budget.allotted:,} reads are left",
        always=True,
    )


def _signalled(warehouse: Warehouse) -> set[str]:
    with warehouse.connect() as connection:
        return {name for name, _ in connection.execute(_SQL["signals_waiting"]).fetchall()}


async def each(
    session: Session, selected: tuple[StripeObject, ...], work: Callable[[StripeObject], Awaitable[Any]]
) -> None:
    """Work on all object types at once. One that fails leaves the others alone, unless it concerns them all."""

    async def one(kind: StripeObject) -> None:
        if any(failure.object == kind.name for failure, _ in session.failures):
            return
        started = session.monotonic()
        try:
            await work(kind)
        except PipelineError as error:
            if isinstance(error, _FATAL):
                raise
            _note_failure(session, kind.name, error)
        finally:
            session.seconds[kind.name] = session.seconds.get(kind.name, 0.0) + session.monotonic() - started

    await together(one(kind) for kind in selected)
    await session.writer.commit_now()


def _note_failure(session: Session, name: str, error: PipelineError) -> None:
    session.failures.append((ObjectFailure(name, type(error).__name__, error.what, error.advice), error))


def raise_together(session: Session) -> None:
    """Raise what failed: the error itself if it is one, else one of the same class that tells all."""
    # In the order of the objects, not of the failures: the same trouble is told in the same words.
    order = {kind.name: place for place, kind in enumerate(OBJECTS)}
    session.failures.sort(key=lambda failed: order.get(failed[0].object, len(order)))
    first = session.failures[0][1]
    if len(session.failures) == 1 or not isinstance(first, PipelineError):
        raise first
    classes = {type(error) for _, error in session.failures}
    # The class with the graver exit code speaks for all.
    gravest = max(classes, key=lambda kind: getattr(kind, "exit_code", 1))
    told: dict[str, list[str]] = {}
    for failure, _ in session.failures:
        told.setdefault(f"{failure.what} {failure.advice}".strip(), []).append(failure.object)
    raise gravest(
        f"{len(session.failures)} object types could not be read. "
        + " ".join(f"{', '.join(names)}: {text}" for text, names in told.items()),
        "What the others gave is kept.",
    ) from first


def _save_meter(warehouse: Warehouse, meter: Meter) -> None:
    with warehouse.transaction() as connection:
        meter.save(connection)
