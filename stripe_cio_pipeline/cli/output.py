"""What a command shows: tables and sentences for people, and one JSON object for programs.

With `--json` the last line of standard output is that object and everything for people goes to standard error.
"""

import dataclasses
import json
import os
import sys
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from datetime import UTC, date, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any, TextIO

import orjson
from rich.console import Console
from rich.text import Text

from stripe_cio_pipeline.cli.layout import Cell, Grid, Sentence
from stripe_cio_pipeline.errors import PipelineError
from stripe_cio_pipeline.outside import visible, visible_json

#: Columns of a table where the output is no terminal, such as a log file: Rich would take 80.
_WIDTH_OF_A_FILE = 132


class Lines(tuple[str, ...]):
    """What stands under one another in a cell of a table."""


class OutputError(PipelineError):
    """What a command says cannot be written. What it did is done all the same."""


@contextmanager
def _writing() -> Iterator[None]:
    """Write to standard output. Raises OutputError; a reader who has seen enough (BrokenPipeError) is none."""
    try:
        yield
    except BrokenPipeError:
        raise
    except OSError as refused:
        raise unwritten(refused) from None


def unwritten(refused: OSError) -> OutputError:
    """Say that standard output took nothing more."""
    return OutputError(
        f"Standard output cannot be written ({refused.strerror}).",
        "Make room where it leads, or lead it elsewhere. What the command has done stays done.",
    )


def flush() -> None:
    """Write what waits to be written. Raises OutputError."""
    with _writing():
        sys.stdout.flush()


class Output:
    """Where a command's words go. `as_json` is the command's `--json`."""

    def __init__(self, *, as_json: bool) -> None:
        self.as_json = as_json
        stream = sys.stderr if as_json else sys.stdout
        terminal = stream.isatty()
        #: Whether something may move: only before somebody who looks.
        self.is_live = terminal and not as_json
        self.console = Console(
            file=_own(stream) if terminal else stream,
            width=None if terminal else _WIDTH_OF_A_FILE,
            highlight=False,
            soft_wrap=False,
        )

    def say(self, text: str = "", style: str = "", *, hangs: bool = False) -> None:
        """Write a sentence. `text` is taken as it is: brackets in names and reasons are no markup.

        `hangs`: where it takes several lines on a terminal, all but the first are indented.
        """
        shown = visible(text, lines=True)
        with _writing():
            if not self.console.is_terminal:
                self.console.print(Text(shown, style), soft_wrap=True)  # in a file a sentence stays one line
                return
            for line in shown.split("\n"):
                self.console.print(Sentence(line, style, hangs))

    def good(self, text: str) -> None:
        """Write a sentence about something that is as it should be."""
        self.say(f"✔ {text}", "green")

    def bad(self, text: str) -> None:
        """Write a sentence about something that is not."""
        self.say(f"✘ {text}", "red")

    def table(
        self,
        title: str,
        columns: Iterable[str],
        rows: Iterable[Iterable[object]],
        *,
        numbers: Iterable[str] = (),
        always: Iterable[str] = (),
        obvious: Iterable[str] = (),
    ) -> None:
        """Draw a table. Columns named in `numbers` stand to the right.

        Of those with nothing but zeros, only what is named in `always` is shown. Where there is no room for a table it
        becomes lines, which do not name the columns in `obvious`: their values speak for themselves.
        """
        held = [list(row) for row in rows]
        if not held:
            self.say(f"{title}: nothing yet", "bold")
            return
        right, kept, unnamed = set(numbers), set(always), set(obvious)
        shown = [
            (number, head)
            for number, head in enumerate(columns)
            if head not in right - kept or any(row[number] for row in held)
        ]
        # A title of the table's own would be folded to the width of the table.
        self.say(title, "bold")
        grid = Grid(
            [head for _, head in shown],
            [[_cell(row[number]) for number, _ in shown] for row in held],
            *(frozenset(place for place, (_, head) in enumerate(shown) if head in which) for which in (right, unnamed)),
        )
        with _writing():
            self.console.print(grid)

    def result(self, value: Any) -> None:
        """Write the object for programs, where they asked for it. Call once, last."""
        if self.as_json:
            print_json(value)


