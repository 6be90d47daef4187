"""The model over an account that lives, read from the sandbox as from Stripe."""

import json
from fractions import Fraction
from typing import Any

import pytest

from stripe_cio_pipeline.cli.demo_revenue import Served, mrr
from stripe_cio_pipeline.extract import extract
from stripe_cio_pipeline.policy import Policy
from stripe_cio_pipeline.sandbox import Sandbox
from stripe_cio_pipeline.settings import load_settings
from tests.model.account import Account, Payload

PEOPLE = "select * exclude (_seq) from model.people order by person_id"


def test_days_that_pass_give_the_same_as_building_anew_and_mrr_is_right(
    account: Account, monkeypatch: pytest.MonkeyPatch
) -> None:
    with Sandbox(seed=11, customers=40) as sandbox:
        for name, value in sandbox.environment().items():
            monkeypatch.setenv(name, value)
        settings = load_settings()
        extract(account.warehouse, settings, Policy(), run_id="run-0")
        assert account.build().full
        for day in range(1, 4):
            sandbox.clock.advance(days=2)
            extract(account.warehouse, settings, Policy(), run_id=f"run-{day}")
            report = account.build()
            assert not report.full
            assert report.changed < report.people
    day_by_day = account.rows(PEOPLE)

    account.build(full=True)

    assert account.rows(PEOPLE) == day_by_day
    assert {person["person_id"]: Fraction(str(person["mrr"])) for person in day_by_day} == _expected(account)
    assert any(person["_source_event_id"] for person in day_by_day)


def _expected(account: Account) -> dict[str, Fraction]:
    """Compute everybody's MRR from the raw payloads."""
    coupons = {coupon["id"]: coupon for coupon in _raw(account, "coupons")}
    served = Served({}, {price["id"]: price for price in _raw(account, "prices")}, coupons, _raw(account, "invoices"))
    person_of = {row["customer_id"]: row["person_id"] for row in account.rows("from model.members")}
    subscriptions: dict[str, list[Payload]] = {}
    for raw in _raw(account, "subscriptions"):
        items = [{**item, "discounts": _opened(item.get("discounts"), coupons)} for item in raw["items"]["data"]]
        opened = {**raw, "items": {"data": items}, "discounts": _opened(raw["discounts"], coupons)}
        # Stripe no longer lists a deleted customer, but still lists what that one had: it belongs to nobody.
        if raw["customer"] in person_of:
            subscriptions.setdefault(person_of[raw["customer"]], []).append(opened)
    currencies = {person["person_id"]: person["currency"] for person in account.people().values()}
    return {person: mrr(served, subscriptions.get(person, []), currency) for person, currency in currencies.items()}


def _raw(account: Account, table: str) -> list[dict[str, Any]]:
    return [json.loads(row["payload"]) for row in account.rows(f"select payload from stripe.{table}")]


def _opened(discounts: list[Any] | None, coupons: dict[str, Payload]) -> list[Payload]:
    opened = []
    for discount in discounts or []:
        coupon = discount["source"]["coupon"]
        assert coupon["created"] == coupons[coupon["id"]]["created"]
        opened.append({"source": {"coupon": coupons[coupon["id"]]}})
    return opened
