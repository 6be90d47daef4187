"""Webhook endpoints as Stripe keeps them: who is told of what, signed how, and when it is tried again.

Sources: docs.stripe.com/webhooks (signatures, retries, order, duplicates, rolled secrets) and
docs.stripe.com/api/webhook_endpoints (the object). What they leave open is a switch, or is said where it is decided.
"""

import hmac
import itertools
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import asdict, dataclass, replace
from hashlib import sha256
from typing import Any
from urllib.parse import urlsplit

import orjson

from stripe_cio_pipeline.sandbox.stripe.books import Books
from stripe_cio_pipeline.sandbox.stripe.event_types import EVENT_TYPES
from stripe_cio_pipeline.sandbox.stripe.shelf import Payload
from stripe_cio_pipeline.sandbox.stripe.versions import family

ENDPOINT = "webhook_endpoint"
MOST_ENDPOINTS = 16
HOUR, DAY = 3_600.0, 86_400.0
LIVE_WAITS = (300.0, 1_800.0, 2 * HOUR, 4 * HOUR, 8 * HOUR, 16 * HOUR, 24 * HOUR)
"""Between the tries of live mode: "up to three days with an exponential back off"; the steps are as seen by users."""
LIVE_SECONDS = 3 * DAY
TEST_WAITS = (HOUR, HOUR, HOUR)
"""In a sandbox account: "three times over the course of a few hours"."""
DISABLED_AFTER = 3 * DAY
"""An endpoint that failed for "multiple days in a row" is disabled; users saw three."""
ROLLED_HOURS = 24.0
"""A rolled secret can live on for "up to 24 hours"."""
_LOOPBACK = frozenset({"127.0.0.1", "localhost", "::1"})


@dataclass(frozen=True, slots=True)
class Delivery:
    """One event on its way to one endpoint. `due` and `began` are of the sandbox's clock.

    `number` counts the deliveries, `tries` what was tried of this one. One that was asked for by hand (`automatic` is
    off) is tried once, and ends no other. Of a `repeat`, the endpoint has said already that it was taken.
    """

    number: int
    endpoint: str
    event: str
    body: str
    due: float
    began: float
    tries: int = 0
    automatic: bool = True
    repeat: bool = False


@dataclass(frozen=True, slots=True)
class Secret:
    """A signing secret, and until when it signs (the sandbox's clock); None: it is the endpoint's own."""

    value: str
    until: float | None = None


