"""Sentences and tables that fit a terminal: no word is broken, and a table that finds no room becomes lines."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from rich.cells import cell_len
from rich.console import Console, ConsoleOptions, RenderResult
from rich.table import Table
from rich.text import Text

#: What a sentence may begin with to say how it is meant, with colour or without.
SIGNS = ("✔ ", "✘ ", "! ", "– ")
_INDENT = 2
#: What the border takes beside each column, and once.
_BESIDE, _BORDER = 3, 1


@dataclass(frozen=True, slots=True)
class Sentence:
    """A text of one line, or of several below each other where there is no room: indented, if it begins so.

    `hangs`: the second and further ones are indented whatever it begins with.
    """

    text: str
    style: str = ""
    hangs: bool = False

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        body = self.text.lstrip(" ")
        lead = len(self.text) - len(body)
        hang = lead + _INDENT if lead or self.hangs or body.startswith(SIGNS) else 0
        room = max(1, options.max_width - hang)
        for number, line in enumerate(Text(body, self.style).wrap(console, room, overflow="fold")):
            line.rstrip()
            line.pad_left(hang if number else lead)
            yield line


@dataclass(frozen=True, slots=True)
class Cell:
    """What is in one field of a table. `is_whole`: it is not folded, as a number or a moment is not."""

    lines: tuple[str, ...]
    is_whole: bool = False

    @property
    def width(self) -> int:
        """Columns that it takes where there is room."""
        return max((cell_len(line) for line in self.lines), default=0)

    @property
    def least(self) -> int:
        """Columns that it takes at least."""
        words = self.lines if self.is_whole else [word for line in self.lines for word in line.split()]
        return max((cell_len(word) for word in words), default=0)


@dataclass(frozen=True, slots=True)
class Grid:
    """A table where there is room for it, and else lines: one for each row, as `customers: read 40, stored 40`.

    `right` are the columns, by their place, that are aligned to the right; a line need not name those in `obvious`.
    """

    heads: Sequence[str]
    rows: Sequence[Sequence[Cell]]
    right: frozenset[int]
    obvious: frozenset[int]

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        columns = [[Cell((head,)), *cells] for head, *cells in zip(self.heads, *self.rows, strict=True)]
        widths = fit(
            [max(cell.width for cell in column) for column in columns],
            [max(cell.least for cell in column) for column in columns],
            options.max_width - _BESIDE * len(columns) - _BORDER,
        )
        if widths is None:
            yield from (Sentence(line, hangs=True) for row in self.rows for line in self._told(row))
            return
        table = Table(header_style="bold")
        for number, (head, width) in enumerate(zip(self.heads, widths, strict=True)):
            table.add_column(head, justify="right" if number in self.right else "left", width=width, overflow="fold")
        for row in self.rows:
            table.add_row(*(Text("\n".join(cell.lines)) for cell in row))
        yield table

    def _told(self, row: Sequence[Cell]) -> Iterator[str]:
        """Write a row in words. What has several lines follows below, each on its own."""
        first, *rest = [(self._name(place), cell) for place, cell in enumerate(row) if any(cell.lines)]
        short = [f"{name}{cell.lines[0]}" for name, cell in rest if len(cell.lines) == 1]
        subject = " ".join(first[1].lines)
        yield f"{subject}: {', '.join(short)}" if short else subject
        for name, cell in rest:
            if len(cell.lines) > 1:
                yield from (f"  {name}{line}" if not at else f"    {line}" for at, line in enumerate(cell.lines))

    def _name(self, place: int) -> str:
        if place in self.obvious or not self.heads[place]:
            return ""
        return f"{self.heads[place]}{' ' if place in self.right else ': '}"


def fit(widths: Sequence[int], least: Sequence[int], room: int) -> list[int] | None:
    """Take from the columns that have most to give, until all fit. None where they do not even at their least."""
    taken = list(widths)
    while (over := sum(taken) - room) > 0:
        to_give = [width - bound for width, bound in zip(taken, least, strict=True)]
        widest = max(range(len(taken)), key=to_give.__getitem__)
        if to_give[widest] <= 0:
            return None
        second = sorted(to_give)[-2] if len(to_give) > 1 else 0
        taken[widest] -= min(over, to_give[widest], max(1, to_give[widest] - second))
    return taken
