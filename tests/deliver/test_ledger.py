"""Answers are kept as stretches of the plan: what they say of each item is what was answered."""

from array import array
from itertools import pairwise

from hypothesis import given, settings
from hypothesis import strategies as st

from stripe_cio_pipeline.deliver.ledger import Settled
from stripe_cio_pipeline.deliver.outcome import Problem

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
