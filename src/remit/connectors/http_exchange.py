"""One request, one answer, over the wire; the only file that knows the HTTP library.

The transport is used without its client: no cookies, no redirects, no proxy or password from the environment,
no log line with an address in it.
"""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

from remit.connectors.credentials import Secret, redact
from remit.errors import BadInput, Refused, Unreachable

if TYPE_CHECKING:
    import httpx2

__all__ = [
    "BYTES_MAX",
    "HttpAnswer",
    "HttpExchange",
    "HttpRequest",
    "MaybeSent",
    "NotSent",
    "one_origin_client",
    "origin",
]

BYTES_MAX: Final = 1_048_576
STREAM_BYTES_MAX: Final = 67_108_864
SECRET_LENGTH_MIN: Final = 8  # a shorter one could be a part of an honest value, which must not be changed


class NotSent(Exception):
    """Nothing of the request went on the wire."""


class MaybeSent(Exception):
    """The request, or a part of it, went on the wire, and no whole answer came back."""


@dataclass(frozen=True, slots=True)
class HttpRequest:
    """What is sent. ``url`` is whole and encoded. ``secrets`` are taken out of whatever comes back."""

    method: str
    url: str
    headers: Mapping[str, str] = field(default_factory=dict)
    body: bytes | None = None
    secrets: tuple[Secret, ...] = ()


@dataclass(frozen=True, slots=True)
class HttpAnswer:
    """What came back. ``headers`` have lower-case names. ``problem`` says why the body is not to be used."""

    status: int
    headers: Mapping[str, str]
    body: bytes
    problem: str = ""


def origin(url: str) -> tuple[str, str, int]:
    """Return scheme, host and port of an address, as the library that will ask it understands them.

    Raises:
        BadInput: not an address, not http or https, or with a user in it.
    """
    import httpx2

    try:
        parsed = httpx2.URL(url)
    except (httpx2.InvalidURL, ValueError, TypeError):
        raise BadInput("not an address") from None
    if parsed.scheme not in {"http", "https"} or not parsed.host:
        raise BadInput("not an http or https address")
    if parsed.userinfo:
        raise BadInput("an address with a user or password in it is not taken; use auth:")
    return parsed.scheme, parsed.host.lower(), parsed.port or (443 if parsed.scheme == "https" else 80)


