"""Commands in a real pseudo-terminal: what moved while they worked, and what is left when they have ended."""

import contextlib
import fcntl
import io
import os
import pty
import re
import select
import struct
import subprocess
import sys
import termios
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import orjson
import pyte
import pytest
from rich.cells import cell_len
from rich.console import Console, NewLine
from rich.control import Control
from rich.rule import Rule

from stripe_cio_pipeline.cli import output
from stripe_cio_pipeline.cli.app import run
from tests.kept_open import kept_open_for

ROWS = 40
WIDTHS = (80, 100, 160)
#: So wide that nothing has to be folded.
WHOLE = 400
COLOUR = re.compile(r"\x1b\[(?:[\d;]*;)?(?:3[0-8]|9[0-7])(?:;[\d;]*)?m")
#: Heads of columns that lines do not name where there is no room for the table.
OBVIOUS = {"when", "event", "id"}
SPINNER = set("⠋⠙⠹⠸⠼⠴⠦⠧⠇⠏")


class Screen:
    """A terminal's screen, and what has scrolled out of it. Where it shows `question`, somebody types `answer`."""

    def __init__(self, columns: int, question: str = "", answer: str = "") -> None:
        self.columns = columns
        self._question, self._answer = question, answer
        self.moving: list[str] = []
        self.screen = pyte.HistoryScreen(columns, ROWS, history=10_000)
        self._stream = pyte.ByteStream(self.screen)

    def follow(self, ours: int) -> None:
        """Draw all that is written, note what moves, and type the answer where the question is shown."""
        while written := _read(ours):
            self._stream.feed(written)
            for row in range(ROWS):
                cells = self.screen.buffer[row]
                if cells[0].data in SPINNER:
                    self.moving.append("".join(cells[column].data for column in range(self.columns)).rstrip())
            if self._question and any(self._question in line for line in self.screen.display):
                self._question = ""
                os.write(ours, self._answer.encode() + b"\n")

    @property
    def was_asked(self) -> bool:
        """Whether the question was shown."""
        return not self._question

    @property
    def lines(self) -> list[str]:
        """All that is to be read."""
        above = ["".join(line[column].data for column in range(self.columns)) for line in self.screen.history.top]
        lines = [line.rstrip() for line in (*above, *self.screen.display)]
        while lines and not lines[-1]:
            lines.pop()
        return lines

    def saw(self, act: str) -> bool:
        """Whether something moved beside these words."""
        return any(act in line for line in self.moving)


@contextlib.contextmanager
def _opened(columns: int) -> Iterator[tuple[int, int]]:
    ours, theirs = pty.openpty()
    fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", ROWS, columns, 0, 0))
    try:
        yield ours, theirs
    finally:
        os.close(ours)


def _read(ours: int) -> bytes:
    """Read what was written; nothing at the end, which is once nobody has the other side open any more."""
    ready, _, _ = select.select([ours], [], [], 60)
    try:
        return os.read(ours, 65_536) if ready else b""
    except OSError:  # what Linux says at the end of a pseudo-terminal
        return b""


class Terminal(Screen):
    """A command as a process of its own in a pseudo-terminal."""

    def __init__(self, *arguments: str, columns: int) -> None:
        super().__init__(columns)
        with _opened(columns) as (ours, theirs):
            process = subprocess.Popen(
                [sys.executable, "-m", "stripe_cio_pipeline.cli", *arguments],
                stdin=theirs,
                stdout=theirs,
                stderr=theirs,
                env={**os.environ, "TERM": "xterm-256color"},
            )
            os.close(theirs)
            self.follow(ours)
        self.exit_code = process.wait(60)


