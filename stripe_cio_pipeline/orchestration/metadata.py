"""What a step tells about itself: numbers that the UI plots, tables, pictures, and never an address or a key.

Metadata names are kept for ever: the UI draws each over the runs.
"""

import dataclasses
import re
from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime
from math import ceil
from typing import Any

import dagster as dg

from stripe_cio_pipeline.outside import escaped

#: An address, wherever it stands in a text. Generous: to mask too much is no harm.
_EMAIL = re.compile(r"([^\s@\"'<>(),;:|=]{1,2})[^\s@\"'<>(),;:|=]*@([^\s@\"'<>(),;:|]+)")
_KEY = re.compile(r"\b((?:rk|sk|pk|whsec|rkcs|sk_org)_(?:live_|test_)?)[A-Za-z0-9]{6,}")
#: Attributes that name a person. Their values are not shown at all.
_PRIVATE = frozenset({"name", "phone", "address", "open_invoice_url"})
_LONGEST_CELL = 120
#: Dagster folds Markdown of 1,000 signs and more: so many rows fit, with bars of so many letters.
_ROWS, _LETTERS = 10, 20


def masked(text: str) -> str:
    """Take addresses and keys out of a text: `customer-12@example.com` becomes `cu…@example.com`."""
    return _KEY.sub(r"\1…", _EMAIL.sub(r"\1…@\2", text))


def masked_value(attribute: str, value: Any) -> str:
    """Write an attribute's value as it may be shown."""
    if value is None:
        return "–"
    if attribute.lower() in _PRIVATE:
        return "…"
    return masked(readable(value))


def readable(value: Any) -> str:
    """Write a value as a person reads it."""
    match value:
        case None:
            return "–"
        case bool():
            return "yes" if value else "no"
        case int():
            return str(value)
        case float():
            return f"{value:,.2f}"
        case datetime():
            return f"{value:%Y-%m-%d %H:%M:%S} UTC"
        case list() | tuple():
            return ", ".join(readable(item) for item in value)
    return str(value)


def moment(unix_seconds: float | None) -> str:
    """Write a time in UTC."""
    return "–" if unix_seconds is None else readable(datetime.fromtimestamp(unix_seconds, UTC))


def table(
    columns: Sequence[str],
    rows: Iterable[Sequence[Any]],
    *,
    nothing: str = "Nothing yet.",
    longest_cell: int = _LONGEST_CELL,
) -> str:
    """Write a Markdown table of values, masked and escaped, with cells over `longest_cell` characters cut."""
    lines = [_line([_cell(value, longest_cell) for value in row]) for row in rows]
    if not lines:
        return nothing
    return "\n".join([_line([escaped(column) for column in columns]), _line(["---"] * len(columns)), *lines])


def bar_table(columns: tuple[str, str], values: Sequence[tuple[str, int]], nothing: str) -> str:
    """Write figures as a table with bars of letters: Dagster shows it without a click while it is short."""
    most = max((value for _, value in values), default=0)
    rows = ((name.replace("_", " "), value, "█" * ceil(_LETTERS * value / most)) for name, value in values[:_ROWS])
    return table((*columns, ""), rows, nothing=nothing)


def numbers(values: Mapping[str, float | None]) -> dict[str, dg.MetadataValue]:
    """Turn figures into plottable metadata. What is not known is left out, not written as 0."""
    found: dict[str, dg.MetadataValue] = {}
    for name, value in values.items():
        if isinstance(value, int):
            found[name] = dg.MetadataValue.int(value)
        elif value is not None:
            found[name] = dg.MetadataValue.float(round(float(value), 3))
    return found


def counts(values: Mapping[str, float | None]) -> dict[str, dg.MetadataValue]:
    """Turn counts into plottable metadata, without those that are 0: a page of zeros hides what happened."""
    return numbers({name: value for name, value in values.items() if value != 0})


def figures(report: Any) -> dict[str, dg.MetadataValue]:
    """Give every figure of a report that is not 0, under its own name."""
    fields = dataclasses.fields(report)
    found = {field.name: getattr(report, field.name) for field in fields}
    return counts(
        {
            name.replace("_", " "): value
            for name, value in found.items()
            if isinstance(value, int | float) and not isinstance(value, bool)
        }
    )


def listed(lines: Iterable[str]) -> str:
    """Write a Markdown list of sentences that may hold text from outside, masked and escaped."""
    return "\n".join(f"- {escaped(masked(line))}" for line in lines)


def markdown(*parts: str) -> dg.MetadataValue:
    """Put paragraphs, tables and pictures below one another."""
    return dg.MetadataValue.md("\n\n".join(part for part in parts if part))


class Markup(str):
    """Markdown of our own, for a cell of a table: what stands in it from outside went through `escaped`."""

    __slots__ = ()


def _cell(value: Any, longest: int) -> str:
    if isinstance(value, Markup):
        return value
    text = masked(readable(value)).replace("\n", " ")
    return escaped(text if len(text) <= longest else text[: longest - 1] + "…")


def _line(cells: Sequence[str]) -> str:
    return "| " + " | ".join(cells) + " |"
