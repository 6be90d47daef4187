"""Webhooks: who is told of what, how it is signed, and when it is tried again. Stripe's package checks signatures."""

import json
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest
import stripe

from stripe_cio_pipeline.sandbox import StripeSwitches

QUIET = {"late_events_share": 0.0, "duplicate_events_share": 0.0, "webhook_repeats_share": 0.0}


@dataclass
class Told:
    """One request that an endpoint got."""

    body: str
    signature: str

    @property
    def event(self) -> dict[str, Any]:
        return dict(json.loads(self.body))

    def verify(self, secret: str) -> None:
        stripe.WebhookSignature.verify_header(self.body, self.signature, secret, tolerance=300)


@dataclass
class Endpoint:
    """An address that is told, and answers as the test says."""

    url: str
    told: list[Told] = field(default_factory=list)
    answer: Callable[[int], int] = lambda _number: 200

    def types(self) -> list[str]:
        return [told.event["type"] for told in self.told]

    def ids(self) -> list[str]:
        return [told.event["id"] for told in self.told]


@pytest.fixture
def endpoint() -> Iterator[Endpoint]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"])).decode()
            with lock:
                found.told.append(Told(body, self.headers["Stripe-Signature"]))
                status = found.answer(len(found.told))
            self.send_response(status)
            if status == 301:
                self.send_header("Location", found.url)
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_message(self, *_: Any) -> None:
            pass

    lock = threading.Lock()
    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    found = Endpoint(f"http://127.0.0.1:{server.server_port}/stripe/webhook")
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    yield found
    server.shutdown()
    thread.join()
    server.server_close()


def quiet(**switches: Any) -> StripeSwitches:
    return StripeSwitches(**{**QUIET, **switches})


def until(holds: Callable[[], object], what: str) -> None:
    for _ in range(2_000):
        if holds():
            return
        time.sleep(0.005)
    raise AssertionError(f"never happened: {what}")


def settled(api: Any) -> None:
    """Wait until nothing is to be tried at the present moment."""
    webhooks = api.sandbox.stripe.webhooks

    def nothing_due() -> bool:
        with api.sandbox.stripe.lock:
            now = api.sandbox.clock.now()
            return not webhooks._under_way and all(delivery.due > now for delivery in webhooks._waiting.values())

    until(nothing_due, "all that is due was tried")


def test_an_endpoint_is_told_what_the_list_of_events_tells(endpoint: Endpoint, start: Any) -> None:
    api = start(switches=quiet())
    made = api.sandbox.stripe.create_webhook_endpoint(endpoint.url)
    api.sandbox.stripe.create_customer(email="customer-1@example.com")
    settled(api)
    (told,) = endpoint.told
    told.verify(made["secret"])
    (listed,) = api.get("events")["data"]
    assert {**told.event, "pending_webhooks": 0} == listed
    assert told.event["pending_webhooks"] == 1
    assert "\n  " in told.body, "the body is indented, as Stripe's is"


def test_an_endpoint_is_listed_without_its_secret(endpoint: Endpoint, start: Any) -> None:
    api = start(switches=quiet())
    types = ["customer.created", "customer.deleted"]
    made = api.sandbox.stripe.create_webhook_endpoint(endpoint.url, types, "2025-09-30.clover")
    assert made["secret"].startswith("whsec_")
    (listed,) = api.get("webhook_endpoints")["data"]
    assert "secret" not in listed
    assert {name: listed[name] for name in ("object", "api_version", "enabled_events", "status", "url")} == {
        "object": "webhook_endpoint",
        "api_version": "2025-09-30.clover",
        "enabled_events": types,
        "status": "enabled",
        "url": endpoint.url,
    }
    assert api.get(f"webhook_endpoints/{made['id']}") == listed
    api.sandbox.stripe.switches.permissions.discard("rak_webhook_read")
    assert api.refused("webhook_endpoints")[0] == 403


