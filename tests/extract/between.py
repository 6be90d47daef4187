"""Something between us and Stripe: a server on loopback that hands requests on, and answers some of them itself."""

import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from email.utils import formatdate, parsedate_to_datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import urlsplit

import httpx
import orjson
import pytest

from stripe_cio_pipeline.settings import Settings
from tests.extract.stage import Stage


@dataclass
class Between:
    """`answers` holds whole answers by path, `changes` what becomes of the body of Stripe's own.

    `seconds_off` moves the dates of Stripe's answers by path. With `is_simulated` false nobody is told that the
    sandbox's clock is one that somebody moves.
    """

    stripe: str
    address: str = ""
    answers: dict[str, tuple[int, Mapping[str, str], bytes]] = field(default_factory=dict)
    changes: dict[str, Callable[[bytes], bytes]] = field(default_factory=dict)
    seconds_off: dict[str, int] = field(default_factory=dict)
    is_simulated: bool = True

    def answer(self, path: str, body: bytes, status: int = 200, **headers: str) -> None:
        self.answers[path] = (status, headers, body)

    def change(self, path: str, change: Callable[[dict[str, Any]], None]) -> None:
        def changed(body: bytes) -> bytes:
            value = orjson.loads(body)
            change(value)
            return orjson.dumps(value)

        self.changes[path] = changed

    def clear(self) -> None:
        self.answers.clear()
        self.changes.clear()
        self.seconds_off.clear()

    def respond(self, target: str, headers: Mapping[str, str]) -> tuple[int, Mapping[str, str], bytes]:
        path = urlsplit(target).path
        if path in self.answers:
            return self.answers[path]
        kept = {name: value for name, value in headers.items() if name.lower() not in {"host", "accept-encoding"}}
        answer = httpx.get(f"{self.stripe}{target}", headers=kept)
        names = ("date", "stripe-version", *(("sandbox-clock",) if self.is_simulated else ()))
        told = {name: answer.headers[name] for name in names if name in answer.headers}
        if path in self.seconds_off and "date" in told:
            moved = parsedate_to_datetime(told["date"]).timestamp() + self.seconds_off[path]
            told["date"] = formatdate(moved, usegmt=True)
        change = self.changes.get(path)
        return answer.status_code, told, change(answer.content) if change else answer.content


@contextmanager
def between(stripe: str) -> Iterator[Between]:
    """Stand between us and an address of Stripe's."""
    one = Between(stripe)

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            status, headers, body = one.respond(self.path, dict(self.headers))
            self.send_response_only(status)
            for name, value in headers.items():
                self.send_header(name.replace("_", "-"), value)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            """Say nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    one.address = f"http://127.0.0.1:{server.server_port}"
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        yield one
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


@contextmanager
def between_stage(stage: Stage, monkeypatch: pytest.MonkeyPatch) -> Iterator[Between]:
    """Stand between a stage's pipeline and its Stripe."""
    direct = stage.settings
    with between(direct.stripe_api_base) as one:
        settings = Settings(stripe_api_key=direct.stripe_api_key, stripe_api_base=one.address)
        monkeypatch.setattr(Stage, "settings", property(lambda _: settings))
        yield one
