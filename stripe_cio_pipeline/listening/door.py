"""The door: three addresses as an ASGI application. A 2xx is given for what is on disk, and for nothing else.

It speaks ASGI itself, without a framework: what matters here is which bytes are read and when that ends. Everything
that is wrong is answered without a word, and the connection is closed, so that the rest is not even read.
"""

import asyncio
import time
from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any

from stripe_cio_pipeline.errors import WarehouseError
from stripe_cio_pipeline.listening.counts import Counts
from stripe_cio_pipeline.listening.envelope import Owner, Unreadable, open_envelope
from stripe_cio_pipeline.listening.gathering import Gatherer
from stripe_cio_pipeline.listening.inbox import Inbox
from stripe_cio_pipeline.listening.signature import Forged, Keyring, read_header, verify

Scope = MutableMapping[str, Any]
Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]

PATH = "/stripe/webhook"
MOST_BODY_BYTES = 1024 * 1024
#: The bodies of all requests under way together.
MOST_HELD_BYTES = 64 * 1024 * 1024
#: How long a request may take to arrive whole.
ARRIVAL_SECONDS = 10.0

_TEXT = b"text/plain; version=0.0.4; charset=utf-8"
_JSON = b"application/json"


class Door:
    """Answers requests. `owner` tells whose events are taken, as that is known by now."""

    def __init__(
        self,
        keyring: Keyring,
        inbox: Inbox,
        gatherer: Gatherer,
        counts: Counts,
        owner: Callable[[], Owner],
        *,
        now: Callable[[], float] = time.time,
        arrival_seconds: float = ARRIVAL_SECONDS,
    ) -> None:
        self._keyring = keyring
        self._inbox = inbox
        self._gatherer = gatherer
        self._counts = counts
        self._owner = owner
        self._now = now
        self._arrival_seconds = arrival_seconds
        self._held = 0
        self.closing = False

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        if scope["type"] != "http":
            return
        match scope["method"], scope["path"]:
            case "POST", "/stripe/webhook":
                status = await self._take(scope, receive)
                self._counts.requests[status] += 1
                await _answer(send, status)
            case "GET" | "HEAD", "/health":
                await _answer(send, await self._health())
            case "GET", "/metrics":
                await self._metrics(send)
            case _, "/stripe/webhook" | "/health" | "/metrics":
                await _answer(send, 405)
            case _:
                await _answer(send, 404)

    async def _take(self, scope: Scope, receive: Receive) -> int:
        """Take one event, and give the status that says what became of it."""
        if self.closing:
            return 503
        try:
            moment, signatures = read_header(_only(scope, b"stripe-signature"), self._now())
            declared = _declared(scope)
        except Forged:
            return 400
        if declared is not None and declared > MOST_BODY_BYTES:
            return 413
        room = MOST_BODY_BYTES if declared is None else declared
        if self._held + room > MOST_HELD_BYTES:
            return 503
        self._held += room
        try:
            async with asyncio.timeout(self._arrival_seconds):
                body = await _read(receive)
            if body is None:
                return 413
            verify(body, moment, signatures, self._keyring.secrets)
            envelope = open_envelope(body, moment, self._owner())
            outcome = await self._gatherer.put(envelope)
        except TimeoutError:
            return 408
        except (Forged, Unreadable):
            return 400
        except WarehouseError:
            self._counts.events["not stored"] += 1
            return 503
        finally:
            self._held -= room
        self._counts.events[envelope.belongs if outcome == "stored" and envelope.belongs != "own" else outcome] += 1
        return 503 if outcome == "full" else 200

    async def _health(self) -> int:
        if self.closing:
            return 503
        try:
            return 200 if await self._gatherer.ask(self._inbox.knock) else 503
        except WarehouseError:
            return 503

    async def _metrics(self, send: Send) -> None:
        try:
            contents = await self._gatherer.ask(self._inbox.look)
        except WarehouseError:
            await _answer(send, 503)
            return
        await _answer(send, 200, self._counts.text(contents, self._now()).encode(), _TEXT)


async def _read(receive: Receive) -> bytes | None:
    """Read a body; None where it is longer than it may be. Raises Forged where the caller hangs up before its end."""
    parts: list[bytes] = []
    length = 0
    while True:
        message = await receive()
        if message["type"] != "http.request":
            raise Forged
        part = message.get("body", b"")
        length += len(part)
        if length > MOST_BODY_BYTES:
            return None
        parts.append(part)
        if not message.get("more_body", False):
            return b"".join(parts)


def _only(scope: Scope, name: bytes) -> bytes:
    """Give the value of a header that must be there once. Raises Forged."""
    values = [value for key, value in scope["headers"] if key == name]
    if len(values) != 1:
        raise Forged
    return bytes(values[0])


def _declared(scope: Scope) -> int | None:
    """Give the length that a request says its body has; None where it comes in pieces. Raises Forged."""
    values = [value for key, value in scope["headers"] if key == b"content-length"]
    if not values:
        return None
    if len(values) > 1 or not values[0].isdigit() or len(values[0]) > 12:
        raise Forged
    return int(values[0])


async def _answer(send: Send, status: int, body: bytes = b"{}", kind: bytes = _JSON) -> None:
    headers = [(b"content-type", kind), (b"content-length", str(len(body)).encode()), (b"cache-control", b"no-store")]
    if status >= 400:
        headers.append((b"connection", b"close"))
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": body})
