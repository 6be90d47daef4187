"""How fast is history stored in DuckDB where nothing limits it? Beside stripe-python's auto-paging, which stores none.

python benchmarks/extract_history.py [--small] [--dlt-python PATH]
"""

import resource
import time

from extract_stage import arguments, dlt_rows_per_second, load, sandbox, sdk_rows_per_second

from stripe_cio_pipeline.extract import extract
from stripe_cio_pipeline.policy import parse_policy
from stripe_cio_pipeline.warehouse import Warehouse

UNLIMITED = {"stripe": {"limits": {"endpoint": 100_000, "account": 100_000}, "monthly_reads": 10**9}}


def main() -> None:
    chosen = arguments(__doc__ or "")
    customers = 20_000 if chosen.small else 200_000
    with sandbox(customers) as stage:
        peer = sdk_rows_per_second(stage, 5.0)
        dlt = dlt_rows_per_second(stage, chosen.dlt_python)
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
    if dlt is not None:
        print(f"dlt into DuckDB: {dlt:,.0f} rows/s")
        print(f"ratio: {rows / seconds / dlt:.1f}")


if __name__ == "__main__":
    main()
