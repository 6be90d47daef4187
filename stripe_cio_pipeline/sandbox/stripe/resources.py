"""The list endpoints: one table of addresses, objects, permissions and filters."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from stripe_cio_pipeline.sandbox.stripe import errors
from stripe_cio_pipeline.sandbox.stripe.query import Range
from stripe_cio_pipeline.sandbox.stripe.shelf import Payload

Matcher = Callable[[Payload, Any], bool]
CURSOR_PARAMETERS = frozenset({"limit", "starting_after", "ending_before", "expand"})


@dataclass(frozen=True, slots=True)
class Resource:
    """One kind of object and how it is listed.

    `filters` match a scalar parameter against a payload, `ranges` name numeric fields that take bounds,
    `arrays` match a list parameter, and `hashes` names the filters that are given as `name[key]`. `unasked` are filters
    that hold where a request does not say otherwise.
    """

    object: str
    path: str
    permission: str
    noun: str
    filters: Mapping[str, Matcher] = field(default_factory=dict)
    ranges: Mapping[str, Callable[[Payload], Any]] = field(default_factory=dict)
    arrays: Mapping[str, Matcher] = field(default_factory=dict)
    hashes: frozenset[str] = frozenset()
    created: bool = True
    required: tuple[str, ...] = ()
    unasked: Mapping[str, str] = field(default_factory=dict)

    @property
    def url(self) -> str:
        """The address of the list."""
        return f"/v1/{self.path}"

    def parameters(self) -> frozenset[str]:
        """Every parameter that the list takes."""
        own = {*self.filters, *self.ranges, *self.arrays}
        return CURSOR_PARAMETERS | own | ({"created"} if self.created else set())


def _at(path: str) -> Callable[[Payload], Any]:
    parts = path.split(".")

    def read(payload: Payload) -> Any:
        value: Any = payload
        for part in parts:
            if not isinstance(value, dict):
                return None
            value = value.get(part)
        return value

    return read


def _same(path: str) -> Matcher:
    read = _at(path)

    def matches(payload: Payload, wanted: str) -> bool:
        value = read(payload)
        return bool(value["id"] == wanted if isinstance(value, dict) and "id" in value else value == wanted)

    return matches


def _flag(path: str) -> Matcher:
    read = _at(path)

    def matches(payload: Payload, wanted: str) -> bool:
        if wanted not in ("true", "false"):
            raise errors.invalid(f"Invalid boolean: {wanted}", path)
        return bool(read(payload)) is (wanted == "true")

    return matches


def _one_of(path: str) -> Matcher:
    read = _at(path)

    def matches(payload: Payload, wanted: list[str]) -> bool:
        return read(payload) in wanted

    return matches


def _choice(path: str, choices: tuple[str, ...]) -> Matcher:
    same = _same(path)

    def matches(payload: Payload, wanted: str) -> bool:
        if wanted not in choices:
            raise errors.invalid(f"Invalid {path}: must be one of {', '.join(choices)}", path)
        return same(payload, wanted)

    return matches


_SUBSCRIPTION_STATUSES = (
    "incomplete",
    "incomplete_expired",
    "trialing",
    "active",
    "past_due",
    "canceled",
    "unpaid",
    "paused",
)


def _subscription_status(payload: Payload, wanted: str) -> bool:
    """Without a status canceled ones stay out; `ended` is canceled and incomplete_expired."""
    status = payload["status"]
    if wanted == "all":
        return True
    if wanted == "":
        return bool(status != "canceled")
    if wanted == "ended":
        return status in ("canceled", "incomplete_expired")
    if wanted not in _SUBSCRIPTION_STATUSES:
        allowed = ", ".join((*_SUBSCRIPTION_STATUSES, "all", "ended"))
        raise errors.invalid(f"Invalid status: must be one of {allowed}", "status")
    return bool(status == wanted)


def _has_price(payload: Payload, wanted: str) -> bool:
    return any(item["price"]["id"] == wanted for item in payload["items"]["data"])


def _first_item(name: str) -> Callable[[Payload], Any]:
    def read(payload: Payload) -> Any:
        return next((item.get(name) for item in payload["items"]["data"]), None)

    return read


def _subscription_of(payload: Payload) -> Any:
    return _at("parent.subscription_details.subscription")(payload) or payload.get("subscription")


def _of_subscription(payload: Payload, wanted: str) -> bool:
    return bool(_subscription_of(payload) == wanted)


def _invoice_payment(payload: Payload, wanted: Mapping[str, str]) -> bool:
    payment = payload.get("payment") or {}
    return all(payment.get(name) == value for name, value in wanted.items())


_CUSTOMER = {"customer": _same("customer"), "customer_account": _same("customer_account")}

RESOURCES: tuple[Resource, ...] = (
    Resource(
        "customer",
        "customers",
        "rak_customer_read",
        "customer",
        filters={"email": _same("email"), "test_clock": _same("test_clock")},
    ),
    Resource(
        "subscription",
        "subscriptions",
        "rak_subscription_read",
        "subscription",
        filters={
            **_CUSTOMER,
            "status": _subscription_status,
            "price": _has_price,
            "plan": _has_price,
            "collection_method": _choice("collection_method", ("charge_automatically", "send_invoice")),
            "test_clock": _same("test_clock"),
        },
        ranges={
            "current_period_start": _first_item("current_period_start"),
            "current_period_end": _first_item("current_period_end"),
        },
    ),
    Resource(
        "subscription_item",
        "subscription_items",
        "rak_subscription_read",
        "subscription_item",
        filters={"subscription": _same("subscription")},
        created=False,
        required=("subscription",),
    ),
    Resource(
        "invoice",
        "invoices",
        "rak_invoice_read",
        "invoice",
        filters={
            **_CUSTOMER,
            "status": _choice("status", ("draft", "open", "paid", "uncollectible", "void")),
            "subscription": _of_subscription,
            "collection_method": _choice("collection_method", ("charge_automatically", "send_invoice")),
        },
        ranges={"due_date": _at("due_date")},
    ),
    Resource(
        "invoice_payment",
        "invoice_payments",
        "rak_invoice_read",
        "invoice_payment",
        filters={
            "invoice": _same("invoice"),
            "status": _choice("status", ("open", "paid", "canceled")),
            "payment": _invoice_payment,
        },
        hashes=frozenset({"payment"}),
    ),
    Resource(
        "charge",
        "charges",
        "rak_charge_read",
        "charge",
        filters={
            "customer": _same("customer"),
            "payment_intent": _same("payment_intent"),
            "transfer_group": _same("transfer_group"),
        },
    ),
    Resource(
        "payment_intent",
        "payment_intents",
        "rak_payment_intent_read",
        "payment_intent",
        filters=_CUSTOMER,
    ),
    Resource(
        "refund",
        "refunds",
        "rak_charge_read",
        "refund",
        filters={"charge": _same("charge"), "payment_intent": _same("payment_intent")},
    ),
    Resource(
        "dispute",
        "disputes",
        "rak_dispute_read",
        "dispute",
        filters={"charge": _same("charge"), "payment_intent": _same("payment_intent")},
    ),
    Resource(
        "payment_method",
        "payment_methods",
        "rak_payment_method_read",
        "PaymentMethod",
        filters={**_CUSTOMER, "type": _same("type"), "allow_redisplay": _same("allow_redisplay")},
        created=False,
    ),
    Resource(
        "product",
        "products",
        "rak_product_read",
        "product",
        filters={"active": _flag("active"), "shippable": _flag("shippable"), "url": _same("url")},
        arrays={"ids": _one_of("id")},
    ),
    Resource(
        "price",
        "prices",
        "rak_plan_read",
        "price",
        filters={
            "active": _flag("active"),
            "currency": _same("currency"),
            "product": _same("product"),
            "type": _choice("type", ("one_time", "recurring")),
        },
        arrays={"lookup_keys": _one_of("lookup_key")},
        # "Returns a list of your active prices, excluding inline prices" (docs.stripe.com/api/prices/list).
        unasked={"active": "true"},
    ),
    Resource(
        "plan",
        "plans",
        "rak_plan_read",
        "plan",
        filters={"active": _flag("active"), "product": _same("product")},
    ),
    Resource("coupon", "coupons", "rak_coupon_read", "coupon"),
    Resource(
        "promotion_code",
        "promotion_codes",
        "rak_promotion_code_read",
        "promotion code",
        filters={
            **_CUSTOMER,
            "active": _flag("active"),
            "code": _same("code"),
            "coupon": _same("promotion.coupon"),
        },
    ),
    Resource(
        "credit_note",
        "credit_notes",
        "rak_credit_note_read",
        "credit note",
        filters={**_CUSTOMER, "invoice": _same("invoice")},
    ),
    Resource(
        "checkout.session",
        "checkout/sessions",
        "rak_checkout_session_read",
        "checkout.session",
        filters={
            "customer": _same("customer"),
            "payment_intent": _same("payment_intent"),
            "subscription": _same("subscription"),
            "status": _choice("status", ("open", "complete", "expired")),
        },
    ),
    Resource(
        "test_helpers.test_clock",
        "test_helpers/test_clocks",
        "rak_test_clock_read",
        "test clock",
        created=False,
    ),
    Resource("webhook_endpoint", "webhook_endpoints", "rak_webhook_read", "webhook endpoint", created=False),
    Resource("tax_id", "tax_ids", "rak_customer_read", "tax_id", created=False),
    Resource(
        "event",
        "events",
        "rak_event_read",
        "event",
        # `type`, `types` and the window of thirty days are read in `listing.py`.
        filters={"type": lambda _payload, _wanted: True, "delivery_success": lambda _payload, _wanted: True},
        arrays={"types": lambda _payload, _wanted: True},
    ),
)

BY_PATH: Mapping[str, Resource] = {resource.path: resource for resource in RESOURCES}

UNLISTED_OBJECTS = ("discount", "card", "source", "balance_transaction")
"""Objects that are only reached by expansion or from a parent."""


def in_range(resource: Resource, name: str) -> Matcher:
    """Return what tells whether a numeric field lies in a range; a missing field never does."""
    read = resource.ranges[name]

    def matches(payload: Payload, wanted: Range) -> bool:
        value = read(payload)
        return isinstance(value, int) and wanted.holds(value)

    return matches
