"""Requests as the handlers get them, answers as they give them, in the two dialects of the two APIs."""

from dataclasses import dataclass
from typing import Any
from urllib.parse import parse_qsl, unquote

import orjson

from stripe_cio_pipeline.sandbox.server import Scope, Send

Header = tuple[bytes, bytes]

TRACK_HEADERS: tuple[Header, ...] = (
    (b"access-control-allow-origin", b"*"),
    (b"cache-control", b"no-cache, no-store, must-revalidate, max-age=0"),
    (b"content-type", b"application/json; charset=utf-8"),
    (b"via", b"1.1 google"),
)
APP_HEADERS: tuple[Header, ...] = (
    (b"cache-control", b"must-revalidate,no-cache,no-store"),
    (b"content-type", b"application/json; charset=utf-8"),
    (b"expires", b"0"),
    (b"pragma", b"no-cache"),
    (b"via", b"1.1 google"),
    (b"x-content-type-options", b"nosniff"),
)
_REASONS = {
    200: "OK",
    207: "Multi-Status",
    301: "Moved Permanently",
    302: "Found",
    307: "Temporary Redirect",
    308: "Permanent Redirect",
    400: "Bad Request",
    401: "Unauthorized",
    404: "Not Found",
    405: "Method Not Allowed",
    429: "Too Many Requests",
}


@dataclass(frozen=True, slots=True)
class Request:
    """One request; ``segments`` are the percent-decoded parts of its path, ``host`` its Host header."""

    method: str
    segments: tuple[str, ...]
    query: dict[str, str]
    host: str
    body: bytes


@dataclass(frozen=True, slots=True)
class Answer:
    """One answer; ``endpoint`` is what the counters call the request."""

    status: int
    body: bytes
    headers: tuple[Header, ...]
    endpoint: str = ""


def segments_of(scope: Scope) -> tuple[str, ...]:
    """Split the path as it was sent, so that an encoded slash stays part of an identifier."""
    raw: bytes = scope.get("raw_path") or scope["path"].encode()
    return tuple(unquote(part) for part in raw.decode("latin-1").split("?")[0].strip("/").split("/"))


def query_of(scope: Scope) -> dict[str, str]:
    """Read the query; an unencoded plus is a space, as in the live App API."""
    return dict(parse_qsl(scope["query_string"].decode("latin-1"), keep_blank_values=True))


def track(status: int, document: Any = None, *headers: Header, endpoint: str = "") -> Answer:
    """Give an answer of the Track API: JSON and a newline, or nothing at all where ``document`` is none."""
    body = b"" if document is None else orjson.dumps(document) + b"\n"
    told = (b"status", f"{status} {_REASONS.get(status, 'Error')}".encode())
    return Answer(status, body, (*TRACK_HEADERS, told, *headers), endpoint)


def app(status: int, document: Any, *headers: Header, endpoint: str = "") -> Answer:
    """Give an answer of the App API."""
    return Answer(status, orjson.dumps(document), (*APP_HEADERS, *headers), endpoint)


def app_error(status: int, detail: str, *headers: Header, endpoint: str = "") -> Answer:
    """Give an error in the App API's newest shape."""
    return app(status, {"errors": [{"detail": detail, "status": str(status)}]}, *headers, endpoint=endpoint)


ACCEPTED = track(200, {})


async def send_answer(send: Send, answer: Answer, *, chunked: bool = False) -> None:
    """Send an answer; the App API's come in chunks, without a length."""
    length = () if chunked else ((b"content-length", str(len(answer.body)).encode()),)
    await send({"type": "http.response.start", "status": answer.status, "headers": [*answer.headers, *length]})
    await send({"type": "http.response.body", "body": answer.body})
