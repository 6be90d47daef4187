"""Pictures for the Dagster UI, as SVG text. Pure: numbers and names in, a picture out.

The UI renders images in Markdown from data addresses, in light and dark themes alike; so every picture brings its own
paper. Text from outside is escaped.
"""

import base64
from collections.abc import Mapping, Sequence
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


def draw_attribute(attribute: str, tables: Mapping[str, Sequence[str]]) -> str:
    """Draw which fields (left, by table) feed one attribute (right): a curve for each table."""
    lines = sum(len(fields) + 1 for fields in tables.values())
    middle = _MARGIN + lines * _ROW / 2
    widest = max((len(name) for table, fields in tables.items() for name in (table, *fields)), default=0)
    start = _MARGIN + 10 + widest * _LETTER + 14
    right = max(start + 90, 440.0)
    width = right + 10 + len(attribute) * _LETTER * 1.1 + _MARGIN
    parts: list[str] = []
    y = float(_MARGIN)
    for number, (table, fields) in enumerate(tables.items()):
        colour = _COLOURS[number % len(_COLOURS)]
        top = y + 4
        parts.append(_text(_MARGIN, y + 15, table, weight="600", colour=colour))
        for field in fields:
            y += _ROW
            parts.append(_text(_MARGIN + 10, y + 15, field))
        y += _ROW
        parts.append(_rectangle(start, top, 3, y - top - 4, colour))
        parts.append(_curve(start + 3, (top + y) / 2, right, middle, colour))
    parts.append(_text(right + 10, middle + 4, attribute, weight="600"))
    return _sheet(width, max(y, middle + _ROW) + _MARGIN, parts)


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
