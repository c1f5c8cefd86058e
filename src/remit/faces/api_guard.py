"""What stands before the API: each request must come for this machine, from no other site, with the token, and small.

One route goes without: events for a source whose sender signs them. The signature stands for the token there, and who
receives them checks it; such a sender calls a public name, so the name is not asked either.
Pure ASGI, so that nothing of a body is kept or looked at before these checks passed.
"""

from __future__ import annotations

import asyncio
import json
import os
import re
import sys
import traceback
from collections.abc import Awaitable, Callable, Mapping, MutableMapping
from typing import Any, Final

from remit.errors import RemitError, StoreUnavailable
from remit.faces.api_token import ApiToken

__all__ = ["BODY_BYTES_MAX", "OPEN_PATHS", "UNTOLD", "ApiGuard"]

BODY_BYTES_MAX: Final = 1_048_576
OPEN_PATHS: Final = frozenset({"/health"})
"""What is answered without the token."""
UNTOLD: Final = "remit.no_token"
"""The key in a request's scope that says: it showed no token, so it counts only by its signature."""
PATIENCE_SECONDS: Final = 20.0
"""How long a caller without the token may take to send its body: it must not hold a place for ever."""

_EVENTS: Final = re.compile(r"/v1/sources/([^/]{1,200})/events")

_LOOPBACK: Final = re.compile(r"(localhost|127(\.[0-9]{1,3}){3}|\[::1\])(:[0-9]{1,5})?")

Scope = MutableMapping[str, Any]
Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
Application = Callable[[Scope, Receive, Send], Awaitable[None]]


class _Refusal(Exception):
    def __init__(self, status: int, error: str, what: str, advice: str):
        self.status, self.body = status, {"error": error, "what": what, "advice": advice}
        super().__init__(what)


class ApiGuard:
    """ASGI middleware. Also the last resort: whatever fails behind it is answered in one line, without a traceback."""

    def __init__(
        self,
        app: Application,
        token: ApiToken,
        is_signed: Callable[[str], bool],
        patience_seconds: float = PATIENCE_SECONDS,
    ):
        """``is_signed`` says of a source's name whether its sender signs; it may block, and is asked in a thread."""
        self._app, self._token, self._is_signed, self._patience_seconds = app, token, is_signed, patience_seconds

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request, or hand it on."""
        if scope["type"] != "http":
            if scope["type"] == "lifespan":
                await self._app(scope, receive, send)
            return
        started = False

        async def sending(message: Message) -> None:
            nonlocal started
            started = started or message["type"] == "http.response.start"
            await send(message)

        try:
            patience_seconds = await self._check(scope)
            body = await _read(scope, receive, patience_seconds)
            if body is not None:
                await self._app(scope, _replaying(body, receive), sending)
        except _Refusal as refusal:
            await _answer(send, refusal.status, refusal.body)
        except Exception as error:
            _report(error)
            if not started:
                what = f"internal error: {type(error).__name__}"
                await _answer(send, 500, {"error": "RemitError", "what": what, "advice": RemitError().advice})

    async def _check(self, scope: Scope) -> float | None:
        """Refuse what may not pass; return how long its body may take, None when that is left to it."""
        scope.pop(UNTOLD, None)
        shown = self._token.is_shown_by(_one(scope, b"authorization"))
        if not shown and await self._goes_by_signature(scope):
            scope[UNTOLD] = True
            return self._patience_seconds
        host = _one(scope, b"host").decode("latin-1").lower()
        if not _LOOPBACK.fullmatch(host):
            raise _Refusal(
                403, "NotAllowed", f"host: got {host!r:.80}, expected a loopback name",
                "Call the server by 127.0.0.1, localhost or [::1]; another name may be another site's trick.",
            )  # fmt: skip
        origin = _one(scope, b"origin").decode("latin-1").lower()
        if origin and origin != f"http://{host}":
            raise _Refusal(
                403, "NotAllowed", f"origin: got {origin!r:.80}, expected http://{host}",
                "Pages of other sites may not call this API.",
            )  # fmt: skip
        if not shown and scope["path"] not in OPEN_PATHS:
            raise _Refusal(
                401, "NotAllowed", "no token, or another one",
                "Send `Authorization: Bearer TOKEN` with the token in the company's .remit/api.token.",
            )  # fmt: skip
        return None

    async def _goes_by_signature(self, scope: Scope) -> bool:
        found = _EVENTS.fullmatch(scope["path"])
        if found is None or scope["method"] != "POST":
            return False
        try:
            return await asyncio.to_thread(self._is_signed, found[1])
        except StoreUnavailable as error:
            raise _Refusal(503, "StoreUnavailable", str(error), error.advice) from None


def _one(scope: Scope, name: bytes) -> bytes:
    values = [value for key, value in scope["headers"] if key.lower() == name]
    if len(values) > 1:
        raise _Refusal(400, "BadInput", f"header {name.decode()} stands {len(values)} times", "Send it once.")
    return bytes(values[0]) if values else b""


async def _read(scope: Scope, receive: Receive, patience_seconds: float | None) -> bytes | None:
    """Read the whole body; None when the caller went away."""
    try:
        async with asyncio.timeout(patience_seconds):
            return await _read_all(scope, receive)
    except TimeoutError:
        what = f"the body was not here within {patience_seconds:.0f} s"
        raise _Refusal(408, "BadInput", what, "Send it again, without a pause.") from None


async def _read_all(scope: Scope, receive: Receive) -> bytes | None:
    told = _one(scope, b"content-length")
    if told.isdigit() and int(told[:20]) > BODY_BYTES_MAX:
        raise _too_large()
    parts, size = [], 0
    while True:
        message = await receive()
        if message["type"] != "http.request":
            return None
        part = message.get("body", b"")
        size += len(part)
        if size > BODY_BYTES_MAX:
            raise _too_large()
        parts.append(part)
        if not message.get("more_body", False):
            return b"".join(parts)


def _too_large() -> _Refusal:
    what = f"body larger than {BODY_BYTES_MAX} bytes"
    return _Refusal(413, "BadInput", what, "Send less, or hand large things over by name.")


def _replaying(body: bytes, receive: Receive) -> Receive:
    given = False

    async def replay() -> Message:
        nonlocal given
        if given:
            return await receive()
        given = True
        return {"type": "http.request", "body": body, "more_body": False}

    return replay


async def _answer(send: Send, status: int, body: Mapping[str, str]) -> None:
    content = json.dumps(body).encode()
    headers = [(b"content-type", b"application/json"), (b"content-length", str(len(content)).encode())]
    if status == 401:
        headers.append((b"www-authenticate", b"Bearer"))
    if status in (408, 413):
        headers.append((b"connection", b"close"))
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": content})


def _report(error: Exception) -> None:
    if os.environ.get("REMIT_DEBUG") == "1":
        traceback.print_exception(error)
    else:
        sys.stderr.write(f"remit: internal error: {type(error).__name__}; REMIT_DEBUG=1 shows where\n")