class Webhooks:
    """The endpoints' secrets, and what is on its way to them. The endpoints themselves stand in the books."""

    def __init__(self, books: Books, on_work: Callable[[], None] = lambda: None) -> None:
        self._books = books
        self.secrets: dict[str, list[Secret]] = {}
        self._waiting: dict[int, Delivery] = {}
        self._under_way: dict[int, Delivery] = {}
        self._failing_since: dict[str, float] = {}
        self._numbers = itertools.count(1)
        self.on_work = on_work
        books.on_event = self.tell

    # Endpoints

    def create(self, url: str, enabled_events: Iterable[str], api_version: str | None) -> Payload:
        """Make an endpoint. The secret is in this answer and in no other, as with Stripe."""
        if urlsplit(url).scheme not in ("http", "https") or urlsplit(url).hostname not in _LOOPBACK:
            raise ValueError("the sandbox tells nobody but addresses on loopback, such as http://127.0.0.1:8787/stripe")
        if len(self._books.shelves[ENDPOINT].records) >= MOST_ENDPOINTS:
            raise ValueError(f"an account has no more than {MOST_ENDPOINTS} webhook endpoints")
        if api_version is not None and family(api_version) is None:
            raise ValueError(f"there is no API version {api_version}")
        endpoint = self._books.add(
            {
                "id": self._books.ids.new("we"),
                "object": ENDPOINT,
                "api_version": api_version,
                "application": None,
                "created": self._books.now,
                "description": None,
                "enabled_events": _checked(enabled_events),
                "livemode": self._books.livemode,
                "metadata": {},
                "status": "enabled",
                "url": url,
            }
        )
        self.secrets[endpoint["id"]] = [self._new_secret(endpoint["id"])]
        self.on_work()
        return {**endpoint, "secret": self.secrets[endpoint["id"]][0].value}

    def update(self, id: str, enabled_events: Iterable[str] | None, disabled: bool | None) -> Payload:  # noqa: A002
        """Change what an endpoint is told of, or switch it off or on again."""
        changes: dict[str, Any] = {}
        if enabled_events is not None:
            changes["enabled_events"] = _checked(enabled_events)
        if disabled is not None:
            changes["status"] = "disabled" if disabled else "enabled"
            self._failing_since.pop(id, None)
        return self._books.change(ENDPOINT, id, changes)

    def delete(self, id: str) -> Payload:  # noqa: A002
        """Take an endpoint away, with all that is on its way to it."""
        self._books.remove(ENDPOINT, id)
        self._drop(id)
        self.secrets.pop(id, None)
        return self._books.deleted[id]

    def roll(self, id: str, hours: float) -> Payload:  # noqa: A002
        """Give an endpoint a new secret; the old one signs beside it for so many hours."""
        if not 0 <= hours <= ROLLED_HOURS:
            raise ValueError(f"a rolled secret lives for {ROLLED_HOURS:.0f} hours at most")
        endpoint = self._books.get(ENDPOINT, id)
        until = self._books.now + hours * HOUR
        old = [replace(secret, until=until) if secret.until is None else secret for secret in self.secrets[id]]
        self.secrets[id] = [self._new_secret(id), *old]
        return {**endpoint, "secret": self.secrets[id][0].value}

    def _new_secret(self, id: str) -> Secret:  # noqa: A002
        count = len(self.secrets.get(id, ()))
        token = self._books.chance.token
        return Secret(f"whsec_{token('webhook secret', id, count)}{token('whsec', id, count)}")

    # What is told

    def tell(self, event: Payload, plain: Payload) -> None:
        """Send an event on its way to whoever asked for its type. `plain` is its object in the newest shape."""
        for endpoint in self._endpoints():
            if endpoint["status"] == "enabled" and _wants(endpoint["enabled_events"], event["type"]):
                self._put(self._delivery(endpoint, self._rendered(event, plain, endpoint["api_version"])))

    def resend(self, event_id: str, endpoint_id: str) -> None:
        """Send an event once more, as the dashboard and the CLI do. Tries that are still to come stay."""
        event = self._books.get("event", event_id)
        self._put(replace(self._delivery(self._books.get(ENDPOINT, endpoint_id), event), automatic=False))

    def _delivery(self, endpoint: Payload, event: Payload) -> Delivery:
        now = float(self._books.now)
        # Stripe's bodies are indented: whoever signs what a parser made of one finds another signature.
        body = orjson.dumps({**event, "pending_webhooks": 1}, option=orjson.OPT_INDENT_2).decode()
        return Delivery(next(self._numbers), endpoint["id"], event["id"], body, now, now)

    def _rendered(self, event: Payload, plain: Payload, version: str | None) -> Payload:
        """Give an event in the endpoint's version; one without a version gets the account's."""
        if version is None or version == event["api_version"]:
            return event
        wanted = self._books.shapes.render(orjson.loads(orjson.dumps(plain)), family(version) or "endive")
        return {**event, "api_version": version, "data": {**event["data"], "object": wanted}}

    def _endpoints(self) -> Iterator[Payload]:
        return (record.payload() for record in self._books.shelves[ENDPOINT].records.values())

    def _put(self, delivery: Delivery) -> None:
        self._waiting[delivery.number] = delivery
        self.on_work()

    # What is sent

    @property
    def waiting(self) -> int:
        """How many deliveries are still to be tried, now or later."""
        return len(self._waiting) + len(self._under_way)

    def take_due(self, now: float, most: int) -> list[tuple[Delivery, str, str]]:
        """Take what is to be tried now, in no order, each with its address and its signing secrets."""
        due = [delivery for delivery in self._waiting.values() if delivery.due <= now]
        chance = self._books.chance
        due.sort(key=lambda delivery: chance.unit("order of delivery", delivery.number, delivery.tries))
        taken = []
        for delivery in due[:most]:
            del self._waiting[delivery.number]
            self._under_way[delivery.number] = delivery
            taken.append((delivery, self._books.get(ENDPOINT, delivery.endpoint)["url"], delivery.endpoint))
        return taken

    def signature(self, endpoint: str, moment: int, body: bytes, now: float) -> str:
        """Give the header of one try: a `v1` for each living secret, and in test mode a `v0` that is worth nothing."""
        signed = f"{moment}.".encode() + body
        living = [secret for secret in self.secrets[endpoint] if secret.until is None or now < secret.until]
        parts = [f"v1={hmac.new(secret.value.encode(), signed, sha256).hexdigest()}" for secret in living]
        if not self._books.livemode:
            parts.append(f"v0={sha256(signed).hexdigest()}")
        return ",".join((f"t={moment}", *parts))

    def settle(self, delivery: Delivery, *, taken: bool) -> None:
        """Note how a try ended, and when the next one is, if there is one."""
        if self._under_way.pop(delivery.number, None) is None:
            return  # the endpoint is gone
        if taken:
            self._failing_since.pop(delivery.endpoint, None)
            share = self._books.switches.webhook_repeats_share
            if not delivery.repeat and self._books.chance.happens(share, "delivered again", delivery.number):
                self._put(replace(delivery, number=next(self._numbers), repeat=True))
            return
        since = self._failing_since.setdefault(delivery.endpoint, delivery.due)
        if delivery.due - since >= DISABLED_AFTER:
            self._books.change(ENDPOINT, delivery.endpoint, {"status": "disabled"})
            self._drop(delivery.endpoint)
            return
        waits = LIVE_WAITS if self._books.livemode else TEST_WAITS
        if not delivery.automatic:
            return
        due = delivery.due + waits[min(delivery.tries, len(waits) - 1)]
        is_over = due - delivery.began > LIVE_SECONDS if self._books.livemode else delivery.tries >= len(waits)
        if not is_over:
            self._put(replace(delivery, tries=delivery.tries + 1, due=due))

    def _drop(self, endpoint: str) -> None:
        for held in (self._waiting, self._under_way):
            for number in [number for number, delivery in held.items() if delivery.endpoint == endpoint]:
                del held[number]

    # Saving

    def save_state(self) -> dict[str, Any]:
        """Return secrets and what is on its way as JSON; what is being tried is tried again."""
        return {
            "secrets": {id_: [asdict(secret) for secret in secrets] for id_, secrets in self.secrets.items()},
            "waiting": [asdict(delivery) for delivery in (*self._waiting.values(), *self._under_way.values())],
            "failing_since": dict(self._failing_since),
        }

    def load_state(self, state: Mapping[str, Any]) -> None:
        """Take over a saved state."""
        self.secrets = {id_: [Secret(**secret) for secret in given] for id_, given in state["secrets"].items()}
        self._waiting = {given["number"]: Delivery(**given) for given in state["waiting"]}
        self._under_way = {}
        self._failing_since = dict(state["failing_since"])
        self._numbers = itertools.count(max(self._waiting, default=0) + 1)
        self.on_work()


def _checked(enabled_events: Iterable[str]) -> list[str]:
    wanted = list(enabled_events)
    unknown = sorted(set(wanted) - EVENT_TYPES - {"*"})
    if unknown or not wanted:
        raise ValueError(f"enabled_events must be event types or *, not {', '.join(unknown) or 'none'}")
    return wanted


def _wants(enabled_events: list[str], type: str) -> bool:  # noqa: A002
    return "*" in enabled_events or type in enabled_events
