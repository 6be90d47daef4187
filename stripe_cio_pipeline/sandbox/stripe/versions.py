"""Older shapes of the same objects: what an account on an older API version gets (stripe-api.md, section 5).

Objects are kept in the shape of endive. Each family's function takes a payload of the next newer family and changes it
in place; payloads nested by expansion are changed with it.
"""

import re
from collections.abc import Callable, Mapping
from typing import Any

from stripe_cio_pipeline.sandbox.stripe.payloads import plan_of
from stripe_cio_pipeline.sandbox.stripe.shelf import Payload

FAMILIES = ("acacia", "basil", "clover", "dahlia", "endive")
_VERSION = re.compile(r"^(\d{4}-\d{2}-\d{2})(?:\.([a-z_]+))?$")
_FIRST_DAY = {
    "acacia": "2024-09-30",
    "basil": "2025-03-31",
    "clover": "2025-09-30",
    "dahlia": "2026-03-25",
    "endive": "2026-09-30",
}


def family(version: str) -> str | None:
    """Return the family of a version, `None` for one that does not exist. Versions before acacia count as acacia."""
    match = _VERSION.match(version)
    if match is None:
        return None
    day, name = match[1], match[2]
    if name is None:
        return "acacia" if day < _FIRST_DAY["acacia"] else None
    if name not in FAMILIES or day < _FIRST_DAY[name]:
        return None
    return name


class Shapes:
    """Renders payloads in older shapes.

    Some older fields repeat other objects, which `find`, `intent_of` (of an invoice) and `invoice_of` (of a
    payment intent) look up.
    """

    def __init__(
        self,
        find: Callable[[str, str], Payload | None],
        intent_of: Callable[[str], str | None],
        invoice_of: Callable[[str], str | None],
    ) -> None:
        self._find = find
        self._intent_of = intent_of
        self._invoice_of = invoice_of
        self._steps: Mapping[str, Callable[[Payload], None]] = {
            "dahlia": self._endive_to_dahlia,
            "clover": self._dahlia_to_clover,
            "basil": self._clover_to_basil,
            "acacia": self._basil_to_acacia,
        }

    def render(self, payload: Payload, wanted: str) -> Payload:
        """Return the payload in the shape of a family; the payload given is used up."""
        newest = FAMILIES.index("endive")
        for step in reversed(FAMILIES[FAMILIES.index(wanted) : newest]):
            for nested in list(_objects(payload)):
                self._steps[step](nested)
        return payload

    def _endive_to_dahlia(self, payload: Payload) -> None:
        match payload.get("object"):
            case "subscription" | "invoice":
                payload.pop("status_details", None)
            case "subscription_item":
                payload.pop("current_trial", None)
            case "product":
                payload.pop("tax_details", None)

    def _dahlia_to_clover(self, payload: Payload) -> None:
        match payload.get("object"):
            case "subscription":
                payload.pop("presentment_details", None)
            case "refund":
                payload.pop("customer", None)
                payload.pop("customer_account", None)
            case "invoice":
                payload.pop("amount_paid_off_stripe", None)
        payload.pop("customer_account", None)

    def _clover_to_basil(self, payload: Payload) -> None:
        match payload.get("object"):
            case "discount":
                coupon = payload.pop("source", {}).get("coupon")
                payload["coupon"] = self._whole("coupon", coupon)
            case "promotion_code":
                coupon = payload.pop("promotion", {}).get("coupon")
                payload["coupon"] = self._whole("coupon", coupon)
            case "customer":
                payload.pop("business_name", None)
                payload.pop("individual_name", None)

    def _basil_to_acacia(self, payload: Payload) -> None:
        match payload.get("object"):
            case "subscription":
                self._old_subscription(payload)
            case "subscription_item":
                for name in ("current_period_start", "current_period_end"):
                    payload.pop(name, None)
            case "invoice":
                self._old_invoice(payload)
            case "line_item":
                self._old_line(payload)
            case "charge":
                payload["invoice"] = self._invoice_of(_id(payload.get("payment_intent")))
            case "payment_intent":
                payload["invoice"] = self._invoice_of(_id(payload.get("id")))

    def _old_subscription(self, payload: Payload) -> None:
        payload.pop("billing_mode", None)
        items = payload.get("items", {}).get("data", [])
        if items and "current_period_end" in items[0]:
            payload["current_period_start"] = items[0]["current_period_start"]
            payload["current_period_end"] = items[0]["current_period_end"]
        if "discounts" in payload:
            payload["discount"] = self._old_discount(payload["discounts"])

    def _old_invoice(self, payload: Payload) -> None:
        if "parent" in payload:
            details = (payload.pop("parent") or {}).get("subscription_details") or {}
            payload["subscription"] = details.get("subscription")
            payload["subscription_details"] = {"metadata": details.get("metadata")}
            payload["quote"] = None
        intent_id = self._intent_of(payload.get("id", ""))
        intent = self._find("payment_intent", intent_id) if intent_id else None
        payload["payment_intent"] = intent["id"] if intent else None
        payload["charge"] = intent["latest_charge"] if intent else None
        if "status" in payload:
            payload["paid"] = payload["status"] == "paid"
            payload["paid_out_of_band"] = False
        if "total_taxes" in payload:
            taxes = payload.pop("total_taxes") or []
            payload["total_tax_amounts"] = taxes
            payload["tax"] = sum(tax["amount"] for tax in taxes) if taxes else None
        if "discounts" in payload:
            payload["discount"] = self._old_discount(payload["discounts"])
        payload.setdefault("application_fee_amount", None)
        payload.setdefault("transfer_data", None)
        for name in ("amount_overpaid", "confirmation_secret", "payments"):
            payload.pop(name, None)

    def _old_line(self, payload: Payload) -> None:
        parent = payload.pop("parent", None) or {}
        item = parent.get("subscription_item_details") or parent.get("invoice_item_details") or {}
        payload["type"] = "subscription" if parent.get("subscription_item_details") else "invoiceitem"
        payload["proration"] = bool(item.get("proration"))
        payload["subscription"] = item.get("subscription")
        payload["subscription_item"] = item.get("subscription_item")
        payload["invoice_item"] = item.get("invoice_item")
        pricing = payload.pop("pricing", None) or {}
        price = (pricing.get("price_details") or {}).get("price")
        whole = self._find("price", price) if price else None
        payload["price"] = whole
        payload["plan"] = plan_of(whole) if whole else None
        payload["tax_amounts"] = payload.pop("taxes", None) or []
        payload["tax_rates"] = []

    def _old_discount(self, discounts: list[Any]) -> Any:
        first = next(iter(discounts), None)
        if not isinstance(first, str):
            return first
        discount = self._find("discount", first)
        if discount is not None:
            discount.pop("customer_account", None)
            self._clover_to_basil(discount)
        return discount

    def _whole(self, kind: str, value: Any) -> Any:
        return self._find(kind, value) if isinstance(value, str) else value


def _id(value: Any) -> str:
    """Return an id from an id or from the expanded object; empty when there is none."""
    return str(value.get("id", "")) if isinstance(value, dict) else value or ""


def _objects(value: Any) -> Any:
    """Go through a payload and everything in it that is an object of the API."""
    if isinstance(value, dict):
        if isinstance(value.get("object"), str):
            yield value
        for child in value.values():
            if isinstance(child, dict | list):
                yield from _objects(child)
    elif isinstance(value, list):
        for child in value:
            yield from _objects(child)
