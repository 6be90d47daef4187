"""Expansion (docs.stripe.com/api/expanding_objects): ids become objects, and fields that are left out are put in."""

from collections.abc import Callable, Iterator, Mapping
from typing import Any

from stripe_cio_pipeline.sandbox.stripe import errors
from stripe_cio_pipeline.sandbox.stripe.shelf import Payload

Find = Callable[[str, str], Payload | None]
"""(object, id) to payload."""
Include = Callable[[Payload, str], Any]
"""(parent, field) to what stands in a field that is absent unless expanded."""

LINKS: Mapping[str, Mapping[str, str]] = {
    "customer": {
        "default_source": "card",
        "invoice_settings.default_payment_method": "payment_method",
        "test_clock": "test_helpers.test_clock",
    },
    "subscription": {
        "customer": "customer",
        "latest_invoice": "invoice",
        "default_payment_method": "payment_method",
        "default_source": "card",
        "discounts": "discount",
        "pending_setup_intent": "setup_intent",
        "schedule": "subscription_schedule",
        "test_clock": "test_helpers.test_clock",
    },
    "subscription_item": {"discounts": "discount", "subscription": "subscription"},
    "invoice": {
        "customer": "customer",
        "default_payment_method": "payment_method",
        "default_source": "card",
        "discounts": "discount",
        "parent.subscription_details.subscription": "subscription",
        "latest_revision": "invoice",
        "test_clock": "test_helpers.test_clock",
    },
    "line_item": {"discounts": "discount"},
    "invoice_payment": {
        "invoice": "invoice",
        "payment.charge": "charge",
        "payment.payment_intent": "payment_intent",
    },
    "charge": {
        "customer": "customer",
        "payment_intent": "payment_intent",
        "balance_transaction": "balance_transaction",
    },
    "payment_intent": {
        "customer": "customer",
        "latest_charge": "charge",
        "payment_method": "payment_method",
    },
    "refund": {
        "charge": "charge",
        "payment_intent": "payment_intent",
        "balance_transaction": "balance_transaction",
        "customer": "customer",
    },
    "dispute": {"charge": "charge", "payment_intent": "payment_intent"},
    "payment_method": {"customer": "customer"},
    "card": {"customer": "customer"},
    "price": {"product": "product"},
    "plan": {"product": "product"},
    "product": {"default_price": "price"},
    "discount": {"source.coupon": "coupon", "customer": "customer", "promotion_code": "promotion_code"},
    "promotion_code": {"promotion.coupon": "coupon", "customer": "customer"},
    "credit_note": {"customer": "customer", "invoice": "invoice"},
    "checkout.session": {
        "customer": "customer",
        "invoice": "invoice",
        "payment_intent": "payment_intent",
        "subscription": "subscription",
    },
    "tax_id": {"customer": "customer"},
}

OLD_LINKS: Mapping[str, Mapping[str, str]] = {
    "subscription": {"discount": "discount"},
    "invoice": {"subscription": "subscription", "charge": "charge", "payment_intent": "payment_intent"},
    "charge": {"invoice": "invoice"},
    "payment_intent": {"invoice": "invoice"},
}
"""Links that only payloads of older versions have."""

INCLUDES: Mapping[str, frozenset[str]] = {
    "customer": frozenset({"subscriptions", "sources", "tax_ids", "tax", "cash_balance"}),
    "price": frozenset({"tiers", "currency_options"}),
    "plan": frozenset({"tiers"}),
    "invoice": frozenset({"payments"}),
    "charge": frozenset({"refunds"}),
    "coupon": frozenset({"applies_to", "currency_options"}),
    "checkout.session": frozenset({"line_items"}),
    "subscription_item": frozenset({"billed_until"}),
}


#: What stands inside an object without being asked for: one object, or a list of them.
INSIDE: Mapping[str, Mapping[str, str]] = {
    "subscription": {"items": "subscription_item"},
    "subscription_item": {"price": "price", "plan": "plan"},
    "invoice": {"lines": "line_item"},
    "customer": {"discount": "discount"},
}

#: What the fields of `INCLUDES` hold.
INCLUDED: Mapping[str, Mapping[str, str]] = {
    "customer": {"subscriptions": "subscription", "sources": "card", "tax_ids": "tax_id"},
    "invoice": {"payments": "invoice_payment"},
    "charge": {"refunds": "refund"},
}


