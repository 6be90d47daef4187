"""The Stripe object types that are kept, as one table: everything else in this room is driven by it.

To keep another type: add a row here and a table of the same form in a step of `warehouse/schema`.
Facts are those of Stripe's API at `PINNED_VERSION` (the version of stripe-python 16.1).
"""

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Any

from stripe_cio_pipeline.errors import SettingsError

#: The API version that every request names; `stripe.api_version` of stripe-python 16.1 (a test holds them equal).
PINNED_VERSION = "2026-10-28.endive"

#: How long Stripe keeps events: `GET /v1/events` goes back 30 days.
EVENT_RETENTION_SECONDS = 30 * 86_400

#: The most rows that a list call gives.
PAGE_ROWS = 100


@dataclass(frozen=True, slots=True)
class Nested:
    """A list inside an object that Stripe cuts (`has_more`), and the endpoint that gives all of it."""

    field: str
    path: str
    parameter: str


@dataclass(frozen=True, slots=True)
class StripeObject:
    """One object type.

    `name` is the table in schema `stripe`; `kind` is the `object` field of its payloads; `expands` are paths within one
    object that Stripe gives only when asked: as an id (`references`) or not at all (`optional`). `required` are fields
    that the pinned version always gives and the models read: a payload without one is of an unknown shape.
    `volatile` fields are not kept: they move without an event, so that no copy of them could ever be right.
    Where the key may not read a type that is not `needed`, the others are synced all the same.
    """

    name: str
    kind: str
    path: str
    permission: str
    customer_field: str | None
    required: frozenset[str]
    parameters: Mapping[str, Any]
    references: tuple[str, ...] = ()
    optional: tuple[str, ...] = ()
    volatile: tuple[str, ...] = ()
    nested: tuple[Nested, ...] = ()
    removals: frozenset[str] = frozenset()
    reuses_ids: bool = False
    needed: bool = True

    @property
    def expands(self) -> tuple[str, ...]:
        """All paths to expand, as for a retrieve; a list call puts `data.` before each (depth 4 at most)."""
        return self.references + self.optional

    def customer_of(self, payload: Mapping[str, Any]) -> str | None:
        """Name the customer to whom a payload belongs; None for a guest's charge or a product."""
        if self.customer_field is None:
            return None
        return id_of(payload.get(self.customer_field))


#: In the order of need: what a person is made of first.
OBJECTS: tuple[StripeObject, ...] = (
    StripeObject(
        name="customers",
        kind="customer",
        path="/v1/customers",
        permission="rak_customer_read",
        customer_field="id",
        required=frozenset({"id", "created", "email", "livemode", "metadata", "invoice_settings"}),
        parameters={},
        references=("invoice_settings.default_payment_method",),
        # Counts up with every invoice, and no event tells.
        volatile=("next_invoice_sequence",),
        removals=frozenset({"customer.deleted"}),
    ),
    StripeObject(
        name="subscriptions",
        kind="subscription",
        path="/v1/subscriptions",
        permission="rak_subscription_read",
        customer_field="customer",
        required=frozenset({"id", "created", "customer", "status", "items", "livemode"}),
        # Without status=all Stripe leaves canceled subscriptions out.
        parameters={"status": "all"},
        references=("discounts", "items.data.discounts"),
        nested=(Nested("items", "/v1/subscription_items", "subscription"),),
    ),
    StripeObject(
        name="invoices",
        kind="invoice",
        path="/v1/invoices",
        permission="rak_invoice_read",
        customer_field="customer",
        required=frozenset({"id", "created", "customer", "status", "amount_due", "attempt_count", "livemode"}),
        parameters={},
        removals=frozenset({"invoice.deleted"}),
    ),
    StripeObject(
        name="charges",
        kind="charge",
        path="/v1/charges",
        permission="rak_charge_read",
        customer_field="customer",
        required=frozenset({"id", "created", "amount", "amount_refunded", "currency", "status", "livemode"}),
        parameters={},
    ),
    StripeObject(
        name="products",
        kind="product",
        path="/v1/products",
        permission="rak_product_read",
        customer_field=None,
        required=frozenset({"id", "created", "name", "livemode"}),
        parameters={},
        removals=frozenset({"product.deleted"}),
        reuses_ids=True,
    ),
    StripeObject(
        name="prices",
        kind="price",
        path="/v1/prices",
        permission="rak_plan_read",
        customer_field=None,
        required=frozenset({"id", "created", "currency", "product", "livemode"}),
        parameters={},
        optional=("tiers",),
        removals=frozenset({"price.deleted"}),
        reuses_ids=True,
    ),
    StripeObject(
        name="coupons",
        kind="coupon",
        path="/v1/coupons",
        permission="rak_coupon_read",
        customer_field=None,
        required=frozenset({"id", "created", "duration", "livemode"}),
        parameters={},
        removals=frozenset({"coupon.deleted"}),
        reuses_ids=True,
    ),
    # Money that moves after the payment. A refund needs no rows of its own: its charge has the sum (`amount_refunded`).
    StripeObject(
        name="disputes",
        kind="dispute",
        path="/v1/disputes",
        permission="rak_dispute_read",
        # Only the charge tells whose it is.
        customer_field=None,
        required=frozenset({"id", "created", "amount", "charge", "currency", "status", "livemode"}),
        parameters={},
        needed=False,
    ),
    StripeObject(
        name="credit_notes",
        kind="credit_note",
        path="/v1/credit_notes",
        permission="rak_credit_note_read",
        customer_field="customer",
        required=frozenset({"id", "created", "amount", "currency", "customer", "invoice", "status", "livemode"}),
        parameters={},
        needed=False,
    ),
    StripeObject(
        name="invoice_payments",
        kind="invoice_payment",
        path="/v1/invoice_payments",
        permission="rak_invoice_read",
        # Only the invoice tells whose it is.
        customer_field=None,
        required=frozenset({"id", "created", "amount_paid", "currency", "invoice", "payment", "status", "livemode"}),
        # Of those that are open or canceled no event tells.
        parameters={"status": "paid"},
    ),
)

