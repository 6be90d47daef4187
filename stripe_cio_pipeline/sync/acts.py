"""The four acts of a sync: read Stripe, compute the model, plan, deliver. Each calls a room and says what came of it.

They know nothing of Dagster. A run is noted in `pipeline.runs` when it begins and when it ends, however it ends, and
alerts go by that.
"""

from collections.abc import Callable, Collection, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from typing import Any

from stripe_cio_pipeline import errors
from stripe_cio_pipeline.deliver import Backlog, DeliveryReport, deliver, forget_removed, look_at_links, raise_alerts
from stripe_cio_pipeline.errors import GuardStop, PipelineError, StripeError
from stripe_cio_pipeline.extract import ExtractReport, ObjectFailure, extract
from stripe_cio_pipeline.model import ModelReport, build
from stripe_cio_pipeline.plan import Plan, Preview, approve, guard_stop, make_plan, preview
from stripe_cio_pipeline.policy import Policy
from stripe_cio_pipeline.settings import Settings
from stripe_cio_pipeline.sync.runs import Kind, begin_run, finish_run
from stripe_cio_pipeline.warehouse import Turn, Warehouse


def _ignore(_: object) -> None:
    """Nobody is watching."""


def _unknown() -> None:
    """Nobody has looked what waits."""


@dataclass(frozen=True, slots=True)
class Opened:
    """What an act hands to a room.

    `turn` is for acts that build, plan or deliver; it is the same for all acts of a run in one process. `on_report`
    and `on_error` get each room's report, and the error that ended an act; `progress` gets the room's notes on the way.
    `attended`: somebody waits at the terminal, so nothing that failed is tried again minutes later. `kind` is what the
    run is noted as; `early` looks for people whose links were only just accepted. `backlog` says what waits of webhooks
    when a run ends, for the alerts; it raises nothing, and gives None where that is not known.
    """

    settings: Settings
    policy: Policy
    warehouse: Warehouse
    turn: Turn
    attended: bool = False
    kind: Kind = "sync"
    early: bool = False
    on_report: Callable[[Any], None] = _ignore
    on_error: Callable[[BaseException], None] = _ignore
    progress: Callable[[Any], None] | None = None
    backlog: Callable[[], Backlog | None] = _unknown


@contextmanager
def noting_failure(
    opened: Opened,
    run_id: str,
    kind: Kind = "sync",
    *,
    in_turn: bool = False,
    is_tried_again: Callable[[PipelineError], bool] = lambda _: False,
) -> Iterator[None]:
    """Do an act of a run, and note where it ends the run: in the warehouse and, of a sync, to whoever hears of it.

    `in_turn` takes the warehouse's turn first, which the run keeps. An error that `is_tried_again` ends nothing.
    """
    try:
        if in_turn:
            opened.turn.take()
        yield
    except PipelineError as error:
        opened.on_error(error)
        if not is_tried_again(error):
            _note_end(opened, run_id, kind, type(error).__name__, error)
        raise
    except Exception as error:
        opened.on_error(error)
        _note_end(opened, run_id, kind, type(error).__name__, error)
        raise


def read_stripe(
    opened: Opened, run_id: str, objects: Collection[str] | None = None, page: str | None = None
) -> ExtractReport:
    """Read Stripe: history where it is not finished, then what changed. `objects` names types, by default all.

    `page` names the page of events that a look for changes has handed over.
    What could be read is stored, and the report names what could not (`failure_of`). Raises what concerns all of it.
    """
    opened.settings.require_stripe()
    begin_run(opened.warehouse, run_id, "sync")
    report = extract(
        opened.warehouse,
        opened.settings,
        opened.policy,
        run_id=run_id,
        objects=objects,
        page=page,
        progress=opened.progress,
        raise_failures=False,
    )
    opened.on_report(report)
    return report


