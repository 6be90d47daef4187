"""What is due is read in stretches, and every call but a phase's last is as full as Customer.io lets it be."""

from functools import partial

import pytest

from stripe_cio_pipeline.deliver import survey as surveying
from stripe_cio_pipeline.deliver.due import read_batches
from stripe_cio_pipeline.deliver.packing import MAX_BODY_BYTES
from stripe_cio_pipeline.deliver.survey import Phase, Survey, cut, due_events, survey
from stripe_cio_pipeline.warehouse import Connection, Warehouse
from tests.deliver.conftest import MakeWorld, event, update, write_plan

#: More than are read at once, in operations whose lengths differ.
PEOPLE = 11_000
#: The longest operation with its timestamp: what is left in a full call is less.
LONGEST = 350
FULL = MAX_BODY_BYTES - LONGEST


def plan_many(warehouse: Warehouse) -> None:
    with warehouse.transaction() as connection:
        connection.execute(
            "insert into customerio.plans (plan_id, planned_at, counts) values ('p', now()::timestamp, '{}')"
        )
        connection.execute(
            """
            insert into customerio.operations (plan_id, position, action, person_id, reason, operation, before, after)
            select
                'p', i, 'update', 'cus_' || i, 'changed',
                '{"type":"person","identifiers":{"id":"cus_' || i || '"},"action":"identify","attributes":' || a || '}',
                '{}', a
            from (
                select i, '{"plan":"é' || repeat('x', 80 + (i % 120)::integer) || '"}' as a
                from range(1, ? + 1) as numbers (i)
            )
            """,
            [PEOPLE],
        )


def test_calls_are_filled_across_what_is_read_at_once_and_keep_the_plans_order(warehouse: Warehouse) -> None:
    plan_many(warehouse)
    with warehouse.connect() as connection:
        plan = survey(connection, "p")
        (whole,) = plan.stretches(Phase.PEOPLE)
        batches = list(read_batches(connection, plan, Phase.PEOPLE, whole))
        operations = dict(connection.execute("select position, operation from customerio.plan").fetchall())

    assert [position for batch in batches for position in batch.positions] == list(range(1, PEOPLE + 1))
    for batch in batches:
        expected = ",".join('{"timestamp":1800000000,' + operations[at][1:] for at in batch.positions)
        assert batch.body(1_800_000_000).decode() == '{"batch":[' + expected + "]}"
        assert len(batch.body(1_800_000_000)) <= MAX_BODY_BYTES
    assert all(len(batch.body(1_800_000_000)) > FULL for batch in batches[:-1])


def test_calls_are_filled_across_stretches_and_everybody_is_sent_once(
    make_world: MakeWorld, monkeypatch: pytest.MonkeyPatch
) -> None:
    world = make_world(gentle=True, acceptor_only=True)
    plan_many(world.warehouse)
    monkeypatch.setattr(surveying, "cut", partial(cut, stretch_bytes=300_000))

    report = world.deliver()

    assert (report.planned, report.accepted, report.due) == (PEOPLE, PEOPLE, 0)
    assert world.ask("select count(*), count(distinct person_id) from customerio.writes") == [(PEOPLE, PEOPLE)]
    sizes = [row[0] for row in world.ask("select bytes from customerio.requests where items > 0 order by items desc")]
    assert sum(size <= FULL for size in sizes) == 1


def positions(connection: Connection, plan: Survey, left_due: set[int]) -> list[int]:
    found = due_events(connection, plan, left_due)
    return [
        position
        for stretch in found.stretches
        for batch in read_batches(connection, plan, Phase.EVENTS, stretch, found.turns)
        for position in batch.positions
    ]


def test_events_wait_for_a_change_of_their_person_and_for_an_earlier_event_that_was_left_due(
    warehouse: Warehouse,
) -> None:
    rows = [
        update(3, {}, plan="pro"),
        *(event(number, f"evt_{turn}_{number}") for turn in "ab" for number in (1, 2, 3)),
    ]
    write_plan(warehouse, rows, plan_id="p")
    with warehouse.connect() as connection:
        plan = survey(connection, "p")
        assert positions(connection, plan, set()) == [2, 5, 3, 6]
        assert positions(connection, plan, {2}) == [3, 6]


def test_of_one_person_no_more_events_go_out_at_once_than_fit_into_a_call(warehouse: Warehouse) -> None:
    rows = [event(1, f"evt_{turn:03}", pad="p" * 5_000) for turn in range(100)]
    write_plan(warehouse, [*rows, event(2, "evt_big", pad="p" * 31_000)], plan_id="p")
    with warehouse.connect() as connection:
        found = positions(connection, survey(connection, "p"), set())
    assert found == [*range(1, len(found)), 101]
    assert len(found) * 5_000 < MAX_BODY_BYTES / 2 < (len(found) + 1) * 5_300
