"""What every picture is made of: the paper, words, rectangles, lines; and the way into Markdown."""

import base64
from collections.abc import Iterable, Sequence
from html import escape

INK, QUIET, PAPER, RULE = "#1d2433", "#667085", "#ffffff", "#e4e7ec"
#: Told apart with every common kind of colour blindness (Okabe and Ito's palette, without yellow).
COLOURS = ("#0072b2", "#d55e00", "#009e73", "#cc79a7", "#56b4e9", "#e69f00", "#5d6b82")
#: Height of a line of words.
ROW = 22
MARGIN = 14
#: Width of a letter at 12 px, on the generous side.
LETTER = 6.7


def sheet(width: float, height: float, parts: Sequence[str]) -> str:
    """Put parts on paper."""
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{width:.0f}" height="{height:.0f}" '
        f'viewBox="0 0 {width:.0f} {height:.0f}" font-family="ui-sans-serif,system-ui,sans-serif" font-size="12">'
        f'<rect width="100%" height="100%" rx="8" fill="{PAPER}" stroke="{RULE}"/>{"".join(parts)}</svg>'
    )


def text(
    x: float, y: float, words: str, *, anchor: str = "", weight: str = "", colour: str = INK, size: int = 0
) -> str:
    """Write words. `anchor` is SVG's: by default they begin at x."""
    more = "".join(
        f' {name}="{value}"'
        for name, value in (("text-anchor", anchor), ("font-weight", weight), ("font-size", size))
        if value
    )
    return f'<text x="{x:.0f}" y="{y:.0f}" fill="{colour}"{more}>{escape(words)}</text>'


def rectangle(x: float, y: float, width: float, height: float, colour: str) -> str:
    """Draw a rectangle that is filled."""
    return f'<rect x="{x:.1f}" y="{y:.1f}" width="{width:.1f}" height="{height:.1f}" rx="2" fill="{colour}"/>'


def path(way: str, colour: str, *, width: float = 1, opacity: float = 1) -> str:
    """Draw a line along SVG's own description of a way."""
    see_through = f' stroke-opacity="{opacity:g}"' if opacity < 1 else ""
    return f'<path d="{way}" fill="none" stroke="{colour}" stroke-width="{width:g}"{see_through}/>'


def blocks(places: Iterable[tuple[float, float, float, float]], colour: str) -> str:
    """Draw rectangles of one colour, each by left, top, width and height. Takes a quarter of the space of many."""
    way = "".join(f"M{x:.1f} {y:.1f}h{width:.1f}v{height:.1f}h-{width:.1f}z" for x, y, width, height in places)
    return f'<path d="{way}" fill="{colour}"/>'


def dot(x: float, y: float, colour: str) -> str:
    """Draw a dot."""
    return f'<circle cx="{x:.1f}" cy="{y:.1f}" r="3" fill="{colour}"/>'


def as_markdown(svg: str, words: str) -> str:
    """Put a picture into Markdown. `words` say what it shows, for those who cannot see it."""
    data = base64.b64encode(svg.encode()).decode()
    return f"![{words}](data:image/svg+xml;base64,{data})"
