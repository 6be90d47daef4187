"""`sync` and `plan`: one run, and what it would send."""

import os
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext
from functools import partial
from typing import TYPE_CHECKING, Annotated, Any
from uuid import uuid4

import typer

from stripe_cio_pipeline.cli.live import ProgressBars, working
from stripe_cio_pipeline.cli.output import duration
from stripe_cio_pipeline.cli.reports import Reports, show, show_model, show_preview
from stripe_cio_pipeline.cli.session import LOCK_WAIT_SECONDS, Json, Limit, Session, Wait, open_session
from stripe_cio_pipeline.errors import PipelineError
from stripe_cio_pipeline.listening.backlog import read_backlog
from stripe_cio_pipeline.model import build
from stripe_cio_pipeline.plan import approve as approve_one
from stripe_cio_pipeline.plan import preview, remedy
from stripe_cio_pipeline.settings import Settings
from stripe_cio_pipeline.sync import SyncOutcome, sync_once
from stripe_cio_pipeline.warehouse import Turn

if TYPE_CHECKING:
    from dagster import DagsterInstance


def sync(
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Read, model and plan, but send nothing.")] = False,
    approve: Annotated[
        bool, typer.Option("--approve", help="Approve this run's plan, even where the guard would stop it.")
    ] = False,
    approve_plan: Annotated[
        str | None,
        typer.Option(
            "--approve-plan",
            metavar="PLAN",
            help="Approve exactly this plan, by the id that the guard gave. Later changes need a new approval.",
        ),
    ] = None,
    full: Annotated[bool, typer.Option("--full", help="Recompute and compare everybody.")] = False,
    limit: Limit = 3,
    as_json: Json = False,
    wait: Wait = LOCK_WAIT_SECONDS,
) -> None:
    """Run the pipeline once: read Stripe, compute people, plan, send. Dagster's schedule runs the same."""
    session = open_session(as_json=as_json, wait=wait)
    if approve_plan is not None:
        approve_one(session.warehouse, approve_plan)
    reports, outcome = run_and_show(session, approve=approve, dry_run=dry_run, full=full, limit=limit)
    exit_code = int(outcome["exit_code"])
    output = session.output
    told_below = reports.extract is not None and reports.extract.failures
    if (error := outcome.get("error")) and not told_below:
        output.bad(error["what"])
        output.say(f"  {error['advice']}")
    for sentence in reports.left_undone:
        output.bad(sentence)
    if exit_code == 0:
        what = "Nothing was sent (dry run)." if dry_run else "Done."
        output.good(f"{what} {duration(outcome['seconds'])}")
    output.result({**reports.summary(), **outcome, "dry_run": dry_run})
    raise typer.Exit(exit_code)


def run_and_show(
    session: Session,
    *,
    approve: bool = False,
    dry_run: bool = False,
    full: bool = False,
    limit: int = 3,
    recorded: bool = True,
) -> tuple[Reports, dict[str, Any]]:
    """Run the job, show each room's report as it comes, and give all of them with run id, seconds and exit code.

    An error of this package becomes part of the outcome, because what was done before it counts too. `recorded` puts
    the run among those that `stripe-cio dev` shows, where that was started once.
    """
    output, reports = session.output, Reports()
    started = time.monotonic()
    outcome: dict[str, Any] = {"run_id": None, "exit_code": 0}
    with ProgressBars(output) as bars:
        bars.begin("Reading Stripe")

        def take(report: Any) -> None:
            reports.take(report)
            bars.clear()
            show(output, report)
            bars.follow(report)

        try:
            with _instance(session.settings, output.say) if recorded else nullcontext() as instance:
                done = _runner(instance)(
                    session.settings,
                    session.policy,
                    approve=approve,
                    dry_run=dry_run,
                    full=full,
                    preview_rows=limit,
                    warehouse=session.warehouse,
                    progress=bars.note,
                    on_report=take,
                    on_wait=output.say,
                    backlog=partial(read_backlog, session.settings.home),
                )
        except PipelineError as error:
            outcome["exit_code"] = error.exit_code
            outcome["error"] = {"kind": type(error).__name__, "what": error.what, "advice": error.advice}
        else:
            outcome["run_id"] = done.run_id
            outcome["exit_code"] = 1 if reports.left_undone else 0
    return reports, {**outcome, "seconds": round(time.monotonic() - started, 3)}


def _runner(instance: "DagsterInstance | None") -> Callable[..., SyncOutcome]:
    """Give what runs a sync: Dagster's job where the run is recorded, because Dagster alone takes two seconds."""
    if instance is None and not os.environ.get("DAGSTER_HOME"):
        return sync_once
    from stripe_cio_pipeline.orchestration.run import run_sync

    return partial(run_sync, instance=instance)


@contextmanager
def _instance(settings: Settings, tell: Callable[[str], object]) -> Iterator["DagsterInstance | None"]:
    """Give the instance whose runs `stripe-cio dev` shows, where there is one, so that this run is among them."""
    home = settings.home.absolute() / "dagster"
    if os.environ.get("DAGSTER_HOME") or not (home / "dagster.yaml").exists():
        yield None
        return
    from stripe_cio_pipeline.orchestration.run import recorder

    with recorder(home, tell) as instance:
        yield instance


def plan(limit: Limit = 3, as_json: Json = False, wait: Wait = LOCK_WAIT_SECONDS) -> None:
    """Show what the next sync would send and why, with examples. Reads only the warehouse."""
    session = open_session(as_json=as_json, wait=wait)
    with working(session.output, "Computing people") as bars:
        with session.warehouse.reading():
            pass  # where nothing was ever synced, say so and make no file
        # The models may have been edited since the last run, and this is how an edit's effect is seen.
        with Turn(session.warehouse, "stripe-cio plan", tell=session.output.say):
            model = build(session.warehouse, session.policy, run_id=f"plan-{uuid4()}")
        bars.begin("Planning")
        seen = session.settings.customerio_app_api_key is not None
        found = preview(session.warehouse, session.policy, limit=limit, now=time.time, links_are_seen=seen)
    output = session.output
    show_model(output, model)
    show_preview(output, found)
    if found.plan.guard.stopped:
        output.say(f"! A guard stops this plan. {remedy(found.plan)}", "yellow")
    output.result(found)
