"""What the seeded company sells: plans monthly and yearly, per seat, tiered, metered, in five currencies."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from stripe_cio_pipeline.sandbox.stripe import payloads
from stripe_cio_pipeline.sandbox.stripe.books import Books, edition
from stripe_cio_pipeline.sandbox.stripe.money import minor
from stripe_cio_pipeline.sandbox.stripe.shelf import Payload

CURRENCIES = ("usd", "eur", "gbp", "jpy", "kwd")
ADD_ONS = 12
"""Enough add-ons that a subscription to all of them does not fit into a nested list of ten."""


@dataclass(frozen=True, slots=True)
class Plan:
    """A product with a monthly price in dollars (per seat where `seats`), sold monthly and yearly."""

    key: str
    name: str
    dollars: float
    seats: bool = False
    tiers_mode: str | None = None
    metered: bool = False


PLANS = (
    Plan("starter", "Starter", 19),
    Plan("team", "Team", 12, seats=True),
    Plan("business", "Business", 25, seats=True, tiers_mode="graduated"),
    Plan("scale", "Scale", 20, seats=True, tiers_mode="volume"),
    Plan("usage", "Usage", 0.02, metered=True),
)
LADDER = ("starter", "team", "business", "scale")
"""Upgrades climb it."""


@dataclass(frozen=True, slots=True)
class Catalog:
    """Ids of what was set up: prices by (plan, interval, currency), coupons, add-on prices by currency."""

    prices: dict[tuple[str, str, str], str]
    coupons: tuple[str, ...]
    add_ons: dict[str, list[str]]

    def price(self, plan: str, interval: str, currency: str) -> str:
        """Return the id of a plan's price; a metered plan is only sold monthly."""
        return self.prices.get((plan, interval, currency)) or self.prices[plan, "month", currency]


def stock(books: Books) -> Catalog:
    """Set up products, prices and coupons."""
    prices: dict[tuple[str, str, str], str] = {}
    for plan in PLANS:
        product = add_product(books, plan.name, unit_label="seat" if plan.seats else None)
        for currency in CURRENCIES:
            for interval in ("month",) if plan.metered else ("month", "year"):
                price = _price(books, plan, product, currency, interval)
                prices[plan.key, interval, currency] = price["id"]
        default = prices[plan.key, "month", "usd"]
        books.change("product", product["id"], {"default_price": default})
    add_ons: dict[str, list[str]] = {currency: [] for currency in CURRENCIES}
    for number in range(1, ADD_ONS + 1):
        product = add_product(books, f"Add-on {number}")
        for currency in CURRENCIES:
            price = _price(books, Plan(f"addon-{number}", f"Add-on {number}", 3), product, currency, "month")
            add_ons[currency].append(price["id"])
    return Catalog(prices, _coupons(books), add_ons)


def add_price(
    books: Books,
    product: str,
    *,
    unit_amount: int | None,
    currency: str,
    interval: str | None = "month",
    tiers: Sequence[Payload] = (),
    currency_options: Mapping[str, Mapping[str, Any]] | None = None,
    inline: bool = False,
    **fields: Any,
) -> Payload:
    """Put a price up. `currency_options` gives `unit_amount` or `tiers` in other currencies.

    No list has an `inline` one.
    """
    price = payloads.price(
        id=books.ids.new("price"),
        created=books.now,
        livemode=books.livemode,
        product=product,
        currency=currency,
        unit_amount=None if tiers else unit_amount,
        interval=interval,
        **fields,
    )
    if tiers:
        books.tiers[price["id"]] = list(tiers)
    if currency_options:
        books.currency_options[edition(price)] = {
            name: {**payloads.currency_option(option.get("unit_amount")), **option}
            for name, option in currency_options.items()
        }
    if inline:
        books.inline.add(price["id"])
    return books.add(price, "price.created")


def add_coupon(
    books: Books,
    *,
    duration: str = "forever",
    id: str | None = None,  # noqa: A002
    applies_to: Sequence[str] = (),
    currency_options: Mapping[str, Payload] | None = None,
    **fields: Any,
) -> Payload:
    """Put a coupon up, under an id of one's own or a new one.

    `currency_options` gives `amount_off` in other currencies.
    """
    id_ = id or books.ids.new("coupon")
    if id_ in books.shelves["coupon"].records:
        raise ValueError(f"the account has a coupon {id_!r} already")
    coupon = payloads.coupon(id=id_, created=books.now, livemode=books.livemode, duration=duration, **fields)
    if applies_to:
        books.applies_to[edition(coupon)] = list(applies_to)
    if currency_options:
        books.currency_options[edition(coupon)] = dict(currency_options)
    return books.add(coupon, "coupon.created")


def add_product(books: Books, name: str, **given: Any) -> Payload:
    """Put a product up."""
    id_ = books.ids.new("prod")
    product = payloads.product(id=id_, created=books.now, livemode=books.livemode, name=name, **given)
    return books.add(product, "product.created")


def _price(books: Books, plan: Plan, product: Payload, currency: str, interval: str) -> Payload:
    amount = minor(plan.dollars, currency) * (10 if interval == "year" else 1)
    tiers = [tier(10, amount, amount * 2), tier(50, amount * 9 // 10), tier(None, amount * 8 // 10)]
    return add_price(
        books,
        product["id"],
        unit_amount=max(1, amount),
        currency=currency,
        interval=interval,
        tiers=tiers if plan.tiers_mode else (),
        usage_type="metered" if plan.metered else "licensed",
        meter="mtr_test_sandbox" if plan.metered else None,
        tiers_mode=plan.tiers_mode,
        nickname=f"{plan.name} {'monthly' if interval == 'month' else 'yearly'}",
        lookup_key=f"{plan.key}_{interval}_{currency}",
    )


def tier(up_to: int | None, unit: int, flat: int = 0) -> Payload:
    """Make a tier of a price, in minor units; the last one has no end."""
    return {
        "flat_amount": flat or None,
        "flat_amount_decimal": str(flat) if flat else None,
        "unit_amount": unit,
        "unit_amount_decimal": str(unit),
        "up_to": up_to,
    }


def _coupons(books: Books) -> tuple[str, ...]:
    offers: tuple[dict[str, Any], ...] = (
        {"duration": "forever", "percent_off": 20.0, "name": "Partner"},
        {"duration": "once", "percent_off": 50.0, "name": "First period at half price"},
        {"duration": "repeating", "duration_in_months": 3, "percent_off": 25.5, "name": "Three months off"},
        {"duration": "forever", "amount_off": 500, "currency": "usd", "name": "Five dollars off"},
    )
    return tuple(str(add_coupon(books, **offer)["id"]) for offer in offers)
