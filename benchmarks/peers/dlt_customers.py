"""The second peer: dlt loads customers into DuckDB, page by page from stripe-python, as its own Stripe source does.

Runs in an environment of its own, with `dlt[duckdb]` and `stripe`: python dlt_customers.py ADDRESS KEY FOLDER ROWS
Prints rows and seconds.
"""

import os
import sys
import time
from collections.abc import Iterator
from typing import Any

os.environ["RUNTIME__DLTHUB_TELEMETRY"] = "false"

import dlt
import stripe


def main() -> None:
    address, key, folder, rows = sys.argv[1:]
    stripe.enable_telemetry = False
    client = stripe.StripeClient(key, base_addresses={"api": address})

    @dlt.resource(name="customers")
    def customers() -> Iterator[list[dict[str, Any]]]:
        page = client.v1.customers.list({"limit": 100})
        read = 0
        while page.data and read < int(rows):
            read += len(page.data)
            yield [row.to_dict() for row in page.data]
            page = client.v1.customers.list({"limit": 100, "starting_after": page.data[-1].id})

    destination = dlt.destinations.duckdb(f"{folder}/dlt.duckdb")
    pipeline = dlt.pipeline("peer", pipelines_dir=f"{folder}/dlt", destination=destination, dataset_name="stripe")
    started = time.perf_counter()
    pipeline.run(customers())
    seconds = time.perf_counter() - started
    with (
        pipeline.sql_client() as client_of_duckdb,
        client_of_duckdb.execute_query("select count(*) from customers") as cursor,
    ):
        (stored,) = cursor.fetchone()
    print(stored, seconds)


if __name__ == "__main__":
    main()
