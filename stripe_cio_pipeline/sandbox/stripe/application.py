"""The Stripe side as an ASGI application: keys, limits, faults and addresses."""

import asyncio
import base64
import binascii
import logging
from email.utils import formatdate

import orjson

from stripe_cio_pipeline.sandbox.control import PREFIX
from stripe_cio_pipeline.sandbox.faults import Fault
from stripe_cio_pipeline.sandbox.limits import Buckets
from stripe_cio_pipeline.sandbox.server import (
    Application,
    Receive,
    Scope,
    Send,
    reset,
    respond,
    respond_half,
)
from stripe_cio_pipeline.sandbox.stripe import errors
from stripe_cio_pipeline.sandbox.stripe.account import StripeAccount
from stripe_cio_pipeline.sandbox.stripe.answers import Answers, Call
from stripe_cio_pipeline.sandbox.stripe.errors import StripeError
from stripe_cio_pipeline.sandbox.stripe.versions import family

SANDBOX_ACCOUNT_PER_SECOND = 25.0
_log = logging.getLogger(__name__)


def application(account: StripeAccount, control: Application) -> Application:
    """Serve an account; everything under `/_sandbox/` goes to `control`."""
    return _Stripe(account, control)


class _Stripe:
    def __init__(self, account: StripeAccount, control: Application) -> None:
        self._account = account
        self._control = control
        self._answers = Answers(account)
        self._buckets = Buckets()
        self._in_flight = 0
        self._answered = 0

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["path"].startswith(PREFIX):
            await self._control(scope, receive, send)
            return
        self._in_flight += 1
        try:
            await self._serve(scope, send)
        finally:
            self._in_flight -= 1

    async def _serve(self, scope: Scope, send: Send) -> None:
        account, switches = self._account, self._account.switches
        method, path = scope["method"], scope["path"]
        address = f"{path}?{scope['query_string'].decode()}"
        headers = dict(scope["headers"])
        fault = account.faults.draw(path)
        if fault is not None and fault.kind == "reset_before":
            account.counters.request(method, self._answers.endpoint(path), 0, address)
            await reset(scope)
            return
        delay = switches.latency_seconds + (fault.seconds if fault is not None else 0.0)
        if delay > 0:
            await asyncio.sleep(delay)
        version = headers.get(b"stripe-version", switches.api_version.encode()).decode()
        self._answered += 1
        request_id = account.books.ids.of("req", account.chance.token("answer", self._answered))
        extra: dict[str, str] = {}
        endpoint = self._answers.endpoint(path)
        try:
            if fault is not None and fault.kind == "status":
                raise _planned(fault)
            if family(version) is None:
                raise errors.invalid(f"Invalid Stripe API version: {version}", "")
            key = self._key(headers)
            self._limit(method, endpoint)
            self._check_account(headers, key)
            call = Call(method, path, scope["query_string"], version, key == account.restricted_key)
            body = self._answers.answer(call, key)
            status = 200
        except StripeError as error:
            status, extra = error.status, error.headers
            body = error.body(request_id, switches.account_id, switches.livemode)
        except Exception:
            # A slip of the sandbox, not a fault that was asked for: it must not look like one.
            _log.exception("the sandbox failed to answer %s %s", method, path)
            status, body = 500, b'{"error":{"message":"The sandbox itself failed; its log says why.","type":"sandbox"}}'
        account.counters.request(method, endpoint, status, address)
        answer = [
            (b"request-id", request_id.encode()),
            (b"stripe-version", version.encode()),
            (b"date", formatdate(account.clock.now(), usegmt=True).encode()),
            # Whoever compares clocks must know that this one is moved by hand.
            (b"sandbox-clock", b"simulated"),
            *((name.lower().encode(), value.encode()) for name, value in extra.items()),
        ]
        match fault.kind if fault is not None else "":
            case "reset_after":
                await reset(scope)
            case "reset_mid_body":
                await respond_half(scope, send, status, body, answer)
            case "truncated":
                await respond(send, status, body[: len(body) * 2 // 3], answer)
            case "not_a_list":
                await respond(send, 200, orjson.dumps({"object": "unexpected"}), answer)
            case _:
                await respond(send, status, body, answer)

    def _key(self, headers: dict[bytes, bytes]) -> str:
        """Return the key of a request, from Bearer or Basic, if the account knows it."""
        scheme, _, value = headers.get(b"authorization", b"").decode().partition(" ")
        if scheme.lower() == "basic":
            try:
                value = base64.b64decode(value).decode().partition(":")[0]
            except (binascii.Error, UnicodeDecodeError):
                value = ""
        value = value.strip()
        if not value:
            raise errors.no_key()
        if value.startswith("pk_"):
            raise errors.publishable_key()
        if value in self._account.switches.expired_keys:
            raise errors.expired_key(value)
        if value not in (self._account.restricted_key, self._account.secret_key):
            raise errors.wrong_key(value)
        return value

    def _check_account(self, headers: dict[bytes, bytes], key: str) -> None:
        wanted = headers.get(b"stripe-account") or headers.get(b"stripe-context") or b""
        if wanted and wanted.decode() != self._account.switches.account_id:
            raise errors.foreign_account(key, wanted.decode())

    def _limit(self, method: str, endpoint: str) -> None:
        switches = self._account.switches
        if 0 < switches.concurrent_requests < self._in_flight:
            raise errors.rate_limited("global-concurrency")
        if not switches.limits:
            return
        in_all = switches.account_per_second
        if switches.sandbox_account:
            in_all = min(in_all, SANDBOX_ACCOUNT_PER_SECOND)
        search = endpoint.endswith("/search")
        name = "search" if search else f"{method} {endpoint}"
        if not self._buckets.take(name, switches.search_per_second if search else switches.endpoint_per_second):
            raise errors.rate_limited("endpoint-rate")
        if not self._buckets.take("global", in_all):
            raise errors.rate_limited("global-rate")


def _planned(fault: Fault) -> StripeError:
    """Return the error answer that a fault asks for."""
    if fault.status == 429:
        error = errors.lock_timeout() if fault.detail.get("code") == "lock_timeout" else errors.rate_limited("")
        error.headers = {}
    else:
        error = errors.server_error(fault.status)
    error.headers.update(fault.headers)
    return error
