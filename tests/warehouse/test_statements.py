"""Statements by name, and rows that take the place of others."""

import sys
from pathlib import Path

import pyarrow as pa
import pytest

from stripe_cio_pipeline.warehouse import Statements, Warehouse, replace


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, request: pytest.FixtureRequest) -> str:
    """An importable package folder whose `.sql` files a test writes."""
    name = f"statements_of_{request.node.name}"
    (tmp_path / name).mkdir()
    (tmp_path / name / "__init__.py").touch()
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.delitem(sys.modules, name, raising=False)
    return name


def write(tmp_path: Path, folder: str, file: str, text: str) -> None:
    (tmp_path / folder / file).write_text(text)


def test_a_file_holds_several_statements_each_under_its_name(tmp_path: Path, folder: str) -> None:
    write(tmp_path, folder, "rows.sql", "-- Rows.\n\n-- name: count\n-- All.\nselect 1;\n\n-- name: none\nselect 2\n")
    write(tmp_path, folder, "other.sql", "-- name: third\nselect 3\n")

    found = Statements(folder)

    assert found["count"] == "-- All.\nselect 1;"
    assert found["none"] == "select 2"
    assert set(found) == {"count", "none", "third"}


def test_an_unknown_name_is_an_error_that_says_where_it_was_looked_for(tmp_path: Path, folder: str) -> None:
    write(tmp_path, folder, "rows.sql", "-- name: one\nselect 1\n")

    with pytest.raises(KeyError, match=f"{folder} has no statement two"):
        Statements(folder)["two"]


def test_a_name_that_stands_twice_in_a_room_is_an_error(tmp_path: Path, folder: str) -> None:
    write(tmp_path, folder, "a.sql", "-- name: one\nselect 1\n")
    write(tmp_path, folder, "b.sql", "-- name: one\nselect 2\n")

    with pytest.raises(ValueError, match="two statements one"):
        Statements(folder)["one"]


@pytest.mark.parametrize("as_table", [False, True])
def test_rows_take_the_place_of_those_with_the_same_key_and_leave_all_others(tmp_path: Path, *, as_table: bool) -> None:
    with Warehouse(tmp_path / "warehouse.duckdb").transaction() as connection:
        connection.execute("create table t (a varchar, b bigint, c varchar, d varchar)")
        connection.execute("insert into t values ('x', 1, 'old', 'd'), ('x', 2, 'old', 'd'), ('y', 1, 'old', 'd')")
        rows = [{"a": "x", "b": 1, "c": "new"}, {"a": "z", "b": 9, "c": "new"}]

        replace(connection, "t", ["a", "b"], pa.Table.from_pylist(rows) if as_table else rows)

        assert connection.execute("select * from t order by all").fetchall() == [
            ("x", 1, "new", None),
            ("x", 2, "old", "d"),
            ("y", 1, "old", "d"),
            ("z", 9, "new", None),
        ]


def test_no_rows_replace_nothing(tmp_path: Path) -> None:
    with Warehouse(tmp_path / "warehouse.duckdb").transaction() as connection:
        connection.execute("create table t (a varchar)")
        connection.execute("insert into t values ('x')")

        replace(connection, "t", ["a"], [])

        assert connection.execute("select * from t").fetchall() == [("x",)]
