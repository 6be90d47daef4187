"""The `sync` job in this process, for the command line, where Dagster keeps a record of runs."""

import os
import signal
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager, nullcontext, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar

import dagster as dg

from stripe_cio_pipeline.deliver import Backlog, DeliveryReport
from stripe_cio_pipeline.errors import PipelineError, SettingsError
from stripe_cio_pipeline.extract import ExtractReport
from stripe_cio_pipeline.model import ModelReport
from stripe_cio_pipeline.orchestration.factory import build_definitions
from stripe_cio_pipeline.orchestration.layout import Layout
from stripe_cio_pipeline.orchestration.lineage import Traced
from stripe_cio_pipeline.orchestration.pipeline import GivenPipeline
from stripe_cio_pipeline.plan import Plan, Preview
from stripe_cio_pipeline.policy import Policy
from stripe_cio_pipeline.settings import Settings
from stripe_cio_pipeline.sync import SyncOutcome
from stripe_cio_pipeline.sync.once import open_attended
from stripe_cio_pipeline.sync.soundness import require_soundness
from stripe_cio_pipeline.warehouse import Warehouse

#: Dagster writes some ten lines a step to the console. Whoever waits here is told by reports and progress instead.
_QUIET = {"console": {"config": {"log_level": "CRITICAL"}}}

Report = TypeVar("Report")


@dataclass(slots=True)
class _Notebook:
    """Reports and errors as the steps hand them over."""

    reports: list[Any] = field(default_factory=list)
    errors: list[BaseException] = field(default_factory=list)

    def last(self, kind: type[Report]) -> Report | None:
        return next((report for report in reversed(self.reports) if isinstance(report, kind)), None)


def run_sync(
    settings: Settings,
    policy: Policy,
    *,
    approve: bool = False,
    dry_run: bool = False,
    full: bool = False,
    preview_rows: int = 20,
    warehouse: Warehouse | None = None,
    instance: dg.DagsterInstance | None = None,
    progress: Callable[[Any], None] | None = None,
    on_report: Callable[[Any], None] | None = None,
    on_wait: Callable[[str], object] | None = None,
    backlog: Callable[[], Backlog | None] | None = None,
) -> SyncOutcome:
    """Run the job `sync` once as Dagster runs it; arguments, outcome and errors are those of `sync.sync_once`.

    The run is recorded in `instance`, by default in the one that DAGSTER_HOME names, and nowhere if it names none.
    """
    notes = _Notebook()

    def keep(report: Any) -> None:
        notes.reports.append(report)
        if on_report is not None:
            on_report(report)

    opened = open_attended(
        settings,
        policy,
        warehouse,
        progress=progress,
        on_report=keep,
        on_wait=on_wait,
        on_error=notes.errors.append,
        backlog=backlog,
    )
    recorded = instance is not None or "DAGSTER_HOME" in os.environ
    definitions = build_definitions(
        # Where nobody will look at the run, its lineage need not be traced.
        Layout(policy=policy),
        GivenPipeline(opened),
        None if recorded else Traced(),
    )
    started = time.monotonic()
    try:
        with _instance(instance, on_wait or (lambda _: None)) as used, _passing_stops_on():
            result = definitions.resolve_job_def("sync").execute_in_process(
                instance=used,
                raise_on_error=False,
                run_config={
                    "loggers": _QUIET,
                    "ops": {
                        "build_model": {"config": {"full": full}},
                        "make_plan": {
                            "config": {"approve": approve, "dry_run": dry_run, "full": full, "rows": preview_rows}
                        },
                    },
                },
            )
    finally:
        opened.turn.give_back()
    if not result.success:
        raise _why(result, notes, opened.warehouse)
    return SyncOutcome(
        run_id=result.run_id,
        seconds=time.monotonic() - started,
        extract=notes.last(ExtractReport),
        model=notes.last(ModelReport),
        plan=notes.last(Plan),
        preview=notes.last(Preview),
        delivery=notes.last(DeliveryReport),
    )


