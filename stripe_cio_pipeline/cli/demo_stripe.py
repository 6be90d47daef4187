"""What the sandbox's Stripe says, asked by the demo itself over HTTP: nothing here knows the pipeline's requests."""

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Self

import httpx

from stripe_cio_pipeline.cli.demo_revenue import Served
from stripe_cio_pipeline.sandbox import Sandbox

Payload = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Truth:
    """Everything that Stripe knows at one moment, by id or by customer. `deleted_at` holds unix seconds.

    Cards, discounts and their coupons stand expanded in what has them. `disputes` are by charge, `records` (payments
    that were made outside Stripe) by invoice.
    """

    customers: dict[str, Payload]
    deleted_at: dict[str, int]
    subscriptions: dict[str, list[Payload]]
    charges: dict[str, list[Payload]]
    invoices: dict[str, list[Payload]]
    disputes: dict[str, list[Payload]]
    credit_notes: dict[str, list[Payload]]
    records: dict[str, list[Payload]]
    products: Mapping[str, Payload]
    served: Served


def read_truth(sandbox: Sandbox, *, since: float = 0) -> Truth:
    """Ask Stripe for everything. Customers that were deleted `since` then (unix seconds) are there as they last were.

    Who was deleted before is in no list and nobody's: Stripe shows what they paid, and not who they were.
    """
    with _Api(sandbox) as api:
        customers: dict[str, Payload] = {}
        deleted_at: dict[str, int] = {}
        for event in api.all("events", type="customer.deleted"):
            gone = event["data"]["object"]
            if event["created"] >= since:
                customers[gone["id"]] = gone
                deleted_at[gone["id"]] = event["created"]
        expand = ("invoice_settings.default_payment_method", "default_source", "discount.source.coupon")
        customers |= _by_id(api.all("customers", expand=expand))
        of_customers = {
            id_: api.one(f"customers/{id_}", expand=_coupon("discount"))["discount"]
            for id_, customer in customers.items()
            if customer["discount"] and id_ not in deleted_at
        }
        subscriptions = _by_customer(api.subscriptions(of_customers))
        invoices = list(api.all("invoices"))
        return Truth(
            customers=customers,
            deleted_at=deleted_at,
            subscriptions=subscriptions,
            charges=_by_customer(api.all("charges")),
            invoices=_by_customer(invoices),
            disputes=_by(api.all("disputes"), "charge"),
            credit_notes=_by_customer(api.all("credit_notes")),
            records=_by(
                (
                    one
                    for one in api.all("invoice_payments", status="paid")
                    if one["payment"]["type"] == "payment_record"
                ),
                "invoice",
            ),
            products=_by_id(api.all("products")),
            served=Served(
                discounts={},
                prices=api.prices({item["price"]["id"] for item in _items(subscriptions)}),
                coupons={},
                invoices=invoices,
            ),
        )


class _Api:
    """Reads the sandbox's Stripe over HTTP, page by page, with the key that may see everything."""

    def __init__(self, sandbox: Sandbox) -> None:
        headers = {"Authorization": f"Bearer {sandbox.stripe.secret_key}"}
        self._http = httpx.Client(base_url=f"{sandbox.stripe_url}/v1/", headers=headers, trust_env=False, timeout=60)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._http.close()

    def all(self, path: str, *, expand: Iterable[str] = (), **query: str) -> Iterator[Payload]:
        """Give every object of a list."""
        asked = [("limit", "100"), *query.items(), *(("expand[]", f"data.{each}") for each in expand)]
        after: list[tuple[str, str]] = []
        while True:
            page = self._get(path, [*asked, *after])
            yield from page["data"]
            if not page["has_more"]:
                return
            after = [("starting_after", page["data"][-1]["id"])]

    def one(self, path: str, *, expand: Iterable[str] = ()) -> Payload:
        """Give one object."""
        payload: Payload = self._get(path, [("expand[]", each) for each in expand])
        return payload

    def subscriptions(self, of_customers: Mapping[str, Payload]) -> Iterator[Payload]:
        """Give every subscription with all of its items, and with the coupons of its discounts as they were given.

        One that has none has that of its customer.
        """
        for payload in self.all("subscriptions", status="all", expand=("default_payment_method", "default_source")):
            whole = dict(payload)
            if payload["items"]["has_more"]:
                rows = self.all("subscription_items", subscription=payload["id"])
                whole["items"] = {**payload["items"], "data": list(rows), "has_more": False}
            expand = _coupon("discounts")
            if payload["discounts"]:
                whole["discounts"] = self.one(f"subscriptions/{payload['id']}", expand=expand)["discounts"]
            elif payload["customer"] in of_customers:
                whole["discounts"] = [of_customers[payload["customer"]]]
            if any(item["discounts"] for item in whole["items"]["data"]):
                items = [
                    self.one(f"subscription_items/{item['id']}", expand=expand) if item["discounts"] else item
                    for item in whole["items"]["data"]
                ]
                whole["items"] = {**whole["items"], "data": items}
            yield whole

    def prices(self, ids: Iterable[str]) -> dict[str, Payload]:
        """Give prices by id, with their tiers in every currency: a list shows only those that are active."""
        found: dict[str, Payload] = {}
        for id_ in ids:
            price = self.one(f"prices/{id_}", expand=("currency_options",))
            others = [f"currency_options.{currency}.tiers" for currency in price["currency_options"]]
            found[id_] = self.one(f"prices/{id_}", expand=("tiers", "currency_options", *others))
        return found

    def _get(self, path: str, query: Sequence[tuple[str, str]]) -> Any:
        answer = self._http.get(path, params=tuple(query))
        answer.raise_for_status()
        return answer.json()


def _coupon(place: str) -> tuple[str, ...]:
    """Ask for the coupon of discounts, with what is given of it only when it is asked for."""
    coupon = f"{place}.source.coupon"
    return coupon, f"{coupon}.applies_to", f"{coupon}.currency_options"


def _by_id(objects: Iterable[Payload]) -> dict[str, Payload]:
    return {str(payload["id"]): payload for payload in objects}


def _items(subscriptions: Mapping[str, list[Payload]]) -> Iterator[Payload]:
    for each in subscriptions.values():
        for payload in each:
            yield from payload["items"]["data"]


def _by_customer(objects: Iterable[Payload]) -> dict[str, list[Payload]]:
    return _by(objects, "customer")


def _by(objects: Iterable[Payload], name: str) -> dict[str, list[Payload]]:
    found: dict[str, list[Payload]] = defaultdict(list)
    for payload in objects:
        if payload[name]:
            found[payload[name]].append(payload)
    return dict(found)
