"""A Stripe and a Customer.io on loopback that are as awkward as the real ones. See docs/sandbox.md.

`Sandbox` runs both in threads of the calling process; `python -m stripe_cio_pipeline.sandbox` runs them alone.
This package imports nothing from the rest of the project, so that it can judge it.
"""

from stripe_cio_pipeline.sandbox.clock import REAL_TIME, Clock
from stripe_cio_pipeline.sandbox.counters import Counters
from stripe_cio_pipeline.sandbox.customerio import AWKWARD, CustomerioSwitches, Neighbours, Workspace
from stripe_cio_pipeline.sandbox.faults import Fault, Faults
from stripe_cio_pipeline.sandbox.pair import Sandbox
from stripe_cio_pipeline.sandbox.stripe import StripeAccount, StripeSwitches

__all__ = [
    "AWKWARD",
    "REAL_TIME",
    "Clock",
    "Counters",
    "CustomerioSwitches",
    "Fault",
    "Faults",
    "Neighbours",
    "Sandbox",
    "StripeAccount",
    "StripeSwitches",
    "Workspace",
]
