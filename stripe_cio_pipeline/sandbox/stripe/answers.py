"""From a read request to the bytes of its answer."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import orjson

from stripe_cio_pipeline.sandbox.stripe import errors, query
from stripe_cio_pipeline.sandbox.stripe.account import StripeAccount
from stripe_cio_pipeline.sandbox.stripe.books import edition
from stripe_cio_pipeline.sandbox.stripe.collection import ENDED
from stripe_cio_pipeline.sandbox.stripe.expand import Expander, objects_asked_for
from stripe_cio_pipeline.sandbox.stripe.listing import EVENT_SECONDS, page, page_of
from stripe_cio_pipeline.sandbox.stripe.payloads import listed, own_currency
from stripe_cio_pipeline.sandbox.stripe.query import Query
from stripe_cio_pipeline.sandbox.stripe.resources import BY_PATH, RESOURCES, Resource
from stripe_cio_pipeline.sandbox.stripe.search import search
from stripe_cio_pipeline.sandbox.stripe.shelf import Payload, Row
from stripe_cio_pipeline.sandbox.stripe.versions import family

_NESTED = re.compile(
    r"^/v1/(customers|invoices|charges)/([^/]+)/(subscriptions|sources|tax_ids|payment_methods|lines|refunds)$"
)
_NESTED_PARAMETERS = frozenset({"limit", "starting_after", "ending_before", "expand", "type", "object"})
_NESTED_OBJECTS = {
    "subscriptions": "subscription",
    "sources": "card",
    "tax_ids": "tax_id",
    "payment_methods": "payment_method",
    "lines": "line_item",
    "refunds": "refund",
}
#: What a key needs to see an object inside another. Cards of old stand at their customer's address
#: (`/v1/customers/:id/sources`), discounts at none.
_PERMISSIONS = {
    **{resource.object: resource.permission for resource in RESOURCES},
    "card": "rak_customer_read",
    "balance_transaction": "rak_balance_transaction_source_read",
}
_TWO_PARTS = frozenset(resource.path.partition("/")[0] for resource in RESOURCES if "/" in resource.path)


@dataclass(frozen=True, slots=True)
class Call:
    """A request that was let in."""

    method: str
    path: str
    query_string: bytes
    version: str
    restricted: bool


class Answers:
    """Answers reads of one account."""

    def __init__(self, account: StripeAccount) -> None:
        self._account = account
        self._books = account.books

    def endpoint(self, path: str) -> str:
        """Return the name under which limits and counters see an address: ids do not count apart."""
        parts = path.strip("/").split("/")
        if len(parts) > 1 and parts[0] == "v1":
            at = 3 if parts[1] in _TWO_PARTS else 2
            if len(parts) > at and parts[at] != "search":
                parts[at] = "{id}"
        return "/" + "/".join(parts)

    def answer(self, call: Call, key: str) -> bytes:
        """Return the body, or raise the `StripeError` that Stripe would answer with."""
        with self._account.lock:
            self._account.catch_up()
            asked = query.parse(call.query_string)
            query.check_expand(asked.expand)
            path = call.path.rstrip("/")
            if call.method != "GET":
                raise self._not_a_read(call, key, path)
            if path == "/v1/account" or path.startswith("/v1/accounts"):
                self._permit(call, key, "rak_accounts_kyc_basic_read")
                return self._own_account(path)
            nested = _NESTED.match(path)
            if nested is not None:
                return self._nested(call, key, asked, nested)
            resource, id_ = self._resource(call, path)
            self._permit(call, key, resource.permission)
            if id_ == "search":
                return self._search(call, resource, asked)
            if id_ is None:
                return self._list(call, key, resource, asked)
            return self._one(call, key, resource, id_, asked)

    def _resource(self, call: Call, path: str) -> tuple[Resource, str | None]:
        parts = path.removeprefix("/v1/").split("/")
        width = 2 if parts[0] in _TWO_PARTS else 1
        resource = BY_PATH.get("/".join(parts[:width]))
        if not path.startswith("/v1/") or resource is None or len(parts) > width + 1:
            raise errors.unknown_address(call.method, path)
        return resource, parts[width] if len(parts) > width else None

    def _permit(self, call: Call, key: str, permission: str) -> None:
        switches = self._account.switches
        if call.restricted and permission not in switches.permissions:
            newer = switches.new_permission_wording
            raise errors.missing_permission(key, switches.account_id, permission, newer=newer)

    def _permit_expansion(self, call: Call, key: str, object: str, paths: Sequence[str]) -> None:  # noqa: A002
        """Refuse what leads nowhere, and what the key may not read by itself either.

        "You must also request at least one corresponding permission for each API object you expand"
        (docs.stripe.com/stripe-apps/reference/permissions). An event is refused where it is rendered.
        """
        if object == "event":
            return
        old = family(call.version) != "endive"
        for path in paths:
            for expanded in objects_asked_for(object, path, old=old):
                if (permission := _PERMISSIONS.get(expanded)) is not None:
                    self._permit(call, key, permission)

    def _not_a_read(self, call: Call, key: str, path: str) -> errors.StripeError:
        resource, _ = self._resource(call, path)
        if call.restricted:
            permission = resource.permission.removesuffix("_read") + "_write"
            switches = self._account.switches
            newer = switches.new_permission_wording
            return errors.missing_permission(key, switches.account_id, permission, newer=newer)
        return errors.unknown_address(call.method, path)

    def _own_account(self, path: str) -> bytes:
        account = self._books.account
        if path == "/v1/accounts":
            return orjson.dumps(listed(path, [account]))
        wanted = path.removeprefix("/v1/accounts/")
        if path != "/v1/account" and wanted != account["id"]:
            raise errors.missing("account", wanted)
        return orjson.dumps(account)

    def _list(self, call: Call, key: str, resource: Resource, asked: Query) -> bytes:
        books, account = self._books, self._account
        if resource.object == "subscription_item":
            return self._items(call, key, asked)
        found = page(resource, books.shelves[resource.object], asked, account.switches, account.clock.now())
        for path in asked.expand:
            if not path.startswith("data."):
                raise errors.invalid(
                    f"This property cannot be expanded ({path}). You may want to try expanding 'data.{path}' instead.",
                    "expand",
                )
        paths = [path.removeprefix("data.") for path in asked.expand]
        self._permit_expansion(call, key, resource.object, paths)
        rows = [self._render(resource.object, row, call.version, paths) for row in found.rows]
        return _envelope(resource.url, rows, has_more=found.has_more)

    def _one(self, call: Call, key: str, resource: Resource, id_: str, asked: Query) -> bytes:
        books = self._books
        query.check_names(asked, frozenset({"expand"}))
        self._permit_expansion(call, key, resource.object, asked.expand)
        if resource.object == "subscription_item":
            item = books.item(id_)
            if item is None:
                raise errors.missing(resource.noun, id_)
            return self._finish(item, family(call.version) or "endive", asked.expand)
        row = books.shelves[resource.object].find(id_)
        if row is None or not self._listed_still(resource, row):
            if id_ in books.deleted and resource.object == "customer":
                return orjson.dumps(books.deleted[id_])
            raise errors.missing(resource.noun, id_)
        return self._render(resource.object, row, call.version, asked.expand)

    def _listed_still(self, resource: Resource, row: Row) -> bool:
        """Tell whether an object can be read by id: an event only while it is listed."""
        if resource.object != "event":
            return True
        now = self._account.clock.now()
        return row.key[0] >= now - EVENT_SECONDS and row.visible_at <= now

    def _render(self, object: str, row: Row, version: str, paths: Sequence[str]) -> bytes:  # noqa: A002
        shape = family(version) or "endive"
        if object == "event":
            # Events keep the version in which they were written; nothing in them can be expanded.
            if paths:
                raise errors.invalid(f"This property cannot be expanded ({paths[0]}).", "expand")
            return row.encoded
        if shape == "endive":
            if not paths:
                return row.encoded
            quick = getattr(row, "expanded", None)
            if quick is not None and (encoded := quick(paths)) is not None:
                return bytes(encoded)
        payload: Payload = orjson.loads(row.encoded)
        return self._finish(payload, shape, paths)

    def _finish(self, payload: Payload, shape: str, paths: Sequence[str]) -> bytes:
        # The shape comes first: the paths of an old version lead through its own fields.
        payload = self._books.shapes.render(payload, shape)
        expander = Expander(
            partial(self._find_in_shape, shape), partial(self._include, shape), partial(self._coupon_in_shape, shape)
        )
        for path in paths:
            expander.expand(payload, path)
        return orjson.dumps(payload)

    def _find_in_shape(self, shape: str, object: str, id_: str) -> Payload | None:  # noqa: A002
        found = self._books.find(object, id_)
        return self._books.shapes.render(found, shape) if found is not None else None

    def _coupon_in_shape(self, shape: str, discount_id: str) -> Payload | None:
        found = self._books.coupon_of(discount_id)
        return self._books.shapes.render(found, shape) if found is not None else None

    def _items(self, call: Call, key: str, asked: Query) -> bytes:
        query.check_names(asked, BY_PATH["subscription_items"].parameters())
        subscription = asked.values.get("subscription")
        if subscription is None:
            raise errors.invalid("Missing required param: subscription.", "subscription", "parameter_missing")
        whole = self._books.find("subscription", subscription)
        if whole is None:
            raise errors.missing("subscription", subscription, "subscription")
        rows = self._books.full_list(whole["items"])
        return self._page(call, key, "/v1/subscription_items", "subscription_item", rows, asked)

    def _nested(self, call: Call, key: str, asked: Query, nested: re.Match[str]) -> bytes:
        resource = BY_PATH[nested[1]]
        self._permit(call, key, resource.permission)
        query.check_names(asked, _NESTED_PARAMETERS)
        parent = self._books.find(resource.object, nested[2])
        if parent is None:
            raise errors.missing(resource.noun, nested[2])
        rows = self._nested_rows(parent, nested[3])
        url = f"/v1/{nested[1]}/{nested[2]}/{nested[3]}"
        return self._page(call, key, url, _NESTED_OBJECTS[nested[3]], rows, asked)

    def _nested_rows(self, parent: Payload, name: str) -> list[Payload]:
        books = self._books
        match name:
            case "lines":
                return books.full_list(parent["lines"])
            case "refunds":
                newest_first = reversed(list(books.shelves["refund"].walk(newest_first=False)))
                refunds = [orjson.loads(row.encoded) for row in newest_first]
                return [row for row in refunds if row["charge"] == parent["id"]]
            case "subscriptions":
                rows = books.of_customer("subscription", parent["id"])
                return [row for row in reversed(rows) if row["status"] not in ENDED]
            case "payment_methods":
                return list(reversed(books.of_customer("payment_method", parent["id"])))
            case "sources":
                return list(reversed(books.of_customer("card", parent["id"])))
            case _:
                return list(reversed(books.of_customer("tax_id", parent["id"])))

    def _include(self, shape: str, parent: Payload, name: str) -> Any:
        """Return what stands in a field that only comes when it is expanded."""
        included = self._included(parent, name)
        return self._books.shapes.render(included, shape) if isinstance(included, dict) else included

    def _included(self, parent: Payload, name: str) -> Any:
        books = self._books
        url = f"/v1/{parent['object']}s/{parent.get('id')}/{name}"
        match parent["object"], name:
            case "customer", "subscriptions" | "sources" | "tax_ids":
                return self._shown(url, self._nested_rows(parent, name))
            case "charge", "refunds":
                return self._shown(url, self._nested_rows(parent, name))
            case "customer", "tax":
                return {"automatic_tax": "not_collecting", "ip_address": None, "location": None}
            case (("price" | "plan"), "tiers"):
                return books.tiers.get(parent["id"])
            case "coupon", "applies_to":
                products = books.applies_to.get(edition(parent))
                return {"products": products} if products else None
            case (("price" | "coupon"), "currency_options"):
                options = books.currency_options.get(edition(parent), {})
                shown = {
                    currency: {name: value for name, value in option.items() if name != "tiers"}
                    for currency, option in {**own_currency(parent), **options}.items()
                }
                return shown or None
            case "price", path if path.startswith("currency_options."):
                currency = path.split(".")[1]
                if currency == parent["currency"]:
                    return books.tiers.get(parent["id"])
                return books.currency_options.get(edition(parent), {}).get(currency, {}).get("tiers")
            case "invoice", "payments":
                payment = books.find("invoice_payment", books.payment_of(parent["id"]) or "")
                outside = [row for row in books.outside if row["invoice"] == parent["id"]]
                rows = ([payment] if payment else []) + outside
                return self._shown(f"/v1/invoice_payments?invoice={parent['id']}", rows)
            case "checkout.session", "line_items":
                return self._shown(f"/v1/checkout/sessions/{parent['id']}/line_items", [])
        return None

    def _shown(self, url: str, rows: list[Payload]) -> Payload:
        shown = self._account.switches.nested_limit
        return listed(url, rows[:shown], has_more=len(rows) > shown)

    def _page(self, call: Call, key: str, url: str, object: str, rows: list[Payload], asked: Query) -> bytes:  # noqa: A002
        shown, has_more = page_of(rows, asked)
        shape = family(call.version) or "endive"
        paths = [path.removeprefix("data.") for path in asked.expand]
        self._permit_expansion(call, key, object, paths)
        encoded = [self._finish(orjson.loads(orjson.dumps(row)), shape, paths) for row in shown]
        return _envelope(url, encoded, has_more=has_more)

    def _search(self, call: Call, resource: Resource, asked: Query) -> bytes:
        found = search(resource, self._books.shelves[resource.object], asked)
        shape = family(call.version) or "endive"
        rows = [self._finish(orjson.loads(row.encoded), shape, ()) for row in found.rows]
        body = {
            "object": "search_result",
            "has_more": found.next_page is not None,
            "next_page": found.next_page,
            "url": f"{resource.url}/search",
        }
        return orjson.dumps(body)[:-1] + b',"data":[' + b",".join(rows) + b"]}"


def _envelope(url: str, rows: Sequence[bytes], *, has_more: bool) -> bytes:
    more = b"true" if has_more else b"false"
    return b'{"object":"list","url":"' + url.encode() + b'","has_more":' + more + b',"data":[' + b",".join(rows) + b"]}"
