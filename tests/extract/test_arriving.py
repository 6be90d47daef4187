"""Events that arrive by themselves: whatever their order and number, the end is what a read would have shown.

And the poll goes on as if nobody had sent anything: it finds what did not arrive.
"""

import itertools
import random
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import orjson
import pytest

from stripe_cio_pipeline.extract import Arrived, TakenIn, take_in
from stripe_cio_pipeline.extract.state import BROUGHT, FOUND, NEWEST_LISTED, WATERMARK, read_state
from stripe_cio_pipeline.sandbox import Fault, StripeSwitches
from stripe_cio_pipeline.warehouse import read_cursor
from tests.extract.stage import QUICK, Stage

QUIET = {"late_events_share": 0.0, "duplicate_events_share": 0.0}


@pytest.fixture
def stage(tmp_path: Path) -> Iterator[Stage]:
    """A small account that was read, some time ago."""
    stage = Stage(tmp_path, customers=3, history_days=10, switches=StripeSwitches(**QUIET))
    with stage.sandbox:
        stage.extract()
        stage.pass_time(minutes=5)
        yield stage


def arrive(stage: Stage, events: Sequence[dict[str, Any]], **options: Any) -> TakenIn:
    """Let events arrive together, as signed just now."""
    now = int(stage.sandbox.clock.now())
    arrived = [Arrived(orjson.dumps(event), now) for event in events]
    options = {"patience": QUICK, "run_id": "listen-1", **options}
    return take_in(stage.warehouse, stage.settings, stage.policy, arrived=arrived, **options)


def made_by(stage: Stage, *acts: Any, seconds: float = 0) -> list[dict[str, Any]]:
    """Do things to the account, with so many seconds between, and give the events that this made."""
    before = {event["id"] for event in stage.stripe.events()}
    for act in acts:
        act()
        if seconds:
            stage.pass_time(seconds=seconds)
    return [event for event in stage.stripe.events() if event["id"] not in before]


def cursor(stage: Stage, name: str) -> str | None:
    with stage.warehouse.reading() as connection:
        return read_cursor(connection, name)


def test_what_an_event_shows_is_stored_without_a_read_and_the_watermark_stays(stage: Stage) -> None:
    watermark = cursor(stage, WATERMARK)
    arrive(stage, [])
    events = made_by(stage, lambda: stage.stripe.create_customer(email="customer-1@example.com"), seconds=60)

    taken = arrive(stage, events, is_simulated=True)

    assert (taken.new, taken.requests, taken.waits_for, taken.failures) == (1, 0, "", ())
    assert taken.account == stage.stripe.switches.account_id
    (id_,) = {event["data"]["object"]["id"] for event in events}
    assert stage.stored("customers")[id_] == stage.listed("customers")[id_]
    assert stage.rows("select count(*) from pipeline.signals") == [(0,)]
    assert cursor(stage, WATERMARK) == watermark


def test_it_finds_out_by_itself_whether_the_clock_is_moved_by_hand(stage: Stage) -> None:
    assert arrive(stage, []).is_simulated


def test_before_the_first_sync_events_wait(tmp_path: Path) -> None:
    stage = Stage(tmp_path, customers=1, history_days=5, switches=StripeSwitches(**QUIET))
    with stage.sandbox:
        events = stage.stripe.events()
        assert arrive(stage, events).waits_for == "the first sync"
        assert not stage.warehouse.exists
        stage.stripe.faults.rate(1.0, Fault.error(400), path="/v1/customers")
        stage.extract(raise_failures=False)
        stage.stripe.faults.clear()
        assert "the history of customers" in arrive(stage, events).waits_for
        assert stage.rows("select count(*) from stripe.events where run_id = 'listen-1'") == [(0,)]
        stage.extract()
        assert arrive(stage, events).waits_for == ""


def customer_life(stage: Stage) -> list[Any]:
    """Create, update, delete: three acts on one customer."""
    made: list[str] = []
    return [
        lambda: made.append(stage.stripe.create_customer(email="customer-1@example.com", name="One")["id"]),
        lambda: stage.stripe.update_customer(made[0], name="Two"),
        lambda: stage.stripe.delete_customer(made[0]),
    ]


@pytest.mark.parametrize("seconds", [0, 90], ids=["within a second", "with time between"])
@pytest.mark.parametrize("acts", [2, 3], ids=["create and update", "create, update and delete"])
def test_all_orders_of_create_update_and_delete_end_as_a_read_would(stage: Stage, seconds: float, acts: int) -> None:
    orders = list(itertools.permutations(range(acts)))
    lives = [made_by(stage, *customer_life(stage)[:acts], seconds=seconds) for _ in orders]
    for events, order in zip(lives, orders, strict=True):
        for at in order:
            arrive(stage, [events[at]], is_simulated=True)
    stored, listed = stage.stored("customers"), stage.listed("customers")
    gone = stage.stored("customers", deleted=True)
    for events in lives:
        id_ = events[0]["data"]["object"]["id"]
        assert stored.get(id_) == listed.get(id_)
        assert (id_ in gone) is (acts == 3)


def test_several_copies_and_the_poll_between_store_an_event_once(stage: Stage) -> None:
    events = made_by(stage, *customer_life(stage)[:2], seconds=90)
    first, second = events
    assert arrive(stage, [first, first, first, first]).new == 1
    assert stage.extract().events == 1
    assert arrive(stage, [first, second, second]).new == 0
    stage.pass_time(days=29)
    assert arrive(stage, [second]).new == 0
    ids = [event["id"] for event in events]
    assert stage.rows("select count(*) from stripe.events where id in (select unnest(?))", ids) == [(2,)]


