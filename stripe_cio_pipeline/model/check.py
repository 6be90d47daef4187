"""Telling where a model's SQL is wrong: file, line and column."""

import re
from collections.abc import Iterator
from contextlib import contextmanager

import duckdb

from stripe_cio_pipeline.errors import ModelError
from stripe_cio_pipeline.model.files import ModelFile

_PLACE = re.compile(r"^LINE (?P<line>\d+): (?P<text>.*)\n(?P<caret> *)\^", re.M)

#: Messages of these quote the model's own text. Others may quote a value out of somebody's data and are not repeated.
_ABOUT_SQL = (duckdb.ParserException, duckdb.BinderException, duckdb.CatalogException, duckdb.SyntaxException)


@contextmanager
def located(file: ModelFile) -> Iterator[None]:
    """Turn DuckDB's errors into ModelError for this file."""
    try:
        yield
    except duckdb.Error as error:
        raise describe(file, error) from None


def describe(file: ModelFile, error: duckdb.Error) -> ModelError:
    """Give the error that names file, line and column, as far as DuckDB tells them."""
    message = str(error)
    reason = message.split("\n")[0].strip().rstrip(".")
    advice = (
        "Correct the model; nothing was sent."
        if not file.builtin
        else "This is a defect in this package; please report it."
    )
    if not isinstance(error, _ABOUT_SQL):
        return ModelError(f"{file.where} cannot run on this data ({type(error).__name__}).", advice)
    place = _place(file, message)
    return ModelError(f"{file.where}{place}: {reason}.", advice)


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
    lines = file.sql.split("\n")
    # The statement around the model begins on lines of its own, so look near the line for the text itself.
    at = int(found["line"]) - 1
    for number in sorted(range(len(lines)), key=lambda number: abs(number - at)):
        start = lines[number].find(text)
        if start >= 0 and text.strip():
            return f":{number + 1}:{start + caret + 1}"
    return ""
