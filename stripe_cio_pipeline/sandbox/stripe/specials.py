"""What the seeded company sells to a few: prices in several currencies, old and free ones, coupons with conditions."""

from dataclasses import dataclass

from stripe_cio_pipeline.sandbox.stripe.books import Books
from stripe_cio_pipeline.sandbox.stripe.catalog import CURRENCIES, Catalog, add_coupon, add_price, add_product, tier
from stripe_cio_pipeline.sandbox.stripe.money import minor
from stripe_cio_pipeline.sandbox.stripe.shelf import Payload

FOUNDERS = "FOUNDERS"
"""The id of a coupon that is deleted, and made anew with other terms while the account lives."""
_ABROAD = CURRENCIES[1:]


@dataclass(frozen=True, slots=True)
class Specials:
    """Ids. `worldwide` and `agency` are one price each for all currencies, the latter in tiers.

    The other prices are by currency.
    """

    worldwide: str
    agency: str
    free: dict[str, str]
    legacy: dict[str, str]
    agreed: dict[str, str]
    welcome: str
    of_product: str
    off_product: str


def stock_specials(books: Books, catalog: Catalog) -> Specials:
    """Set them up. `legacy` prices can be archived later; `agreed` ones are in no list, as if made for one customer."""
    worldwide, agency = (add_product(books, name)["id"] for name in ("Worldwide", "Agency"))
    free, legacy, agreed = (add_product(books, name)["id"] for name in ("Free", "Legacy", "Agreed"))
    starter = books.get("price", catalog.price("starter", "month", "usd"))["product"]
    return Specials(
        worldwide=add_price(
            books,
            worldwide,
            unit_amount=3_900,
            currency="usd",
            nickname="Worldwide",
            currency_options={currency: {"unit_amount": minor(35, currency)} for currency in _ABROAD},
        )["id"],
        agency=add_price(
            books,
            agency,
            unit_amount=None,
            currency="usd",
            tiers=_tiers("usd", 15),
            tiers_mode="graduated",
            nickname="Agency",
            currency_options={currency: {"tiers": _tiers(currency, 13)} for currency in _ABROAD},
        )["id"],
        free={each: add_price(books, free, unit_amount=0, currency=each)["id"] for each in CURRENCIES},
        legacy={each: add_price(books, legacy, unit_amount=minor(9, each), currency=each)["id"] for each in CURRENCIES},
        agreed={
            each: add_price(books, agreed, unit_amount=minor(70, each), currency=each, interval="year", inline=True)[
                "id"
            ]
            for each in CURRENCIES
        },
        welcome=add_coupon(
            books,
            name="Welcome",
            amount_off=500,
            currency="usd",
            currency_options={currency: {"amount_off": minor(4, currency)} for currency in _ABROAD},
        )["id"],
        of_product=add_coupon(books, name="A third off Starter", percent_off=33.3, applies_to=[starter])["id"],
        off_product=add_coupon(
            books,
            name="Starter for less",
            amount_off=700,
            currency="usd",
            applies_to=[starter],
            currency_options={currency: {"amount_off": minor(6, currency)} for currency in _ABROAD},
        )["id"],
    )


def founders(books: Books, percent_off: float) -> Payload:
    """Put up the coupon whose id is used again."""
    return add_coupon(books, id=FOUNDERS, name=f"Founders {percent_off:g}", percent_off=percent_off)


def _tiers(currency: str, dollars: float) -> list[Payload]:
    unit = minor(dollars, currency)
    return [tier(5, unit, unit * 3), tier(None, unit * 7 // 10)]
