"""Looking for somebody in everything that is kept: in the bytes of all files, and in the values of the warehouse."""

from collections.abc import Iterable
from pathlib import Path

import duckdb


def traces(folder: Path, words: Iterable[str], warehouse: str = "warehouse.duckdb") -> list[str]:
    """Say where one of the words stands under a folder. The warehouse compresses, so bytes alone do not tell."""
    words = tuple(words)
    found = [
        f"{path.relative_to(folder)}: {word}"
        for path in folder.rglob("*")
        if path.is_file()
        for content in [path.read_bytes()]
        for word in words
        if word.encode() in content
    ]
    with duckdb.connect(str(folder / warehouse), read_only=True) as connection:
        columns = connection.execute(
            "select schema_name, table_name, list(column_name) from duckdb_columns() where not internal group by all"
        ).fetchall()
        for schema, table, names in columns:
            values = ", ".join(f'"{name}"::varchar' for name in names)
            rows = connection.execute(f"select {values} from {schema}.{table}").fetchall()
            for name, column in zip(names, zip(*rows, strict=True), strict=False):
                text = "\n".join(filter(None, column))
                found += [f"{schema}.{table}.{name}: {word}" for word in words if word in text]
    return found
