"""From an event at Stripe to the person in Customer.io by `stripe-cio listen`, and how a burst is taken.

    python benchmarks/real_time.py [--small] [--customers N] [--seconds S] [--burst N]

One customer changes each second, and it is measured when Customer.io has the change. Then so many events as `--burst`
says are sent within a minute on eight connections, as fast as they are answered. Each figure stands beside its limit.
The sandbox is in this process, so that on two processors it takes part of what the listener needs.
"""

import argparse
import asyncio
import hmac
import json
import os
import random
import subprocess
import sys
import tempfile
import time
from collections import Counter
from hashlib import sha256
from pathlib import Path
from typing import Any

import httpx

from stripe_cio_pipeline.extract import PINNED_VERSION
from stripe_cio_pipeline.sandbox import CustomerioSwitches, Sandbox, StripeSwitches

PORT = 18_787
LIMITS = {"p95": 5.0, "accept p99": 1.0, "empty after": 120.0, "megabytes": 400.0, "reads": 0.01}
_POLICY = """\
guard: {first_load: send, max_changed_share: 1.0}
identity: {settle_seconds: 0}
stripe: {limits: {endpoint: 500, account: 2000}}
customerio: {requests_per_second: 100}
"""


def tell(what: str, value: float, unit: str, limit: float | None) -> None:
    """Print a figure, beside its limit and as a part of it."""
    beside = f"  limit {limit:g} {unit}: {value / limit:.2f} of it" if limit is not None else ""
    print(f"{what:<58} {value:9.3f} {unit}{beside}", flush=True)


def quantile(values: list[float], share: float) -> float:
    """Give the value that this share does not exceed."""
    return sorted(values)[min(len(values) - 1, int(share * len(values)))]


def one_a_second(sandbox: Sandbox, seconds: int, chance: random.Random) -> list[float]:
    """Change one customer a second, and give how long each change took to Customer.io."""
    customers = sorted(sandbox.stripe.objects("customer"))
    waiting: dict[str, tuple[str, float]] = {}
    lags: list[float] = []
    began = time.monotonic()
    number = 0
    while number < seconds or waiting:
        now = time.monotonic()
        if number < seconds and now - began >= number:
            customer = chance.choice(customers)
            if customer not in waiting:
                name = f"Name {number}"
                waiting[customer] = name, now
                sandbox.clock.advance(seconds=1)
                sandbox.stripe.update_customer(customer, name=name)
            number += 1
        for customer, (name, since) in list(waiting.items()):
            person = sandbox.customerio.person(id=customer)
            if person is not None and person.attributes.get("name") == name:
                lags.append(now - since)
                del waiting[customer]
            elif now - since > 120:
                # Several customers of one email are one person, who may be called by another's name.
                del waiting[customer]
        time.sleep(0.02)
    return lags


def signed(event: dict[str, Any], secret: str) -> tuple[bytes, dict[str, str]]:
    """Give an event's body and headers, as Stripe sends them now."""
    body = json.dumps(event, indent=2).encode()
    moment = int(time.time())
    made = hmac.new(secret.encode(), f"{moment}.".encode() + body, sha256).hexdigest()
    return body, {"Stripe-Signature": f"t={moment},v1={made}", "Content-Type": "application/json"}


async def burst(events: list[dict[str, Any]], secret: str, within: float) -> tuple[list[float], Counter[int], float]:
    """Send events on eight connections, spread over so many seconds; give times of answers, statuses, and the whole."""
    answers: list[float] = []
    statuses: Counter[int] = Counter()
    began = time.monotonic()
    numbered = iter(enumerate(events))

    async def send(client: httpx.AsyncClient) -> None:
        for number, event in numbered:
            wait = began + within * number / len(events) - time.monotonic()
            if wait > 0:
                await asyncio.sleep(wait)
            body, headers = signed(event, secret)
            asked = time.monotonic()
            answer = await client.post("/stripe/webhook", content=body, headers=headers)
            answers.append(time.monotonic() - asked)
            statuses[answer.status_code] += 1

    async with httpx.AsyncClient(base_url=f"http://127.0.0.1:{PORT}", timeout=60, trust_env=False) as client:
        await asyncio.gather(*(send(client) for _ in range(8)))
    return answers, statuses, time.monotonic() - began


def waits() -> float:
    """How many events wait in the inbox."""
    text = httpx.get(f"http://127.0.0.1:{PORT}/metrics", timeout=60, trust_env=False).text
    line = next(line for line in text.splitlines() if line.startswith("stripe_cio_webhook_waiting_events "))
    return float(line.split()[1])


