"""From attribute back to Stripe field, computed from the SQL."""

import pytest

from stripe_cio_pipeline.errors import ModelError
from stripe_cio_pipeline.model import ColumnSource, lineage
from stripe_cio_pipeline.policy import Policy


def fields(attribute: str) -> set[str]:
    return {f"{found.table}.{found.field}" for found in lineage(Policy(), attribute)[attribute]}


def test_every_attribute_has_a_source() -> None:
    assert [name for name, sources in lineage(Policy()).items() if not sources] == []


def test_mrr_comes_from_prices_quantities_tiers_and_coupons() -> None:
    assert fields("mrr") >= {
        "stripe.subscriptions.items.data[].price.unit_amount",
        "stripe.subscriptions.items.data[].price.recurring.interval",
        "stripe.subscriptions.items.data[].quantity",
        "stripe.prices.tiers[].unit_amount",
        "stripe.coupons.percent_off",
        "stripe.subscriptions.discounts[].source.coupon.percent_off",
    }


def test_the_way_leads_through_the_models() -> None:
    found = [one for one in lineage(Policy(), "mrr")["mrr"] if one.field == "items.data[].price.unit_amount"]

    assert found[0] == ColumnSource(
        table="stripe.subscriptions",
        field="items.data[].price.unit_amount",
        through=(
            "model.subscription_items.unit_amount",
            "model.recurring_items.monthly_amount",
            "model.recurring.monthly_amount",
        ),
    )


def test_both_places_of_a_field_that_moved_are_named() -> None:
    assert fields("current_period_ends_at") == {
        "stripe.subscriptions.status",
        "stripe.subscriptions.items.data[].current_period_end",
        "stripe.subscriptions.current_period_end",
    }


@pytest.mark.parametrize(
    ("attribute", "expected"),
    [
        ("email", {"stripe.customers.email"}),
        ("phone", {"stripe.customers.phone"}),
        ("created_at", {"stripe.customers.created"}),
        ("language", {"stripe.customers.preferred_locales[]"}),
        ("country", {"stripe.customers.address.country", "stripe.customers.shipping.address.country"}),
        ("subscription_status", {"stripe.subscriptions.status"}),
        ("next_payment_attempt_at", {"stripe.invoices.next_payment_attempt"}),
        ("open_invoice_url", {"stripe.invoices.hosted_invoice_url"}),
        ("collection_resumes_at", {"stripe.subscriptions.pause_collection.resumes_at", "stripe.subscriptions.status"}),
        ("stripe_livemode", {"stripe.customers.livemode"}),
    ],
)
def test_a_plain_attribute_comes_from_its_fields_and_no_others(attribute: str, expected: set[str]) -> None:
    assert fields(attribute) == expected


def test_an_attribute_that_is_not_there_is_named_with_those_that_are() -> None:
    with pytest.raises(ModelError, match=r"gives no attribute mr\. It gives: id, email"):
        lineage(Policy(), "mr")
