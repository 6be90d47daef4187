"""One GET to Stripe: the official SDK's `raw_request_async` over httpx, under the budget, with retries.

The SDK gives authentication, the version pin, the encoding of parameters and the error classes. Its own retries are off
(they leave a 429 alone), its telemetry is off (it writes an id file and sends the machine's name), and the body is
parsed by orjson: the SDK's objects cost 16 ms for a page of 100 customers, its plain JSON 2 ms, this 0.4 ms.

Answers are judged by HTTP status and header, never by the error body's `type`: for a 429 it is `invalid_request_error`.
"""

import json
import re
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from enum import Enum
from types import TracebackType
from typing import Any, Self
from urllib.parse import quote

import httpx
import orjson
import sniffio
import stamina
import stripe

from stripe_cio_pipeline.errors import (
    StripeCredentialsError,
    StripePermissionError,
    StripeRequestError,
    StripeUnavailable,
)
from stripe_cio_pipeline.extract.budget import Budget
from stripe_cio_pipeline.extract.clock import StripeClock, date_of
from stripe_cio_pipeline.extract.forgotten import Forgotten
from stripe_cio_pipeline.extract.objects import ACCOUNT_PATH, PAGE_ROWS, PINNED_VERSION
from stripe_cio_pipeline.extract.payloads import may_hold_secrets, scrub
from stripe_cio_pipeline.extract.wire import RawHeaders, TooLargeError, WireClient
from stripe_cio_pipeline.outside import visible
from stripe_cio_pipeline.settings import permission_name
from stripe_cio_pipeline.waiting import within


class Outcome(Enum):
    """What to do after an answer."""

    GOOD = "good"
    AGAIN = "again"
    SLOWER = "slower"
    REFUSED = "refused"
    UNAUTHORIZED = "unauthorized"
    FORBIDDEN = "forbidden"


@dataclass(frozen=True, slots=True)
class Refusal:
    """Stripe says that the request is wrong or that the object does not exist (400, 402, 404). Holds no payload.

    `said` are Stripe's own words without keys and addresses of people, `request_id` is how its log names the request,
    `host` who answered. `read_at` is when it was asked, as in `transport.Answer`.
    """

    status: int
    code: str | None
    param: str | None
    read_at: int
    said: str = ""
    request_id: str | None = None
    host: str = ""

    @property
    def missing(self) -> bool:
        """Whether Stripe says that the object that was asked for does not exist."""
        return self.code == "resource_missing"


def classify(status: int, headers: Mapping[str, str]) -> Outcome:
    """Say what an answer asks for. `headers` must be case-insensitive or lower-case.

    `Stripe-Should-Retry: false` on a 5xx is not obeyed: it warns of repeating a write, and these are GETs, which Stripe
    calls idempotent. On a 4xx it stands.
    """
    if 200 <= status < 300:
        return Outcome.GOOD
    if status == 429:
        # A 429 without a reason is a lock on the object, not a limiter: the same again, but no slower.
        return Outcome.SLOWER if headers.get("stripe-rate-limited-reason") else Outcome.AGAIN
    if status >= 500 or status in {408, 409} or headers.get("stripe-should-retry") == "true":
        return Outcome.AGAIN
    if status == 401:
        return Outcome.UNAUTHORIZED
    if status == 403:
        return Outcome.FORBIDDEN
    return Outcome.REFUSED


#: The longest that one request may take; `certainty.READ_MARGIN_SECONDS` is derived from it.
REQUEST_SECONDS = 30.0

_HALF_PAIR = re.compile("[\ud800-\udfff]")
_ACCOUNT = re.compile(r"\bacct_\w+")
_PERMISSION = re.compile(r"'(?:rak_)?([a-z]\w*_read)'")
#: What Stripe's words may repeat of ours or of the merchant's, and no message shows.
_WITHHELD = re.compile(r"\b(?:[srp]k|rkcs|whsec|ek)_\w+[\w*]*|[^\s@'\",]+@[^\s@'\",]+")
_MOST_SAID = 300


