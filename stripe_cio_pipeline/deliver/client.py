"""Calling Customer.io: two addresses, two ways to prove who we are, no redirects, every call paced and repeated.

Hosts and authentication: reference for Track v1 and v2 (Basic: site id, Track API key) and App v1 (Bearer).
"""

import time
from collections.abc import Callable
from dataclasses import dataclass
from types import TracebackType
from typing import Any, Self

import httpx
import stamina

from stripe_cio_pipeline.deliver.outcome import Again, Answer, Outcome
from stripe_cio_pipeline.deliver.pace import Pace
from stripe_cio_pipeline.errors import CustomerioUnavailable, SettingsError
from stripe_cio_pipeline.settings import Settings
from stripe_cio_pipeline.waiting import within

TRACK_HOSTS = {"us": "https://track.customer.io", "eu": "https://track-eu.customer.io"}
APP_HOSTS = {"us": "https://api.customer.io", "eu": "https://api-eu.customer.io"}
#: The App API grants ten calls a second in all.
APP_REQUESTS_PER_SECOND = 10.0
CALL_SECONDS = 30.0


@dataclass(frozen=True, slots=True)
class Patience:
    """How often and how long a call is repeated. Seconds; waits double from `first` to `longest`, plus jitter."""

    attempts: int = 8
    seconds: float = 90.0
    first: float = 0.25
    longest: float = 20.0
    jitter: float = 0.5


@dataclass(frozen=True, slots=True)
class Call:
    """One call as it went: what `customerio.requests` keeps. Times are unix and spent seconds. No payload."""

    endpoint: str
    sent_at: float
    seconds: float
    items: int
    bytes: int
    status: int | None
    attempt: int


class _AgainError(Exception):
    """An attempt that may be repeated. Its text holds a status, never a payload: stamina logs it."""

    def __init__(self, outcome: Again) -> None:
        super().__init__(outcome.what)
        self.outcome = outcome


def _wait_or_repeat(error: Exception) -> bool | float:
    if not isinstance(error, _AgainError):
        return False
    return True if error.outcome.pause is None else error.outcome.pause


class Api:
    """One of the two APIs at one address. Use as an async context manager; opens its connection at the first call.

    `seconds` bounds each attempt of a call, from its first byte to the last of its answer.
    """

    def __init__(
        self,
        address: str,
        *,
        auth: httpx.Auth | tuple[str, str] | None = None,
        bearer: str | None = None,
        pace: Pace,
        patience: Patience,
        connections: int = 4,
        seconds: float = CALL_SECONDS,
        now: Callable[[], float] = time.time,
        on_call: Callable[[Call], None] | None = None,
    ) -> None:
        headers = {"Content-Type": "application/json", "User-Agent": "stripe-cio-pipeline"}
        if bearer is not None:
            headers["Authorization"] = f"Bearer {bearer}"
        self._http = httpx.AsyncClient(
            base_url=address,
            auth=auth,
            headers=headers,
            follow_redirects=False,
            # Loading the system's certificates takes 30 ms, and plain HTTP (a sandbox) has no use for them.
            verify=address.startswith("https:"),
            timeout=seconds,
            trust_env=True,
            limits=httpx.Limits(max_connections=connections, max_keepalive_connections=connections),
        )
        self.address = address
        self.pace = pace
        self._patience = patience
        self._seconds = seconds
        self._now = now
        self.on_call = on_call

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        await self._http.aclose()

    async def call(
        self,
        method: str,
        path: str,
        judge: Callable[[Answer], Outcome],
        *,
        body: Callable[[], bytes] | None = None,
        items: int = 0,
        params: dict[str, Any] | None = None,
        on_call: Callable[[Call], None] | None = None,
    ) -> tuple[Answer, Outcome]:
        """Call until an answer counts, and give it with its meaning; `Again` when patience has run out.

        `body` is made once, at the first sending: a repeat must carry the same timestamp. `on_call` hears of every
        attempt, answered or not.
        """
        content: bytes | None = None
        answer = Answer(None)
        patience = self._patience
        attempts = stamina.retry_context(
            on=_wait_or_repeat,
            attempts=patience.attempts,
            timeout=patience.seconds,
            wait_initial=patience.first,
            wait_max=patience.longest,
            wait_jitter=patience.jitter,
        )
        try:
            async for attempt in attempts:
                with attempt:
                    await self.pace.turn()
                    if content is None and body is not None:
                        content = body()
                    sent_at = self._now()
                    began = time.monotonic()
                    answer = await self._once(method, path, content, params)
                    seconds = time.monotonic() - began
                    self._tell(
                        on_call,
                        Call(
                            f"{method} {path}", sent_at, seconds, items, len(content or b""), answer.status, attempt.num
                        ),
                    )
                    outcome = judge(answer)
                    if isinstance(outcome, Again):
                        if answer.status == 429:
                            self.pace.slow_down(outcome.pause)
                        raise _AgainError(outcome)
                    self.pace.succeeded()
        except _AgainError as spent:
            return answer, spent.outcome
        return answer, outcome

    async def _once(self, method: str, path: str, content: bytes | None, params: dict[str, Any] | None) -> Answer:
        try:
            request = self._http.request(method, path, content=content, params=params)
            response = await within(self._seconds, request)
        except TimeoutError:
            return Answer(None, fault=f"no whole answer came within {self._seconds:g} s")
        except (httpx.TransportError, httpx.DecodingError) as broken:
            return Answer(None, fault=f"the connection broke ({type(broken).__name__})")
        return Answer(response.status_code, response.content, _retry_after(response.headers))

    def _tell(self, on_call: Callable[[Call], None] | None, call: Call) -> None:
        for listener in (on_call, self.on_call):
            if listener is not None:
                listener(call)


