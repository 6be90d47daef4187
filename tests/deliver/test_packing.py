"""Bodies hold as much as Customer.io takes and not a byte more."""

import json
from array import array
from itertools import accumulate, pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from stripe_cio_pipeline.deliver.packing import SEPARATOR, STAMP_BYTES, Batch, pack

STAMP = 1_800_000_000
#: The last moment that ten digits hold.
LAST = 9_999_999_999
WORDS = st.text(st.characters(exclude_categories=("Cs",)), max_size=60)


def run_of(operations: list[dict[str, str]]) -> tuple[memoryview, list[int]]:
    """Encode as the plan's SQL gives them: compact, without the opening brace, each closed by the separator."""
    texts = [json.dumps(one, ensure_ascii=False, separators=(",", ":")).encode()[1:] + SEPARATOR for one in operations]
    return memoryview(b"".join(texts)), [0, *accumulate(map(len, texts))]


def packed(words: list[str], max_bytes: int, *, stamped: bool = True, turns: list[int] | None = None) -> list[Batch]:
    text, ends = run_of([{"type": "person", "note": word} for word in words])
    return list(pack(text, ends, array("q", range(len(words))), stamped=stamped, max_bytes=max_bytes, turns=turns))


@settings(deadline=None, derandomize=True, max_examples=80)
@given(st.lists(WORDS, min_size=1, max_size=40), st.integers(400, 3_000), st.booleans())
def test_every_item_is_sent_once_in_order_within_the_limit(words: list[str], limit: int, stamped: bool) -> None:
    batches = packed(words, limit, stamped=stamped)

    sent = [item for batch in batches for item in json.loads(batch.body(STAMP))["batch"]]
    assert [item["note"] for item in sent] == words
    assert all(item.get("timestamp") == (STAMP if stamped else None) for item in sent)
    assert [position for batch in batches for position in batch.positions] == list(range(len(words)))
    assert all(len(batch.body(LAST)) <= limit for batch in batches)


@settings(deadline=None, derandomize=True, max_examples=40)
@given(st.lists(WORDS, min_size=2, max_size=40), st.integers(400, 3_000))
def test_no_batch_has_room_for_the_next_item(words: list[str], limit: int) -> None:
    batches = packed(words, limit)

    for batch, following in pairwise(batches):
        first = following.items.split(SEPARATOR)[0]
        assert len(batch.body(LAST)) + len(first) + STAMP_BYTES + 2 > limit


@settings(deadline=None, derandomize=True, max_examples=40)
@given(st.lists(WORDS, min_size=2, max_size=20), st.data())
def test_halves_and_picks_keep_items_with_their_places(words: list[str], data: st.DataObject) -> None:
    (batch,) = packed(words, 1_000_000)
    first, second = batch.halves()
    assert [*first.positions, *second.positions] == list(batch.positions)
    assert first.items + SEPARATOR + second.items == batch.items

    chosen = sorted(data.draw(st.sets(st.integers(0, len(words) - 1), min_size=1)))
    picked = batch.pick(chosen)
    notes = [item["note"] for item in json.loads(picked.body(STAMP))["batch"]]
    assert notes == [words[index] for index in chosen]
    assert list(picked.positions) == chosen
    assert picked.stamped


def test_the_half_of_an_event_has_no_timestamp_either_and_places_are_signed() -> None:
    (batch,) = packed(["a", "b"], 1_000, stamped=False)
    for half in batch.halves():
        assert b"timestamp" not in half.body(STAMP)
        assert half.positions.typecode == "q"


def test_an_item_that_no_batch_holds_goes_alone() -> None:
    assert [len(batch) for batch in packed(["a", "x" * 500, "b"], 300)] == [1, 1, 1]


def test_a_call_is_filled_to_the_last_byte() -> None:
    words = ["a", "bb", "ccc"]
    (whole,) = packed(words, 1_000)
    size = len(whole.body(LAST))

    assert len(packed(words, size)) == 1
    assert [len(batch) for batch in packed(words, size - 1)] == [2, 1]


def test_events_keep_no_room_for_a_timestamp_that_they_do_not_get() -> None:
    words = ["a", "bb", "ccc"]
    (whole,) = packed(words, 1_000, stamped=False)

    assert len(packed(words, len(whole.body(STAMP)), stamped=False)) == 1


def test_a_clock_beyond_ten_digits_is_refused() -> None:
    (batch,) = packed(["a"], 1_000)
    with pytest.raises(ValueError, match="before 2286"):
        batch.body(LAST + 1)


def test_a_cap_on_items_holds_too() -> None:
    text, ends = run_of([{"n": str(number)} for number in range(250)])
    batches = pack(text, ends, array("q", range(250)), stamped=True, max_items=100)
    assert [len(batch) for batch in batches] == [100, 100, 50]


def test_neighbours_of_one_turn_are_kept_in_one_batch_where_they_fit() -> None:
    words = ["x" * 100 for _ in range(12)]
    turns = [1, 1, 1, 2, 2, 2, 2, 2, 3, 3, 3, 3]
    # An item has 127 bytes and its comma: five fit.
    assert [len(batch) for batch in packed(words, 660, stamped=False, turns=turns)] == [3, 5, 4]
    assert [len(batch) for batch in packed(words, 660, stamped=False, turns=[1] * 12)] == [5, 5, 2]
