"""Invoices: drafted, finalized, collected, given up."""

from collections.abc import Sequence

from stripe_cio_pipeline.sandbox.stripe import payloads
from stripe_cio_pipeline.sandbox.stripe.books import Books, edition
from stripe_cio_pipeline.sandbox.stripe.money import taken_off
from stripe_cio_pipeline.sandbox.stripe.payments import NEEDS_THE_CUSTOMER, Payments
from stripe_cio_pipeline.sandbox.stripe.periods import DAY
from stripe_cio_pipeline.sandbox.stripe.shelf import Payload

RETRY_DAYS = (3, 5, 7)
"""Days after each failed attempt until the next; after the last one Stripe gives up."""


class Invoices:
    """Makes and collects invoices of a customer, for a subscription or by themselves."""

    def __init__(self, books: Books, payments: Payments) -> None:
        self._books = books
        self._payments = payments

    def draft(
        self,
        customer: Payload,
        *,
        currency: str,
        lines: Sequence[Payload],
        invoice_id: str,
        subscription: Payload | None,
        reason: str,
        start: int,
        end: int,
    ) -> Payload:
        """Write a draft from line items that already carry its id."""
        invoice = self.compose(
            customer,
            currency=currency,
            lines=lines,
            invoice_id=invoice_id,
            subscription=subscription,
            reason=reason,
            start=start,
            end=end,
        )
        return self._books.add(invoice, "invoice.created")

    def compose(
        self,
        customer: Payload,
        *,
        currency: str,
        lines: Sequence[Payload],
        invoice_id: str,
        subscription: Payload | None,
        reason: str,
        start: int,
        end: int,
    ) -> Payload:
        """Make an invoice without putting it into the books: discounts and balance are worked out."""
        books = self._books
        subtotal = sum(line["amount"] for line in lines)
        of_all = subscription["discounts"] if subscription else []
        if subscription and not of_all and customer["discount"]:
            # A customer's own discount is for what has none (docs.stripe.com/billing/subscriptions/coupons).
            of_all = [customer["discount"]["id"]]
        discounts = of_all if subtotal > 0 else []
        amounts, left = [], subtotal
        for line in lines:
            for discount_id in line["discounts"] if subtotal > 0 else ():
                amount = self._off(discount_id, [line], min(left, line["amount"]), currency)
                line["discount_amounts"].append({"amount": amount, "discount": discount_id})
                amounts.append({"amount": amount, "discount": discount_id})
                left -= amount
        for discount_id in discounts:
            amount = self._off(discount_id, lines, left, currency)
            left -= amount
            amounts.append({"amount": amount, "discount": discount_id})
        return payloads.invoice(
            id=invoice_id,
            created=books.now,
            livemode=books.livemode,
            currency=currency,
            customer=customer,
            subscription=subscription["id"] if subscription else None,
            lines=books.nest(f"/v1/invoices/{invoice_id or 'upcoming'}/lines", list(lines)),
            subtotal=subtotal,
            discount_amounts=amounts,
            discounts=discounts,
            starting_balance=customer["balance"] if customer["currency"] in (None, currency) else 0,
            billing_reason=reason,
            collection_method=subscription["collection_method"] if subscription else "charge_automatically",
            start=start,
            end=end,
            account_name=books.account.get("business_profile", {}).get("name") or "Example Ltd",
        )

    def _off(self, discount_id: str, lines: Sequence[Payload], left: int, currency: str) -> int:
        """Work out what a discount takes off lines of which so much is left."""
        books = self._books
        coupon = books.coupon_of(discount_id)
        assert coupon is not None  # noqa: S101 - a discount keeps its coupon
        limited = _amount_of(lines, books.applies_to.get(edition(coupon)))
        return taken_off(coupon, min(left, limited), currency, books.currency_options.get(edition(coupon), {}))

    def line(
        self,
        invoice_id: str,
        subscription: Payload,
        item: Payload,
        *,
        start: int,
        end: int,
        amount: int | None = None,
        quantity: int | None = None,
        proration: bool = False,
        trial: bool = False,
    ) -> Payload:
        """Make the line for one subscription item; a metered one needs the quantity that was used."""
        books = self._books
        price = item["price"]
        quantity = item["quantity"] if item["quantity"] is not None else (quantity or 0)
        if amount is None:
            amount = 0 if trial else books.amount(price, quantity, subscription["currency"])
        rates = item["tax_rates"] or subscription["default_tax_rates"]
        product = books.find("product", price["product"])
        name = product["name"] if product else price["product"]
        what = f"Trial period for {name}" if trial else f"{quantity} × {name}"
        if proration:
            what = f"{'Unused' if amount < 0 else 'Remaining'} time on {name}"
        line = payloads.line_item(
            id=books.ids.new("il"),
            invoice=invoice_id,
            amount=amount,
            currency=subscription["currency"],
            description=what,
            livemode=books.livemode,
            subscription=subscription["id"],
            item=item["id"],
            price=price,
            quantity=quantity,
            start=start,
            end=end,
            proration=proration,
        )
        line["discounts"] = [] if proration else list(item["discounts"])
        line["taxes"] = [payloads.tax_inside(line, rate) for rate in rates]
        return line

    def finalize(self, invoice_id: str) -> Payload:
        """Give a draft its number and open it. What it takes from the customer's balance is booked now."""
        books = self._books
        invoice = books.get("invoice", invoice_id)
        if invoice["status"] != "draft":
            return invoice
        number = None
        customer = books.find("customer", invoice["customer"])
        if customer is not None:
            number = f"{customer['invoice_prefix']}-{customer['next_invoice_sequence']:04d}"
            books.change("customer", customer["id"], {"next_invoice_sequence": customer["next_invoice_sequence"] + 1})
            if invoice["ending_balance"] != customer["balance"]:
                changed = {"balance": invoice["ending_balance"]}
                books.change("customer", customer["id"], changed, "customer.updated")
        page = f"https://invoice.example.com/i/{books.ids.mark}/{invoice_id}"
        sent = invoice["collection_method"] == "send_invoice"
        changes = {
            "status": "open",
            "number": number,
            "automatically_finalizes_at": None,
            "effective_at": books.now,
            "hosted_invoice_url": page,
            "invoice_pdf": f"{page}/pdf",
            "status_transitions": {**invoice["status_transitions"], "finalized_at": books.now},
            "webhooks_delivered_at": books.now,
        }
        invoice = books.change("invoice", invoice_id, changes, "invoice.finalized")
        if sent:
            books.emit("invoice.sent", invoice)
        elif invoice["amount_due"] > 0:
            customer_payload = customer or {"id": invoice["customer"]}
            intent = self._payments.new_intent(
                invoice["amount_due"], invoice["currency"], customer_payload, None, f"Invoice {number}"
            )
            payment = payloads.invoice_payment(
                id=books.ids.new("inpay"),
                created=books.now,
                livemode=books.livemode,
                invoice=invoice_id,
                amount=invoice["amount_due"],
                currency=invoice["currency"],
                intent=intent["id"],
            )
            books.add(payment)
        return invoice

    def attempt(self, invoice_id: str) -> bool:
        """Try to collect an open invoice; `False` when the card refused or there is none."""
        books = self._books
        invoice = books.get("invoice", invoice_id)
        if invoice["amount_remaining"] == 0:
            self.mark_paid(invoice_id)
            return True
        customer = books.find("customer", invoice["customer"])
        subscription = books.find("subscription", subscription_of(invoice) or "")
        method = self._payments.card_of(customer, subscription) if customer is not None else None
        attempts = invoice["attempt_count"] + 1
        intent = books.intent_of(invoice_id)
        paid = needs_the_customer = False
        if customer is not None and method is not None and intent is not None:
            charge = self._payments.charge(
                amount=invoice["amount_remaining"],
                currency=invoice["currency"],
                customer=customer,
                method=method,
                intent=intent,
                description=f"Invoice {invoice['number']}",
            )
            paid = bool(charge["paid"])
            needs_the_customer = charge["failure_code"] == NEEDS_THE_CUSTOMER
        books.change("invoice", invoice_id, {"attempt_count": attempts, "attempted": True})
        if paid:
            self.mark_paid(invoice_id)
            return True
        self.refused(invoice_id, needs_the_customer=needs_the_customer)
        return False

    def refused(self, invoice_id: str, *, needs_the_customer: bool = False) -> Payload:
        """Tell that an attempt failed, and when the next one is."""
        books = self._books
        attempts = books.get("invoice", invoice_id)["attempt_count"]
        retry = None
        if attempts <= len(RETRY_DAYS):
            retry = books.now + RETRY_DAYS[attempts - 1] * DAY
        invoice = books.change("invoice", invoice_id, {"next_payment_attempt": retry}, "invoice.updated")
        if needs_the_customer:
            books.emit("invoice.payment_action_required", invoice)
        books.emit("invoice.payment_failed", invoice)
        return invoice

    def mark_paid(self, invoice_id: str) -> Payload:
        """Book an invoice as paid, by a charge or (where it has no payment intent) from outside."""
        books = self._books
        invoice = books.get("invoice", invoice_id)
        left = invoice["amount_remaining"]
        changes = {
            "status": "paid",
            "amount_paid": invoice["amount_due"],
            "amount_remaining": 0,
            "attempted": True,
            "auto_advance": False,
            "next_payment_attempt": None,
            "status_transitions": {**invoice["status_transitions"], "paid_at": books.now},
        }
        invoice = books.change("invoice", invoice_id, changes, "invoice.updated")
        payment = books.payment_of(invoice_id)
        if payment is not None:
            done = {
                "status": "paid",
                "amount_paid": left,
                "status_transitions": {"canceled_at": None, "paid_at": books.now},
            }
            books.change("invoice_payment", payment, done, "invoice_payment.paid")
        books.emit("invoice.paid", invoice)
        books.emit("invoice.payment_succeeded", invoice)
        return invoice

    def pay_outside(self, invoice_id: str, amount: int) -> Payload:
        """Record a payment that was made past Stripe. Of a part of what is due only the payment's own event tells."""
        books = self._books
        invoice = books.get("invoice", invoice_id)
        if invoice["status"] != "open" or not 0 < amount <= invoice["amount_remaining"]:
            raise ValueError(f"invoice {invoice_id} is {invoice['status']}, {invoice['amount_remaining']} left to pay")
        payment = payloads.payment_outside(
            id=books.ids.new("inpay"),
            created=books.now,
            invoice=invoice,
            amount=amount,
            record=books.ids.new("prec"),
        )
        books.add(payment)
        changes = {
            "amount_paid": invoice["amount_paid"] + amount,
            "amount_paid_off_stripe": invoice["amount_paid_off_stripe"] + amount,
            "amount_remaining": invoice["amount_remaining"] - amount,
        }
        if changes["amount_remaining"]:
            books.change("invoice", invoice_id, changes)
            if default := books.payment_of(invoice_id):
                # Stripe keeps it at what remains (API reference, invoice payments: `is_default`).
                books.change("invoice_payment", default, {"amount_requested": changes["amount_remaining"]})
            books.emit("invoice_payment.paid", payment)
            return books.get("invoice", invoice_id)
        transitions = {**invoice["status_transitions"], "paid_at": books.now}
        done = {
            "status": "paid",
            "auto_advance": False,
            "next_payment_attempt": None,
            "status_transitions": transitions,
        }
        paid = books.change("invoice", invoice_id, {**changes, **done}, "invoice.updated")
        books.emit("invoice_payment.paid", payment)
        books.emit("invoice.paid", paid)
        return paid

    def credit(self, invoice_id: str, *, outside: int = 0, refund: int = 0, to_balance: int = 0) -> Payload:
        """Write a credit note to a paid invoice; of the invoice's change no event of its own tells."""
        books = self._books
        invoice = books.get("invoice", invoice_id)
        amount = outside + refund + to_balance
        credited = invoice["post_payment_credit_notes_amount"] + amount
        if invoice["status"] != "paid" or not 0 < credited <= invoice["amount_paid"]:
            raise ValueError(
                f"invoice {invoice_id} is {invoice['status']}, {invoice['amount_paid']} paid: not {amount}"
            )
        refunds = []
        if refund:
            intent = books.get("payment_intent", books.intent_of(invoice_id) or "")
            refunds.append(self._payments.refund(intent["latest_charge"], refund))
        if to_balance:
            customer = books.get("customer", invoice["customer"])
            changed = {"balance": customer["balance"] - to_balance}
            books.change("customer", customer["id"], changed, "customer.updated")
        note = payloads.credit_note(
            id=books.ids.new("cn"),
            created=books.now,
            invoice=invoice,
            number=f"{invoice['number']}-CN",
            amount=amount,
            outside=outside,
            refunds=refunds,
            balance_transaction=books.ids.new("cbtxn") if to_balance else None,
        )
        books.change("invoice", invoice_id, {"post_payment_credit_notes_amount": credited})
        return books.add(note, "credit_note.created")

    def debit(self, invoice_id: str) -> Payload:
        """Begin to collect an open invoice by direct debit: an attempt that has not failed, nor succeeded."""
        books = self._books
        invoice = books.get("invoice", invoice_id)
        intent = books.intent_of(invoice_id)
        if invoice["status"] != "open" or intent is None:
            raise ValueError(f"invoice {invoice_id} is {invoice['status']}: nothing to debit")
        customer = books.get("customer", invoice["customer"])
        what = f"Invoice {invoice['number']}"
        charge = self._payments.debit(customer, invoice["amount_remaining"], invoice["currency"], intent, what)
        tried = {"attempt_count": invoice["attempt_count"] + 1, "attempted": True, "next_payment_attempt": None}
        books.change("invoice", invoice_id, tried, "invoice.updated")
        return charge

    def give_up(self, invoice_id: str) -> Payload:
        """Mark an open invoice as uncollectible."""
        invoice = self._books.get("invoice", invoice_id)
        changes = {
            "status": "uncollectible",
            "auto_advance": False,
            "next_payment_attempt": None,
            "status_transitions": {
                **invoice["status_transitions"],
                "marked_uncollectible_at": self._books.now,
            },
        }
        return self._books.change("invoice", invoice_id, changes, "invoice.marked_uncollectible")

    def void(self, invoice_id: str) -> Payload:
        """Void an open invoice."""
        invoice = self._books.get("invoice", invoice_id)
        if invoice["status"] not in ("open", "uncollectible"):
            raise ValueError(f"invoice {invoice_id} is {invoice['status']}; only an open one can be voided")
        changes = {
            "status": "void",
            "auto_advance": False,
            "next_payment_attempt": None,
            "status_transitions": {**invoice["status_transitions"], "voided_at": self._books.now},
        }
        return self._books.change("invoice", invoice_id, changes, "invoice.voided")


def subscription_of(invoice: Payload) -> str | None:
    """Return the subscription that an invoice bills."""
    details = (invoice["parent"] or {}).get("subscription_details") or {}
    found = details.get("subscription")
    return found if isinstance(found, str) else None


def _amount_of(lines: Sequence[Payload], products: Sequence[str] | None) -> int:
    """Add up what a coupon may be taken off: all lines, or those of its products."""
    of = [line for line in lines if products is None or _product(line) in products]
    return int(sum(line["amount"] for line in of))


def _product(line: Payload) -> str | None:
    details = (line["pricing"] or {}).get("price_details") or {}
    product = details.get("product")
    return str(product) if product else None
