"""What becomes of an error in a step."""

import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any

import dagster as dg
import pytest

from stripe_cio_pipeline.errors import (
    CustomerioUnavailable,
    GuardStop,
    PipelineError,
    StripePermissionError,
    StripeUnavailable,
    WarehouseLocked,
)
from stripe_cio_pipeline.orchestration import steps
from stripe_cio_pipeline.orchestration.names import Names
from stripe_cio_pipeline.orchestration.pipeline import GivenPipeline
from stripe_cio_pipeline.orchestration.run import run_sync
from stripe_cio_pipeline.policy import Policy
from stripe_cio_pipeline.settings import load_settings
from stripe_cio_pipeline.sync import Opened
from stripe_cio_pipeline.warehouse import Turn, Warehouse
from tests.orchestration.conftest import World


@pytest.fixture(autouse=True)
def _no_waiting(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(steps, "_RETRY", dg.RetryPolicy(max_retries=3, delay=0))


class Outcome:
    """How often a step was begun, what it told, and how the run ended."""

    def __init__(self, error: BaseException, folder: Path, *, attended: bool) -> None:
        self.attempts = 0
        self.told: list[BaseException] = []
        warehouse = Warehouse(folder / "warehouse.duckdb")
        opened = Opened(
            load_settings(),
            Policy(),
            warehouse,
            Turn(warehouse, "test"),
            attended=attended,
            on_error=self.told.append,
        )

        @dg.asset(required_resource_keys={"pipeline"})
        def failing(context: dg.AssetExecutionContext) -> None:
            with steps.a_step(context, Names()):
                self.attempts += 1
                raise error

        with dg.DagsterInstance.ephemeral() as instance:
            result = dg.materialize(
                [failing],
                instance=instance,
                resources={"pipeline": GivenPipeline(opened)},
                raise_on_error=False,
                run_config={"loggers": {"console": {"config": {"log_level": "CRITICAL"}}}},
            )
        (failure,) = [event for event in result.all_events if event.is_step_failure]
        data = failure.step_failure_data.user_failure_data
        self.description = data.description if data else ""
        self.metadata = {name: value.value for name, value in data.metadata.items()} if data else {}


@pytest.mark.parametrize("kind", [StripeUnavailable, CustomerioUnavailable, WarehouseLocked])
def test_what_may_pass_is_tried_again_three_times(kind: type[PipelineError], tmp_path: Path) -> None:
    outcome = Outcome(kind("It is away.", "Wait."), tmp_path, attended=False)
    assert outcome.attempts == 4
    assert outcome.description == "It is away. Wait."


@pytest.mark.parametrize("error", [StripePermissionError("No.", "Grant it."), GuardStop("Too many.", "Approve.")])
def test_what_would_fail_again_is_not_tried_again(error: PipelineError, tmp_path: Path) -> None:
    outcome = Outcome(error, tmp_path, attended=False)
    assert outcome.attempts == 1
    assert outcome.metadata == {"What happened": error.what, "What to do": error.advice}


def test_nobody_at_a_terminal_is_kept_waiting(tmp_path: Path) -> None:
    error = StripeUnavailable("It is away.", "Wait.")
    outcome = Outcome(error, tmp_path, attended=True)
    assert outcome.attempts == 1
    assert outcome.told == [error]


def test_the_words_of_an_unexpected_error_are_not_shown(tmp_path: Path) -> None:
    outcome = Outcome(ValueError("customer-12@example.com"), tmp_path, attended=False)
    assert outcome.attempts == 1
    assert outcome.description == "Something unexpected happened: ValueError."


def test_an_interruption_ends_the_run_and_is_told_as_one(tmp_path: Path) -> None:
    outcome = Outcome(KeyboardInterrupt(), tmp_path, attended=True)
    assert outcome.attempts == 1
    assert [type(error) for error in outcome.told] == [KeyboardInterrupt]


@pytest.fixture
def hook(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[str]]:
    """A channel for alerts."""
    heard: list[str] = []

    class Hook(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            heard.append(self.rfile.read(int(self.headers["Content-Length"])).decode())
            self.send_response(200)
            self.end_headers()

        def log_message(self, *_: Any) -> None:
            """Keep the test's output clean."""

    with HTTPServer(("127.0.0.1", 0), Hook) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        monkeypatch.setenv("STRIPE_CIO_ALERT_WEBHOOK", f"http://127.0.0.1:{server.server_address[1]}/")
        yield heard
        server.shutdown()
        thread.join()


def test_a_run_that_the_guard_stops_is_told_once_and_so_is_its_end(hook: list[str], read: World) -> None:
    settings = load_settings()
    for _ in range(2):
        with pytest.raises(GuardStop):
            run_sync(settings, read.policy)
    assert len([words for words in hook if "guard" in words.lower()]) == 1
    told = len(hook)
    run_sync(settings, read.policy, approve=True)
    assert len(hook) > told
