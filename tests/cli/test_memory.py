"""Too little memory is told in words, with an exit code, as long as Python can speak."""

import json
import os
import resource
from pathlib import Path

import pytest

from stripe_cio_pipeline.cli.room import ADDRESSES, is_too_narrow
from stripe_cio_pipeline.sandbox import Sandbox
from tests.cli.conftest import Ended, python

#: A command that may have addresses for so many bytes, as under `ulimit -v`.
LIMITED = """
import resource, sys
from stripe_cio_pipeline.cli.start import main
resource.setrlimit(resource.RLIMIT_AS, (int(sys.argv[1]), resource.RLIM_INFINITY))
main(sys.argv[2:])
"""


def limited(size: int, *arguments: str) -> Ended:
    return python("-c", LIMITED, str(size), *arguments, timeout=100)


def status_where(duckdb: str, folder: Path) -> Ended:
    """Run `status` where this is DuckDB."""
    (folder / "duckdb.py").write_text(f"{duckdb}\n")
    before_all_others = os.pathsep.join(filter(None, [str(folder), os.environ.get("PYTHONPATH")]))
    return python("-m", "stripe_cio_pipeline.cli", "status", env={**os.environ, "PYTHONPATH": before_all_others})


@pytest.mark.parametrize("size", [80_000_000, ADDRESSES - 1])
def test_a_process_that_may_use_too_few_addresses_does_not_begin(size: int) -> None:
    refused = limited(size, "sync", "--json")

    assert refused.returncode == 1
    assert f"This process may use {size / 1e6:,.0f} MB of addresses, and needs 1,000 MB." in refused.stderr
    assert "ulimit -v" in refused.stderr
    assert "Traceback" not in refused.stderr
    told = json.loads(refused.stdout)
    assert (told["exit_code"], told["error"]["kind"]) == (1, "NotEnoughMemory")


@pytest.mark.parametrize("limit", [ADDRESSES, resource.RLIM_INFINITY])
def test_under_a_limit_arrow_reserves_nothing(limit: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ARROW_DEFAULT_MEMORY_POOL", "")  # so that it is restored
    monkeypatch.delenv("ARROW_DEFAULT_MEMORY_POOL")
    monkeypatch.setattr(resource, "getrlimit", {resource.RLIMIT_AS: (limit, limit)}.get)

    assert not is_too_narrow(["sync"])
    assert os.environ.get("ARROW_DEFAULT_MEMORY_POOL") == (None if limit == resource.RLIM_INFINITY else "system")


@pytest.mark.parametrize(
    "error",
    [
        "MemoryError()",
        "ImportError('libparquet.so: failed to map segment from shared object')",
        'RuntimeError("can\'t start new thread")',
    ],
)
def test_memory_that_ends_in_an_import_is_told(error: str, tmp_path: Path) -> None:
    ended = status_where(f"raise {error}", tmp_path)
    assert ended.returncode == 1
    assert ended.stderr.startswith("✘ There is not enough memory to begin with.\n  Nothing was done. Close what else")


def test_an_import_that_fails_otherwise_stays_what_it_is(tmp_path: Path) -> None:
    ended = status_where("raise ImportError('another')", tmp_path)
    assert "ImportError: another" in ended.stderr
    assert "memory" not in ended.stderr


@pytest.mark.gauntlet
@pytest.mark.parametrize("command", ["status", "check", "sync"])
def test_from_the_floor_on_a_command_is_whole_or_says_that_memory_ran_out(command: str, synced: Sandbox) -> None:
    for size in (ADDRESSES, ADDRESSES * 6 // 5, ADDRESSES * 3 // 2, ADDRESSES * 2):
        for _ in range(3):
            synced.clock.advance(minutes=10)
            ended = limited(size, command)
            assert "Traceback" not in ended.stderr
            assert "unexpected" not in ended.stderr
            if ended.returncode != 0:
                assert ended.returncode == 1, ended.stderr
                assert "not enough memory" in " ".join((ended.stdout + ended.stderr).split())
