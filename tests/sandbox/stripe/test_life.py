"""The living account: everything is in it, and everything in it agrees."""

from collections import Counter
from typing import Any

import pytest

from stripe_cio_pipeline.sandbox import Sandbox, StripeSwitches

DAY = 86_400


@pytest.fixture(scope="module")
def stripe(lively: Any) -> Any:
    return lively.sandbox.stripe


def rows(stripe: Any, type_: str) -> list[dict[str, Any]]:
    return list(stripe.objects(type_, hidden=True).values())


def subscription_of(invoice: dict[str, Any]) -> str | None:
    details = (invoice["parent"] or {}).get("subscription_details") or {}
    return details.get("subscription")


def test_the_account_has_as_many_customers_as_asked_for(lively: Any) -> None:
    assert len(lively.walk("customers")) == 120


def test_every_kind_of_subscription_is_there(stripe: Any) -> None:
    subscriptions = rows(stripe, "subscription")
    statuses = Counter(row["status"] for row in subscriptions)
    assert {"active", "trialing", "past_due", "canceled", "paused"} <= set(statuses)
    prices = [row["items"]["data"][0]["price"] for row in subscriptions]
    assert {"month", "year"} == {price["recurring"]["interval"] for price in prices}
    assert {"graduated", "volume", None} == {price["tiers_mode"] for price in prices}
    assert {"licensed", "metered"} == {price["recurring"]["usage_type"] for price in prices}
    assert {"usd", "eur", "gbp", "jpy", "kwd"} == {row["currency"] for row in subscriptions}
    assert any((row["items"]["data"][0]["quantity"] or 0) > 1 for row in subscriptions)
    assert any(row["items"]["has_more"] for row in subscriptions)
    assert any(row["discounts"] for row in subscriptions)
    assert any(row["cancel_at_period_end"] and row["status"] == "active" for row in subscriptions)
    assert {"charge_automatically", "send_invoice"} == {row["collection_method"] for row in subscriptions}
    reasons = {row["cancellation_details"]["reason"] for row in subscriptions if row["status"] == "canceled"}
    assert {"payment_failed", "cancellation_requested"} <= reasons


def test_every_way_of_billing_is_there(stripe: Any) -> None:
    books = stripe.books
    subscriptions = rows(stripe, "subscription")
    items = [item for row in subscriptions for item in books.full_list(row["items"])]
    assert any(
        len({item["price"]["recurring"]["interval"] for item in row["items"]["data"]}) > 1 for row in subscriptions
    )
    assert any(item["price"]["currency"] != row["currency"] for row in subscriptions for item in row["items"]["data"])
    assert any(
        item["price"]["billing_scheme"] == "tiered" and item["price"]["currency"] != row["currency"]
        for row in subscriptions
        for item in row["items"]["data"]
    )
    assert any(item["price"]["id"] in books.inline for item in items)
    assert any(not books.get("price", item["price"]["id"])["active"] for item in items)
    assert any(item["price"]["unit_amount"] == 0 for item in items)
    assert any(row["default_tax_rates"] for row in subscriptions)
    assert any(row["default_payment_method"] for row in subscriptions)
    assert {"classic", "flexible"} == {row["billing_mode"]["type"] for row in subscriptions}
    assert any(row["pause_collection"] for row in subscriptions)
    assert any(row["default_source"] for row in rows(stripe, "customer"))
    assert any(row["discount"] for row in rows(stripe, "customer"))


def test_every_kind_of_coupon_is_given(stripe: Any) -> None:
    books = stripe.books
    of_subscriptions = [one for row in rows(stripe, "subscription") for one in row["discounts"]]
    of_items = [
        one for row in rows(stripe, "subscription") for item in row["items"]["data"] for one in item["discounts"]
    ]
    coupons = [books.coupon_of(one) for one in of_subscriptions]
    assert of_items
    assert any(one in books.terms for one in of_subscriptions), "nobody has a coupon that was deleted"
    editions = {f"{coupon['id']}@{coupon['created']}": coupon for coupon in coupons}
    assert editions.keys() & books.currency_options.keys()
    limited = [editions[each] for each in editions.keys() & books.applies_to.keys()]
    assert {True, False} == {coupon["percent_off"] is None for coupon in limited}


