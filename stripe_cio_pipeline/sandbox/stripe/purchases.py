"""What the seeded people subscribe to, and in which way it is billed."""

from typing import Any

from stripe_cio_pipeline.sandbox.stripe.catalog import Catalog
from stripe_cio_pipeline.sandbox.stripe.chance import Chance
from stripe_cio_pipeline.sandbox.stripe.company import Company
from stripe_cio_pipeline.sandbox.stripe.specials import FOUNDERS, Specials, founders

PURCHASES = (
    ("nothing",) * 2
    + ("trial with card",) * 4
    + ("trial without card",) * 3
    + ("once",)
    + ("by invoice",)
    + ("everything",)
    + ("plan",) * 8
)
PLANS = ("starter", "team", "business", "scale", "usage", "team", "starter", "business")
WAYS = (
    ("plain",) * 30
    + ("worldwide", "agency", "agreed", "legacy", "free beside", "two rhythms", "inclusive tax", "own card", "old card")
    + ("founders", "welcome", "of a product", "off a product", "of an item", "of the customer")
    + ("flexible",) * 3
)
"""How a subscription is billed: most just by a plan."""


class Purchases:
    """Lets people subscribe."""

    def __init__(self, company: Company, chance: Chance, catalog: Catalog, specials: Specials) -> None:
        self._company = company
        self._books = company.books
        self._chance = chance
        self._catalog = catalog
        self._specials = specials

    def subscribe(self, customer_id: str, number: int, currency: str, kind: str) -> None:
        """Subscribe a person, who has a card unless the trial is one without. `kind` is one of `PURCHASES`."""
        chance, catalog = self._chance, self._catalog
        interval = "year" if chance.happens(0.25, "yearly", number) else "month"
        plan = chance.deal(PLANS, number, "plan")
        seats = chance.between(2, 40, "seats", number) if plan in ("team", "business", "scale") else 1
        lines: list[tuple[str, int | None]] = [(catalog.price(plan, interval, currency), seats)]
        coupons = catalog.coupons if currency == "usd" else catalog.coupons[:3]
        how: dict[str, Any] = {
            "coupon": chance.pick(coupons, "coupon", number) if chance.happens(0.2, "discount", number) else None,
            "trial_days": 14 if kind.startswith("trial") else 0,
            "collection_method": "send_invoice" if kind == "by invoice" else "charge_automatically",
            "trial_without_card": chance.pick(("create_invoice", "cancel", "pause"), "no card", number),
        }
        way = chance.deal(WAYS, number, "way")
        if kind == "everything":
            lines, way = [(price_id, 1) for price_id in catalog.add_ons[currency]], "plain"
        lines = self._priced(way, lines, currency, seats)
        how |= self._terms(way, customer_id, currency)
        subscription = self._company.subscriptions.begin(customer_id, lines, **how)
        if way == "of an item":
            self._company.subscriptions.discount(subscription["items"]["data"][0]["id"], self._specials.welcome)
        if way == "free beside":
            free = self._specials.free[currency]
            self._company.subscriptions.begin(customer_id, [(free, 1)], trial_without_card="create_invoice")

    def clear_out(self) -> None:
        """Delete a coupon and archive prices that some have."""
        books = self._books
        books.emit("coupon.deleted", books.remove("coupon", FOUNDERS))
        for price in self._specials.legacy.values():
            books.change("price", price, {"active": False}, "price.updated")

    def make_founders_anew(self) -> None:
        """Make a coupon of the deleted one's id, with other terms."""
        founders(self._books, 10)

    def _priced(
        self, way: str, lines: list[tuple[str, int | None]], currency: str, seats: int
    ) -> list[tuple[str, int | None]]:
        """Give what is subscribed to, price by price with its quantity."""
        special = self._specials
        starter = self._catalog.price("starter", "month", currency)
        if way == "two rhythms":
            return [
                (self._catalog.price("team", "month", currency), 3),
                (self._catalog.price("starter", "year", currency), 1),
            ]
        prices = {
            "worldwide": (special.worldwide, 1),
            "agency": (special.agency, seats),
            "agreed": (special.agreed[currency], 1),
            "legacy": (special.legacy[currency], seats),
            "of a product": (starter, 1),
        }
        if way == "off a product":
            return [(starter, 1), (special.legacy[currency], 2)]
        return [prices[way]] if way in prices else lines

    def _terms(self, way: str, customer_id: str, currency: str) -> dict[str, Any]:
        """Give the terms that go before the usual ones."""
        special, payments = self._specials, self._company.payments
        customer = self._books.get("customer", customer_id)
        match way:
            case "worldwide" | "agency":
                return {"currency": "eur" if currency == "usd" else currency, "coupon": None}
            case "inclusive tax":
                return {"tax_inside": 20.0}
            case "flexible" | "two rhythms":
                return {"flexible": True}
            case "founders" if self._books.find("coupon", FOUNDERS) is not None:
                return {"coupon": FOUNDERS}
            case "welcome":
                return {"coupon": special.welcome}
            case "of a product":
                return {"coupon": special.of_product}
            case "off a product":
                return {"coupon": special.off_product}
            case "own card" if payments.card_of(customer) is not None:
                card = self._books.add(payments.new_card(customer), "payment_method.attached")
                return {"payment_method": card["id"]}
            case "old card" if payments.card_of(customer) is not None:
                payments.attach_source(customer_id)
            case "of the customer":
                self._company.subscriptions.discount(customer_id, special.of_product)
                return {"coupon": None}
        return {}