def test_only_what_it_asked_for_is_told(endpoint: Endpoint, start: Any) -> None:
    api = start(switches=quiet())
    merchant = api.sandbox.stripe
    made = merchant.create_webhook_endpoint(endpoint.url, ["customer.updated"])
    customer = merchant.create_customer()["id"]
    merchant.update_customer(customer, name="One")
    settled(api)
    merchant.update_webhook_endpoint(made["id"], ["customer.deleted"])
    merchant.update_customer(customer, name="Two")
    merchant.delete_customer(customer)
    settled(api)
    merchant.delete_webhook_endpoint(made["id"])
    merchant.create_customer()
    settled(api)
    assert endpoint.types() == ["customer.updated", "customer.deleted"]
    assert api.get("webhook_endpoints")["data"] == []


def test_an_endpoint_has_a_version_of_its_own(endpoint: Endpoint, start: Any) -> None:
    api = start(switches=quiet())
    merchant = api.sandbox.stripe
    merchant.create_webhook_endpoint(endpoint.url, ["customer.subscription.created"], "2025-02-24.acacia")
    merchant.create_subscription(merchant.create_customer()["id"])
    settled(api)
    (told,) = endpoint.told
    assert told.event["api_version"] == "2025-02-24.acacia"
    assert "current_period_end" in told.event["data"]["object"], "later versions have it on items alone"


def test_a_rolled_secret_signs_beside_the_new_one_for_its_hours(endpoint: Endpoint, start: Any) -> None:
    api = start(switches=quiet())
    merchant = api.sandbox.stripe
    made = merchant.create_webhook_endpoint(endpoint.url)
    rolled = merchant.roll_webhook_secret(made["id"], hours=2)
    assert rolled["secret"] != made["secret"]
    merchant.create_customer()
    settled(api)
    api.sandbox.clock.advance(hours=3)
    merchant.create_customer()
    settled(api)
    both, alone = endpoint.told
    both.verify(made["secret"])
    both.verify(rolled["secret"])
    assert both.signature.count("v1=") == 2
    alone.verify(rolled["secret"])
    with pytest.raises(stripe.SignatureVerificationError):
        alone.verify(made["secret"])
    with pytest.raises(ValueError, match="24 hours"):
        merchant.roll_webhook_secret(made["id"], hours=25)


@pytest.mark.parametrize(("livemode", "fakes"), [(False, 1), (True, 0)])
def test_test_mode_has_a_false_scheme_beside_the_true_one(
    endpoint: Endpoint, start: Any, livemode: bool, fakes: int
) -> None:
    api = start(switches=quiet(livemode=livemode))
    api.sandbox.stripe.create_webhook_endpoint(endpoint.url)
    api.sandbox.stripe.create_customer()
    settled(api)
    assert endpoint.told[0].signature.count("v0=") == fakes


@pytest.mark.parametrize("status", [500, 404, 301, 199 + 200])
def test_anything_but_a_2xx_is_tried_again_for_three_days_and_signed_anew(
    endpoint: Endpoint, start: Any, status: int
) -> None:
    api = start(switches=quiet(livemode=True))
    made = api.sandbox.stripe.create_webhook_endpoint(endpoint.url)
    endpoint.answer = lambda number: status if number < 4 else 204
    api.sandbox.stripe.create_customer()
    settled(api)
    assert len(endpoint.told) == 1
    api.sandbox.clock.advance(minutes=4)
    settled(api)
    assert len(endpoint.told) == 1, "the first wait is five minutes"
    api.sandbox.clock.advance(days=2)
    settled(api)
    assert len(endpoint.told) == 4
    assert len(set(endpoint.ids())) == 1
    for told in endpoint.told:
        told.verify(made["secret"])
    api.sandbox.clock.advance(days=2)
    settled(api)
    assert len(endpoint.told) == 4, "what was taken does not come again"


def test_test_mode_tries_three_times_more_and_gives_up(endpoint: Endpoint, start: Any) -> None:
    api = start(switches=quiet())
    api.sandbox.stripe.create_webhook_endpoint(endpoint.url)
    endpoint.answer = lambda _number: 503
    api.sandbox.stripe.create_customer()
    settled(api)
    api.sandbox.clock.advance(days=2)
    settled(api)
    assert len(endpoint.told) == 4
    assert api.sandbox.stripe.webhooks.waiting == 0


