"""MRR of accounts that nobody thought of, against a second computation.

Both start from what the sandbox's Stripe serves: the model from what extraction asked for, the second computation from
requests of its own. What is only given when it is asked for is not known to either otherwise.
"""

import json
from fractions import Fraction
from typing import Any

import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from stripe_cio_pipeline.cli.demo_revenue import mrr
from stripe_cio_pipeline.cli.demo_stripe import read_truth
from stripe_cio_pipeline.extract import extract
from stripe_cio_pipeline.policy import parse_policy
from stripe_cio_pipeline.sandbox import Sandbox
from stripe_cio_pipeline.sandbox.stripe.books import edition
from stripe_cio_pipeline.settings import load_settings
from tests.model.account import Account, Payload

#: Stands in ids for the account's number.
NAME = "%account%"
#: The sandbox has no limits here.
FAST = parse_policy({"stripe": {"limits": {"endpoint": 10_000, "account": 10_000}}})
CURRENCIES = ("usd", "eur", "jpy", "kwd")
#: Items of one subscription are billed at one interval, or at several of which the shorter fit into the longer.
INTERVALS = st.one_of(
    st.tuples(st.sampled_from(["month", "year", "week", "day"]), st.integers(1, 6)).map(lambda one: [one]),
    st.sampled_from(
        [[("month", 1), ("year", 1)], [("month", 1), ("month", 3), ("year", 1)], [("month", 6), ("year", 1)]]
    ),
)
TIERS = st.lists(st.integers(0, 900), min_size=3, max_size=3).map(
    lambda amounts: [
        {"up_to": 5, "unit_amount": amounts[0], "flat_amount": amounts[1]},
        {"up_to": 9, "unit_amount": amounts[2], "flat_amount": amounts[0]},
        {"up_to": None, "unit_amount": amounts[1], "flat_amount": 0},
    ]
)
RATE = st.builds(
    lambda percentage, inclusive: {"object": "tax_rate", "percentage": percentage / 2, "inclusive": inclusive},
    st.integers(1, 50),
    st.booleans(),
)
#: Mostly none: then an invoice may know.
RATES = st.one_of(st.just([]), st.just([]), st.lists(RATE, max_size=2))


@st.composite
def amounts(draw: st.DrawFn, *, tiered: bool) -> Payload:
    """Give what a price is in one currency."""
    if tiered:
        return {"unit_amount": None, "unit_amount_decimal": None, "tiers": draw(TIERS)}
    amount = draw(st.one_of(st.integers(0, 3_000), st.integers(0, 20_000_00)))
    return {"unit_amount": amount, "unit_amount_decimal": str(amount)}


@st.composite
def prices(draw: st.DrawFn, name: str, interval: tuple[str, int]) -> Payload:
    """Give a price with all that Stripe has of it, which it shows when asked."""
    currency, *others = draw(st.permutations(CURRENCIES))
    tiered = draw(st.booleans())
    price: Payload = {
        "id": f"price_{name}",
        "object": "price",
        "created": 1,
        "currency": currency,
        "product": draw(st.sampled_from(["prod_1", "prod_2", "prod_3"])),
        "billing_scheme": "tiered" if tiered else "per_unit",
        "tiers_mode": draw(st.sampled_from(["graduated", "volume"])) if tiered else None,
        "recurring": {
            "interval": interval[0],
            "interval_count": interval[1],
            "usage_type": draw(st.sampled_from(["licensed", "licensed", "licensed", "metered"])),
        },
        **draw(amounts(tiered=tiered)),
        "currency_options": {other: draw(amounts(tiered=tiered)) for other in others},
    }
    if not tiered and draw(st.booleans()):
        packages = {"divide_by": draw(st.integers(2, 7)), "round": draw(st.sampled_from(["up", "down"]))}
        price["transform_quantity"] = packages
    return price


