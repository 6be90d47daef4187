"""The Stripe object types that are kept, as one table: everything else in this room is driven by it.

To keep another type: add a row here and a table of the same form in a step of `warehouse/schema`.
Facts are those of Stripe's API at `PINNED_VERSION` (the version of stripe-python 16.1).
"""

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from typing import Any

from stripe_cio_pipeline.errors import SettingsError
from stripe_cio_pipeline.extract.given import Given, PerCurrency, by_default, by_expand, by_reading, never

#: The API version that every request names; `stripe.api_version` of stripe-python 16.1 (a test holds them equal).
PINNED_VERSION = "2026-10-28.endive"

#: How long Stripe keeps events: `GET /v1/events` goes back 30 days.
EVENT_RETENTION_SECONDS = 30 * 86_400

#: The most rows that a list call gives.
PAGE_ROWS = 100


@dataclass(frozen=True, slots=True)
class Nested:
    """A list inside an object that Stripe cuts (`has_more`), and the endpoint that gives all of it.

    Where a row has something in `deep`, all rows are read from there: `expands` reach further than from the parent.
    """

    field: str
    path: str
    parameter: str
    deep: str
    expands: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class StripeObject:
    """One object type.

    `name` is the table in schema `stripe`; `kind` is the `object` field of its payloads; `given` says of each path
    that a model reads how Stripe gives it, and requests ask for what must be expanded. `required` are fields that the
    pinned version always gives and the models read: a payload without one is of an unknown shape.
    `volatile` fields are not kept: they move without an event, so that no copy of them could ever be right.
    Objects at `folded` paths are kept as `id` and `created`: which one it is, and not what may change of it.
    Where an id of the merchant's own comes to mean another object and `keeps_former`, the former one is kept under
    `id@created`. `active_alone`: lists leave out what is archived.
    Where the key may not read a type that is not `needed`, the others are synced all the same.
    """

    name: str
    kind: str
    path: str
    permission: str
    customer_field: str | None
    required: frozenset[str]
    parameters: Mapping[str, Any]
    given: tuple[Given, ...] = ()
    volatile: tuple[str, ...] = ()
    nested: tuple[Nested, ...] = ()
    folded: tuple[str, ...] = ()
    per_currency: PerCurrency | None = None
    removals: frozenset[str] = frozenset()
    reuses_ids: bool = False
    keeps_former: bool = False
    active_alone: bool = False
    needed: bool = True

    @property
    def references(self) -> tuple[str, ...]:
        """Paths that are ids unless they are expanded."""
        return tuple(each.by for each in self.given if each.how == "expand" and not each.absent)

    @property
    def known_by_id(self) -> tuple[str, ...]:
        """Paths at which an event has ids, and what is stored has the objects."""
        return (*self.references, *(f"{nested.field}.data.{nested.deep}" for nested in self.nested))

    @property
    def optional(self) -> tuple[str, ...]:
        """Fields that are not there unless they are expanded."""
        return tuple(each.by for each in self.given if each.how == "expand" and each.absent)

    @property
    def expands(self) -> tuple[str, ...]:
        """All paths to expand, as for a retrieve; a list call puts `data.` before each (depth 4 at most)."""
        return self.references + self.optional

    def customer_of(self, payload: Mapping[str, Any]) -> str | None:
        """Name the customer to whom a payload belongs; None for a guest's charge or a product."""
        if self.customer_field is None:
            return None
        return id_of(payload.get(self.customer_field))


