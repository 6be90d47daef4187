"""What a tick costs that finds nothing new: processor seconds of whole processes, and of the sensor in the daemon.

    python benchmarks/ticks.py [--small] [--customers N]

Each command runs in a process of its own against a sandbox in another; the median is printed beside the limit, and as
a ratio to a bare script that opens the same warehouse and asks it once.
"""

import argparse
import json
import os
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

BARE = (
    "import duckdb; connection = duckdb.connect({file!r}, read_only=True); "
    "print(connection.execute('select count(*) from model.people').fetchall())"
)
#: Evaluates the sensor as the daemon does, so many times in one process, and prints the processor seconds of each.
SENSOR = """
import os, resource
import dagster as dg
from stripe_cio_pipeline.definitions import defs
from stripe_cio_pipeline.orchestration.pipeline import PipelineResource

def used():
    usage = resource.getrusage(resource.RUSAGE_SELF)
    return usage.ru_utime + usage.ru_stime

sensor = defs.get_repository_def().get_sensor_def("stripe_changes")
with dg.DagsterInstance.ephemeral() as instance:
    for _ in range({times}):
        began = used()
        context = dg.build_sensor_context(
            instance=instance, definitions=defs, resources={{"pipeline": PipelineResource()}}
        )
        with context:
            outcome = sensor.evaluate_tick(context)
        assert not outcome.run_requests, outcome
        print(used() - began)
"""


def used() -> float:
    """Processor seconds of all children that have ended."""
    usage = resource.getrusage(resource.RUSAGE_CHILDREN)
    return usage.ru_utime + usage.ru_stime


def run(command: list[str], environment: dict[str, str], folder: Path) -> tuple[float, str]:
    """Run a command to its end; give its processor seconds and what it printed."""
    began = used()
    done = subprocess.run(command, env=environment, cwd=folder, capture_output=True, text=True, check=False)
    if done.returncode:
        raise SystemExit(f"{' '.join(command)} ended with {done.returncode}:\n{done.stdout}{done.stderr}")
    return used() - began, done.stdout


def main() -> None:
    options = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    options.add_argument("--small", action="store_true", help="three ticks each instead of nine")
    options.add_argument("--customers", type=int, default=200)
    given = options.parse_args()
    times = 3 if given.small else 9
    with tempfile.TemporaryDirectory(prefix="benchmark-") as name:
        folder = Path(name)
        ports = folder / "ports.json"
        sandbox = [sys.executable, "-m", "stripe_cio_pipeline.sandbox", "--customers", str(given.customers)]
        sandbox += ["--clock", "still", "--gentle", "--port-file", str(ports)]
        server = subprocess.Popen(sandbox, stdout=subprocess.DEVNULL)
        try:
            while not ports.exists() or not ports.read_bytes():
                if server.poll() is not None:
                    raise SystemExit("the sandbox did not start")
                time.sleep(0.1)
            world = json.loads(ports.read_text())["environment"]
            _measure(folder, world, times)
        finally:
            server.terminate()
            server.wait()
    print(f"{os.cpu_count()} processors, load {os.getloadavg()[0]:.1f}; processor seconds, median of {times}")


def _measure(folder: Path, world: dict[str, str], times: int) -> None:
    home = folder / "home"
    environment = {
        "PATH": os.environ["PATH"],
        "HOME": str(folder),
        "STRIPE_CIO_HOME": str(home),
        "STRIPE_CIO_WAREHOUSE": str(home / "warehouse.duckdb"),
        **({"PYTHONPATH": os.environ["PYTHONPATH"]} if "PYTHONPATH" in os.environ else {}),
        **world,
    }
    command = [sys.executable, "-m", "stripe_cio_pipeline.cli"]
    (folder / "stripe_cio.yaml").write_text("identity: {settle_seconds: 0}\n")
    for _ in range(4):  # until links have settled and nothing is due
        run([*command, "sync", "--approve"], environment, folder)

    bare = BARE.format(file=environment["STRIPE_CIO_WAREHOUSE"])
    base = _median([run([sys.executable, "-c", bare], environment, folder)[0] for _ in range(times)])
    _tell("a bare script that opens DuckDB and asks once", base, base, None)
    _tell("import of the command line", _import(environment, folder, times), base, None)
    _tell("stripe-cio status", _command([*command, "status"], environment, folder, times), base, None)
    _tell("stripe-cio sync, nothing changed", _command([*command, "sync"], environment, folder, times), base, 1.2)

    sensor = SENSOR.format(times=times + 1)
    _, printed = run([sys.executable, "-c", sensor], environment, folder)
    _tell("the sensor, nothing new", _median([float(line) for line in printed.split()[1:]]), base, 0.05)

    from stripe_cio_pipeline.orchestration.development import prepare_home
    from stripe_cio_pipeline.settings import Settings

    dagster = prepare_home(Settings().model_copy(update={"home": home}))
    recorded = _command([*command, "sync"], environment, folder, times + 1)
    if not any(dagster.rglob("runs.db")):
        raise SystemExit(f"no run was recorded under {dagster}")
    _tell("the same, recorded as a Dagster run", recorded, base, 2.5)


def _command(command: list[str], environment: dict[str, str], folder: Path, times: int) -> float:
    return _median([run(command, environment, folder)[0] for _ in range(times)])


def _import(environment: dict[str, str], folder: Path, times: int) -> float:
    program = [sys.executable, "-c", "import stripe_cio_pipeline.cli.app"]
    return _median([run(program, environment, folder)[0] for _ in range(times)])


def _median(seconds: list[float]) -> float:
    return statistics.median(seconds)


def _tell(what: str, seconds: float, base: float, limit: float | None) -> None:
    against = f"limit {limit:.2f} s" if limit is not None else ""
    print(f"{what:<50} {seconds:6.3f} s  {seconds / base:6.1f} times the bare script  {against}", flush=True)


if __name__ == "__main__":
    main()
