"""What commands show, at every width: no word is broken, nothing is lost, the summary comes first."""

import re
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from rich.console import Console

from stripe_cio_pipeline.cli.layout import Cell, Grid, fit
from stripe_cio_pipeline.orchestration.development import prepare_home
from stripe_cio_pipeline.sandbox import CustomerioSwitches, Sandbox
from stripe_cio_pipeline.settings import load_settings
from stripe_cio_pipeline.warehouse import Warehouse
from tests.cli.conftest import POLICY, Cli
from tests.cli.terminal import COLOUR, SPINNER, WHOLE, Shown, Terminal

#: Each command, what it says that it does meanwhile, and how its first line begins.
COMMANDS = {
    "sync --dry-run": (("Reading Stripe", "Computing people"), "Read from Stripe: "),
    "plan": (("Computing people", "Planning"), "Computed: "),
    "status": (("Reading the warehouse",), "Stripe account acct_"),
    "explain": (("Reading the warehouse",), "cus_"),
    "verify": (("Reading people back",), "✔ Everybody who was compared matches."),
    "reconcile": (("Comparing with Stripe",), "✔ The warehouse holds exactly what Stripe lists."),
    "reconcile that differs": (("Comparing with Stripe",), "! The warehouse differs from Stripe."),
    "check": (
        ("Asking Stripe", "Asking Customer.io", "Opening the warehouse"),
        "Everything that a sync needs is there.",
    ),
    "check that fails": (("Asking Stripe",), "3 of 23 checks failed."),
}


@pytest.fixture(scope="module")
def life(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Terminal, dict[str, Shown]]]:
    """Every command once, in one life of a sandbox. The first sync is a process of its own, recorded by Dagster."""
    with (
        pytest.MonkeyPatch.context() as monkeypatch,
        Sandbox(seed=7, customers=12, leads=0.3, customerio=CustomerioSwitches.gentle()) as sandbox,
    ):
        for name, value in sandbox.environment().items():
            monkeypatch.setenv(name, value)
        monkeypatch.chdir(tmp_path_factory.mktemp("frames"))
        Path("stripe_cio.yaml").write_text(POLICY, encoding="utf-8")
        # Dagster takes standard output for itself while it records a run.
        recorded = prepare_home(load_settings())
        first = Terminal("sync", columns=160)
        shutil.rmtree(recorded)
        told = {"verify": Shown("verify")}
        # Nearly a month: somebody's subscription is renewed whatever day it is.
        sandbox.clock.advance(days=27)
        told["sync --dry-run"] = Shown("sync", "--dry-run", "--limit", "4")
        told["plan"] = Shown("plan")
        busiest = max(told["plan"].result["rows"], key=lambda row: len(row["after"]))
        told["explain"] = Shown("explain", busiest["person_id"])
        for command in ("status", "reconcile", "check"):
            told[command] = Shown(command)
        with Warehouse(".stripe_cio/warehouse.duckdb").transaction() as connection:
            connection.execute("delete from stripe.charges where id in (select id from stripe.charges limit 2)")
            connection.execute('update stripe.customers set payload = json_merge_patch(payload, \'{"name": "A"}\')')
        told["reconcile that differs"] = Shown("reconcile", "--dry-run")
        sandbox.stripe.switches.permissions -= {"rak_invoice_read", "rak_plan_read"}
        told["check that fails"] = Shown("check")
        told["status --json"] = Shown("status", "--json")
        yield first, told


@pytest.fixture
def shown(life: tuple[Terminal, dict[str, Shown]]) -> dict[str, Shown]:
    """What each command showed."""
    return life[1]


def test_a_sync_that_dagster_records_moves_while_it_works_and_leaves_whole_tables(
    life: tuple[Terminal, dict[str, Shown]],
) -> None:
    terminal, _ = life
    assert terminal.exit_code == 0, terminal.lines
    for act in ("Reading Stripe", "Computing people", "Planning", "Sending to Customer.io"):
        assert terminal.saw(act), act
    assert not [line for line in terminal.lines if set(line) & SPINNER], "bars are left"
    tops = [line for line in terminal.lines if line.startswith("┏")]
    assert len(tops) == len([line for line in terminal.lines if line.startswith("└")]) == 1
    words = " ".join(" ".join(terminal.lines).split())
    assert "Read from Stripe:" in words
    assert "0 rejected, 0 held back, 0 pending" in words


