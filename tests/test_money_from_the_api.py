"""Money, from what the strict sandbox's API gives to what the model says: one account, a person for each case.

The numbers are arithmetic or Stripe's pages; the cases are told beside each.
"""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from stripe_cio_pipeline.extract import extract
from stripe_cio_pipeline.model import build
from stripe_cio_pipeline.policy import parse_policy
from stripe_cio_pipeline.sandbox import CustomerioSwitches, Sandbox, StripeSwitches
from stripe_cio_pipeline.settings import Settings
from stripe_cio_pipeline.warehouse import Warehouse

POLICY = parse_policy({"stripe": {"limits": {"endpoint": 10_000, "account": 10_000}}})


class Shop:
    """A Stripe account with nobody in it but those of the cases."""

    def __init__(self, sandbox: Sandbox, folder: Path) -> None:
        self.sandbox = sandbox
        self.stripe: Any = sandbox.stripe
        self.warehouse = Warehouse(folder / "warehouse.duckdb")
        self.names: dict[str, str] = {}

    def customer(self, name: str) -> str:
        id_ = str(self.stripe.create_customer(email=f"customer-{len(self.names)}@example.com")["id"])
        self.names[name] = id_
        return id_

    def subscribe(self, name: str, **given: Any) -> Any:
        return self.stripe.create_subscription(self.customer(name), **given)

    def price(self, amount: int, **given: Any) -> str:
        return str(self.stripe.create_price(unit_amount=amount, **given)["id"])

    def people(self) -> dict[str, dict[str, Any]]:
        self.sandbox.clock.advance(minutes=2)
        environment = self.sandbox.environment()
        settings = Settings(
            stripe_api_key=environment["STRIPE_API_KEY"], stripe_api_base=environment["STRIPE_API_BASE"]
        )
        extract(self.warehouse, settings, POLICY, run_id="run")
        build(self.warehouse, POLICY, run_id="run")
        with self.warehouse.reading() as connection:
            answer = connection.execute("select * from model.people")
            columns = [column[0] for column in answer.description]
            rows = [dict(zip(columns, row, strict=True)) for row in answer.fetchall()]
        found = {row["person_id"]: row for row in rows}
        return {name: found[id_] for name, id_ in self.names.items()}


@pytest.fixture
def shop(tmp_path: Path) -> Iterator[Shop]:
    switches = StripeSwitches(late_events_share=0.0)
    with Sandbox(customers=0, leads=0, stripe=switches, customerio=CustomerioSwitches.gentle()) as sandbox:
        yield Shop(sandbox, tmp_path)


TIERS = [
    {"up_to": 5, "unit_amount": 1_000, "unit_amount_decimal": "1000", "flat_amount": None},
    {"up_to": None, "unit_amount": 800, "unit_amount_decimal": "800", "flat_amount": None},
]
EUROS = [
    {"up_to": 5, "unit_amount": 900, "unit_amount_decimal": "900", "flat_amount": None},
    {"up_to": None, "unit_amount": 700, "unit_amount_decimal": "700", "flat_amount": None},
]


def test_what_only_comes_when_it_is_asked_for_counts(shop: Shop) -> None:
    stripe = shop.stripe
    dollars = shop.price(1_000, currency_options={"eur": {"unit_amount": 900}, "jpy": {"unit_amount": 1_500}})
    shop.subscribe("01 euros", price=dollars, currency="eur")
    shop.subscribe("01 yen", price=dollars, currency="jpy", quantity=2)
    coupon = stripe.create_coupon(amount_off=500, currency="usd", currency_options={"eur": {"amount_off": 450}})["id"]
    twenty = shop.price(1_500, currency_options={"eur": {"unit_amount": 2_000}})
    shop.subscribe("02", price=twenty, currency="eur", coupon=coupon)
    founders = stripe.create_coupon(name="Founders", percent_off=50.0)["id"]
    shop.subscribe("03", price=shop.price(2_000), coupon=founders)
    stripe.delete_coupon(founders)
    paid_with = shop.customer("08")
    stripe.attach_card(paid_with, last4="4444")
    stripe.create_subscription(paid_with, payment_method=stripe.add_payment_method(paid_with, last4="1111")["id"])
    small = stripe.create_price(unit_amount=1_000)
    limited = stripe.create_coupon(amount_off=2_000, currency="usd", applies_to=[small["product"]])["id"]
    shop.subscribe("09", prices=[small["id"], shop.price(3_000)], coupon=limited)
    tiered = stripe.create_price(tiers=TIERS, tiers_mode="graduated", currency_options={"eur": {"tiers": EUROS}})["id"]
    shop.subscribe("10", price=tiered, currency="eur", quantity=4)
    shop.subscribe("12", price=shop.price(1_200), tax_inside=20.0)
    stripe.capture(stripe.authorize(shop.customer("16"), 10_000)["id"], 6_000)
    archived = shop.price(1_700, inline=True)
    shop.subscribe("an inline price", price=archived)
    stripe.update_price(archived, active=False)
    old = shop.customer("22")
    stripe.attach_source(old, last4="4242", brand="visa")

    people = shop.people()
    mrr = {name: person["mrr"] for name, person in people.items() if name not in {"08", "16", "22"}}
    assert mrr == {
        "01 euros": 9.0,
        "01 yen": 3_000.0,
        "02": 15.5,
        "03": 10.0,
        "09": 30.0,
        "10": 36.0,
        "12": 10.0,
        "an inline price": 17.0,
    }
    assert people["03"]["coupon"] == "Founders"
    assert people["08"]["card_last4"] == "1111"
    assert people["16"]["lifetime_value"] == 60.0
    assert (people["22"]["card_brand"], people["22"]["card_last4"]) == ("visa", "4242")


def test_a_coupon_that_is_made_again_under_an_old_id_changes_nobody(shop: Shop) -> None:
    """Case 04."""
    twenty = shop.price(2_000)
    shop.stripe.create_coupon(id="FOUNDERS", percent_off=50.0)
    shop.subscribe("old", price=twenty, coupon="FOUNDERS")
    assert shop.people()["old"]["mrr"] == 10.0
    shop.stripe.delete_coupon("FOUNDERS")
    shop.sandbox.clock.advance(minutes=5)
    shop.stripe.create_coupon(id="FOUNDERS", percent_off=10.0)
    shop.subscribe("new", price=twenty, coupon="FOUNDERS")
    people = shop.people()
    assert {name: person["mrr"] for name, person in people.items()} == {"old": 10.0, "new": 18.0}
