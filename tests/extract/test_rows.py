"""Handing rows to DuckDB: all of them, in order, in portions that fit."""

from pathlib import Path

from hypothesis import given, settings
from hypothesis import strategies as st

from stripe_cio_pipeline.extract.objects import BY_NAME
from stripe_cio_pipeline.extract.rows import Row, _portions, count_rows, row_of, write_rows
from stripe_cio_pipeline.warehouse import Statements, Warehouse

_SQL = Statements("stripe_cio_pipeline.extract.sql")
INVOICES = BY_NAME["invoices"]


def wide_rows(count: int, characters: int) -> list[Row]:
    text = "x" * characters
    return [
        row_of(INVOICES, {"id": f"in_{place}", "description": text}, as_of=1, source="list", read_at=1)
        for place in range(count)
    ]


@settings(max_examples=50, deadline=None, derandomize=True)
@given(widths=st.lists(st.integers(0, 9_000_000), max_size=12), more=st.integers(0, 9_000))
def test_portions_hold_every_row_once_and_no_more_than_they_may(widths: list[int], more: int) -> None:
    class Text(str):
        """Text of any length that takes no memory."""

        width = 0

        def __len__(self) -> int:
            return self.width

    rows = []
    for width in [*widths, *[2] * more]:
        text = Text()
        text.width = width
        rows.append((text,))

    portions = list(_portions(rows, 0))

    assert [row for portion, _ in portions for row in portion] == rows
    for portion, characters in portions:
        assert characters == sum(len(text) for (text,) in portion)
        assert 0 < len(portion) <= 4_096
        assert characters <= 8_000_000 or len(portion) == 1


def test_rows_far_wider_than_usual_are_stored_although_memory_is_kept_short(tmp_path: Path) -> None:
    warehouse = Warehouse(tmp_path / "warehouse.duckdb")
    with warehouse.connect() as connection:
        connection.execute(_SQL["settings_for_bulk"])
        connection.begin()
        write_rows(connection, INVOICES, wide_rows(1_500, 100_000), seq=1, run_id="test")
        connection.commit()
        assert count_rows(connection, INVOICES) == (1_500, 1_500)
