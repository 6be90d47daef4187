"""Exit codes, the discipline of --json, and what becomes of an error."""

import re
import subprocess
import sys
from importlib.metadata import version
from pathlib import Path

import orjson
import pytest
import typer

from stripe_cio_pipeline.cli import app as application
from stripe_cio_pipeline.cli.output import duration, plain, readable
from stripe_cio_pipeline.errors import GuardStop


def test_without_a_command_the_help_is_shown(cli) -> None:
    answer = cli()
    assert answer.exit_code == 0
    assert "demo" in answer.out


def test_the_version_is_the_packages(cli) -> None:
    assert cli("--version").out.strip() == version("stripe-cio-pipeline")


@pytest.mark.parametrize("arguments", [["nonsense"], ["sync", "--nonsense"], ["plan", "--limit", "many"], ["explain"]])
def test_wrong_usage_is_exit_code_2_and_one_clear_line(cli, arguments: list[str]) -> None:
    answer = cli(*arguments)
    assert answer.exit_code == 2
    assert answer.out == ""
    assert answer.err.startswith("✘ ")


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (("plan", "--limit", "many"), "✘ Invalid value for '--limit': must be a whole number\n"),
        (("plan", "--wait", "long"), "✘ Invalid value for '--wait': must be a number\n"),
        (("dev", "--port", "99999"), "✘ Invalid value for '--port': must be at most 65535\n"),
    ],
)
def test_an_option_of_the_wrong_kind_is_told_in_plain_words(cli, arguments: tuple[str, ...], told: str) -> None:
    assert cli(*arguments).err.startswith(told)