def test_money_moves_in_every_way_after_it_was_paid() -> None:
    with Sandbox(customers=300, start=1_790_000_000, leads=0) as sandbox:
        stripe = sandbox.stripe
        disputes = rows(stripe, "dispute")
        charges = {row["id"]: row for row in rows(stripe, "charge")}
        notes = rows(stripe, "credit_note")
        payments = rows(stripe, "invoice_payment")
    assert {"won", "lost", "warning_closed"} <= {row["status"] for row in disputes}
    assert any(row["amount"] < charges[row["charge"]]["amount_captured"] for row in disputes)
    assert any(row["out_of_band_amount"] for row in notes)
    assert any(row["refunds"] for row in notes)
    assert any(row["customer_balance_transaction"] for row in notes)
    assert any(row["captured"] and row["amount_captured"] < row["amount"] for row in charges.values())
    assert max(Counter(row["invoice"] for row in payments).values()) > 1, "nothing is paid in parts"
    assert {"payment_intent", "payment_record"} == {row["payment"]["type"] for row in payments}


def test_every_kind_of_email_is_there(stripe: Any) -> None:
    emails = [row["email"] for row in rows(stripe, "customer")]
    known = [email for email in emails if email is not None]
    assert None in emails
    assert any(count > 1 for count in Counter(known).values())
    assert any(email != email.strip() for email in known)
    assert any("@" not in email for email in known)
    folded = Counter(email.casefold() for email in set(known))
    assert any(count > 1 for count in folded.values())
    assert any("@new.example.com" in email for email in known), "nobody has changed an email"


def test_every_kind_of_payment_is_there(stripe: Any) -> None:
    charges = rows(stripe, "charge")
    assert {"succeeded", "failed"} == {row["status"] for row in charges}
    assert any(row["amount_refunded"] for row in charges)
    assert any(row["disputed"] for row in charges)
    guests = [row for row in charges if row["customer"] is None]
    assert guests
    assert all(row["billing_details"]["email"] for row in guests)
    sessions = {row["payment_intent"]: row for row in rows(stripe, "checkout.session")}
    assert all(sessions[row["payment_intent"]]["customer_details"]["email"] for row in guests)
    assert {"paid", "open", "uncollectible"} <= {row["status"] for row in rows(stripe, "invoice")}
    assert any(row["attempt_count"] > 1 for row in rows(stripe, "invoice"))
    assert any(row["delinquent"] for row in rows(stripe, "customer"))
    assert any(row["customer_account"] for row in rows(stripe, "customer"))


def test_invoices_match_their_subscriptions(stripe: Any) -> None:
    subscriptions = stripe.objects("subscription", hidden=True)
    invoices = stripe.objects("invoice", hidden=True)
    assert invoices
    for invoice in invoices.values():
        subscription = subscriptions[subscription_of(invoice)]
        assert invoice["customer"] == subscription["customer"]
        assert invoice["currency"] == subscription["currency"]
        assert invoice["created"] >= subscription["created"]
    for subscription in subscriptions.values():
        assert subscription_of(invoices[subscription["latest_invoice"]]) == subscription["id"]


def test_amounts_of_an_invoice_add_up(stripe: Any) -> None:
    for invoice in rows(stripe, "invoice"):
        lines = stripe.books.full_list(invoice["lines"])
        assert invoice["subtotal"] == sum(line["amount"] for line in lines)
        off = sum(entry["amount"] for entry in invoice["total_discount_amounts"])
        assert invoice["total"] == invoice["subtotal"] - off
        assert invoice["amount_due"] == invoice["amount_paid"] + invoice["amount_remaining"]
        assert invoice["amount_due"] + invoice["ending_balance"] == invoice["starting_balance"] + invoice["total"]
        assert (invoice["status"] == "paid") == (invoice["status_transitions"]["paid_at"] is not None)


def test_charges_match_the_invoices_that_they_pay(stripe: Any) -> None:
    intents = stripe.objects("payment_intent", hidden=True)
    payments = rows(stripe, "invoice_payment")
    paid_by = {row["invoice"]: row for row in payments if row["payment"]["type"] == "payment_intent"}
    outside: Counter[str] = Counter()
    for row in payments:
        outside[row["invoice"]] += row["amount_paid"] if row["payment"]["type"] == "payment_record" else 0
    by_intent: dict[str, list[dict[str, Any]]] = {}
    for charge in rows(stripe, "charge"):
        by_intent.setdefault(charge["payment_intent"], []).append(charge)
    for invoice in rows(stripe, "invoice"):
        assert invoice["amount_paid_off_stripe"] == outside[invoice["id"]]
        if invoice["amount_due"] == 0 or invoice["collection_method"] == "send_invoice":
            assert invoice["id"] not in paid_by
            assert invoice["amount_paid"] == outside[invoice["id"]]
            continue
        if invoice["status"] == "draft":
            continue
        payment = paid_by[invoice["id"]]
        charges = by_intent.get(payment["payment"]["payment_intent"], [])
        succeeded = [row for row in charges if row["status"] == "succeeded"]
        assert payment["amount_requested"] == invoice["amount_due"]
        assert sum(row["amount_captured"] for row in succeeded) == invoice["amount_paid"]
        assert len(charges) <= invoice["attempt_count"]
        if succeeded:
            assert intents[payment["payment"]["payment_intent"]]["latest_charge"] == succeeded[-1]["id"]


