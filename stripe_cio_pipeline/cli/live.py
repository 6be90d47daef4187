"""What moves on the terminal while a command works: the act by its name, with a bar where there is something to count.

Nothing of it is left afterwards, and there is none where the output is no terminal, or JSON for programs.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Self

from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    SpinnerColumn,
    Task,
    TaskID,
    TextColumn,
    TimeElapsedColumn,
)
from rich.text import Text

from stripe_cio_pipeline.cli.output import Output
from stripe_cio_pipeline.deliver import DeliveryNote
from stripe_cio_pipeline.extract import ExtractReport, ProgressNote
from stripe_cio_pipeline.model import ModelReport
from stripe_cio_pipeline.plan import Plan

#: What begins when a room has reported.
_NEXT: dict[type, str] = {ExtractReport: "Computing people", ModelReport: "Planning", Plan: "Sending to Customer.io"}
#: What a stage of extraction does with an object type. What a stage costs is told before it and has nothing to count.
_STAGES = {"history": "history of", "changes": "changed", "reconcile": "compared", "events": "new"}
#: Columns of a bar: with the longest name beside it, it fits on 80.
_BAR = 20


class _CountColumn(MofNCompleteColumn):
    """`12/80`, and nothing where there is nothing to count."""

    def render(self, task: Task) -> Text:
        return super().render(task) if task.completed or task.total is not None else Text()


@dataclass(slots=True)
class ProgressBars:
    """What is under way on the terminal: the act by its name, and rooms' notes as bars below it. A block ends them all.

    Each act has bars of its own. Rich draws over what was printed last where bars go on with nothing in them, or are
    stopped and started again.
    """

    output: Output
    _progress: Progress | None = None
    _tasks: dict[str, TaskID] = field(default_factory=dict)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.clear()

    def begin(self, act: str) -> None:
        """Name what is under way, instead of what was: something moves from now on."""
        self.clear()
        if not self.output.is_live:
            return
        self._progress = Progress(
            SpinnerColumn(),
            TextColumn("{task.description}", markup=False),
            BarColumn(_BAR),
            _CountColumn(),
            TimeElapsedColumn(),
            console=self.output.console,
            transient=True,
        )
        self._progress.add_task(act, total=None)
        self._progress.start()

    def follow(self, report: object) -> None:
        """Name what begins once this was reported."""
        if act := _NEXT.get(type(report)):
            self.begin(act)

    def note(self, note: object) -> None:
        """Draw a note of extraction (rows of an object type) or of delivery (items)."""
        match note:
            case ProgressNote() if note.stage in _STAGES:
                total = round(note.rows / note.share) if note.share else None
                self.count(f"{_STAGES[note.stage]} {note.object}", note.rows, total)
            case DeliveryNote():
                self.count("items sent", note.accepted + note.rejected, note.planned)

    def count(self, name: str, done: int, total: int | None) -> None:
        """Draw how much of one part is done."""
        if self._progress is None:
            return
        if name not in self._tasks:
            self._tasks[name] = self._progress.add_task(f"  {name}", total=total)
        self._progress.update(self._tasks[name], completed=done, total=total)

    def clear(self) -> None:
        """Take all bars away: what they stood for is about to be reported."""
        if self._progress is not None:
            self._progress.stop()
        self._progress = None
        self._tasks.clear()


@contextmanager
def working(output: Output, act: str) -> Iterator[ProgressBars]:
    """Let something move while a block works, with words of what it does."""
    with ProgressBars(output) as bars:
        bars.begin(act)
        yield bars
