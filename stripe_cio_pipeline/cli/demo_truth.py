"""What a person should look like, worked out in plain Python from the sandbox's Stripe: the demo's second opinion.

Nothing here knows the pipeline's requests, SQL, tables or settings. Amounts are exact fractions until the last step.
"""

from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from fractions import Fraction
from typing import Any

from stripe_cio_pipeline.cli.demo_revenue import minor_units, monthly_amount, mrr
from stripe_cio_pipeline.cli.demo_stripe import Payload, Truth

#: A subscription that is in use speaks for a person before one in trouble, and that before one that is over.
_PREFERENCE = ("active", "past_due", "trialing", "unpaid", "paused", "incomplete", "", "canceled", "incomplete_expired")

#: Disputes that hold the money: the others are won, or only an inquiry.
_TAKEN_BACK = frozenset({"needs_response", "under_review", "lost"})


@dataclass(frozen=True, slots=True)
class OneOf:
    """Values of which each is right: of several payments in one second Stripe does not say which was the last."""

    values: tuple[Any, ...]


def expected_attributes(truth: Truth, customers: Sequence[str], owner: str) -> dict[str, Any]:
    """Work out the attributes of the person whom these customers are together, owned by one of them."""
    owner_payload = truth.customers[owner]
    subscriptions = _of(truth.subscriptions, customers)
    main = min(subscriptions, key=lambda each: _speaks_for(truth, each), default=None)
    unpaid = sorted(_unpaid(_of(truth.invoices, customers)), key=lambda invoice: (invoice["created"], invoice["id"]))
    payments = sorted(_payments(truth, customers), key=lambda payment: (payment["at"], payment["id"]))
    currency = (
        owner_payload["currency"]
        or (main["currency"] if main else None)
        or (payments[-1]["currency"] if payments else None)
        or (unpaid[0]["currency"] if unpaid else None)
    )
    living = [truth.customers[id_] for id_ in customers if id_ not in truth.deleted_at]
    own = [payment for payment in payments if payment["currency"] == currency]
    last = [payment for payment in own if payment["at"] == own[-1]["at"]]

    def kept_in(some: str | None) -> Fraction:
        kept = sum(payment["kept"] for payment in payments if payment["currency"] == some)
        return Fraction(kept - sum(_given_back(truth, customers, some)), minor_units(some))

    expected: dict[str, Any] = {
        "name": owner_payload["name"],
        "phone": owner_payload["phone"],
        "created_at": min(truth.customers[id_]["created"] for id_ in customers),
        "stripe_customer_id": owner,
        "stripe_customer_ids": sorted(customers),
        "country": (owner_payload["address"] or {}).get("country"),
        "language": next(iter(owner_payload["preferred_locales"]), None),
        "currency": currency,
        "delinquent": any(customer["delinquent"] for customer in living),
        "balance": major(sum(each["balance"] for each in living if each["currency"] == currency), currency),
        "mrr": float(mrr(truth.served, subscriptions, currency)),
        "mrr_other_currencies": _others(
            currency, {each["currency"] for each in subscriptions}, lambda each: mrr(truth.served, subscriptions, each)
        ),
        "last_payment_at": last[0]["at"] if last else None,
        "last_payment_amount": OneOf(tuple(major(each["amount"], currency) for each in last)) if last else None,
        "lifetime_value": float(kept_in(currency)),
        "lifetime_value_other_currencies": _others(currency, {each["currency"] for each in payments}, kept_in),
        "stripe_livemode": owner_payload["livemode"],
        "stripe_deleted_at": None if living else max(truth.deleted_at[id_] for id_ in customers),
    }
    expected |= _of_subscriptions(truth, subscriptions, main)
    expected |= _of_open_invoices(unpaid, _of(truth.charges, customers), currency)
    if owner not in truth.deleted_at:
        # The remains of a customer do not tell which card it had.
        expected |= _of_card(owner_payload, truth.customers[main["customer"]] if main else None, main, last)
    return expected


def _others(main: str | None, currencies: Iterable[str], amount_in: Callable[[str], Fraction]) -> list[str] | None:
    """Tell amounts above 0 in currencies that are not a person's main one."""
    amounts = ((each, amount_in(each)) for each in sorted(currencies) if each != main)
    return [f"{float(amount)} {each}" for each, amount in amounts if amount > 0] or None


