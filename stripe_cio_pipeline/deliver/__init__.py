"""The last room: send the plan to Customer.io and write the outcome of every item to the ledger."""

from stripe_cio_pipeline.deliver.alerts import (
    AlertReport,
    Backlog,
    Situation,
    raise_alerts,
    raise_stale_alert,
    try_channels,
)
from stripe_cio_pipeline.deliver.client import Patience
from stripe_cio_pipeline.deliver.delivery import DeliveryNote, DeliveryReport, deliver
from stripe_cio_pipeline.deliver.explain import Explanation, explain
from stripe_cio_pipeline.deliver.forgetting import ForgetReport, forget, forget_removed, look_for
from stripe_cio_pipeline.deliver.links import LinksReport, look_at_links
from stripe_cio_pipeline.deliver.probe import ProbeFinding, probe
from stripe_cio_pipeline.deliver.rejections import retry
from stripe_cio_pipeline.deliver.tidying import TidyReport, tidy
from stripe_cio_pipeline.deliver.verify import VerifyReport, verify

__all__ = [
    "AlertReport",
    "Backlog",
    "DeliveryNote",
    "DeliveryReport",
    "Explanation",
    "ForgetReport",
    "LinksReport",
    "Patience",
    "ProbeFinding",
    "Situation",
    "TidyReport",
    "VerifyReport",
    "deliver",
    "explain",
    "forget",
    "forget_removed",
    "look_at_links",
    "look_for",
    "probe",
    "raise_alerts",
    "raise_stale_alert",
    "retry",
    "tidy",
    "try_channels",
    "verify",
]
