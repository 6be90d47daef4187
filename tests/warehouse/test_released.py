"""From the freeze of the schema on, a warehouse of any released version is upgraded with everything in it."""

import re
from collections.abc import Iterator
from pathlib import Path

import duckdb
import pytest

from stripe_cio_pipeline.cli.status import read_status
from stripe_cio_pipeline.errors import WarehouseVersionError
from stripe_cio_pipeline.policy import Policy
from stripe_cio_pipeline.warehouse import Connection, Warehouse
from stripe_cio_pipeline.warehouse.migrations import applied, steps
from tests.warehouse.released import KEPT, ROOT, digests, frozen, unpack

VERSIONS = sorted(KEPT.glob("*.duckdb.gz"))
ROOMS = ("stripe", "pipeline", "customerio")


def tables(connection: Connection | duckdb.DuckDBPyConnection) -> Iterator[str]:
    asked = "select schema_name || '.' || table_name from duckdb_tables() where schema_name in (select unnest(?))"
    yield from (str(name) for (name,) in connection.execute(asked, [list(ROOMS)]).fetchall())


def rows(connection: Connection | duckdb.DuckDBPyConnection) -> dict[str, int]:
    """How many rows each table has; of the steps of the schema there may be more later."""
    counted = {name: connection.execute(f"select count(*) from {name}").fetchall()[0][0] for name in tables(connection)}
    return {name: count for name, count in counted.items() if name != "pipeline.migrations"}


def columns(connection: Connection | duckdb.DuckDBPyConnection) -> set[tuple[str, ...]]:
    asked = "select schema_name, table_name, column_name, data_type from duckdb_columns()"
    return {tuple(map(str, row)) for row in connection.execute(asked).fetchall() if row[0] in ROOMS}


@pytest.mark.parametrize("kept", VERSIONS, ids=lambda kept: kept.name.removesuffix(".duckdb.gz"))
def test_a_warehouse_of_a_released_version_is_upgraded_with_everything_in_it(kept: Path, tmp_path: Path) -> None:
    place = unpack(kept, tmp_path)
    with duckdb.connect(str(place), read_only=True) as connection:
        before = rows(connection)
    assert before["stripe.customers"] > 0
    assert before["customerio.people"] > 0

    with Warehouse(place).transaction() as connection:
        assert applied(connection) == steps()
        after = rows(connection)
        upgraded = columns(connection)
        found = read_status(connection, Policy(), links_are_seen=True, now=0.0)

    assert {name: count for name, count in before.items() if name in after and after[name] != count} == {}
    assert sum(found.people.values()) == before["customerio.people"]
    with Warehouse(tmp_path / "new.duckdb").connect() as connection:
        assert upgraded == columns(connection)


def test_no_step_of_the_schema_is_edited_after_the_freeze() -> None:
    """A warehouse that has seen a step never sees it again: what is added to it would be missing there."""
    now = digests()
    assert {name for name, digest in frozen().items() if now.get(name) != digest} == set(), "add a new step instead"
    assert max(frozen()) <= max(now)
    assert all(name > max(frozen()) for name in set(now) - set(frozen())), "a new step comes after all that are frozen"


def test_every_version_that_the_changelog_has_released_is_kept() -> None:
    released = re.findall(r"^## \[?(\d+\.\d+\.\d+)", (ROOT / "CHANGELOG.md").read_text(encoding="utf-8"), re.MULTILINE)
    assert VERSIONS
    assert {f"{version}.duckdb.gz" for version in released} <= {kept.name for kept in VERSIONS}


@pytest.mark.parametrize(
    ("gone", "told", "way_out"),
    [
        (None, "newer release", "Install that release"),
        (-1, "a version that was never released", "Move the file away"),
    ],
)
def test_a_warehouse_that_no_release_of_this_age_knows_is_told_with_a_way_out(
    warehouse: Warehouse, gone: int | None, told: str, way_out: str
) -> None:
    with warehouse.transaction() as connection:
        connection.execute("insert into pipeline.migrations values ('063_of_a_branch', now()::timestamp)")
        if gone is not None:
            connection.execute("delete from pipeline.migrations where name = ?", [steps()[gone]])
    with pytest.raises(WarehouseVersionError, match=told) as refused, Warehouse(warehouse.location).transaction():
        pass
    assert "063_of_a_branch" in refused.value.what
    assert way_out in refused.value.advice