class HttpExchange:
    """Connections to one origin. Anything else is not asked, whoever names it."""

    def __init__(self, url: str, connections_max: int, answer_bytes_max: int = BYTES_MAX):
        self.origin = origin(url)
        self._connections_max = connections_max
        self._answer_bytes_max = answer_bytes_max
        self._transport: httpx2.AsyncHTTPTransport | None = None
        self._closed = False

    async def send(self, request: HttpRequest, timeout_seconds: float) -> HttpAnswer:
        """Send one request once and return its answer, whatever its status.

        Raises:
            NotSent: it certainly did not reach the system.
            MaybeSent: it may have reached the system.
            Refused: not sent, and never will be: another origin, or a header that is more than printable
                ASCII.
            Unreachable: not sent, because this was closed.
        """
        import httpx2

        sent = False

        async def trace(event: str, info: dict[str, Any]) -> None:
            nonlocal sent
            sent = sent or ".send_" in event

        built = self._built(request)
        built.extensions = {
            "timeout": httpx2.Timeout(timeout_seconds).as_dict(),
            "trace": trace,
        }
        try:
            async with asyncio.timeout(timeout_seconds):
                return await self._exchange(built, request.secrets)
        except TimeoutError:
            what = f"no whole answer within {timeout_seconds:g} s"
        except httpx2.TimeoutException as error:
            what = f"time-out ({type(error).__name__})"
        except (httpx2.HTTPError, httpx2.InvalidURL, httpx2.StreamError, OSError, RuntimeError) as error:
            text = str(error).splitlines()[0][:120] if str(error) else "connection broke"
            what = redact(f"{text} ({type(error).__name__})", request.secrets)
        raise MaybeSent(what) if sent else NotSent(what)

    def _built(self, request: HttpRequest) -> httpx2.Request:
        import httpx2

        if self._closed:
            raise Unreachable("the connector is closed")
        try:
            if origin(request.url) != self.origin:
                raise Refused("another host than the one described is not asked")
        except BadInput as error:
            raise Refused(str(error)) from None
        for name, value in request.headers.items():
            if not (value.isascii() and value.isprintable() and value.strip() == value):
                raise Refused(f"header {name} would hold more than printable ASCII")
        # An answer that is not compressed cannot grow after it was measured.
        headers = {"Accept-Encoding": "identity", "User-Agent": "remit", **request.headers}
        return httpx2.Request(request.method, request.url, headers=headers, content=request.body)

    async def _exchange(self, request: httpx2.Request, secrets: tuple[Secret, ...]) -> HttpAnswer:
        import httpx2

        if self._transport is None:
            limits = httpx2.Limits(max_connections=self._connections_max, keepalive_expiry=5.0)
            # Plain http needs no certificates; loading them takes longer than a call. A context without any trusts
            # nobody, should it ever be used.
            trust = True if self.origin[0] == "https" else ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
            self._transport = httpx2.AsyncHTTPTransport(verify=trust, limits=limits, trust_env=False)
        response = await self._transport.handle_async_request(request)
        try:
            headers = {name.lower(): value for name, value in response.headers.items()}
            if headers.get("content-encoding", "identity") != "identity":
                return HttpAnswer(response.status_code, headers, b"", "compressed, which was not asked for")
            body = bytearray()
            async for chunk in response.aiter_raw():
                body += chunk
                if len(body) > self._answer_bytes_max:
                    return HttpAnswer(response.status_code, headers, b"", f"larger than {self._answer_bytes_max} bytes")
        finally:
            await response.aclose()
        text = redact(bytes(body).decode("utf-8", "surrogateescape"), secrets, SECRET_LENGTH_MIN)
        return HttpAnswer(response.status_code, headers, text.encode("utf-8", "surrogateescape"))

    async def close(self) -> None:
        """Close the connections; sending afterwards is NotSent."""
        self._closed = True
        transport, self._transport = self._transport, None
        if transport is not None:
            await transport.aclose()


def one_origin_client(
    url: str, headers: Mapping[str, str], timeout_seconds: float, answer_bytes_max: int = STREAM_BYTES_MAX
) -> httpx2.AsyncClient:
    """Return a client for a library that brings its own protocol: it asks the origin of ``url`` and no other.

    It follows no redirect, takes no proxy or password from the environment, asks for nothing compressed, and breaks off
    an answer of more than ``answer_bytes_max``.

    Raises:
        BadInput: as `origin` does.
    """
    import httpx2

    allowed = origin(url)

    class Bounded(httpx2.AsyncByteStream):
        def __init__(self, stream: httpx2.AsyncByteStream):
            self._stream = stream

        async def __aiter__(self) -> AsyncIterator[bytes]:
            size = 0
            async for chunk in self._stream:
                size += len(chunk)
                if size > answer_bytes_max:
                    raise httpx2.ReadError(f"an answer larger than {answer_bytes_max} bytes")
                yield chunk

        async def aclose(self) -> None:
            await self._stream.aclose()

    async def only_there(request: httpx2.Request) -> None:
        if origin(str(request.url)) != allowed:
            raise httpx2.UnsupportedProtocol("another host than the one described is not asked")

    async def no_more(response: httpx2.Response) -> None:
        assert isinstance(response.stream, httpx2.AsyncByteStream)
        response.stream = Bounded(response.stream)

    return httpx2.AsyncClient(
        headers={"Accept-Encoding": "identity", "User-Agent": "remit", **headers},
        timeout=timeout_seconds,
        trust_env=False,
        follow_redirects=False,
        event_hooks={"request": [only_there], "response": [no_more]},
    )
