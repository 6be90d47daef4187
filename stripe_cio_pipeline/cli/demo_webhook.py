"""The demo's last act: a lead becomes a customer at Stripe, and a webhook has it in Customer.io seconds later."""

import os
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import yaml

from stripe_cio_pipeline.cli.live import working
from stripe_cio_pipeline.cli.output import Output
from stripe_cio_pipeline.errors import PipelineError
from stripe_cio_pipeline.extract import PINNED_VERSION
from stripe_cio_pipeline.policy import Policy
from stripe_cio_pipeline.sandbox import Sandbox
from stripe_cio_pipeline.settings import Settings

_WAIT_SECONDS = 60.0
_LOOK_SECONDS = 0.05


def show_webhook(output: Output, sandbox: Sandbox, settings: Settings, policy: Policy) -> float:
    """Let `stripe-cio listen` take one event, and give the seconds from Stripe to the person in Customer.io.

    Waits until the person's own event has followed. Raises PipelineError where nothing comes of it.
    """
    lead = min((person.email for person in sandbox.customerio.people() if person.email and not person.id), default=None)
    port = free_port()
    endpoint = new_endpoint(sandbox, port)
    try:
        with (
            working(output, "A lead becomes a customer, and a webhook tells of it"),
            _listening(sandbox, settings, policy, endpoint["secret"], port),
        ):
            began = time.monotonic()
            customer = sandbox.stripe.create_customer(email=lead or "lead@example.com")["id"]

            _until(lambda: sandbox.customerio.person(id=customer) is not None, sandbox)
            seconds = time.monotonic() - began
            _until(lambda: any(each.person_id == customer for each in sandbox.customerio.events()), sandbox)
    finally:
        sandbox.stripe.delete_webhook_endpoint(endpoint["id"])
    output.good(
        f"A lead became a customer at Stripe, stripe-cio listen took the webhook, and Customer.io knew them by their "
        f"Stripe id {seconds:.1f} s later."
    )
    return seconds


def new_endpoint(sandbox: Sandbox, port: int) -> dict[str, Any]:
    """Make an endpoint at the sandbox's Stripe as `stripe-cio check` advises: in this version no event needs a read."""
    address = f"http://127.0.0.1:{port}/stripe/webhook"
    made: dict[str, Any] = sandbox.stripe.create_webhook_endpoint(address, api_version=PINNED_VERSION)
    return made


@contextmanager
def _listening(sandbox: Sandbox, settings: Settings, policy: Policy, secret: str, port: int) -> Iterator[None]:
    """Have the command run beside us, as it would for a real account."""
    file = settings.home / "demo.yaml"
    file.write_text(yaml.safe_dump(policy.model_dump(mode="json", exclude_unset=True)), encoding="utf-8")
    environment = {
        **os.environ,
        **sandbox.environment(),
        "STRIPE_CIO_HOME": str(settings.home),
        "STRIPE_CIO_CONFIG": str(file),
        "STRIPE_WEBHOOK_SECRET": secret,
    }
    command = [sys.executable, "-m", "stripe_cio_pipeline.cli", "listen", "--port", str(port)]
    with subprocess.Popen(  # noqa: S603 (our own interpreter)
        command, env=environment, cwd=settings.home, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    ) as process:
        try:
            said = process.stdout.readline() if process.stdout is not None else ""
            if not said.startswith("Listening"):
                raise PipelineError(f"stripe-cio listen did not start: {said.strip()}", "Run the demo again.")
            yield
        finally:
            process.terminate()


def _until(holds: Callable[[], bool], sandbox: Sandbox) -> None:
    """Wait, while the sandbox's time passes as ours does."""
    deadline = time.monotonic() + _WAIT_SECONDS
    while not holds():
        sandbox.clock.advance(seconds=_LOOK_SECONDS)
        if time.monotonic() > deadline:
            raise PipelineError(
                f"A webhook's event was not in Customer.io within {_WAIT_SECONDS:.0f} s.",
                "Look at stripe-cio status in the demo's home.",
            )
        time.sleep(_LOOK_SECONDS)


def free_port() -> int:
    """Find a port of this machine's that nobody listens at."""
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        return int(found.getsockname()[1])
