"""The warehouse: one DuckDB database that holds all state, opened for short transactions only."""

from stripe_cio_pipeline.warehouse.connection import Connection, Warehouse, transaction
from stripe_cio_pipeline.warehouse.cursors import (
    delete_cursor,
    last_seq,
    next_seq,
    read_cursor,
    read_cursors,
    write_cursor,
)
from stripe_cio_pipeline.warehouse.faults import fault_of
from stripe_cio_pipeline.warehouse.keeping import KEEPER, Keeper
from stripe_cio_pipeline.warehouse.rewriting import rewrite
from stripe_cio_pipeline.warehouse.rows import replace
from stripe_cio_pipeline.warehouse.statements import Statements, read_script
from stripe_cio_pipeline.warehouse.turn import Turn

__all__ = [
    "KEEPER",
    "Connection",
    "Keeper",
    "Statements",
    "Turn",
    "Warehouse",
    "delete_cursor",
    "fault_of",
    "last_seq",
    "next_seq",
    "read_cursor",
    "read_cursors",
    "read_script",
    "replace",
    "rewrite",
    "transaction",
    "write_cursor",
]
