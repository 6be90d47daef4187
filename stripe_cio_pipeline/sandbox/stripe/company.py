"""Everybody who works on one set of books."""

from dataclasses import dataclass
from typing import Self

from stripe_cio_pipeline.sandbox.stripe.agenda import Agenda
from stripe_cio_pipeline.sandbox.stripe.books import Books
from stripe_cio_pipeline.sandbox.stripe.chance import Chance
from stripe_cio_pipeline.sandbox.stripe.collection import Collection
from stripe_cio_pipeline.sandbox.stripe.invoices import Invoices
from stripe_cio_pipeline.sandbox.stripe.payments import Payments
from stripe_cio_pipeline.sandbox.stripe.plan_changes import PlanChanges
from stripe_cio_pipeline.sandbox.stripe.subscriptions import Subscriptions


@dataclass(frozen=True, slots=True)
class Company:
    """The books, the agenda, and who writes in them."""

    books: Books
    agenda: Agenda
    payments: Payments
    invoices: Invoices
    collection: Collection
    subscriptions: Subscriptions
    plan_changes: PlanChanges

    @classmethod
    def staffed(cls, books: Books, agenda: Agenda, chance: Chance) -> Self:
        """Set everybody to work."""
        payments = Payments(books, chance)
        invoices = Invoices(books, payments)
        collection = Collection(books, agenda, chance, payments, invoices)
        subscriptions = Subscriptions(books, agenda, chance, payments, invoices, collection)
        plan_changes = PlanChanges(books, agenda, invoices, collection)
        return cls(books, agenda, payments, invoices, collection, subscriptions, plan_changes)
