"""A Stripe and a Customer.io on loopback that are as awkward as the real ones. See docs/sandbox.md.

This package imports nothing from the rest of the project, so that it can judge it.
"""

from stripe_cio_pipeline.sandbox.clock import REAL_TIME, Clock
from stripe_cio_pipeline.sandbox.counters import Counters
from stripe_cio_pipeline.sandbox.faults import Fault, Faults

__all__ = ["REAL_TIME", "Clock", "Counters", "Fault", "Faults"]