@dataclass(frozen=True, slots=True)
class Patience:
    """How long to go on after failures: tries of one request, seconds between them (doubling, with jitter)."""

    attempts: int = 8
    wait_initial: float = 0.25
    wait_max: float = 10.0


@dataclass(frozen=True, slots=True)
class Answer:
    """A good answer: the parsed and scrubbed body, and the moment in Stripe's clock at which it was given.

    `read_at` is when it was asked for, in microseconds of this machine's clock: what it shows is no older. Between
    `since` and `until` it was given, whichever clock is right. `believed`: they agree.
    """

    body: dict[str, Any]
    date: int
    version: str | None
    read_at: int
    since: int
    until: int
    believed: bool = True


def moment() -> int:
    """Give this machine's clock in microseconds of unix time."""
    return time.time_ns() // 1_000


class _TransientError(Exception):
    """Worth another try. Carries no text of Stripe's."""

    def __init__(self, what: str) -> None:
        super().__init__(what)
        self.what = what


class _UnreadableError(_TransientError):
    """A 200 whose body is cut, too large, or not what was asked for."""


class _ForeignError(_UnreadableError):
    """Somebody answered, and it was not Stripe."""


class Transport:
    """GET requests to one Stripe account. An async context manager; belongs to one event loop."""

    def __init__(
        self,
        key: str,
        base: str,
        account: str | None,
        budget: Budget,
        *,
        patience: Patience | None = None,
        now: Callable[[], float] = time.time,
        clock: Callable[[], int] = moment,
        forgotten: Forgotten | None = None,
    ) -> None:
        # The SDK reads this switch from its module at every request; there is no other.
        stripe.enable_telemetry = False
        self._http = WireClient(httpx.Timeout(REQUEST_SECONDS, connect=10.0))
        self._client = stripe.StripeClient(
            key,
            base_addresses={"api": base},
            stripe_account=account,
            stripe_version=PINNED_VERSION,
            http_client=self._http,
            max_network_retries=0,
        )
        address = httpx.URL(base)
        self._host = f"{address.host}:{address.port}" if address.port else address.host
        self._patience = patience or Patience()
        self._clock = clock
        #: Whose objects are emptied before anybody sees them.
        self._forgotten = forgotten or Forgotten()
        self.budget = budget
        #: What any answer says of the time, refusals included.
        self.time = StripeClock(now)
        #: The account that Stripe named when it refused something.
        self.named_account: str | None = None

    @property
    def stripe_now(self) -> float:
        """Stripe's time, as far as it is known and believed (unix seconds)."""
        return self.time.now

    async def __aenter__(self) -> Self:
        # httpcore asks twenty times per request which library runs it; this is how to answer at once.
        self._told = sniffio.current_async_library_cvar.set("asyncio")
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._http.close_async()
        sniffio.current_async_library_cvar.reset(self._told)

    async def list(self, path: str, parameters: Mapping[str, Any], *, limit: int = PAGE_ROWS) -> Answer | Refusal:
        """Ask for one page. The answer's body has `data`, a list, and `has_more`.

        A page that comes cut off (HTTP 200, JSON ends early) is asked for again with half as many rows: Stripe does
        that to large answers with many expansions.
        """
        return await self._get(path, path, {**parameters, "limit": limit}, wants_list=True)

    async def retrieve(self, path: str, object_id: str, expands: tuple[str, ...]) -> Answer | Refusal:
        """Ask for one object by id."""
        parameters = {"expand": list(expands)} if expands else {}
        # Coupon, product and price ids are the merchant's own text.
        return await self._get(f"{path}/{quote(object_id, safe='')}", f"{path}/{{id}}", parameters, wants_list=False)

    async def account(self) -> Answer | Refusal:
        """Ask which account the key belongs to."""
        return await self._get(ACCOUNT_PATH, ACCOUNT_PATH, {}, wants_list=False)

    async def _get(
        self, path: str, endpoint: str, parameters: Mapping[str, Any], *, wants_list: bool
    ) -> Answer | Refusal:
        asked = dict(parameters)
        tries = stamina.retry_context(
            on=_TransientError,
            attempts=self._patience.attempts,
            timeout=None,
            wait_initial=self._patience.wait_initial,
            wait_max=self._patience.wait_max,
            wait_jitter=self._patience.wait_initial,
        )
        try:
            async for attempt in tries:
                with attempt:
                    try:
                        return await self._once(path, endpoint, asked, wants_list=wants_list)
                    except _UnreadableError:
                        if wants_list and attempt.num >= 2:
                            asked["limit"] = max(10, int(asked["limit"]) // 2)
                        raise
        except _TransientError as last:
            raise StripeUnavailable(
                f"Stripe gave no usable answer to GET {endpoint} in {self._patience.attempts} tries "
                f"(the last: {last.what}).",
                f"What answers at {self._host} is not Stripe's API: look at STRIPE_API_BASE, and at any proxy."
                if isinstance(last, _ForeignError)
                else "What was read is kept, and the next run goes on from there. If this stays, look at "
                f"https://status.stripe.com and at the network between here and {self._host}.",
            ) from None
        raise AssertionError("stamina gives at least one attempt")

    async def _once(
        self, path: str, endpoint: str, parameters: Mapping[str, Any], *, wants_list: bool
    ) -> Answer | Refusal:
        try:
            async with self.budget.request(endpoint):
                asked_at = self._clock()
                request = self._client.raw_request_async("get", path, **parameters)
                response = await within(REQUEST_SECONDS, request)
        except TimeoutError:
            raise _TransientError(f"no answer within {REQUEST_SECONDS:.0f} s") from None
        except stripe.APIConnectionError as broken:
            cause = broken.__cause__
            if isinstance(cause, TooLargeError):
                raise _UnreadableError(str(cause)) from None
            raise _TransientError(f"the connection failed with {type(cause or broken).__name__}") from None
        except stripe.StripeError as refused:
            return self._judge(refused, endpoint, asked_at)
        headers = response.headers
        believed = self._note_date(headers)
        raw = headers.body if isinstance(headers, RawHeaders) else b""
        return self._parse(raw, headers, asked_at, wants_list=wants_list, believed=believed)

    def _parse(
        self, raw: bytes, headers: Mapping[str, str], asked_at: int, *, wants_list: bool, believed: bool
    ) -> Answer:
        body = _read_json(raw)
        if not isinstance(body, dict) or not (_is_page(body) if wants_list else _has_ids([body])):
            raise _UnreadableError("an answer that is not what was asked for")
        if may_hold_secrets(raw):
            try:
                scrub(body)
            except RecursionError:
                raise _UnreadableError("an answer that is nested too deep") from None
        self._forgotten.withhold(body)
        date = date_of(headers)
        told = int(self.time.now) if date is None else date
        ours = told if self.time.is_simulated else asked_at // 1_000_000
        version = headers.get("stripe-version")
        return Answer(body, told, version, asked_at, min(told, ours), max(told, ours), believed)

    def _note_date(self, headers: Mapping[str, str]) -> bool:
        first, guessed = not self.time.heard, self.time.now
        believed = self.time.hear(headers)
        if believed and first:
            self.budget.meter.redate(guessed, self.time.now)
        self.budget.meter.tell_time(self.time.now)
        return believed

    def _judge(self, refused: stripe.StripeError, endpoint: str, asked_at: int) -> Refusal:
        headers = refused.headers or {}
        status = refused.http_status or 0
        self._note_date(headers)
        text = str(refused.user_message or "")
        account = _ACCOUNT.search(text)
        self.named_account = account.group() if account else self.named_account
        if status < 500 and status != 429 and not _is_stripes(refused):
            # A proxy's page, a captive portal, a redirect: it says nothing about the account or the object.
            raise _ForeignError(f"status {status} with an answer that is not Stripe's") from None
        match classify(status, headers):
            case Outcome.GOOD | Outcome.AGAIN:
                raise _TransientError(f"status {status}") from None
            case Outcome.SLOWER:
                reason = headers.get("stripe-rate-limited-reason", "")
                self.budget.throttle(endpoint, reason)
                raise _TransientError(f"status 429, {reason}") from None
            case Outcome.UNAUTHORIZED:
                raise StripeCredentialsError(
                    "Stripe refuses the key in STRIPE_API_KEY (401).",
                    "Look in the dashboard whether it was rolled or has expired; then set the new one.",
                ) from None
            case Outcome.FORBIDDEN:
                raise _forbidden(text, endpoint) from None
            case Outcome.REFUSED:
                param, request_id = getattr(refused, "param", None), headers.get("request-id")
                return Refusal(status, refused.code, param, asked_at, _scrubbed(text), request_id, self._host)


def _forbidden(text: str, endpoint: str) -> StripePermissionError:
    """Tell of a 403 by what it names: the permission, or the account that the key may not see."""
    # Where any one of several would do, Stripe names them all.
    lacking = " or ".join(permission_name(f"rak_{name}") for name in dict.fromkeys(_PERMISSION.findall(text)))
    if lacking:
        return StripePermissionError(
            f"The Stripe key lacks the permission {lacking} that GET {endpoint} needs (403).",
            "Add it to the restricted key in the Stripe dashboard; the next run then loads these objects.",
        )
    return StripePermissionError(
        f"The Stripe key may not do GET {endpoint} (403). Stripe says: {_scrubbed(text) or 'nothing'}",
        "Give the restricted key what this names in the Stripe dashboard, or correct STRIPE_ACCOUNT.",
    )


def _scrubbed(text: str) -> str:
    """Give Stripe's words without keys, mail addresses and what a terminal would act on."""
    said = visible(_WITHHELD.sub("…", text))
    return said if len(said) <= _MOST_SAID else f"{said[:_MOST_SAID]}…"


def wrong_request(refusal: Refusal, endpoint: str) -> StripeRequestError:
    """Tell of a refusal for which there is no remedy here."""
    detail = ", ".join(part for part in (str(refusal.status), refusal.code, refusal.param) if part)
    request = f" Its log names the request {refusal.request_id}." if refusal.request_id else ""
    if refusal.status == 404 and not refusal.missing:
        advice = f"It does not know this address: look at STRIPE_API_BASE, which leads to {refusal.host}."
    else:
        advice = "Where it is not the account that must be changed, report it with these words."
    return StripeRequestError(
        f"Stripe refuses GET {endpoint} at {refusal.host} ({detail}): {refusal.said or 'without a word.'}{request}",
        advice,
    )


def _read_json(raw: bytes) -> Any:
    """Parse a body. Raises _UnreadableError that says what it is."""
    try:
        return orjson.loads(raw)
    except orjson.JSONDecodeError:
        pass
    if raw.lstrip()[:1] not in (b"{", b"["):
        raise _ForeignError("an answer that is not JSON")
    try:
        # Half of a surrogate pair may stand in JSON as an escape, and is no character that could be stored.
        text = _HALF_PAIR.sub("\ufffd", json.dumps(json.loads(raw), ensure_ascii=False))
        return orjson.loads(text)
    except RecursionError:
        raise _UnreadableError("an answer that is nested too deep") from None
    except ValueError:
        raise _UnreadableError("an answer whose JSON ends early") from None


def _is_stripes(refused: stripe.StripeError) -> bool:
    """Whether a refusal is Stripe's own: it has the form of an error object."""
    body = refused.json_body
    return isinstance(body, Mapping) and isinstance(body.get("error"), Mapping)


def _is_page(body: Mapping[str, Any]) -> bool:
    """Whether a body is a page of a list: one that goes on has rows, or there would be no next page."""
    rows, has_more = body.get("data"), body.get("has_more")
    return isinstance(has_more, bool) and _has_ids(rows) and bool(rows or not has_more)


def _has_ids(rows: Any) -> bool:
    return isinstance(rows, list) and all(isinstance(row, dict) and isinstance(row.get("id"), str) for row in rows)
