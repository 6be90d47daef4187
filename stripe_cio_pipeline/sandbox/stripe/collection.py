"""Getting invoices paid, and letting subscription and customer follow."""

from stripe_cio_pipeline.sandbox.stripe.agenda import Agenda
from stripe_cio_pipeline.sandbox.stripe.books import Books
from stripe_cio_pipeline.sandbox.stripe.chance import Chance
from stripe_cio_pipeline.sandbox.stripe.invoices import Invoices, subscription_of
from stripe_cio_pipeline.sandbox.stripe.payments import Payments
from stripe_cio_pipeline.sandbox.stripe.periods import DAY
from stripe_cio_pipeline.sandbox.stripe.shelf import Payload

ENDED = ("canceled", "incomplete_expired")


class Collection:
    """Collects by card at once and again, or waits for a transfer; gives up where nothing helps."""

    def __init__(self, books: Books, agenda: Agenda, chance: Chance, payments: Payments, invoices: Invoices) -> None:
        self._payments = payments
        self._books = books
        self._agenda = agenda
        self._chance = chance
        self._invoices = invoices

    def finalize(self, invoice_id: str) -> None:
        """Finalize a draft and collect it, or wait for the transfer."""
        invoice = self._books.find("invoice", invoice_id)
        if invoice is None or self._is_paused(invoice):
            return
        invoice = self._invoices.finalize(invoice_id)
        if invoice["collection_method"] == "charge_automatically":
            self.collect(invoice_id)
        else:
            self._expect_transfer(invoice)

    def collect(self, invoice_id: str, attempt: int | None = None) -> bool:
        """Try to collect an open invoice and let subscription and customer follow; `True` when it is paid.

        `attempt` is how many attempts there were when this one was planned: one that came otherwise cancels it.
        """
        books = self._books
        invoice = books.find("invoice", invoice_id)
        if invoice is None or invoice["status"] != "open":
            return False
        if attempt is not None and invoice["attempt_count"] != attempt:
            return False
        paid = self._invoices.attempt(invoice_id)
        invoice = books.get("invoice", invoice_id)
        subscription_id = subscription_of(invoice)
        if paid:
            self._after_payment(invoice, subscription_id)
            return True
        self._set_delinquent(invoice["customer"], delinquent=True)
        subscription = books.find("subscription", subscription_id) if subscription_id else None
        first = invoice["billing_reason"] == "subscription_create"
        if subscription is not None and subscription["status"] not in ENDED and not first:
            books.change("subscription", subscription["id"], {"status": "past_due"}, "customer.subscription.updated")
        retry = invoice["next_payment_attempt"]
        if retry is not None and not first:
            self._agenda.add(retry, "collect", invoice_id, invoice["attempt_count"])
        elif not first:
            self._give_up(invoice, subscription)
        return False

    def _is_paused(self, invoice: Payload) -> bool:
        """Treat an invoice as its subscription's `pause_collection` says, if it has one: nothing is collected then."""
        subscription = self._books.find("subscription", subscription_of(invoice) or "")
        pause = subscription["pause_collection"] if subscription is not None else None
        if pause is None or invoice["status"] != "draft":
            return False
        if pause["behavior"] == "keep_as_draft":
            self._books.change("invoice", invoice["id"], {"auto_advance": False}, "invoice.updated")
            return True
        self._invoices.finalize(invoice["id"])
        if pause["behavior"] == "void":
            self._invoices.void(invoice["id"])
        else:
            self._invoices.give_up(invoice["id"])
        return True

    def resume_collection(self, id: str, moment: int) -> None:  # noqa: A002
        """Collect again from the moment on that was set when collection was paused."""
        subscription = self._books.find("subscription", id)
        pause = subscription["pause_collection"] if subscription is not None else None
        if pause is not None and pause["resumes_at"] == moment:
            self._books.change("subscription", id, {"pause_collection": None}, "customer.subscription.updated")

    def pay_outside(self, invoice_id: str, amount: int) -> Payload:
        """Record a payment past Stripe, and let the subscription follow where nothing is left to pay."""
        invoice = self._invoices.pay_outside(invoice_id, amount)
        if invoice["status"] == "paid":
            self._after_payment(invoice, subscription_of(invoice))
        return self._books.get("invoice", invoice_id)

    def settle_debit(self, charge: Payload, *, paid: bool) -> Payload:
        """Let the bank answer a debit for an invoice."""
        books = self._books
        self._payments.settle_debit(charge["id"], paid=paid)
        invoice_id = books.invoice_of(charge["payment_intent"] or "")
        if invoice_id is None:
            return books.get("charge", charge["id"])
        if paid:
            self._after_payment(self._invoices.mark_paid(invoice_id), subscription_of(books.get("invoice", invoice_id)))
        else:
            self._invoices.refused(invoice_id)
        return books.get("charge", charge["id"])

    def settle_by_transfer(self, invoice_id: str) -> None:
        """Record a bank transfer that came in for a sent invoice: all of it, or a part and the rest days after."""
        invoice = self._books.find("invoice", invoice_id)
        if invoice is None or invoice["status"] != "open":
            return
        amount = invoice["amount_remaining"]
        if not amount:
            self._after_payment(self._invoices.mark_paid(invoice_id), subscription_of(invoice))
            return
        if invoice["amount_paid"] == 0 and amount > 1 and self._chance.happens(0.3, "in parts", invoice_id):
            self._agenda.add(self._books.now + 6 * DAY, "settle_by_transfer", invoice_id)
            amount //= 2
        self.pay_outside(invoice_id, amount)

    def fall_due(self, invoice_id: str) -> None:
        """Tell that a sent invoice was not paid in time."""
        books = self._books
        invoice = books.find("invoice", invoice_id)
        if invoice is None or invoice["status"] != "open":
            return
        books.emit("invoice.overdue", invoice)
        self._set_delinquent(invoice["customer"], delinquent=True)
        subscription = books.find("subscription", subscription_of(invoice) or "")
        if subscription is not None and subscription["status"] not in ENDED:
            books.change("subscription", subscription["id"], {"status": "past_due"}, "customer.subscription.updated")

    def expire_incomplete(self, id: str) -> None:  # noqa: A002
        """Give up on a subscription whose first invoice was not paid within 23 hours."""
        books = self._books
        subscription = books.find("subscription", id)
        if subscription is None or subscription["status"] != "incomplete":
            return
        self._invoices.void(subscription["latest_invoice"])
        changes = {"status": "incomplete_expired", "ended_at": books.now}
        books.change("subscription", id, changes, "customer.subscription.updated")

    def end_subscription(self, id: str, *, reason: str) -> Payload:  # noqa: A002
        """End a subscription now; its last invoice stays as it is."""
        books = self._books
        subscription = books.get("subscription", id)
        if subscription["status"] in ENDED:
            return subscription
        changes = {
            "status": "canceled",
            "canceled_at": subscription["canceled_at"] or books.now,
            "ended_at": books.now,
            "cancellation_details": {**subscription["cancellation_details"], "reason": reason},
        }
        return books.change("subscription", id, changes, "customer.subscription.deleted")

    def _after_payment(self, invoice: Payload, subscription_id: str | None) -> None:
        books = self._books
        if subscription_id and (subscription := books.find("subscription", subscription_id)):
            others = [
                row
                for row in books.of_customer("invoice", invoice["customer"], status="open")
                if subscription_of(row) == subscription_id
            ]
            if subscription["status"] == "incomplete" and invoice["billing_reason"] == "subscription_create":
                late = books.now > subscription["created"]
                books.change(
                    "subscription",
                    subscription_id,
                    {"status": "active"},
                    "customer.subscription.updated" if late else None,
                )
            elif subscription["status"] in ("past_due", "unpaid") and not others:
                books.change("subscription", subscription_id, {"status": "active"}, "customer.subscription.updated")
        still_open = any(row["attempted"] for row in books.of_customer("invoice", invoice["customer"], status="open"))
        if not still_open:
            self._set_delinquent(invoice["customer"], delinquent=False)

    def _give_up(self, invoice: Payload, subscription: Payload | None) -> None:
        """After the last retry: most merchants cancel, some leave it unpaid."""
        self._invoices.give_up(invoice["id"])
        if subscription is None or subscription["status"] in ENDED:
            return
        if self._chance.happens(0.75, "after dunning", invoice["id"]):
            self.end_subscription(subscription["id"], reason="payment_failed")
        else:
            self._books.change(
                "subscription", subscription["id"], {"status": "unpaid"}, "customer.subscription.updated"
            )

    def _set_delinquent(self, customer: str, *, delinquent: bool) -> None:
        if self._books.find("customer", customer) is not None:
            self._books.change("customer", customer, {"delinquent": delinquent}, "customer.updated")

    def _expect_transfer(self, invoice: Payload) -> None:
        """Plan when the money for a sent invoice comes in; a fifth of the customers pay late."""
        wait = self._chance.between(5, 28, "transfer", invoice["id"])
        if self._chance.happens(0.2, "late transfer", invoice["id"]):
            wait += 14
        self._agenda.add(self._books.now + wait * DAY, "settle_by_transfer", invoice["id"])
        if invoice["due_date"] is not None:
            self._agenda.add(invoice["due_date"], "fall_due", invoice["id"])
