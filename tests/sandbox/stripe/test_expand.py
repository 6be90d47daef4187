"""Expansion, and nested lists that are cut."""

from typing import Any

from stripe_cio_pipeline.sandbox import StripeSwitches


def subscribed(api: Any, **given: Any) -> tuple[dict[str, Any], dict[str, Any]]:
    customer = api.sandbox.stripe.create_customer(email="customer-1@example.com")
    subscription = api.sandbox.stripe.create_subscription(customer["id"], **given)
    return api.get(f"customers/{customer['id']}"), subscription


def test_an_id_becomes_its_object_only_when_asked(empty: Any) -> None:
    customer, subscription = subscribed(empty)
    card = customer["invoice_settings"]["default_payment_method"]
    (row,) = empty.get("customers", "expand[]=data.invoice_settings.default_payment_method")["data"]
    assert row["invoice_settings"]["default_payment_method"] == empty.get(f"payment_methods/{card}")
    (invoice,) = empty.get("subscriptions", "expand[]=data.latest_invoice.customer")["data"]
    assert invoice["latest_invoice"]["customer"] == customer
    assert empty.get(f"subscriptions/{subscription['id']}", "expand[]=customer")["customer"] == customer


def test_both_spellings_of_arrays_are_understood(empty: Any) -> None:
    subscribed(empty)
    wanted = ("data.customer", "data.latest_invoice")
    docs = empty.get("subscriptions", "&".join(f"expand[]={path}" for path in wanted))
    client = empty.get("subscriptions", "&".join(f"expand[{place}]={path}" for place, path in enumerate(wanted)))
    assert docs == client
    assert isinstance(docs["data"][0]["latest_invoice"], dict)


def test_discounts_are_ids_until_expanded_and_name_their_coupon(empty: Any) -> None:
    coupon = empty.sandbox.stripe.create_coupon(percent_off=20.0)["id"]
    _, subscription = subscribed(empty, coupon=coupon)
    assert all(isinstance(entry, str) for entry in subscription["discounts"])
    (row,) = empty.get("subscriptions", "expand[]=data.discounts.source.coupon")["data"]
    (discount,) = row["discounts"]
    assert discount["subscription"] == subscription["id"]
    assert discount["source"] == {"type": "coupon", "coupon": empty.get(f"coupons/{coupon}")}
    assert empty.refused(f"discounts/{discount['id']}")[0] == 404


def test_four_levels_are_the_most(empty: Any) -> None:
    subscribed(empty)
    (row,) = empty.get("customers", "expand[]=data.subscriptions.data.discounts")["data"]
    assert row["subscriptions"]["data"][0]["discounts"] == []
    status, error = empty.refused("subscriptions", "expand[]=data.items.data.price.product")
    assert status == 400
    assert "cannot expand more than 4 levels" in error["message"]
    one = empty.get("subscriptions/" + empty.ids("subscriptions")[0], "expand[]=items.data.price.product")
    assert one["items"]["data"][0]["price"]["product"]["object"] == "product"


def test_lists_inside_a_customer_come_only_when_expanded(empty: Any) -> None:
    customer, subscription = subscribed(empty)
    assert not {"subscriptions", "sources", "tax_ids"} & set(customer)
    expanded = empty.get(f"customers/{customer['id']}", "expand[]=subscriptions&expand[]=sources&expand[]=tax_ids")
    assert [row["id"] for row in expanded["subscriptions"]["data"]] == [subscription["id"]]
    assert expanded["subscriptions"]["has_more"] is False
    assert expanded["sources"]["data"] == []


def test_tiers_come_only_when_expanded(empty: Any) -> None:
    tiers = [{"up_to": None, "unit_amount": 500, "unit_amount_decimal": "500", "flat_amount": None}]
    price = empty.sandbox.stripe.create_price(tiers=tiers, tiers_mode="volume")
    assert "tiers" not in empty.get(f"prices/{price['id']}")
    assert empty.get("prices", "expand[]=data.tiers")["data"][0]["tiers"] == tiers


def test_events_cannot_be_expanded(empty: Any) -> None:
    subscribed(empty)
    assert empty.refused("events", "expand[]=data.data.object.customer")[0] == 400


def test_a_nested_list_is_cut_at_ten_and_goes_on_at_its_own_address(start: Any) -> None:
    api = start(switches=StripeSwitches(late_events_share=0.0))
    stripe = api.sandbox.stripe
    prices = [stripe.create_price()["id"] for _ in range(23)]
    _, subscription = subscribed(api, prices=prices)
    items = subscription["items"]
    assert (len(items["data"]), items["has_more"]) == (10, True)
    url, _, query = items["url"].removeprefix("/v1/").partition("?")
    assert [row["price"]["id"] for row in api.walk(url, query, limit=10)] == prices
    lines = api.get(f"invoices/{subscription['latest_invoice']}")["lines"]
    assert (len(lines["data"]), lines["has_more"]) == (10, True)
    rest = api.get(lines["url"].removeprefix("/v1/"), f"limit=100&starting_after={lines['data'][-1]['id']}")
    assert (len(rest["data"]), rest["has_more"]) == (13, False)
    before = api.get(lines["url"].removeprefix("/v1/"), f"limit=5&ending_before={rest['data'][0]['id']}")
    assert [row["id"] for row in before["data"]] == [row["id"] for row in lines["data"][5:]]


def test_the_refunds_of_a_charge_are_a_list_of_its_own(empty: Any) -> None:
    stripe = empty.sandbox.stripe
    charge = stripe.create_charge(stripe.create_customer()["id"], 1_000)["id"]
    made = [stripe.refund(charge, 50)["id"] for _ in range(12)]
    shown = empty.get(f"charges/{charge}", "expand[]=refunds")["refunds"]
    assert [row["id"] for row in shown["data"]] == made[::-1][:10]
    assert shown["has_more"] is True
    assert [row["id"] for row in empty.walk(shown["url"].removeprefix("/v1/"), limit=5)] == made[::-1]


def test_an_invoice_leads_to_its_charge_through_its_payments(empty: Any) -> None:
    _, subscription = subscribed(empty)
    invoice = empty.get(f"invoices/{subscription['latest_invoice']}", "expand[]=payments")
    assert not {"charge", "payment_intent", "subscription", "paid"} & set(invoice)
    (payment,) = invoice["payments"]["data"]
    (found,) = empty.get("charges", f"payment_intent={payment['payment']['payment_intent']}")["data"]
    assert found["amount"] == invoice["amount_paid"] == payment["amount_paid"]
