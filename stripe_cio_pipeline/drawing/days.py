"""What changes from day to day: as lines, or as columns of parts that add up."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import date
from math import ceil

from stripe_cio_pipeline.drawing.svg import (
    COLOURS,
    LETTER,
    MARGIN,
    QUIET,
    ROW,
    RULE,
    blocks,
    dot,
    path,
    rectangle,
    sheet,
    text,
)

_WIDTH, _HEIGHT = 760, 180
#: At most so many lines across the picture, above the one at 0.
_STEPS = 4
#: Pixels between two dates below it.
_DATES_APART = 90


@dataclass(frozen=True, slots=True)
class Series:
    """A name and a number for each day; None where there is none, and the line has a gap."""

    name: str
    values: Sequence[float | None]


@dataclass(frozen=True, slots=True)
class _Frame:
    """Where days and numbers lie on the paper."""

    left: float
    right: float
    bottom: float
    days: int
    top_value: float

    def x(self, day: int) -> float:
        """Give the middle of a day."""
        return self.left + (self.right - self.left) * (day + 0.5) / self.days

    def y(self, value: float) -> float:
        """Give the height of a number."""
        return self.bottom - _HEIGHT * value / self.top_value


def _counted(value: float) -> str:
    return f"{value:,.0f}" if value == int(value) else f"{value:,.1f}"


def draw_lines(
    title: str,
    days: Sequence[date],
    series: Sequence[Series],
    *,
    nothing: str,
    written: Callable[[float], str] = _counted,
    ticks: Sequence[float] = (),
) -> str:
    """Draw a line for each series. The legend has their last numbers.

    `written` writes a number; `ticks` are the distances that lines across the picture may have.
    """
    known = [value for each in series for value in each.values if value is not None]
    if not known:
        return _empty(title, nothing)
    parts, frame = _frame(title, days, series, max(known), _last, written, ticks)
    for number, each in enumerate(series):
        colour = COLOURS[number % len(COLOURS)]
        places = [None if value is None else (frame.x(day), frame.y(value)) for day, value in enumerate(each.values)]
        parts.append(path(_way(places), colour, width=2))
        for day, place in enumerate(places):
            is_alone = (day == 0 or places[day - 1] is None) and (day + 1 == len(places) or places[day + 1] is None)
            if place is not None and (is_alone or day + 1 == len(places)):
                parts.append(dot(*place, colour))
    return sheet(_WIDTH, frame.bottom + ROW + MARGIN, parts)


def draw_columns(title: str, days: Sequence[date], series: Sequence[Series], *, nothing: str) -> str:
    """Draw a column for each day, of the series one on another: the first lies lowest. The legend has their sums."""
    totals = [sum(each.values[day] or 0 for each in series) for day in range(len(days))]
    if not any(totals):
        return _empty(title, nothing)
    parts, frame = _frame(title, days, series, max(totals), _sum)
    thick = min(28.0, 0.8 * (frame.right - frame.left) / len(days))
    feet = [0.0] * len(days)
    for number, each in enumerate(series):
        places = []
        for day, value in enumerate(each.values):
            if value:
                foot, feet[day] = frame.y(feet[day]), feet[day] + value
                # What is there is seen, however small it is beside the rest.
                tall = max(1.0, foot - frame.y(feet[day]))
                places.append((frame.x(day) - thick / 2, foot - tall, thick, tall))
        parts.append(blocks(places, COLOURS[number % len(COLOURS)]))
    return sheet(_WIDTH, frame.bottom + ROW + MARGIN, parts)


def nice_step(least: float, ticks: Sequence[float] = ()) -> float:
    """Give the distance of the lines across a picture: the first tick that is large enough, else 1, 2 or 5 tens."""
    for tick in ticks:
        if tick >= least:
            return tick
    size = 1.0
    while True:
        for factor in (1, 2, 5):
            if factor * size >= least:
                return factor * size
        size *= 10


def _frame(
    title: str,
    days: Sequence[date],
    series: Sequence[Series],
    largest: float,
    figure: Callable[[Series], float | None],
    written: Callable[[float], str] = _counted,
    ticks: Sequence[float] = (),
) -> tuple[list[str], _Frame]:
    """Draw title, legend, scale and dates; give the place that is left."""
    parts = [text(MARGIN, MARGIN + 16, title, size=14, weight="600")]
    y = _legend(parts, [(each.name, figure(each)) for each in series], written)
    step = nice_step(largest / _STEPS, ticks)
    marks = [step * number for number in range(max(1, ceil(largest / step)) + 1)]
    left = MARGIN + max(len(written(mark)) for mark in marks) * LETTER + 8
    frame = _Frame(left, _WIDTH - MARGIN, y + 8 + _HEIGHT, len(days), marks[-1])
    for mark in marks:
        height = frame.y(mark)
        parts.append(path(f"M{frame.left:.0f} {height:.1f}H{frame.right:.0f}", RULE))
        parts.append(text(frame.left - 8, height + 4, written(mark), anchor="end", colour=QUIET))
    _dates(parts, frame, days)
    return parts, frame


def _last(series: Series) -> float | None:
    return next((value for value in reversed(series.values) if value is not None), None)


def _sum(series: Series) -> float:
    return sum(value or 0 for value in series.values)


def _legend(parts: list[str], entries: Sequence[tuple[str, float | None]], written: Callable[[float], str]) -> float:
    """Write names, each with its number; give where the picture can begin."""
    x, y = float(MARGIN), MARGIN + 26.0
    for number, (name, figure) in enumerate(entries):
        words = name if figure is None else f"{name}: {written(figure)}"
        wide = 16 + len(words) * LETTER + 18
        if x > MARGIN and x + wide > _WIDTH - MARGIN:
            x, y = float(MARGIN), y + ROW
        parts.append(rectangle(x, y + 6, 10, 10, COLOURS[number % len(COLOURS)]))
        parts.append(text(x + 16, y + 15, words))
        x += wide
    return y + ROW


def _dates(parts: list[str], frame: _Frame, days: Sequence[date]) -> None:
    every = max(1, ceil(_DATES_APART / ((frame.right - frame.left) / len(days))))
    for place in range(len(days) - 1, -1, -every):
        day = days[place]
        words = f"{day.day} {day:%b}" if day.year == days[-1].year else f"{day.day} {day:%b %Y}"
        half = len(words) * LETTER / 2
        x = min(max(frame.x(place), frame.left + half - 20), _WIDTH - MARGIN - half)
        parts.append(text(x, frame.bottom + 18, words, anchor="middle", colour=QUIET))


def _way(places: Sequence[tuple[float, float] | None]) -> str:
    way, is_on = "", False
    for place in places:
        if place is not None:
            way += f"{'L' if is_on else 'M'}{place[0]:.1f} {place[1]:.1f}"
        is_on = place is not None
    return way


def _empty(title: str, nothing: str) -> str:
    return sheet(
        _WIDTH,
        MARGIN * 2 + 16 + ROW,
        [text(MARGIN, MARGIN + 16, title, size=14, weight="600"), text(MARGIN, MARGIN + 41, nothing, colour=QUIET)],
    )
