"""The `sync` job in this process, for the command line: the same job that Dagster's schedule starts."""

import os
import time
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, field
from typing import Any, TypeVar

import dagster as dg

from stripe_cio_pipeline.deliver import DeliveryReport
from stripe_cio_pipeline.errors import PipelineError, SettingsError
from stripe_cio_pipeline.extract import ExtractReport
from stripe_cio_pipeline.model import ModelReport
from stripe_cio_pipeline.orchestration.factory import build_definitions
from stripe_cio_pipeline.orchestration.layout import Layout
from stripe_cio_pipeline.orchestration.lineage import Traced
from stripe_cio_pipeline.orchestration.pipeline import GivenPipeline, Opened
from stripe_cio_pipeline.plan import Plan, Preview
from stripe_cio_pipeline.policy import Policy
from stripe_cio_pipeline.settings import Settings
from stripe_cio_pipeline.warehouse import Turn, Warehouse

#: Dagster writes some ten lines a step to the console. Whoever waits here is told by reports and progress instead.
_QUIET = {"console": {"config": {"log_level": "CRITICAL"}}}

Report = TypeVar("Report")


@dataclass(frozen=True, slots=True)
class SyncOutcome:
    """What a sync did, room by room. `plan` and `delivery` are None in a dry run, which has a `preview` instead."""

    run_id: str
    seconds: float
    extract: ExtractReport | None
    model: ModelReport | None
    plan: Plan | None
    preview: Preview | None
    delivery: DeliveryReport | None


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
) -> SyncOutcome:
    """Run the job `sync` once and give the rooms' reports.

    `approve` lets a plan through that the guard stops; with `dry_run` nothing is sent, and the first `preview_rows` of
    what would be are given; `full` computes every person anew. `on_report` gets each report as soon as its step has
    ended, `progress` the rooms' notes on the way, `on_wait` a sentence where another process has the turn. The run is
    recorded in `instance`, by default in the one that DAGSTER_HOME names, and nowhere if it names none.

    Raises what the failing step raised: GuardStop, SettingsError, StripeError and the other errors of this package, or
    KeyboardInterrupt.
    """
    notes = _Notebook()

    def keep(report: Any) -> None:
        notes.reports.append(report)
        if on_report is not None:
            on_report(report)

    warehouse = warehouse or Warehouse(settings.warehouse_location)
    turn = Turn(warehouse, "stripe-cio sync", tell=on_wait)
    opened = Opened(
        settings,
        policy,
        warehouse,
        turn,
        attended=True,
        on_report=keep,
        on_error=notes.errors.append,
        progress=progress,
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
        with _instance(instance) as used:
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
        turn.give_back()
    if not result.success:
        raise _why(result, notes)
    return SyncOutcome(
        run_id=result.run_id,
        seconds=time.monotonic() - started,
        extract=notes.last(ExtractReport),
        model=notes.last(ModelReport),
        plan=notes.last(Plan),
        preview=notes.last(Preview),
        delivery=notes.last(DeliveryReport),
    )


def _instance(given: dg.DagsterInstance | None) -> AbstractContextManager[dg.DagsterInstance]:
    if given is not None:
        return nullcontext(given)
    home = os.environ.get("DAGSTER_HOME")
    if not home:
        return dg.DagsterInstance.ephemeral()
    try:
        return dg.DagsterInstance.get()
    except dg.DagsterError as refused:
        raise SettingsError(
            f"The Dagster instance in {home} cannot be opened: {str(refused).splitlines()[0]}",
            "Correct DAGSTER_HOME, or unset it: a sync from the command line needs none.",
        ) from None


def _why(result: dg.ExecuteInProcessResult, notes: _Notebook) -> BaseException:
    if notes.errors:
        return notes.errors[-1]
    for check in result.get_asset_check_evaluations():
        if not check.passed and check.severity == dg.AssetCheckSeverity.ERROR:
            return PipelineError(
                f"The check {check.check_name} of {check.asset_key.to_user_string()} failed. {check.description or ''}",
                "Nothing was sent by this run.",
            )
    failed = ", ".join(event.step_key or "" for event in result.all_events if event.is_step_failure)
    return PipelineError(f"The Dagster run failed in {failed or 'its start'}.", "Look at it with stripe-cio dev.")