def test_refunds_and_disputes_match_their_charges(stripe: Any) -> None:
    charges = stripe.objects("charge", hidden=True)
    refunded: Counter[str] = Counter()
    for refund in rows(stripe, "refund"):
        refunded[refund["charge"]] += refund["amount"]
    for id_, charge in charges.items():
        released = charge["amount"] - charge["amount_captured"] if charge["captured"] else 0
        assert charge["amount_refunded"] == refunded[id_] + released
        assert charge["refunded"] == (charge["amount_captured"] > 0 and refunded[id_] == charge["amount_captured"])
    disputed = {dispute["charge"] for dispute in rows(stripe, "dispute")}
    assert disputed == {id_ for id_, charge in charges.items() if charge["disputed"]}


def test_past_due_means_an_open_invoice_that_failed(stripe: Any) -> None:
    open_ = {subscription_of(row) for row in rows(stripe, "invoice") if row["status"] == "open" and row["attempted"]}
    past_due = {row["id"] for row in rows(stripe, "subscription") if row["status"] == "past_due"}
    assert past_due
    assert past_due <= open_


def test_three_decimal_amounts_are_multiples_of_ten_and_yen_have_none(stripe: Any) -> None:
    by_currency = {row["currency"]: row for row in rows(stripe, "price") if row["unit_amount"]}
    assert all(
        row["unit_amount"] % 10 == 0 for row in rows(stripe, "price") if row["currency"] == "kwd" and row["unit_amount"]
    )
    assert by_currency["jpy"]["unit_amount_decimal"] == str(by_currency["jpy"]["unit_amount"])


def test_the_last_event_of_each_object_shows_it_as_it_is_now(lively: Any, stripe: Any) -> None:
    """What is told adds up to what is listed: no change without its event."""
    latest: dict[tuple[str, str], list[dict[str, Any]]] = {}
    moment: dict[tuple[str, str], int] = {}
    for event in stripe.events():
        payload = event["data"]["object"]
        if payload["object"] in ("invoice", "subscription", "charge", "customer") and "id" in payload:
            name = (payload["object"], payload["id"])
            if event["created"] > moment.get(name, 0):
                moment[name], latest[name] = event["created"], []
            latest[name].append(payload)
    assert latest
    watched = {
        "customer": ("email", "name", "address", "delinquent", "balance", "invoice_settings", "currency"),
        "subscription": ("status", "items", "discounts", "cancel_at_period_end", "canceled_at", "latest_invoice"),
        "invoice": ("status", "amount_paid", "amount_remaining", "attempt_count", "next_payment_attempt", "number"),
        "charge": ("status", "amount_refunded", "disputed"),
    }
    for (type_, id_), told in latest.items():
        now = stripe.object(type_, id_)
        if now.get("deleted"):
            continue
        assert any(all(seen[field] == now[field] for field in watched[type_]) for seen in told), (type_, id_)


def test_the_same_seed_lives_the_same_life_however_the_clock_is_moved() -> None:
    def world(steps: list[float], seed: int = 5) -> Any:
        sandbox = Sandbox(seed=seed, customers=15, start=1_790_000_000, leads=0, stripe=StripeSwitches())
        for step in steps:
            sandbox.clock.advance(days=step)
        account = sandbox.stripe
        state = account.save_state()
        sandbox.stop()
        return {name: state[name] for name in ("books", "agenda")}

    assert world([20]) == world([0.5] * 40) == world([3, 17])
    assert world([20]) != world([20], seed=6)


def test_time_brings_arrivals_renewals_retries_and_ends(start: Any) -> None:
    api = start(customers=40)
    before = len(api.walk("customers"))
    api.sandbox.clock.advance(days=30)
    told = Counter(event["type"] for event in api.sandbox.stripe.events())
    assert len(api.walk("customers")) > before
    assert {"customer.created", "invoice.paid", "customer.subscription.updated", "invoice.payment_failed"} <= set(told)


