"""What every part of one run shares, how it is opened and closed, and what becomes of an object type that fails."""

import asyncio
import gc
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from functools import partial
from typing import Any

from stripe_cio_pipeline.errors import (
    BindingError,
    PipelineError,
    ReadBudgetSpent,
    StripeCredentialsError,
    StripePermissionError,
    StripeUnavailable,
    WarehouseError,
)
from stripe_cio_pipeline.extract.budget import WINDOW_PAGES, Budget, Meter
from stripe_cio_pipeline.extract.forgotten import Forgotten
from stripe_cio_pipeline.extract.objects import ACCOUNT_PATH, EVENTS_PATH, OBJECTS, StripeObject
from stripe_cio_pipeline.extract.payloads import Shapes
from stripe_cio_pipeline.extract.reports import ObjectFailure, Progress, ProgressNote, Stage
from stripe_cio_pipeline.extract.rows import Tally
from stripe_cio_pipeline.extract.state import (
    ACCOUNT,
    FINGERPRINT,
    State,
    bind_stripe,
    check_bindings,
    fingerprint,
    is_live,
    note_refused,
    read_state,
)
from stripe_cio_pipeline.extract.transport import Patience, Refusal, Transport, wrong_request
from stripe_cio_pipeline.extract.writer import Writer
from stripe_cio_pipeline.policy import Policy
from stripe_cio_pipeline.settings import Settings
from stripe_cio_pipeline.waiting import together
from stripe_cio_pipeline.warehouse import Warehouse

#: What stops a whole run, whatever object type met it.
FATAL = (StripeCredentialsError, BindingError, ReadBudgetSpent, WarehouseError)

#: The least time between two notes of one stage and object type.
NOTE_SECONDS = 0.5


@dataclass(slots=True)
class Session:
    """One run's hands. Belongs to one event loop."""

    warehouse: Warehouse
    transport: Transport
    writer: Writer
    meter: Meter
    policy: Policy
    run_id: str
    livemode: bool
    forgotten: Forgotten
    #: The account to which the warehouse belongs, and whether it is a connected one (STRIPE_ACCOUNT).
    account: str = ""
    connected: bool = False
    progress: Progress | None = None
    monotonic: Callable[[], float] = time.monotonic
    shapes: Shapes = field(default_factory=Shapes)
    tallies: dict[str, Tally] = field(default_factory=dict)
    read: dict[str, int] = field(default_factory=dict)
    seconds: dict[str, float] = field(default_factory=dict)
    warnings: list[str] = field(default_factory=list)
    failures: list[tuple[ObjectFailure, BaseException]] = field(default_factory=list)
    #: Single objects that could not be read, of types that could.
    unread: list[ObjectFailure] = field(default_factory=list)
    #: Object types that the key may not read, or that the policy leaves out, and that are not needed.
    refused: set[str] = field(default_factory=set)
    #: Events of accounts that are none of ours, which are left out.
    foreign_events: set[str] = field(default_factory=set)
    _noted: dict[tuple[str, str], float] = field(default_factory=dict)

    def tally(self, name: str, tally: Tally) -> None:
        """Add what a write did to the object type's sum. Called from the writing thread, one at a time."""
        self.tallies[name] = self.tallies.get(name, Tally()) + tally

    def note(
        self,
        stage: Stage,
        name: str,
        *,
        rows: int = 0,
        requests: int = 0,
        rows_per_second: float = 0.0,
        share: float | None = None,
        seconds_left: float | None = None,
        message: str = "",
        always: bool = False,
    ) -> None:
        """Tell whoever listens, not too often."""
        if self.progress is None:
            return
        moment = self.monotonic()
        if not always and moment - self._noted.get((stage, name), float("-inf")) < NOTE_SECONDS:
            return
        self._noted[stage, name] = moment
        self.progress(ProgressNote(stage, name, rows, requests, rows_per_second, share, seconds_left, message))


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
            state = read_state(connection, policy, now())
    check_bindings(state.bindings, account=None, livemode=livemode)
    thresholds = gc.get_threshold()
    limit = policy.stripe.monthly_reads if policy.stripe.on_budget == "pause" else None
    meter = Meter(state.budget.used_30_days, limit)
    budget = Budget(policy.stripe, live=livemode, meter=meter, window=window)
    async with Transport(
        key,
        settings.stripe_api_base,
        settings.stripe_account,
        budget,
        patience=patience,
        now=now,
        forgotten=state.forgotten,
    ) as transport:
        writer = Writer(warehouse, budget)
        session = Session(
            warehouse,
            transport,
            writer,
            meter,
            policy,
            run_id,
            livemode,
            state.forgotten,
            connected=settings.stripe_account is not None,
            progress=progress,
            refused={*policy.stripe.leave_out},
        )
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


