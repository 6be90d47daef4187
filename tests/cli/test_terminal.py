"""What a person sees in a real terminal: something that moves while there is work, and whole tables afterwards."""

from pathlib import Path

import pytest

from stripe_cio_pipeline.orchestration.development import prepare_home
from stripe_cio_pipeline.sandbox import Sandbox
from stripe_cio_pipeline.settings import load_settings
from stripe_cio_pipeline.warehouse import Warehouse
from tests.cli.conftest import POLICY, Cli
from tests.cli.terminal import SPINNER, Shown, Terminal


def test_a_sync_that_dagster_records_moves_while_it_works_and_leaves_whole_tables(sandbox: Sandbox) -> None:
    for number in range(3):
        sandbox.stripe.create_customer(email=f"customer-{number}@example.com")
    sandbox.clock.advance(minutes=2)
    Path("stripe_cio.yaml").write_text("guard: {first_load: send}\n", encoding="utf-8")
    # Dagster takes standard output for itself while it records a run.
    prepare_home(load_settings())
    terminal = Terminal("sync", columns=160)
    assert terminal.exit_code == 0, terminal.lines
    for act in ("Reading Stripe", "Computing people", "Planning", "Sending to Customer.io"):
        assert terminal.saw(act), act
    assert not [line for line in terminal.lines if set(line) & SPINNER], "bars are left"
    tops = [line for line in terminal.lines if line.startswith("┏")]
    assert len(tops) == len([line for line in terminal.lines if line.startswith("└")]) == 1
    words = " ".join(" ".join(terminal.lines).split())
    assert "Read from Stripe:" in words
    assert "0 rejected, 0 held back, 0 pending" in words


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
