"""Pictures, as Dagster's UI and the report show them."""

import base64
import re
from collections.abc import Callable
from datetime import date, timedelta
from itertools import combinations
from xml.etree import ElementTree as ET

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stripe_cio_pipeline.drawing import (
    Bar,
    Chart,
    Series,
    as_markdown,
    draw_attribute,
    draw_charts,
    draw_columns,
    draw_lines,
)
from stripe_cio_pipeline.drawing.days import nice_step

SVG = "{http://www.w3.org/2000/svg}"


def texts(svg: str) -> list[str]:
    return [element.text or "" for element in ET.fromstring(svg).iter(f"{SVG}text")]


def bars(svg: str) -> list[float]:
    found = ET.fromstring(svg).iter(f"{SVG}rect")
    return [float(element.get("width", "0")) for element in found if "%" not in element.get("width", "")]


def test_a_chart_shows_each_bar_with_its_number_to_scale() -> None:
    svg = draw_charts([Chart("By reason", [Bar("new person", 1200), Bar("email changed", 300)])])
    assert {"By reason", "new person", "email changed", "1,200", "300"} <= set(texts(svg))
    longest, shorter = bars(svg)
    assert abs(shorter / longest - 0.25) < 0.01


def test_bars_that_do_not_fit_are_counted() -> None:
    svg = draw_charts([Chart("By attribute", [Bar(f"attribute {n}", 10) for n in range(20)])], most_bars=15)
    assert "and 5 more, 50 together" in texts(svg)
    assert len(bars(svg)) == 15


def test_an_empty_chart_says_so() -> None:
    assert "Nothing is due." in texts(draw_charts([Chart("By reason", [], "Nothing is due.")]))


def test_a_bar_of_zero_has_no_length() -> None:
    assert bars(draw_charts([Chart("x", [Bar("none", 0)])])) == [0.0]


def test_an_attribute_is_drawn_with_each_field_once_and_a_curve_for_each_table() -> None:
    tables = {"stripe.customers": ["currency"], "stripe.subscriptions": ["items.data[].price.unit_amount", "status"]}
    svg = draw_attribute("mrr", tables)
    fields = [field for of_table in tables.values() for field in of_table]
    assert len(list(ET.fromstring(svg).iter(f"{SVG}path"))) == 2
    assert sorted(texts(svg)) == sorted(["mrr", *tables, *fields])


def test_a_drawing_of_an_attribute_fits_a_laptop_and_hides_no_field() -> None:
    longest = "a_field.of_more_than.sixty_letters.that_somebody.has_nested_deeply"
    root = ET.fromstring(draw_attribute("an_attribute_with_a_rather_long_name", {"stripe.invoices": [longest]}))
    assert float(root.get("width", "0")) <= 1000
    (curve,) = root.iter(f"{SVG}path")
    begin, end = re.findall(r"(?:M| )(\d+) [\d.]+(?=C|$)", curve.get("d", ""))
    assert len(longest) * 5 < int(begin) < int(end)


def test_names_from_outside_cannot_break_the_picture() -> None:
    nasty = '<script>alert("&")</script>'
    svg = draw_attribute(nasty, {nasty: [nasty]}) + draw_charts([Chart(nasty, [Bar(nasty, 1)])])
    assert "<script" not in svg


def test_a_picture_stands_in_markdown_as_a_data_address() -> None:
    svg = draw_charts([Chart("By reason", [Bar("new person", 3)])])
    found = re.fullmatch(r"!\[The plan\]\(data:image/svg\+xml;base64,([A-Za-z0-9+/=]+)\)", as_markdown(svg, "The plan"))
    assert found
    assert base64.b64decode(found[1]).decode() == svg


DAYS = [date(2026, 11, 1) + timedelta(days=day) for day in range(30)]


def lines(svg: str) -> list[list[tuple[float, float]]]:
    """The places of every line of a series, without the lines across the picture."""
    ways = [way.get("d", "") for way in ET.fromstring(svg).iter(f"{SVG}path") if way.get("stroke-width") == "2"]
    return [[(float(x), float(y)) for x, y in re.findall(r"[ML]([\d.]+) ([\d.]+)", way)] for way in ways]


