"""The home that `stripe-cio dev` gives to Dagster."""

import os
import signal
import sys
from pathlib import Path

import dagster as dg
import pytest
import yaml

from stripe_cio_pipeline.cli.serve import _policy
from stripe_cio_pipeline.errors import PipelineError
from stripe_cio_pipeline.orchestration.development import dev, prepare_home
from stripe_cio_pipeline.policy import load_policy
from stripe_cio_pipeline.settings import Settings, load_settings

ROOT = Path(__file__).parents[2]


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("STRIPE_CIO_HOME", str(tmp_path / "kept"))
    return prepare_home(load_settings())


def test_it_stands_under_our_home_with_the_shipped_files(home: Path, tmp_path: Path) -> None:
    assert home == tmp_path / "kept" / "dagster"
    for name in ("dagster.yaml", "workspace.yaml"):
        assert (home / name).read_text(encoding="utf-8") == (ROOT / name).read_text(encoding="utf-8")


def test_files_that_were_edited_are_kept(home: Path) -> None:
    (home / "dagster.yaml").write_text("telemetry: {enabled: false}\n", encoding="utf-8")
    prepare_home(load_settings())
    assert (home / "dagster.yaml").read_text(encoding="utf-8") == "telemetry: {enabled: false}\n"


def test_dagster_takes_the_settings_as_they_are_meant(home: Path) -> None:
    """A key that Dagster does not know would be refused here; one in the wrong place would change nothing."""
    with dg.DagsterInstance.from_config(str(home)) as instance:
        limits = instance.get_concurrency_config().run_queue_config
        assert limits is not None
        assert list(limits.tag_concurrency_limits) == [
            {"key": "dagster/code_location", "value": {"applyLimitPerUniqueValue": True}, "limit": 1}
        ]
        assert instance.run_monitoring_enabled
        assert instance.run_monitoring_max_runtime_seconds == 3600
        assert instance.run_retries_enabled
        assert not instance.run_retries_retry_on_asset_or_op_failure
        assert not instance.telemetry_enabled
        assert not instance.nux_enabled


def test_the_workspace_names_the_location_that_dg_names(home: Path) -> None:
    (entry,) = yaml.safe_load((home / "workspace.yaml").read_text(encoding="utf-8"))["load_from"]
    assert entry["python_module"] == {
        "module_name": "stripe_cio_pipeline.definitions",
        "location_name": "stripe_cio_pipeline",
    }


#: What stands in for `python -m dagster dev`, and ends as the variable says: by a signal, or with an exit code.
ENDING = """#!/bin/sh
case "$*" in *"cli listen"*)
    echo "$*" > listened
    echo $$ > number
    touch ready
    exec sleep 60 ;;
esac
[ -z "$WAITS" ] || until [ -e ready ]; do sleep 0.01; done
case "$ENDS" in -*) kill "$ENDS" $$ ;; *) exit "$ENDS" ;; esac
"""


@pytest.fixture
def ended(home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    program = tmp_path / "dagster"
    program.write_text(ENDING)
    program.chmod(0o700)
    monkeypatch.setattr(sys, "executable", str(program))


def test_dev_takes_webhooks_beside_dagster_as_long_as_that_runs(
    ended: None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    assert dev(load_settings(), environment={"ENDS": "0", "WAITS": "1"}, listen_port=8788) == 0
    assert (tmp_path / "listened").read_text() == "-m stripe_cio_pipeline.cli listen --port 8788\n"
    with pytest.raises(ProcessLookupError):
        os.kill(int((tmp_path / "number").read_text()), 0)


@pytest.mark.parametrize(("ends", "code"), [("0", 0), ("3", 3), ("-INT", 130), ("-TERM", 143)])
def test_dev_ends_as_dagster_does(ended: None, ends: str, code: int) -> None:
    assert dev(load_settings(), environment={"ENDS": ends}) == code


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGABRT, signal.SIGSEGV])
def test_a_dagster_that_is_killed_is_told(ended: None, number: signal.Signals) -> None:
    with pytest.raises(PipelineError, match=f"Dagster was ended from outside, by {number.name}") as told:
        dev(load_settings(), environment={"ENDS": f"-{number.value}"})
    assert "memory" in told.value.advice
    assert told.value.exit_code == 1


def test_a_sandbox_is_stopped_at_its_first_load_and_by_no_change_after_it(tmp_path: Path) -> None:
    guard = load_policy(Path(_policy(Settings(), tmp_path)["STRIPE_CIO_CONFIG"])).guard
    assert (guard.first_load, guard.max_changed_share) == ("approve", 1.0)
