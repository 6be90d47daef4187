"""The jobs, and the clock that starts them."""

from collections.abc import Iterable
from typing import TYPE_CHECKING

import dagster as dg

from stripe_cio_pipeline.orchestration.layout import Layout
from stripe_cio_pipeline.orchestration.tidying import build_tidy_job

if TYPE_CHECKING:
    # What define_asset_job returns has no public name; it is wanted for types only.
    from dagster._core.definitions.unresolved_asset_job_definition import UnresolvedAssetJobDefinition

#: A full comparison of a large account reads every object again; dagster.yaml's hour is for the regular sync.
_LONG = {"dagster/max_runtime": str(6 * 3600)}


def build_jobs(
    layout: Layout, everything: Iterable[dg.AssetKey]
) -> "tuple[UnresolvedAssetJobDefinition | dg.JobDefinition, ...]":
    """Build the jobs `sync`, `reconcile`, `verify`, `overview` over assets, of which `everything` names all; `tidy`."""
    names = layout.names
    reconciliation = dg.AssetSelection.assets(names.asset("stripe", "reconciliation"))
    verification = dg.AssetSelection.assets(names.asset("customerio", "verification"))
    overview = dg.AssetSelection.assets(names.asset("model", "overview"))
    return (
        dg.define_asset_job(
            names.act("sync"),
            selection=dg.AssetSelection.assets(*everything) - reconciliation - verification - overview,
            description="From Stripe to Customer.io, once: read what changed, compute people, plan, deliver. "
            "A second run without changes sends nothing.",
            tags=dict(layout.tags),
        ),
        dg.define_asset_job(
            names.act("reconcile"),
            selection=reconciliation,
            description="Compare everything stored with Stripe, repair what differs, and keep the proof. "
            "The next sync sends what was repaired.",
            tags={**layout.tags, **_LONG},
        ),
        dg.define_asset_job(
            names.act("verify"),
            selection=verification,
            description="Read people back from Customer.io and compare them with what it has accepted.",
            tags={**layout.tags, **_LONG},
        ),
        dg.define_asset_job(
            names.act("overview"),
            selection=overview,
            description="Draw the account and the pipeline from what the warehouse has. It sends nothing.",
            tags=dict(layout.tags),
        ),
        build_tidy_job(layout),
    )


def build_schedules(
    layout: Layout, jobs: "tuple[UnresolvedAssetJobDefinition | dg.JobDefinition, ...]"
) -> tuple[dg.ScheduleDefinition, ...]:
    """Build a schedule for each job, in UTC. They are stopped until somebody starts them: the first sync sends."""
    cron = layout.policy.schedule
    words = {
        "sync": (cron.sync, "The safety net for the sensor: a sync even if no event reported a change."),
        "reconcile": (cron.reconcile, "Compare everything with Stripe."),
        "verify": (cron.verify, "Read people back from Customer.io."),
        "overview": (cron.overview, "Draw the day's pictures."),
        "tidy": (cron.tidy, "Delete old data."),
    }
    status = dg.DefaultScheduleStatus.RUNNING if layout.running else dg.DefaultScheduleStatus.STOPPED
    return tuple(
        dg.ScheduleDefinition(
            name=layout.names.act(f"{act}_schedule"),
            job=job,
            cron_schedule=line,
            execution_timezone="UTC",
            default_status=status,
            description=description,
        )
        for job, (act, (line, description)) in zip(jobs, words.items(), strict=True)
    )
