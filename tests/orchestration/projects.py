"""Dagster projects that use the component, and dg's commands in them."""

import sys
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest
from click.testing import CliRunner
from dagster_dg_cli.cli import cli

#: Dagster's own loader uses what Dagster calls beta.
BETA = pytest.mark.filterwarnings("ignore:.* is currently in beta")


@contextmanager
def installed(project: Path, module: str, home: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Let a project's module be imported, and forget it afterwards."""
    monkeypatch.syspath_prepend(str(project))
    monkeypatch.setenv("HOME", str(home))
    monkeypatch.setenv("DAGSTER_DISABLE_TELEMETRY", "1")
    monkeypatch.setattr(sys, "dont_write_bytecode", True)
    yield
    for name in [name for name in sys.modules if name.partition(".")[0] == module]:
        del sys.modules[name]


@dataclass(frozen=True, slots=True)
class Said:
    """How a command of dg ended, and all that it printed."""

    code: int
    text: str


def dg_command(project: Path, *arguments: str) -> Said:
    """Run dg in this process: a process of its own would import Dagster anew each time."""
    with pytest.MonkeyPatch.context() as monkeypatch, warnings.catch_warnings():
        # What dg warns of is its own business.
        warnings.simplefilter("ignore")
        monkeypatch.chdir(project)
        result = CliRunner().invoke(cli, arguments)
    return Said(result.exit_code, result.output + (f"{result.exception!r}" if result.exception else ""))
