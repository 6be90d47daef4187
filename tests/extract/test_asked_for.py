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


def test_money_that_moves_after_the_payment_is_followed(empty: Stage) -> None:
    """Cases 16 and 17, disputes and credit notes: nothing but their own events tells of some of it."""
    stripe = empty.stripe
    customer = stripe.create_customer(email="customer-1@example.com")["id"]
    subscription = stripe.create_subscription(customer)
    empty.extract()
    empty.settle()
    held = stripe.authorize(customer, 10_000)["id"]
    stripe.capture(held, 6_000)
    dispute = stripe.dispute(held, amount=1_000, inquiry=True)["id"]
    note = stripe.credit_invoice(subscription["latest_invoice"], outside=400)["id"]
    unpaid = stripe.fail_payment(subscription["id"])["id"]
    empty.settle()
    empty.extract()
    stripe.pay_outside(unpaid, 500)
    stripe.escalate_dispute(dispute)
    stripe.close_dispute(dispute, won=True)
    empty.settle()
    empty.extract()
    assert empty.stored("charges")[held]["amount_refunded"] == 4_000
    assert empty.stored("invoices")[unpaid]["amount_paid_off_stripe"] == 500
    assert empty.stored("invoices")[subscription["latest_invoice"]]["post_payment_credit_notes_amount"] == 400
    assert empty.stored("credit_notes")[note]["out_of_band_amount"] == 400
    assert empty.stored("disputes")[dispute]["status"] == "won"
    assert [row["amount_paid"] for row in empty.stored("invoice_payments").values()].count(500) == 1
    empty.assert_in_step()


@pytest.mark.parametrize("id_", [None, "upcoming_in_1"])
def test_the_preview_of_a_coming_invoice_is_an_event_and_never_an_invoice(empty: Stage, id_: str | None) -> None:
    """E14."""
    preview = {"object": "invoice", "customer": "cus_1", "currency": "usd", "amount_due": 2_000, "status": "draft"}
    event = {
        "id": "evt_upcoming",
        "object": "event",
        "type": "invoice.upcoming",
        "api_version": "2026-10-28.endive",
        "created": int(empty.sandbox.clock.now()),
        "livemode": False,
        "data": {"object": preview if id_ is None else {"id": id_, **preview}},
    }
    empty.extract()
    empty.stripe.load([event])
    empty.settle()
    empty.extract()
    assert empty.rows("select type from stripe.events where id = 'evt_upcoming'") == [("invoice.upcoming",)]
    assert empty.stored("invoices") == {}


def test_a_payment_that_leaves_nothing_open_costs_no_read_and_a_part_does(empty: Stage) -> None:
    stripe = empty.stripe
    stripe.switches.late_events_share = 0.0
    empty.extract()

    def source_of(invoice: str) -> str:
        empty.settle()
        empty.extract()
        [(source,)] = empty.rows("select source from stripe.invoices where id = ?", invoice)
        return str(source)

    subscription = stripe.create_subscription(stripe.create_customer(email="payer@example.com")["id"])["id"]
    empty.settle()
    invoice = stripe.fail_payment(subscription)["id"]
    source_of(invoice)
    stripe.pay_outside(invoice, 500)
    assert source_of(invoice) == "retrieve"
    assert empty.stored("invoices")[invoice]["amount_remaining"] == 1_500
    empty.settle()
    stripe.pay_invoice(invoice)
    assert source_of(invoice) == "event"
    assert empty.stored("invoices")[invoice]["status"] == "paid"
    empty.assert_in_step()
