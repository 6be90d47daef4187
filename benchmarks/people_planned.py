"""How long model and plan take together: everybody recomputed and planned, and a thousand changed people.

    python benchmarks/people_planned.py [--people 1000000 | --small] [--changed 1000] [--cores 2] [--folder DIR]

Each figure is the sum of one build and one plan of the same warehouse, opened and closed as a run opens and closes it.
The limit is measured in the same run: the rows of `model.people` and `model.members` copied, committed and the file
closed, which is the least that computing everybody anew must write.
"""

import argparse
import os
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

SQL = Path(__file__).parent
OBJECTS = ("customers", "subscriptions", "invoices", "charges")
COPY = """
create table model.copy_of_people as from model.people;
create table model.copy_of_members as from model.members
"""
DROP = "drop table model.copy_of_people; drop table model.copy_of_members"
FORGET = "delete from pipeline.cursors where name = 'model.sql.people'"


@dataclass(frozen=True, slots=True)
class Timed:
    """What an act gave, with its seconds by the clock and of all processors."""

    result: Any
    wall: float
    processor: float


def timed(act: Callable[[], Any]) -> Timed:
    began, began_processor = time.perf_counter(), time.process_time()
    result = act()
    return Timed(result, time.perf_counter() - began, time.process_time() - began_processor)


def main() -> None:
    arguments = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    arguments.add_argument("--people", type=int, default=1_000_000)
    arguments.add_argument("--small", action="store_true", help="20,000 people")
    arguments.add_argument("--changed", type=int, default=1_000)
    arguments.add_argument("--cores", type=int, default=2)
    arguments.add_argument("--folder", type=Path, default=None, help="where the warehouse is made and removed")
    chosen = arguments.parse_args()
    if hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, sorted(os.sched_getaffinity(0))[: chosen.cores])
    people = 20_000 if chosen.small else chosen.people
    with tempfile.TemporaryDirectory(dir=chosen.folder) as folder:
        make(Path(folder) / "warehouse.duckdb", people)
        measure(Path(folder) / "warehouse.duckdb", people, chosen.changed, chosen.cores)


def make(file: Path, people: int) -> None:
    """Make a warehouse of an account whose first load was built, planned and accepted."""
    # Imported here, so that DuckDB counts the cores that were left to it.
    from stripe_cio_pipeline.model import build
    from stripe_cio_pipeline.plan import make_plan
    from stripe_cio_pipeline.policy import parse_policy
    from stripe_cio_pipeline.warehouse import Warehouse, next_seq

    warehouse = Warehouse(file)
    for statement in (SQL / "model_build.sql").read_text(encoding="utf-8").strip().removesuffix(";").split(";\n"):
        with warehouse.connect() as connection:
            connection.execute(statement.replace("$people", str(people)))
    with warehouse.transaction() as connection:
        next_seq(connection)
    build(warehouse, parse_policy({}), run_id="benchmark")
    make_plan(warehouse, parse_policy({"guard": {"first_load": "send"}}), run_id="benchmark")
    with warehouse.connect() as connection:
        connection.execute((SQL / "plan_accept.sql").read_text(encoding="utf-8"))


def measure(file: Path, people: int, changed: int, cores: int) -> None:
    """Print what building and planning take. Leaves the warehouse changed."""
    from stripe_cio_pipeline.model import build
    from stripe_cio_pipeline.plan import make_plan
    from stripe_cio_pipeline.policy import parse_policy
    from stripe_cio_pipeline.warehouse import Warehouse, next_seq

    warehouse, policy = Warehouse(file), parse_policy({"guard": {"max_changed_share": 1}})

    def run(statements: str) -> None:
        with warehouse.connect() as connection:
            connection.execute(statements)

    def touch() -> None:
        """Change what Stripe says of so many people, in each kind of object a quarter of them."""
        with warehouse.transaction() as connection:
            seq = next_seq(connection)
            statement = (SQL / "people_changed.sql").read_text(encoding="utf-8")
            for part, name in enumerate(OBJECTS):
                parts = {"name": name, "seq": seq, "part": part, "rows": changed // len(OBJECTS)}
                connection.execute(statement.format(**parts))

    def both(what: str, limit: float, *, computed: int, updated: int | None = None) -> None:
        built = timed(lambda: build(warehouse, policy, run_id="benchmark"))
        planned = timed(lambda: make_plan(warehouse, policy, run_id="benchmark"))
        report, plan = built.result, planned.result
        if report.changed < computed or (updated is not None and plan.counts.update != updated):
            raise SystemExit(f"{what}: {report.changed} computed, {plan.counts}")
        print(f"{what}: {plan.counts.update:,} of {plan.counts.people:,} people are to be updated", flush=True)
        for name, wall, processor in (
            ("model", built.wall, built.processor),
            ("plan", planned.wall, planned.processor),
            ("together", built.wall + planned.wall, built.processor + planned.processor),
        ):
            print(
                f"    {name:10}{wall:7.2f} s {processor:7.2f} s of processor  {wall / limit:6.2f} x limit", flush=True
            )

    limit = timed(lambda: run(COPY)).wall
    run(DROP)
    print(f"{people:,} people, {cores} cores; limit (copy people and members): {limit:.2f} s", flush=True)
    run(FORGET)
    both("everybody recomputed", limit, computed=people * 9 // 10, updated=0)
    touch()
    both(f"{changed:,} changed", limit, computed=changed * 9 // 10)
    both("nothing changed", limit, computed=0)


if __name__ == "__main__":
    main()
