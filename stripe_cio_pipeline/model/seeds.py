"""A user's own tables: CSV files in `models/seeds/`, each a table of its name that models may read.

They are read by a connection of their own and handed over as data, because the one that runs models opens no file.
"""

import csv
import hashlib
import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import duckdb
import pyarrow as pa

from stripe_cio_pipeline.errors import ModelError
from stripe_cio_pipeline.warehouse import Statements

_ACTS = Statements("stripe_cio_pipeline.model.acts")
_LINE = re.compile(r"^\s*(?:CSV Error on )?Line: (?P<line>\d+)", re.MULTILINE)


@dataclass(frozen=True, slots=True)
class Seed:
    """One file. `digest` is a hash of its bytes: whoever reads it is computed anew when that changes."""

    name: str
    path: Path
    digest: str

    @property
    def where(self) -> str:
        """How messages name the file."""
        return str(self.path)

    @property
    def columns(self) -> tuple[str, ...]:
        """The names in its first line. Raises ModelError where the file is no CSV."""
        return tuple(self.content.column_names)

    @property
    def content(self) -> pa.Table:
        """Its rows, typed as DuckDB reads them. Raises ModelError that names the line and none of its values."""
        return _read(self.path, self.digest)


def find_seeds(folder: Path) -> Iterator[Seed]:
    """Give the seeds in a folder, by name. Raises ModelError for a file that is none."""
    for path in sorted(folder.iterdir()) if folder.is_dir() else ():
        if path.name.startswith(".") or path.suffix == ".md":
            continue
        if path.suffix != ".csv":
            raise ModelError(f"{path} is no seed.", "A seed is a CSV file, such as seeds/plans.csv.")
        yield Seed(path.stem, path, hashlib.sha256(path.read_bytes()).hexdigest())


@lru_cache(maxsize=16)
def _read(path: Path, digest: str) -> pa.Table:
    header = _header(path)
    with duckdb.connect() as connection:
        try:
            return connection.sql(_ACTS["read_seed"], params=[str(path), header]).to_arrow_table()
        except duckdb.Error as wrong:
            line = _LINE.search(str(wrong))
            raise ModelError(
                f"{path}{':' + line['line'] if line else ''} cannot be read as CSV.", "Correct it there."
            ) from None


def _header(path: Path) -> list[str]:
    """Give the names in the first line, after a look whether every line has as many values."""
    header: list[str] = []
    try:
        with path.open(encoding="utf-8-sig", newline="") as opened:
            lines = csv.reader(opened, strict=True)
            for values in lines:
                header = header or values
                if values and len(values) != len(header):
                    raise ModelError(
                        f"{path}:{lines.line_num} has {len(values)} values, and the first line names {len(header)}.",
                        "Write a value per column, with commas between; quote a value that has one in it.",
                    )
    except UnicodeDecodeError as broken:
        raise ModelError(f"{path} is not UTF-8 text (byte {broken.start}).", "Save it as UTF-8.") from None
    except csv.Error as broken:
        raise ModelError(f"{path}:{lines.line_num} cannot be read as CSV ({broken}).", "Correct the line.") from None
    for number, name in enumerate(header):
        if not name.strip() or name.lower() in {other.lower() for other in header[:number]}:
            raise ModelError(
                f"{path}:1: {name or 'a column without a name'} is given twice or is none.", "Name each column once."
            )
    if not header:
        raise ModelError(f"{path} is empty.", "Write a header line, and a value per column in each line below it.")
    return header
