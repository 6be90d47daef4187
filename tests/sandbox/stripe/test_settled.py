"""A million customers who cost nothing until something happens to them."""

from collections.abc import Iterator
from typing import Any

import orjson
import pytest

from stripe_cio_pipeline.sandbox import Clock, StripeAccount, StripeSwitches
from stripe_cio_pipeline.sandbox.stripe.answers import Answers, Call

START = 1_790_000_000
TYPES = {
    "customer": "customers",
    "subscription": "subscriptions",
    "invoice": "invoices",
    "charge": "charges",
    "payment_intent": "payment_intents",
    "invoice_payment": "invoice_payments",
}


def settled(count: int, living: int = 3) -> StripeAccount:
    return StripeAccount(StripeSwitches(), Clock(START), customers=count, living=living)


def asked(account: StripeAccount, path: str, query: str = "") -> Any:
    call = Call("GET", f"/v1/{path}", query.encode(), "2026-10-28.endive", restricted=False)
    return orjson.loads(Answers(account).answer(call, account.secret_key))


def walked(account: StripeAccount, path: str, query: str = "") -> Iterator[dict[str, Any]]:
    cursor = ""
    while True:
        page = asked(account, path, f"limit=100&{query}{cursor}")
        yield from page["data"]
        if not page["has_more"]:
            return
        cursor = f"&starting_after={page['data'][-1]['id']}"


@pytest.fixture(scope="module")
def million() -> StripeAccount:
    return settled(1_000_000, living=20)


def test_a_million_customers_are_served_from_next_to_no_memory(million: StripeAccount) -> None:
    stored = sum(len(shelf.records) for shelf in million.books.shelves.values())
    assert stored < 5_000
    assert million.dump()["objects"]["customer"] >= 1_000_000
    page = asked(million, "customers", "limit=100&created[lt]=1780000000")
    assert len({row["id"] for row in page["data"]}) == 100
    assert page["has_more"] is True
    assert sum(len(orjson.dumps(row)) for row in page["data"]) / 100 > 750


def test_any_of_them_is_found_by_id_and_has_what_belongs_to_it(million: StripeAccount) -> None:
    invoice = asked(million, "invoices", "limit=1&created[lt]=1770000000")["data"][0]
    customer = asked(million, f"customers/{invoice['customer']}")
    subscription = asked(million, f"subscriptions/{invoice['parent']['subscription_details']['subscription']}")
    (charge,) = asked(million, "charges", f"customer={customer['id']}")["data"]
    (payment,) = asked(million, f"invoices/{invoice['id']}", "expand[]=payments")["payments"]["data"]
    assert subscription["customer"] == charge["customer"] == customer["id"]
    assert subscription["latest_invoice"] == payment["invoice"] == invoice["id"]
    assert charge["payment_intent"] == payment["payment"]["payment_intent"]
    assert charge["amount_captured"] == invoice["amount_paid"] == invoice["lines"]["data"][0]["amount"]
    assert customer["created"] < subscription["created"] == invoice["created"] == charge["created"]
    old = asked(million, f"customers/{customer['id']}", "expand[]=subscriptions")
    assert [row["id"] for row in old["subscriptions"]["data"]] == [subscription["id"]]


@pytest.mark.parametrize("path", TYPES.values())
def test_settled_and_living_rows_are_one_list_in_order(path: str) -> None:
    account = settled(230, living=30)
    rows = list(walked(account, path, "status=all" if path == "subscriptions" else ""))
    assert len({row["id"] for row in rows}) == len(rows)
    moments = [row["created"] for row in rows]
    assert moments == sorted(moments, reverse=True)
    if path == "customers":
        assert len(rows) == 230
    some = rows[len(rows) // 2]
    newer = asked(
        account, path, f"limit=100&ending_before={some['id']}" + ("&status=all" if path == "subscriptions" else "")
    )
    assert newer["data"][-1] == rows[len(rows) // 2 - 1]


def test_ids_do_not_sort_and_an_invented_one_is_nobodys() -> None:
    account = settled(200)
    ids = [row["id"] for row in walked(account, "customers", "created[lt]=1787000000")]
    assert ids != sorted(ids)
    assert ids != sorted(ids, reverse=True)
    assert account.object("customer", "cus_00000000000000") is None


def test_a_created_slice_splits_them_without_loss() -> None:
    account = settled(300)
    rows = list(walked(account, "customers"))
    middle = rows[150]["created"]
    low = list(walked(account, "customers", f"created[lt]={middle}"))
    high = list(walked(account, "customers", f"created[gte]={middle}"))
    assert high + low == rows


def test_the_default_card_is_expanded_for_them_too() -> None:
    account = settled(60)
    rows = list(walked(account, "customers", "expand[]=data.invoice_settings.default_payment_method"))
    cards = [row["invoice_settings"]["default_payment_method"] for row in rows]
    assert any(card is None for card in cards)
    for row, card in zip(rows, cards, strict=True):
        if card is not None:
            assert card == asked(account, f"payment_methods/{card['id']}")
            assert card["customer"] == row["id"]


def test_one_that_is_changed_stays_in_its_place_and_lives_on() -> None:
    account = settled(100)
    before = [row["id"] for row in walked(account, "customers")]
    chosen = next(row for row in walked(account, "subscriptions") if row["created"] < START - 40 * 86_400)
    account.update_customer(chosen["customer"], email="moved@example.com")
    account.cancel_subscription(chosen["id"])
    assert [row["id"] for row in walked(account, "customers")] == before
    assert asked(account, f"customers/{chosen['customer']}")["email"] == "moved@example.com"
    assert asked(account, f"subscriptions/{chosen['id']}")["status"] == "canceled"
    assert {event["type"] for event in account.events()} >= {"customer.updated", "customer.subscription.deleted"}
    account.delete_customer(chosen["customer"])
    assert [row["id"] for row in walked(account, "customers")] == [id_ for id_ in before if id_ != chosen["customer"]]
    assert asked(account, f"customers/{chosen['customer']}")["deleted"] is True


def test_their_years_end_one_after_the_other_and_are_billed() -> None:
    account = settled(200)
    count = len(account.objects("invoice"))
    account.clock.advance(days=30)
    renewals = [event for event in account.events() if event["type"] == "customer.subscription.updated"]
    assert renewals
    assert len(account.objects("invoice")) > count
    assert account.books.settled is not None
    assert 0 < len(account.books.settled.woken) < 60


def test_old_shapes_are_made_of_them_too() -> None:
    account = settled(40)
    call = Call("GET", "/v1/invoices", b"limit=1&created[lt]=1780000000", "2025-02-24.acacia", restricted=False)
    (invoice,) = orjson.loads(Answers(account).answer(call, ""))["data"]
    assert invoice["charge"].startswith("ch_")
    assert account.object("charge", invoice["charge"])["amount"] == invoice["amount_due"]  # type: ignore[index]


def test_a_state_with_settled_customers_can_be_saved_and_loaded() -> None:
    account = settled(80)
    chosen = next(walked(account, "subscriptions", "created[lt]=1780000000"))
    account.cancel_subscription(chosen["id"])
    account.clock.advance(days=3)
    state = orjson.loads(orjson.dumps(account.save_state(), option=orjson.OPT_NON_STR_KEYS))
    again = settled(80)
    again.load_state(state)
    again.clock.advance(days=3)
    for type_ in ("customer", "subscription", "invoice", "charge"):
        assert again.objects(type_) == account.objects(type_)
