"""What the pictures show, for accounts of every size, and the page that they make."""

import re
from dataclasses import replace
from datetime import timedelta
from decimal import Decimal
from html.parser import HTMLParser
from itertools import pairwise
from xml.etree import ElementTree as ET

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stripe_cio_pipeline.overview import Overview, Picture, draw_pictures, write_page
from stripe_cio_pipeline.overview.figures import EDGES, Lag, PlanRevenue, Revenue
from stripe_cio_pipeline.overview.pictures import bins, duration
from stripe_cio_pipeline.warehouse import Warehouse
from tests.drawing.test_drawing import span, texts
from tests.overview.conftest import overview_of

SVG = "{http://www.w3.org/2000/svg}"
HOSTILE = "<script>alert('&')</script>\x1b[31m\u202e" * 3


def drawn(found: Overview) -> dict[str, Picture]:
    pictures = draw_pictures(found)
    return dict(zip(("people", "plans", "spread", "funnel", "operations", "lag"), pictures, strict=True))


@pytest.fixture(scope="module")
def huge(found: Overview) -> Overview:
    """Millions of people, sixty plans in each of forty currencies, thirty reasons."""
    days = len(found.days)
    plans = tuple(PlanRevenue(f"Plan {n} {HOSTILE}", 10_000 - n, Decimal(9_999_999 - n)) for n in range(60))
    spread = {place: 1_000 + place for place in range(len(EDGES))}
    return replace(
        found,
        linked=tuple(range(9_000_000, 9_000_000 + days)),
        unsubscribed=(1_234_567,) * days,
        revenue=tuple(Revenue(f"x{n:02}", plans, spread) for n in range(40)),
        revenue_not_known=12,
        stages=dict.fromkeys(found.stages, 1000000),
        operations={f"reason_{n:02}": (100_000 - n,) * days for n in range(30)},
        lags=(Lag(1_000_000, 0.4, 900_000),) * days,
    )


def test_the_numbers_of_the_small_account_stand_in_its_pictures(found: Overview) -> None:
    said = {name: set(texts(picture.svg)) for name, picture in drawn(found).items()}
    assert {"linked: 3", "without a subscription yet: 2", "held back: 4"} <= said["people"]
    assert {"MRR by plan in USD: 60 from 4 people", "40 · 2 people", "MRR by plan in EUR: 27 from 3 people"} <= said[
        "plans"
    ]
    assert {"10 – 20", "20 – 50", "5 – 10"} <= said["spread"]
    assert {"in trial", "6 · 42.9%", "1 · 7.1%", "past due or unpaid", "churned"} <= said["funnel"]
    assert {"attributes changed: 21", "event forwarded: 3", "linked by email: 3"} <= said["operations"]
    assert {"p50: 7 s", "p95: 7 s"} <= said["lag"]
    assert "conflict 1, deleted 1, linked 3, linking 1." in drawn(found)["people"].words


def test_every_picture_says_what_it_counts_and_from_where(found: Overview) -> None:
    for name, picture in drawn(found).items():
        assert re.search(r"\((model|customerio|stripe)\.\w+", picture.words), name
        assert picture.title in " ".join(texts(picture.svg)), name


def test_no_picture_tells_who_somebody_is(found: Overview) -> None:
    shown = write_page(found, draw_pictures(found))
    assert not re.search(r"cus_|sub_|evt_|@", shown)


def test_what_is_too_much_is_counted_in_others(huge: Overview) -> None:
    pictures = drawn(huge)
    said = {name: texts(picture.svg) for name, picture in pictures.items()}
    assert sum("X0" in words for words in said["plans"]) == 4
    assert sum(words == "50 others" for words in said["plans"]) == 4
    rest = sum(9_999_999 - n for n in range(10, 60))
    assert f"{rest:,} · {sum(10_000 - n for n in range(10, 60)):,} people" in said["plans"]
    assert any(words.startswith("24 others: ") for words in said["operations"])
    assert "Not drawn: " in pictures["plans"].words
    assert "Of 12 people the amount is not known." in pictures["plans"].words


