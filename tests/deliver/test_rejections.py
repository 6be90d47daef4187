"""What was refused stays on record, and is due again only for a reason."""

from typing import Any

from stripe_cio_pipeline.deliver import retry
from stripe_cio_pipeline.policy import parse_policy
from tests.deliver.conftest import MakeWorld, World, event, identify, update

LONG = "x" * 1001


def rejections(world: World) -> list[tuple[Any, ...]]:
    return world.ask(
        "select person_id, scope, attempts, payload_hash is not null from customerio.rejections order by all"
    )


def test_the_same_refusal_counts_attempts_and_another_content_begins_anew(world: World) -> None:
    world.deliver(identify(1, plan=LONG))
    world.deliver(identify(1, plan=LONG))
    assert rejections(world) == [("cus_000001", "attributes", 2, True)]
    world.deliver(identify(1, plan=LONG + "y"))
    assert rejections(world) == [("cus_000001", "attributes", 1, True)]
    ((first, last),) = world.ask("select first_at, last_at from customerio.rejections")
    assert first == last


def test_what_is_accepted_later_clears_only_its_own_rejection(make_world: MakeWorld) -> None:
    world = make_world(gentle=True)
    world.deliver(identify(1))
    cio_id = world.workspace.person(id="cus_000001").cio_id
    world.workspace.switches.refuse = {"cus_000001": "not this one", cio_id: "not this one"}
    world.deliver(update(1, {"email": "customer-1@example.com"}, email="new@example.com"))
    world.deliver(update(1, {}, plan="pro"))
    assert rejections(world) == [("cus_000001", "attributes", 1, True), ("cus_000001", "identifier", 1, True)]

    world.workspace.switches.refuse = {}
    world.deliver(update(1, {}, plan="team"))
    assert rejections(world) == [("cus_000001", "identifier", 1, True)]


def test_retry_makes_people_and_events_due_and_keeps_the_count(make_world: MakeWorld) -> None:
    world = make_world(gentle=True)
    world.deliver(identify(1), identify(2))
    world.workspace.switches.refuse = {"cus_000001": "no", "cus_000002": "no"}
    world.deliver(update(1, {}, plan="pro"), update(2, {}, plan="pro"), event(1, "evt_1"))
    assert world.ask("select state from customerio.events") == [("rejected",)]

    assert retry(world.warehouse, ["cus_000002"]) == 1
    assert retry(world.warehouse, ["CUSTOMER-1@example.com"]) == 2
    assert retry(world.warehouse) == 0
    assert world.ask("select count(*) from customerio.events") == [(0,)]
    assert world.ask("select distinct person_id from customerio.due order by all") == [("cus_000001",), ("cus_000002",)]
    assert [row[3] for row in rejections(world)] == [False, False, False]

    world.deliver(update(1, {}, plan="pro"))
    assert ("cus_000001", "attributes", 2, True) in rejections(world)


def test_policy_makes_rejections_due_again_after_a_growing_while(world: World) -> None:
    policy = parse_policy({"customerio": {"retry_rejected_hours": 1, "requests_per_second": 1000}})
    start = 1_800_000_000.0
    world.deliver(identify(1, plan=LONG), now=lambda: start, policy=policy)
    world.deliver(identify(2), now=lambda: start + 3500, policy=policy)
    assert rejections(world) == [("cus_000001", "attributes", 1, True)]
    world.deliver(identify(3), now=lambda: start + 3700, policy=policy)
    assert rejections(world) == [("cus_000001", "attributes", 1, False)]

    world.deliver(identify(1, plan=LONG), now=lambda: start + 3800, policy=policy)
    world.deliver(identify(4), now=lambda: start + 3800 + 3700, policy=policy)
    assert rejections(world) == [("cus_000001", "attributes", 2, True)]  # two hours by now
    world.deliver(identify(5), now=lambda: start + 3800 + 7300, policy=policy)
    assert rejections(world) == [("cus_000001", "attributes", 2, False)]


def test_an_operation_over_the_limit_is_rejected_unsent_and_names_its_largest_field(world: World) -> None:
    many = {f"field_{number}": "y" * 900 for number in range(40)}
    report = world.deliver(identify(1, story="z" * 990, **many), identify(2), event(1, "evt_big", text="w" * 40_000))

    assert (report.accepted, report.rejected, report.events_rejected) == (1, 2, 1)
    assert report.rejections_by_reason == {"oversize": 2}
    assert world.ask("select person_id, event_id, field from customerio.rejections order by event_id nulls first") == [
        ("cus_000001", None, "attributes.story"),
        ("cus_000001", "evt_big", "attributes.text"),
    ]
    assert world.workspace.counters["operations.accepted"] == 1
    assert world.ask("select request_id from customerio.writes where outcome = 'rejected'") == [(None,), (None,)]
