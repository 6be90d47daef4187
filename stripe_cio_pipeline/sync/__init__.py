"""A sync: the rooms' work act by act, with what is around each act; and all acts in their order.

Dagster's steps and the command line both call these acts, so that there is one pipeline and not two.
"""

from stripe_cio_pipeline.deliver import Backlog
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
from stripe_cio_pipeline.sync.arriving import Sent, open_for_arrivals, send_arrivals, take_arrivals
from stripe_cio_pipeline.sync.once import SyncOutcome, sync_once
from stripe_cio_pipeline.sync.runs import begin_run, finish_run

__all__ = [
    "Backlog",
    "Opened",
    "Sent",
    "SyncOutcome",
    "begin_run",
    "compute_model",
    "deliver_plan",
    "failure_of",
    "finish_run",
    "noting_failure",
    "open_for_arrivals",
    "plan_changes",
    "plan_dry",
    "read_stripe",
    "send_arrivals",
    "sync_once",
    "take_arrivals",
]
