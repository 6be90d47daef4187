"""Pictures in the Dagster UI."""

import base64
import re
from xml.etree import ElementTree as ET

from stripe_cio_pipeline.orchestration.drawings import Bar, Chart, as_markdown, draw_attribute, draw_charts

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
