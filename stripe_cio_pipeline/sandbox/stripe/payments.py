"""Cards, charges, refunds and disputes."""

from typing import Any

from stripe_cio_pipeline.sandbox.stripe import payloads
from stripe_cio_pipeline.sandbox.stripe.books import Books
from stripe_cio_pipeline.sandbox.stripe.chance import Chance
from stripe_cio_pipeline.sandbox.stripe.periods import DAY
from stripe_cio_pipeline.sandbox.stripe.shelf import Payload

DECLINES = (
    ("card_declined", "Your card was declined."),
    ("card_declined", "Your card has insufficient funds."),
    ("expired_card", "Your card has expired."),
    ("processing_error", "An error occurred while processing your card. Try again in a little bit."),
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
    ) -> Payload:
        """Charge a card through a payment intent (a new one unless given); a refusal is a failed charge."""
        books = self._books
        if intent is None:
            intent = self.new_intent(amount, currency, customer, method, description)["id"]
        failure = None
        if customer is not None and customer["id"] in self.declining:
            failure = self._chance.pick(DECLINES, "decline", customer["id"])
        charge = books.add(
            payloads.charge(
                id=books.ids.new("ch"),
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
            ),
            "charge.failed" if failure else "charge.succeeded",
        )
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
        else:
            changes = {
                "status": "succeeded",
                "amount_received": amount,
                "last_payment_error": None,
                "latest_charge": charge["id"],
            }
            books.change("payment_intent", intent, changes, "payment_intent.succeeded")
        return charge

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
        left = charge["amount_captured"] - charge["amount_refunded"]
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
        changes = {"amount_refunded": refunded, "refunded": refunded == charge["amount_captured"]}
        books.change("charge", charge_id, changes, "charge.refunded")
        books.emit("charge.refund.updated", refund, {"status": "pending"})
        return refund

    def dispute(self, charge_id: str, reason: str = "fraudulent") -> Payload:
        """Let the customer's bank contest a charge."""
        books = self._books
        charge = books.get("charge", charge_id)
        if charge["status"] != "succeeded" or charge["disputed"]:
            raise ValueError(f"charge {charge_id} cannot be disputed (failed, or disputed before)")
        dispute = payloads.dispute(id=books.ids.new("du"), created=books.now, charge=charge, reason=reason)
        books.add(dispute, "charge.dispute.created")
        books.emit("charge.dispute.funds_withdrawn", dispute)
        books.change("charge", charge_id, {"disputed": True}, "charge.updated")
        return dispute

    def close_dispute(self, dispute_id: str, *, won: bool) -> Payload:
        """End a dispute."""
        books = self._books
        status = "won" if won else "lost"
        dispute = books.change("dispute", dispute_id, {"status": status}, "charge.dispute.closed")
        if won:
            books.emit("charge.dispute.funds_reinstated", dispute)
        return dispute
