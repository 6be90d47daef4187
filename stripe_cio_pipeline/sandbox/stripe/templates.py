"""The payloads of settled customers, taken from a life that was really lived once per variant."""

from typing import Any

from stripe_cio_pipeline.sandbox.stripe import payloads
from stripe_cio_pipeline.sandbox.stripe.agenda import Agenda
from stripe_cio_pipeline.sandbox.stripe.books import Books
from stripe_cio_pipeline.sandbox.stripe.catalog import Catalog
from stripe_cio_pipeline.sandbox.stripe.chance import Chance, Ids
from stripe_cio_pipeline.sandbox.stripe.company import Company
from stripe_cio_pipeline.sandbox.stripe.money import minor
from stripe_cio_pipeline.sandbox.stripe.periods import later
from stripe_cio_pipeline.sandbox.stripe.settled import (
    CARD_EXPANDED,
    NOTHING,
    OBJECTS,
    ONCE,
    PURCHASE_SECONDS,
    YEARLY,
    Template,
    Templates,
)

_MARKETS = (
    ("US", "usd", "starter", 1),
    ("US", "usd", "team", 8),
    ("DE", "eur", "starter", 1),
    ("GB", "gbp", "business", 12),
    ("JP", "jpy", "team", 3),
    ("KW", "kwd", "scale", 60),
)
_MOMENT = 1_000_000_007
_EMAIL, _NAME, _PREFIX, _LAST4 = "e-mail@hole", "Name of hole", "PREFIXHOLE", "LAST4"
_FINGERPRINT = "FINGERPRINTHOLE"
_MONTH, _YEAR = 70_001, 70_002


def make_templates(books: Books, catalog: Catalog, chance: Chance) -> Templates:
    """Live each kind of life once, beside the account's own books, and make templates of what is left of it."""
    made: dict[tuple[str, str, int], Template] = {}
    for variant, (country, currency, plan, seats) in enumerate(_MARKETS):
        for role in (YEARLY, ONCE, NOTHING):
            life = _Once(books, Chance(chance.seed + variant))
            life.sign_up(country)
            if role == YEARLY:
                life.subscribe(catalog.price(plan, "year", currency), seats)
            elif role == ONCE:
                life.buy(minor(40 + variant, currency), currency)
            for (name, of), template in life.templates(role).items():
                made[name, of, variant] = template
    return made


class _Once:
    """One customer's life in books of its own, with marks where every customer differs."""

    def __init__(self, books: Books, chance: Chance) -> None:
        scratch = Books(books.switches, chance, _MOMENT, Ids(chance, books.ids.mark))
        for shared in ("product", "price", "coupon"):
            scratch.shelves[shared] = books.shelves[shared]
        scratch.tiers, scratch.account = books.tiers, books.account
        scratch.quiet_until = 1 << 62
        self._books = scratch
        self._company = Company.staffed(scratch, Agenda(), chance)
        self._customer = ""

    def sign_up(self, country: str) -> None:
        books = self._books
        customer = payloads.customer(
            id=books.ids.new("cus"),
            created=books.now,
            livemode=books.livemode,
            invoice_prefix=_PREFIX,
            email=_EMAIL,
            name=_NAME,
            individual_name=_NAME,
            address={**payloads.NO_ADDRESS, "country": country, "city": "Example City", "line1": "Example Street 1"},
            preferred_locales=["en"],
            metadata={"source": "import", "segment": "settled", "plan_hint": "yearly"},
        )
        self._customer = books.add(customer)["id"]
        books.now += PURCHASE_SECONDS

    def subscribe(self, price: str, seats: int) -> None:
        self._attach_card()
        self._company.subscriptions.begin(self._customer, [(price, seats)])

    def buy(self, amount: int, currency: str) -> None:
        self._attach_card()
        customer = self._books.get("customer", self._customer)
        card = self._company.payments.card_of(customer)
        if card is not None:
            self._company.payments.charge(
                amount=amount,
                currency=currency,
                customer=customer,
                method=card,
                description="One-time purchase",
            )

    def templates(self, role: str) -> dict[tuple[str, str], Template]:
        books = self._books
        found: dict[str, dict[str, Any]] = {}
        for name, (_, roles, _) in OBJECTS.items():
            if role in roles:
                (record,) = books.shelves[name].records.values()
                found[name] = record.payload()
        holes = {payload["id"]: name for name, payload in found.items()}
        holes |= self._marks(found)
        templates = {(name, role): Template.of(payload, holes) for name, payload in found.items()}
        if role != NOTHING:
            settings = {
                **found["customer"]["invoice_settings"],
                "default_payment_method": found["payment_method"],
            }
            expanded = {**found["customer"], "invoice_settings": settings}
            templates[CARD_EXPANDED, role] = Template.of(expanded, holes)
        return templates

    def _marks(self, found: dict[str, dict[str, Any]]) -> dict[str, str]:
        bought = _MOMENT + PURCHASE_SECONDS
        marks = {
            f'"{_EMAIL}"': "email",
            f'"{_NAME}"': "name",
            _PREFIX: "prefix",
            _LAST4: "last4",
            _FINGERPRINT: "fingerprint",
            str(_MONTH): "exp_month",
            str(_YEAR): "exp_year",
            str(_MOMENT): "created",
            str(bought): "bought",
            str(later(bought, "year", 1, 1)): "end",
        }
        if "charge" in found:
            marks[found["charge"]["balance_transaction"]] = "txn"
        if "subscription" in found:
            marks[found["subscription"]["items"]["data"][0]["id"]] = "si"
            marks[found["invoice"]["lines"]["data"][0]["id"]] = "il"
        return marks

    def _attach_card(self) -> None:
        self._company.payments.attach_card(
            self._customer,
            brand="visa",
            last4=_LAST4,
            exp_month=_MONTH,
            exp_year=_YEAR,
            fingerprint=_FINGERPRINT,
        )
