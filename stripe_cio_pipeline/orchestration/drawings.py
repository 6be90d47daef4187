"""Pictures for the Dagster UI, as SVG text. Pure: numbers and names in, a picture out.

The UI renders images in Markdown from data addresses, in light and dark themes alike; so every picture brings its own
paper. Text from outside is escaped.
"""

import base64
from collections.abc import Sequence
from dataclasses import dataclass
from html import escape

_INK, _QUIET, _PAPER, _RULE = "#1d2433", "#667085", "#ffffff", "#e4e7ec"
#: Told apart with every common kind of colour blindness (Okabe and Ito's palette, without yellow).
_COLOURS = ("#0072b2", "#d55e00", "#009e73", "#cc79a7", "#56b4e9", "#e69f00", "#5d6b82")
_ROW = 22
_MARGIN = 14
#: Width of a letter at 12 px, on the generous side.
_LETTER = 6.7


@dataclass(frozen=True, slots=True)
class Bar:
    """One line of a chart."""

    label: str
    value: int


@dataclass(frozen=True, slots=True)
class Chart:
    """Bars under a title. `nothing` is said where there are none."""

    title: str
    bars: Sequence[Bar]
    nothing: str = "nothing"


@dataclass(frozen=True, slots=True)
class Link:
    """An attribute on the right comes from a field of a table on the left."""

    table: str
    field: str
    attribute: str


def draw_charts(charts: Sequence[Chart], *, most_bars: int = 15, width: int = 760) -> str:
    """Draw bar charts one below another, to one scale each. What does not fit is counted in a last line."""
    parts: list[str] = []
    y = _MARGIN
    for number, chart in enumerate(charts):
        shown = list(chart.bars[:most_bars])
        y += 16
        parts.append(_text(_MARGIN, y, chart.title, size=14, weight="600"))
        y += 10
        left = _MARGIN + max([90.0, *(len(bar.label) * _LETTER for bar in shown)]) + 10
        room = width - left - 80
        largest = max((bar.value for bar in shown), default=0)
        for bar in shown:
            length = max(2.0, room * bar.value / largest) if bar.value else 0.0
            parts.append(_text(left - 8, y + 15, bar.label, anchor="end"))
            parts.append(_rectangle(left, y + 4, length, 14, _COLOURS[number % len(_COLOURS)]))
            parts.append(_text(left + length + 6, y + 15, f"{bar.value:,}", colour=_QUIET))
            y += _ROW
        rest = chart.bars[most_bars:]
        if rest:
            more = f"and {len(rest)} more, {sum(bar.value for bar in rest):,} together"
            parts.append(_text(left, y + 15, more, colour=_QUIET))
            y += _ROW
        if not shown:
            parts.append(_text(_MARGIN, y + 15, chart.nothing, colour=_QUIET))
            y += _ROW
        y += 12
    return _sheet(width, y, parts)


def draw_lineage(links: Sequence[Link], *, width: int = 860) -> str:
    """Draw which fields (left, by table) feed which attributes (right), with a curve for each link.

    Attributes stand near what feeds them, so that few curves cross.
    """
    fields = sorted({(link.table, link.field) for link in links})
    tables = sorted({table for table, _ in fields})
    colours = {table: _COLOURS[number % len(_COLOURS)] for number, table in enumerate(tables)}
    ends = (
        _MARGIN + max((len(field) * _LETTER for _, field in fields), default=0.0) + 22,
        width - _MARGIN - max((len(link.attribute) * _LETTER for link in links), default=0.0) - 22,
    )
    parts: list[str] = []
    starts: dict[tuple[str, str], float] = {}
    y = float(_MARGIN)
    for table in tables:
        y += _ROW
        parts.append(_text(_MARGIN, y - 6, table, weight="600", colour=colours[table]))
        for key in (key for key in fields if key[0] == table):
            starts[key] = y + _ROW / 2
            parts.append(_text(_MARGIN + 10, y + 15, key[1]))
            y += _ROW
    feeds: dict[str, list[float]] = {}
    for link in links:
        feeds.setdefault(link.attribute, []).append(starts[link.table, link.field])
    attributes = sorted(feeds, key=lambda name: sum(feeds[name]) / len(feeds[name]))
    height = max(y, _MARGIN + _ROW * (len(attributes) + 1.0))
    step = (height - _MARGIN - _ROW) / max(1, len(attributes))
    stops: dict[str, float] = {}
    parts.append(_text(width - _MARGIN, _MARGIN + 16, "Customer.io attribute", weight="600", anchor="end"))
    for number, name in enumerate(attributes):
        stops[name] = _MARGIN + _ROW + step * (number + 0.5)
        parts.append(_text(width - _MARGIN, stops[name] + 4, name, anchor="end"))
    curves = [
        _curve(ends[0], starts[link.table, link.field], ends[1], stops[link.attribute], colours[link.table])
        for link in links
    ]
    return _sheet(width, height + _MARGIN, curves + parts)


def as_markdown(svg: str, words: str) -> str:
    """Put a picture into Markdown. `words` say what it shows, for those who cannot see it."""
    data = base64.b64encode(svg.encode()).decode()
    return f"![{words}](data:image/svg+xml;base64,{data})"


def _sheet(width: float, height: float, parts: Sequence[str]) -> str:
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{width:.0f}" height="{height:.0f}" '
        f'viewBox="0 0 {width:.0f} {height:.0f}" font-family="ui-sans-serif,system-ui,sans-serif" font-size="12">'
        f'<rect width="100%" height="100%" rx="8" fill="{_PAPER}" stroke="{_RULE}"/>{"".join(parts)}</svg>'
    )


def _text(
    x: float, y: float, words: str, *, anchor: str = "", weight: str = "", colour: str = _INK, size: int = 0
) -> str:
    more = "".join(
        f' {name}="{value}"'
        for name, value in (("text-anchor", anchor), ("font-weight", weight), ("font-size", size))
        if value
    )
    return f'<text x="{x:.0f}" y="{y:.0f}" fill="{colour}"{more}>{escape(words)}</text>'


def _rectangle(x: float, y: float, width: float, height: float, colour: str) -> str:
    return f'<rect x="{x:.0f}" y="{y:.0f}" width="{width:.1f}" height="{height:.0f}" rx="2" fill="{colour}"/>'


def _curve(x1: float, y1: float, x2: float, y2: float, colour: str) -> str:
    middle = (x1 + x2) / 2
    return (
        f'<path d="M{x1:.0f} {y1:.0f}C{middle:.0f} {y1:.0f} {middle:.0f} {y2:.0f} {x2:.0f} {y2:.0f}" '
        f'fill="none" stroke="{colour}" stroke-opacity=".55"/>'
    )
