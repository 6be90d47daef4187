"""What is no answer of Stripe's is told as what it is. Nothing follows from it: no end of a list, deletion or row."""

import gzip
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import orjson
import pytest

from stripe_cio_pipeline.errors import StripeError, StripeRequestError, StripeUnavailable
from stripe_cio_pipeline.extract import Patience
from stripe_cio_pipeline.sandbox import StripeSwitches
from tests.extract.between import Between, between_stage
from tests.extract.stage import Stage

TWICE = Patience(attempts=2, wait_initial=0.001, wait_max=0.01)
PAGE = b"<html><body>404 Not Found</body></html>"
LISTED = {"object": "list", "url": "/v1/customers"}


@pytest.fixture
def stage(tmp_path: Path) -> Iterator[Stage]:
    stage = Stage(tmp_path, customers=8, history_days=40, switches=StripeSwitches(late_events_share=0.0))
    with stage.sandbox:
        yield stage


@pytest.fixture
def wire(stage: Stage, monkeypatch: pytest.MonkeyPatch) -> Iterator[Between]:
    with between_stage(stage, monkeypatch) as one:
        yield one


def finished(stage: Stage, name: str) -> bool:
    marks = stage.rows("select value from pipeline.cursors where name = ?", f"history.{name}")
    return bool(marks) and "finished" in marks[0][0]


@pytest.mark.parametrize(
    ("body", "told"),
    [
        pytest.param(
            orjson.dumps({**LISTED, "data": [], "has_more": True}), "not what was asked for", id="no row, more"
        ),
        pytest.param(orjson.dumps({**LISTED, "data": []}), "not what was asked for", id="no word whether it goes on"),
        pytest.param(PAGE, "not JSON", id="a page of HTML"),
        pytest.param(b'{"object": "list", "data": [', "JSON ends early", id="cut"),
        pytest.param(
            b'{"data": %s1%s}' % (b"[" * 2_000, b"]" * 2_000), "nested too deep", id="deeper than can be parsed"
        ),
        pytest.param(
            b'{"has_more": false, "data": [{"id": "cus_1", "metadata": %s1%s}]}' % (b"[" * 900, b"]" * 900),
            "nested too deep",
            id="deeper than can be stored",
        ),
    ],
)
def test_an_answer_that_is_no_page_ends_no_list(stage: Stage, wire: Between, body: bytes, told: str) -> None:
    wire.answer("/v1/customers", body)
    with pytest.raises(StripeUnavailable, match=told):
        stage.extract(objects=["customers"], patience=TWICE)
    assert stage.stored("customers") == {}
    assert not finished(stage, "customers")


def test_a_page_that_was_kept_by_something_on_the_way_ends_no_list_and_begins_no_endless_one(
    stage: Stage, wire: Between
) -> None:
    """The first page of all, whatever was asked for."""
    customer = next(iter(stage.stripe.objects("customer").values()))
    stage.stripe.load([{**customer, "id": f"cus_more{number:03d}"} for number in range(150)])
    kept: list[bytes] = []

    def keep(body: bytes) -> bytes:
        kept.append(body)
        return kept[0]

    wire.changes["/v1/customers"] = keep
    with pytest.raises(StripeUnavailable, match="not the one that was asked for"):
        stage.extract(objects=["customers"], patience=TWICE)
    assert len(kept) < 10
    assert not finished(stage, "customers")
    wire.clear()
    stage.extract(objects=["customers"])
    assert stage.stored("customers") == stage.listed("customers")


def test_a_page_of_another_time_than_was_asked_for_is_refused(stage: Stage, wire: Between) -> None:
    stage.extract()
    stage.pass_time(days=1)
    stage.stripe.create_customer(email="customer-99@example.com")
    before = stage.rows("select value from pipeline.cursors where name = 'events.watermark'")
    wire.change("/v1/events", lambda page: page["data"].append({**page["data"][0], "id": "evt_old", "created": 1}))
    with pytest.raises(StripeUnavailable, match="evt_old is on it"):
        stage.extract()
    assert stage.rows("select value from pipeline.cursors where name = 'events.watermark'") == before


