"""A door that is open, and the means to knock at it: well signed, badly, slowly, by many at once."""

import asyncio
import hmac
import socket
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import Any

import orjson

from stripe_cio_pipeline.listening.counts import Counts
from stripe_cio_pipeline.listening.door import Door
from stripe_cio_pipeline.listening.envelope import Owner
from stripe_cio_pipeline.listening.gathering import Gatherer
from stripe_cio_pipeline.listening.inbox import Inbox
from stripe_cio_pipeline.listening.serving import _server, _socket
from stripe_cio_pipeline.listening.signature import Keyring

SECRET = "whsec_first"
OURS = Owner("acct_ours", livemode=False, connected=False)


def event(number: int = 1, **fields: Any) -> dict[str, Any]:
    """An event as Stripe writes it."""
    return {
        "id": f"evt_{number}",
        "object": "event",
        "api_version": "2026-10-28.endive",
        "created": 1_790_000_000 + number,
        "data": {"object": {"id": f"cus_{number}", "object": "customer", "email": f"customer-{number}@example.com"}},
        "livemode": False,
        "pending_webhooks": 1,
        "request": {"id": None, "idempotency_key": None},
        "type": "customer.created",
        **fields,
    }


def body_of(given: Any) -> bytes:
    return given if isinstance(given, bytes) else orjson.dumps(given, option=orjson.OPT_INDENT_2)


def sign(body: bytes, *secrets: str, moment: int | None = None, scheme: str = "v1") -> bytes:
    """Make the header that Stripe would."""
    moment = int(time.time()) if moment is None else moment
    signed = f"{moment}.".encode() + body
    made = [hmac.new(secret.encode(), signed, sha256).hexdigest() for secret in secrets or (SECRET,)]
    return ",".join([f"t={moment}", *(f"{scheme}={each}" for each in made)]).encode()


@dataclass
class OpenDoor:
    """A door at an address, with what it stands before."""

    inbox: Inbox
    counts: Counts
    secrets: list[str]
    door: Door
    port: int = 0

    def post(self, given: Any, header: bytes | None = None, *, path: str = "/stripe/webhook") -> int:
        """Send a body with a signature, as a whole, and give the status of the answer."""
        body = body_of(given)
        header = sign(body) if header is None else header
        head = [f"POST {path} HTTP/1.1".encode(), b"Host: door", b"Content-Length: %d" % len(body)]
        head += [b"Stripe-Signature: " + header] if header else []
        return self.raw(b"\r\n".join([*head, b"", b""]) + body)

    def raw(self, request: bytes) -> int:
        """Send bytes on a connection of their own, and give the status of the answer; 0 where there is none."""
        with self.connection() as connection:
            with suppress(BrokenPipeError, ConnectionResetError):
                connection.sendall(request)
            return status(connection)

    def connection(self) -> socket.socket:
        return socket.create_connection(("127.0.0.1", self.port), timeout=20)

    def get(self, path: str) -> tuple[int, str]:
        with self.connection() as connection:
            connection.sendall(f"GET {path} HTTP/1.1\r\nHost: door\r\nConnection: close\r\n\r\n".encode())
            answer = b""
            while part := connection.recv(65_536):
                answer += part
        head, _, rest = answer.partition(b"\r\n\r\n")
        return int(head.split()[1]), rest.decode()

    def stored(self) -> list[str]:
        """The ids that wait, sorted."""
        return sorted(each.id for each in self.inbox.waiting(1_000_000))


def status(connection: socket.socket) -> int:
    """Give the status of the next answer on a connection; 0 where it was cut off."""
    answer = b""
    with suppress(ConnectionResetError):
        while b"\r\n\r\n" not in answer and (part := connection.recv(65_536)):
            answer += part
    return int(answer.split()[1]) if answer else 0


@contextmanager
def open_door(
    folder: Path,
    *,
    secrets: Sequence[str] = (SECRET,),
    owner: Callable[[], Owner] = lambda: OURS,
    **options: Any,
) -> Iterator[OpenDoor]:
    """Serve a door on loopback, in a thread of its own."""
    inbox = Inbox(folder / "inbox.sqlite")
    counts, ring = Counts(), list(secrets)
    # Each look at the clock is a second later: what was changed is seen with the next request.
    looks = iter(range(10**9))
    keyring = Keyring(lambda: ring, lambda: tuple(ring), clock=lambda: next(looks))
    ready, ended = threading.Event(), threading.Event()
    opened: list[OpenDoor] = []

    async def serve() -> None:
        gatherer = Gatherer(inbox)
        door = Door(keyring, inbox, gatherer, counts, owner, **options)
        server = _server(door)
        with _socket("127.0.0.1", 0) as bound:
            opened.append(OpenDoor(inbox, counts, ring, door, bound.getsockname()[1]))
            serving = asyncio.create_task(server.serve(sockets=[bound]))
            # The socket listens at once, and whoever connects before the server has begun waits.
            bound.listen()
            ready.set()
            await asyncio.to_thread(ended.wait)
            server.should_exit = True
            await serving
        await gatherer.close()

    thread = threading.Thread(target=lambda: asyncio.run(serve()))
    thread.start()
    assert ready.wait(20)
    try:
        yield opened[0]
    finally:
        ended.set()
        thread.join()
        inbox.close()