def test_a_failed_payment_is_retried_and_ends_the_subscription(empty: Any) -> None:
    stripe, clock = empty.sandbox.stripe, empty.sandbox.clock
    customer = stripe.create_customer()["id"]
    subscription = stripe.create_subscription(customer)["id"]
    invoice = stripe.fail_payment(subscription)
    assert (invoice["status"], invoice["attempt_count"]) == ("open", 1)
    assert stripe.object("subscription", subscription)["status"] == "past_due"
    assert stripe.object("customer", customer)["delinquent"] is True
    attempts = [invoice["attempt_count"]]
    for wait in (3, 5, 7):
        due = stripe.object("invoice", invoice["id"])["next_payment_attempt"]
        assert due == int(clock.now()) + wait * DAY
        clock.advance(days=wait)
        attempts.append(stripe.object("invoice", invoice["id"])["attempt_count"])
    assert attempts == [1, 2, 3, 4]
    assert stripe.object("invoice", invoice["id"])["status"] == "uncollectible"
    assert stripe.object("subscription", subscription)["status"] in ("canceled", "unpaid")
    assert stripe.object("customer", customer)["delinquent"] is True


def test_a_failed_payment_that_is_paid_heals_everything(empty: Any) -> None:
    stripe = empty.sandbox.stripe
    customer = stripe.create_customer()["id"]
    subscription = stripe.create_subscription(customer)["id"]
    paid = stripe.pay_invoice(stripe.fail_payment(subscription)["id"])
    assert (paid["status"], paid["attempt_count"], paid["next_payment_attempt"]) == ("paid", 2, None)
    assert stripe.object("subscription", subscription)["status"] == "active"
    assert stripe.object("customer", customer)["delinquent"] is False


def test_a_first_payment_that_fails_leaves_the_subscription_incomplete_for_23_hours(empty: Any) -> None:
    stripe, clock = empty.sandbox.stripe, empty.sandbox.clock
    customer = stripe.create_customer()["id"]
    subscription = stripe.create_subscription(customer, card=False)
    assert subscription["status"] == "incomplete"
    clock.advance(hours=23)
    assert stripe.object("subscription", subscription["id"])["status"] == "incomplete_expired"
    assert stripe.object("invoice", subscription["latest_invoice"])["status"] == "void"


def test_a_trial_is_free_tells_of_its_end_and_becomes_active(empty: Any) -> None:
    stripe, clock = empty.sandbox.stripe, empty.sandbox.clock
    customer = stripe.create_customer()["id"]
    subscription = stripe.create_subscription(customer, trial_days=14)
    assert (subscription["status"], subscription["trial_end"]) == ("trialing", int(clock.now()) + 14 * DAY)
    assert stripe.object("invoice", subscription["latest_invoice"])["amount_due"] == 0
    clock.advance(days=11)
    assert empty.ids("events", "type=customer.subscription.trial_will_end")
    clock.advance(days=3, hours=2)
    now = stripe.object("subscription", subscription["id"])
    assert now["status"] == "active"
    assert stripe.object("invoice", now["latest_invoice"])["amount_paid"] == 2_000


def test_an_upgrade_is_prorated_and_a_downgrade_becomes_credit(empty: Any) -> None:
    stripe, clock = empty.sandbox.stripe, empty.sandbox.clock
    customer = stripe.create_customer()["id"]
    cheap, dear = (stripe.create_price(unit_amount=amount)["id"] for amount in (1_000, 3_000))
    subscription = stripe.create_subscription(customer, price=cheap)
    item = subscription["items"]["data"][0]
    half = (item["current_period_end"] - item["current_period_start"]) // 2
    clock.advance(seconds=half)
    upgraded = stripe.change_plan(subscription["id"], price=dear)
    invoice = stripe.object("invoice", upgraded["latest_invoice"])
    assert (invoice["billing_reason"], invoice["amount_paid"]) == ("subscription_update", 1_000)
    assert [line["amount"] for line in invoice["lines"]["data"]] == [-500, 1_500]
    stripe.change_plan(subscription["id"], price=cheap)
    assert stripe.object("customer", customer)["balance"] == -1_000
    clock.advance(seconds=half + 2 * 3600)
    renewed = stripe.object("invoice", stripe.object("subscription", subscription["id"])["latest_invoice"])
    assert (renewed["total"], renewed["amount_due"], renewed["ending_balance"]) == (1_000, 0, 0)


