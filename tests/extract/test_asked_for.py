"""What only comes when it is asked for arrives, stays right, and needs its permission."""

from pathlib import Path

import pytest

from stripe_cio_pipeline.errors import StripePermissionError
from stripe_cio_pipeline.extract import probe

from .stage import QUICK, Stage

TIERS = [{"up_to": 5, "unit_amount": 1000}, {"up_to": None, "unit_amount": 800}]
EURO_TIERS = [{"up_to": 5, "unit_amount": 900}, {"up_to": None, "unit_amount": 700}]


@pytest.fixture
def empty(tmp_path: Path) -> Stage:
    stage = Stage(tmp_path, customers=0)
    with stage.sandbox:
        yield stage


def test_a_price_comes_with_its_amounts_in_other_currencies(empty: Stage) -> None:
    id_ = empty.stripe.create_price(unit_amount=1000, currency_options={"eur": {"unit_amount": 900}})["id"]
    empty.extract()
    options = empty.stored("prices")[id_]["currency_options"]
    assert {currency: option["unit_amount"] for currency, option in options.items()} == {"usd": 1000, "eur": 900}


def test_tiers_in_another_currency_are_asked_for_by_its_name(empty: Stage) -> None:
    """`data.currency_options` alone gives no tiers, and `data.currency_options.tiers` is ignored."""
    options = {"eur": {"tiers": EURO_TIERS}}
    id_ = empty.stripe.create_price(tiers=TIERS, tiers_mode="graduated", currency_options=options)["id"]
    empty.extract()
    stored = empty.stored("prices")[id_]
    assert stored["tiers"] == TIERS
    assert stored["currency_options"]["eur"]["tiers"] == EURO_TIERS
    empty.settle()
    empty.stripe.update_price(id_, nickname="Renamed")
    empty.settle()
    empty.extract()
    assert empty.stored("prices")[id_]["currency_options"]["eur"]["tiers"] == EURO_TIERS
    empty.assert_in_step()


def test_a_coupon_comes_with_its_products_and_its_amounts_in_other_currencies(empty: Stage) -> None:
    product = empty.stripe.create_product("Plan")["id"]
    given = {"applies_to": [product], "currency_options": {"eur": {"amount_off": 450}}}
    id_ = empty.stripe.create_coupon(amount_off=500, currency="usd", **given)["id"]
    empty.extract()
    stored = empty.stored("coupons")[id_]
    assert stored["applies_to"] == {"products": [product]}
    assert stored["currency_options"] == {"usd": {"amount_off": 500}, "eur": {"amount_off": 450}}


def test_the_card_that_a_subscription_is_paid_with_arrives_and_is_followed(empty: Stage) -> None:
    customer = empty.stripe.create_customer(email="customer-1@example.com")["id"]
    own = empty.stripe.add_payment_method(customer, last4="1111")["id"]
    id_ = empty.stripe.create_subscription(customer, payment_method=own)["id"]
    empty.extract()
    stored = empty.stored("subscriptions")[id_]["default_payment_method"]
    assert stored["card"]["last4"] == "1111"
    empty.settle()
    # The network replaces the card: no event of the subscription tells.
    empty.stripe.renew_card(own)
    empty.settle()
    empty.extract()
    renewed = empty.stored("subscriptions")[id_]["default_payment_method"]
    assert renewed["card"]["exp_year"] == stored["card"]["exp_year"] + 3
    empty.assert_in_step()


def test_a_card_of_old_arrives_and_is_followed(empty: Stage) -> None:
    customer = empty.stripe.create_customer(email="customer-1@example.com")["id"]
    card = empty.stripe.attach_source(customer, last4="4242", exp_year=2027)["id"]
    empty.stripe.create_customer(email="customer-2@example.com")
    empty.extract()
    assert empty.stored("customers")[customer]["default_source"]["last4"] == "4242"
    empty.settle()
    empty.stripe.change_source(card, exp_year=2031)
    empty.settle()
    empty.extract()
    assert empty.stored("customers")[customer]["default_source"]["exp_year"] == 2031
    empty.assert_in_step()


def test_an_expand_needs_the_permission_of_what_it_expands_and_a_probe_says_so(empty: Stage) -> None:
    empty.stripe.switches.permissions.discard("rak_payment_method_read")
    refused = {finding.object for finding in probe(empty.settings, empty.policy, patience=QUICK) if not finding.ok}
    assert refused == {"customers", "subscriptions"}
    with pytest.raises(StripePermissionError, match="rak_payment_method_read"):
        empty.extract()