_CARD = "{brand,last4,exp_year,exp_month}"
_COUPON = "{id,created,name,percent_off,amount_off,currency,currency_options,duration,applies_to.products}"
_COUPON_TERMS = "{name,percent_off,amount_off,currency,currency_options,duration,applies_to.products}"
_TIER = "{up_to,unit_amount,unit_amount_decimal,flat_amount,flat_amount_decimal}"

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
        given=(
            by_default(
                "id created livemode email name individual_name business_name phone description currency balance"
                " delinquent metadata address.country shipping.address.country preferred_locales[]"
            ),
            by_expand("discount.source.coupon", "discount.source.coupon discount.source.coupon.{id,created}"),
            by_reading("/v1/coupons", f"discount.source.coupon.{_COUPON_TERMS}"),
            by_expand(
                "invoice_settings.default_payment_method",
                f"invoice_settings.default_payment_method invoice_settings.default_payment_method.object"
                f" invoice_settings.default_payment_method.card.{_CARD}",
            ),
            by_expand("default_source", f"default_source default_source.object default_source.{_CARD}"),
            never("only a source of another kind has a card inside", f"default_source.card.{_CARD}"),
            never("a payment method has its card inside", f"invoice_settings.default_payment_method.{_CARD}"),
            never("up to basil", "discount.coupon"),
        ),
        folded=("discount.source.coupon",),
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
        given=(
            by_default(
                "id created livemode customer status currency start_date trial_start trial_end cancel_at"
                " cancel_at_period_end canceled_at ended_at collection_method metadata discounts"
                " pause_collection.{behavior,resumes_at}"
                " default_tax_rates[].{inclusive,percentage}"
                " items.data items.data[].{id,quantity,current_period_end,discounts,tax_rates}"
                " items.data[].tax_rates[].{inclusive,percentage}"
                " items.data[].price.{id,product,nickname,lookup_key,currency,unit_amount,unit_amount_decimal}"
                " items.data[].price.{billing_scheme,tiers_mode,tax_behavior}"
                " items.data[].price.recurring.{interval,interval_count,usage_type}"
                " items.data[].price.transform_quantity.{divide_by,round}"
                " items.data[].plan.{id,product,nickname,currency,amount,amount_decimal,billing_scheme,tiers_mode}"
                " items.data[].plan.{interval,interval_count,usage_type}"
                " items.data[].plan.transform_usage.{divide_by,round}"
            ),
            by_expand(
                "discounts.source.coupon",
                "discounts[].id discounts[].source.coupon discounts[].source.coupon.{id,created}",
            ),
            by_reading(
                "/v1/subscription_items",
                "items.data[].discounts[].id items.data[].discounts[].source.coupon"
                " items.data[].discounts[].source.coupon.{id,created}",
            ),
            by_expand(
                "default_payment_method",
                f"default_payment_method default_payment_method.object default_payment_method.card.{_CARD}",
            ),
            by_expand("default_source", f"default_source default_source.object default_source.{_CARD}"),
            never("only a source of another kind has a card inside", f"default_source.card.{_CARD}"),
            never("a payment method has its card inside", f"default_payment_method.{_CARD}"),
            by_reading(
                "/v1/coupons",
                f"discounts[].source.coupon.{_COUPON_TERMS} items.data[].discounts[].source.coupon.{_COUPON_TERMS}",
            ),
            never(
                "up to basil a discount has its coupon inside, up to acacia a subscription has one discount and one"
                " period's end, and long ago one plan",
                f"discounts[].coupon discounts[].coupon.{_COUPON} items.data[].discounts[].coupon"
                f" items.data[].discounts[].coupon.{_COUPON} discount discount.{{id,coupon,source.coupon}}"
                f" discount.coupon.{_COUPON} discount.source.coupon.{_COUPON} current_period_end plan.currency",
            ),
        ),
        nested=(
            Nested(
                "items", "/v1/subscription_items", "subscription", "discounts", expands=("discounts.source.coupon",)
            ),
        ),
        folded=("discounts.source.coupon", "items.data.discounts.source.coupon"),
    ),
    StripeObject(
        name="invoices",
        kind="invoice",
        path="/v1/invoices",
        permission="rak_invoice_read",
        customer_field="customer",
        required=frozenset({"id", "created", "customer", "status", "amount_due", "attempt_count", "livemode"}),
        parameters={},
        given=(
            by_default(
                "id created livemode customer status currency number amount_due amount_paid amount_remaining total"
                " amount_paid_off_stripe attempt_count attempted next_payment_attempt due_date billing_reason"
                " collection_method hosted_invoice_url post_payment_credit_notes_amount"
                " parent.subscription_details.subscription status_transitions.{paid_at,finalized_at}"
                # The first ten lines; no other is read.
                " lines.data[].parent.subscription_item_details.subscription_item"
                " lines.data[].taxes[].{amount,tax_behavior,taxable_amount}"
            ),
            never(
                "up to acacia",
                "subscription paid_out_of_band lines.data[].subscription_item"
                " lines.data[].tax_amounts[].{amount,inclusive,taxable_amount}",
            ),
        ),
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
        given=(
            by_default(
                "id created livemode customer status currency amount amount_captured amount_refunded captured paid"
                f" disputed failure_code receipt_url payment_method_details.card.{_CARD}"
            ),
            never("a dispute names its charge, and no charge its dispute", "dispute.status"),
        ),
    ),
    StripeObject(
        name="products",
        kind="product",
        path="/v1/products",
        permission="rak_product_read",
        customer_field=None,
        required=frozenset({"id", "created", "name", "livemode"}),
        parameters={},
        given=(by_default("id created name active metadata"),),
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
        given=(
            by_default("id created product nickname lookup_key currency active metadata"),
            by_expand("tiers", f"tiers tiers[].{_TIER}", absent=True),
            by_expand("currency_options", "currency_options currency_options[]", absent=True),
            by_reading(
                "/v1/prices/{id}?expand[]=currency_options.{currency}.tiers",
                f"currency_options[].tiers currency_options[].tiers[].{_TIER}",
            ),
        ),
        per_currency=PerCurrency("currency_options", "tiers", sort=("billing_scheme", "tiered")),
        removals=frozenset({"price.deleted"}),
        reuses_ids=True,
        active_alone=True,
    ),
    StripeObject(
        name="coupons",
        kind="coupon",
        path="/v1/coupons",
        permission="rak_coupon_read",
        customer_field=None,
        required=frozenset({"id", "created", "duration", "livemode"}),
        parameters={},
        given=(
            by_default("id created name percent_off amount_off currency duration duration_in_months"),
            by_expand("applies_to", "applies_to.products", absent=True),
            by_expand("currency_options", "currency_options", absent=True),
        ),
        removals=frozenset({"coupon.deleted"}),
        reuses_ids=True,
        keeps_former=True,
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
        given=(by_default("id created charge status amount currency"),),
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
        given=(by_default("id created customer invoice status currency out_of_band_amount"),),
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
        given=(by_default("id created invoice status amount_paid currency payment.type status_transitions.paid_at"),),
    ),
)

