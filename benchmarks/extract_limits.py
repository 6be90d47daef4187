"""How much of the granted request budget is used, with 300 ms a page and Stripe's limits enforced?

Four object types side by side; 25 requests/s for one endpoint, 100/s in all, of which a share of 80 % may be used.

    python benchmarks/extract_limits.py [--small]
"""

from extract_stage import arguments, load, sandbox, sdk_rows_per_second

from stripe_cio_pipeline.extract import extract
from stripe_cio_pipeline.policy import parse_policy
from stripe_cio_pipeline.warehouse import Warehouse

SHARE = 0.8
POLICY = {"stripe": {"rate_share": SHARE, "limits": {"endpoint": 25, "account": 100}, "monthly_reads": 10**9}}


def main() -> None:
    customers = 10_000 if arguments(__doc__ or "").small else 100_000
    with sandbox(customers, "--latency", "0.3", "--limits") as stage:
        # Limits of a live account: the sandbox holds a test key to the same unless told otherwise.
        peer = sdk_rows_per_second(stage, 5.0)
        warehouse = Warehouse(stage.folder / "warehouse.duckdb")
        names = ["customers", "subscriptions", "invoices", "charges"]
        report = extract(warehouse, stage.settings, parse_policy(POLICY), run_id="benchmark", objects=names)
        refused = sum(count for name, count in stage.counters().items() if name == "429")
    print(load())
    rows = 0
    for part in report.objects:
        granted = 25 * SHARE * part.seconds
        rows += part.added
        print(
            f"{part.name}: {part.added:,} rows, {part.requests:,} requests in {part.seconds:.0f} s, "
            f"{part.requests / granted:.1%} of the granted budget, {part.added / part.seconds:,.0f} rows/s"
        )
    # Lists inside objects are read to their end at endpoints of their own, and count for the account too.
    print(
        f"in all: {rows:,} rows in {report.seconds:.0f} s, {refused} answers 429; {report.requests:,} requests, "
        f"{report.requests / granted_in_all([part.seconds for part in report.objects]):.1%} of what was granted to "
        "the lists that were being read"
    )
    print(f"stripe-python auto-paging, one page after another: {peer:,.0f} rows/s")
    print(f"ratio: {rows / report.seconds / peer:.1f}")


def granted_in_all(durations: list[float]) -> float:
    """Sum what the lists may have asked for: at each moment the endpoints' limits, and together the account's."""
    granted = since = 0.0
    for ended, seconds in enumerate(sorted(durations)):
        granted += min(100, 25 * (len(durations) - ended)) * SHARE * (seconds - since)
        since = seconds
    return granted


if __name__ == "__main__":
    main()