def _is_metered(item: Payload) -> bool:
    return bool(item["price"]["recurring"]["usage_type"] == "metered")


def _preference(subscription: Payload) -> int:
    status = subscription["status"]
    return _PREFERENCE.index(status) if status in _PREFERENCE else _PREFERENCE.index("")


def _speaks_for(truth: Truth, subscription: Payload) -> tuple[bool, int, Fraction, int, str]:
    counts = subscription["status"] in ("active", "past_due")
    amount = (
        monthly_amount(truth.served, subscription) / minor_units(subscription["currency"]) if counts else Fraction(0)
    )
    return amount == 0, _preference(subscription), -amount, -subscription["start_date"], subscription["id"]


def _is_over(subscription: Payload) -> bool:
    return subscription["status"] in ("canceled", "incomplete_expired")


def _plan(truth: Truth, item: Payload) -> str:
    return str(truth.products[item["price"]["product"]]["name"])


def _of_subscriptions(truth: Truth, subscriptions: Sequence[Payload], main: Payload | None) -> dict[str, Any]:
    started = [each["start_date"] for each in subscriptions if not each["status"].startswith("incomplete")]
    going_on = [each for each in subscriptions if _preference(each) < _PREFERENCE.index("incomplete")]
    found: dict[str, Any] = {
        "subscriber_since": min(started, default=None),
        "plans": sorted({_plan(truth, item) for each in going_on for item in each["items"]["data"]}) or None,
    }
    if main is None:
        return found | dict.fromkeys(("plan", "subscription_status", "subscription_id", "quantity", "canceled_at"))
    items = main["items"]["data"]
    first = next((item for item in items if not _is_metered(item)), items[0])
    recurring = first["price"]["recurring"]
    counted = [item["quantity"] for item in items if not _is_metered(item)]
    ends = min(item["current_period_end"] for item in items)
    is_over = _is_over(main)
    pause = main["pause_collection"]
    last = max(item["current_period_end"] for item in items)
    ends_with_period = main["cancel_at_period_end"] or (
        main["cancel_at"] is not None and main["cancel_at"] in (ends, last, main["trial_end"])
    )
    discounts = [*main["discounts"], *(one for item in items for one in item["discounts"])]
    many = f"{recurring['interval_count']} {recurring['interval']}s"
    found |= {
        "plan": _plan(truth, first),
        "subscription_status": main["status"],
        "subscription_id": main["id"],
        "quantity": sum(counted) if counted else None,
        "billing_interval": recurring["interval"] if recurring["interval_count"] == 1 else many,
        "trial_ends_at": main["trial_end"],
        "current_period_ends_at": None if is_over else ends,
        "cancel_at_period_end": None if is_over else ends_with_period,
        "cancels_at": None if is_over else main["cancel_at"] or (ends if main["cancel_at_period_end"] else None),
        "canceled_at": main["canceled_at"],
        "collection_paused": None if is_over else pause is not None,
        "collection_resumes_at": None if is_over or pause is None else pause["resumes_at"],
        "coupon": next((each["source"]["coupon"]["name"] for each in discounts), None),
    }
    return found


def _payments(truth: Truth, customers: Sequence[str]) -> Iterable[dict[str, Any]]:
    for charge in _of(truth.charges, customers):
        if charge["status"] == "succeeded" and charge["amount_captured"] > 0:
            # What was not captured was released, and counts as refunded there.
            released = charge["amount"] - charge["amount_captured"]
            refunded = max(charge["amount_refunded"] - released, 0)
            # What is disputed is taken back at once, and returned when the dispute is won.
            contested = [each for each in truth.disputes.get(charge["id"], ()) if each["status"] in _TAKEN_BACK]
            kept = max(charge["amount_captured"] - refunded - sum(each["amount"] for each in contested), 0)
            yield {
                "at": charge["created"],
                "id": charge["id"],
                "currency": charge["currency"],
                "amount": charge["amount_captured"],
                "kept": kept,
                "card": (charge["payment_method_details"] or {}).get("card"),
            }
    for invoice in _of(truth.invoices, customers):
        records = truth.records.get(invoice["id"], ())
        for record in records:
            paid_at = record["status_transitions"]["paid_at"]
            yield _outside(paid_at, record["id"], record["currency"], record["amount_paid"])
        outside = (invoice.get("amount_paid_off_stripe") or 0) - sum(record["amount_paid"] for record in records)
        if outside > 0:
            at = invoice["status_transitions"]["paid_at"] or invoice["created"]
            yield _outside(at, invoice["id"], invoice["currency"], outside)