def _retry_after(headers: httpx.Headers) -> float | None:
    """Read whole or fractional seconds; Customer.io sends no dates here."""
    try:
        return float(headers["retry-after"])
    except (KeyError, ValueError):
        return None


def track_address(settings: Settings, region: str | None = None) -> str:
    """Give the Track API's address: as set, or by region (the US host also answers for the EU's region look-up)."""
    return settings.customerio_track_url or TRACK_HOSTS[region or settings.customerio_region or "us"]


def app_address(settings: Settings, region: str | None) -> str:
    """Give the App API's address: as set, or by region."""
    return settings.customerio_app_url or APP_HOSTS[region or settings.customerio_region or "us"]


def track_api(
    settings: Settings,
    *,
    region: str | None = None,
    pace: Pace,
    patience: Patience,
    connections: int = 4,
    now: Callable[[], float] = time.time,
    on_call: Callable[[Call], None] | None = None,
) -> Api:
    """Make the Track API's client. Raises SettingsError where a credential is missing."""
    return Api(
        track_address(settings, region),
        auth=settings.require_customerio(),
        pace=pace,
        patience=patience,
        connections=connections,
        now=now,
        on_call=on_call,
    )


def app_api(
    settings: Settings,
    *,
    region: str | None,
    patience: Patience,
    now: Callable[[], float] = time.time,
    on_call: Callable[[Call], None] | None = None,
) -> Api:
    """Make the App API's client. Raises SettingsError where its key is missing."""
    key = settings.customerio_app_api_key.get_secret_value().strip() if settings.customerio_app_api_key else ""
    if not key:
        raise SettingsError(
            "CUSTOMERIO_APP_API_KEY is not set.",
            "Reading people back needs an App API key: Customer.io, Settings, Account settings, API credentials, "
            "App API keys.",
        )
    return Api(
        app_address(settings, region),
        bearer=key,
        pace=Pace(APP_REQUESTS_PER_SECOND),
        patience=patience,
        now=now,
        on_call=on_call,
    )


def unavailable(outcome: Again, what: str) -> CustomerioUnavailable:
    """Give the error for a call that found no usable answer."""
    return CustomerioUnavailable(
        f"Customer.io gave no usable answer for {what}: {outcome.what}, after all retries.",
        "Look at status.customer.io and the network, then run this again; what was not accepted is still pending.",
    )