@pytest.mark.parametrize("size", ["found", "huge"])
def test_no_words_leave_the_paper_or_run_into_each_other(size: str, request: pytest.FixtureRequest) -> None:
    for picture in draw_pictures(request.getfixturevalue(size)):
        spans = [span(element) for element in ET.fromstring(picture.svg).iter(f"{SVG}text")]
        assert all(left >= 0 and right <= 760 for left, right, _ in spans), picture.title
        for place, this in enumerate(spans):
            for other in spans[place + 1 :]:
                apart = this[1] <= other[0] or other[1] <= this[0] or abs(this[2] - other[2]) >= 12
                assert apart, (picture.title, this, other)


def test_pictures_stay_small_whatever_the_account(huge: Overview) -> None:
    assert all(len(picture.svg) < 40_000 for picture in draw_pictures(huge))


def test_an_empty_account_gets_sentences(warehouse: Warehouse) -> None:
    with warehouse.connect():
        pass
    for name, picture in drawn(overview_of(warehouse)).items():
        assert re.search(r"Nothing yet|No figure", " ".join(texts(picture.svg))), name


def test_models_without_an_attribute_are_told_which(found: Overview) -> None:
    lacking = replace(
        found,
        missing={"revenue": ("mrr",), "funnel": ("mrr",), "unsubscribed": ("created_at",)},
        revenue=(),
        stages={},
        unsubscribed=(),
    )
    pictures = drawn(lacking)
    assert "people.sql has no column mrr, which this needs." in pictures["plans"].words
    assert "people.sql has no column mrr, which this needs." in pictures["funnel"].words
    assert "people.sql has no column created_at, which this needs." in pictures["people"].words
    assert "linked: 3" in texts(pictures["people"].svg)


@given(st.dictionaries(st.integers(0, len(EDGES) - 1), st.integers(1, 1_000_000), min_size=1))
def test_the_bars_of_the_distribution_hold_everybody(spread: dict[int, int]) -> None:
    bars = list(bins(spread))
    assert len(bars) <= 12
    assert sum(people for _, people in bars) == sum(spread.values())
    # Each begins where the one before ends.
    for (before, _), (after, _) in pairwise(bars):
        assert before.split()[-1] == after.split()[0]


@pytest.mark.parametrize(
    ("seconds", "written"),
    [(0, "0 s"), (0.44, "0.4 s"), (59, "59 s"), (60, "1 min"), (90, "1.5 min"), (7200, "2 h"), (172_800, "2 d")],
)
def test_a_span_of_time_has_one_unit(seconds: float, written: str) -> None:
    assert duration(seconds) == written


class _Page(HTMLParser):
    """What a page is made of."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.attributes: dict[str, list[str]] = {}
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        for name, value in attrs:
            self.attributes.setdefault(name, []).append(value or "")


def test_the_page_runs_nothing_and_loads_nothing(huge: Overview) -> None:
    page = _Page(write_page(replace(huge, account=HOSTILE), draw_pictures(huge)))
    allowed = {"html", "head", "meta", "title", "style", "body", "h1", "p", "figure", "figcaption"}
    assert set(page.tags) - allowed == {"svg", "rect", "text", "path"} | ({"circle"} & set(page.tags))
    assert not {name for name in page.attributes if name.startswith("on")} | {"href", "src", "style"} & set(
        page.attributes
    )
    (rules,) = (value for value in page.attributes["content"] if "default-src" in value)
    assert rules.startswith("default-src 'none'; style-src 'sha256-")


def test_the_page_has_the_account_the_period_and_when_it_was_made(found: Overview) -> None:
    page = write_page(found, draw_pictures(found))
    assert "<h1>Stripe account acct_1, test mode, and Customer.io</h1>" in page
    assert "2026-09-02 to 2026-11-30. Made on 2026-11-30 12:00 UTC." in page
    assert page.count("<figure>") == 6


def test_a_day_later_the_page_says_so(found: Overview) -> None:
    later = replace(found, made_at=found.made_at + timedelta(days=1))
    assert "Made on 2026-12-01 12:00 UTC." in write_page(later, [])