def test_an_answer_that_unpacks_to_more_than_there_is_memory_is_given_up(
    stage: Stage, wire: Between, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("stripe_cio_pipeline.extract.wire.MOST_BYTES", 2_000_000)
    wire.answer("/v1/customers", gzip.compress(b" " * 20_000_000), Content_Encoding="gzip")
    with pytest.raises(StripeUnavailable, match="more than 2 MB"):
        stage.extract(objects=["customers"], patience=TWICE)


@pytest.mark.parametrize("status", [302, 401, 403, 404])
def test_a_proxys_answer_says_nothing_about_the_account(stage: Stage, wire: Between, status: int) -> None:
    wire.answer("/v1/customers", PAGE, status, Location="https://login.example.com/")
    with pytest.raises(StripeUnavailable, match=f"{status} with an answer that is not Stripe's"):
        stage.extract(objects=["customers"], patience=TWICE)


def test_only_stripes_own_word_is_a_deletion(stage: Stage, wire: Between) -> None:
    stage.extract()
    changed = next(iter(stage.stored("customers")))
    for name in ("One of two", "in a second"):
        stage.stripe.update_customer(changed, name=name)
    wire.answer(f"/v1/customers/{changed}", PAGE, 404)
    [unread] = stage.extract(patience=TWICE).unread
    assert "status 404 with an answer that is not Stripe's" in unread.what
    assert changed in stage.stored("customers")
    wire.clear()
    stage.extract()
    assert stage.stored("customers")[changed]["name"] == "in a second"


def test_half_of_a_surrogate_pair_becomes_the_sign_for_what_is_no_character(stage: Stage, wire: Between) -> None:
    customer = next(iter(stage.stripe.objects("customer")))
    stage.stripe.update_customer(customer, name="Somebody with HALF a pair and 😀")
    # So that the list is certain to show it, and no event asks for a look at the customer alone.
    stage.pass_time(minutes=20)
    wire.changes["/v1/customers"] = lambda body: body.replace(b"HALF", b"\\ud83d")
    stage.extract(objects=["customers"])
    wire.clear()
    assert stage.stored("customers")[customer]["name"] == "Somebody with \ufffd a pair and 😀"
    assert set(stage.stored("customers")) == set(stage.listed("customers"))


def cut_items(rows: int) -> Any:
    def cut(page: dict[str, Any]) -> None:
        for subscription in page["data"]:
            items = subscription["items"]
            items.update(data=items["data"][:rows], has_more=True)

    return cut


def test_a_list_inside_an_object_that_has_more_and_shows_nothing_is_read_from_its_start(
    stage: Stage, wire: Between
) -> None:
    wire.change("/v1/subscriptions", cut_items(0))
    stage.extract(objects=["subscriptions"])
    wire.clear()
    assert stage.stored("subscriptions") == stage.listed("subscriptions")


def test_a_list_inside_an_object_that_may_not_be_continued_is_not_stored_cut(stage: Stage, wire: Between) -> None:
    wire.change("/v1/subscriptions", cut_items(1))
    refusal = {"error": {"type": "invalid_request_error", "code": "resource_missing", "param": "subscription"}}
    wire.answer("/v1/subscription_items", orjson.dumps(refusal), 400)
    with pytest.raises(StripeRequestError, match="subscription_items"):
        stage.extract(objects=["subscriptions"])
    assert stage.stored("subscriptions") == {}


@pytest.mark.parametrize("act", ["history", "reconcile"])
def test_one_object_of_a_page_that_cannot_be_completed_leaves_the_page_alone(
    stage: Stage, wire: Between, act: str
) -> None:
    """Its items are cut off, and their own address gives none: nothing of it is stored, and all of the others is."""
    bad, *others = sorted(stage.stripe.objects("subscription"))

    def cut_one(page: dict[str, Any]) -> None:
        for subscription in page.get("data", [page]):
            if subscription["id"] == bad:
                subscription["items"].update(data=[], has_more=True)

    if act == "reconcile":
        stage.extract()
    for path in ("/v1/subscriptions", f"/v1/subscriptions/{bad}"):
        wire.change(path, cut_one)
    wire.answer("/v1/subscription_items", PAGE, 502)
    report: Any = stage.reconcile(patience=TWICE) if act == "reconcile" else stage.extract(patience=TWICE)
    assert report.failures == ()
    [unread] = report.unread
    assert bad in unread.what
    assert set(others) <= set(stage.stored("subscriptions"))
    assert (bad in stage.stored("subscriptions")) == (act == "reconcile")
    wire.clear()
    assert stage.extract().unread == ()
    stage.assert_in_step()


def test_a_row_to_go_on_from_that_is_gone_has_the_list_read_from_its_start(stage: Stage, wire: Between) -> None:
    def name_another(page: dict[str, Any]) -> None:
        for subscription in page["data"]:
            items = subscription["items"]
            items.update(data=[{**items["data"][0], "id": "si_gone"}], has_more=True)

    wire.change("/v1/subscriptions", name_another)
    stage.extract(objects=["subscriptions"])
    wire.clear()
    assert stage.stored("subscriptions") == stage.listed("subscriptions")


@pytest.mark.parametrize("field", ["type", "created"])
def test_an_event_without_what_every_event_has_is_told_and_moves_nothing(
    stage: Stage, wire: Between, field: str
) -> None:
    stage.extract()
    before = stage.rows("select value from pipeline.cursors where name = 'events.watermark'")
    stage.pass_time(minutes=20)
    stage.stripe.create_customer(email="customer-99@example.com")
    wire.change("/v1/events", lambda page: page["data"][0].pop(field))
    with pytest.raises(StripeError, match="lacks its type or its moment"):
        stage.extract()
    assert stage.rows("select value from pipeline.cursors where name = 'events.watermark'") == before
    wire.clear()
    stage.extract()
    stage.assert_in_step()


def test_the_invoice_to_come_is_an_event_and_no_row(stage: Stage) -> None:
    stage.extract()
    invoice = next(iter(stage.stripe.objects("invoice").values()))
    stage.pass_time(minutes=2)
    stage.stripe.create_customer(email="customer-99@example.com")
    event = max(stage.stripe.events(), key=lambda event: event["created"])
    preview = {**invoice, "id": "upcoming_in_1", "status": "draft"}
    stage.stripe.load([{**event, "id": "evt_upcoming", "type": "invoice.upcoming", "data": {"object": preview}}])
    stage.extract()
    [(customer,)] = stage.rows("select customer_id from stripe.events where type = 'invoice.upcoming'")
    assert customer == invoice["customer"]
    assert "upcoming_in_1" not in stage.stored("invoices")
    stage.assert_in_step()
