"""One extraction: history that is missing, then changes. The order of the parts is what makes it lose nothing."""

import asyncio
import time
from collections.abc import Callable, Collection
from functools import partial

from stripe_cio_pipeline.extract.feed import FeedBook
from stripe_cio_pipeline.extract.objects import OBJECTS, StripeObject, select
from stripe_cio_pipeline.extract.progress import ExtractReport, ObjectReport, Progress
from stripe_cio_pipeline.extract.reconciliation import compare_all
from stripe_cio_pipeline.extract.running import bring_up_to_date, open_session, raise_together
from stripe_cio_pipeline.extract.session import Session
from stripe_cio_pipeline.extract.state import State, read_state
from stripe_cio_pipeline.extract.store import Tally, count_rows
from stripe_cio_pipeline.extract.transport import Patience
from stripe_cio_pipeline.extract.writer import WINDOW_PAGES
from stripe_cio_pipeline.policy import Policy
from stripe_cio_pipeline.settings import Settings
from stripe_cio_pipeline.warehouse import Warehouse

_LOST = "More than 30 days passed since events were last read, and Stripe keeps them no longer."


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
        healed = await _heal(session, selected)
        await session.writer.commit_now()
        report = _report(session, selected, feed, healed, started)
    if report.failures and raise_failures:
        raise_together(session)
    return report


async def _heal(session: Session, selected: tuple[StripeObject, ...]) -> bool:
    """List again what a gap in the events has left outdated. Gives whether any object type was."""
    outdated = _outdated(await session.writer.alone(partial(_look, session)))
    if not outdated:
        return False
    outcomes = await compare_all(session, tuple(kind for kind in selected if kind.name in outdated), dry_run=False)
    healed = [outcome.name for outcome in outcomes]
    waiting = [name for name in outdated if name not in healed]
    if healed:
        session.warnings.append(f"{_LOST} {', '.join(healed)}: listed again and compared.")
    if waiting:
        session.warnings.append(
            f"{_LOST} {', '.join(waiting)}: must still be listed again, by the next sync that can and is to read them."
        )
    return bool(healed)


def _look(session: Session) -> State:
    with session.warehouse.connect() as connection:
        return read_state(connection, session.policy)


def _outdated(state: State) -> list[str]:
    return [kind.name for kind in OBJECTS if state.outdated(kind.name)]


def _report(
    session: Session,
    selected: tuple[StripeObject, ...],
    feed: FeedBook | None,
    healed: bool,
    started: float,
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
    warnings = [*session.warnings, *session.sightings.warnings()]
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
    )
