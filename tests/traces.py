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
            for word in words:
                hits = ", ".join(f'count(*) filter (where contains("{name}"::varchar, $word))' for name in names)
                (counts,) = connection.execute(f"select {hits} from {schema}.{table}", {"word": word}).fetchall()
                found += [
                    f"{schema}.{table}.{name}: {word}" for name, count in zip(names, counts, strict=True) if count
                ]
    return found
