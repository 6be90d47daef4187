"""Subscriptions: begun, billed period by period, changed, collected, ended."""

from collections.abc import Sequence
from typing import Any

from stripe_cio_pipeline.sandbox.stripe import payloads
from stripe_cio_pipeline.sandbox.stripe.agenda import Agenda
from stripe_cio_pipeline.sandbox.stripe.books import Books
from stripe_cio_pipeline.sandbox.stripe.chance import Chance
from stripe_cio_pipeline.sandbox.stripe.collection import ENDED, Collection
from stripe_cio_pipeline.sandbox.stripe.invoices import Invoices
from stripe_cio_pipeline.sandbox.stripe.payments import Payments
from stripe_cio_pipeline.sandbox.stripe.periods import DAY, end_after, later
from stripe_cio_pipeline.sandbox.stripe.shelf import Payload

HOUR = 3600
INCOMPLETE_HOURS = 23
TRIAL_NOTICE_DAYS = 3
UPCOMING_DAYS = 7


class Subscriptions:
    """Bills. Everything that is due later stands in the agenda, under the names of the methods here."""

    def __init__(
        self,
        books: Books,
        agenda: Agenda,
        chance: Chance,
        payments: Payments,
        invoices: Invoices,
        collection: Collection,
    ) -> None:
        self._books = books
        self._agenda = agenda
        self._chance = chance
        self._payments = payments
        self._invoices = invoices
        self._collection = collection

    def begin(
        self,
        customer_id: str,
        lines: Sequence[tuple[str, int | None]],
        *,
        coupon: str | None = None,
        trial_days: int = 0,
        collection_method: str = "charge_automatically",
        trial_without_card: str = "create_invoice",
        metadata: dict[str, str] | None = None,
        currency: str | None = None,
        payment_method: str | None = None,
        flexible: bool = False,
        tax_inside: float | None = None,
    ) -> Payload:
        """Start a subscription to prices in quantities (none for a metered price), and bill its first period.

        `currency` is one that all prices have beside their own, `tax_inside` the percentage of tax that they include.
        """
        books = self._books
        customer = books.get("customer", customer_id)
        prices = [books.get("price", price) for price, _ in lines]
        recurring = prices[0]["recurring"]
        if recurring is None:
            raise ValueError(f"price {prices[0]['id']} is not recurring")
        id_, start = books.ids.new("sub"), books.now
        trial_end = start + trial_days * DAY if trial_days else None
        items = [
            payloads.subscription_item(
                id=books.ids.new("si"),
                created=start,
                subscription=id_,
                price=price,
                quantity=None if price["recurring"]["usage_type"] == "metered" else 1 if quantity is None else quantity,
                start=start,
                end=trial_end or _period_end(price, start),
            )
            for price, (_, quantity) in zip(prices, lines, strict=True)
        ]
        currency = currency or prices[0]["currency"]
        subscription = payloads.subscription(
            id=id_,
            created=start,
            livemode=books.livemode,
            customer=customer_id,
            customer_account=customer["customer_account"],
            currency=currency,
            items=books.nest(f"/v1/subscription_items?subscription={id_}", items),
            status="trialing" if trial_end else "active",
            default_payment_method=payment_method,
            discounts=[self._discount(id_, customer_id, coupon)] if coupon else [],
            collection_method=collection_method,
            trial_start=start if trial_end else None,
            trial_end=trial_end,
            billing_cycle_anchor=trial_end or start,
            test_clock=customer["test_clock"],
        )
        subscription["metadata"] = metadata or {}
        if flexible:
            subscription["billing_mode"] = {
                "flexible": {"proration_discounts": "included"},
                "type": "flexible",
                "updated_at": start,
            }
        if tax_inside is not None:
            rate = payloads.tax_rate(
                id=books.ids.new("txr"), created=start, livemode=books.livemode, percentage=tax_inside
            )
            subscription["default_tax_rates"] = [rate]
        subscription["trial_settings"]["end_behavior"]["missing_payment_method"] = trial_without_card
        if customer["currency"] is None:
            books.change("customer", customer_id, {"currency": currency}, "customer.updated")
        invoice_id = books.ids.new("in")
        subscription["latest_invoice"] = invoice_id
        if not trial_end and collection_method == "charge_automatically":
            # Whether it becomes active is known when the first invoice has been collected.
            subscription["status"] = "incomplete"
        books.add(subscription)
        self._bill(subscription, invoice_id, "subscription_create", items, trial=trial_end is not None)
        self._collection.finalize(invoice_id)
        subscription = books.get("subscription", id_)
        books.emit("customer.subscription.created", subscription)
        for discount in subscription["discounts"]:
            books.emit("customer.discount.created", books.get("discount", discount))
        if subscription["status"] == "incomplete":
            self._agenda.add(start + INCOMPLETE_HOURS * HOUR, "expire_incomplete", id_)
        if trial_end:
            self._agenda.add(max(start, trial_end - TRIAL_NOTICE_DAYS * DAY), "trial_will_end", id_, trial_end)
        for end in {item["current_period_end"] for item in items}:
            self._expect_renewal(id_, end)
        return subscription

    def renew(self, id: str, end: int) -> None:  # noqa: A002
        """Begin the next period at the end of this one, or end the subscription."""
        books = self._books
        subscription = books.find("subscription", id)
        if subscription is None or subscription["status"] in (*ENDED, "paused", "incomplete"):
            return
        items = books.full_list(subscription["items"])
        if all(item["current_period_end"] != end for item in items):
            return
        if subscription["cancel_at_period_end"] or subscription["cancel_at"] == end:
            self._collection.end_subscription(id, reason="cancellation_requested")
            return
        if subscription["status"] == "trialing" and self._trial_ends_without_card(subscription):
            return
        anchor = subscription["billing_cycle_anchor"]
        invoice_id = books.ids.new("in")
        # In flexible billing mode items may be billed at several intervals: those whose period is over are.
        renewed = [
            {
                **item,
                "current_period_start": end,
                "current_period_end": end_after(
                    anchor, item["price"]["recurring"]["interval"], item["price"]["recurring"]["interval_count"], end
                ),
            }
            if item["current_period_end"] == end
            else item
            for item in items
        ]
        billed = [item for item in renewed if item["current_period_start"] == end]
        changes: dict[str, Any] = {
            "items": books.nest(subscription["items"]["url"], renewed),
            "latest_invoice": invoice_id,
        }
        if subscription["status"] == "trialing":
            changes["status"] = "active"
        subscription = books.change("subscription", id, changes, "customer.subscription.updated")
        subscription = self._expire_discounts(subscription)
        self._bill(subscription, invoice_id, "subscription_cycle", billed)
        self._agenda.add(books.now + HOUR, "finalize", invoice_id)
        for following in {item["current_period_end"] for item in billed}:
            self._expect_renewal(id, following)

    def upcoming(self, id: str, end: int) -> None:  # noqa: A002
        """Tell what the next invoice will be. It is a preview: it has no id, and cannot be read."""
        books = self._books
        subscription = books.find("subscription", id)
        if subscription is None or subscription["status"] not in ("active", "trialing", "past_due"):
            return
        items = [item for item in books.full_list(subscription["items"]) if item["current_period_end"] == end]
        if not items or subscription["cancel_at"] == end:
            return
        lines = [
            self._invoices.line("", subscription, item, start=end, end=_period_end(item["price"], end), quantity=0)
            for item in items
        ]
        preview = self._invoices.compose(
            books.get("customer", subscription["customer"]),
            currency=subscription["currency"],
            lines=lines,
            invoice_id="",
            subscription=subscription,
            reason="upcoming",
            # An invoice looks back one period, and its lines look ahead.
            start=items[0]["current_period_start"],
            end=end,
        )
        del preview["id"]
        books.emit("invoice.upcoming", preview)

    def trial_will_end(self, id: str, trial_end: int) -> None:  # noqa: A002
        """Tell, three days before, that a trial ends."""
        subscription = self._books.find("subscription", id)
        if subscription is None or subscription["status"] != "trialing":
            return
        if subscription["trial_end"] == trial_end:
            self._books.emit("customer.subscription.trial_will_end", subscription)

    def cancel_later(self, id: str, *, undo: bool = False) -> Payload:  # noqa: A002
        """Let a subscription end with its period, or take that back."""
        books = self._books
        subscription = books.get("subscription", id)
        if subscription["status"] in ENDED:
            raise ValueError(f"subscription {id} is {subscription['status']} already")
        end = min(item["current_period_end"] for item in books.full_list(subscription["items"]))
        reason = None if undo else "cancellation_requested"
        # In flexible billing mode only the moment is set (docs.stripe.com/billing/subscriptions/billing-mode).
        changes = {
            "cancel_at_period_end": not undo and subscription["billing_mode"]["type"] == "classic",
            "cancel_at": None if undo else end,
            "canceled_at": None if undo else books.now,
            "cancellation_details": {**subscription["cancellation_details"], "reason": reason},
        }
        return books.change("subscription", id, changes, "customer.subscription.updated")

    def pause_collection(self, id: str, pause: Payload | None, **fields: Any) -> Payload:  # noqa: A002
        """Collect nothing until the pause `resumes_at`, or until it is ended (`None`)."""
        if pause is not None and pause["resumes_at"] is not None:
            self._agenda.add(pause["resumes_at"], "resume_collection", id, pause["resumes_at"])
        changes = {**fields, "pause_collection": pause}
        return self._books.change("subscription", id, changes, "customer.subscription.updated")

    def resume(self, id: str) -> Payload:  # noqa: A002
        """Resume a paused subscription with a new period and its invoice."""
        books = self._books
        subscription = books.get("subscription", id)
        if subscription["status"] != "paused":
            raise ValueError(f"subscription {id} is {subscription['status']}, not paused")
        begun = [
            {**item, "current_period_start": books.now, "current_period_end": _period_end(item["price"], books.now)}
            for item in books.full_list(subscription["items"])
        ]
        invoice_id = books.ids.new("in")
        changes = {
            "status": "active",
            "status_details": None,
            "billing_cycle_anchor": books.now,
            "items": books.nest(subscription["items"]["url"], begun),
            "latest_invoice": invoice_id,
        }
        subscription = books.change("subscription", id, changes, "customer.subscription.resumed")
        self._bill(subscription, invoice_id, "subscription_cycle", begun)
        self._collection.finalize(invoice_id)
        for end in {item["current_period_end"] for item in begun}:
            self._expect_renewal(id, end)
        return books.get("subscription", id)

    def bill_now(self, id: str) -> Payload:  # noqa: A002
        """Write, finalize and try to collect an extra invoice for the present period; returns the invoice."""
        books = self._books
        subscription = books.get("subscription", id)
        items = books.full_list(subscription["items"])
        invoice_id = books.ids.new("in")
        subscription = books.change("subscription", id, {"latest_invoice": invoice_id}, "customer.subscription.updated")
        self._bill(subscription, invoice_id, "subscription_cycle", items)
        self._collection.finalize(invoice_id)
        return books.get("invoice", invoice_id)

    def _expect_renewal(self, id: str, end: int) -> None:  # noqa: A002
        """Plan the end of a period, and the notice a week before."""
        if end - UPCOMING_DAYS * DAY > self._books.now:
            self._agenda.add(end - UPCOMING_DAYS * DAY, "upcoming", id, end)
        self._agenda.add(end, "renew", id, end)

    def _bill(
        self, subscription: Payload, invoice_id: str, reason: str, items: Sequence[Payload], *, trial: bool = False
    ) -> Payload:
        """Write an invoice over the present period of items."""
        start = items[0]["current_period_start"]
        lines = [
            self._invoices.line(
                invoice_id,
                subscription,
                item,
                start=item["current_period_start"],
                end=item["current_period_end"],
                quantity=self._used(item, start) if reason == "subscription_cycle" else 0,
                trial=trial,
            )
            for item in items
        ]
        return self._invoices.draft(
            self._books.get("customer", subscription["customer"]),
            currency=subscription["currency"],
            lines=lines,
            invoice_id=invoice_id,
            subscription=subscription,
            reason=reason,
            start=start,
            end=min(item["current_period_end"] for item in items),
        )

    def _used(self, item: Payload, start: int) -> int:
        """Return what a metered item used in the period before."""
        return self._chance.between(0, 5_000, "usage", item["id"], start)

    def _trial_ends_without_card(self, subscription: Payload) -> bool:
        """Cancel or pause at the end of a trial when no card is there and the subscription says so."""
        books = self._books
        if self._payments.card_of(books.get("customer", subscription["customer"])) is not None:
            return False
        wanted = subscription["trial_settings"]["end_behavior"]["missing_payment_method"]
        if wanted == "cancel":
            self._collection.end_subscription(subscription["id"], reason="cancellation_requested")
            return True
        if wanted == "pause":
            changes = {"status": "paused", "status_details": {"paused": {"at": books.now, "reason": "trial_end"}}}
            books.change("subscription", subscription["id"], changes, "customer.subscription.paused")
            return True
        return False

    def discount(self, to: str, coupon_id: str) -> Payload:
        """Give a subscription, one of its items, or a customer a discount; only its own event tells of it."""
        books = self._books
        item = books.item(to) if to.startswith("si_") else None
        subscription_id = item["subscription"] if item else to
        if to.startswith("cus_"):
            discount = books.get("discount", self._discount(None, to, coupon_id))
            books.change("customer", to, {"discount": discount})
        else:
            subscription = books.get("subscription", subscription_id)
            id_ = self._discount(subscription_id, subscription["customer"], coupon_id, item=to if item else None)
            discount = books.get("discount", id_)
            if item:
                rows = [
                    {**row, "discounts": [*row["discounts"], id_]} if row["id"] == to else row
                    for row in books.full_list(subscription["items"])
                ]
                changes: dict[str, Any] = {"items": books.nest(subscription["items"]["url"], rows)}
            else:
                changes = {"discounts": [*subscription["discounts"], id_]}
            books.change("subscription", subscription_id, changes)
        books.emit("customer.discount.created", discount)
        return discount

    def _discount(self, subscription: str | None, customer: str, coupon_id: str, *, item: str | None = None) -> str:
        books = self._books
        coupon = books.get("coupon", coupon_id)
        end = None
        if coupon["duration"] == "repeating":
            end = later(books.now, "month", coupon["duration_in_months"], 1)
        elif coupon["duration"] == "once":
            end = books.now
        discount = payloads.discount(
            id=books.ids.new("di"),
            coupon=coupon_id,
            customer=customer,
            subscription=subscription,
            start=books.now,
            end=end,
            item=item,
        )
        books.add(discount)
        redeemed = {"times_redeemed": coupon["times_redeemed"] + 1}
        books.change("coupon", coupon_id, redeemed, "coupon.updated")
        return str(discount["id"])

    def _expire_discounts(self, subscription: Payload) -> Payload:
        books = self._books
        discounts = [books.get("discount", id_) for id_ in subscription["discounts"]]
        kept = [row["id"] for row in discounts if row["end"] is None or row["end"] > books.now]
        if len(kept) == len(discounts):
            return subscription
        for row in discounts:
            if row["id"] not in kept:
                books.emit("customer.discount.deleted", row)
        return books.change("subscription", subscription["id"], {"discounts": kept}, "customer.subscription.updated")


def _period_end(price: Payload, start: int) -> int:
    """Return when a period of a price is over that begins at a moment."""
    return later(start, price["recurring"]["interval"], price["recurring"]["interval_count"], 1)