@pytest.mark.parametrize(
    ("typed", "offered"),
    [
        ("stripe-cio re", {"report", "retry", "reconcile"}),
        ("stripe-cio sync --app", {"--approve", "--approve-plan"}),
        ("stripe-cio sandbox", {"sandbox"}),
    ],
)
def test_a_shell_completes_commands_and_options(
    cli, typed: str, offered: set[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("_STRIPE_CIO_COMPLETE", "complete_bash")
    monkeypatch.setenv("COMP_WORDS", typed)
    monkeypatch.setenv("COMP_CWORD", str(typed.count(" ")))
    answer = cli()
    assert (answer.exit_code, answer.err) == (0, "")
    assert set(answer.out.split()) == offered


def test_wrong_usage_with_json_is_an_object_too(cli) -> None:
    answer = cli("sync", "--nonsense", "--json")
    assert answer.exit_code == 2
    assert answer.json["error"]["kind"] == "UsageError"


def test_a_command_that_only_reads_says_so_where_nothing_was_synced(cli, tmp_path: Path) -> None:
    for command in ("status", "plan", "retry"):
        answer = cli(command, "--json")
        assert answer.exit_code == 1
        assert answer.json["error"]["kind"] == "WarehouseMissing"
        assert "stripe-cio sync" in answer.json["error"]["advice"]
    assert list(tmp_path.rglob("*.duckdb")) == []


def fail(monkeypatch: pytest.MonkeyPatch, error: Exception) -> None:
    """Let a command of its own fail, in an application of its own."""
    failing = typer.Typer()

    @failing.command()
    def first() -> None:
        raise error

    @failing.command()
    def second() -> None: ...

    monkeypatch.setattr(application, "app", failing)


def test_an_error_of_ours_gives_its_exit_code(cli, monkeypatch: pytest.MonkeyPatch) -> None:
    fail(monkeypatch, GuardStop("Too much.", "Look at it."))
    answer = cli("first")
    assert answer.exit_code == 3
    assert answer.err.split("\n")[:2] == ["✘ Too much.", "  Look at it."]


def test_an_unexpected_error_is_one_clear_line_without_its_values(cli, monkeypatch: pytest.MonkeyPatch) -> None:
    fail(monkeypatch, KeyError("customer-12@example.com"))
    answer = cli("first")
    assert answer.exit_code == 1
    assert "KeyError" in answer.err
    assert "STRIPE_CIO_DEBUG=1" in answer.err
    assert "customer-12" not in answer.words


def test_an_unexpected_error_ends_with_a_command_that_collects_what_a_report_needs(
    cli, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Without keys, people and values, and without a part of the path that names whoever works here."""
    monkeypatch.setenv("STRIPE_API_KEY", "rk_test_0123456789")
    Path("stripe_cio.yaml").write_text("alerts: {mail_to: [customer-13@example.com]}\n")
    Path(".stripe_cio").mkdir()
    with monkeypatch.context() as patched:
        fail(patched, KeyError("customer-12@example.com"))
        answer = cli("first")
    assert "open an issue with what stripe-cio support prints" in answer.err
    told = cli("support", "--json")
    assert told.exit_code == 0
    for part in (
        f"stripe-cio-pipeline {version('stripe-cio-pipeline')}",
        "Variables that are set: STRIPE_API_KEY",
        "Policy keys that are changed: alerts.mail_to",
        "Warehouse: none yet",
        "stripe-cio first: KeyError",
        " stripe_cio_pipeline/cli/app.py, line",
        " test_usage.py, line",
    ):
        assert part in told.words, part
    for secret in ("0123456789", "customer-12", "customer-13", str(Path.home())):
        assert secret not in told.words, secret


def test_a_report_counts_what_is_in_the_warehouse(cli, synced) -> None:
    told = cli("support").words
    assert re.search(r"Warehouse: [\d.]+ MB, schema \d{3}_", told)
    assert "customers 1," in told
    assert re.search(r"Latest runs: .*sync .*", told)
    assert "@example.com" not in told


@pytest.mark.parametrize("clock", ["banana", "-1", "inf", "nan", ""])
def test_a_sandbox_clock_that_is_none_is_wrong_usage(cli, clock: str) -> None:
    answer = cli("sandbox", f"--clock={clock}")
    assert answer.exit_code == 2
    assert "must be real, still, or the days that pass in a minute, such as 1" in answer.words


def test_with_debug_the_whole_story_is_told_without_keys_and_addresses(
    monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("STRIPE_CIO_DEBUG", "1")
    monkeypatch.setenv("STRIPE_API_KEY", "rk_test_0123456789")
    fail(monkeypatch, ValueError("customer-12@example.com with rk_test_0123456789"))
    assert application.run(["first"]) == 1
    told = capfd.readouterr().err
    assert "Traceback" in told
    assert "ValueError: ***@*** with ***" in told


def test_an_interrupt_is_no_failure_of_the_data(cli, monkeypatch: pytest.MonkeyPatch) -> None:
    fail(monkeypatch, KeyboardInterrupt())  # type: ignore[arg-type]
    answer = cli("first")
    assert answer.exit_code == 130
    assert "goes on where it stopped" in answer.err


def test_the_module_runs_as_the_command_does(tmp_path: Path) -> None:
    ended = subprocess.run(
        [sys.executable, "-m", "stripe_cio_pipeline.cli", "status", "--json"],
        cwd=tmp_path,
        capture_output=True,
        check=False,
    )
    assert ended.returncode == 1
    assert orjson.loads(ended.stdout)["exit_code"] == 1


def test_help_does_not_load_dagster(tmp_path: Path) -> None:
    code = (
        "import sys; from stripe_cio_pipeline.cli.app import run; run(['--help']); sys.exit('dagster' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", code], cwd=tmp_path, capture_output=True, check=False).returncode == 0


@pytest.mark.parametrize(
    ("value", "words"),
    [(None, "–"), (True, "yes"), (1234567, "1,234,567"), (["a", 1], "a, 1"), (0.25, "0.2"), ("[b]", "[b]")],
)
def test_values_are_written_for_people(value: object, words: str) -> None:
    assert readable(value) == words


@pytest.mark.parametrize(
    ("seconds", "words"), [(None, "–"), (1.26, "1.3 s"), (150, "2 min 30 s"), (3_700, "1 h 1 min"), (90_000, "1 d 1 h")]
)
def test_spans_are_written_with_the_units_that_matter(seconds: float | None, words: str) -> None:
    assert duration(seconds) == words


def test_reports_become_plain_json() -> None:
    assert plain({"path": Path("a"), "set": {1}, "tuple": (1, None)}) == {"path": "a", "set": [1], "tuple": [1, None]}


def test_a_sync_imports_neither_the_sandbox_nor_dagster_nor_the_parser_of_lineage() -> None:
    asked = (
        "import sys; from stripe_cio_pipeline.cli.app import run; run(['sync', '--help']); "
        "print(sorted({'dagster', 'sqlglot', 'stripe_cio_pipeline.sandbox', 'uvicorn'} & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", asked], capture_output=True, text=True, check=True)
    assert done.stdout.splitlines()[-1] == "[]"
