"""What stands before the API: each request must come for this machine, from no other site, with the token, and small.

Pure ASGI, so that nothing of a body is kept or looked at before these checks passed.
"""

from __future__ import annotations

import json
import os
import re
import sys
import traceback
from collections.abc import Awaitable, Callable, Mapping, MutableMapping
from typing import Any, Final

from remit.errors import RemitError
from remit.faces.api_token import ApiToken

__all__ = ["BODY_BYTES_MAX", "OPEN_PATHS", "ApiGuard"]

BODY_BYTES_MAX: Final = 1_048_576
OPEN_PATHS: Final = frozenset({"/health"})
"""What is answered without the token."""

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

    def __init__(self, app: Application, token: ApiToken):
        self._app, self._token = app, token

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
            self._check(scope)
            body = await _read(scope, receive)
            if body is not None:
                await self._app(scope, _replaying(body, receive), sending)
        except _Refusal as refusal:
            await _answer(send, refusal.status, refusal.body)
        except Exception as error:
            _report(error)
            if not started:
                what = f"internal error: {type(error).__name__}"
                await _answer(send, 500, {"error": "RemitError", "what": what, "advice": RemitError().advice})

    def _check(self, scope: Scope) -> None:
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
        if scope["path"] not in OPEN_PATHS and not self._token.is_shown_by(_one(scope, b"authorization")):
            raise _Refusal(
                401, "NotAllowed", "no token, or another one",
                "Send `Authorization: Bearer TOKEN` with the token in the company's .remit/api.token.",
            )  # fmt: skip


def _one(scope: Scope, name: bytes) -> bytes:
    values = [value for key, value in scope["headers"] if key.lower() == name]
    if len(values) > 1:
        raise _Refusal(400, "BadInput", f"header {name.decode()} stands {len(values)} times", "Send it once.")
    return bytes(values[0]) if values else b""


async def _read(scope: Scope, receive: Receive) -> bytes | None:
    """Read the whole body; None when the caller went away."""
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
    if status == 413:
        headers.append((b"connection", b"close"))
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": content})


def _report(error: Exception) -> None:
    if os.environ.get("REMIT_DEBUG") == "1":
        traceback.print_exception(error)
    else:
        sys.stderr.write(f"remit: internal error: {type(error).__name__}; REMIT_DEBUG=1 shows where\n")