@pytest.mark.parametrize("command", COMMANDS)
def test_a_frame_breaks_no_word_and_loses_none_at_any_width(shown: dict[str, Shown], command: str) -> None:
    assert shown[command].faults == []


@pytest.mark.parametrize("command", COMMANDS)
def test_a_frame_moves_while_there_is_work_and_begins_with_the_summary(shown: dict[str, Shown], command: str) -> None:
    acts, first = COMMANDS[command]
    assert [act for act in acts if not shown[command].saw(act)] == []
    assert shown[command].lines[0].startswith(first)
    assert not [line for line in shown[command].moving if "…" in line], "what moves fits too"


def test_colour_is_where_a_sentence_is_good_or_bad(shown: dict[str, Shown]) -> None:
    for command in ("verify", "check", "check that fails"):
        assert COLOUR.search(shown[command].drawn(80).written)


def test_moments_have_their_dates_beside_them(shown: dict[str, Shown]) -> None:
    for command in ("plan", "explain"):
        seconds = re.findall(r"\b\d{10}\b(.{0,5})", " ".join(" ".join(shown[command].lines).split()))
        assert seconds
        assert all(after.startswith(" (20") for after in seconds)


def test_columns_of_zeros_are_left_out(shown: dict[str, Shown]) -> None:
    said = "\n".join(shown["reconcile"].lines)
    assert "in Stripe ┃ stored ┃ proof" in said
    assert "vanished" not in said


def test_check_ends_with_the_next_step(shown: dict[str, Shown]) -> None:
    assert shown["check"].lines[-1] == (
        "Next: stripe-cio sync --dry-run. It shows what would be sent, and sends nothing."
    )
    failed = shown["check that fails"].drawn(WHOLE).lines
    assert [line.partition(":")[0] for line in failed if line.startswith("✘")] == [
        "✘ Stripe /v1/invoices",
        "✘ Stripe /v1/prices",
        "✘ Stripe /v1/invoice_payments",
    ]
    assert failed[-1].startswith("Next: Stripe /v1/invoices: ")
    assert failed[-1].endswith("Then correct the others, and run stripe-cio check again.")
    assert "9 of 12 lists may be read" in " ".join(failed)


def test_nothing_moves_for_a_program(shown: dict[str, Shown]) -> None:
    assert not shown["status --json"].moving
    assert "Latest runs" in shown["status --json"].drawn(WHOLE).written


def test_nothing_moves_in_a_file(synced: Sandbox, cli: Cli) -> None:
    said = cli("status").out
    assert said.startswith("Stripe account acct_")
    assert not SPINNER & set(said)


def test_a_table_takes_from_the_widest_columns_and_gives_up_before_it_breaks_a_word() -> None:
    assert fit([10, 10], [5, 5], 30) == [10, 10]
    assert fit([30, 10, 12], [8, 10, 6], 40) == [18, 10, 12]
    assert fit([30, 10], [8, 10], 18) == [8, 10]
    assert fit([30, 10], [8, 10], 17) is None


def test_a_table_without_room_becomes_lines() -> None:
    row = [Cell(("customers",)), Cell(("1,234",), is_whole=True), Cell(("2026-11-30 16:45:48 UTC",), is_whole=True)]
    grid = Grid(("object", "rows", "newest"), [row], right=frozenset({1}), obvious=frozenset())
    for columns, first in ((60, "┏"), (40, "customers: rows 1,234, newest:")):
        console = Console(width=columns, color_system=None)
        with console.capture() as drawn:
            console.print(grid)
        lines = drawn.get().splitlines()
        assert lines[0].startswith(first)
    assert lines[1].rstrip() == "  2026-11-30 16:45:48 UTC"
