"""What becomes of the seeded people's money after it was paid: refunds, disputes, credit notes, and holds."""

from stripe_cio_pipeline.sandbox.stripe.chance import Chance
from stripe_cio_pipeline.sandbox.stripe.company import Company
from stripe_cio_pipeline.sandbox.stripe.money import minor
from stripe_cio_pipeline.sandbox.stripe.periods import DAY
from stripe_cio_pipeline.sandbox.stripe.shelf import Payload

_SHARES = (1.0, 1.0, 0.5, 0.3)
"""Which part of a payment goes back, or is contested."""


class Aftermath:
    """Acts of life. Each takes the customer and the live subscription, if there is one."""

    def __init__(self, company: Company, chance: Chance) -> None:
        self._books = company.books
        self._agenda = company.agenda
        self._payments = company.payments
        self._invoices = company.invoices
        self._chance = chance

    def ask_refund(self, customer: Payload, subscription: Payload | None) -> None:
        """Get the last payment back, or half of it."""
        charge = self._last_charge(customer["id"])
        if charge is not None and charge["amount_refunded"] == 0:
            part = self._chance.happens(0.4, "part", charge["id"]) and charge["amount"] >= 20
            self._payments.refund(charge["id"], charge["amount"] // 20 * 10 if part else None)

    def dispute(self, customer: Payload, subscription: Payload | None) -> None:
        """Contest the last payment or a part of it; a third are inquiries, of which some become disputes."""
        charge = self._last_charge(customer["id"])
        if charge is None or charge["disputed"] or charge["amount_captured"] <= charge["amount_refunded"]:
            return
        self._books.request_id = None
        share = self._chance.pick(_SHARES, "contested", charge["id"])
        amount = max(1, int(charge["amount_captured"] * share))
        inquiry = self._chance.happens(0.35, "inquiry", charge["id"])
        dispute = self._payments.dispute(charge["id"], amount=amount, inquiry=inquiry)
        if inquiry and self._chance.happens(0.4, "escalates", charge["id"]):
            self._agenda.add(self._books.now + 5 * DAY, "escalate_dispute", dispute["id"])
        self._agenda.add(self._books.now + 12 * DAY, "close_dispute", dispute["id"])

    def escalate_dispute(self, dispute_id: str) -> None:
        """Make a dispute of an inquiry."""
        self._payments.escalate(dispute_id)

    def close_dispute(self, dispute_id: str) -> None:
        """End a dispute, one way or the other."""
        self._payments.close_dispute(dispute_id, won=self._chance.happens(0.4, "won", dispute_id))

    def get_credit(self, customer: Payload, subscription: Payload | None) -> None:
        """Get a credit note for the last invoice: paid back past Stripe, refunded, or kept for the next one."""
        paid = self._books.of_customer("invoice", customer["id"], status="paid")
        if not paid or paid[-1]["amount_paid"] < 10 or paid[-1]["post_payment_credit_notes_amount"]:
            return
        invoice = paid[-1]
        amount = max(1, int(invoice["amount_paid"] * self._chance.pick(_SHARES, "credited", invoice["id"])) // 10 * 10)
        way = self._chance.pick(("outside", "outside", "to_balance", "refund"), "credit", invoice["id"])
        charge = self._charge_of(invoice)
        if way == "refund" and (charge is None or amount > charge["amount"] - charge["amount_refunded"]):
            way = "outside"
        if way == "to_balance" and customer["currency"] != invoice["currency"]:
            way = "outside"
        self._invoices.credit(invoice["id"], **{way: amount})

    def hold(self, customer: Payload, subscription: Payload | None) -> None:
        """Have an amount held on the card, of which a part is taken two days later."""
        if self._payments.card_of(customer) is None or customer["id"] in self._payments.declining:
            return
        amount = minor(
            self._chance.between(50, 200, "hold", customer["id"], self._books.now), customer["currency"] or "usd"
        )
        charge = self._payments.authorize(customer, amount, customer["currency"] or "usd")
        self._agenda.add(self._books.now + 2 * DAY, "capture", charge["id"])

    def capture(self, charge_id: str) -> None:
        """Take what was used of a held amount: all of it, or a part."""
        charge = self._books.get("charge", charge_id)
        share = self._chance.pick((1.0, 0.6, 0.6), "captured", charge_id)
        self._payments.capture(charge_id, max(1, int(charge["amount"] * share) // 10 * 10))

    def _charge_of(self, invoice: Payload) -> Payload | None:
        intent = self._books.find("payment_intent", self._books.intent_of(invoice["id"]) or "")
        return self._books.find("charge", intent["latest_charge"] or "") if intent is not None else None

    def _last_charge(self, customer: str) -> Payload | None:
        paid = [row for row in self._books.of_customer("charge", customer, status="succeeded") if row["captured"]]
        return paid[-1] if paid else None