EVENTS_PATH = "/v1/events"
EVENTS_PERMISSION = "rak_event_read"


@dataclass(frozen=True, slots=True)
class Touch:
    """An object that is not kept, and the kept object that a change of it may have changed.

    `field` of the event's object names that one. With `only_if` it matters only where that path of the stored payload
    is the event's object.
    """

    kind: str
    target: str
    field: str
    only_if: str | None = None


#: Changes that Stripe is not documented to repeat as an event of the object that shows them.
TOUCHES: tuple[Touch, ...] = (
    Touch("payment_method", "customers", "customer", only_if="invoice_settings.default_payment_method.id"),
    Touch("discount", "customers", "customer"),
    Touch("discount", "subscriptions", "subscription"),
    Touch("dispute", "charges", "charge"),
    Touch("refund", "charges", "charge"),
    Touch("credit_note", "invoices", "invoice"),
    # A part payment, or one that is recorded outside Stripe, is told by no event of the invoice.
    Touch("invoice_payment", "invoices", "invoice"),
)

BY_NAME: Mapping[str, StripeObject] = {kind.name: kind for kind in OBJECTS}
BY_KIND: Mapping[str, StripeObject] = {kind.kind: kind for kind in OBJECTS}
TOUCHES_BY_KIND: Mapping[str, tuple[Touch, ...]] = {
    kind: tuple(touch for touch in TOUCHES if touch.kind == kind) for kind in {touch.kind for touch in TOUCHES}
}


def select(names: Collection[str] | None) -> tuple[StripeObject, ...]:
    """Give the named object types, all for None. `events` may be named and is always read. Raises SettingsError."""
    if names is None:
        return OBJECTS
    unknown = sorted(set(names) - set(BY_NAME) - {"events"})
    if unknown:
        raise SettingsError(
            f"{', '.join(unknown)} is not a Stripe object type that is kept.", f"Known: {', '.join(BY_NAME)}, events."
        )
    return tuple(kind for kind in OBJECTS if kind.name in names)


def id_of(value: Any) -> str | None:
    """Give the id in a field that is an id, an expanded object, or null."""
    if isinstance(value, str):
        return value or None
    inner = value.get("id") if isinstance(value, Mapping) else None
    return inner if isinstance(inner, str) and inner else None


def at_path(payload: Any, path: str) -> Any:
    """Follow a dotted path through nested objects; None where it ends early."""
    for part in path.split("."):
        if not isinstance(payload, Mapping):
            return None
        payload = payload.get(part)
    return payload
