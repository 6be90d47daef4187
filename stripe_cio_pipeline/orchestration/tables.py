"""Tables of the warehouse as Dagster shows them: their columns, their number of rows, their newest rows."""

from collections.abc import Mapping

import dagster as dg

from stripe_cio_pipeline.errors import PipelineError
from stripe_cio_pipeline.orchestration.metadata import markdown, table
from stripe_cio_pipeline.warehouse import Connection, Statements

_SQL = Statements("stripe_cio_pipeline.orchestration.sql")


def column_schema(
    connection: Connection, name: str, descriptions: Mapping[str, str], *, extra: tuple[dg.TableColumn, ...] = ()
) -> dg.TableSchema:
    """Give the columns of a table (`model.people`) as the warehouse has them. Columns that begin with `_` are ours."""
    # DuckDB tells the columns of all tables ten times as slowly as those of one, and takes no parameter for its name.
    rows = connection.execute(f"describe {name}").fetchall() if _is_there(connection, name) else []
    columns = [
        dg.TableColumn(
            str(column),
            str(kind).lower(),
            description=descriptions.get(str(column)),
            constraints=dg.TableColumnConstraints(nullable=nullable == "YES"),
        )
        for column, kind, nullable, *_ in rows
    ]
    own = {column.name for column in columns}
    return dg.TableSchema(columns=[*columns, *(column for column in extra if column.name not in own)])


def attribute_schema(connection: Connection, descriptions: Mapping[str, str]) -> dg.TableSchema:
    """Give the attributes that people have in Customer.io: the columns of people.sql but for our bookkeeping."""
    known = column_schema(connection, "model.people", descriptions)
    return dg.TableSchema(
        columns=[column for column in known.columns if not column.name.startswith("_") and column.name != "person_id"]
    )


def require_table(connection: Connection, name: str) -> None:
    """Raise PipelineError where a table that another asset makes is not there yet."""
    if not _is_there(connection, name):
        schema, _, plain = name.partition(".")
        raise PipelineError(
            f"There is no table {name} yet.", f"Materialize {schema}/{plain} first, or run the job sync."
        )


def _is_there(connection: Connection, name: str) -> bool:
    schema, _, plain = name.partition(".")
    return bool(connection.execute(_SQL["has_table"], {"schema": schema, "table": plain}).fetchall()[0][0])


def row_count(connection: Connection, name: str) -> int:
    """Count the rows of a table."""
    row = connection.execute(_SQL["rows_in_table"], {"table": name}).fetchone()
    return int(row[0]) if row else 0


def preview(connection: Connection, statement: str, parameters: Mapping[str, object] | None = None) -> dg.MetadataValue:
    """Show what one of our statements gives, with addresses masked."""
    result = connection.execute(_SQL[statement], dict(parameters or {}))
    columns = [str(column[0]) for column in result.description]
    return markdown(table(columns, result.fetchall()))
