"""MRR of accounts that nobody thought of, against a second computation."""

from fractions import Fraction
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.model.account import Account, Payload
from tests.model.revenue import mrr

INTERVALS = st.sampled_from(["month", "year", "week", "day"])
TIERS = st.lists(st.integers(0, 900), min_size=3, max_size=3).map(
    lambda amounts: [
        {"up_to": 5, "unit_amount": amounts[0], "flat_amount": amounts[1]},
        {"up_to": 9, "unit_amount": amounts[2], "flat_amount": amounts[0]},
        {"up_to": None, "unit_amount": amounts[1], "flat_amount": 0},
    ]
)
PERCENT = st.builds(
    lambda percent, duration: {"percent_off": percent / 2, "amount_off": None, "duration": duration},
    st.integers(1, 200),
    st.sampled_from(["forever", "once", "repeating"]),
)
AMOUNT = st.builds(
    lambda amount, currency: {
        "percent_off": None,
        "amount_off": amount,
        "currency": currency,
        "duration": "forever",
    },
    st.integers(1, 5000),
    st.sampled_from(["usd", "eur"]),
)


def _discounts(coupons: list[Payload]) -> list[Payload]:
    return [
        {"id": f"di_{place}", "source": {"type": "coupon", "coupon": {"id": f"coupon_{place}", **coupon}}}
        for place, coupon in enumerate(coupons)
    ]


@st.composite
def prices(draw: st.DrawFn, currency: str) -> tuple[Payload, list[Payload]]:
    recurring = {
        "interval": draw(INTERVALS),
        "interval_count": draw(st.integers(1, 6)),
        "usage_type": draw(st.sampled_from(["licensed", "licensed", "licensed", "metered"])),
    }
    price: Payload = {"currency": currency, "billing_scheme": "per_unit", "recurring": recurring}
    tiers: list[Payload] = []
    if draw(st.booleans()):
        tiers = draw(TIERS)
        price |= {"billing_scheme": "tiered", "tiers_mode": draw(st.sampled_from(["graduated", "volume"]))}
    else:
        amount = draw(st.integers(0, 20_000_00))
        price |= {"unit_amount": amount, "unit_amount_decimal": str(amount)}
        if draw(st.booleans()):
            price["transform_quantity"] = {
                "divide_by": draw(st.integers(2, 7)),
                "round": draw(st.sampled_from(["up", "down"])),
            }
    return price, tiers


@st.composite
def accounts(draw: st.DrawFn) -> tuple[list[Payload], list[Payload]]:
    subscriptions: list[Payload] = []
    listed: list[Payload] = []
    for number in range(draw(st.integers(1, 8))):
        currency = draw(st.sampled_from(["usd", "usd", "jpy", "kwd"]))
        items: list[dict[str, Any]] = []
        for place in range(draw(st.integers(1, 3))):
            price, tiers = draw(prices(currency))
            price["id"] = f"price_{number}_{place}"
            listed.append({"id": price["id"], "tiers": tiers})
            items.append(
                {
                    "id": f"si_{number}_{place}",
                    "quantity": draw(st.integers(0, 12)),
                    "price": price,
                    "discounts": _discounts(draw(st.lists(PERCENT, max_size=2))),
                }
            )
        subscriptions.append(
            {
                "id": f"sub_{number}",
                "customer": "cus_1",
                "created": number,
                "status": draw(st.sampled_from(["active", "active", "past_due", "trialing", "unpaid", "canceled"])),
                "currency": currency,
                "discounts": _discounts(draw(st.lists(st.one_of(PERCENT, AMOUNT), max_size=2))),
                "items": {"data": items},
            }
        )
    return subscriptions, listed


@settings(max_examples=2, deadline=None, derandomize=True, suppress_health_check=list(HealthCheck))
@given(found=st.lists(accounts(), min_size=12, max_size=12))
def test_mrr_is_what_a_second_computation_says(
    found: list[tuple[list[Payload], list[Payload]]], tmp_path_factory: pytest.TempPathFactory
) -> None:
    """Many accounts stand side by side, because a build of many costs what a build of one does."""
    account = Account(tmp_path_factory.mktemp("revenue") / "warehouse.duckdb")
    objects: dict[str, list[Payload]] = {"customers": [], "subscriptions": [], "prices": []}
    expected: dict[str, Fraction] = {}
    for number, (subscriptions, listed) in enumerate(found):
        objects["prices"] += [{**price, "id": f"{price['id']}_{number}"} for price in listed]
        # One customer per currency, all with the same subscriptions: each person's mrr is that currency's part.
        for currency in ("usd", "jpy", "kwd"):
            owner = f"cus_{number}_{currency}"
            objects["customers"].append({"id": owner, "created": 1, "currency": currency})
            objects["subscriptions"] += [_moved(one, owner, number) for one in subscriptions]
            expected[owner] = mrr(subscriptions, listed, currency)
    account.load({kind: payloads for kind, payloads in objects.items() if payloads})

    account.build()

    assert {owner: Fraction(str(person["mrr"])) for owner, person in account.people().items()} == expected


def _moved(subscription: Payload, owner: str, number: int) -> Payload:
    items = [
        {**item, "price": {**item["price"], "id": f"{item['price']['id']}_{number}"}}
        for item in subscription["items"]["data"]
    ]
    return {**subscription, "id": f"{subscription['id']}_{owner}", "customer": owner, "items": {"data": items}}
