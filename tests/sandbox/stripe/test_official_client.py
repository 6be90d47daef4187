"""The official client, typed, sync and async, pages both ways and understands what it gets."""

import asyncio
from collections.abc import Iterator
from typing import Any

import pytest
import stripe

from stripe_cio_pipeline.sandbox import Fault

pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning:stripe")


@pytest.fixture(autouse=True)
def _no_telemetry() -> Iterator[None]:
    before, stripe.enable_telemetry = stripe.enable_telemetry, False
    yield
    stripe.enable_telemetry = before


def client(api: Any, **given: Any) -> stripe.StripeClient:
    return stripe.StripeClient(
        api.sandbox.stripe.restricted_key, base_addresses={"api": api.sandbox.stripe_url}, **given
    )


def test_it_pins_the_version_in_which_objects_are_kept(lively: Any) -> None:
    answer = client(lively).raw_request("get", "/v1/customers?limit=1")
    assert answer.headers["Stripe-Version"] == "2026-10-28.endive"


def test_auto_paging_visits_everybody_downwards_and_upwards(lively: Any) -> None:
    v1 = client(lively).v1
    down = [customer.id for customer in v1.customers.list({"limit": 50}).auto_paging_iter()]
    up = [customer.id for customer in v1.customers.list({"limit": 50, "ending_before": down[-1]}).auto_paging_iter()]
    assert len(down) == 120
    assert up == down[:-1][::-1]


def test_typed_objects_have_their_fields(lively: Any) -> None:
    v1 = client(lively).v1
    params: Any = {"status": "all", "limit": 100, "expand": ["data.discounts", "data.latest_invoice"]}
    for subscription in v1.subscriptions.list(params).auto_paging_iter():
        item = subscription["items"].data[0]
        assert item.current_period_end > item.current_period_start
        assert isinstance(subscription.latest_invoice, stripe.Invoice)
        assert all(isinstance(discount, stripe.Discount) for discount in subscription.discounts)
    event = v1.events.list({"types": ["customer.updated"], "limit": 1}).data[0]
    assert isinstance(event, stripe.Event)
    assert event.data.previous_attributes


def test_the_async_client_pages_too(lively: Any) -> None:
    async def everybody() -> list[str]:
        transport = stripe.HTTPXClient()
        try:
            v1 = client(lively, http_client=transport).v1
            first = await v1.invoices.list_async({"limit": 100})
            return [invoice.id async for invoice in first.auto_paging_iter()]
        finally:
            await transport.close_async()

    wanted = [row["id"] for row in lively.walk("invoices")]
    assert len(wanted) > 100
    assert asyncio.run(everybody()) == wanted


def test_refusals_become_the_clients_error_classes(lively: Any) -> None:
    v1 = client(lively, max_network_retries=0).v1
    with pytest.raises(stripe.InvalidRequestError, match="No such customer: 'cus_none'") as missing:
        v1.customers.retrieve("cus_none")
    assert (missing.value.http_status, missing.value.code) == (404, "resource_missing")
    assert missing.value.request_id
    with pytest.raises(stripe.AuthenticationError):
        stripe.StripeClient("sk_test_wrong", base_addresses={"api": lively.sandbox.stripe_url}).v1.customers.list()
    faults = lively.sandbox.stripe.faults
    faults.next(Fault.rate_limited("global-rate"))
    with pytest.raises(stripe.RateLimitError):
        v1.customers.list()
    faults.next(Fault.truncated())
    with pytest.raises(stripe.APIError, match="Invalid response body"):
        v1.customers.list()
    permissions = lively.sandbox.stripe.switches.permissions
    permissions.discard("rak_invoice_read")
    with pytest.raises(stripe.PermissionError):
        v1.invoices.list()
    permissions.add("rak_invoice_read")


def test_its_own_retries_help_against_a_reset_and_a_503(lively: Any) -> None:
    faults = lively.sandbox.stripe.faults
    for fault in (Fault.reset_before(), Fault.error(503)):
        faults.next(fault)
        assert client(lively, max_network_retries=1).v1.customers.list({"limit": 1}).data


def test_a_deleted_customer_is_a_customer_that_says_so(empty: Any) -> None:
    gone = empty.sandbox.stripe.create_customer()["id"]
    empty.sandbox.stripe.delete_customer(gone)
    assert client(empty).v1.customers.retrieve(gone).deleted is True


def test_nested_lists_go_on_by_their_own_address(empty: Any) -> None:
    account = empty.sandbox.stripe
    prices = [account.create_price()["id"] for _ in range(12)]
    made = account.create_subscription(account.create_customer()["id"], prices=prices)
    v1 = client(empty).v1
    invoice = v1.invoices.retrieve(made["latest_invoice"])
    assert len(list(invoice.lines.auto_paging_iter())) == 12
    assert len(list(v1.subscription_items.list({"subscription": made["id"]}).auto_paging_iter())) == 12


@pytest.mark.parametrize("object_type", ["customer", "subscription", "invoice", "charge", "price", "product", "event"])
def test_payloads_have_every_field_that_the_client_knows_as_required(lively: Any, object_type: str) -> None:
    """The client's classes name each field; one that is neither optional nor expandable must be there."""
    classes = {
        "customer": stripe.Customer,
        "subscription": stripe.Subscription,
        "invoice": stripe.Invoice,
        "charge": stripe.Charge,
        "price": stripe.Price,
        "product": stripe.Product,
        "event": stripe.Event,
    }
    expanded_or_elsewhere = {"deleted", "context", "account", "next_page", "application_fee", "source", "transfer"}
    fields = classes[object_type].__annotations__
    required = {
        name
        for name, type_ in fields.items()
        if not str(type_).startswith(("Optional", "ClassVar", "typing.Optional", "typing.ClassVar"))
        and "Optional" not in str(type_)
        and "ClassVar" not in str(type_)
        and not name.startswith("_")
    }
    for payload in lively.get(f"{object_type}s", "limit=20")["data"]:
        assert required - expanded_or_elsewhere <= set(payload)
