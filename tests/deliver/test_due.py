"""What is due is read in stretches, and every call but a phase's last is as full as Customer.io lets it be."""

from functools import partial

import pytest

from stripe_cio_pipeline.deliver import survey as surveying
from stripe_cio_pipeline.deliver.due import read_batches
from stripe_cio_pipeline.deliver.packing import MAX_BODY_BYTES
from stripe_cio_pipeline.deliver.survey import Phase, cut, survey
from stripe_cio_pipeline.warehouse import Warehouse
from tests.deliver.conftest import MakeWorld

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
