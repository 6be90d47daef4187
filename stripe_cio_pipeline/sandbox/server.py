"""A loopback HTTP server in a thread of its own, with connections that can be broken on purpose."""

import asyncio
import contextlib
import socket
import struct
import threading
from collections.abc import Awaitable, Callable, Iterable, MutableMapping
from typing import Any

import uvicorn
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

Scope = MutableMapping[str, Any]
Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
Application = Callable[[Scope, Receive, Send], Awaitable[None]]
Headers = Iterable[tuple[bytes, bytes]]

LOOPBACK = "127.0.0.1"
_TRANSPORT = "sandbox.transport"
_START_SECONDS = 10.0


class _BreakableProtocol(HttpToolsProtocol):
    """Hands each application the transport of its connection, so that `reset` can break it."""

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        application: Application = self.app

        async def with_transport(scope: Scope, receive: Receive, send: Send) -> None:
            scope[_TRANSPORT] = transport
            await application(scope, receive, send)

        self.app = with_transport


class Server:
    """Serves one ASGI application on loopback. The port is taken at once; 0 picks a free one."""

    def __init__(self, application: Application, *, port: int = 0, date_header: bool = True) -> None:
        # Named TCP, or asyncio leaves Nagle's algorithm on, and an answer in two writes takes 40 ms.
        self._socket = socket.socket(socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP)
        self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            self._socket.bind((LOOPBACK, port))
        except OSError as error:
            self._socket.close()
            raise OSError(f"port {port} of {LOOPBACK} is taken; choose another, or 0 for any free one") from error
        self.port: int = self._socket.getsockname()[1]
        self._server = uvicorn.Server(
            uvicorn.Config(
                application,
                http=_BreakableProtocol,
                ws="none",
                loop="asyncio",
                lifespan="off",
                log_config=None,
                log_level="critical",
                access_log=False,
                server_header=False,
                date_header=date_header,
                timeout_graceful_shutdown=1,
                # A pooled client connection must not be closed under the client between two test steps.
                timeout_keep_alive=600,
            )
        )
        self._thread = threading.Thread(
            target=self._server.run,
            kwargs={"sockets": [self._socket]},
            name=f"sandbox-{self.port}",
            daemon=True,
        )

    @property
    def url(self) -> str:
        """The address without a trailing slash."""
        return f"http://{LOOPBACK}:{self.port}"

    def start(self) -> None:
        """Serve from a background thread; returns when requests are answered."""
        self._socket.listen(1024)
        self._thread.start()
        waited = threading.Event()
        for _ in range(int(_START_SECONDS / 0.005)):
            if self._server.started:
                return
            if not self._thread.is_alive():
                break
            waited.wait(0.005)
        raise RuntimeError(f"the sandbox's server on {self.url} did not start")

    def end(self) -> None:
        """Begin to stop: no new connection is taken. `stop` waits until it is done."""
        self._server.should_exit = True
        self._server.force_exit = True

    def stop(self) -> None:
        """Stop answering, close every connection and give the port back."""
        self.end()
        if self._thread.is_alive():
            self._thread.join(timeout=_START_SECONDS)
        self._socket.close()


async def reset(scope: Scope) -> None:
    """Break the connection of this request at once (TCP reset, nothing flushed), as a bad network does."""
    transport: asyncio.Transport = scope[_TRANSPORT]
    connection = transport.get_extra_info("socket")
    if connection is not None:
        with contextlib.suppress(OSError):
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    transport.abort()
    # The server notices the loss in its next turns; only then may the application return without an answer.
    for _ in range(3):
        await asyncio.sleep(0)


async def respond(send: Send, status: int, body: bytes, headers: Headers = ()) -> None:
    """Send a whole JSON answer."""
    await send(
        {
            "type": "http.response.start",
            "status": status,
            "headers": [
                (b"content-type", b"application/json"),
                (b"content-length", str(len(body)).encode()),
                *headers,
            ],
        }
    )
    await send({"type": "http.response.body", "body": body})


async def respond_half(scope: Scope, send: Send, status: int, body: bytes, headers: Headers = ()) -> None:
    """Send the head and half of the body, then break the connection in the middle of it."""
    await send(
        {
            "type": "http.response.start",
            "status": status,
            "headers": [
                (b"content-type", b"application/json"),
                (b"content-length", str(len(body)).encode()),
                *headers,
            ],
        }
    )
    await send({"type": "http.response.body", "body": body[: len(body) // 2], "more_body": True})
    # A moment for the first half to leave: a reset would drop what still waits in the buffers.
    await asyncio.sleep(0.02)
    await reset(scope)


async def respond_drip(
    scope: Scope, send: Send, status: int, body: bytes, headers: Headers = (), *, seconds: float
) -> None:
    """Send the head, and then a byte of the body every so many seconds, for as long as somebody reads."""
    length = (b"content-length", str(len(body)).encode())
    await send({"type": "http.response.start", "status": status, "headers": [*headers, length]})
    transport: asyncio.Transport = scope[_TRANSPORT]
    for place in range(len(body)):
        await asyncio.sleep(seconds)
        if transport.is_closing():
            return
        await send({"type": "http.response.body", "body": body[place : place + 1], "more_body": True})
    await send({"type": "http.response.body", "body": b""})


async def read_body(receive: Receive) -> bytes:
    """Read a request's whole body."""
    parts: list[bytes] = []
    while True:
        message = await receive()
        if message["type"] == "http.disconnect":
            break
        parts.append(message.get("body", b""))
        if not message.get("more_body", False):
            break
    return b"".join(parts)
