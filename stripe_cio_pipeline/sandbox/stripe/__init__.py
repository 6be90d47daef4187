"""The Stripe side of the sandbox: an account that lives, and an application that serves it."""

from stripe_cio_pipeline.sandbox.stripe.account import StripeAccount
from stripe_cio_pipeline.sandbox.stripe.application import application
from stripe_cio_pipeline.sandbox.stripe.switches import PINNED_VERSION, READ_PERMISSIONS, StripeSwitches

__all__ = ["PINNED_VERSION", "READ_PERMISSIONS", "StripeAccount", "StripeSwitches", "application"]
