"""Upgrades and downgrades in the middle of a period, prorated to the second."""

from typing import Any

from stripe_cio_pipeline.sandbox.stripe import payloads
from stripe_cio_pipeline.sandbox.stripe.agenda import Agenda
from stripe_cio_pipeline.sandbox.stripe.books import Books, edition
from stripe_cio_pipeline.sandbox.stripe.collection import ENDED, Collection
from stripe_cio_pipeline.sandbox.stripe.invoices import Invoices
from stripe_cio_pipeline.sandbox.stripe.periods import later
from stripe_cio_pipeline.sandbox.stripe.shelf import Payload


class PlanChanges:
    """Moves subscriptions to other prices and quantities. What was paid too much becomes credit."""

    def __init__(self, books: Books, agenda: Agenda, invoices: Invoices, collection: Collection) -> None:
        self._books = books
        self._agenda = agenda
        self._invoices = invoices
        self._collection = collection

    def change_plan(self, id: str, price_id: str, quantity: int | None = None) -> Payload:  # noqa: A002
        """Move the first item to another price or quantity, with a prorated invoice at once."""
        books = self._books
        subscription = books.get("subscription", id)
        if subscription["status"] in ENDED:
            raise ValueError(f"subscription {id} is {subscription['status']} and cannot change")
        items = books.full_list(subscription["items"])
        old, price = items[0], books.get("price", price_id)
        if subscription["currency"] not in {price["currency"], *books.currency_options.get(edition(price), {})}:
            raise ValueError(f"price {price_id} is in {price['currency']}, not {subscription['currency']}")
        metered = price["recurring"]["usage_type"] == "metered"
        end = old["current_period_end"]
        changes: dict[str, Any] = {}
        same_rhythm = (
            price["recurring"]["interval"] == old["price"]["recurring"]["interval"]
            or subscription["status"] == "trialing"
        )
        if not same_rhythm:
            # Another interval starts a new period now, as Stripe does.
            end = later(books.now, price["recurring"]["interval"], price["recurring"]["interval_count"], 1)
            changes["billing_cycle_anchor"] = books.now
        new = {
            **old,
            "price": price,
            "plan": payloads.plan_of(price),
            "quantity": None if metered else quantity or old["quantity"] or 1,
            "current_period_end": end,
            "current_period_start": old["current_period_start"] if same_rhythm else books.now,
        }
        others = [
            {**item, "current_period_start": new["current_period_start"], "current_period_end": end}
            for item in items[1:]
        ]
        changes["items"] = books.nest(subscription["items"]["url"], [new, *others])
        billable = subscription["status"] in ("active", "past_due")
        invoice_id = books.ids.new("in") if billable else None
        if invoice_id is not None:
            changes["latest_invoice"] = invoice_id
        changed = books.change("subscription", id, changes, "customer.subscription.updated")
        if invoice_id is not None:
            self._prorate(changed, invoice_id, old, new)
        if not same_rhythm:
            self._agenda.add(end, "renew", id, end)
        return books.get("subscription", id)

    def _prorate(self, subscription: Payload, invoice_id: str, old: Payload, new: Payload) -> None:
        books = self._books
        start, end = old["current_period_start"], old["current_period_end"]
        left = max(0.0, (end - books.now) / max(1, end - start))
        currency = subscription["currency"]
        fresh = new["current_period_start"] == books.now
        amounts = [
            (old, -round(self._amount(old, currency) * left)),
            (new, self._amount(new, currency) if fresh else round(self._amount(new, currency) * left)),
        ]
        lines = [
            self._invoices.line(
                invoice_id,
                subscription,
                item,
                start=books.now,
                end=new["current_period_end"],
                amount=amount,
                proration=True,
            )
            for item, amount in amounts
        ]
        self._invoices.draft(
            books.get("customer", subscription["customer"]),
            currency=subscription["currency"],
            lines=lines,
            invoice_id=invoice_id,
            subscription=subscription,
            reason="subscription_update",
            start=books.now,
            end=books.now,
        )
        self._collection.finalize(invoice_id)

    def _amount(self, item: Payload, currency: str) -> int:
        price = item["price"]
        if item["quantity"] is None:
            return 0
        return self._books.amount(price, item["quantity"], currency)
