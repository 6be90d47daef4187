"""The room that reads Stripe: history by listing, then changes by events. Knows nothing of what is done with it."""

from stripe_cio_pipeline.extract.binding import bind_stripe
from stripe_cio_pipeline.extract.extraction import extract
from stripe_cio_pipeline.extract.meter import ReadBudget, read_budget
from stripe_cio_pipeline.extract.objects import OBJECTS, PINNED_VERSION, StripeObject
from stripe_cio_pipeline.extract.progress import (
    ExtractReport,
    ObjectFailure,
    ObjectReport,
    Progress,
    ProgressNote,
)
from stripe_cio_pipeline.extract.sightings import ShapeFinding, shape_findings
from stripe_cio_pipeline.extract.transport import Patience

__all__ = [
    "OBJECTS",
    "PINNED_VERSION",
    "ExtractReport",
    "ObjectFailure",
    "ObjectReport",
    "Patience",
    "Progress",
    "ProgressNote",
    "ReadBudget",
    "ShapeFinding",
    "StripeObject",
    "bind_stripe",
    "extract",
    "read_budget",
    "shape_findings",
]
