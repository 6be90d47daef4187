"""`python -m stripe_cio_pipeline.sandbox`: both servers in a process of their own, until interrupted."""

import argparse
import os
import shlex
import signal
import sys
import threading
from collections.abc import Sequence
from pathlib import Path
from types import FrameType

import orjson

from stripe_cio_pipeline.sandbox.clock import REAL_TIME
from stripe_cio_pipeline.sandbox.customerio import CustomerioSwitches
from stripe_cio_pipeline.sandbox.pair import Sandbox
from stripe_cio_pipeline.sandbox.stripe import PINNED_VERSION, StripeSwitches


def parser() -> argparse.ArgumentParser:
    """Return the command line: every option has a default that needs no thought."""
    options = argparse.ArgumentParser(
        prog="stripe-cio sandbox", description="A fake Stripe and a fake Customer.io on loopback."
    )
    options.add_argument("--seed", type=int, default=7, help="the same seed makes the same world (default: 7)")
    options.add_argument("--customers", type=int, default=50, help="customers at the start (default: 50)")
    options.add_argument("--leads", type=float, default=0.3, help="share of them in Customer.io (default: 0.3)")
    options.add_argument("--history-days", type=int, default=180, help="days lived before the start")
    options.add_argument("--start", type=int, default=None, help="unix time of the start (default: now)")
    options.add_argument(
        "--clock",
        type=_pace,
        default="real",
        help='"real" (default), "still", or the days that pass per minute, for example 1',
    )
    options.add_argument("--stripe-port", type=int, default=0, help="0 (default): any free port")
    options.add_argument("--customerio-port", type=int, default=0, help="0 (default): any free port")
    options.add_argument("--stripe-version", default=PINNED_VERSION, help="the account's API version")
    options.add_argument("--limits", action="store_true", help="enforce Stripe's rate limits")
    options.add_argument("--latency", type=float, default=0.0, help="seconds each Stripe answer takes")
    options.add_argument("--gentle", action="store_true", help="a Customer.io that applies at once and in order")
    options.add_argument("--accept-only", action="store_true", help="a Customer.io that only counts (benchmarks)")
    options.add_argument("--port-file", type=Path, help="write environment, token and addresses there, as JSON")
    options.add_argument("--load", type=Path, help="begin with a state that --save wrote")
    options.add_argument("--save", type=Path, help="write the state there at the end")
    return options


def _pace(said: str) -> float:
    """Read how many days pass in a minute; none where the clock is still. Raises ArgumentTypeError."""
    named = {"real": REAL_TIME, "still": 0.0}
    try:
        pace = named[said] if said in named else float(said)
    except ValueError:
        pace = -1.0
    if not 0 <= pace < float("inf"):
        raise argparse.ArgumentTypeError("must be real, still, or the days that pass in a minute, such as 1")
    return pace


def run(arguments: Sequence[str] | None = None) -> int:
    """Serve until SIGINT or SIGTERM; prints the environment to export and the control token. Returns 0."""
    options = parser().parse_args(arguments)
    customerio = CustomerioSwitches.gentle() if options.gentle else CustomerioSwitches()
    customerio.acceptor_only = options.accept_only
    sandbox = Sandbox(
        seed=options.seed,
        customers=options.customers,
        start=options.start,
        history_days=options.history_days,
        leads=options.leads,
        stripe=StripeSwitches(
            api_version=options.stripe_version, limits=options.limits, latency_seconds=options.latency
        ),
        customerio=customerio,
        stripe_port=options.stripe_port,
        customerio_port=options.customerio_port,
    )
    if options.load is not None:
        sandbox.load(options.load)
    stopped = _until_signal()
    with sandbox:
        if options.clock:
            sandbox.clock.run(options.clock)
        if options.port_file is not None:
            _write(options.port_file, orjson.dumps(sandbox.description()))
        sys.stdout.write(_greeting(sandbox))
        sys.stdout.flush()
        stopped.wait()
    if options.save is not None:
        sandbox.save(options.save)
    return 0


def _greeting(sandbox: Sandbox) -> str:
    lines = [f"export {name}={shlex.quote(value)}" for name, value in sandbox.environment().items()]
    controls = sandbox.description()["control"]
    lines += [
        f"export SANDBOX_TOKEN={shlex.quote(sandbox.token)}",
        f"export SANDBOX_STRIPE={controls['stripe']}",
        f"export SANDBOX_CUSTOMERIO={controls['customerio']}",
        "# Export these in a second terminal; stop with Ctrl-C.",
    ]
    return "\n".join(lines) + "\n"


def _until_signal() -> threading.Event:
    """Return an event that SIGINT and SIGTERM set; only the main thread may listen to signals."""
    stopped = threading.Event()

    def stop(number: int, frame: FrameType | None) -> None:
        stopped.set()

    if threading.current_thread() is threading.main_thread():
        signal.signal(signal.SIGINT, stop)
        signal.signal(signal.SIGTERM, stop)
    return stopped


def _write(path: Path, content: bytes) -> None:
    """Write a file so that a reader who waits for it never sees half of it."""
    draft = path.with_name(f".{path.name}.{os.getpid()}")
    draft.write_bytes(content)
    draft.replace(path)


if __name__ == "__main__":
    sys.exit(run())
