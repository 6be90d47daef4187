"""The fake Customer.io as one ASGI application: both APIs, their keys, regions, limits and faults."""

import asyncio
import base64
import hmac
from typing import Any

from stripe_cio_pipeline.sandbox.customerio import answers, app_api, track_v1, track_v2
from stripe_cio_pipeline.sandbox.customerio.answers import Answer, Request
from stripe_cio_pipeline.sandbox.customerio.workspace import Workspace
from stripe_cio_pipeline.sandbox.faults import Fault
from stripe_cio_pipeline.sandbox.limits import Buckets
from stripe_cio_pipeline.sandbox.server import (
    Application,
    Receive,
    Scope,
    Send,
    read_body,
    reset,
    respond_drip,
    respond_half,
)

_CONTROL = "/_sandbox/"
_APPLY_SLICE = 50
"""Operations applied between two turns of the event loop, so that answers are not held up."""


def application(workspace: Workspace, control: Application) -> Application:
    """Give the server of one workspace; ``control`` answers what lies under ``/_sandbox/``."""
    return CustomerioServer(workspace, control)


class CustomerioServer:
    """Both APIs on one address: Track under ``/api/``, App under ``/v1/``.

    ``/eu/`` ahead of either stands for the European host, where a redirect leads.
    """

    def __init__(self, workspace: Workspace, control: Application) -> None:
        self._workspace = workspace
        self._control = control
        self._buckets = Buckets(machine=workspace.request_time)
        self._applying = False

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        if scope["type"] != "http":
            return
        path: str = scope["path"]
        if path.startswith(_CONTROL):
            await self._control(scope, receive, send)
            return
        fault = self._workspace.faults.draw(path)
        if fault is not None and fault.kind == "reset_before":
            self._workspace.counters.request(scope["method"], path, 0)
            await reset(scope)
            return
        body = await read_body(receive)
        pause = self._workspace.switches.latency_seconds
        if fault is not None and fault.kind == "slow":
            pause += fault.seconds
        if pause > 0:
            await asyncio.sleep(pause)
        answer = self._answer(scope, path, body, fault)
        self._workspace.counters.request(scope["method"], answer.endpoint or path, answer.status)
        await self._send(scope, send, answer, fault)
        self._apply_soon()

    async def _send(self, scope: Scope, send: Send, answer: Answer, fault: Fault | None) -> None:
        kind = fault.kind if fault is not None else None
        if kind == "reset_after":
            await reset(scope)
        elif kind == "reset_mid_body":
            await respond_half(scope, send, answer.status, answer.body, answer.headers)
        elif fault is not None and kind == "drip":
            self._apply_soon()
            await respond_drip(scope, send, answer.status, answer.body, answer.headers, seconds=fault.seconds)
        elif kind == "truncated":
            cut = Answer(200, answer.body[: len(answer.body) // 2], answer.headers)
            await answers.send_answer(send, cut)
        elif kind == "not_a_list":
            await answers.send_answer(send, Answer(200, b'"ok"', answer.headers))
        else:
            chunked = answer.status == 200 and scope["path"].startswith("/v1/")
            await answers.send_answer(send, answer, chunked=chunked)

    def _answer(self, scope: Scope, path: str, body: bytes, fault: Fault | None) -> Answer:
        is_track = not path.removeprefix("/eu").startswith("/v1/")
        if fault is not None and fault.kind == "status":
            return _error(fault, path, is_track=is_track)
        headers = dict(scope["headers"])
        if not self._is_authorized(headers.get(b"authorization", b""), is_track=is_track):
            return answers.track(401) if is_track else answers.app_error(401, "unauthorized")
        switches = self._workspace.switches
        if switches.acceptor_only and path == track_v2.BATCH:
            accepted = track_v2.accept_only(self._workspace, body)
            return answers.ACCEPTED if accepted else answers.track(400, {"errors": []})
        request = _request(scope, headers, body)
        prefix = "/eu" if request.segments[0] == "eu" else ""
        if prefix:
            request = Request(scope["method"], request.segments[1:], request.query, request.host, body)
        host = "eu" if prefix else switches.host_region or switches.region
        if request.segments == ("api", "v1", "accounts", "region") and request.method == "GET":
            home = "/eu" if switches.region == "eu" and host == "us" else prefix
            return track_v1.region(self._workspace, request, home)
        if host != switches.region:
            return self._elsewhere(scope, request.host, is_track=is_track)
        limited = self._limited(is_track=is_track)
        if limited is not None:
            return limited
        if not is_track:
            return app_api.handle(self._workspace, request)
        if fault is not None and fault.kind == "reject":
            return self._with_refused(request, fault)
        return self._track(request)

    def _track(self, request: Request) -> Answer:
        match request.method, request.segments:
            case "POST", ("api", "v2", "batch"):
                return track_v2.batch(self._workspace, request)
            case "POST", ("api", "v2", "entity"):
                return track_v2.entity(self._workspace, request)
            case _, ("api", "v1", _, *_):
                return track_v1.handle(self._workspace, request)
        return answers.track(404, {"meta": {"error": "not found"}}, endpoint="unknown")

    def _is_authorized(self, given: bytes, *, is_track: bool) -> bool:
        switches = self._workspace.switches
        if is_track:
            pair = f"{switches.site_id}:{switches.track_api_key}".encode()
            return hmac.compare_digest(given, b"Basic " + base64.b64encode(pair))
        return hmac.compare_digest(given, b"Bearer " + switches.app_api_key.encode())

    def _elsewhere(self, scope: Scope, host: str, *, is_track: bool) -> Answer:
        """Lead a European account home from the US Track host; any other wrong place knows no such key."""
        switches = self._workspace.switches
        if switches.region == "us" or not is_track:
            return answers.track(401) if is_track else answers.app_error(401, "unauthorized")
        target = f"http://{host}/eu{scope['raw_path'].decode('latin-1')}"
        if scope["query_string"]:
            target += "?" + scope["query_string"].decode("latin-1")
        return answers.track(switches.redirect_status, None, (b"location", target.encode("latin-1")))

    def _limited(self, *, is_track: bool) -> Answer | None:
        switches = self._workspace.switches
        rate = switches.requests_per_second if is_track else switches.app_requests_per_second
        if rate is None or self._buckets.take("track" if is_track else "app", rate):
            return None
        if not is_track:
            detail = f"rate limited to {rate:g} requests per 1s (reference 5a0db0)"
            return answers.app_error(429, detail, (b"retry-after", b"1"))
        wait = switches.track_retry_after
        return answers.track(429, {}, *([(b"retry-after", str(wait).encode())] if wait is not None else []))

    def _with_refused(self, request: Request, fault: Fault) -> Answer:
        """Refuse the people whom the fault names, for this request only."""
        switches = self._workspace.switches
        message = str(fault.detail.get("message", "refused by a fault"))
        before = switches.refuse
        switches.refuse = {**before, **dict.fromkeys(fault.detail.get("people", ()), message)}
        try:
            return self._track(request)
        finally:
            switches.refuse = before

    def _apply_soon(self) -> None:
        """See to it that what was accepted is applied when it is due, even if nobody looks."""
        if not self._applying:
            self._applying = True
            self._apply_slice()

    def _apply_slice(self) -> None:
        wait = self._workspace.apply_due(_APPLY_SLICE)
        if wait is None:
            self._applying = False
        else:
            asyncio.get_running_loop().call_later(max(wait, 0.001), self._apply_slice)


def _request(scope: Scope, headers: dict[bytes, bytes], body: bytes) -> Request:
    return Request(
        method=scope["method"],
        segments=answers.segments_of(scope),
        query=answers.query_of(scope),
        host=headers.get(b"host", b"").decode("latin-1"),
        body=body,
    )


def _error(fault: Fault, path: str, *, is_track: bool) -> Answer:
    """Answer with an error; the v2 calls have a 400 of their own, which need name neither an item nor a field."""
    headers = [(name.lower().encode(), value.encode()) for name, value in fault.headers.items()]
    detail: Any = fault.detail.get("message", "a fault of the sandbox")
    if fault.status == 400 and path.endswith((track_v2.BATCH, track_v2.ENTITY)):
        return answers.track(400, {"errors": [{"reason": "invalid", "message": detail}]}, *headers)
    if is_track:
        return answers.track(fault.status, {"meta": {"error": detail}}, *headers)
    return answers.app_error(fault.status, str(detail), *headers)
