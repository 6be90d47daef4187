"""How long the definitions take to load: what every start of Dagster, and every run, waits for.

    python benchmarks/definitions_load.py [--small]

Each time in a process of its own, without environment, warehouse or network. To reach: under 3 s.
"""

import argparse
import resource
import statistics
import subprocess
import sys
import tempfile
import time

PARTS = (
    ("Python alone", "pass"),
    ("import dagster", "import dagster"),
    ("import stripe_cio_pipeline.orchestration.factory", "import stripe_cio_pipeline.orchestration.factory"),
    (
        "load and check the definitions",
        "import dagster; from stripe_cio_pipeline.definitions import defs; dagster.Definitions.validate_loadable(defs)",
    ),
)


def seconds(program: str, folder: str) -> tuple[float, float]:
    """Wall time, and processor time, which a busy machine changes less."""
    began, used = time.perf_counter(), _used()
    subprocess.run([sys.executable, "-c", program], cwd=folder, env={}, check=True)
    return time.perf_counter() - began, _used() - used


def _used() -> float:
    usage = resource.getrusage(resource.RUSAGE_CHILDREN)
    return usage.ru_utime + usage.ru_stime


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--small", action="store_true", help="three times each instead of ten")
    times = 3 if parser.parse_args().small else 10
    with tempfile.TemporaryDirectory() as folder:
        for name, program in PARTS:
            seconds(program, folder)  # the first reads from disk
            wall, processor = zip(*(seconds(program, folder) for _ in range(times)), strict=True)
            print(f"{name:<50} {statistics.median(wall):5.2f} s   processor {statistics.median(processor):5.2f} s")


if __name__ == "__main__":
    main()
