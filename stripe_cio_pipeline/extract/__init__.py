"""The room that reads Stripe: history by listing, then changes by events. Knows nothing of what is done with it."""

from stripe_cio_pipeline.extract.arriving import Arrived, TakenIn, take_in
from stripe_cio_pipeline.extract.budget import ReadBudget, poll_seconds, read_budget
from stripe_cio_pipeline.extract.clock import SIMULATED, TOLERANCE_SECONDS
from stripe_cio_pipeline.extract.comparing import MOST_BY_ID
from stripe_cio_pipeline.extract.endpoints import WEBHOOK_PATH, Endpoint, command_to_create, read_endpoints
from stripe_cio_pipeline.extract.growing import Growth, still_missing
from stripe_cio_pipeline.extract.objects import OBJECTS, PINNED_VERSION, StripeObject
from stripe_cio_pipeline.extract.payloads import ShapeFinding, emptied, shape_findings
from stripe_cio_pipeline.extract.peeking import Peek, ProbeFinding, bound_account, check_account, peek, probe
from stripe_cio_pipeline.extract.proof import latest_proof
from stripe_cio_pipeline.extract.reports import (
    ExtractReport,
    MonthProof,
    ObjectFailure,
    ObjectReconciliation,
    ObjectReport,
    OlderEvents,
    Progress,
    ProgressNote,
    ReconcileReport,
)
from stripe_cio_pipeline.extract.run import extract, fetch_older_events, reconcile
from stripe_cio_pipeline.extract.state import BROUGHT, FOUND, HistoryMark, bind_stripe, is_live, read_mark
from stripe_cio_pipeline.extract.transport import Patience

__all__ = [
    "BROUGHT",
    "FOUND",
    "MOST_BY_ID",
    "OBJECTS",
    "PINNED_VERSION",
    "SIMULATED",
    "TOLERANCE_SECONDS",
    "WEBHOOK_PATH",
    "Arrived",
    "Endpoint",
    "ExtractReport",
    "Growth",
    "HistoryMark",
    "MonthProof",
    "ObjectFailure",
    "ObjectReconciliation",
    "ObjectReport",
    "OlderEvents",
    "Patience",
    "Peek",
    "ProbeFinding",
    "Progress",
    "ProgressNote",
    "ReadBudget",
    "ReconcileReport",
    "ShapeFinding",
    "StripeObject",
    "TakenIn",
    "bind_stripe",
    "bound_account",
    "check_account",
    "command_to_create",
    "emptied",
    "extract",
    "fetch_older_events",
    "is_live",
    "latest_proof",
    "peek",
    "poll_seconds",
    "probe",
    "read_budget",
    "read_endpoints",
    "read_mark",
    "reconcile",
    "shape_findings",
    "still_missing",
    "take_in",
]
