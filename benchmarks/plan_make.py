"""How long planning takes: a first load, nothing, few or all changed, and all recomputed with few changed.

The limit, measured in the same run on the same rows: DuckDB writing everybody's attributes out as JSON once and hashing
them, which is the least that a plan of everybody must do. Run with `--people 1000000 --cores 2`.
"""

import argparse
import json
import os
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any


def main() -> None:
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("--people", type=int, default=20_000)
    arguments.add_argument("--changed", type=int, default=1_000)
    arguments.add_argument("--cores", type=int, default=2)
    arguments.add_argument("--json", action="store_true")
    chosen = arguments.parse_args()
    if hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, sorted(os.sched_getaffinity(0))[: chosen.cores])
    with tempfile.TemporaryDirectory() as folder:
        figures = measure(Path(folder), chosen.people, min(chosen.changed, chosen.people))
    if chosen.json:
        print(json.dumps(figures))
        return
    print(f"{chosen.people:,} people, {chosen.cores} cores; limit (JSON and hash): {figures['limit_seconds']:.2f} s")
    for name in ("first_load", "nothing_changed", "few_changed", "all_recomputed", "all_changed"):
        seconds, processor = figures[f"{name}_seconds"], figures[f"{name}_processor_seconds"]
        ratio = seconds / figures["limit_seconds"]
        print(f"  {name:16} {seconds:7.2f} s   {processor:7.2f} s of processor   {ratio:6.2f} x limit")


def measure(folder: Path, people: int, changed: int) -> dict[str, Any]:
    # Imported here, so that DuckDB counts the cores that were left to it.
    from stripe_cio_pipeline.plan import Plan, make_plan
    from stripe_cio_pipeline.policy import parse_policy
    from stripe_cio_pipeline.warehouse import Warehouse, next_seq

    sql = Path(__file__).parent
    warehouse = Warehouse(folder / "warehouse.duckdb")
    policy = parse_policy({"guard": {"first_load": "send", "max_changed_share": 1}})
    with warehouse.connect() as connection:
        connection.execute((sql / "plan_people.sql").read_text(encoding="utf-8").format(people=people))

    figures: dict[str, Any] = {"people": people, "changed": changed}

    def plan(name: str, expected: Callable[[Plan], int], number: int, *, full: bool = False) -> None:
        started, started_processor = time.perf_counter(), time.process_time()
        made = make_plan(warehouse, policy, run_id="benchmark", full=full)
        figures[f"{name}_seconds"] = time.perf_counter() - started
        figures[f"{name}_processor_seconds"] = time.process_time() - started_processor
        if expected(made) != number:
            raise SystemExit(f"the plan is wrong: {made.counts}")

    def change(number: int, *, recomputed: int) -> None:
        with warehouse.transaction() as connection:
            seq = next_seq(connection)
            connection.execute(
                "update model.people set mrr = mrr + 1 where person_id in "
                "(select person_id from model.people order by hash(person_id) limit ?)",
                [number],
            )
            connection.execute(
                "update model.people set _seq = ? where person_id in "
                "(select person_id from model.people order by hash(person_id) limit ?)",
                [seq, recomputed],
            )

    with warehouse.connect() as connection:
        started = time.perf_counter()
        connection.execute("select max(md5(to_json(p))) from model.people as p").fetchall()
        figures["limit_seconds"] = time.perf_counter() - started
    plan("first_load", lambda made: made.counts.identify, people)
    with warehouse.connect() as connection:
        connection.execute((sql / "plan_accept.sql").read_text(encoding="utf-8"))
    plan("nothing_changed", lambda made: made.counts.keep, people, full=True)
    change(changed, recomputed=changed)
    plan("few_changed", lambda made: made.counts.update, changed)
    change(changed, recomputed=people)
    plan("all_recomputed", lambda made: made.counts.update, changed)
    change(people, recomputed=people)
    plan("all_changed", lambda made: made.counts.update, people)
    return figures


if __name__ == "__main__":
    main()