def test_a_line_has_a_place_for_each_day_to_scale_and_its_last_number_in_the_legend() -> None:
    svg = draw_lines("People", DAYS, [Series("linked", list(range(30))), Series("held", [10] * 30)], nothing="-")
    rising, level = lines(svg)
    assert len(rising) == len(level) == 30
    assert rising[10][1] == level[10][1]
    # 29 days are as many steps of 1: the way up is straight.
    assert abs((rising[0][1] - rising[29][1]) - 29 * (rising[0][1] - rising[1][1])) < 2
    assert {"linked: 29", "held: 10", "30 Nov"} <= set(texts(svg))


def test_a_line_has_a_gap_where_there_is_no_number_and_a_day_alone_is_a_dot() -> None:
    values = [1, 2, None, 4, None, 6, 7]
    svg = draw_lines("Lag", DAYS[:7], [Series("p50", values)], nothing="-")
    assert [len(line) for line in lines(svg)] == [5]
    assert len(re.findall(r"M", next(w for w in re.findall(r'd="([^"]+)"[^>]*stroke-width="2"', svg)))) == 3
    # The one day between two gaps, and the last.
    assert len(list(ET.fromstring(svg).iter(f"{SVG}circle"))) == 2


def test_columns_add_up_and_the_legend_has_the_sums() -> None:
    svg = draw_columns("Plan", DAYS[:2], [Series("new", [3, 0]), Series("changed", [1, 2])], nothing="-")
    found = [path.get("d", "") for path in ET.fromstring(svg).iter(f"{SVG}path") if path.get("fill") != "none"]
    new, changed = (
        [(float(y), float(tall)) for y, tall in re.findall(r"M\S+ ([\d.]+)h\S+?v([\d.]+)", d)] for d in found
    )
    assert [tall for _, tall in new + changed] == pytest.approx([135, 45, 90], abs=0.1)
    # On the first day one lies on the other, and on the second the only one at the bottom.
    assert changed[0][0] + changed[0][1] == pytest.approx(new[0][0], abs=0.11)
    assert changed[1][0] + changed[1][1] == pytest.approx(new[0][0] + new[0][1], abs=0.11)
    assert {"new: 3", "changed: 3"} <= set(texts(svg))


@pytest.mark.parametrize("draw", [draw_lines, draw_columns])
def test_days_without_anything_are_a_sentence(draw: Callable[..., str]) -> None:
    for series in ([], [Series("x", [])], [Series("x", [None, None])]):
        svg = draw("Over time", DAYS[:2] if series and series[0].values else [], series, nothing="Nothing yet.")
        assert texts(svg) == ["Over time", "Nothing yet."]


@pytest.mark.parametrize("days", [1, 2, 7, 30])
def test_no_words_of_a_picture_leave_the_paper_or_run_into_each_other(days: int) -> None:
    names = [
        "a reason with quite a long name",
        "linked",
        "held back",
        "attributes changed",
        "event forwarded",
        "others",
    ]
    series = [Series(name, [1_234_567] * days) for name in names]
    for svg in (draw_lines("x", DAYS[:days], series, nothing="-"), draw_columns("x", DAYS[:days], series, nothing="-")):
        spans = [span(element) for element in ET.fromstring(svg).iter(f"{SVG}text")]
        assert all(left >= 0 and right <= 760 for left, right, _ in spans)
        for this, other in combinations(spans, 2):
            apart = this[1] <= other[0] or other[1] <= this[0] or abs(this[2] - other[2]) >= 12
            assert apart, (this, other)


def span(element: ET.Element) -> tuple[float, float, float]:
    """From where to where some words reach, and how high they stand; letters are 6.7 wide."""
    x, wide = float(element.get("x", "0")), len(element.text or "") * 6.7
    left = {"end": x - wide, "middle": x - wide / 2}.get(element.get("text-anchor", ""), x)
    return left, left + wide, float(element.get("y", "0"))


@given(st.floats(0.001, 1e12), st.sampled_from([(), (1.0, 5.0, 15.0, 60.0)]))
def test_the_scale_has_few_round_steps_and_room_for_the_largest(largest: float, ticks: tuple[float, ...]) -> None:
    step = nice_step(largest / 4, ticks)
    assert step * 4 >= largest
    assert step in ticks or re.fullmatch(r"[125]0*", f"{step:.0f}")
    assert step == 1 or step in ticks or step < largest / 4 * 2.5 + 1e-9