@st.composite
def coupons(draw: st.DrawFn, name: str) -> Payload:
    """Give a coupon with all that Stripe has of it."""
    percent = draw(st.none() | st.integers(1, 140).map(lambda halves: halves / 2))
    currency, *others = draw(st.permutations(CURRENCIES))
    coupon: Payload = {
        "id": f"coupon_{name}",
        "object": "coupon",
        "created": 1,
        "duration": draw(st.sampled_from(["forever"] * 5 + ["once", "repeating"])),
        "percent_off": percent,
        "amount_off": None,
        "currency": None,
    }
    if percent is None:
        coupon |= {"amount_off": draw(st.integers(1, 900)), "currency": currency}
        coupon["currency_options"] = {other: {"amount_off": draw(st.integers(1, 900))} for other in others}
    if draw(st.booleans()):
        coupon["applies_to"] = {"products": draw(st.sampled_from([["prod_1"], ["prod_2", "prod_3"]]))}
    return coupon


@st.composite
def accounts(draw: st.DrawFn) -> dict[str, list[Payload]]:
    """Give customers, each of a currency, with the subscriptions of each, and all that these name."""
    found: dict[str, list[Payload]] = {
        kind: [] for kind in ("customers", "subscriptions", "prices", "coupons", "invoices")
    }
    name = NAME

    def discounts(most: int) -> list[Payload]:
        given = []
        for _ in range(draw(st.integers(0, most))):
            number = f"{name}_{len(found['coupons'])}"
            found["coupons"].append(draw(coupons(number)))
            source = {"type": "coupon", "coupon": found["coupons"][-1]["id"]}
            given.append({"id": f"di_{number}", "object": "discount", "source": source})
        return given

    for currency in draw(st.lists(st.sampled_from(CURRENCIES), min_size=1, max_size=2, unique=True)):
        owner = f"cus_{name}_{currency}"
        found["customers"].append({"id": owner, "object": "customer", "created": 1, "currency": currency})
        for _ in range(draw(st.integers(0, 3))):
            number = f"{name}_{len(found['subscriptions'])}"
            intervals = draw(INTERVALS)
            items: list[Payload] = []
            for place in range(draw(st.integers(1, 3))):
                price = draw(prices(f"{number}_{place}", intervals[place % len(intervals)]))
                found["prices"].append(price)
                items.append(
                    {
                        "id": f"si_{number}_{place}",
                        "object": "subscription_item",
                        "quantity": draw(st.none() | st.integers(0, 12)),
                        "price": {field: price[field] for field in price if field not in ("tiers", "currency_options")},
                        "tax_rates": draw(RATES),
                        "discounts": discounts(1),
                    }
                )
            found["subscriptions"].append(
                {
                    "id": f"sub_{number}",
                    "object": "subscription",
                    "customer": owner,
                    "created": len(found["subscriptions"]),
                    "status": draw(st.sampled_from(["active"] * 6 + ["past_due", "past_due", "trialing", "canceled"])),
                    "currency": currency,
                    "default_tax_rates": draw(RATES),
                    "discounts": discounts(3),
                    "items": {"object": "list", "data": items},
                }
            )
            for created in range(draw(st.integers(0, 2))):
                found["invoices"].append(draw(invoices(f"{number}_{created}", owner, currency, items, created)))
    return found


@st.composite
def invoices(
    draw: st.DrawFn, name: str, owner: str, currency: str, items: list[Payload], created: int
) -> dict[str, Any]:
    """Give an invoice over items, in which Stripe Tax found taxes."""
    lines = [
        {
            "id": f"il_{name}_{place}",
            "parent": {"subscription_item_details": {"subscription_item": item["id"]}},
            "taxes": [
                {"amount": percentage * 10, "taxable_amount": 1000, "tax_behavior": behavior}
                for percentage, behavior in draw(
                    st.lists(st.tuples(st.integers(0, 25), st.just("inclusive")), min_size=1, max_size=2)
                )
            ],
        }
        for place, item in enumerate(items)
    ]
    return {
        "id": f"in_{name}",
        "object": "invoice",
        "customer": owner,
        "created": created,
        "status": "void",
        "currency": currency,
        "lines": {"object": "list", "data": lines},
    }


