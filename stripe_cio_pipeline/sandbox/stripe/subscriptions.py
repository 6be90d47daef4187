"""Subscriptions: begun, billed period by period, changed, collected, ended."""

from collections.abc import Sequence
from typing import Any

from stripe_cio_pipeline.sandbox.stripe import billing_payloads, payloads
from stripe_cio_pipeline.sandbox.stripe.agenda import Agenda
from stripe_cio_pipeline.sandbox.stripe.books import Books
from stripe_cio_pipeline.sandbox.stripe.chance import Chance
from stripe_cio_pipeline.sandbox.stripe.invoices import Invoices
from stripe_cio_pipeline.sandbox.stripe.money import price_amount
from stripe_cio_pipeline.sandbox.stripe.payments import Payments
from stripe_cio_pipeline.sandbox.stripe.periods import DAY, end_after, later
from stripe_cio_pipeline.sandbox.stripe.shelf import Payload

HOUR = 3600
INCOMPLETE_HOURS = 23
TRIAL_NOTICE_DAYS = 3
ENDED = ("canceled", "incomplete_expired")


class Subscriptions:
    """Bills. Everything that is due later stands in the agenda, under the names of the methods here."""

    def __init__(self, books: Books, agenda: Agenda, chance: Chance, payments: Payments, invoices: Invoices) -> None:
        self._books = books
        self._agenda = agenda
        self._chance = chance
        self._payments = payments
        self._invoices = invoices

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
    ) -> Payload:
        """Start a subscription to prices in quantities (none for a metered price), and bill its first period."""
        books = self._books
        customer = books.get("customer", customer_id)
        prices = [books.get("price", price) for price, _ in lines]
        recurring = prices[0]["recurring"]
        if recurring is None:
            raise ValueError(f"price {prices[0]['id']} is not recurring")
        id_, start = books.ids.new("sub"), books.now
        trial_end = start + trial_days * DAY if trial_days else None
        end = trial_end or later(start, recurring["interval"], recurring["interval_count"], 1)
        items = [
            billing_payloads.subscription_item(
                id=books.ids.new("si"),
                created=start,
                subscription=id_,
                price=price,
                quantity=None if price["recurring"]["usage_type"] == "metered" else quantity or 1,
                start=start,
                end=end,
            )
            for price, (_, quantity) in zip(prices, lines, strict=True)
        ]
        currency = prices[0]["currency"]
        subscription = billing_payloads.subscription(
            id=id_,
            created=start,
            livemode=books.livemode,
            customer=customer_id,
            customer_account=customer["customer_account"],
            currency=currency,
            items=books.nest(f"/v1/subscription_items?subscription={id_}", items),
            status="trialing" if trial_end else "active",
            discounts=[self._discount(id_, customer_id, coupon)] if coupon else [],
            collection_method=collection_method,
            trial_start=start if trial_end else None,
            trial_end=trial_end,
            billing_cycle_anchor=trial_end or start,
            test_clock=customer["test_clock"],
        )
        subscription["metadata"] = metadata or {}
        subscription["trial_settings"]["end_behavior"]["missing_payment_method"] = trial_without_card
        if customer["currency"] is None:
            books.change("customer", customer_id, {"currency": currency}, "customer.updated")
        invoice_id = books.ids.new("in")
        subscription["latest_invoice"] = invoice_id
        if not trial_end and collection_method == "charge_automatically":
            # Whether it becomes active is known when the first invoice has been collected.
            subscription["status"] = "incomplete"
        books.add(subscription)
        self._bill(subscription, invoice_id, "subscription_create", start, end, trial=trial_end is not None)
        invoice = self._invoices.finalize(invoice_id)
        if collection_method == "charge_automatically":
            self.collect(invoice_id)
        else:
            self._expect_transfer(invoice)
        subscription = books.get("subscription", id_)
        books.emit("customer.subscription.created", subscription)
        for discount in subscription["discounts"]:
            books.emit("customer.discount.created", books.get("discount", discount))
        if subscription["status"] == "incomplete":
            self._agenda.add(start + INCOMPLETE_HOURS * HOUR, "expire_incomplete", id_)
        if trial_end:
            self._agenda.add(max(start, trial_end - TRIAL_NOTICE_DAYS * DAY), "trial_will_end", id_, trial_end)
        self._agenda.add(end, "renew", id_, end)
        return subscription

    def renew(self, id: str, end: int) -> None:  # noqa: A002
        """Begin the next period at the end of this one, or end the subscription."""
        books = self._books
        subscription = books.find("subscription", id)
        if subscription is None or subscription["status"] in (*ENDED, "paused", "incomplete"):
            return
        items = books.full_list(subscription["items"])
        if items[0]["current_period_end"] != end:
            return
        if subscription["cancel_at_period_end"]:
            self.end(id, reason="cancellation_requested")
            return
        if subscription["status"] == "trialing" and self._trial_ends_without_card(subscription):
            return
        recurring = items[0]["price"]["recurring"]
        anchor = subscription["billing_cycle_anchor"]
        following = end_after(anchor, recurring["interval"], recurring["interval_count"], end)
        invoice_id = books.ids.new("in")
        renewed = [{**item, "current_period_start": end, "current_period_end": following} for item in items]
        changes: dict[str, Any] = {
            "items": books.nest(subscription["items"]["url"], renewed),
            "latest_invoice": invoice_id,
        }
        if subscription["status"] == "trialing":
            changes["status"] = "active"
        subscription = books.change("subscription", id, changes, "customer.subscription.updated")
        subscription = self._expire_discounts(subscription)
        self._bill(subscription, invoice_id, "subscription_cycle", end, following)
        self._agenda.add(books.now + HOUR, "finalize", invoice_id)
        self._agenda.add(following, "renew", id, following)

    def finalize(self, invoice_id: str) -> None:
        """Finalize a draft and collect it."""
        if self._books.find("invoice", invoice_id) is None:
            return
        invoice = self._invoices.finalize(invoice_id)
        if invoice["collection_method"] == "charge_automatically":
            self.collect(invoice_id)
        else:
            self._expect_transfer(invoice)

    def collect(self, invoice_id: str, attempt: int | None = None) -> bool:
        """Try to collect an open invoice and let subscription and customer follow; `True` when it is paid.

        `attempt` is how many attempts there were when this one was planned: one that came otherwise cancels it.
        """
        books = self._books
        invoice = books.find("invoice", invoice_id)
        if invoice is None or invoice["status"] != "open":
            return False
        if attempt is not None and invoice["attempt_count"] != attempt:
            return False
        paid = self._invoices.attempt(invoice_id)
        invoice = books.get("invoice", invoice_id)
        subscription_id = _subscription_of(invoice)
        if paid:
            self._after_payment(invoice, subscription_id)
            return True
        self._set_delinquent(invoice["customer"], delinquent=True)
        subscription = books.find("subscription", subscription_id) if subscription_id else None
        first = invoice["billing_reason"] == "subscription_create"
        if subscription is not None and subscription["status"] not in ENDED and not first:
            books.change("subscription", subscription["id"], {"status": "past_due"}, "customer.subscription.updated")
        retry = invoice["next_payment_attempt"]
        if retry is not None and not first:
            self._agenda.add(retry, "collect", invoice_id, invoice["attempt_count"])
        elif not first:
            self._give_up(invoice, subscription)
        return False

    def settle_by_transfer(self, invoice_id: str) -> None:
        """Book a bank transfer that came in for a sent invoice."""
        invoice = self._books.find("invoice", invoice_id)
        if invoice is not None and invoice["status"] == "open":
            paid = self._invoices.mark_paid(invoice_id)
            self._after_payment(paid, _subscription_of(paid))

    def fall_due(self, invoice_id: str) -> None:
        """Tell that a sent invoice was not paid in time."""
        books = self._books
        invoice = books.find("invoice", invoice_id)
        if invoice is None or invoice["status"] != "open":
            return
        books.emit("invoice.overdue", invoice)
        self._set_delinquent(invoice["customer"], delinquent=True)
        if (subscription := _subscription_of(invoice)) is not None:
            books.change("subscription", subscription, {"status": "past_due"}, "customer.subscription.updated")

    def expire_incomplete(self, id: str) -> None:  # noqa: A002
        """Give up on a subscription whose first invoice was not paid within 23 hours."""
        books = self._books
        subscription = books.find("subscription", id)
        if subscription is None or subscription["status"] != "incomplete":
            return
        self._invoices.void(subscription["latest_invoice"])
        changes = {"status": "incomplete_expired", "ended_at": books.now}
        books.change("subscription", id, changes, "customer.subscription.updated")

    def trial_will_end(self, id: str, trial_end: int) -> None:  # noqa: A002
        """Tell, three days before, that a trial ends."""
        subscription = self._books.find("subscription", id)
        if subscription is None or subscription["status"] != "trialing":
            return
        if subscription["trial_end"] == trial_end:
            self._books.emit("customer.subscription.trial_will_end", subscription)

    def change_plan(self, id: str, price_id: str, quantity: int | None = None) -> Payload:  # noqa: A002
        """Move the first item to another price or quantity, with a prorated invoice at once."""
        books = self._books
        subscription = books.get("subscription", id)
        if subscription["status"] in ENDED:
            raise ValueError(f"subscription {id} is {subscription['status']} and cannot change")
        items = books.full_list(subscription["items"])
        old, price = items[0], books.get("price", price_id)
        if price["currency"] != subscription["currency"]:
            raise ValueError(f"price {price_id} is in {price['currency']}, not {subscription['currency']}")
        metered = price["recurring"]["usage_type"] == "metered"
        end = old["current_period_end"]
        changes: dict[str, Any] = {}
        same_rhythm = (
            price["recurring"]["interval"] == old["price"]["recurring"]["interval"]
            or subscription["status"] == "trialing"
        )
        if not same_rhythm:
            # Another interval starts a new period now, as Stripe does.
            end = later(books.now, price["recurring"]["interval"], price["recurring"]["interval_count"], 1)
            changes["billing_cycle_anchor"] = books.now
        new = {
            **old,
            "price": price,
            "plan": payloads.plan_of(price),
            "quantity": None if metered else quantity or old["quantity"] or 1,
            "current_period_end": end,
            "current_period_start": old["current_period_start"] if same_rhythm else books.now,
        }
        others = [
            {**item, "current_period_start": new["current_period_start"], "current_period_end": end}
            for item in items[1:]
        ]
        changes["items"] = books.nest(subscription["items"]["url"], [new, *others])
        billable = subscription["status"] in ("active", "past_due")
        invoice_id = books.ids.new("in") if billable else None
        if invoice_id is not None:
            changes["latest_invoice"] = invoice_id
        changed = books.change("subscription", id, changes, "customer.subscription.updated")
        if invoice_id is not None:
            self._prorate(changed, invoice_id, old, new)
        if not same_rhythm:
            self._agenda.add(end, "renew", id, end)
        return books.get("subscription", id)

    def cancel_later(self, id: str, *, undo: bool = False) -> Payload:  # noqa: A002
        """Let a subscription end with its period, or take that back."""
        books = self._books
        subscription = books.get("subscription", id)
        if subscription["status"] in ENDED:
            raise ValueError(f"subscription {id} is {subscription['status']} already")
        end = subscription["items"]["data"][0]["current_period_end"]
        reason = None if undo else "cancellation_requested"
        changes = {
            "cancel_at_period_end": not undo,
            "cancel_at": None if undo else end,
            "canceled_at": None if undo else books.now,
            "cancellation_details": {**subscription["cancellation_details"], "reason": reason},
        }
        return books.change("subscription", id, changes, "customer.subscription.updated")

    def end(self, id: str, *, reason: str) -> Payload:  # noqa: A002
        """End a subscription now."""
        books = self._books
        subscription = books.get("subscription", id)
        if subscription["status"] in ENDED:
            return subscription
        changes = {
            "status": "canceled",
            "canceled_at": subscription["canceled_at"] or books.now,
            "ended_at": books.now,
            "cancellation_details": {**subscription["cancellation_details"], "reason": reason},
        }
        return books.change("subscription", id, changes, "customer.subscription.deleted")

    def resume(self, id: str) -> Payload:  # noqa: A002
        """Resume a paused subscription with a new period and its invoice."""
        books = self._books
        subscription = books.get("subscription", id)
        if subscription["status"] != "paused":
            raise ValueError(f"subscription {id} is {subscription['status']}, not paused")
        items = books.full_list(subscription["items"])
        recurring = items[0]["price"]["recurring"]
        end = later(books.now, recurring["interval"], recurring["interval_count"], 1)
        begun = [{**item, "current_period_start": books.now, "current_period_end": end} for item in items]
        invoice_id = books.ids.new("in")
        changes = {
            "status": "active",
            "status_details": None,
            "billing_cycle_anchor": books.now,
            "items": books.nest(subscription["items"]["url"], begun),
            "latest_invoice": invoice_id,
        }
        subscription = books.change("subscription", id, changes, "customer.subscription.resumed")
        self._bill(subscription, invoice_id, "subscription_cycle", books.now, end)
        self.finalize(invoice_id)
        self._agenda.add(end, "renew", id, end)
        return books.get("subscription", id)

    def bill_now(self, id: str) -> Payload:  # noqa: A002
        """Write, finalize and try to collect an extra invoice for the present period; returns the invoice."""
        books = self._books
        subscription = books.get("subscription", id)
        first = subscription["items"]["data"][0]
        invoice_id = books.ids.new("in")
        subscription = books.change("subscription", id, {"latest_invoice": invoice_id}, "customer.subscription.updated")
        self._bill(
            subscription,
            invoice_id,
            "subscription_cycle",
            first["current_period_start"],
            first["current_period_end"],
        )
        self.finalize(invoice_id)
        return books.get("invoice", invoice_id)

    def _bill(
        self, subscription: Payload, invoice_id: str, reason: str, start: int, end: int, *, trial: bool = False
    ) -> Payload:
        books = self._books
        lines = [
            self._invoices.line(
                invoice_id,
                subscription,
                item,
                start=start,
                end=end,
                quantity=self._used(item, start) if reason == "subscription_cycle" else 0,
                trial=trial,
            )
            for item in books.full_list(subscription["items"])
        ]
        return self._invoices.draft(
            books.get("customer", subscription["customer"]),
            currency=subscription["currency"],
            lines=lines,
            invoice_id=invoice_id,
            subscription=subscription,
            reason=reason,
            start=start,
            end=end,
        )

    def _prorate(self, subscription: Payload, invoice_id: str, old: Payload, new: Payload) -> None:
        books = self._books
        start, end = old["current_period_start"], old["current_period_end"]
        left = max(0.0, (end - books.now) / max(1, end - start))
        fresh = new["current_period_start"] == books.now
        amounts = [
            (old, -round(self._amount(old) * left)),
            (new, self._amount(new) if fresh else round(self._amount(new) * left)),
        ]
        lines = [
            self._invoices.line(
                invoice_id,
                subscription,
                item,
                start=books.now,
                end=new["current_period_end"],
                amount=amount,
                proration=True,
            )
            for item, amount in amounts
        ]
        self._invoices.draft(
            books.get("customer", subscription["customer"]),
            currency=subscription["currency"],
            lines=lines,
            invoice_id=invoice_id,
            subscription=subscription,
            reason="subscription_update",
            start=books.now,
            end=books.now,
        )
        self.finalize(invoice_id)

    def _amount(self, item: Payload) -> int:
        price = item["price"]
        if item["quantity"] is None:
            return 0
        return price_amount(price, item["quantity"], self._books.tiers.get(price["id"], ()))

    def _used(self, item: Payload, start: int) -> int:
        """Return what a metered item used in the period before."""
        return self._chance.between(0, 5_000, "usage", item["id"], start)

    def _after_payment(self, invoice: Payload, subscription_id: str | None) -> None:
        books = self._books
        if subscription_id and (subscription := books.find("subscription", subscription_id)):
            others = [
                row
                for row in books.of_customer("invoice", invoice["customer"])
                if row["status"] == "open" and _subscription_of(row) == subscription_id
            ]
            if subscription["status"] == "incomplete" and invoice["billing_reason"] == "subscription_create":
                late = books.now > subscription["created"]
                books.change(
                    "subscription",
                    subscription_id,
                    {"status": "active"},
                    "customer.subscription.updated" if late else None,
                )
            elif subscription["status"] in ("past_due", "unpaid") and not others:
                books.change("subscription", subscription_id, {"status": "active"}, "customer.subscription.updated")
        still_open = any(
            row["status"] == "open" and row["attempted"] for row in books.of_customer("invoice", invoice["customer"])
        )
        if not still_open:
            self._set_delinquent(invoice["customer"], delinquent=False)

    def _give_up(self, invoice: Payload, subscription: Payload | None) -> None:
        """After the last retry: most merchants cancel, some leave it unpaid."""
        self._invoices.give_up(invoice["id"])
        if subscription is None or subscription["status"] in ENDED:
            return
        if self._chance.happens(0.75, "after dunning", invoice["id"]):
            self.end(subscription["id"], reason="payment_failed")
        else:
            self._books.change(
                "subscription", subscription["id"], {"status": "unpaid"}, "customer.subscription.updated"
            )

    def _set_delinquent(self, customer: str, *, delinquent: bool) -> None:
        if self._books.find("customer", customer) is not None:
            self._books.change("customer", customer, {"delinquent": delinquent}, "customer.updated")

    def _trial_ends_without_card(self, subscription: Payload) -> bool:
        """Cancel or pause at the end of a trial when no card is there and the subscription says so."""
        books = self._books
        if self._payments.card_of(books.get("customer", subscription["customer"])) is not None:
            return False
        wanted = subscription["trial_settings"]["end_behavior"]["missing_payment_method"]
        if wanted == "cancel":
            self.end(subscription["id"], reason="cancellation_requested")
            return True
        if wanted == "pause":
            changes = {"status": "paused", "status_details": {"paused": {"at": books.now, "reason": "trial_end"}}}
            books.change("subscription", subscription["id"], changes, "customer.subscription.paused")
            return True
        return False

    def _expect_transfer(self, invoice: Payload) -> None:
        """Plan when the money for a sent invoice comes in; a fifth of the customers pay late."""
        wait = self._chance.between(5, 28, "transfer", invoice["id"])
        if self._chance.happens(0.2, "late transfer", invoice["id"]):
            wait += 14
        self._agenda.add(self._books.now + wait * DAY, "settle_by_transfer", invoice["id"])
        if invoice["due_date"] is not None:
            self._agenda.add(invoice["due_date"], "fall_due", invoice["id"])

    def _discount(self, subscription: str, customer: str, coupon_id: str) -> str:
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


def _subscription_of(invoice: Payload) -> str | None:
    details = (invoice["parent"] or {}).get("subscription_details") or {}
    found = details.get("subscription")
    return found if isinstance(found, str) else None
