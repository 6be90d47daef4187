"""The order of a run, which is what makes it lose nothing; `extract`, `reconcile` and `fetch_older_events` begin here.

    watermark ─▶ history ─▶ events ─▶ changes ─▶ what is named ─▶ what an upgrade reads more ─▶ comparison

The watermark is noted before the first list call, so that what changes during the listing is in the events that are
read after it. What events speak of is brought up to date before anything is compared, so that only what no event told
is left to find. A sync compares the object types that a gap in the events has left outdated, a reconcile all of them.
"""

import asyncio
import time
from collections.abc import Callable, Collection
from functools import partial

from stripe_cio_pipeline.errors import PipelineError
from stripe_cio_pipeline.extract.budget import WINDOW_PAGES, list_requests
from stripe_cio_pipeline.extract.changes import follow_signals
from stripe_cio_pipeline.extract.comparing import MOST_BY_ID, Bounds, compare_all
from stripe_cio_pipeline.extract.feed import ChangesBook, FeedBook, handed_page, is_gap, read_changes
from stripe_cio_pipeline.extract.growing import fetch_new_parts
from stripe_cio_pipeline.extract.history import read_history
from stripe_cio_pipeline.extract.lists import Slice, read_list
from stripe_cio_pipeline.extract.named import not_looked_through, read_named
from stripe_cio_pipeline.extract.objects import EVENTS_PATH, OBJECTS, PAGE_ROWS, StripeObject, select
from stripe_cio_pipeline.extract.reports import ExtractReport, ObjectReport, OlderEvents, Progress, ReconcileReport
from stripe_cio_pipeline.extract.rows import Tally, count_rows
from stripe_cio_pipeline.extract.session import (
    FATAL,
    Session,
    each,
    note_failure,
    open_session,
    raise_together,
    stripe_time,
    warnings_of,
)
from stripe_cio_pipeline.extract.state import WATERMARK, State, note_granted, note_refused, read_state
from stripe_cio_pipeline.extract.transport import Answer, Patience
from stripe_cio_pipeline.policy import Policy
from stripe_cio_pipeline.settings import Settings
from stripe_cio_pipeline.warehouse import Statements, Warehouse, read_cursor, write_cursor

_SQL = Statements("stripe_cio_pipeline.extract.sql")

#: A sync lists again for so long at most, and goes on to what it is for; the next one lists on from there.
HEAL_SECONDS = 1_200.0

_LOST = "More than 30 days passed since events were last read, and Stripe keeps them no longer."


def extract(
    warehouse: Warehouse,
    settings: Settings,
    policy: Policy,
    *,
    run_id: str,
    objects: Collection[str] | None = None,
    page: str | None = None,
    progress: Progress | None = None,
    now: Callable[[], float] = time.time,
    patience: Patience | None = None,
    window: int = WINDOW_PAGES,
    raise_failures: bool = True,
) -> ExtractReport:
    """Bring `stripe.*` up to date: list the history that is missing, then follow the events since the last run.

    `objects` limits it to some object types (names as in `OBJECTS`); events are always read, because every type
    needs them. An object type that fails does not keep the others from being stored; at the end the failures are raised
    as one StripeError, or with `raise_failures=False` stand in the report. `page` names the page of events that a look
    for changes has handed over (`Peek.page`): they are not asked for again. `window` is how many pages may be
    asked for and not yet durable. Must not be called from inside a running event loop.

    Raises SettingsError, BindingError, StripeError, WarehouseError.
    """
    selected = select(objects)

    async def run() -> ExtractReport:
        started = time.monotonic()
        async with open_session(
            warehouse, settings, policy, run_id=run_id, progress=progress, now=now, patience=patience, window=window
        ) as (session, state):
            feed = await bring_up_to_date(session, state, selected, page)
            healed = await _heal(session, selected)
            await session.writer.commit_now()
            report = _report(session, selected, feed, healed, started)
        if report.failures and raise_failures:
            raise_together(session)
        return report

    return asyncio.run(run())


