"""Answers are kept as stretches of the plan: what they say of each item is what was answered."""

from array import array
from itertools import pairwise
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from stripe_cio_pipeline.deliver.ledger import GROUP_ITEMS, Group, Settled, record
from stripe_cio_pipeline.deliver.outcome import Problem
from stripe_cio_pipeline.deliver.survey import limit_memory, megabytes_for
from stripe_cio_pipeline.warehouse import Warehouse, last_seq, transaction

PLACES = st.sets(st.integers(1, 40), min_size=1)


@settings(derandomize=True, deadline=None)
@given(places=PLACES, bad=PLACES)
def test_stretches_tell_of_every_item_once_and_of_no_other(places: set[int], bad: set[int]) -> None:
    refused = {place: Problem("invalid", f"attributes.a{place}", None) for place in places & bad}
    settled = Settled(array("q", sorted(places)), refused, "call", 1.0, 2.0)

    told = [(place, why) for first, last, why in settled.stretches() for place in range(first, last + 1)]

    assert told == [(place, refused[place].detail if place in refused else None) for place in sorted(places)]


@settings(derandomize=True, deadline=None)
@given(places=PLACES)
def test_no_two_stretches_could_be_one(places: set[int]) -> None:
    stretches = list(Settled(array("q", sorted(places)), {}, "call", 1.0, 2.0).stretches())
    assert all(after[0] > before[1] + 1 for before, after in pairwise(stretches))


@pytest.mark.gauntlet
def test_a_group_of_people_with_many_attributes_is_written_down_in_the_memory_of_a_delivery(tmp_path: Path) -> None:
    """Merging what changed into what they had took more than there was, and nothing of the group was kept."""
    warehouse = Warehouse(tmp_path / "warehouse.duckdb")
    with warehouse.connect() as connection:
        connection.execute("set force_compression = 'zstd'")
        connection.execute(
            """
            create temp table wide as
            select
                i,
                'cus_' || lpad(i::varchar, 14, '0') as person_id,
                '{"id":"cus_' || i || '",' || list_aggregate(
                    list_transform(range(35), lambda n: '"attribute_' || n || '":"' || md5((n * i)::varchar) || '"'),
                    'string_agg', ','
                ) || '}' as attributes
            from range(1, $people + 1) as numbers (i)
            """,
            {"people": GROUP_ITEMS},
        )
        connection.execute(
            "insert into customerio.people (person_id, state, id, attributes, linked_at, seq) "
            "select person_id, 'linked', person_id, attributes, now()::timestamp, 0 from wide order by hash(i)"
        )
        connection.execute(
            "insert into customerio.operations (plan_id, position, action, person_id, reason, heading, before, after) "
            "select 'p', i, 'update', person_id, 'changed', '{', '{}', '{\"mrr\":1}' from wide order by i"
        )
        connection.execute(
            "insert into customerio.next_people (position, person_id, seen_seq, state, id, attributes) "
            "select i, person_id, 0, 'linked', person_id, attributes from wide order by i"
        )
    with warehouse.connect() as connection:
        limit_memory(connection, megabytes_for(500))
        with transaction(connection):
            answered = Settled(array("q", range(1, GROUP_ITEMS + 1)), {}, "call", 1.0, 2.0)
            record(connection, Group([answered]), plan_id="p", run_id="run", mark=last_seq(connection))
        found = connection.execute("select count(*), count(*) filter (where seq > 0) from customerio.people").fetchone()
    assert found == (GROUP_ITEMS, GROUP_ITEMS)