def failure_of(failures: Sequence[ObjectFailure]) -> PipelineError | None:
    """Give one error for all object types that failed; the one with the graver exit code speaks for all."""
    if not failures:
        return None
    kinds: list[type[PipelineError]] = [getattr(errors, failure.error, StripeError) for failure in failures]
    gravest = max(kinds, key=lambda kind: kind.exit_code)
    if len(failures) == 1:
        return gravest(failures[0].what, failures[0].advice)
    told = " ".join(f"{failure.object}: {failure.what} {failure.advice}".strip() for failure in failures)
    return gravest(f"{len(failures)} object types could not be read. {told}", "What the others gave is kept.")


def compute_model(opened: Opened, run_id: str, *, full: bool = False) -> ModelReport:
    """Run the SQL of the models over what changed; `full` computes everybody anew."""
    report = build(opened.warehouse, opened.policy, run_id=run_id, full=full)
    opened.on_report(report)
    return report


def plan_dry(opened: Opened, run_id: str, *, rows: int) -> Preview:
    """Say what would be sent, with the first so many people and events, and end the run. It makes no plan."""
    would_be = preview(opened.warehouse, opened.policy, limit=rows, links_are_seen=_links_are_seen(opened))
    opened.on_report(would_be)
    finish_run(opened.warehouse, run_id, "sync", "dry run, nothing sent", {})
    return would_be


def plan_changes(opened: Opened, run_id: str, *, let_through: bool = False, full: bool = False) -> Plan:
    """Look at new links, and compare the model with the ledger.

    A plan that the guard stops is noted as the end of the run, and given.
    `let_through` approves whatever was planned; `full` compares everybody anew.
    """
    looked = look_at_links(opened.warehouse, opened.settings, opened.policy, run_id=run_id, early=opened.early)
    if looked.looked_at or looked.problem:
        opened.on_report(looked)
    made = make_plan(opened.warehouse, opened.policy, run_id=run_id, full=full, links_are_seen=_links_are_seen(opened))
    if made.guard.stopped and let_through:
        approve(opened.warehouse, made.plan_id)
        made = replace(made, guard=replace(made.guard, stopped=False, approved=True))
    opened.on_report(made)
    if made.guard.stopped:
        stop = guard_stop(made)
        opened.on_error(stop)
        _note_end(opened, run_id, opened.kind, "stopped by the guard", stop)
    return made


def _links_are_seen(opened: Opened) -> bool:
    return opened.settings.customerio_app_api_key is not None


def deliver_plan(opened: Opened, run_id: str, *, approved_plan: str | None = None) -> DeliveryReport:
    """Send the plan that stands, store the outcome of every item, and end the run. Gives the turn back.

    `approved_plan` is the id of a plan that is to be sent although the guard stopped it. Raises where something is
    still due: a run is whole only where all was accepted, or rejected with a reason.
    """
    report = deliver(
        opened.warehouse,
        opened.settings,
        opened.policy,
        run_id=run_id,
        plan_id=approved_plan,
        approve=approved_plan is not None,
        progress=opened.progress,
    )
    forget_removed(opened.warehouse, opened.policy, run_id=run_id)
    opened.turn.give_back()
    opened.on_report(report)
    report.raise_if_due()
    summary = {"accepted": report.accepted, "rejected": report.rejected, "events": report.events_accepted}
    finish_run(opened.warehouse, run_id, opened.kind, "done", summary)
    if opened.kind == "sync":
        _alert(opened, run_id, report=report)
    return report


def _note_end(opened: Opened, run_id: str, kind: Kind, outcome: str, error: Exception) -> None:
    if not opened.warehouse.exists:
        return
    # The first error is the one to tell, also where the warehouse is what cannot be used: nothing here changes a run.
    with suppress(Exception):
        what = error.what if isinstance(error, PipelineError) else type(error).__name__
        finish_run(opened.warehouse, run_id, kind, outcome, {"what": what})
        # What keeps webhooks from being followed is told when a sync meets it too; what a guard has stopped, at once.
        if kind == "sync" or isinstance(error, GuardStop):
            _alert(opened, run_id, error=error)


def _alert(
    opened: Opened, run_id: str, *, error: Exception | None = None, report: DeliveryReport | None = None
) -> None:
    raise_alerts(
        opened.warehouse,
        opened.settings,
        opened.policy,
        run_id=run_id,
        error=error,
        report=report,
        backlog=opened.backlog(),
    )
