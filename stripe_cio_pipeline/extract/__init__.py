"""The room that reads Stripe: history by listing, then changes by events. Knows nothing of what is done with it."""

from stripe_cio_pipeline.extract.binding import bind_stripe
from stripe_cio_pipeline.extract.extraction import extract
from stripe_cio_pipeline.extract.frontier import HistoryMark, read_mark
from stripe_cio_pipeline.extract.meter import ReadBudget, read_budget
from stripe_cio_pipeline.extract.objects import OBJECTS, PINNED_VERSION, StripeObject
from stripe_cio_pipeline.extract.older_events import OlderEvents, fetch_older_events
from stripe_cio_pipeline.extract.peeking import Peek, ProbeFinding, check_account, peek, probe
from stripe_cio_pipeline.extract.progress import (
    ExtractReport,
    ObjectFailure,
    ObjectReport,
    Progress,
    ProgressNote,
)
from stripe_cio_pipeline.extract.proof import MonthProof, latest_proof
from stripe_cio_pipeline.extract.reconciliation import ObjectReconciliation, ReconcileReport, reconcile
from stripe_cio_pipeline.extract.sightings import ShapeFinding, shape_findings
from stripe_cio_pipeline.extract.transport import Patience

__all__ = [
    "OBJECTS",
    "PINNED_VERSION",
    "ExtractReport",
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
    "bind_stripe",
    "check_account",
    "extract",
    "fetch_older_events",
    "latest_proof",
    "peek",
    "probe",
    "read_budget",
    "read_mark",
    "reconcile",
    "shape_findings",
]
