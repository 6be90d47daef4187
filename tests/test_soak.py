"""Three hundred ticks of an account that lives, one call in twenty going wrong: all is whole, and memory stays."""

import json
import os
import random
import statistics
import subprocess
import sys
from collections import Counter
from pathlib import Path

import pytest

from stripe_cio_pipeline.deliver import verify
from stripe_cio_pipeline.extract import reconcile
from stripe_cio_pipeline.policy import Policy, parse_policy
from stripe_cio_pipeline.sandbox import CustomerioSwitches, Sandbox
from stripe_cio_pipeline.sandbox.faults import Fault
from stripe_cio_pipeline.settings import Settings, load_settings
from stripe_cio_pipeline.sync import sync_once
from stripe_cio_pipeline.warehouse import Warehouse

TICKS = 300
POLICY = {
    "identity": {"settle_seconds": 0},
    "guard": {"first_load": "send", "max_changed_share": 1.0, "max_deleted_people": 10_000},
    "stripe": {"limits": {"endpoint": 500, "account": 2000}},
    "customerio": {"requests_per_second": 1000},
}
#: One call in a hundred each, on both sides.
FAULTS = (
    Fault.error(500),
    Fault.reset_before(),
    Fault.reset_after(),
    Fault.truncated(),
    Fault.rate_limited(retry_after=0.01),
)
#: The pipeline in a process of its own, so that the memory is not the sandbox's.
TICKING = """
import json, resource, sys
import stamina
from stripe_cio_pipeline.errors import PipelineError
from stripe_cio_pipeline.policy import parse_policy
from stripe_cio_pipeline.settings import load_settings
from stripe_cio_pipeline.sync import sync_once

stamina.instrumentation.set_on_retry_hooks([])  # by itself it writes to standard output, which carries the answers
settings, policy = load_settings(), parse_policy(json.loads(sys.argv[1]))
for _ in sys.stdin:
    try:
        sync_once(settings, policy)
        said = "done"
    except PipelineError as error:
        said = type(error).__name__
    pages = int(open("/proc/self/statm").read().split()[1])
    print(json.dumps([said, pages * resource.getpagesize()]), flush=True)
"""


class Ticker:
    """A process that syncs once a line."""

    def __init__(self) -> None:
        self._process = subprocess.Popen(
            [sys.executable, "-c", TICKING, json.dumps(POLICY)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            env=os.environ,
        )

    def tick(self) -> tuple[str, int]:
        """Sync once, and give how it ended and how much memory is in use, in bytes."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        print("tick", file=self._process.stdin, flush=True)
        said, size = json.loads(self._process.stdout.readline())
        return str(said), int(size)

    def end(self) -> None:
        self._process.communicate(timeout=60)


def live(sandbox: Sandbox, chance: random.Random, number: int) -> None:
    """Let some minutes pass, or now and then days, and let somebody do something."""
    stripe = sandbox.stripe
    emails = [f"customer-{each}@example.com" for each in range(40)]
    if number % 4 == 0:
        customer = stripe.create_customer(email=chance.choice(emails), name=f"Customer {number}")["id"]
        stripe.attach_card(customer)
        if chance.random() < 0.5:
            stripe.fail_payment(stripe.create_subscription(customer)["id"])
        if chance.random() < 0.2:
            stripe.delete_customer(customer)
    sandbox.clock.advance(days=3 if number % 60 == 59 else 0, minutes=chance.uniform(3, 40))


@pytest.mark.gauntlet
@pytest.mark.timeout(3_600)
@pytest.mark.skipif(not Path("/proc/self/statm").exists(), reason="memory is read where Linux tells it")
def test_three_hundred_ticks_lose_nothing_double_nothing_and_hold_no_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    chance = random.Random(16)
    ended: Counter[str] = Counter()
    sizes: list[int] = []
    with Sandbox(customers=30, history_days=30, customerio=CustomerioSwitches.gentle()) as sandbox:
        for name, value in sandbox.environment().items():
            monkeypatch.setenv(name, value)
        for faults in (sandbox.stripe.faults, sandbox.customerio.faults):
            for fault in FAULTS:
                faults.rate(0.01, fault)
        ticker = Ticker()
        for number in range(TICKS):
            live(sandbox, chance, number)
            said, size = ticker.tick()
            ended[said] += 1
            sizes.append(size)
        ticker.end()
        sandbox.stripe.faults.clear()
        sandbox.customerio.faults.clear()
        is_whole(sandbox, load_settings(), parse_policy(POLICY))

    assert set(ended) <= {"done", "StripeUnavailable", "CustomerioUnavailable", "PipelineError"}, ended
    assert ended["done"] > TICKS * 0.8, ended
    third = TICKS // 3
    middle, last = statistics.median(sizes[third : 2 * third]), statistics.median(sizes[2 * third :])
    assert last - middle < 20_000_000, (middle, last)


def is_whole(sandbox: Sandbox, settings: Settings, policy: Policy) -> None:
    """Whether both sides have everything, and have it once."""
    sandbox.clock.advance(hours=1)
    for _ in range(3):
        outcome = sync_once(settings, policy)
    assert outcome.delivery is not None
    assert outcome.delivery.accepted == 0
    warehouse = Warehouse(settings.warehouse_location)
    assert reconcile(warehouse, settings, policy, run_id="reconcile").clean
    found = verify(warehouse, settings, policy, run_id="verify")
    assert found.checked == found.matched > 0
    truth = sandbox.customerio.truth()
    assert truth.repeated == {}
    assert truth.shells == ()
    for person in truth.people:
        human = truth.of(*filter(None, (person.id, person.email)))
        assert not human.is_twice
        assert human.mailed_twice == ()