def _outside(at: int, id_: str, currency: str, amount: int) -> dict[str, Any]:
    """Give a payment that was made outside Stripe."""
    return {"at": at, "id": id_, "currency": currency, "amount": amount, "kept": amount, "card": None}


def _given_back(truth: Truth, customers: Sequence[str], currency: str | None) -> Iterable[int]:
    """Give what credit notes gave back outside Stripe."""
    for note in _of(truth.credit_notes, customers):
        if note["status"] != "void" and note["currency"] == currency:
            yield note["out_of_band_amount"] or 0


def _unpaid(invoices: Iterable[Payload]) -> Iterable[Payload]:
    return (each for each in invoices if each["status"] == "open" and each["amount_remaining"] > 0)


def _of_open_invoices(unpaid: Sequence[Payload], charges: Iterable[Payload], currency: str | None) -> dict[str, Any]:
    retries = [invoice["next_payment_attempt"] for invoice in unpaid if invoice["next_payment_attempt"]]
    # A debit that is under way is an attempt that has not failed.
    pending = [(each["customer"], each["currency"], each["amount"]) for each in charges if each["status"] == "pending"]
    failed = 0
    due: dict[str, int] = defaultdict(int)
    for invoice in unpaid:
        due[invoice["currency"]] += invoice["amount_remaining"]
        asked = (invoice["customer"], invoice["currency"], invoice["amount_remaining"])
        attempts = invoice["attempt_count"] if invoice["attempted"] else 0
        if asked in pending:
            pending.remove(asked)
            attempts = max(attempts - 1, 0)
        failed += attempts
    others = _others(currency, due, lambda each: Fraction(due[each], minor_units(each)))
    return {
        "failed_payment_count": failed,
        "next_payment_attempt_at": min(retries, default=None),
        "open_invoice_amount": major(due.get(currency or "", 0), currency),
        "open_invoice_amount_other_currencies": others,
        "open_invoice_url": unpaid[0]["hosted_invoice_url"] if unpaid else None,
    }


def _of_card(
    owner: Payload, payer: Payload | None, main: Payload | None, last: Sequence[dict[str, Any]]
) -> dict[str, Any]:
    """Tell the card that will be charged: the subscription's, else its customer's, else that of the last payment."""
    charged = None
    if main is not None and payer is not None and not _is_over(main):
        charged = main["default_payment_method"] or main["default_source"] or _default_of(payer)
    charged = charged or _default_of(owner)
    cards = [_told_of(_card(charged))] if charged else [_told_of(payment["card"]) for payment in last]
    names = ("card_brand", "card_last4", "card_expires_at")
    return {name: OneOf(tuple(card[place] for card in cards)) if cards else None for place, name in enumerate(names)}


def _told_of(card: Any) -> tuple[Any, Any, Any]:
    """Tell a card's brand, last digits, and the second in which its last month is over."""
    if card is None:
        return None, None, None
    year, month = divmod(card["exp_year"] * 12 + card["exp_month"], 12)
    return card["brand"].lower(), card["last4"], int(datetime(year, month + 1, 1, tzinfo=UTC).timestamp())


def _default_of(customer: Payload) -> Any:
    # The remains of a deleted customer name their card and do not show it.
    named = customer["invoice_settings"]["default_payment_method"] or customer["default_source"]
    return named if isinstance(named, dict) else None


def _card(charged: Payload) -> Any:
    """Give the card of a payment method, or a card of the old kind itself; None where it is no card."""
    return charged if charged["object"] == "card" else charged.get("card")


def _of(by_customer: Mapping[str, list[Payload]], customers: Iterable[str]) -> list[Payload]:
    return [payload for id_ in customers for payload in by_customer.get(id_, ())]


def major(amount: int, currency: str | None) -> float:
    """Give an amount of Stripe's smallest units in units of the currency."""
    return float(Fraction(amount, minor_units(currency)))