def objects_asked_for(object: str, path: str, *, old: bool) -> Iterator[str]:  # noqa: A002
    """Name the objects that expanding a path adds to an answer, by what the API is and not by what is in the answer.

    `old`: the answer has a shape of before endive, whose fields can be expanded too. Raises a 400 for a path that leads
    nowhere, whether the list is empty or not.
    """
    name, inner = object, ""
    parts = path.split(".")
    for place, part in enumerate(parts):
        inner = f"{inner}.{part}" if inner else part
        last = place == len(parts) - 1
        if place and inner == "data" and not last:
            inner = ""
            continue
        if name in _WITH_CURRENCIES and inner == "currency_options":
            # By currency, down to its tiers; a path that names none there is ignored, as was seen.
            return
        link = LINKS.get(name, {}).get(inner) or (OLD_LINKS.get(name, {}).get(inner) if old else None)
        if link is not None:
            yield link
            name, inner = link, ""
        elif part in INCLUDES.get(name, ()) and inner == part:
            found = INCLUDED.get(name, {}).get(part)
            if found is not None:
                yield found
            elif not last:
                raise _not_expandable(path)
            name, inner = found or "", ""
        elif inner in INSIDE.get(name, {}) and not last:
            name, inner = INSIDE[name][inner], ""
        elif last or not any(known.startswith(f"{inner}.") for known in LINKS.get(name, {})):
            raise _not_expandable(path)


_WITH_CURRENCIES = frozenset({"price", "coupon"})


class Expander:
    """Expands paths inside payloads, which it changes in place."""

    def __init__(self, find: Find, include: Include, coupon_of: Callable[[str], Payload | None]) -> None:
        self._find = find
        self._include = include
        self._coupon_of = coupon_of

    def expand(self, payload: Payload, path: str) -> None:
        """Expand one path relative to the object; a path that does not lead anywhere is a 400."""
        self._walk(payload, path.split("."), path)

    def _walk(self, payload: Payload, parts: list[str], path: str) -> None:
        """Go down inside one object until another object (or the end) is reached."""
        name = payload.get("object", "")
        if name in _WITH_CURRENCIES and parts[0] == "currency_options":
            self._add_currencies(payload, parts)
            return
        holder: Any = payload
        for depth, part in enumerate(parts):
            inner = ".".join(parts[: depth + 1])
            last = depth == len(parts) - 1
            if isinstance(holder, dict) and part in INCLUDES.get(name, ()) and part not in holder:
                holder[part] = self._include(payload, part)
            kind = LINKS.get(name, {}).get(inner)
            if kind is None and part in holder:
                kind = OLD_LINKS.get(name, {}).get(inner)
            if not isinstance(holder, dict) or (part not in holder and kind is None):
                raise _not_expandable(path)
            child = holder.get(part)
            if kind == "coupon" and name == "discount" and isinstance(child, str):
                # The one that the discount was given with, whatever stands under its id now.
                child = holder[part] = self._coupon_of(payload["id"]) or child
            elif kind is not None:
                child = holder[part] = self._resolve(kind, child)
            elif last and part not in INCLUDES.get(name, ()):
                raise _not_expandable(path)
            if last or child is None:
                return
            rest = parts[depth + 1 :]
            if isinstance(child, dict) and child.get("object") == "list":
                self._into(child["data"], rest[1:] if rest[0] == "data" else [], path)
                return
            if isinstance(child, list):
                self._into(child, rest, path)
                return
            if isinstance(child, dict) and "object" in child:
                self._walk(child, rest, path)
                return
            holder = child

    def _add_currencies(self, payload: Payload, parts: list[str]) -> None:
        if "currency_options" not in payload:
            payload["currency_options"] = self._include(payload, "currency_options")
        options = payload["currency_options"] or {}
        if parts[2:] == ["tiers"] and parts[1] in options:
            options[parts[1]]["tiers"] = self._include(payload, ".".join(parts))

    def _into(self, rows: list[Any], rest: list[str], path: str) -> None:
        if not rest:
            raise _not_expandable(path)
        for row in rows:
            if isinstance(row, dict):
                self._walk(row, rest, path)

    def _resolve(self, kind: str, value: Any) -> Any:
        if isinstance(value, list):
            return [self._resolve(kind, entry) for entry in value]
        if isinstance(value, str):
            return self._find(kind, value) or value
        return value


def _not_expandable(path: str) -> errors.StripeError:
    return errors.invalid(f"This property cannot be expanded ({path}).", "expand")
