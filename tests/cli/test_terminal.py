"""What a person sees in a real terminal: something that moves while there is work, and whole tables afterwards."""

import fcntl
import os
import pty
import select
import struct
import subprocess
import sys
import termios
from pathlib import Path

import pyte
import pytest

from stripe_cio_pipeline.orchestration.development import prepare_home
from stripe_cio_pipeline.sandbox import Sandbox
from stripe_cio_pipeline.settings import load_settings
from stripe_cio_pipeline.warehouse import Warehouse
from tests.cli.conftest import POLICY, Cli

ROWS = 40
SPINNER = set("⠋⠙⠹⠸⠼⠴⠦⠧⠇⠏")


class Terminal:
    """A command in a pseudo-terminal: every picture that it drew, and all that is left when it has ended.

    Where it shows `question`, somebody types `answer`.
    """

    def __init__(self, *arguments: str, columns: int, question: str = "", answer: str = "") -> None:
        self.moving: list[str] = []
        screen = pyte.HistoryScreen(columns, ROWS, history=10_000)
        stream = pyte.ByteStream(screen)
        ours, theirs = pty.openpty()
        fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", ROWS, columns, 0, 0))
        process = subprocess.Popen(
            [sys.executable, "-m", "stripe_cio_pipeline.cli", *arguments],
            stdin=theirs,
            stdout=theirs,
            stderr=theirs,
            env={**os.environ, "TERM": "xterm-256color"},
        )
        os.close(theirs)
        while True:
            ready, _, _ = select.select([ours], [], [], 60)
            try:
                written = os.read(ours, 65_536) if ready else b""
            except OSError:  # what Linux says at the end of a pseudo-terminal
                break
            if not written:
                break
            stream.feed(written)
            if question and any(question in line for line in screen.display):
                question = ""
                os.write(ours, answer.encode() + b"\n")
            self.moving += [line.rstrip() for line in screen.display if line[:1] in SPINNER]
        os.close(ours)
        self.was_asked = not question
        self.exit_code = process.wait(60)
        above = ["".join(line[column].data for column in range(columns)) for line in screen.history.top]
        self.lines = [line.rstrip() for line in (*above, *screen.display)]

    def saw(self, act: str) -> bool:
        return any(act in line for line in self.moving)


@pytest.mark.parametrize("columns", [80, 160])
def test_a_sync_moves_while_it_works_and_leaves_whole_tables(sandbox: Sandbox, columns: int) -> None:
    for number in range(3):
        sandbox.stripe.create_customer(email=f"customer-{number}@example.com")
    sandbox.clock.advance(minutes=2)
    Path("stripe_cio.yaml").write_text("guard: {first_load: send}\n", encoding="utf-8")
    if columns == 160:
        # Dagster takes standard output for itself while it records a run.
        prepare_home(load_settings())
    terminal = Terminal("sync", columns=columns)
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
    terminal = Terminal(
        "reconcile", "--read-by-id", "1", columns=120, question="2 customers are to be read by id", answer=answer
    )
    assert terminal.was_asked, terminal.lines
    assert terminal.exit_code == exit_code, terminal.lines
    with Warehouse(".stripe_cio/warehouse.duckdb").reading() as connection:
        assert connection.execute("select count(*) from stripe.customers where deleted").fetchall() == [(gone,)]
