"""Cutting, proved without a network: a list is a column of moments, and a page is what Stripe would give of it."""

import random

from hypothesis import given, settings
from hypothesis import strategies as st

from stripe_cio_pipeline.extract.lists import FOUNDED, Edge, Slice, SlicePlan, cut

NOW = 1_790_000_000
DAY = 86_400

moments = st.lists(st.integers(min_value=NOW - 400 * DAY, max_value=NOW), max_size=900)
#: Lumps: many objects within few seconds, as an import makes them.
lumps = st.lists(st.tuples(st.integers(NOW - 400 * DAY, NOW), st.integers(1, 350), st.integers(0, 3)), max_size=5)


class Listing:
    """A list as Stripe serves it: newest first, ties in a fixed order, 100 a page."""

    def __init__(self, created: list[int], page_rows: int = 100) -> None:
        self.rows = sorted(((moment, f"id_{number}") for number, moment in enumerate(created)), reverse=True)
        self._place = {object_id: place for place, (_, object_id) in enumerate(self.rows)}
        self._page_rows = page_rows

    def page(self, piece: Slice) -> tuple[Edge, list[str]]:
        start = 0 if piece.after is None else self._place[piece.after] + 1
        fitting = [
            row
            for row in self.rows[start:]
            if (piece.created_from is None or row[0] >= piece.created_from)
            and (piece.created_before is None or row[0] < piece.created_before)
        ]
        page = fitting[: self._page_rows]
        if not page:
            return Edge(None, None, None, has_more=False), []
        edge = Edge(page[-1][1], page[0][0], page[-1][0], has_more=len(fitting) > len(page))
        return edge, [object_id for _, object_id in page]


def read(listing: Listing, plan: SlicePlan, workers: int, chance: random.Random, pages: int | None = None) -> list[str]:
    """Read with so many requests under way, whose answers come in any order; stop after `pages`."""
    seen: list[str] = []
    under_way: list[Slice] = []
    while True:
        while len(under_way) < workers and (piece := plan.start()) is not None:
            under_way.append(piece)
        if not under_way or pages == 0:
            return seen
        piece = under_way.pop(chance.randrange(len(under_way)))
        edge, ids = listing.page(piece)
        plan.take(piece, edge, workers)
        seen += ids
        pages = None if pages is None else pages - 1


@settings(deadline=None, derandomize=True, max_examples=60)
@given(moments, lumps, st.integers(1, 16), st.randoms(use_true_random=False))
def test_every_object_is_read_exactly_once(
    scattered: list[int], dense: list[tuple[int, int, int]], workers: int, chance: random.Random
) -> None:
    created = scattered + [moment + chance.randint(0, width) for moment, many, width in dense for _ in range(many)]
    listing = Listing(created)
    plan = SlicePlan([Slice()])
    seen = read(listing, plan, workers, chance)
    assert sorted(seen) == sorted(object_id for _, object_id in listing.rows)
    assert plan.finished


@settings(deadline=None, derandomize=True, max_examples=60)
@given(moments, lumps, st.integers(1, 16), st.integers(0, 20), st.randoms(use_true_random=False))
def test_what_the_frontier_remembers_is_exactly_what_is_left(
    scattered: list[int], dense: list[tuple[int, int, int]], workers: int, pages: int, chance: random.Random
) -> None:
    created = scattered + [moment + chance.randint(0, width) for moment, many, width in dense for _ in range(many)]
    listing = Listing(created, page_rows=20)
    plan = SlicePlan([Slice()])
    before = read(listing, plan, workers, chance, pages)
    after = read(listing, SlicePlan(plan.frontier()), workers, chance)
    assert sorted(before + after) == sorted(object_id for _, object_id in listing.rows)


def _requests(created: list[int], workers: int = 11) -> float:
    """Requests for each full page that a list holds."""
    plan = SlicePlan([Slice()])
    read(Listing(created), plan, workers, random.Random(3))
    return plan.pages / (len(created) / 100)


def test_an_even_history_costs_few_requests_more_than_its_pages() -> None:
    chance = random.Random(1)
    assert _requests([NOW - chance.randrange(180 * DAY) for _ in range(20_000)]) < 1.35


def test_an_import_of_thousands_within_a_minute_costs_hardly_more() -> None:
    chance = random.Random(1)
    even = [NOW - chance.randrange(1_000 * DAY) for _ in range(10_000)]
    assert _requests(even + [NOW - 30 * DAY - chance.randrange(60) for _ in range(10_000)]) < 1.35


