"""Both servers together: one clock, one seed, and leads that stand on both sides."""

import random
import secrets
import time
from datetime import datetime
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import orjson

from stripe_cio_pipeline.sandbox.clock import Clock
from stripe_cio_pipeline.sandbox.control import PREFIX, Control
from stripe_cio_pipeline.sandbox.customerio import CustomerioSwitches, Workspace
from stripe_cio_pipeline.sandbox.customerio import application as customerio_application
from stripe_cio_pipeline.sandbox.server import Server
from stripe_cio_pipeline.sandbox.stripe import StripeAccount, StripeSwitches
from stripe_cio_pipeline.sandbox.stripe import application as stripe_application
from stripe_cio_pipeline.sandbox.stripe.courier import Courier


class Sandbox:
    """A Stripe account with `customers` customers and a Customer.io workspace, served on loopback.

    The account has lived for `history_days` before `start` (unix seconds or a datetime; default: now) and
    lives on whenever the clock moves. `leads` is the share of customers with an email who stand in
    Customer.io already, by email alone; half as many leads again are nobody's customers. The same arguments
    make the same world.

    With `one_clock` the workspace stamps its edits and activities by the sandbox's clock too, and not by the
    machine's: for a caller who takes that clock as its own time, and lives through days in seconds.
    """

    def __init__(
        self,
        *,
        seed: int = 7,
        customers: int = 50,
        start: datetime | float | None = None,
        history_days: int = 180,
        leads: float = 0.3,
        stripe: StripeSwitches | None = None,
        customerio: CustomerioSwitches | None = None,
        stripe_port: int = 0,
        customerio_port: int = 0,
        token: str | None = None,
        one_clock: bool = False,
    ) -> None:
        self.seed = seed
        self.clock = Clock(start)
        self.stripe = StripeAccount(
            stripe or StripeSwitches(), self.clock, seed=seed, customers=customers, history_days=history_days
        )
        machine_time = self.clock.now if one_clock else time.time
        self.customerio = Workspace(
            customerio or CustomerioSwitches(), self.clock, seed=seed, machine_time=machine_time
        )
        self.token = token or secrets.token_urlsafe(24)
        self._add_leads(leads)
        self._servers = self._make_servers(stripe_port, customerio_port)
        self._courier = Courier(self.stripe, machine_time=machine_time)

    def start(self) -> Self:
        """Open both servers."""
        for server in self._servers:
            server.start()
        self._courier.start()
        return self

    def stop(self) -> None:
        """Close both servers."""
        self._courier.stop()
        for server in self._servers:
            server.end()
        for server in self._servers:
            server.stop()

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    @property
    def stripe_url(self) -> str:
        """The Stripe side's address, without a trailing slash."""
        return self._servers[0].url

    @property
    def customerio_url(self) -> str:
        """The Customer.io side's address (Track and App API both), without a trailing slash."""
        return self._servers[1].url

    def environment(self) -> dict[str, str]:
        """Return the environment variables that point a program at this sandbox."""
        switches = self.customerio.switches
        return {
            "STRIPE_API_KEY": self.stripe.restricted_key,
            "STRIPE_API_BASE": self.stripe_url,
            "CUSTOMERIO_SITE_ID": switches.site_id,
            "CUSTOMERIO_TRACK_API_KEY": switches.track_api_key,
            "CUSTOMERIO_APP_API_KEY": switches.app_api_key,
            "CUSTOMERIO_REGION": switches.region,
            "CUSTOMERIO_TRACK_URL": self.customerio_url,
            "CUSTOMERIO_APP_URL": self.customerio_url,
        }

    def description(self) -> dict[str, Any]:
        """Return environment, control token and control addresses: all that another program needs."""
        return {
            "environment": self.environment(),
            "token": self.token,
            "control": {
                "stripe": self.stripe_url + PREFIX,
                "customerio": self.customerio_url + PREFIX,
            },
        }

    def save(self, path: Path) -> None:
        """Write the state of both sides and the clock into a JSON file."""
        state = {
            "clock": self.clock.now(),
            "stripe": self.stripe.save_state(),
            "customerio": self.customerio.save_state(),
        }
        path.write_bytes(orjson.dumps(state, option=orjson.OPT_NON_STR_KEYS))

    def load(self, path: Path) -> None:
        """Take over a state that `save` wrote. The clock must not stand later than that state."""
        state = orjson.loads(path.read_bytes())
        self.stripe.load_state(state["stripe"])
        self.customerio.load_state(state["customerio"])
        self.clock.move_to(max(state["clock"], self.clock.now()))

    def _make_servers(self, stripe_port: int, customerio_port: int) -> list[Server]:
        stripe = stripe_application(self.stripe, Control(self.stripe, self.clock, self.token))
        customerio = customerio_application(self.customerio, Control(self.customerio, self.clock, self.token))
        # Stripe's Date header is the sandbox's clock, so that server writes it itself.
        first = Server(stripe, port=stripe_port, date_header=False)
        try:
            return [first, Server(customerio, port=customerio_port)]
        except OSError:
            first.stop()
            raise

    def _add_leads(self, share: float) -> None:
        if share <= 0:
            return
        chosen = random.Random(self.seed)
        count = 0
        for email in self.stripe.emails():
            # Customer.io tells emails apart without regard to case, Stripe does not tell them apart at all.
            if chosen.random() < share and self.customerio.person(email=email) is None:
                self.customerio.add_person(email=email.strip(), attributes={"source": "website"})
                count += 1
        for number in range(count // 2):
            self.customerio.add_person(email=f"lead-{number}@example.net", attributes={"source": "website"})
