"""One extraction: history that is missing, then changes. The order of the parts is what makes it lose nothing."""

import asyncio
import gc
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Collection
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
from stripe_cio_pipeline.extract.feed import GAP, WATERMARK, FeedBook, read_feed
from stripe_cio_pipeline.extract.frontier import read_mark
from stripe_cio_pipeline.extract.history import read_history
from stripe_cio_pipeline.extract.meter import Meter, read_budget
from stripe_cio_pipeline.extract.objects import EVENTS_PATH, PAGE_ROWS, StripeObject, select
from stripe_cio_pipeline.extract.progress import (
    ExtractReport,
    ObjectFailure,
    ObjectReport,
    Progress,
)
from stripe_cio_pipeline.extract.session import Session
from stripe_cio_pipeline.extract.state import State, read_state
from stripe_cio_pipeline.extract.store import Tally, count_rows
from stripe_cio_pipeline.extract.transport import Patience, Transport
from stripe_cio_pipeline.extract.writer import WINDOW_PAGES, Writer
from stripe_cio_pipeline.policy import Policy
from stripe_cio_pipeline.settings import Settings
from stripe_cio_pipeline.warehouse import Statements, Warehouse, read_cursor, write_cursor

_SQL = Statements("stripe_cio_pipeline.extract.sql")

#: What stops a whole run, whatever object type met it.
_FATAL = (StripeCredentialsError, BindingError, ReadBudgetSpent, WarehouseError)


def extract(
    warehouse: Warehouse,
    settings: Settings,
    policy: Policy,
    *,
    run_id: str,
    objects: Collection[str] | None = None,
    progress: Progress | None = None,
    now: Callable[[], float] = time.time,
    patience: Patience | None = None,
    window: int = WINDOW_PAGES,
    raise_failures: bool = True,
) -> ExtractReport:
    """Bring `stripe.*` up to date: list the history that is missing, then follow the events since the last run.

    `objects` limits it to some object types (names as in `OBJECTS`); events are always read, because every type
    needs them. An object type that fails does not keep the others from being stored; at the end the failures are raised
    as one StripeError, or with `raise_failures=False` stand in the report. `window` is how many pages may be
    asked for and not yet durable. Must not be called from inside a running event loop.

    Raises SettingsError, BindingError, StripeError, WarehouseError.
    """
    selected = select(objects)
    return asyncio.run(
        _extract(warehouse, settings, policy, selected, run_id, progress, now, patience, window, raise_failures)
    )


async def _extract(
    warehouse: Warehouse,
    settings: Settings,
    policy: Policy,
    selected: tuple[StripeObject, ...],
    run_id: str,
    progress: Progress | None,
    now: Callable[[], float],
    patience: Patience | None,
    window: int,
    raise_failures: bool,
) -> ExtractReport:
    started = time.monotonic()
    async with open_session(
        warehouse, settings, policy, run_id=run_id, progress=progress, now=now, patience=patience, window=window
    ) as (session, state):
        feed = await bring_up_to_date(session, state, selected)
        healed = False
        if feed is not None and (state.gap or feed.gap):
            healed = await _heal(session, selected)
        await session.writer.commit_now()
        report = _report(session, selected, feed, healed, started)
    if report.failures and raise_failures:
        raise_together(session)
    return report


async def bring_up_to_date(session: Session, state: State, selected: tuple[StripeObject, ...]) -> FeedBook | None:
    """List what history is missing, then read the events and follow them. None where the feed could not be read.

    The order matters: the watermark is noted before the first list call, so that what changes during the listing is in
    the events that are read after it.
    """
    began = await _hold_watermark(session, state)
    await each(session, selected, lambda kind: _history(session, state, kind, began))
    feed = await _events(session, state, began)
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
    budget = Budget(policy.stripe, live=livemode)
    async with Transport(
        key, settings.stripe_api_base, settings.stripe_account, budget, meter, patience=patience, now=now()
    ) as transport:
        writer = Writer(warehouse, meter, window=window)
        session = Session(warehouse, transport, writer, meter, policy, run_id, livemode, progress)
        committing = asyncio.create_task(writer.run())
        # A page is tens of thousands of objects and no cycle among them; looking for one takes longer than parsing it.
        gc.set_threshold(10_000, *thresholds[1:])
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


