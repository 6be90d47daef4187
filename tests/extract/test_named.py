"""What something names and no list gives is read once, and kept: archived and inline prices, former coupons."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from stripe_cio_pipeline.extract import Patience
from stripe_cio_pipeline.sandbox import Fault

from .stage import Stage


@pytest.fixture
def empty(tmp_path: Path) -> Iterator[Stage]:
    stage = Stage(tmp_path, customers=0)
    with stage.sandbox:
        yield stage


def subscribed(stage: Stage, **given: object) -> dict[str, object]:
    customer = stage.stripe.create_customer(email="customer-1@example.com")["id"]
    return stage.stripe.create_subscription(customer, **given)


def coupons(stage: Stage) -> list[tuple[object, ...]]:
    return stage.rows(
        "select id, deleted, created, payload ->> '$.name', cast(payload ->> '$.percent_off' as double)"
        " from stripe.coupons order by all"
    )


def test_an_archived_and_an_inline_price_are_read_by_id_once(empty: Stage) -> None:
    archived = empty.stripe.create_price(unit_amount=900)["id"]
    inline = empty.stripe.create_price(unit_amount=700, inline=True)["id"]
    unused = empty.stripe.create_price(unit_amount=500)["id"]
    subscribed(empty, prices=[archived, inline])
    for price in (archived, unused):
        empty.stripe.update_price(price, active=False)
    empty.pass_time(hours=1)
    empty.extract()
    assert set(empty.stored("prices")) == {archived, inline}
    reads = empty.stripe.counters["GET /v1/prices/{id}"]
    empty.settle()
    subscribed(empty, prices=[archived, inline])
    empty.settle()
    empty.extract()
    assert empty.stripe.counters["GET /v1/prices/{id}"] == reads == 2
    report = empty.reconcile()
    assert (report.clean, report.whole) == (True, True)
    assert empty.stripe.counters["GET /v1/prices/{id}"] == reads
    empty.assert_in_step()


def test_a_named_price_and_a_former_coupon_that_cannot_be_read_now_are_read_later(empty: Stage) -> None:
    """Being named once is no reason to forget it: nothing else would ever ask for it."""
    inline = [empty.stripe.create_price(unit_amount=700 + number, inline=True)["id"] for number in range(2)]
    coupon = empty.stripe.create_coupon(name="Founders", percent_off=50.0)
    subscription = subscribed(empty, prices=inline, coupon=coupon["id"])["id"]
    empty.stripe.delete_coupon(coupon["id"])
    empty.pass_time(hours=1)
    for path in (f"/v1/prices/{inline[0]}", f"/v1/subscriptions/{subscription}"):
        empty.stripe.faults.rate(1.0, Fault.error(500), path=path)
    report = empty.extract(patience=Patience(attempts=1))
    assert report.failures == ()
    assert {unread.object for unread in report.unread} == {"prices", "coupons"}
    assert set(empty.stored("prices")) == {inline[1]}
    empty.extract(patience=Patience(attempts=1))
    empty.stripe.faults.clear()
    requests = empty.requests()
    # Not at once, but named.
    assert {unread.object for unread in empty.extract().unread} == {"prices", "coupons"}
    assert empty.requests() == requests + 1
    with empty.warehouse.transaction() as connection:
        connection.execute("update pipeline.unread set next_at = next_at - interval 10 minute")
    assert empty.extract().unread == ()
    assert set(empty.stored("prices")) == set(inline)
    assert [row[3] for row in coupons(empty)] == ["Founders"]
    assert empty.rows("select * from pipeline.unread") == []
    requests = empty.requests()
    empty.extract()
    assert empty.requests() == requests + 1


def test_a_price_that_is_archived_later_stays_and_is_not_missed(empty: Stage) -> None:
    price = empty.stripe.create_price(unit_amount=900)["id"]
    empty.extract()
    empty.settle()
    empty.stripe.update_price(price, active=False)
    empty.settle()
    report = empty.reconcile()
    assert (report.clean, report.whole) == (True, True)
    assert empty.stored("prices")[price]["active"] is False


def test_the_coupon_of_a_discount_is_kept_though_it_was_deleted_before_the_first_sync(empty: Stage) -> None:
    product = empty.stripe.create_product("Plan")["id"]
    coupon = empty.stripe.create_coupon(name="Founders", percent_off=50.0, applies_to=[product])
    id_ = subscribed(empty, coupon=coupon["id"])["id"]
    empty.stripe.delete_coupon(coupon["id"])
    empty.pass_time(hours=1)
    empty.extract()
    assert coupons(empty) == [(f"{coupon['id']}@{coupon['created']}", True, coupon["created"], "Founders", 50.0)]
    (kept,) = empty.stored("coupons", deleted=True).values()
    assert kept["applies_to"] == {"products": [product]}
    (discount,) = empty.stored("subscriptions")[id_]["discounts"]
    assert discount["source"]["coupon"] == {"id": coupon["id"], "object": "coupon", "created": coupon["created"]}
    requests = empty.requests()
    empty.pass_time(hours=1)
    empty.extract()
    assert empty.requests() == requests + 1
    empty.assert_in_step()


def test_a_coupon_that_is_made_again_under_an_old_id_does_not_take_the_place_of_the_old_one(empty: Stage) -> None:
    first = empty.stripe.create_coupon(id="FOUNDERS", percent_off=50.0)["created"]
    id_ = subscribed(empty, coupon="FOUNDERS")["id"]
    empty.extract()
    before = empty.stored("subscriptions")[id_]
    empty.settle()
    empty.stripe.delete_coupon("FOUNDERS")
    empty.pass_time(minutes=5)
    second = empty.stripe.create_coupon(id="FOUNDERS", percent_off=10.0)["created"]
    later = subscribed(empty, coupon="FOUNDERS")["id"]
    empty.settle()
    empty.extract()
    assert coupons(empty) == [
        ("FOUNDERS", False, second, None, 10.0),
        (f"FOUNDERS@{first}", True, first, None, 50.0),
    ]
    assert empty.stored("subscriptions")[id_] == before
    (discount,) = empty.stored("subscriptions")[later]["discounts"]
    assert discount["source"]["coupon"]["created"] == second
    empty.assert_in_step()


def test_the_former_coupon_of_an_item_and_of_a_customer_is_found_too(empty: Stage) -> None:
    of_item = empty.stripe.create_coupon(id="ITEM", percent_off=30.0)["created"]
    of_customer = empty.stripe.create_coupon(id="CUSTOMER", percent_off=20.0)["created"]
    subscription = subscribed(empty)
    item = subscription["items"]["data"][0]["id"]  # type: ignore[index]
    empty.stripe.add_discount(item, "ITEM")
    empty.stripe.add_discount(subscription["customer"], "CUSTOMER")
    for coupon in ("ITEM", "CUSTOMER"):
        empty.stripe.delete_coupon(coupon)
    empty.pass_time(hours=1)
    empty.extract()
    assert [(id_, percent) for id_, _, _, _, percent in coupons(empty)] == [
        (f"CUSTOMER@{of_customer}", 20.0),
        (f"ITEM@{of_item}", 30.0),
    ]
    empty.assert_in_step()


def test_a_redeemed_or_renamed_coupon_changes_no_subscription(empty: Stage) -> None:
    coupon = empty.stripe.create_coupon(name="Partner", percent_off=20.0)["id"]
    id_ = subscribed(empty, coupon=coupon)["id"]
    empty.extract()
    empty.settle()
    subscribed(empty, coupon=coupon)
    empty.settle()
    report = empty.reconcile()
    assert (report.clean, report.whole) == (True, True)
    (seq,) = empty.rows("select seq from stripe.subscriptions where id = ?", id_)[0]
    assert seq < empty.rows("select max(seq) from stripe.coupons")[0][0]
    empty.assert_in_step()