def test_an_event_that_comes_late_never_overwrites_what_is_newer(stage: Stage) -> None:
    created, updated = made_by(stage, *customer_life(stage)[:2], seconds=90)
    arrive(stage, [updated], is_simulated=True)
    assert arrive(stage, [created], is_simulated=True).new == 1
    id_ = created["data"]["object"]["id"]
    assert stage.stored("customers")[id_]["name"] == "Two"


def test_the_poll_finds_what_did_not_arrive_and_says_how_much(stage: Stage) -> None:
    first, second = made_by(stage, *customer_life(stage)[:2], seconds=90)
    arrive(stage, [first])
    report = stage.extract()
    assert report.events == 1
    assert (cursor(stage, BROUGHT), cursor(stage, FOUND)) == ("1", "1")
    assert stage.stored("customers")[second["data"]["object"]["id"]]["name"] == "Two"
    assert stage.extract().events == 0
    assert cursor(stage, FOUND) == "1"


def test_without_webhooks_nothing_is_counted(stage: Stage) -> None:
    made_by(stage, customer_life(stage)[0])
    assert stage.extract().events == 1
    assert (cursor(stage, BROUGHT), cursor(stage, FOUND)) == (None, None)


def test_an_event_that_arrives_does_not_hide_an_older_one_from_a_poll(stage: Stage) -> None:
    """A watermark that was ahead is held down by the newest event that was listed, and not by one that arrived."""
    with stage.warehouse.transaction() as connection:
        newest = read_state(connection, stage.policy).newest_event
    lost, arrived = made_by(stage, *customer_life(stage)[:2], seconds=3_600)
    with stage.warehouse.transaction() as connection:
        # Stripe's clock was ahead by a day in the last answer.
        connection.execute("update pipeline.cursors set value = value::bigint + 86400 where name = ?", [WATERMARK])
    arrive(stage, [arrived], is_simulated=True)
    assert cursor(stage, NEWEST_LISTED) == str(newest)
    with stage.warehouse.reading() as connection:
        state = read_state(connection, stage.policy)
    assert state.floor(0) <= lost["created"]
    stage.pass_time(days=1)
    assert stage.extract().events == 1
    assert int(cursor(stage, NEWEST_LISTED) or 0) >= arrived["created"]


@pytest.mark.parametrize("fields", [{"livemode": True}, {"account": "acct_another"}])
def test_what_is_not_this_warehouses_is_left_out(stage: Stage, fields: dict[str, Any]) -> None:
    (event,) = made_by(stage, customer_life(stage)[0])
    assert arrive(stage, [{**event, **fields}]).new == 0
    assert arrive(stage, [{**event, "account": stage.stripe.switches.account_id}]).new == 1


def test_secrets_in_a_payload_are_taken_out_before_it_is_stored(stage: Stage) -> None:
    (event,) = made_by(stage, customer_life(stage)[0])
    event["data"]["object"]["client_secret"] = "pi_secret_word"
    arrive(stage, [event])
    [(payload,)] = stage.rows("select payload from stripe.events where id = ?", event["id"])
    assert "client_secret" not in payload


def test_an_object_that_cannot_be_read_now_is_told_and_its_event_is_kept(stage: Stage) -> None:
    events = made_by(stage, *customer_life(stage)[:2])
    id_ = events[0]["data"]["object"]["id"]
    stage.stripe.faults.rate(1.0, Fault.error(500), path=f"/v1/customers/{id_}")
    taken = arrive(stage, events)
    assert taken.new == 2
    assert [each.object for each in (*taken.failures, *taken.unread)]
    stage.stripe.faults.clear()
    assert id_ not in stage.stored("customers")
    assert arrive(stage, []).failures == ()


@pytest.mark.parametrize(
    "seed", [*range(4), *(pytest.param(each, marks=pytest.mark.gauntlet) for each in range(4, 200))]
)
def test_any_life_told_in_any_order_with_copies_ends_as_a_read_would(stage: Stage, seed: int) -> None:
    chance, merchant = random.Random(seed), stage.stripe
    made: list[str] = []

    def act() -> None:
        kind = chance.choice(["create", "update", "card", "subscribe", "delete"])
        if kind == "create" or not made:
            made.append(merchant.create_customer(email=f"customer-{len(made)}@example.com")["id"])
            return
        id_ = chance.choice(made)
        if kind == "update":
            merchant.update_customer(id_, name=chance.choice("abc"))
        elif kind == "card":
            merchant.attach_card(id_)
        elif kind == "subscribe":
            merchant.create_subscription(id_)
        else:
            merchant.delete_customer(id_)
            made.remove(id_)

    events: list[dict[str, Any]] = []
    for _ in range(chance.randint(4, 12)):
        events += made_by(stage, act, seconds=chance.choice([0, 0, 1, 45]))
    told = [*events, *events[: len(events) // 2]]
    chance.shuffle(told)
    while told:
        number = chance.randint(1, len(told))
        part, told = told[:number], told[number:]
        arrive(stage, part, is_simulated=True)
    stage.assert_in_step()
    assert stage.rows("select count(*) from pipeline.signals") == [(0,)]
    assert stage.extract().events == 0
