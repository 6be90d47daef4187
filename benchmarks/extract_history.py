"""How fast is history stored in DuckDB where nothing limits it? Beside stripe-python's auto-paging, which stores none.

python benchmarks/extract_history.py [--small]
"""

import resource
import time

from extract_stage import arguments, load, sandbox, sdk_rows_per_second, tell_about_dlt

from stripe_cio_pipeline.extract import extract
from stripe_cio_pipeline.policy import parse_policy
from stripe_cio_pipeline.warehouse import Warehouse

UNLIMITED = {"stripe": {"limits": {"endpoint": 100_000, "account": 100_000}, "monthly_reads": 10**9}}


def main() -> None:
    customers = 20_000 if arguments(__doc__ or "").small else 200_000
    with sandbox(customers) as stage:
        peer = sdk_rows_per_second(stage, 5.0)
        warehouse = Warehouse(stage.folder / "warehouse.duckdb")
        before = resource.getrusage(resource.RUSAGE_SELF)
        started = time.perf_counter()
        report = extract(warehouse, stage.settings, parse_policy(UNLIMITED), run_id="benchmark", objects=["customers"])
        seconds = time.perf_counter() - started
        after = resource.getrusage(resource.RUSAGE_SELF)
    rows = report.objects[0].added
    processor = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    print(load())
    print(f"extract: {rows:,} customers stored in {seconds:.1f} s: {rows / seconds:,.0f} rows/s")
    print(f"         {processor / rows * 1e6:.0f} µs of processor time a row, {report.requests} requests")
    print(f"stripe-python auto-paging, nothing stored: {peer:,.0f} rows/s")
    print(f"ratio: {rows / seconds / peer:.1f}")
    tell_about_dlt()


if __name__ == "__main__":
    main()
