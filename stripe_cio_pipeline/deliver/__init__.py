"""The last room: send the plan to Customer.io and write the outcome of every item to the ledger."""

from stripe_cio_pipeline.deliver.client import Patience
from stripe_cio_pipeline.deliver.delivery import DeliveryNote, DeliveryReport, deliver

__all__ = ["DeliveryNote", "DeliveryReport", "Patience", "deliver"]