def most_megabytes(process: int) -> float:
    """The most memory that a process has had."""
    lines = Path(f"/proc/{process}/status").read_text().splitlines()
    return next(int(line.split()[1]) / 1000 for line in lines if line.startswith("VmHWM"))


def main() -> None:
    """Run it."""
    options = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    options.add_argument("--small", action="store_true", help="2,000 customers, half a minute, 1,000 events")
    options.add_argument("--customers", type=int, default=20_000)
    options.add_argument("--seconds", type=int, default=600)
    options.add_argument("--burst", type=int, default=20_000)
    given = options.parse_args()
    if given.small:
        given.customers, given.seconds, given.burst = 2_000, 30, 1_000
    switches = StripeSwitches(late_events_share=0.0, duplicate_events_share=0.0)
    with (
        tempfile.TemporaryDirectory(prefix="benchmark-") as name,
        Sandbox(
            seed=7, customers=given.customers, leads=0, stripe=switches, customerio=CustomerioSwitches.gentle()
        ) as sandbox,
    ):
        folder = Path(name)
        (folder / "stripe_cio.yaml").write_text(_POLICY)
        endpoint = sandbox.stripe.create_webhook_endpoint(
            f"http://127.0.0.1:{PORT}/stripe/webhook", api_version=PINNED_VERSION
        )
        environment = {
            **os.environ,
            **sandbox.environment(),
            "STRIPE_CIO_HOME": str(folder / "home"),
            "STRIPE_WEBHOOK_SECRET": endpoint["secret"],
        }
        command = [sys.executable, "-m", "stripe_cio_pipeline.cli"]
        for _ in range(2):
            subprocess.run([*command, "sync"], env=environment, cwd=folder, check=True, stdout=subprocess.DEVNULL)
        listener = subprocess.Popen(
            [*command, "listen", "--port", str(PORT)], env=environment, cwd=folder, stdout=subprocess.PIPE, text=True
        )
        try:
            print(listener.stdout.readline().strip() if listener.stdout else "", flush=True)
            _measure(sandbox, given, endpoint, listener.pid)
        finally:
            listener.terminate()
            listener.wait()
    print(f"{os.cpu_count()} processors, load {os.getloadavg()[0]:.1f}")


def _measure(sandbox: Sandbox, given: argparse.Namespace, endpoint: dict[str, Any], listener: int) -> None:
    chance = random.Random(7)
    one_a_second(sandbox, 5, chance)  # warm
    lags = one_a_second(sandbox, given.seconds, chance)
    of = f"{given.customers:,} customers, 1 event/s for {given.seconds} s"
    tell(f"event to person, p50 ({of})", quantile(lags, 0.5), "s", None)
    tell(f"event to person, p95 ({len(lags)} measured)", quantile(lags, 0.95), "s", LIMITS["p95"])

    # From here on we send ourselves, so that each answer can be timed.
    sandbox.stripe.update_webhook_endpoint(endpoint["id"], disabled=True)
    known = {event["id"] for event in sandbox.stripe.events()}
    customers = sorted(sandbox.stripe.objects("customer"))
    for number in range(given.burst):
        if number % 333 == 0:  # changes of one object within one second have no order, and would be read
            sandbox.clock.advance(seconds=1)
            chance.shuffle(customers)
        sandbox.stripe.update_customer(customers[number % 333 % len(customers)], name=f"Burst {number}")
    events = [event for event in sandbox.stripe.events() if event["id"] not in known][: given.burst]
    before = sandbox.stripe.counters.gets
    answers, statuses, seconds = asyncio.run(burst(events, endpoint["secret"], 60.0 * given.burst / 20_000))
    tell(f"burst of {len(events):,} events, sent in", seconds, "s", None)
    print(f"answers by status: {dict(statuses)}")
    tell("answer, p99", quantile(answers, 0.99), "s", LIMITS["accept p99"])
    ended = time.monotonic()
    while waits():
        time.sleep(0.5)
    tell("inbox empty after", time.monotonic() - ended, "s", LIMITS["empty after"])
    tell("most memory of the listener", most_megabytes(listener), "MB", LIMITS["megabytes"])
    tell("reads for each event", (sandbox.stripe.counters.gets - before) / len(events), "", LIMITS["reads"])


if __name__ == "__main__":
    main()