class Shown(Screen):
    """A command in this process, with a pseudo-terminal as its output. What it printed can be drawn at other widths.

    `result` is what a program gets with `--json`.
    """

    def __init__(self, *arguments: str, columns: int = 80, question: str = "", answer: str = "") -> None:
        super().__init__(columns, question, answer)
        self.result: Any = None
        self._printed: list[tuple[tuple[Any, ...], dict[str, Any]]] = []
        with pytest.MonkeyPatch.context() as patch, _opened(columns) as (ours, theirs):
            patch.setenv("TERM", "xterm-256color")
            patch.setenv("COLUMNS", str(columns))
            patch.setenv("LINES", str(ROWS))
            patch.setattr(Console, "print", self._noting(Console.print))
            reader = threading.Thread(target=self.follow, args=(ours,))
            reader.start()
            with contextlib.ExitStack() as open_:
                own = output._own
                patch.setattr(output, "_own", lambda terminal: open_.enter_context(own(terminal)))
                terminal = open_.enter_context(os.fdopen(theirs, "w", encoding="utf-8"))
                patch.setattr(sys, "stdin", open_.enter_context(os.fdopen(os.dup(theirs), encoding="utf-8")))
                patch.setattr(sys, "stdout", terminal)
                patch.setattr(sys, "stderr", terminal)
                patch.setattr(output.Output, "result", self._taking(output.Output.result))
                with kept_open_for(arguments):
                    self.exit_code = run(arguments)
            reader.join()

    def _taking(self, as_ever: Any) -> Any:
        def taken(shown: output.Output, value: Any) -> None:
            self.result = orjson.loads(orjson.dumps(output.plain(value)))
            as_ever(shown, value)

        return taken

    def _noting(self, as_ever: Any) -> Any:
        def noted(console: Console, *objects: Any, **options: Any) -> None:
            if not isinstance(objects[0], Control | NewLine):  # how what moves takes itself away
                self._printed.append((objects, options))
            as_ever(console, *objects, **options)

        return noted

    def drawn(self, columns: int, *, colour: bool = True) -> "Drawing":
        """Draw what was printed at another width. What moved is not drawn again."""
        console = Console(
            file=io.StringIO(),
            width=columns,
            height=ROWS,
            force_terminal=True,
            color_system="256",
            no_color=not colour,
            highlight=False,
        )
        for objects, options in self._printed:
            console.print(*objects, **options)
        assert isinstance(console.file, io.StringIO)
        return Drawing(console.file.getvalue())

    @property
    def faults(self) -> list[str]:
        """Say what is broken, lost or too wide on some terminal, or told by colour alone."""
        found = []
        if SPINNER & set("".join(self.lines)):
            found.append("something that moved is left")
        whole = self.drawn(WHOLE).words | OBVIOUS
        for columns in WIDTHS:
            drawn, plain = self.drawn(columns), self.drawn(columns, colour=False)
            if columns == self.columns and drawn.lines != self.lines:
                found.append("what is drawn again is not what the terminal showed")
            found += [f"{columns}: {line} is too wide" for line in drawn.lines if cell_len(line) > columns]
            found += [f"{columns}: {word} is broken or lost" for word in whole ^ (drawn.words | OBVIOUS)]
            if plain.lines != drawn.lines or COLOUR.search(plain.written):
                found.append(f"{columns}: otherwise without colour")
        return found

    def picture(self, title: str, columns: int, *, since: str) -> str:
        """Draw an SVG of what was printed since the first rule with these words, without the last: how long it took.

        Its fonts are those of the reader.
        """
        console = Console(file=io.StringIO(), width=columns, force_terminal=True, record=True, highlight=False)
        rules = [objects[0].title if isinstance(objects[0], Rule) else "" for objects, _ in self._printed]
        begin = next(number for number, words in enumerate(rules) if since in words)
        for objects, options in self._printed[begin:-1]:
            console.print(*objects, **options)
        drawn = console.export_svg(title=title, unique_id="demo")
        return re.sub(r"@font-face \{.*?\}\s*", "", drawn, flags=re.DOTALL)


@dataclass(frozen=True, slots=True)
class Drawing:
    """What a terminal of some width gets, were there nothing to move."""

    written: str

    @property
    def lines(self) -> list[str]:
        """All that is to be read, as it is folded."""
        return [line.rstrip() for line in re.sub(r"\x1b\[[\d;]*m", "", self.written).rstrip("\n").split("\n")]

    @property
    def words(self) -> set[str]:
        """Every word that is to be read; borders and the punctuation between values are none."""
        text = re.sub(r"[\u2500-\u257f]", " ", "\n".join(self.lines))
        return {word for each in text.split() if (word := each.strip(",:;"))}
