"""A sandbox in a process of its own, for the extraction benchmarks, and the peer that is always at hand."""

import argparse
import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import httpx
import orjson
import stripe

from stripe_cio_pipeline.settings import Settings


@dataclass(frozen=True)
class Stage:
    """Where the sandbox answers, and a folder that is gone afterwards."""

    settings: Settings
    folder: Path
    control: str
    token: str
    process: int

    def counters(self) -> dict[str, int]:
        """Requests that the Stripe side has counted, by endpoint and status."""
        answer = httpx.get(f"{self.control}counters", headers={"Sandbox-Token": self.token})
        return dict(answer.json())


@contextmanager
def sandbox(customers: int, *arguments: str) -> Iterator[Stage]:
    """Start a sandbox with so many customers; `arguments` are those of its command line."""
    with tempfile.TemporaryDirectory(prefix="benchmark-") as folder:
        port_file = Path(folder) / "ports.json"
        command = [sys.executable, "-m", "stripe_cio_pipeline.sandbox", "--leads", "0", "--clock", "still"]
        command += ["--customers", str(customers), "--port-file", str(port_file), *arguments]
        process = subprocess.Popen(command, stdout=subprocess.DEVNULL)
        try:
            while not port_file.exists() or not port_file.read_bytes():
                if process.poll() is not None:
                    raise SystemExit("the sandbox did not start")
                time.sleep(0.1)
            world = orjson.loads(port_file.read_bytes())
            environment = world["environment"]
            settings = Settings(
                stripe_api_key=environment["STRIPE_API_KEY"], stripe_api_base=environment["STRIPE_API_BASE"]
            )
            yield Stage(settings, Path(folder), world["control"]["stripe"], world["token"], process.pid)
        finally:
            process.send_signal(signal.SIGTERM)
            process.wait()


def sdk_rows_per_second(stage: Stage, seconds: float) -> float:
    """Page through customers with stripe-python's auto-paging, storing nothing, for so long."""
    stripe.enable_telemetry = False
    client = stripe.StripeClient(
        stage.settings.require_stripe(), base_addresses={"api": stage.settings.stripe_api_base}
    )
    started = time.perf_counter()
    rows = 0
    for _ in client.v1.customers.list({"limit": 100}).auto_paging_iter():
        rows += 1
        if time.perf_counter() - started > seconds:
            break
    return rows / (time.perf_counter() - started)


def arguments(description: str) -> argparse.Namespace:
    """Read the command line: `--small` for a look that takes seconds."""
    options = argparse.ArgumentParser(description=description)
    options.add_argument("--small", action="store_true", help="a tenth of the size or less")
    options.add_argument(
        "--dlt-python", type=Path, help="an interpreter with dlt[duckdb] and stripe, to measure it too"
    )
    return options.parse_args()


def dlt_rows_per_second(stage: Stage, python: Path | None, rows: int = 5_000) -> float | None:
    """Load customers into DuckDB with dlt, in the environment of that interpreter; None where it cannot be run."""
    if python is None:
        print("dlt: not measured; give --dlt-python, an interpreter that has dlt[duckdb] and stripe")
        return None
    peer = Path(__file__).parent / "peers" / "dlt_customers.py"
    key, address = stage.settings.require_stripe(), stage.settings.stripe_api_base
    command = [str(python), str(peer), address, key, str(stage.folder), str(rows)]
    done = subprocess.run(command, check=True, capture_output=True, text=True)
    stored, seconds = done.stdout.split()[-2:]
    return int(stored) / float(seconds)


def load() -> str:
    """How busy the machine is: figures from a busy one say little."""
    return f"{os.cpu_count()} processors, load {os.getloadavg()[0]:.1f}"
