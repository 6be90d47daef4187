"""How fast people reach Customer.io with the ledger committed, beside the two Python clients on the same server.

The server is the sandbox in a process of its own that only parses, counts and answers. `people/s` of this package
includes packing, outcomes and the ledger's commits; the clients send bare batches of 480 kB and keep nothing.
Run with `--people 1000000`.
"""

import argparse
import asyncio
import json
import os
import resource
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx

HERE = Path(__file__).parent


def main() -> None:
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("--people", type=int, default=20_000)
    arguments.add_argument(
        "--paced-people", type=int, default=0, help="people for 10 calls/s at 100 ms (default: a quarter)"
    )
    arguments.add_argument("--small", action="store_true", help="a few people, to see that it runs")
    arguments.add_argument("--peers", action="store_true", help="measure the two clients too")
    arguments.add_argument("--json", action="store_true")
    arguments.add_argument("--part", help=argparse.SUPPRESS)
    arguments.add_argument("--folder", type=Path, help=argparse.SUPPRESS)
    arguments.add_argument("--pace", type=float, default=0.0, help=argparse.SUPPRESS)
    chosen = arguments.parse_args()
    if chosen.part is not None:
        print(json.dumps(PARTS[chosen.part](chosen.folder, chosen.people, chosen.pace)))
        return
    if chosen.small:
        chosen.people, chosen.peers = 5_000, True
    figures = measure(chosen.people, chosen.paced_people or max(1, chosen.people // 4), peers=chosen.peers)
    if chosen.json:
        print(json.dumps(figures))
        return
    for name, figure in figures.items():
        print(
            f"{name:34} {figure['people_per_second']:>10,.0f} people/s {figure['seconds']:>7.2f} s "
            f"{figure['requests']:>6} calls {figure['peak_megabytes']:>5.0f} MB peak"
        )


def measure(people: int, paced: int, *, peers: bool) -> dict[str, dict[str, float]]:
    figures: dict[str, dict[str, float]] = {}
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        with acceptor(folder) as switch:
            part("prepare", folder, people)
            figures["ours, no latency"] = part("deliver", folder, people)
            part("prepare_updates", folder, people)
            figures["ours, updates"] = part("deliver", folder, people)
            if peers:
                figures["customerio batch"] = part("customerio", folder, people)
                figures["async-customerio send_batch"] = part("async_customerio", folder, people)
            switch(latency_seconds=0.1)
            part("prepare", folder, paced)
            figures["ours, 10 calls/s and 100 ms"] = part("deliver", folder, paced, pace=10)
    return figures


def part(name: str, folder: Path, people: int, pace: float = 0.0) -> Any:
    """Run one measurement in a process of its own, so that its peak memory is its own."""
    command = [sys.executable, __file__, "--part", name, "--folder", str(folder), "--people", str(people)]
    done = subprocess.run([*command, "--pace", str(pace)], check=False, stdout=subprocess.PIPE, text=True)
    if done.returncode:
        raise SystemExit(f"the part {name} ended with {done.returncode}; what it said stands above")
    return json.loads(done.stdout.splitlines()[-1])


@contextmanager
def acceptor(folder: Path) -> Iterator[Any]:
    file = folder / "sandbox.json"
    command = [
        sys.executable,
        "-m",
        "stripe_cio_pipeline.sandbox",
        "--customers",
        "0",
        "--leads",
        "0",
        "--clock",
        "still",
    ]
    process = subprocess.Popen([*command, "--accept-only", "--port-file", str(file)], stdout=subprocess.DEVNULL)
    try:
        while not file.exists():
            if process.poll() is not None:
                raise SystemExit("the sandbox did not start")
            time.sleep(0.02)
        description = json.loads(file.read_text())

        def switch(**values: Any) -> None:
            address = description["control"]["customerio"] + "switches"
            httpx.post(address, json=values, headers={"Sandbox-Token": description["token"]}).raise_for_status()

        yield switch
    finally:
        process.send_signal(signal.SIGTERM)
        process.wait(10)


def environment(folder: Path) -> dict[str, str]:
    return dict(json.loads((folder / "sandbox.json").read_text())["environment"])


def prepare(folder: Path, people: int, pace: float) -> dict[str, float]:
    from stripe_cio_pipeline.warehouse import Warehouse

    (folder / "warehouse.duckdb").unlink(missing_ok=True)
    with Warehouse(folder / "warehouse.duckdb").connect() as connection:
        connection.execute((HERE / "deliver_plan.sql").read_text().format(people=people))
        rows = connection.execute("select operation from customerio.plan order by position limit 20000").fetchall()
    (folder / "operations.json").write_text("[" + ",".join(row[0] for row in rows) + "]")
    return {}


def prepare_updates(folder: Path, people: int, pace: float) -> dict[str, float]:
    from stripe_cio_pipeline.warehouse import Warehouse

    prepare(folder, people, pace)
    with Warehouse(folder / "warehouse.duckdb").connect() as connection:
        connection.execute((HERE / "deliver_updates.sql").read_text().format(people=people))
    return {}


def deliver(folder: Path, people: int, pace: float) -> dict[str, float]:
    # httpx would import it when the clock runs; the peers have imported everything by then.
    import httpcore  # noqa: F401

    from stripe_cio_pipeline.deliver import deliver as run
    from stripe_cio_pipeline.policy import parse_policy
    from stripe_cio_pipeline.settings import Settings
    from stripe_cio_pipeline.warehouse import Warehouse

    settings = Settings(_env_file=None, **{name.lower(): value for name, value in environment(folder).items()})
    policy = parse_policy({"customerio": {"requests_per_second": pace or 1_000}})
    began = time.perf_counter()
    report = run(Warehouse(folder / "warehouse.duckdb"), settings, policy, run_id="benchmark")
    seconds = time.perf_counter() - began
    if report.accepted != people:
        raise SystemExit(f"{report.accepted} of {people} were accepted: {report.problem}")
    return figure(people, seconds, report.requests)


def batches(folder: Path, people: int) -> Iterator[list[Any]]:
    """The same operations for the clients, 480 kB a call; the first 20,000 again and again."""
    operations = json.loads((folder / "operations.json").read_text())
    size = len(json.dumps(operations[0], separators=(",", ":"))) + 1
    step = 480_000 // size
    sent = 0
    while sent < people:
        start = sent % max(1, len(operations) - step)
        batch = operations[start : start + min(step, people - sent)]
        sent += len(batch)
        yield batch


def customerio(folder: Path, people: int, pace: float) -> dict[str, float]:
    from customerio import CustomerIO

    address = environment(folder)["CUSTOMERIO_TRACK_URL"]
    host, port = address.removeprefix("http://").split(":")

    class Loopback(CustomerIO):
        # The client speaks https only; the sandbox on loopback does not.
        def setup_base_url(self) -> None:
            self.base_url = f"http://{self.host}:{self.port}/api/v1"

        def batch(self, operations: list[Any]) -> Any:
            return self.send_request("POST", f"http://{self.host}:{self.port}/api/v2/batch", {"batch": operations})

    client = Loopback("sandbox-site", "sandbox-track", host=host, port=int(port))
    work = list(batches(folder, people))
    began = time.perf_counter()
    for operations in work:
        client.batch(operations)
    return figure(people, time.perf_counter() - began, len(work))


def async_customerio(folder: Path, people: int, pace: float) -> dict[str, float]:
    from async_customerio import AsyncCustomerIO

    address = environment(folder)["CUSTOMERIO_TRACK_URL"]
    host, port = address.removeprefix("http://").split(":")
    AsyncCustomerIO.setup_base_url = staticmethod(
        lambda host, port, prefix: f"http://{host}:{port}/{prefix.strip('/')}"
    )
    work = list(batches(folder, people))

    async def send() -> float:
        client = AsyncCustomerIO("sandbox-site", "sandbox-track", host=host, port=int(port))
        gate = asyncio.Semaphore(5)

        async def one(operations: list[Any]) -> None:
            async with gate:
                await client.v2.send_batch(operations)

        began = time.perf_counter()
        await asyncio.gather(*(one(operations) for operations in work))
        return time.perf_counter() - began

    return figure(people, asyncio.run(send()), len(work))


def figure(people: int, seconds: float, requests: int) -> dict[str, float]:
    return {
        "people": people,
        "seconds": seconds,
        "people_per_second": people / seconds,
        "requests": requests,
        "peak_megabytes": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1000,
        "cores": len(os.sched_getaffinity(0)),
    }


PARTS = {
    "prepare": prepare,
    "prepare_updates": prepare_updates,
    "deliver": deliver,
    "customerio": customerio,
    "async_customerio": async_customerio,
}

if __name__ == "__main__":
    main()