@contextmanager
def _passing_stops_on() -> Iterator[None]:
    """Send a Ctrl-C or SIGTERM again, when Dagster has let go of it, to whoever listens in this process.

    While a job runs Dagster has handlers of its own. They raise an error where they can, the step fails with it, and in
    the middle of a query with another one that DuckDB makes of it: it would be told as a defect.
    """
    if threading.current_thread() is not threading.main_thread():
        yield  # no signal comes here
        return
    reading, writing = os.pipe()
    for end in (reading, writing):
        os.set_blocking(end, False)
    before = signal.set_wakeup_fd(writing, warn_on_full_buffer=False)
    try:
        yield
    finally:
        signal.set_wakeup_fd(before)
        came = b""
        with suppress(BlockingIOError):
            came = os.read(reading, 512)
        for end in (reading, writing):
            os.close(end)
        for number in (signal.SIGINT, signal.SIGTERM):
            if number in came:
                signal.raise_signal(number)


@contextmanager
def recorder(home: Path, tell: Callable[[str], object]) -> Iterator[dg.DagsterInstance | None]:
    """Open the instance under a Dagster home, so that a run is recorded there. None where its storage is damaged.

    That is told: all state that matters is in the warehouse, so the run goes on without being recorded.
    """
    with ExitStack() as held:
        instance: dg.DagsterInstance | None = None
        try:
            instance = held.enter_context(dg.DagsterInstance.from_config(str(home)))
            _look_into(instance)
        except Exception as damaged:  # whatever its databases raise: errors of sqlalchemy, sqlite, alembic and Dagster
            instance = None
            tell(
                f"! Dagster's storage in {home} cannot be used ({type(damaged).__name__}), so nothing is recorded "
                f"there. No data is in it: move {home}/storage away, and Dagster starts a new history."
            )
        yield instance


def _look_into(instance: dg.DagsterInstance) -> None:
    """Read a little from each of an instance's databases. Raises what they raise."""
    instance.get_run_records(limit=1)
    instance.fetch_materializations(dg.AssetKey("customers"), limit=1)
    instance.all_instigator_state()


def _instance(
    given: dg.DagsterInstance | None, tell: Callable[[str], object]
) -> AbstractContextManager[dg.DagsterInstance]:
    if given is not None:
        return nullcontext(given)
    home = os.environ.get("DAGSTER_HOME")
    if not home:
        return dg.DagsterInstance.ephemeral()
    try:
        instance = dg.DagsterInstance.get()
    except dg.DagsterError as refused:
        raise SettingsError(
            f"The Dagster instance in {home} cannot be opened: {str(refused).splitlines()[0]}",
            "Correct DAGSTER_HOME, or unset it: a sync from the command line needs none.",
        ) from None
    except Exception as damaged:  # as in `recorder`
        tell(f"! Dagster's storage in {home} cannot be used ({type(damaged).__name__}), so this run is not recorded.")
        return dg.DagsterInstance.ephemeral()
    return instance


def _why(result: dg.ExecuteInProcessResult, notes: _Notebook, warehouse: Warehouse) -> BaseException:
    if notes.errors:
        return notes.errors[-1]
    try:
        with warehouse.reading() as connection:
            require_soundness(connection)
    except PipelineError as unsound:
        return unsound
    for check in result.get_asset_check_evaluations():
        if not check.passed and check.severity == dg.AssetCheckSeverity.ERROR:
            return PipelineError(
                f"The check {check.check_name} of {check.asset_key.to_user_string()} failed. {check.description or ''}",
                "Nothing was sent by this run.",
            )
    failed = ", ".join(event.step_key or "" for event in result.all_events if event.is_step_failure)
    return PipelineError(f"The Dagster run failed in {failed or 'its start'}.", "Look at it with stripe-cio dev.")
