"""A real Dagster in processes of its own: webserver, daemon, code location. For what no fake can show."""

import json
import os
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

FINISHED = {"SUCCESS", "FAILURE", "CANCELED"}

_START = (
    "import sys\n"
    "from stripe_cio_pipeline.orchestration.development import dev\n"
    "from stripe_cio_pipeline.settings import load_settings\n"
    "sys.exit(dev(load_settings(), port=int(sys.argv[1])))\n"
)

_LAUNCH = """
mutation Launch($parameters: ExecutionParams!) {
  launchRun(executionParams: $parameters) {
    __typename
    ... on LaunchRunSuccess { run { runId } }
    ... on PythonError { message }
    ... on RunConfigValidationInvalid { errors { message } }
  }
}
"""
_RUN = """
query Run($id: ID!) { runOrError(runId: $id) { ... on Run { status startTime endTime } } }
"""


@dataclass(frozen=True, slots=True)
class RunningDagster:
    """Where it listens, and where it keeps its records."""

    url: str
    home: Path
    process: "subprocess.Popen[bytes]"

    def ask(self, query: str, variables: Mapping[str, Any] | None = None) -> dict[str, Any]:
        """Ask GraphQL, which is what the UI does."""
        request = urllib.request.Request(
            f"{self.url}/graphql",
            data=json.dumps({"query": query, "variables": variables or {}}).encode(),
            headers={"Content-Type": "application/json"},
        )
        with urllib.request.urlopen(request, timeout=30) as answer:
            found = json.loads(answer.read())
        assert "errors" not in found, found["errors"]
        data: dict[str, Any] = found["data"]
        return data

    def launch(self, job: str, config: Mapping[str, Any] | None = None) -> str:
        """Start a job as a click does, and give the run's id."""
        selector = {
            "repositoryLocationName": "stripe_cio_pipeline",
            "repositoryName": "__repository__",
            "jobName": job,
        }
        found = self.ask(_LAUNCH, {"parameters": {"selector": selector, "runConfigData": config or {}}})["launchRun"]
        assert found["__typename"] == "LaunchRunSuccess", found
        return str(found["run"]["runId"])

    def run(self, run_id: str) -> dict[str, Any]:
        """Give a run's status, start and end."""
        found: dict[str, Any] = self.ask(_RUN, {"id": run_id})["runOrError"]
        return found

    def wait(self, run_id: str, *, until: set[str] = FINISHED, seconds: float = 90) -> str:
        """Wait until a run has one of these statuses."""
        found = until_true(lambda: (status := self.run(run_id)["status"]) in until and status, seconds)
        return str(found)


def until_true(question: Callable[[], Any], seconds: float) -> Any:
    """Ask until there is an answer."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        if answer := question():
            return answer
        time.sleep(0.2)
    raise AssertionError(f"not within {seconds:.0f} s")


@contextmanager
def running_dagster(environment: Mapping[str, str], folder: Path) -> Iterator[RunningDagster]:
    """Start what `stripe-cio dev` starts, and stop it in the end."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    log = folder / "dagster.log"
    with (
        log.open("wb") as written,
        subprocess.Popen(
            [sys.executable, "-c", _START, str(port)],
            env={**os.environ, **environment, "STRIPE_CIO_HOME": str(folder), "DAGSTER_DISABLE_TELEMETRY": "1"},
            cwd=folder,
            stdout=written,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        ) as process,
    ):
        found = RunningDagster(f"http://127.0.0.1:{port}", folder / "dagster", process)
        try:
            until_true(lambda: process.poll() is not None or _answers(found), 90)
            assert process.poll() is None, log.read_text(encoding="utf-8")
            yield found
        finally:
            if process.poll() is None:
                process.send_signal(signal.SIGTERM)
                try:
                    process.wait(30)
                except subprocess.TimeoutExpired:
                    os.killpg(process.pid, signal.SIGKILL)


def _answers(dagster: RunningDagster) -> bool:
    try:
        found = dagster.ask("{ workspaceOrError { ... on Workspace { locationEntries { loadStatus } } } }")
    except (OSError, urllib.error.URLError):
        return False
    return [entry["loadStatus"] for entry in found["workspaceOrError"]["locationEntries"]] == ["LOADED"]
