"""What a merchant does to the account by hand: each act is one API request, with its events."""

from collections.abc import Callable, Iterable, Mapping
from collections.abc import Set as AbstractSet
from typing import Any

from stripe_cio_pipeline.sandbox.stripe import payloads
from stripe_cio_pipeline.sandbox.stripe.cashier import Cashier, act
from stripe_cio_pipeline.sandbox.stripe.catalog import add_coupon, add_price, add_product
from stripe_cio_pipeline.sandbox.stripe.shelf import Payload
from stripe_cio_pipeline.sandbox.stripe.webhooks import ROLLED_HOURS, Webhooks


class Merchant(Cashier):
    """The acts of an account. Amounts are in minor units."""

    webhooks: Webhooks

    def acts(self) -> Mapping[str, Callable[..., Any]]:
        """Return what can be done by hand, by name."""
        return {
            name: getattr(self, name)
            for name in (
                "add_discount",
                "add_payment_method",
                "attach_card",
                "attach_source",
                "authorize",
                "cancel_subscription",
                "capture",
                "change_plan",
                "change_source",
                "close_dispute",
                "create_charge",
                "create_coupon",
                "create_customer",
                "create_price",
                "create_product",
                "create_subscription",
                "create_webhook_endpoint",
                "credit_invoice",
                "debit_invoice",
                "delete_coupon",
                "delete_customer",
                "delete_webhook_endpoint",
                "detach_card",
                "dispute",
                "escalate_dispute",
                "fail_payment",
                "load",
                "pay_invoice",
                "pay_outside",
                "refund",
                "renew_card",
                "resend_event",
                "resume_subscription",
                "roll_webhook_secret",
                "settle_debit",
                "update_customer",
                "update_price",
                "update_product",
                "update_subscription",
                "update_webhook_endpoint",
                "void_invoice",
            )
        }

    @act
    def create_customer(self, **fields: Any) -> Payload:
        """Create a customer; fields as in the API."""
        _check(fields, payloads.CUSTOMER_FIELDS, "a customer")
        books = self.books
        customer = payloads.customer(
            id=books.ids.new("cus"),
            created=books.now,
            livemode=books.livemode,
            invoice_prefix=self.chance.token("prefix", books.sequence)[:8].upper(),
            **fields,
        )
        return books.add(customer, "customer.created")

    @act
    def update_customer(self, id: str, **fields: Any) -> Payload:  # noqa: A002
        """Change a customer; metadata is merged, and a key with `None` or "" is removed."""
        _check(fields, payloads.CUSTOMER_FIELDS, "a customer")
        self._wake("customer", id)
        if "metadata" in fields:
            merged = {**self.books.get("customer", id)["metadata"], **fields["metadata"]}
            fields["metadata"] = {key: value for key, value in merged.items() if value not in (None, "")}
        return self.books.change("customer", id, fields, "customer.updated")

    @act
    def delete_customer(self, id: str) -> Payload:  # noqa: A002
        """Delete a customer: its subscriptions end at once, and only its id remains."""
        self._wake("customer", id)
        return self._delete(id)

    @act
    def attach_card(self, customer: str, **fields: Any) -> Payload:
        """Give a customer a new default card (`brand`, `last4`, `exp_month`, `exp_year`, ...) that is accepted."""
        self._wake("customer", customer)
        return self.company.payments.attach_card(customer, **fields)

    @act
    def attach_source(self, customer: str, **fields: Any) -> Payload:
        """Give a customer a card of the old kind, a source, as default; fields as for `attach_card`."""
        self._wake("customer", customer)
        return self.company.payments.attach_source(customer, **fields)

    @act
    def change_source(self, id: str, **fields: Any) -> Payload:  # noqa: A002
        """Change a card of the old kind, its `exp_year` for example."""
        return self.company.payments.change_source(id, **fields)

    @act
    def add_payment_method(self, customer: str, **fields: Any) -> Payload:
        """Attach a card to a customer without making it the default; fields as for `attach_card`."""
        self._wake("customer", customer)
        books = self.books
        method = self.company.payments.new_card(books.get("customer", customer), **fields)
        return books.add(method, "payment_method.attached")

    @act
    def update_subscription(self, id: str, **fields: Any) -> Payload:  # noqa: A002
        """Change a subscription: its `default_payment_method`, `metadata` or `pause_collection`.

        The latter is null, or its `behavior` (`void`, `keep_as_draft`, `mark_uncollectible`) and when it `resumes_at`.
        """
        _check(fields, {"default_payment_method", "pause_collection", "metadata"}, "a subscription")
        self._wake("subscription", id)
        if "pause_collection" in fields:
            pause = fields.pop("pause_collection")
            return self.company.subscriptions.pause_collection(id, pause and {"resumes_at": None, **pause}, **fields)
        return self.books.change("subscription", id, fields, "customer.subscription.updated")

    @act
    def renew_card(self, id: str) -> Payload:  # noqa: A002
        """Let the card network update a card by itself: a payment method, or a customer's default one."""
        if id.startswith("cus_"):
            self._wake("customer", id)
            card = self.company.payments.card_of(self.books.get("customer", id))
            if card is None:
                raise ValueError(f"customer {id} has no card")
            id = card["id"]  # noqa: A001
        self._wake("payment_method", id)
        return self.company.payments.renew_card(id)

    @act
    def detach_card(self, id: str) -> Payload:  # noqa: A002
        """Take a card from its customer: a payment method, which is then nobody's."""
        self._wake("payment_method", id)
        return self.company.payments.detach_card(id)

    @act
    def create_product(self, name: str, **fields: Any) -> Payload:
        """Create a product."""
        return add_product(self.books, name, **fields)

    @act
    def update_product(self, id: str, **fields: Any) -> Payload:  # noqa: A002
        """Change a product, its name for example."""
        return self.books.change("product", id, {**fields, "updated": self.books.now}, "product.updated")

    @act
    def create_price(
        self,
        product: str | None = None,
        *,
        unit_amount: int | None = 2_000,
        currency: str = "usd",
        interval: str | None = "month",
        tiers: list[dict[str, Any]] | None = None,
        currency_options: dict[str, dict[str, Any]] | None = None,
        inline: bool = False,
        **fields: Any,
    ) -> Payload:
        """Create a price, of a new product unless one is named. Tiers need a `tiers_mode`.

        `currency_options` gives for other currencies `unit_amount` or `tiers`. An `inline` price was made by another
        request (`price_data`): no list shows it.
        """
        if product is None:
            product = add_product(self.books, "Plan")["id"]
        return add_price(
            self.books,
            str(product),
            unit_amount=unit_amount,
            currency=currency,
            interval=interval,
            tiers=tiers or (),
            currency_options=currency_options,
            inline=inline,
            **fields,
        )

    @act
    def update_price(self, id: str, **fields: Any) -> Payload:  # noqa: A002
        """Change a price: archive it (`active`), give it another `nickname` or `metadata`."""
        return self.books.change("price", id, fields, "price.updated")

    @act
    def create_coupon(self, *, duration: str = "forever", **fields: Any) -> Payload:
        """Create a coupon (`percent_off`, or `amount_off` with `currency`), under an `id` of one's own or a new one.

        `applies_to` is a list of products, `currency_options` gives `amount_off` for other currencies.
        """
        return add_coupon(self.books, duration=duration, **fields)

    @act
    def add_discount(self, to: str, coupon: str) -> Payload:
        """Give a subscription (`sub_`), one of its items (`si_`) or a customer (`cus_`) a discount."""
        self._wake("customer" if to.startswith("cus_") else "subscription", to)
        return self.company.subscriptions.discount(to, coupon)

    @act
    def delete_coupon(self, id: str) -> Payload:  # noqa: A002
        """Delete a coupon; whoever has a discount by it keeps it."""
        books = self.books
        coupon = books.remove("coupon", id)
        books.emit("coupon.deleted", coupon)
        return books.deleted[id]

    @act
    def create_subscription(
        self,
        customer: str,
        *,
        price: str | None = None,
        quantity: int | None = 1,
        prices: list[str] | None = None,
        coupon: str | None = None,
        trial_days: int = 0,
        collection_method: str = "charge_automatically",
        card: bool = True,
        metadata: dict[str, str] | None = None,
        currency: str | None = None,
        payment_method: str | None = None,
        flexible: bool = False,
        tax_inside: float | None = None,
    ) -> Payload:
        """Subscribe a customer to a price (a new one unless named), or to several `prices`.

        A customer without a card gets one first, unless `card` is false. `payment_method` is the subscription's own
        default. `currency` is one of the prices' other currencies. `flexible` is the billing mode of that name, and
        `tax_inside` the percentage of a tax that the prices include.
        """
        self._wake("customer", customer)
        if card and self.company.payments.card_of(self.books.get("customer", customer)) is None:
            self.company.payments.attach_card(customer)
        wanted = prices or [price or self.create_price()["id"]]
        return self.company.subscriptions.begin(
            customer,
            [(id_, quantity) for id_ in wanted],
            coupon=coupon,
            trial_days=trial_days,
            collection_method=collection_method,
            metadata=metadata,
            currency=currency,
            payment_method=payment_method,
            flexible=flexible,
            tax_inside=tax_inside,
        )

    @act
    def cancel_subscription(self, id: str, *, at_period_end: bool = False) -> Payload:  # noqa: A002
        """Cancel now, or ask for the end of the period."""
        self._wake("subscription", id)
        if at_period_end:
            return self.company.subscriptions.cancel_later(id)
        return self.company.collection.end_subscription(id, reason="cancellation_requested")

    @act
    def change_plan(self, id: str, *, price: str, quantity: int | None = None) -> Payload:  # noqa: A002
        """Move a subscription to another price or quantity, prorated."""
        self._wake("subscription", id)
        return self.company.plan_changes.change_plan(id, price, quantity)

    @act
    def resume_subscription(self, id: str) -> Payload:  # noqa: A002
        """Resume a paused subscription."""
        return self.company.subscriptions.resume(id)

    @act
    def fail_payment(self, id: str) -> Payload:  # noqa: A002
        """Let a payment fail now, for an open invoice or a subscription; returns the invoice.

        The customer's card is refused from now on, and Stripe retries after 3, 5 and 7 days, until `pay_invoice` or
        `attach_card`. A subscription without an open invoice gets one for its present period.
        """
        books = self.books
        books.request_id = None
        if id.startswith("in_"):
            self._wake("invoice", id)
            invoice = books.get("invoice", id)
            self.company.payments.declining.add(invoice["customer"])
            if invoice["status"] == "draft":
                self.company.invoices.finalize(id)
            self.company.collection.collect(id)
            return books.get("invoice", id)
        self._wake("subscription", id)
        subscription = books.get("subscription", id)
        self.company.payments.declining.add(subscription["customer"])
        latest = books.find("invoice", subscription["latest_invoice"] or "")
        if latest is not None and latest["status"] in ("draft", "open"):
            self.company.invoices.finalize(latest["id"])
            self.company.collection.collect(latest["id"])
            return books.get("invoice", latest["id"])
        return self.company.subscriptions.bill_now(id)

    @act
    def pay_invoice(self, id: str) -> Payload:  # noqa: A002
        """Pay an open invoice; the customer's card works again."""
        self._wake("invoice", id)
        books = self.books
        invoice = books.get("invoice", id)
        self.company.payments.declining.discard(invoice["customer"])
        if invoice["status"] == "draft":
            self.company.invoices.finalize(id)
        customer = books.find("customer", invoice["customer"])
        if customer is not None and self.company.payments.card_of(customer) is None:
            self.company.payments.attach_card(customer["id"])
        self.company.collection.collect(id)
        return books.get("invoice", id)

    @act
    def void_invoice(self, id: str) -> Payload:  # noqa: A002
        """Void an open invoice."""
        return self.company.invoices.void(id)

    @act
    def create_webhook_endpoint(
        self, url: str, enabled_events: Iterable[str] = ("*",), api_version: str | None = None
    ) -> Payload:
        """Tell an address on loopback of events from now on. The signing secret is in this answer alone."""
        return self.webhooks.create(url, enabled_events, api_version)

    @act
    def update_webhook_endpoint(
        self,
        id: str,  # noqa: A002
        enabled_events: Iterable[str] | None = None,
        *,
        disabled: bool | None = None,
    ) -> Payload:
        """Change what an endpoint is told of, or switch it off or on."""
        return self.webhooks.update(id, enabled_events, disabled)

    @act
    def delete_webhook_endpoint(self, id: str) -> Payload:  # noqa: A002
        """Delete an endpoint."""
        return self.webhooks.delete(id)

    @act
    def roll_webhook_secret(self, id: str, hours: float = ROLLED_HOURS) -> Payload:  # noqa: A002
        """Give an endpoint a new secret, which is in the answer; the old one signs for so many hours more."""
        return self.webhooks.roll(id, hours)

    @act
    def resend_event(self, event: str, endpoint: str) -> None:
        """Tell an endpoint of an event once more, as the dashboard and the CLI do."""
        self.webhooks.resend(event, endpoint)

    @act
    def load(self, objects: Iterable[Mapping[str, Any]]) -> int:
        """Put raw payloads in exactly as they are, without events; returns how many."""
        return self.books.load(objects)


def _check(fields: Mapping[str, Any], known: AbstractSet[str], what: str) -> None:
    unknown = sorted(set(fields) - known)
    if unknown:
        raise ValueError(f"{what} has no field {', '.join(unknown)} that can be set here")
