"""Which fields of which objects feed an attribute, as a picture."""

from collections.abc import Mapping, Sequence

from stripe_cio_pipeline.drawing.svg import COLOURS, LETTER, MARGIN, ROW, path, rectangle, sheet, text


def draw_attribute(attribute: str, tables: Mapping[str, Sequence[str]]) -> str:
    """Draw which fields (left, by table) feed one attribute (right): a curve for each table."""
    lines = sum(len(fields) + 1 for fields in tables.values())
    middle = MARGIN + lines * ROW / 2
    widest = max((len(name) for table, fields in tables.items() for name in (table, *fields)), default=0)
    start = MARGIN + 10 + widest * LETTER + 14
    right = max(start + 90, 440.0)
    width = right + 10 + len(attribute) * LETTER * 1.1 + MARGIN
    parts: list[str] = []
    y = float(MARGIN)
    for number, (table, fields) in enumerate(tables.items()):
        colour = COLOURS[number % len(COLOURS)]
        top = y + 4
        parts.append(text(MARGIN, y + 15, table, weight="600", colour=colour))
        for field in fields:
            y += ROW
            parts.append(text(MARGIN + 10, y + 15, field))
        y += ROW
        parts.append(rectangle(start, top, 3, y - top - 4, colour))
        parts.append(_curve(start + 3, (top + y) / 2, right, middle, colour))
    parts.append(text(right + 10, middle + 4, attribute, weight="600"))
    return sheet(width, max(y, middle + ROW) + MARGIN, parts)


def _curve(x1: float, y1: float, x2: float, y2: float, colour: str) -> str:
    middle = (x1 + x2) / 2
    way = f"M{x1:.0f} {y1:.0f}C{middle:.0f} {y1:.0f} {middle:.0f} {y2:.0f} {x2:.0f} {y2:.0f}"
    return path(way, colour, opacity=0.55)