#: Fields that Stripe always gives, and that the accounts here do without.
ALWAYS: dict[str, Payload] = {
    "customer": {
        "email": None,
        "metadata": {},
        "invoice_settings": {"default_payment_method": None},
        "default_source": None,
        "discount": None,
    },
    "subscription": {"default_payment_method": None, "default_source": None},
    "price": {"tax_behavior": "unspecified", "custom_unit_amount": None},
    "invoice": {"amount_due": 0, "attempt_count": 0},
}
#: Fields that Stripe gives only when asked.
ASKED_FOR = ("tiers", "currency_options", "applies_to")


def _open(sandbox: Sandbox, found: dict[str, list[Payload]]) -> None:
    """Put an account into the sandbox as Stripe keeps it: discounts by id, and apart what is given only when asked."""
    books = sandbox.stripe.books
    for price in found["prices"]:
        books.currency_options[edition(price)] = price["currency_options"]
        if "tiers" in price:
            books.tiers[price["id"]] = price["tiers"]
    for coupon in found["coupons"]:
        if "currency_options" in coupon:
            books.currency_options[edition(coupon)] = coupon["currency_options"]
        if "applies_to" in coupon:
            books.applies_to[edition(coupon)] = coupon["applies_to"]["products"]
    discounts: list[Payload] = []

    def by_id(given: list[Payload]) -> list[str]:
        discounts.extend(given)
        return [discount["id"] for discount in given]

    subscriptions = []
    for each in found["subscriptions"]:
        items = [{**item, "discounts": by_id(item["discounts"])} for item in each["items"]["data"]]
        listed = {**each["items"], "data": items, "has_more": False, "url": "/v1/subscription_items"}
        subscriptions.append({**each, "discounts": by_id(each["discounts"]), "items": listed})
    rest = [one for kind in ("customers", "prices", "coupons", "invoices") for one in found[kind]]
    sandbox.stripe.load(
        {"livemode": False, **ALWAYS.get(one["object"], {})}
        | {name: value for name, value in one.items() if name not in ASKED_FOR}
        for one in (*rest, *discounts, *subscriptions)
    )


def _drawn(number: int) -> list[dict[str, list[Payload]]]:
    """Draw accounts with ids of their own, to stand side by side: a build of many costs what a build of one does."""
    found: list[dict[str, list[Payload]]] = []

    @settings(
        max_examples=number,
        deadline=None,
        derandomize=True,
        database=None,
        phases=[Phase.generate],
        suppress_health_check=list(HealthCheck),
    )
    @given(account=accounts())
    def gather(account: dict[str, list[Payload]]) -> None:
        found.append(json.loads(json.dumps(account).replace(NAME, str(len(found)))))

    gather()
    return found


@pytest.mark.parametrize("number", [25, pytest.param(300, marks=pytest.mark.gauntlet)])
def test_mrr_is_what_a_second_computation_says(number: int, account: Account, monkeypatch: pytest.MonkeyPatch) -> None:
    drawn = _drawn(number)
    with Sandbox(customers=0, leads=0) as sandbox:
        for name, value in sandbox.environment().items():
            monkeypatch.setenv(name, value)
        for found in drawn:
            _open(sandbox, found)
        extract(account.warehouse, load_settings(), FAST, run_id="run-1")
        truth = read_truth(sandbox)

    account.build()

    people = account.people()
    for found in drawn:
        for customer in found["customers"]:
            expected = mrr(truth.served, truth.subscriptions.get(customer["id"], []), customer["currency"])
            computed = people[customer["id"]]["mrr"]
            assert computed is not None, f"{customer['id']}: {json.dumps(found)}"
            assert Fraction(str(computed)) == expected, f"{customer['id']}: {json.dumps(found)}"
