"""The SDK's httpx client, made fit for hundreds of pages a second.

Three things cost more than the request itself and are avoided here: the SDK parses every body with the standard library
into ordered dicts (2 ms a page), httpcore looks at the socket of every pooled connection for every request, and httpx's
client prepares each request for redirects, cookies and log-ins, none of which Stripe's API has.
A fourth is avoided by depending on sniffio: where it is missing, httpcore looks for it on the disk for every request.
"""

import ssl
from collections.abc import Mapping
from typing import Any
from urllib.request import getproxies, proxy_bypass

import httpx
import stripe

#: What httpx's client would add to the SDK's headers.
_HEADERS = {"Accept": "*/*", "Accept-Encoding": "gzip, deflate", "Connection": "keep-alive"}


#: A page of a hundred objects of half a megabyte each. What is larger is no answer of Stripe's.
MOST_BYTES = 64_000_000


class TooLargeError(Exception):
    """A body that nobody asked for."""


class RawHeaders(httpx.Headers):
    """A good answer's headers, with its raw body along."""

    body: bytes = b""


class WireClient(stripe.HTTPXClient):
    """One connection for each request under way, and raw bytes past the SDK's parser.

    The SDK sees `{}` as the body of every 2xx answer; the bytes stand in `response.headers.body`. Errors go the SDK's
    way, with its error classes. Proxies and certificates are found as everywhere (`HTTPS_PROXY`, `SSL_CERT_FILE`).
    """

    def __init__(self, timeout: httpx.Timeout) -> None:
        super().__init__(timeout=timeout)
        self._extensions = {"timeout": timeout.as_dict()}
        self._certificates: ssl.SSLContext | None = None
        self._idle: list[httpx.AsyncHTTPTransport] = []

    async def request_async(
        self, method: str, url: str, headers: Mapping[str, str], post_data: Any = None
    ) -> tuple[bytes, int, Mapping[str, str]]:
        """Send one request. Raises stripe.APIConnectionError."""
        address = httpx.URL(url)
        connection = self._idle.pop() if self._idle else self._open(address)
        request = httpx.Request(method, address, headers={**_HEADERS, **headers}, extensions=self._extensions)
        try:
            response = await connection.handle_async_request(request)
            body = await _read(response)
        except Exception as broken:
            await connection.aclose()
            raise stripe.APIConnectionError("The connection to Stripe failed.") from broken  # type: ignore[no-untyped-call]
        except BaseException:
            # Cancelled in the middle of an answer: this connection must not be used again.
            await connection.aclose()
            raise
        self._idle.append(connection)
        if not 200 <= response.status_code < 300:
            return body, response.status_code, response.headers
        carried = RawHeaders(response.headers)
        carried.body = body
        return b"{}", response.status_code, carried

    async def close_async(self) -> None:
        """Close every connection."""
        while self._idle:
            await self._idle.pop().aclose()
        await super().close_async()  # type: ignore[no-untyped-call]

    def _open(self, address: httpx.URL) -> httpx.AsyncHTTPTransport:
        if self._certificates is None and address.scheme == "https":
            self._certificates = httpx.create_ssl_context()
        return httpx.AsyncHTTPTransport(
            verify=self._certificates or False,
            proxy=proxy_for(address),
            limits=httpx.Limits(max_connections=1, keepalive_expiry=None),
        )


async def _read(response: httpx.Response) -> bytes:
    """Read a body to its end, but not for ever: what a few bytes unpack to may be more than there is memory."""
    chunks: list[bytes] = []
    size = 0
    async for chunk in response.aiter_bytes():
        size += len(chunk)
        if size > MOST_BYTES:
            raise TooLargeError(f"an answer of more than {MOST_BYTES // 1_000_000} MB")
        chunks.append(chunk)
    return b"".join(chunks)


def proxy_for(address: httpx.URL) -> str | None:
    """Find the proxy that the environment names for an address; None where it is reached directly."""
    proxies = getproxies()
    proxy = proxies.get(address.scheme) or proxies.get("all")
    if proxy is None or proxy_bypass(address.host):
        return None
    return proxy if "://" in proxy else f"http://{proxy}"