def reconcile(
    warehouse: Warehouse,
    settings: Settings,
    policy: Policy,
    *,
    run_id: str,
    objects: Collection[str] | None = None,
    dry_run: bool = False,
    most_by_id: int = MOST_BY_ID,
    may_read: Callable[[str, int], bool] = lambda _name, _number: False,
    progress: Progress | None = None,
    now: Callable[[], float] = time.time,
    patience: Patience | None = None,
    window: int = WINDOW_PAGES,
    raise_failures: bool = True,
) -> ReconcileReport:
    """Compare everything with Stripe, and repair it unless `dry_run`.

    First it does what `extract` does, so that only what that cannot see is left to find (not in a dry run, which writes
    nothing to `stripe.*`). The cost is told through `progress` before the first list call. One that is killed goes on
    where it was, within two days. Where more than `most_by_id` objects of a type would have to be read by id,
    `may_read` is asked with type and number; unless it agrees, the type fails and nothing of it is changed.

    Raises SettingsError, BindingError, StripeError, WarehouseError.
    """
    selected = select(objects)

    async def run() -> ReconcileReport:
        started = time.monotonic()
        async with open_session(
            warehouse, settings, policy, run_id=run_id, progress=progress, now=now, patience=patience, window=window
        ) as (session, state):
            if not dry_run:
                await bring_up_to_date(session, state, selected)
            expected = await session.writer.alone(partial(_expect, session, selected))
            bounds = Bounds(most_by_id=most_by_id, may_read=may_read)
            outcomes = await compare_all(session, selected, dry_run=dry_run, bounds=bounds)
            report = ReconcileReport(
                objects=outcomes,
                requests=session.meter.requests,
                seconds=time.monotonic() - started,
                expected_requests=expected[0],
                expected_seconds=expected[1],
                dry_run=dry_run,
                clean=not any(outcome.differing for outcome in outcomes) and not session.failures,
                whole=all(outcome.whole for outcome in outcomes) and not session.failures and not session.unread,
                warnings=tuple(warnings_of(session)),
                failures=tuple(failure for failure, _ in session.failures),
                unread=tuple(session.unread),
            )
        if report.failures and raise_failures:
            raise_together(session)
        return report

    return asyncio.run(run())


def fetch_older_events(
    warehouse: Warehouse,
    settings: Settings,
    policy: Policy,
    *,
    run_id: str,
    since: float,
    progress: Progress | None = None,
    now: Callable[[], float] = time.time,
    patience: Patience | None = None,
) -> OlderEvents:
    """Store the events since a moment (unix seconds of Stripe's clock) that an installation began too late for.

    They say nothing about objects that is not known by now, because history was listed after them. So they are stored
    alone, without signals, and the watermark stays. A fetch that is interrupted keeps its pages; the next begins anew.
    Stripe keeps events for 30 days; where `since` is longer ago the report says `incomplete`.

    Raises WarehouseMissing where nothing was ever synced, SettingsError, BindingError, StripeError, WarehouseError.
    """
    with warehouse.reading():
        pass

    async def run() -> OlderEvents:
        async with open_session(
            warehouse, settings, policy, run_id=run_id, progress=progress, now=now, patience=patience
        ) as (session, state):
            # What comes after is the sync's. An event that was stored here would be taken for followed there.
            until = state.floor(policy.stripe.overlap_seconds) if state.watermark is not None else 0
            if since >= until:
                return OlderEvents(0, session.meter.requests, False)
            book = FeedBook(session, Slice(int(since), until))
            async with session.writer.taking(book):
                await read_list(session.transport, session.writer, book, EVENTS_PATH, {})
            return OlderEvents(book.new, session.meter.requests, is_gap(int(since), session.transport.stripe_now))

    return asyncio.run(run())


async def bring_up_to_date(
    session: Session, state: State, selected: tuple[StripeObject, ...], page: str | None = None
) -> FeedBook | None:
    """List what history is missing, then read the events and follow them. None where the feed could not be read."""
    watermark = await _hold_watermark(session, state)
    _tell_cost(session, state, selected)
    await each(session, selected, lambda kind: _history(session, state, kind))
    feed = await _events(session, state, watermark, page)
    for kind in selected:
        if kind.name in session.refused:
            # What the key may not read, or is left out, cannot be brought up to date; later all of it is listed anew.
            await session.writer.alone(partial(_note_access, session, kind, granted=False))
    await follow(session, selected)
    await fetch_new_parts(session, selected, state)
    return feed


async def follow(session: Session, selected: tuple[StripeObject, ...]) -> None:
    """Bring up to date what stored events speak of, and read what is named and not listed."""
    signalled = await session.writer.alone(partial(_signalled, session.warehouse))
    await each(
        session,
        tuple(kind for kind in selected if kind.name in signalled),
        lambda kind: follow_signals(session, kind),
    )
    behind = await session.writer.alone(partial(not_looked_through, session.warehouse))
    await each(
        session,
        tuple(kind for kind in selected if kind.name in behind),
        lambda kind: read_named(session, kind),
    )


async def _hold_watermark(session: Session, state: State) -> int:
    """Note, before the first list call of all, from when on events must be read (Stripe's clock)."""
    if state.watermark is not None:
        return state.watermark
    try:
        moment = await stripe_time(session)
    except PipelineError as error:
        if isinstance(error, FATAL) or not session.transport.time.heard:
            raise
        note_failure(session, "events", error)
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
        if kind.name in state.refused:
            await session.writer.alone(partial(_note_access, session, kind, granted=True))