EVENTS_PATH = "/v1/events"
EVENTS_PERMISSION = "rak_event_read"
#: Whose the key is.
ACCOUNT_PATH = "/v1/account"


@dataclass(frozen=True, slots=True)
class Touch:
    """An object that is not kept, and the kept object that a change of it may have changed.

    `field` of the event's object names that one. With `only_if` it names the customer, and what is changed is what of
    the customer's has the event's object under that path. `unless` tells of an event's object that the changed object
    has an event of its own.
    """

    kind: str
    target: str
    field: str
    only_if: str | None = None
    unless: Callable[[Mapping[str, Any]], bool] | None = None


def pays_the_rest(payment: Mapping[str, Any]) -> bool:
    """Whether a payment of an invoice leaves nothing to be paid, so that `invoice.paid` tells of it.

    Stripe makes the default payment with the invoice and keeps it at what remains (API reference, invoice payments:
    `is_default`).
    """
    amount = payment.get("amount_paid")
    is_whole = amount is not None and amount == payment.get("amount_requested")
    return payment.get("is_default") is True and payment.get("status") == "paid" and is_whole


#: Changes that Stripe is not documented to repeat as an event of the object that shows them.
TOUCHES: tuple[Touch, ...] = (
    Touch("payment_method", "customers", "customer", only_if="invoice_settings.default_payment_method.id"),
    Touch("payment_method", "subscriptions", "customer", only_if="default_payment_method.id"),
    *(
        Touch(source, target, "customer", only_if="default_source.id")
        for source in ("card", "bank_account", "source")
        for target in ("customers", "subscriptions")
    ),
    Touch("discount", "customers", "customer"),
    Touch("discount", "subscriptions", "subscription"),
    Touch("dispute", "charges", "charge"),
    Touch("refund", "charges", "charge"),
    Touch("credit_note", "invoices", "invoice"),
    # A part payment, or one that is recorded outside Stripe, is told by no event of the invoice.
    Touch("invoice_payment", "invoices", "invoice", unless=pays_the_rest),
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
