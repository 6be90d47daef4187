"""Expansion: ids replaced by objects, and lists that are left out unless asked for."""

from collections.abc import Callable, Mapping
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


class Expander:
    """Expands paths inside payloads, which it changes in place."""

    def __init__(self, find: Find, include: Include) -> None:
        self._find = find
        self._include = include

    def expand(self, payload: Payload, path: str) -> None:
        """Expand one path relative to the object; a path that does not lead anywhere is a 400."""
        self._walk(payload, path.split("."), path)

    def _walk(self, payload: Payload, parts: list[str], path: str) -> None:
        """Go down inside one object until another object (or the end) is reached."""
        name = payload.get("object", "")
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
            if kind is not None:
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
    return errors.invalid(
        f"This property cannot be expanded ({path}). You may want to try expanding 'data.{path}' instead.",
        "expand",
    )
