"""Telling where a model's SQL is wrong: file, line and column."""

import re
import threading
from collections.abc import Iterator
from contextlib import contextmanager

import duckdb

from stripe_cio_pipeline.errors import ModelError
from stripe_cio_pipeline.model.files import ModelFile
from stripe_cio_pipeline.model.syntax import place
from stripe_cio_pipeline.warehouse import Connection, Warehouse, fault_of

_PLACE = re.compile(r"^LINE (?P<line>\d+): (?P<text>.*)\n(?P<caret> *)\^", re.MULTILINE)

#: Messages of these quote the model's own text. Others may quote a value out of somebody's data and are not repeated.
_ABOUT_SQL = (
    duckdb.ParserException,
    duckdb.BinderException,
    duckdb.CatalogException,
    duckdb.SyntaxException,
    duckdb.NotImplementedException,
)


#: Over tables without a row every model is done in a second or two.
CHECK_SECONDS = 60.0


class Bounded(Warehouse):
    """A warehouse whose work is broken off after `CHECK_SECONDS`."""

    @contextmanager
    def transaction(self) -> Iterator[Connection]:
        """Do everything or nothing, and not for ever."""
        with super().transaction() as connection:
            ended = threading.Event()
            clock = threading.Thread(target=_break_off, args=(connection, ended), daemon=True)
            clock.start()
            try:
                yield connection
            except duckdb.InterruptException:
                raise _endless("The models do") from None  # between two of them
            finally:
                ended.set()
                clock.join()


def _break_off(connection: Connection, ended: threading.Event) -> None:
    # Again and again: where nothing runs at that moment, DuckDB forgets that it was asked.
    wait = CHECK_SECONDS
    while not ended.wait(wait):
        connection.interrupt()
        wait = 0.1


@contextmanager
def located(file: ModelFile) -> Iterator[None]:
    """Turn DuckDB's errors into a ModelError for this file."""
    try:
        yield
    except duckdb.Error as error:
        if fault_of(error, "") is not None:
            raise  # no fault of the file's: told where the warehouse is closed
        raise _describe(file, error) from None


def _endless(which: str) -> ModelError:
    return ModelError(
        f"{which} not come to an end over tables without a row.",
        "Look for a recursion without an end, or for rows that a model makes by itself without bound.",
    )


def position(file: ModelFile, name: str) -> str:
    """Give `:line:column` of the last place where a name stands in a file, or nothing where it does not."""
    found = list(re.finditer(rf"(?<!\w){re.escape(name)}(?!\w)", file.sql))
    return place(file.sql, found[-1].start()) if found else ""


def _describe(file: ModelFile, error: duckdb.Error) -> ModelError:
    message = str(error)
    advice = (
        "This is a defect of this package: please report it." if file.builtin else "Correct the file; nothing was sent."
    )
    if isinstance(error, duckdb.InterruptException):
        return _endless(f"{file.where} does")
    if not isinstance(error, _ABOUT_SQL):
        return ModelError(f"{file.where} cannot run on this data ({type(error).__name__}).", advice)
    reason = message.split("\n", 1)[0].strip().rstrip(".")
    return ModelError(f"{file.where}{_place(file, message)}: {reason}.", advice)


def _place(file: ModelFile, message: str) -> str:
    found = _PLACE.search(message)
    if found is None:
        return ""
    # DuckDB cuts a long line to a part around the error and marks the cut with dots.
    text = found["text"]
    caret = len(found["caret"]) - len(f"LINE {found['line']}: ")
    if text.startswith("..."):
        text, caret = text[3:], caret - 3
    text = text.removesuffix("...")
    if not text.strip():
        return ""
    # The file's first line is the second or third of the statement around it, so look nearby for the text itself.
    expected = int(found["line"]) - 1
    lines = file.sql.split("\n")
    for number in sorted(range(len(lines)), key=lambda number: abs(number + 1 - expected)):
        start = lines[number].find(text)
        if start >= 0:
            return f":{number + 1}:{start + caret + 1}"
    return ""
