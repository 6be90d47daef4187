"""The sandbox's Stripe tells its webhook endpoints: over HTTP, several at once, as long as the servers run."""

import http.client
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from urllib.parse import urlsplit

from stripe_cio_pipeline.sandbox.stripe.account import StripeAccount
from stripe_cio_pipeline.sandbox.stripe.webhooks import Delivery

CONNECTIONS = 8
_LOOK_SECONDS = 0.05


class Courier:
    """Tries what is due, whenever the account's clock says so.

    `machine_time` is what signatures are dated by: whoever checks them compares with the clock of their machine, and
    has none of the sandbox's.
    """

    def __init__(self, account: StripeAccount, *, machine_time: Callable[[], float] = time.time) -> None:
        self._account = account
        self._machine_time = machine_time
        self._work = threading.Event()
        self._stopped = False
        self._thread = threading.Thread(target=self._deliver, name="sandbox-webhooks", daemon=True)
        self._own = threading.local()
        self._connections: list[http.client.HTTPConnection] = []

    def start(self) -> None:
        """Begin to tell. Without an endpoint nothing is done."""
        self._account.webhooks.on_work = self._work.set
        self._work.set()
        self._thread.start()

    def stop(self) -> None:
        """Stop telling; what is on its way stays due."""
        self._stopped = True
        self._work.set()
        if self._thread.is_alive():
            self._thread.join()
        for connection in self._connections:
            connection.close()

    def _deliver(self) -> None:
        account = self._account
        with ThreadPoolExecutor(CONNECTIONS, thread_name_prefix="sandbox-webhook") as senders:
            while True:
                # The clock may run by itself: what is due is found by looking, and only where somebody is to be told.
                self._work.wait(_LOOK_SECONDS if account.webhooks.secrets else None)
                self._work.clear()
                if self._stopped:
                    return
                account.catch_up()
                while True:
                    with account.lock:
                        taken = account.webhooks.take_due(account.clock.now(), 64 * CONNECTIONS)
                    if not taken or self._stopped:
                        break
                    list(senders.map(lambda given: self._try(*given), taken))

    def _try(self, delivery: Delivery, url: str, endpoint: str) -> None:
        account = self._account
        if self._stopped:
            return
        body = delivery.body.encode()
        with account.lock:
            known = endpoint in account.webhooks.secrets
            now = account.clock.now()
            header = account.webhooks.signature(endpoint, int(self._machine_time()), body, now) if known else ""
        taken = known and self._post(url, body, header)
        with account.lock:
            account.webhooks.settle(delivery, taken=taken)

    def _post(self, url: str, body: bytes, signature: str) -> bool:
        """Say whether the endpoint took it: any status of 2xx, and nothing else. A redirect is not followed."""
        address = urlsplit(url)
        headers = {
            "Content-Type": "application/json; charset=utf-8",
            "Stripe-Signature": signature,
            "User-Agent": "Stripe/1.0 (+https://stripe.com/docs/webhooks)",
        }
        for kept in (True, False):
            connection = self._connection(address.netloc, fresh=not kept)
            try:
                connection.request("POST", address.path or "/", body, headers)
                answer = connection.getresponse()
                answer.read()
            except (OSError, http.client.HTTPException):
                connection.close()
                # A connection that was kept may have been closed meanwhile; a fresh one says how it is.
                continue
            return 200 <= answer.status < 300
        return False

    def _connection(self, netloc: str, *, fresh: bool) -> http.client.HTTPConnection:
        kept: dict[str, http.client.HTTPConnection] = self._own.__dict__.setdefault("connections", {})
        if fresh or netloc not in kept:
            seconds = self._account.switches.webhook_timeout_seconds
            kept[netloc] = http.client.HTTPConnection(netloc, timeout=seconds)
            self._connections.append(kept[netloc])
        return kept[netloc]
