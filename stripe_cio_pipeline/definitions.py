"""What `dagster dev`, `dg dev` and `stripe-cio dev` load: one pipeline, from the environment."""

import os

import dagster as dg

from stripe_cio_pipeline.component import StripeCustomerIoComponent
from stripe_cio_pipeline.orchestration.development import AUTOMATION

# This is a process of the pipeline's own, as its runs are: what it writes is for nobody else on this machine.
os.umask(0o077)

defs: dg.Definitions = dg.build_defs_for_component(
    StripeCustomerIoComponent(owners=["team:growth"], running=os.environ.get(AUTOMATION) == "running")
)
