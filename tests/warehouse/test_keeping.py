"""A file that the tests keep open behaves as one that is opened anew each time."""

import re
from pathlib import Path

import duckdb
import pytest

import stripe_cio_pipeline
from stripe_cio_pipeline.warehouse import Connection, Warehouse, rewrite
from tests.kept_open import kept_open

#: Everything that our SQL sets for more than its own connection.
SCRIPTS = ("extract/sql/rows.sql", "deliver/sql/sending.sql", "plan/sql/operations.sql", "model/acts/build.sql")
SHOWN = "select name, value from duckdb_settings()"


def shown(connection: Connection) -> dict[str, str]:
    found = dict(connection.execute(SHOWN).fetchall())
    # Shown in a rounded form, and set again in it: 18.8 GiB become 18.7.
    return {**found, **{name: str(round(float(found[name].split()[0]))) for name in ("memory_limit", "max_memory")}}


def script(name: str) -> str:
    text = (Path(stripe_cio_pipeline.__file__).parent / name).read_text().replace("{megabytes}", "100")
    return ";".join(match[0] for match in re.finditer(r"^set \w+ = ('.*'|\d+|true|\[.*\])", text, re.MULTILINE))


@pytest.mark.parametrize("name", SCRIPTS)
def test_what_a_piece_of_work_sets_ends_with_it(warehouse: Warehouse, name: str) -> None:
    with kept_open():
        with warehouse.connect() as connection:
            before = shown(connection)
        with warehouse.connect() as connection:
            connection.execute(script(name))
            assert shown(connection) != before
        with warehouse.connect() as connection:
            assert shown(connection) == before


def test_whoever_reads_cannot_write(warehouse: Warehouse) -> None:
    with kept_open():
        with warehouse.connect():
            pass
        with pytest.raises(duckdb.Error, match="read-only"), warehouse.reading() as connection:
            connection.execute("delete from pipeline.cursors")


def test_the_file_is_whole_afterwards_and_another_one_in_its_place_is_seen(warehouse: Warehouse) -> None:
    with kept_open():
        with warehouse.transaction() as connection:
            connection.execute("create table main.noted as select 1 as number")
        rewrite(warehouse)
        with warehouse.reading() as connection:
            assert connection.execute("from main.noted").fetchall() == [(1,)]
    assert not Path(f"{warehouse.location}.wal").exists()
    with duckdb.connect(warehouse.location, read_only=True) as connection:
        assert connection.execute("from main.noted").fetchall() == [(1,)]