async def stripe_time(session: Session) -> int:
    """Give Stripe's time, as the newest answer told it; ask where there was none yet. Raises StripeError.

    Whatever Stripe answers, even a refusal, tells the time. Where it is not believed, the earlier of both clocks.
    """
    if not session.transport.time.heard and session.transport.time.doubt is None:
        try:
            await session.transport.list(EVENTS_PATH, {}, limit=1)
        except StripePermissionError:
            if not session.transport.time.heard:
                raise
    return int(session.transport.stripe_now)


async def _bind(session: Session, settings: Settings, state: State) -> None:
    mark = fingerprint(settings)
    session.account = state.bindings.get(ACCOUNT, "")
    if state.bindings.get(FINGERPRINT) == mark:
        return
    is_first = ACCOUNT not in state.bindings
    session.account = account = await ask_account(session.transport, settings.stripe_account)

    if is_first and session.transport.time.doubt:
        # From this moment on events are sent: too early, and old ones are; too late, and new ones are not.
        raise StripeUnavailable(
            f"Stripe's clock cannot be believed: {session.transport.time.doubt}.",
            "Nothing was read. Let this machine keep its time by NTP, and look for a proxy that changes dates.",
        )

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


async def ask_account(transport: Transport, connected: str | None) -> str:
    """Ask Stripe to which account the key belongs, or prove that it may read the `connected` one.

    A restricted key may lack the permission for that. Then its own account is the one that Stripe's refusal names; a
    connected one is proved by reading from it, for a refusal may name the platform. Raises BindingError, StripeError.
    """
    try:
        answer = await transport.account()
    except StripePermissionError:
        if connected is None:
            if transport.named_account is None:
                raise
            return transport.named_account
        if isinstance(await transport.list(EVENTS_PATH, {}, limit=1), Refusal):
            raise
        return connected
    if isinstance(answer, Refusal):
        raise wrong_request(answer, ACCOUNT_PATH)
    account = str(answer.body["id"])
    if connected is not None and account != connected:
        raise BindingError(
            f"STRIPE_ACCOUNT is {connected}, and Stripe answers for {account}.",
            "Correct STRIPE_ACCOUNT; if it is right, look at what stands between here and Stripe.",
        )
    return account


async def each(
    session: Session, selected: tuple[StripeObject, ...], work: Callable[[StripeObject], Awaitable[Any]]
) -> None:
    """Work on all object types at once. One that fails leaves the others alone, unless it concerns them all."""

    async def one(kind: StripeObject) -> None:
        if kind.name in session.refused or any(failure.object == kind.name for failure, _ in session.failures):
            return
        started = session.monotonic()
        try:
            await work(kind)
        except PipelineError as error:
            if isinstance(error, FATAL):
                raise
            if kind.needed or not isinstance(error, StripePermissionError):
                note_failure(session, kind.name, error)
                return
            session.refused.add(kind.name)
            session.warnings.append(f"{kind.name}: {error.what} {error.advice} All else is synced.")
            await session.writer.alone(partial(_note_refused, session, kind))
        finally:
            session.seconds[kind.name] = session.seconds.get(kind.name, 0.0) + session.monotonic() - started

    await together(one(kind) for kind in selected)
    await session.writer.commit_now()


def warnings_of(session: Session) -> list[str]:
    """Say what somebody should look at, one sentence each."""
    warnings = [*session.warnings, *session.shapes.warnings()]
    if doubt := session.transport.time.doubt:
        warnings.append(
            f"Stripe's clock cannot be believed: {doubt}. Until it can, events are read again from the same moment on. "
            "Let this machine keep its time by NTP, and look for a proxy that changes dates."
        )
    if session.foreign_events:
        count = len(session.foreign_events)
        warnings.append(f"{count:,} events of other accounts are in the feed of {session.account}; they are left out.")
    return warnings


def note_failure(session: Session, name: str, error: PipelineError) -> None:
    """Note that an object type, or the events, could not be read."""
    session.failures.append((ObjectFailure(name, type(error).__name__, error.what, error.advice), error))


def _note_refused(session: Session, kind: StripeObject) -> None:
    with session.warehouse.transaction() as connection:
        note_refused(connection, kind, session.run_id)


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
