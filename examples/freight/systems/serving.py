"""How each system is run: its own process on loopback, that ends when its parent does.

A service prints one JSON line, ``{"service": NAME, "port": PORT}``, when it takes connections.
"""

from __future__ import annotations

import argparse
import base64
import binascii
import ctypes
import hmac
import json
import os
import secrets
import signal
import socket
import sys
import threading
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from starlette.requests import Request
    from starlette.responses import JSONResponse

__all__ = [
    "Endpoint",
    "basic_credentials",
    "die_with_parent",
    "problem",
    "read_body",
    "read_object",
    "same",
    "secret_of",
    "serve",
]

BODY_BYTES_MAX = 16_384
_PR_SET_PDEATHSIG = 1


def serve(name: str, application: Callable[[Path], Any]) -> None:
    """Run the service that ``application`` makes of its directory, until the parent is gone.

    The command line is ``--port 0 --dir D``; port 0 takes a free one. ``--alone`` runs without watching a
    parent.
    """
    import uvicorn

    parser = argparse.ArgumentParser(prog=name)
    parser.add_argument("--port", type=int, default=0)
    parser.add_argument("--dir", type=Path, required=True)
    parser.add_argument("--alone", action="store_true", help="do not end when standard input does")
    options = parser.parse_args()
    if not options.alone:
        die_with_parent()
    options.dir.mkdir(parents=True, exist_ok=True)
    app = application(options.dir)
    # The protocol is named so that asyncio knows these for TCP and turns Nagle's delay off: 40 ms an answer else.
    listener = socket.socket(socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    listener.bind(("127.0.0.1", options.port))
    listener.listen(256)
    print(json.dumps({"service": name, "port": listener.getsockname()[1]}), flush=True)
    config = uvicorn.Config(app, log_level="error", access_log=False, lifespan="off", timeout_graceful_shutdown=1)
    uvicorn.Server(config).run(sockets=[listener])


def die_with_parent() -> None:
    """End this process when its parent ends, however it ends.

    Standard input is a pipe that the parent holds open: its end is the sign on every system. On Linux the
    kernel kills as well, which needs no thread of ours to be running; note that it takes the parent's
    *thread* for the parent.
    """
    if sys.platform == "linux":
        ctypes.CDLL(None, use_errno=True).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
        if os.environ.get("FREIGHT_PARENT", str(os.getppid())) != str(os.getppid()):
            # The parent was gone before the kernel was asked.
            os._exit(0)
    threading.Thread(target=_watch_parent, daemon=True).start()


def _watch_parent() -> None:
    while os.read(0, 4096):
        pass
    os._exit(0)


def secret_of(name: str) -> str:
    """Return a secret from the environment; without one, a random one that nobody knows, so that all are
    refused.
    """
    return os.environ.get(name) or secrets.token_hex(32)


def same(got: str, expected: str) -> bool:
    """Compare two secrets in constant time."""
    return hmac.compare_digest(got.encode(), expected.encode())


def basic_credentials(request: Request) -> tuple[str, str] | None:
    """Return user and password of basic auth (RFC 7617), None when there are none."""
    scheme, _, coded = request.headers.get("authorization", "").partition(" ")
    if scheme.lower() != "basic":
        return None
    try:
        user, colon, password = base64.b64decode(coded, validate=True).decode().partition(":")
    except (binascii.Error, UnicodeDecodeError):
        return None
    return (user, password) if colon else None


def problem(status: int, text: str, headers: dict[str, str] | None = None) -> JSONResponse:
    """Answer that something is wrong."""
    from starlette.responses import JSONResponse

    return JSONResponse({"problem": text}, status, headers)


async def read_object(request: Request) -> dict[str, Any] | None:
    """Read the body as one JSON object of at most 16 KiB; None when it is anything else."""
    body = await read_body(request)
    if body is None:
        return None
    try:
        value = json.loads(body)
    except (ValueError, RecursionError):
        return None
    return value if isinstance(value, dict) else None


async def read_body(request: Request) -> bytes | None:
    """Read a body of at most 16 KiB; None when it is larger."""
    body = b""
    async for part in request.stream():
        body += part
        if len(body) > BODY_BYTES_MAX:
            return None
    return body


Endpoint = Callable[["Request"], Awaitable["JSONResponse"]]
