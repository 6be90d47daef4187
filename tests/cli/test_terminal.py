"""What a command asks whoever sits at a terminal."""

from pathlib import Path

import pytest

from stripe_cio_pipeline.sandbox import Sandbox
from stripe_cio_pipeline.warehouse import Warehouse
from tests.cli.conftest import POLICY, Cli
from tests.cli.terminal import Shown


@pytest.mark.parametrize(("answer", "exit_code", "gone"), [("y", 0, 2), ("n", 1, 0)])
def test_a_reconcile_asks_before_it_reads_many_by_id(
    cli: Cli, sandbox: Sandbox, answer: str, exit_code: int, gone: int
) -> None:
    vanished = [sandbox.stripe.create_customer(email=f"customer-{number}@example.com")["id"] for number in range(3)][:2]
    sandbox.clock.advance(minutes=2)
    Path("stripe_cio.yaml").write_text(POLICY, encoding="utf-8")
    assert cli("sync").exit_code == 0
    sandbox.stripe.load([{"id": customer, "object": "customer", "deleted": True} for customer in vanished])
    terminal = Shown(
        "reconcile", "--read-by-id", "1", columns=120, question="2 customers are to be read by id", answer=answer
    )
    assert terminal.was_asked, terminal.lines
    assert terminal.exit_code == exit_code, terminal.lines
    with Warehouse(".stripe_cio/warehouse.duckdb").reading() as connection:
        assert connection.execute("select count(*) from stripe.customers where deleted").fetchall() == [(gone,)]
