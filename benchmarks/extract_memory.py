"""How much memory does the history of a million customers take, and how long a quiet poll after it?

python benchmarks/extract_memory.py [--small]
"""

import resource
import time

from extract_stage import arguments, load, sandbox

from stripe_cio_pipeline.extract import extract
from stripe_cio_pipeline.policy import parse_policy
from stripe_cio_pipeline.warehouse import Warehouse

UNLIMITED = {"stripe": {"limits": {"endpoint": 100_000, "account": 100_000}, "monthly_reads": 10**9}}


def main() -> None:
    customers = 100_000 if arguments(__doc__ or "").small else 1_000_000
    with sandbox(customers) as stage:
        warehouse = Warehouse(stage.folder / "warehouse.duckdb")
        policy = parse_policy(UNLIMITED)
        started = time.perf_counter()
        report = extract(warehouse, stage.settings, policy, run_id="history", objects=["customers"])
        seconds = time.perf_counter() - started
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1_024
        size = (stage.folder / "warehouse.duckdb").stat().st_size / 1e6
        polls = []
        for number in range(5):
            started = time.perf_counter()
            poll = extract(warehouse, stage.settings, policy, run_id=f"poll-{number}", objects=["customers"])
            polls.append(time.perf_counter() - started)
    print(load())
    print(
        f"{report.objects[0].rows_total:,} customers in {seconds:.0f} s; peak memory {peak:.0f} MB, file {size:.0f} MB"
    )
    print(f"quiet poll: {min(polls):.2f} s at best, {max(polls):.2f} s at worst of 5, {poll.requests} request")


if __name__ == "__main__":
    main()
