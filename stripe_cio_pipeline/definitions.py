"""What `dagster dev`, `dg dev` and `stripe-cio dev` load: one pipeline, from the environment."""

import os

import dagster as dg

from stripe_cio_pipeline.component import StripeCustomerIoComponent
from stripe_cio_pipeline.orchestration.development import AUTOMATION

defs: dg.Definitions = dg.build_defs_for_component(
    StripeCustomerIoComponent(owners=["team:growth"], running=os.environ.get(AUTOMATION) == "running")
)
