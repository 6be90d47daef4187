"""A fake Customer.io: one workspace behind the Track API (v1 and v2) and the App API's read side."""

from stripe_cio_pipeline.sandbox.customerio.activities import Activity
from stripe_cio_pipeline.sandbox.customerio.application import application
from stripe_cio_pipeline.sandbox.customerio.events import Event, Mail
from stripe_cio_pipeline.sandbox.customerio.neighbours import Deed, Neighbours
from stripe_cio_pipeline.sandbox.customerio.people import Person
from stripe_cio_pipeline.sandbox.customerio.switches import AWKWARD, CustomerioSwitches
from stripe_cio_pipeline.sandbox.customerio.truth import Human, Truth
from stripe_cio_pipeline.sandbox.customerio.workspace import Workspace

__all__ = [
    "AWKWARD",
    "Activity",
    "CustomerioSwitches",
    "Deed",
    "Event",
    "Human",
    "Mail",
    "Neighbours",
    "Person",
    "Truth",
    "Workspace",
    "application",
]
