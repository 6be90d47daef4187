"""How long the model takes: everything from raw payloads, people.sql alone, and a thousand changes.

    python benchmarks/model_build.py [--people 1000000 | --small] [--threads 2] [--memory 1GB] [--folder DIR]

Makes its own account in DuckDB. What a machine can do differs, so each figure also stands as a ratio to something
measured in the same run: taking six fields out of each customer's payload, or copying `model.people`.
"""

import argparse
import resource
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from stripe_cio_pipeline.model import ModelReport, build
from stripe_cio_pipeline.policy import Policy
from stripe_cio_pipeline.warehouse import Connection, Warehouse, next_seq

ACCOUNT = Path(__file__).with_suffix(".sql")

SCAN = """
select sum(strlen(payload)) from (
    select payload from stripe.customers union all select payload from stripe.subscriptions
    union all select payload from stripe.invoices union all select payload from stripe.charges
)
"""
PARSE = """
select count(parsed.email), count(parsed.name), count(parsed.currency), sum(parsed.balance), sum(parsed.created),
    bool_or(parsed.delinquent)
from (
    select from_json(payload, '{"email": "VARCHAR", "name": "VARCHAR", "currency": "VARCHAR", "balance": "BIGINT",
        "created": "BIGINT", "delinquent": "BOOLEAN"}') as parsed
    from stripe.customers
)
"""
TOUCH = """
create or replace temp table moved as
select * replace ({seq} as seq) from stripe.{name} order by hash(id) limit {rows};
delete from stripe.{name} where id in (select id from moved);
insert into stripe.{name} from moved
"""


class Bench(Warehouse):
    """A warehouse whose connections use a set number of threads."""

    threads = 2

    @contextmanager
    def connect(self) -> Iterator[Connection]:
        with super().connect() as connection:
            connection.execute(f"set threads = {self.threads}")
            yield connection


def timed(what: str, act: Callable[[], object], unit: float | None = None) -> float:
    began, began_cpu = time.perf_counter(), time.process_time()
    result = act()
    seconds, cpu = time.perf_counter() - began, time.process_time() - began_cpu
    ratio = f"  {seconds / unit:5.1f} ×" if unit else ""
    people = f"  {result.changed:,} people" if isinstance(result, ModelReport) else ""
    print(f"{what:<44}{seconds:7.2f} s  {cpu:7.2f} s of processor{ratio}{people}", flush=True)
    return seconds


def main() -> None:
    arguments = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    arguments.add_argument("--people", type=int, default=1_000_000)
    arguments.add_argument("--small", action="store_true", help="20,000 people")
    arguments.add_argument("--changes", type=int, default=1_000)
    arguments.add_argument("--threads", type=int, default=2)
    arguments.add_argument("--memory", default=None)
    arguments.add_argument("--folder", type=Path, default=None)
    chosen = arguments.parse_args()
    if chosen.small:
        chosen.people = 20_000
    with tempfile.TemporaryDirectory(dir=chosen.folder) as folder:
        warehouse = Bench(Path(folder) / "warehouse.duckdb", memory_limit=chosen.memory)
        warehouse.threads = chosen.threads

        def run(sql: str) -> None:
            with warehouse.connect() as connection:
                connection.execute(sql).fetchall()

        def make() -> None:
            for statement in ACCOUNT.read_text().strip().removesuffix(";").split(";\n"):
                run(statement.replace("$people", str(chosen.people)))
            with warehouse.transaction() as connection:
                next_seq(connection)

        def touch() -> None:
            with warehouse.transaction() as connection:
                seq = next_seq(connection)
                for name in ("customers", "subscriptions", "invoices", "charges"):
                    connection.execute(TOUCH.format(seq=seq, name=name, rows=chosen.changes // 4))

        def forget_people() -> None:
            with warehouse.transaction() as connection:
                connection.execute("delete from pipeline.cursors where name = 'model.sql.people'")

        def again() -> ModelReport:
            return build(warehouse, Policy(), run_id="benchmark")

        timed(f"making an account of {chosen.people:,}", make)
        timed("limit: read all payloads", lambda: run(SCAN))
        parse = timed("limit: six fields of each customer", lambda: run(PARSE))
        timed("everything, from raw payloads", again, parse)
        copy = timed("limit: copy model.people", lambda: run("create or replace table model.copy as from model.people"))
        run("drop table model.copy")
        forget_people()
        timed("everybody, after an edit of people.sql", again, copy)
        touch()
        timed(f"{chosen.changes:,} changed objects", again, parse)
        timed("nothing changed", again)
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
        print(f"peak memory of the process: {peak:,.0f} MiB (DuckDB's limit: {chosen.memory or 'its default'})")


if __name__ == "__main__":
    main()