def test_thousands_within_one_second_are_read() -> None:
    assert _requests([NOW - 30 * DAY] * 5_000 + [NOW - number * 3_600 for number in range(5_000)]) < 1.5


def test_a_list_of_one_page_is_one_request() -> None:
    plan = SlicePlan([Slice()])
    read(Listing([NOW - number for number in range(100)]), plan, 16, random.Random(1))
    assert plan.pages == 1


def test_a_starting_object_that_is_gone_is_read_past_from_its_second() -> None:
    plan = SlicePlan([Slice(5, 900, "gone")])
    piece = plan.start()
    assert piece is not None
    plan.restart(piece)
    assert plan.frontier() == (Slice(5, 900, None),)


def test_what_is_left_is_cut_at_distances_that_grow_by_a_constant_factor() -> None:
    # A page of 100 seconds, and 900 more below it: nine pages. One cut at three pages, two at 2.08 and 4.33.
    rest, edge = Slice(0, 901, "last"), Edge("last", 1_000, 900, has_more=True)
    assert cut(rest, edge, 0) == [rest]
    assert cut(rest, edge, 1) == [Slice(601, 901, "last"), Slice(0, 601, None)]
    assert cut(rest, edge, 2) == [Slice(693, 901, "last"), Slice(468, 693, None), Slice(0, 468, None)]


def test_what_is_left_is_cut_where_it_is_worth_three_pages() -> None:
    edge = Edge("last", 1_000, 900, has_more=True)
    assert len(cut(Slice(600, 901, "last"), edge, 1)) == 2
    assert cut(Slice(601, 901, "last"), edge, 1) == [Slice(601, 901, "last")]


def test_a_second_is_the_least_that_a_page_spans_and_the_least_that_is_cut_off() -> None:
    # All of the page is of one second: nine pages of a second each are left.
    assert cut(Slice(0, 10, "last"), Edge("last", 9, 9, has_more=True), 1) == [Slice(7, 10, "last"), Slice(0, 7, None)]
    # Four pages and eight cuts: a factor of 1.17, so distances of 1, 1, 2, 2, 2, 3, 3, 3. Equal ones are one cut.
    pieces = cut(Slice(0, 5, "last"), Edge("last", 4, 4, has_more=True), 8)
    assert pieces == [Slice(4, 5, "last"), Slice(3, 4, None), Slice(2, 3, None), Slice(0, 2, None)]


def test_an_open_end_is_taken_to_lie_at_stripes_first_day() -> None:
    edge = Edge("last", FOUNDED + 1_000, FOUNDED + 900, has_more=True)
    assert cut(Slice(None, None, "last"), edge, 1) == [
        Slice(FOUNDED + 601, None, "last"),
        Slice(None, FOUNDED + 601, None),
    ]


def test_a_page_whose_objects_tell_no_moment_cuts_nothing_and_keeps_the_bounds() -> None:
    assert cut(Slice(0, 901, "last"), Edge("last", None, None, has_more=True), 3) == [Slice(0, 901, "last")]
    plan = SlicePlan([Slice(5, 900)])
    piece = plan.start()
    assert piece is not None
    plan.take(piece, Edge("last", None, None, has_more=True), 3)
    assert plan.frontier() == (Slice(5, 900, "last"),)


def test_a_slice_goes_on_below_its_page_and_side_by_side_only_as_pages_come() -> None:
    def after(*pages: Edge, most: int) -> tuple[Slice, ...]:
        plan = SlicePlan([Slice(0, None)])
        for edge in pages:
            piece = plan.start()
            assert piece is not None
            plan.take(piece, edge, most)
        return plan.frontier()

    first, end = Edge("at_9000", 9_100, 9_000, has_more=True), Edge("at_8560", 8_600, 8_560, has_more=False)
    assert after(first, most=16)[0].created_before == 9_001
    assert after(first, most=16)[0].after == "at_9000"
    # One cut more than pages have come (two, then four), and no more than requests may be under way.
    assert len(after(first, most=16)) == 3
    assert len(after(first, most=1)) == 2
    assert len(after(first, end, Edge("at_8490", 8_500, 8_490, has_more=True), most=16)) == 1 + (1 + 4)


def test_a_slice_that_begins_again_goes_before_the_others() -> None:
    plan = SlicePlan([Slice(5, 900, "gone"), Slice(0, 5)])
    piece = plan.start()
    assert piece is not None
    plan.restart(piece)
    assert plan.frontier() == (Slice(5, 900, None), Slice(0, 5))
