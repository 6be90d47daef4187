"""The SDK's httpx client, made fit for hundreds of pages a second.

Two things cost more than the request itself and are avoided here: the SDK parses every body with the standard library
into ordered dicts (2 ms a page), and httpcore looks at the socket of every pooled connection for every request.
A third is avoided by depending on sniffio: where it is missing, httpcore looks for it on the disk ten times per request.
"""

import ssl
from collections.abc import Mapping
from typing import Any

import httpx
import stripe


class RawHeaders(httpx.Headers):
    """A good answer's headers, with its raw body along."""

    body: bytes = b""


class WireClient(stripe.HTTPXClient):
    """One connection for each request under way, and raw bytes past the SDK's parser.

    The SDK sees `{}` as the body of every 2xx answer; the bytes stand in `response.headers.body`. Errors go the SDK's
    way, with its error classes. Proxies and certificates are httpx's own (`HTTPS_PROXY`, `SSL_CERT_FILE`).
    """

    def __init__(self, timeout: httpx.Timeout) -> None:
        super().__init__(timeout=timeout)
        self._patience = timeout
        self._certificates: ssl.SSLContext | None = None
        self._idle: list[httpx.AsyncClient] = []

    async def request_async(
        self, method: str, url: str, headers: Mapping[str, str], post_data: Any = None
    ) -> tuple[bytes, int, Mapping[str, str]]:
        """Send one request. Raises stripe.APIConnectionError."""
        client = self._idle.pop() if self._idle else self._open(url)
        try:
            response = await client.request(method, url, headers=dict(headers))
        except Exception as broken:
            await client.aclose()
            raise stripe.APIConnectionError("The connection to Stripe failed.") from broken  # type: ignore[no-untyped-call]
        except BaseException:
            # Cancelled in the middle of an answer: this connection must not be used again.
            await client.aclose()
            raise
        self._idle.append(client)
        if not 200 <= response.status_code < 300:
            return response.content, response.status_code, response.headers
        carried = RawHeaders(response.headers)
        carried.body = response.content
        return b"{}", response.status_code, carried

    async def close_async(self) -> None:
        """Close every connection."""
        while self._idle:
            await self._idle.pop().aclose()
        await super().close_async()  # type: ignore[no-untyped-call]

    def _open(self, url: str) -> httpx.AsyncClient:
        if self._certificates is None and url.startswith("https:"):
            self._certificates = httpx.create_ssl_context()
        return httpx.AsyncClient(
            verify=self._certificates or False,
            timeout=self._patience,
            limits=httpx.Limits(max_connections=1, keepalive_expiry=None),
        )