#: Unix seconds that are a date which Python can write.
_YEAR_9999 = 253_402_300_799


def _cell(value: object) -> Cell:
    return Cell(tuple(readable(value).split("\n")), is_whole=not isinstance(value, str | Lines))


def _own(terminal: TextIO) -> TextIO:
    """Give the terminal under a file descriptor of our own.

    While Dagster records a run, standard output leads into its log, and the cursor would move there.
    """
    return os.fdopen(os.dup(terminal.fileno()), "w", buffering=1, encoding=terminal.encoding, errors=terminal.errors)


def print_json(value: Any) -> None:
    """Write one line of JSON on standard output."""
    line = visible_json(orjson.dumps(plain(value), option=orjson.OPT_SORT_KEYS).decode())
    try:
        line.encode(sys.stdout.encoding or "utf-8")
    except UnicodeEncodeError:
        line = json.dumps(json.loads(line))  # in ASCII alone, and the same to whoever reads it
    with _writing():
        sys.stdout.write(f"{line}\n")
        sys.stdout.flush()


def plain(value: Any) -> Any:
    """Turn reports into what JSON has: objects, lists, numbers, texts. Times become ISO texts in UTC."""
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return {field.name: plain(getattr(value, field.name)) for field in dataclasses.fields(value)}
    if isinstance(value, Mapping):
        return {str(key): plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple | set | frozenset):
        return [plain(item) for item in value]
    if isinstance(value, datetime):
        moment = value if value.tzinfo else value.replace(tzinfo=UTC)
        return moment.astimezone(UTC).isoformat(timespec="seconds").replace("+00:00", "Z")
    if isinstance(value, date):
        return value.isoformat()
    if isinstance(value, Decimal):
        return int(value) if value == value.to_integral_value() else float(value)
    if isinstance(value, Path):
        return os.fsencode(value).decode("utf-8", "replace")  # a name may be no text at all
    return value


def readable(value: object) -> str:
    """Write a value as a person reads it: numbers with separators, times in UTC, `–` for nothing."""
    match value:
        case None:
            return "–"
        case bool():
            return "yes" if value else "no"
        case int():
            return f"{value:,}"
        case float():
            return f"{value:,.1f}" if abs(value) < 100 else f"{value:,.0f}"
        case datetime():
            return f"{value:%Y-%m-%d %H:%M:%S} UTC"
        case Lines():
            return "\n".join(visible(line) for line in value)
        case list() | tuple():
            return ", ".join(readable(item) for item in value)
        case dict():
            return visible(orjson.dumps(plain(value)).decode())
    return visible(str(value))


def many(count: int, noun: str) -> str:
    """Write a count with its noun."""
    return f"{count:,} {noun}" if count == 1 else f"{count:,} {noun}s"


def attribute(value: object, name: str = "") -> str:
    """Write an attribute's value as Customer.io has it: no separators, because many numbers are ids.

    A number of an attribute whose `name` ends with `_at` or `_since` is unix seconds, and its date stands beside it.
    """
    match value:
        case None:
            return "–"
        case int() | float() if name.endswith(("_at", "_since")) and 0 < value < _YEAR_9999:
            return f"{value} ({datetime.fromtimestamp(value, UTC):%Y-%m-%d %H:%M} UTC)"
        case str():
            return visible(value)
    return visible(orjson.dumps(plain(value)).decode())


def moment(unix_seconds: float | None) -> datetime | None:
    """Turn unix seconds into a time that `readable` and `plain` know."""
    return None if unix_seconds is None else datetime.fromtimestamp(unix_seconds, UTC)


def duration(seconds: float | None) -> str:
    """Write a span of time with the one or two units that matter."""
    if seconds is None:
        return "–"
    if seconds < 120:
        return f"{seconds:.1f} s"
    for size, unit, smaller_size, smaller in (
        (86_400, "d", 3600, "h"),
        (3600, "h", 60, "min"),
        (60, "min", 1, "s"),
    ):
        if seconds >= size:
            whole, rest = divmod(int(seconds), size)
            return f"{whole} {unit} {rest // smaller_size} {smaller}"
    return f"{seconds:.1f} s"
