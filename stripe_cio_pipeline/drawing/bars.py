"""Bars that lie, each with its name before it and its number behind it."""

from collections.abc import Sequence
from dataclasses import dataclass

from stripe_cio_pipeline.drawing.svg import COLOURS, LETTER, MARGIN, QUIET, ROW, rectangle, sheet, text


@dataclass(frozen=True, slots=True)
class Bar:
    """One line of a chart. `shown` is what is written behind it, by default the value."""

    label: str
    value: float
    shown: str = ""


@dataclass(frozen=True, slots=True)
class Chart:
    """Bars under a title. `nothing` is said where there are none."""

    title: str
    bars: Sequence[Bar]
    nothing: str = "nothing"


def draw_charts(charts: Sequence[Chart], *, most_bars: int = 15, width: int = 760) -> str:
    """Draw bar charts one below another, to one scale each. What does not fit is counted in a last line."""
    parts: list[str] = []
    y = MARGIN
    for number, chart in enumerate(charts):
        shown = list(chart.bars[:most_bars])
        y += 16
        parts.append(text(MARGIN, y, chart.title, size=14, weight="600"))
        y += 10
        left = MARGIN + max([90.0, *(len(bar.label) * LETTER for bar in shown)]) + 10
        room = width - left - max([80.0, *(len(bar.shown) * LETTER + MARGIN + 6 for bar in shown)])
        largest = max((bar.value for bar in shown), default=0)
        for bar in shown:
            length = max(2.0, room * bar.value / largest) if bar.value else 0.0
            parts.append(text(left - 8, y + 15, bar.label, anchor="end"))
            parts.append(rectangle(left, y + 4, length, 14, COLOURS[number % len(COLOURS)]))
            parts.append(text(left + length + 6, y + 15, bar.shown or f"{bar.value:,}", colour=QUIET))
            y += ROW
        rest = chart.bars[most_bars:]
        if rest:
            more = f"and {len(rest)} more, {sum(bar.value for bar in rest):,} together"
            parts.append(text(left, y + 15, more, colour=QUIET))
            y += ROW
        if not shown:
            parts.append(text(MARGIN, y + 15, chart.nothing, colour=QUIET))
            y += ROW
        y += 12
    return sheet(width, y, parts)