async def _history(session: Session, state: State, kind: StripeObject, began: int) -> None:
    if state.unfinished(kind.name):
        await read_history(session, kind, began, state.marks.get(kind.name), state.slices.get(kind.name, ()))


async def _events(session: Session, state: State, watermark: int) -> FeedBook | None:
    """Read the feed: first what an earlier run left of it, then from the watermark on."""
    overlap = session.policy.stripe.overlap_seconds
    gap = False
    try:
        if left := state.slices.get("events", ()):
            resumed = await read_feed(session, watermark - overlap, state.walk, left)
            gap = resumed.gap
            watermark = resumed.leaves or watermark
        feed = await read_feed(session, watermark - overlap, None, ())
        feed.gap = feed.gap or gap
        # The signals must be in the warehouse before anybody follows them.
        await session.writer.commit_now()
    except _FATAL:
        raise
    except PipelineError as error:
        _note_failure(session, "events", error)
        return None
    return feed


def _signalled(warehouse: Warehouse) -> set[str]:
    with warehouse.connect() as connection:
        return {name for name, _ in connection.execute(_SQL["signals_waiting"]).fetchall()}


async def _heal(session: Session, selected: tuple[StripeObject, ...]) -> bool:
    # Imported late: a reconcile is an extraction itself.
    from stripe_cio_pipeline.extract.reconciliation import compare_all

    session.warnings.append(
        "More than 30 days passed since events were last read, and Stripe keeps them no longer: everything was listed "
        "again and compared."
    )
    outcomes = await compare_all(session, selected, dry_run=False)
    if session.failures or len(outcomes) < len(selected):
        return False

    def write() -> None:
        with session.warehouse.transaction() as connection:
            write_cursor(connection, GAP, "", session.run_id)

    await session.writer.alone(write)
    return True


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

    done = await asyncio.gather(*(one(kind) for kind in selected), return_exceptions=True)
    for error in done:
        if isinstance(error, BaseException):
            raise error
    await session.writer.commit_now()


def _note_failure(session: Session, name: str, error: PipelineError) -> None:
    session.failures.append((ObjectFailure(name, type(error).__name__, error.what, error.advice), error))


def raise_together(session: Session) -> None:
    """Raise what failed: the error itself if it is one, else one of the same class that tells all."""
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


def _report(
    session: Session,
    selected: tuple[StripeObject, ...],
    feed: FeedBook | None,
    healed: bool,
    started: float,
) -> ExtractReport:
    objects: list[ObjectReport] = []
    with session.warehouse.connect() as connection:
        budget = read_budget(connection, session.policy)
        watermark = read_cursor(connection, WATERMARK)
        for kind in selected:
            tally = session.tallies.get(kind.name, Tally())
            mark = read_mark(connection, kind.name)
            objects.append(
                ObjectReport(
                    name=kind.name,
                    read=session.read.get(kind.name, 0),
                    added=tally.added,
                    changed=tally.changed,
                    deleted=tally.deleted,
                    requests=session.meter.by_path[kind.path] + session.meter.by_path[f"{kind.path}/{{id}}"],
                    seconds=session.seconds.get(kind.name, 0.0),
                    history_finished=mark is not None and mark.state == "finished",
                    rows_total=count_rows(connection, kind)[0],
                )
            )
    warnings = [*session.warnings, *session.sightings.warnings()]
    if budget.warning:
        warnings.append(budget.warning)
    lag = None
    if feed is not None and feed.newest is not None:
        lag = max(0.0, session.transport.stripe_now - feed.newest)
    return ExtractReport(
        objects=tuple(objects),
        requests=session.meter.requests,
        events=session.tallies.get("events", Tally()).added,
        throttled=session.transport.budget.throttled,
        seconds=time.monotonic() - started,
        watermark=int(watermark) if watermark else None,
        lag_seconds=lag,
        healed_gap=healed,
        warnings=tuple(warnings),
        failures=tuple(failure for failure, _ in session.failures),
    )


def pages_of(rows: int) -> int:
    """How many list calls give so many rows, at best."""
    return max(1, -(-rows // PAGE_ROWS))