def test_coupons_take_off_once_for_some_months_or_for_ever(empty: Any) -> None:
    stripe, clock = empty.sandbox.stripe, empty.sandbox.clock
    price = stripe.create_price(unit_amount=1_000)["id"]
    coupons = {
        "once": stripe.create_coupon(duration="once", percent_off=50.0)["id"],
        "repeating": stripe.create_coupon(duration="repeating", duration_in_months=2, amount_off=100, currency="usd")[
            "id"
        ],
        "forever": stripe.create_coupon(duration="forever", percent_off=25.5)["id"],
    }
    made = {
        name: stripe.create_subscription(stripe.create_customer()["id"], price=price, coupon=coupon)["id"]
        for name, coupon in coupons.items()
    }
    clock.advance(days=95)
    paid: dict[str, list[int]] = {name: [] for name in made}
    for invoice in sorted(stripe.objects("invoice").values(), key=lambda row: row["created"]):
        name = next(name for name, id_ in made.items() if id_ == subscription_of(invoice))
        paid[name].append(invoice["total"])
    assert paid == {"once": [500, 1_000, 1_000, 1_000], "repeating": [900, 900, 1_000, 1_000], "forever": [745] * 4}


@pytest.mark.parametrize(("mode", "expected"), [("graduated", 10 * 100 + 200 + 5 * 50), ("volume", 15 * 50)])
def test_tiers_are_counted_as_stripe_counts_them(empty: Any, mode: str, expected: int) -> None:
    stripe = empty.sandbox.stripe
    tiers = [
        {"up_to": 10, "unit_amount": 100, "unit_amount_decimal": "100", "flat_amount": 200},
        {"up_to": None, "unit_amount": 50, "unit_amount_decimal": "50", "flat_amount": None},
    ]
    price = stripe.create_price(tiers=tiers, tiers_mode=mode)["id"]
    subscription = stripe.create_subscription(stripe.create_customer()["id"], price=price, quantity=15)
    assert stripe.object("invoice", subscription["latest_invoice"])["amount_paid"] == expected


def test_a_month_after_the_31st_is_the_last_day_of_february(start: Any) -> None:
    api = start(at=1_801_396_800)  # 31 January 2027
    stripe = api.sandbox.stripe
    subscription = stripe.create_subscription(stripe.create_customer()["id"])["id"]
    ends = []
    for _ in range(3):
        item = stripe.object("subscription", subscription)["items"]["data"][0]
        ends.append(item["current_period_end"])
        api.sandbox.clock.move_to(item["current_period_end"] + 2 * 3600)
    assert ends == [1_803_816_000, 1_806_494_400, 1_809_086_400]  # 28 February, 31 March, 30 April


def test_unknown_things_are_named_in_the_error(empty: Any) -> None:
    stripe = empty.sandbox.stripe
    with pytest.raises(ValueError, match="no field shoe_size"):
        stripe.create_customer(shoe_size=42)
    with pytest.raises(LookupError, match="'cus_none'"):
        stripe.update_customer("cus_none", name="Nobody")
    with pytest.raises(ValueError, match="left to refund"):
        charge = stripe.create_charge(stripe.create_customer()["id"], 100)["id"]
        stripe.refund(charge, 101)


def test_a_sent_invoice_that_falls_due_does_not_revive_a_canceled_subscription(empty: Any) -> None:
    stripe, clock = empty.sandbox.stripe, empty.sandbox.clock
    made = []
    for _ in range(12):
        customer = stripe.create_customer()["id"]
        made.append(stripe.create_subscription(customer, collection_method="send_invoice")["id"])
        stripe.cancel_subscription(made[-1])
    clock.advance(days=31)
    assert empty.ids("events", "type=invoice.overdue"), "nobody paid late"
    assert {stripe.object("subscription", id_)["status"] for id_ in made} == {"canceled"}


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_years_pass_without_a_contradiction(seed: int) -> None:
    sandbox = Sandbox(seed=seed, customers=20, start=1_780_000_000 + seed * 17 * DAY, leads=0)
    sandbox.clock.advance(days=500)
    account = sandbox.stripe
    customers = account.objects("customer", hidden=True)
    for subscription in rows(account, "subscription"):
        if subscription["status"] not in ("canceled", "incomplete_expired"):
            assert subscription["customer"] in customers
    sandbox.stop()
