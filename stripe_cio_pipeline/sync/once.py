"""A sync from beginning to end in this process, for whoever keeps no record of runs."""

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any
from uuid import uuid4

from stripe_cio_pipeline.deliver import Backlog, DeliveryReport
from stripe_cio_pipeline.extract import ExtractReport
from stripe_cio_pipeline.model import ModelReport
from stripe_cio_pipeline.plan import Plan, Preview, guard_stop
from stripe_cio_pipeline.policy import Policy
from stripe_cio_pipeline.settings import Settings
from stripe_cio_pipeline.sync.acts import (
    Opened,
    compute_model,
    deliver_plan,
    failure_of,
    noting_failure,
    plan_changes,
    plan_dry,
    read_stripe,
)
from stripe_cio_pipeline.sync.soundness import require_soundness
from stripe_cio_pipeline.warehouse import Turn, Warehouse


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


def sync_once(
    settings: Settings,
    policy: Policy,
    *,
    approve: bool = False,
    dry_run: bool = False,
    full: bool = False,
    preview_rows: int = 20,
    warehouse: Warehouse | None = None,
    progress: Callable[[Any], None] | None = None,
    on_report: Callable[[Any], None] | None = None,
    on_wait: Callable[[str], object] | None = None,
    backlog: Callable[[], Backlog | None] | None = None,
) -> SyncOutcome:
    """Read Stripe, compute the model, plan and deliver: what the job `sync` does, without Dagster.

    `approve` lets a plan through that the guard stops; with `dry_run` nothing is sent, and the first `preview_rows` of
    what would be are given; `full` computes every person anew. `on_report` gets each room's report as soon as it is
    there, `progress` the rooms' notes on the way, `on_wait` a sentence where another process has the turn. `backlog` is
    as in `Opened`.

    Raises what the failing act raised: GuardStop, SettingsError, StripeError and the other errors of this package. What
    was done before it is kept.
    """
    opened = open_attended(
        settings, policy, warehouse, progress=progress, on_report=on_report, on_wait=on_wait, backlog=backlog
    )
    run_id = str(uuid4())
    began = time.monotonic()
    plan, would_be, delivery = None, None, None
    try:
        with noting_failure(opened, run_id):
            read = read_stripe(opened, run_id)
            if failure := failure_of(read.failures):
                raise failure
        with noting_failure(opened, run_id, in_turn=True):
            model = compute_model(opened, run_id, full=full)
            with opened.warehouse.reading() as connection:
                require_soundness(connection)
            if dry_run:
                would_be = plan_dry(opened, run_id, rows=preview_rows)
            else:
                plan = plan_changes(opened, run_id, let_through=approve, full=full)
        if plan is not None:
            if plan.guard.stopped:
                raise guard_stop(plan)
            with noting_failure(opened, run_id):
                delivery = deliver_plan(opened, run_id)
    finally:
        opened.turn.give_back()
    return SyncOutcome(run_id, time.monotonic() - began, read, model, plan, would_be, delivery)


def open_attended(
    settings: Settings,
    policy: Policy,
    warehouse: Warehouse | None,
    *,
    progress: Callable[[Any], None] | None,
    on_report: Callable[[Any], None] | None,
    on_wait: Callable[[str], object] | None,
    on_error: Callable[[BaseException], None] | None = None,
    backlog: Callable[[], Backlog | None] | None = None,
) -> Opened:
    """Give the acts of a sync for which somebody waits at a terminal what they hand to the rooms."""
    warehouse = warehouse or Warehouse(settings.warehouse_location)
    turn = Turn(warehouse, "stripe-cio sync", tell=on_wait)
    callers = (("on_report", on_report), ("on_error", on_error), ("backlog", backlog))
    listening: dict[str, Any] = {name: given for name, given in callers if given is not None}
    return Opened(settings, policy, warehouse, turn, attended=True, progress=progress, **listening)