def test_an_endpoint_that_fails_for_days_is_disabled_and_can_be_enabled_again(endpoint: Endpoint, start: Any) -> None:
    api = start(switches=quiet())
    merchant = api.sandbox.stripe
    made = merchant.create_webhook_endpoint(endpoint.url)
    endpoint.answer = lambda _number: 500
    for _ in range(5):
        merchant.create_customer()
        settled(api)
        api.sandbox.clock.advance(days=1)
        settled(api)
    assert api.get(f"webhook_endpoints/{made['id']}")["status"] == "disabled"
    count = len(endpoint.told)
    merchant.create_customer()
    settled(api)
    assert len(endpoint.told) == count
    endpoint.answer = lambda _number: 200
    merchant.update_webhook_endpoint(made["id"], disabled=False)
    merchant.create_customer()
    settled(api)
    assert len(endpoint.told) == count + 1


def test_an_address_that_nobody_answers_is_a_failure_too(endpoint: Endpoint, start: Any) -> None:
    api = start(switches=quiet())
    api.sandbox.stripe.create_webhook_endpoint("http://127.0.0.1:1/nobody")
    api.sandbox.stripe.create_customer()
    settled(api)
    assert api.sandbox.stripe.webhooks.waiting == 1
    for url in ("http://192.0.2.1/stripe", "https://example.com/stripe", "ftp://127.0.0.1/"):
        with pytest.raises(ValueError, match="loopback"):
            api.sandbox.stripe.create_webhook_endpoint(url)


def test_what_was_taken_may_come_again_and_one_change_may_be_told_by_two_events(endpoint: Endpoint, start: Any) -> None:
    api = start(switches=quiet(webhook_repeats_share=1.0, duplicate_events_share=1.0))
    api.sandbox.stripe.create_webhook_endpoint(endpoint.url)
    api.sandbox.stripe.create_customer()
    settled(api)
    assert len(endpoint.told) == 4
    assert len(set(endpoint.ids())) == 2
    assert len({json.dumps(told.event["data"], sort_keys=True) for told in endpoint.told}) == 1


def test_an_event_is_sent_once_more_by_hand_which_ends_no_other_try(endpoint: Endpoint, start: Any) -> None:
    api = start(switches=quiet())
    merchant = api.sandbox.stripe
    made = merchant.create_webhook_endpoint(endpoint.url)
    endpoint.answer = lambda number: 500 if number == 1 else 200
    merchant.create_customer()
    settled(api)
    (event,) = api.get("events")["data"]
    merchant.resend_event(event["id"], made["id"])
    settled(api)
    assert len(endpoint.told) == 2
    api.sandbox.clock.advance(hours=2)
    settled(api)
    assert endpoint.ids() == [event["id"]] * 3


def test_a_burst_arrives_whole_and_in_no_order(endpoint: Endpoint, start: Any) -> None:
    api = start(switches=quiet())
    merchant = api.sandbox.stripe
    with merchant.lock:
        merchant.create_webhook_endpoint(endpoint.url)
        for _ in range(200):
            merchant.create_customer()
    settled(api)
    made = [event["id"] for event in merchant.events()]
    assert sorted(endpoint.ids()) == sorted(made)
    assert endpoint.ids() != made


def test_a_running_clock_tells_of_what_happens_by_itself(endpoint: Endpoint, start: Any) -> None:
    api = start(switches=quiet(), customers=20)
    api.sandbox.stripe.create_webhook_endpoint(endpoint.url)
    api.sandbox.clock.run(days_per_minute=2_000)
    until(lambda: len(endpoint.told) >= 3, "something happened, and was told")


def test_what_is_on_its_way_is_saved_and_goes_on(endpoint: Endpoint, start: Any) -> None:
    api = start(switches=quiet())
    made = api.sandbox.stripe.create_webhook_endpoint(endpoint.url)
    endpoint.answer = lambda _number: 500
    api.sandbox.stripe.create_customer()
    settled(api)
    state = json.loads(json.dumps(api.sandbox.stripe.save_state()))
    api.sandbox.stop()
    other = start(switches=quiet())
    other.sandbox.stripe.load_state(state)
    endpoint.answer = lambda _number: 200
    other.sandbox.clock.advance(hours=1)
    settled(other)
    assert len(endpoint.told) == 2
    endpoint.told[-1].verify(made["secret"])
