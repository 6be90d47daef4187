"""The process: a socket, a server with patience for nobody, the worker's thread, and an end within ten seconds."""

import asyncio
import os
import signal
import socket
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import uvicorn
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from stripe_cio_pipeline.errors import PipelineError, SettingsError
from stripe_cio_pipeline.extract import bound_account, is_live
from stripe_cio_pipeline.listening.counts import Counts
from stripe_cio_pipeline.listening.door import ARRIVAL_SECONDS, PATH, Door
from stripe_cio_pipeline.listening.envelope import Owner
from stripe_cio_pipeline.listening.gathering import Gatherer
from stripe_cio_pipeline.listening.inbox import Inbox
from stripe_cio_pipeline.listening.signature import Keyring
from stripe_cio_pipeline.listening.worker import Worker
from stripe_cio_pipeline.policy import Policy
from stripe_cio_pipeline.settings import Settings, load_settings
from stripe_cio_pipeline.sync import open_for_arrivals
from stripe_cio_pipeline.warehouse import Warehouse

#: More at one time get a 503, and Stripe tries again.
MOST_CONNECTIONS = 1_000
#: Connections that wait until they are looked at.
_BACKLOG = 1_024
#: Lines of a request's head may have so many bytes together.
MOST_HEAD_BYTES = 32_768
#: Requests under way may take so long to end once the process is to end, and then the worker (seconds).
_REQUESTS_END = 3
_WORKER_ENDS = 5.0


def listen(
    settings: Settings,
    policy: Policy,
    warehouse: Warehouse,
    *,
    host: str,
    port: int,
    say: Callable[[str], object],
) -> None:
    """Take Stripe's webhooks until SIGTERM or SIGINT, and send what follows from them. `say` gets what is to be told.

    Raises SettingsError, WarehouseError, and PipelineError where the address cannot be listened at.
    """
    settings.require_webhook_secrets()
    settings.require_customerio()
    owner = _Owner(settings, warehouse)
    inbox = Inbox.under(settings.home)
    inbox.knock()
    with _socket(host, port) as bound:
        done = asyncio.run(_serve(settings, policy, warehouse, inbox, owner, bound, say))
    inbox.close()
    if not done:
        # The worker is in the middle of something that takes longer: it is left due, as if this had been killed.
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(0)


async def _serve(
    settings: Settings,
    policy: Policy,
    warehouse: Warehouse,
    inbox: Inbox,
    owner: "_Owner",
    bound: socket.socket,
    say: Callable[[str], object],
) -> bool:
    """Serve until a signal comes. Gives whether all that was under way has ended."""
    counts = Counts()
    opened = open_for_arrivals(settings, policy, warehouse)
    worker = Worker(opened, inbox, counts, say=say, on_account=owner.is_account)
    gatherer = Gatherer(inbox, on_stored=worker.wake)
    keyring = Keyring(_secrets, _stamp, clock=time.monotonic)
    door = Door(keyring, inbox, gatherer, counts, owner.now)
    server = _server(door)
    stopping = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stopping.set)
    serving = asyncio.create_task(server.serve(sockets=[bound]))
    worker.start()
    address, port = bound.getsockname()[:2]
    say(f"Listening at http://{f'[{address}]' if ':' in address else address}:{port}{PATH} (stop with Ctrl-C).")
    ended = asyncio.create_task(stopping.wait())
    await asyncio.wait({ended, serving}, return_when=asyncio.FIRST_COMPLETED)
    door.closing = True
    server.should_exit = True
    await serving
    ended.cancel()
    await gatherer.close()
    return await asyncio.to_thread(worker.stop, _WORKER_ENDS)


def _server(door: Door) -> uvicorn.Server:
    return _Server(
        uvicorn.Config(
            door,
            http=_ImpatientProtocol,
            ws="none",
            loop="asyncio",
            lifespan="off",
            log_config=None,
            log_level="critical",
            access_log=False,
            server_header=False,
            limit_concurrency=MOST_CONNECTIONS,
            backlog=_BACKLOG,
            timeout_keep_alive=30,
            timeout_graceful_shutdown=_REQUESTS_END,
            # Who asks is of no matter: nothing is told and nothing decided by it.
            proxy_headers=False,
        )
    )


class _Server(uvicorn.Server):
    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Leave signals to us: the server would raise them again at its end, and the exit code would be another."""
        yield


class _ImpatientProtocol(HttpToolsProtocol):
    """Cuts off who takes too long to say what they want, or says too much. uvicorn itself waits for ever."""

    _deadline: asyncio.TimerHandle | None = None
    _head_bytes = 0

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        self._begin_head()

    def connection_lost(self, exc: Exception | None) -> None:
        self._end_head()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        super().data_received(data)
        if self._deadline is not None:
            self._head_bytes += len(data)
            if self._head_bytes > MOST_HEAD_BYTES:
                self._cut_off()

    def on_message_begin(self) -> None:
        super().on_message_begin()
        if self._deadline is None:
            self._begin_head()

    def on_headers_complete(self) -> None:
        self._end_head()
        super().on_headers_complete()

    def _begin_head(self) -> None:
        self._head_bytes = 0
        self._deadline = self.loop.call_later(ARRIVAL_SECONDS, self._cut_off)

    def _end_head(self) -> None:
        if self._deadline is not None:
            self._deadline.cancel()
            self._deadline = None

    def _cut_off(self) -> None:
        self._end_head()
        self.transport.abort()


class _Owner:
    """Whose events are taken. The account is known once the warehouse is bound to it."""

    def __init__(self, settings: Settings, warehouse: Warehouse) -> None:
        self._connected = settings.stripe_account is not None
        self._livemode = is_live(settings.require_stripe())
        self._account = settings.stripe_account
        if self._account is None:
            # Where it is in use, the worker will tell.
            with suppress(PipelineError):
                self._account = bound_account(warehouse)

    def is_account(self, account: str) -> None:
        """Take note of the account."""
        self._account = account

    def now(self) -> Owner:
        """Say whose events are taken, as it is known now."""
        return Owner(self._account, self._livemode, self._connected)


def _secrets() -> tuple[str, ...]:
    """Read the signing secrets again. What cannot be read now changes nothing."""
    try:
        return load_settings().require_webhook_secrets()
    except SettingsError:
        return ()


def _stamp() -> object:
    """Tell one state of `.env` from another."""
    try:
        found = Path(".env").stat()
    except OSError:
        return None
    return found.st_mtime_ns, found.st_size, found.st_ino


@contextmanager
def _socket(host: str, port: int) -> Iterator[socket.socket]:
    """Take an address to listen at. Raises PipelineError."""
    try:
        family, kind, protocol, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
        bound = socket.socket(family, kind, protocol)
    except OSError as refused:
        raise PipelineError(
            f"{host} is no address of this machine ({refused.strerror}).", "Name another: --host."
        ) from None
    try:
        bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        bound.bind(address)
        # From now on nobody is refused, though the server is not there yet: it is told only afterwards where to come.
        bound.listen(_BACKLOG)
    except OSError as refused:
        bound.close()
        raise PipelineError(
            f"Nothing can listen at {host}:{port} ({refused.strerror}).", "Name another address: --host, --port."
        ) from None
    with bound:
        yield bound
