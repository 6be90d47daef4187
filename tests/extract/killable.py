"""Extracts, or compares, in children that are killed at random moments, then once undisturbed.

A process of its own, without threads, so that it may fork: what is killed is a whole process with all its threads, as
the system would do it.

    python killable.py WAREHOUSE ADDRESS KEY KILLS SEED WINDOW LONGEST [reconcile]
"""

import os
import random
import signal
import sys
import time
from collections.abc import Callable

from stripe_cio_pipeline.extract import Patience, extract, reconcile
from stripe_cio_pipeline.policy import parse_policy
from stripe_cio_pipeline.settings import Settings
from stripe_cio_pipeline.warehouse import Warehouse


def run(path: str, address: str, key: str, window: int, number: int, act: Callable[..., object]) -> None:
    act(
        Warehouse(path, lock_wait_seconds=20),
        Settings(stripe_api_key=key, stripe_api_base=address),
        parse_policy({"stripe": {"limits": {"endpoint": 10_000, "account": 10_000}}}),
        run_id=f"killed-{number}",
        window=window,
        patience=Patience(wait_initial=0.001, wait_max=0.01),
    )


def main() -> None:
    path, address, key, kills, seed, window, longest, *what = sys.argv[1:]
    act = reconcile if what else extract
    chance = random.Random(int(seed))
    killed = 0
    while killed < int(kills):
        child = os.fork()
        if child == 0:
            try:
                run(path, address, key, int(window), killed, act)
            finally:
                os._exit(0)
        time.sleep(chance.uniform(0.01, float(longest)))
        os.kill(child, signal.SIGKILL)
        _, status = os.waitpid(child, 0)
        if not os.WIFSIGNALED(status):
            # It was done before the blow fell: nothing is left to kill.
            break
        killed += 1
    run(path, address, key, int(window), killed, act)
    print(killed)


if __name__ == "__main__":
    main()