def _note_access(session: Session, kind: StripeObject, *, granted: bool) -> None:
    with session.warehouse.transaction() as connection:
        if granted:
            note_granted(connection, kind)
        else:
            note_refused(connection, kind, session.run_id)


async def _events(session: Session, state: State, watermark: int, page: str | None) -> ChangesBook | None:
    """Read the feed from the watermark on, less the overlap, or take the page of it that was handed over."""
    overlap = session.policy.stripe.overlap_seconds
    floor = watermark - overlap if state.watermark is None else state.floor(overlap)
    try:
        handed = await session.writer.alone(partial(_handed, session, page, floor, state)) if page else None
        return await read_changes(session, floor, watermark - overlap, handed)
    except PipelineError as error:
        if isinstance(error, FATAL):
            raise
        note_failure(session, "events", error)
        return None


def _handed(session: Session, page: str, floor: int, state: State) -> Answer | None:
    with session.warehouse.connect() as connection:
        return handed_page(session, connection, page, floor, state)


def _signalled(warehouse: Warehouse) -> set[str]:
    with warehouse.connect() as connection:
        return {name for (name,) in connection.execute(_SQL["signalled_types"]).fetchall()}


async def _heal(session: Session, selected: tuple[StripeObject, ...]) -> bool:
    """List again what a gap in the events has left outdated. Gives whether any object type was."""
    state = await session.writer.alone(partial(_look, session))
    outdated = [kind.name for kind in OBJECTS if state.outdated(kind.name)]
    if not outdated:
        return False
    to_compare = tuple(kind for kind in selected if kind.name in outdated)
    bounds = Bounds(until=session.monotonic() + HEAL_SECONDS)
    outcomes = await compare_all(session, to_compare, dry_run=False, bounds=bounds)
    healed = [outcome.name for outcome in outcomes]
    waiting = [name for name in outdated if name not in healed]
    if healed:
        session.warnings.append(f"{_LOST} {', '.join(healed)}: listed again and compared.")
    if waiting:
        session.warnings.append(
            f"{_LOST} {', '.join(waiting)}: must still be listed again, by the next syncs that can and are to read "
            "them, or by stripe-cio reconcile."
        )
    return bool(healed)


def _look(session: Session) -> State:
    with session.warehouse.connect() as connection:
        return read_state(connection, session.policy)


def _tell_cost(session: Session, state: State, selected: tuple[StripeObject, ...]) -> None:
    """Say what the history that is missing will cost. Stripe counts no list, so it can only be a price."""
    missing = [kind.name for kind in selected if state.unfinished(kind.name) and kind.name not in session.refused]
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


def _expect(session: Session, selected: tuple[StripeObject, ...]) -> tuple[int, float]:
    """Say what a comparison will cost, in requests and seconds."""
    budget = session.transport.budget
    with session.warehouse.connect() as connection:
        pages = {kind.name: list_requests(count_rows(connection, kind)[1]) for kind in selected}
    requests = sum(pages.values()) + 1
    seconds = max(requests / budget.account_rate, max(pages.values(), default=0) / budget.endpoint_rate)
    session.note(
        "cost",
        "all",
        requests=requests,
        seconds_left=seconds,
        message=f"about {requests:,} GET requests in {seconds / 60:.1f} minutes, and one for each vanished object",
        always=True,
    )
    return requests, seconds


def _report(
    session: Session, selected: tuple[StripeObject, ...], feed: FeedBook | None, healed: bool, started: float
) -> ExtractReport:
    objects: list[ObjectReport] = []
    with session.warehouse.connect() as connection:
        state = read_state(connection, session.policy)
        for kind in selected:
            tally = session.tallies.get(kind.name, Tally())
            objects.append(
                ObjectReport(
                    name=kind.name,
                    read=session.read.get(kind.name, 0),
                    added=tally.added,
                    changed=tally.changed,
                    deleted=tally.deleted,
                    requests=session.meter.by_path[kind.path] + session.meter.by_path[f"{kind.path}/{{id}}"],
                    seconds=session.seconds.get(kind.name, 0.0),
                    history_finished=not state.unfinished(kind.name),
                    rows_total=count_rows(connection, kind)[0],
                )
            )
    warnings = warnings_of(session)
    if state.budget.warning:
        warnings.append(state.budget.warning)
    lag = None
    if feed is not None and feed.newest is not None:
        lag = max(0.0, session.transport.stripe_now - feed.newest)
    return ExtractReport(
        objects=tuple(objects),
        requests=session.meter.requests,
        events=session.tallies.get("events", Tally()).added,
        throttled=session.transport.budget.throttled,
        seconds=time.monotonic() - started,
        watermark=state.watermark,
        lag_seconds=lag,
        healed_gap=healed,
        warnings=tuple(warnings),
        failures=tuple(failure for failure, _ in session.failures),
        unread=tuple(session.unread),
    )
