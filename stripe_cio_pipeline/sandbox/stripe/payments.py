"""Cards, charges, refunds and disputes."""

from typing import Any

from stripe_cio_pipeline.sandbox.stripe import payloads
from stripe_cio_pipeline.sandbox.stripe.books import Books
from stripe_cio_pipeline.sandbox.stripe.chance import Chance
from stripe_cio_pipeline.sandbox.stripe.periods import DAY
from stripe_cio_pipeline.sandbox.stripe.shelf import Payload

#: The bank wants to hear from whoever owns the card.
NEEDS_THE_CUSTOMER = "authentication_required"
DECLINES = (
    ("card_declined", "Your card was declined."),
    ("card_declined", "Your card has insufficient funds."),
    ("expired_card", "Your card has expired."),
    ("processing_error", "An error occurred while processing your card. Try again in a little bit."),
    (NEEDS_THE_CUSTOMER, "Your card was declined. This transaction requires authentication."),
)
_BRANDS = ("visa", "visa", "visa", "mastercard", "mastercard", "amex")
_YEAR = 365 * DAY


class Payments:
    """Moves money. A customer in `declining` has a card that every bank refuses."""

    def __init__(self, books: Books, chance: Chance) -> None:
        self._books = books
        self._chance = chance
        self.declining: set[str] = set()

    def new_card(self, customer: Payload | None, email: str | None = None, **given: Any) -> Payload:
        """Make a card as a payment method, attached to a customer or nobody's."""
        books = self._books
        id_ = books.ids.new("pm")
        country = ((customer or {}).get("address") or {}).get("country") or "US"
        fields: dict[str, Any] = {
            "brand": self._chance.pick(_BRANDS, "brand", id_),
            "last4": f"{self._chance.between(0, 9999, 'last4', id_):04d}",
            "exp_month": self._chance.between(1, 12, "month", id_),
            "exp_year": 1970 + books.now // _YEAR + self._chance.between(0, 4, "year", id_),
            "country": country,
            "fingerprint": self._chance.token("fingerprint", id_),
            "email": (customer or {}).get("email") or email,
            "name": (customer or {}).get("name"),
        }
        fields.update(given)
        return payloads.payment_method(
            id=id_,
            created=books.now,
            livemode=books.livemode,
            customer=customer["id"] if customer else None,
            **fields,
        )

    def attach_card(self, customer_id: str, **given: Any) -> Payload:
        """Attach a new card and make it the default. It works, whatever the old one did."""
        books = self._books
        customer = books.get("customer", customer_id)
        card = books.add(self.new_card(customer, **given), "payment_method.attached")
        settings = {**customer["invoice_settings"], "default_payment_method": card["id"]}
        books.change("customer", customer_id, {"invoice_settings": settings}, "customer.updated")
        self.declining.discard(customer_id)
        return card

    def renew_card(self, card_id: str) -> Payload:
        """Let the card network replace the card: a later expiry, and nobody at the merchant did anything."""
        card = self._books.get("payment_method", card_id)["card"]
        changed = {**card, "exp_year": card["exp_year"] + 3}
        return self._books.change("payment_method", card_id, {"card": changed}, "payment_method.automatically_updated")

    def detach_card(self, card_id: str) -> Payload:
        """Take a card from its customer."""
        books = self._books
        card = books.get("payment_method", card_id)
        owner = card["customer"]
        detached = books.change("payment_method", card_id, {"customer": None}, "payment_method.detached")
        if owner is not None and (customer := books.find("customer", owner)) is not None:
            settings = customer["invoice_settings"]
            if settings["default_payment_method"] == card_id:
                changed = {"invoice_settings": {**settings, "default_payment_method": None}}
                books.change("customer", owner, changed, "customer.updated")
        return detached

    def attach_source(self, customer_id: str, **given: Any) -> Payload:
        """Give a customer a card of the old kind as default source."""
        books = self._books
        customer = books.get("customer", customer_id)
        made = self.new_card(customer, **given)
        card = books.add(
            payloads.card(id=books.ids.new("card"), customer=customer_id, method=made), "customer.source.created"
        )
        books.change("customer", customer_id, {"default_source": card["id"]}, "customer.updated")
        self.declining.discard(customer_id)
        return card

    def change_source(self, card_id: str, **changes: Any) -> Payload:
        """Change a card of the old kind, its expiry for example. The customer itself does not change."""
        return self._books.change("card", card_id, changes, "customer.source.updated")

    def card_of(self, customer: Payload, subscription: Payload | None = None) -> Payload | None:
        """Return the card that pays: the subscription's own, the customer's default, or the default source of old."""
        own = (subscription or {}).get("default_payment_method")
        card = own or customer["invoice_settings"]["default_payment_method"]
        if isinstance(card, str):
            return self._books.find("payment_method", card)
        source = self._books.find("card", customer["default_source"] or "")
        return payloads.method_of(source) if source is not None else None

    def charge(
        self,
        *,
        amount: int,
        currency: str,
        customer: Payload | None,
        method: Payload,
        intent: str | None = None,
        description: str | None = None,
        email: str | None = None,
        holds: bool = False,
    ) -> Payload:
        """Charge a card through a payment intent (a new one unless given); a refusal is a failed charge.

        With `holds` the amount is only held: the event of the charge says so already.
        """
        books = self._books
        if intent is None:
            intent = self.new_intent(amount, currency, customer, method, description)["id"]
        failure = None
        if customer is not None and customer["id"] in self.declining:
            failure = self._chance.pick(DECLINES, "decline", customer["id"])
        charge = self._new_charge("ch", amount, currency, customer, method, intent, description, email, failure)
        if holds and not failure:
            charge |= {"captured": False, "amount_captured": 0}
        charge = books.add(charge, "charge.failed" if failure else "charge.succeeded")
        if failure:
            error = {
                "charge": charge["id"],
                "code": failure[0],
                "decline_code": "generic_decline",
                "message": failure[1],
                "type": "card_error",
            }
            changes = {
                "status": "requires_payment_method",
                "last_payment_error": error,
                "latest_charge": charge["id"],
            }
            books.change("payment_intent", intent, changes, "payment_intent.payment_failed")
        elif holds:
            changes = {"status": "requires_capture", "amount_capturable": amount, "latest_charge": charge["id"]}
            books.change("payment_intent", intent, changes, "payment_intent.amount_capturable_updated")
        else:
            changes = {
                "status": "succeeded",
                "amount_received": amount,
                "last_payment_error": None,
                "latest_charge": charge["id"],
            }
            books.change("payment_intent", intent, changes, "payment_intent.succeeded")
        return charge

    def _new_charge(
        self,
        kind: str,
        amount: int,
        currency: str,
        customer: Payload | None,
        method: Payload,
        intent: str,
        description: str | None,
        email: str | None = None,
        failure: tuple[str, str] | None = None,
    ) -> Payload:
        """Give a charge that is not in the books yet; `kind` begins its id."""
        books = self._books
        return payloads.charge(
            id=books.ids.new(kind),
            created=books.now,
            livemode=books.livemode,
            amount=amount,
            currency=currency,
            customer=customer["id"] if customer else None,
            payment_intent=intent,
            method=method,
            balance_transaction=books.ids.new("txn"),
            failure=failure,
            description=description,
            email=email,
        )

    def new_intent(
        self,
        amount: int,
        currency: str,
        customer: Payload | None,
        method: Payload | None,
        description: str | None,
    ) -> Payload:
        """Make a payment intent."""
        books = self._books
        id_ = books.ids.new("pi")
        return books.add(
            payloads.payment_intent(
                id=id_,
                created=books.now,
                livemode=books.livemode,
                amount=amount,
                currency=currency,
                customer=customer["id"] if customer else None,
                payment_method=method["id"] if method else None,
                secret=self._chance.token("secret", id_),
                description=description,
            ),
            "payment_intent.created",
        )

    def refund(self, charge_id: str, amount: int | None = None) -> Payload:
        """Give back an amount (minor units), or all that is left of a charge."""
        books = self._books
        charge = books.get("charge", charge_id)
        left = charge["amount"] - charge["amount_refunded"]
        amount = left if amount is None else amount
        if charge["status"] != "succeeded" or not 0 < amount <= left:
            raise ValueError(f"charge {charge_id} has {left} left to refund, not {amount}")
        refund = books.add(
            payloads.refund(
                id=books.ids.new("re"),
                created=books.now,
                charge=charge,
                amount=amount,
                balance_transaction=books.ids.new("txn"),
            ),
            "refund.created",
        )
        refunded = charge["amount_refunded"] + amount
        changes = {"amount_refunded": refunded, "refunded": refunded == charge["amount"]}
        books.change("charge", charge_id, changes, "charge.refunded")
        books.emit("charge.refund.updated", refund, {"status": "pending"})
        return refund

    def dispute(
        self, charge_id: str, reason: str = "fraudulent", *, amount: int | None = None, inquiry: bool = False
    ) -> Payload:
        """Let the customer's bank contest a charge or a part of it, or only ask about it: an inquiry moves no money."""
        books = self._books
        charge = books.get("charge", charge_id)
        if charge["status"] != "succeeded" or charge["disputed"]:
            raise ValueError(f"charge {charge_id} cannot be disputed (failed, or disputed before)")
        amount = amount or charge["amount_captured"]
        dispute = payloads.dispute(
            id=books.ids.new("du"), created=books.now, charge=charge, reason=reason, amount=amount, inquiry=inquiry
        )
        books.add(dispute, "charge.dispute.created")
        if not inquiry:
            self._move(dispute["id"], -amount, "charge.dispute.funds_withdrawn")
        books.change("charge", charge_id, {"disputed": True}, "charge.updated")
        return books.get("dispute", dispute["id"])

    def escalate(self, dispute_id: str) -> Payload:
        """Make a dispute of an inquiry: now the money is taken."""
        books = self._books
        dispute = books.get("dispute", dispute_id)
        if not dispute["status"].startswith("warning_"):
            raise ValueError(f"dispute {dispute_id} is {dispute['status']}, not an inquiry")
        changes = {"status": "needs_response", "is_charge_refundable": False}
        books.change("dispute", dispute_id, changes, "charge.dispute.updated")
        return self._move(dispute_id, -dispute["amount"], "charge.dispute.funds_withdrawn")

    def close_dispute(self, dispute_id: str, *, won: bool) -> Payload:
        """End a dispute one way or the other, or an inquiry."""
        books = self._books
        dispute = books.get("dispute", dispute_id)
        status = "warning_closed" if dispute["status"].startswith("warning_") else "won" if won else "lost"
        dispute = books.change("dispute", dispute_id, {"status": status}, "charge.dispute.closed")
        if status == "won":
            return self._move(dispute_id, dispute["amount"], "charge.dispute.funds_reinstated")
        return dispute

    def _move(self, dispute_id: str, amount: int, event: str) -> Payload:
        books = self._books
        dispute = books.get("dispute", dispute_id)
        moved = payloads.moved(
            id=books.ids.new("txn"),
            created=books.now,
            dispute=dispute_id,
            amount=amount,
            currency=dispute["currency"],
        )
        changes = {"balance_transactions": [*dispute["balance_transactions"], moved]}
        return books.change("dispute", dispute_id, changes, event)

    def authorize(self, customer: Payload, amount: int, currency: str) -> Payload:
        """Hold an amount on a customer's card without taking it."""
        method = self._card_or_new(customer)
        return self.charge(amount=amount, currency=currency, customer=customer, method=method, holds=True)

    def capture(self, charge_id: str, amount: int) -> Payload:
        """Take a part of what is held. What is released counts as refunded (docs.stripe.com/api/charges/object)."""
        books = self._books
        charge = books.get("charge", charge_id)
        if charge["captured"] or not 0 < amount <= charge["amount"]:
            raise ValueError(f"charge {charge_id} has nothing to capture, or less than {amount}")
        released = charge["amount"] - amount
        changes = {"captured": True, "amount_captured": amount, "amount_refunded": released}
        taken = books.change("charge", charge_id, changes, "charge.captured")
        received = {"status": "succeeded", "amount_capturable": 0, "amount_received": amount}
        books.change("payment_intent", charge["payment_intent"], received, "payment_intent.succeeded")
        return taken

    def debit(self, customer: Payload, amount: int, currency: str, intent: str, description: str) -> Payload:
        """Ask the customer's bank for money, which takes days: the charge is pending until then."""
        books = self._books
        method = self._card_or_new(customer)
        charge = self._new_charge("py", amount, currency, customer, method, intent, description)
        details = {"sepa_debit": {"bank_code": "37040044", "country": "DE", "last4": "3000"}, "type": "sepa_debit"}
        pending = {"status": "pending", "paid": False, "balance_transaction": None, "payment_method_details": details}
        books.add({**charge, **pending, "receipt_url": None}, "charge.pending")
        books.change("payment_intent", intent, {"status": "processing"}, "payment_intent.processing")
        return books.get("charge", charge["id"])

    def settle_debit(self, charge_id: str, *, paid: bool) -> Payload:
        """Let the bank answer a debit that is under way."""
        if paid:
            return self._books.change("charge", charge_id, {"status": "succeeded", "paid": True}, "charge.succeeded")
        failed = {"status": "failed", "amount_captured": 0, "captured": False, "failure_code": "insufficient_funds"}
        return self._books.change("charge", charge_id, failed, "charge.failed")

    def _card_or_new(self, customer: Payload) -> Payload:
        return self.card_of(customer) or self.attach_card(customer["id"])
