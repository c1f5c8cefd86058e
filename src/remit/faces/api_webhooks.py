"""Taking in events that systems send: one route, for whatever a source's description says its sender sends.

Where the sender signs, its signature does instead of the token (see `api_guard`); unsigned events need the token.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, Final, Protocol

from fastapi import APIRouter, Depends, FastAPI, Request
from fastapi.responses import JSONResponse

from remit.errors import BadInput
from remit.faces.api_bodies import ERROR_SCHEMA, plain
from remit.faces.api_guard import UNTOLD

__all__ = ["mount_webhooks"]


class _Taken(Protocol):
    """What became of an event."""

    @property
    def id(self) -> str: ...
    @property
    def tables(self) -> tuple[str, ...]: ...
    @property
    def repeated(self) -> bool: ...


class _Receiving(Protocol):
    """The verb of `remit.app.Control` that this face calls."""

    def receive(self, source: str, headers: Mapping[str, str], body: bytes, *, peer: str) -> _Taken: ...


_ANSWER: Final = {
    "type": "object",
    "required": ["id", "tables", "repeated"],
    "properties": {
        "id": {"type": "string"},
        "tables": {"type": "array", "items": {"type": "string"}, "description": "which take it; none: it is not kept"},
        "repeated": {"type": "boolean", "description": "it had come before, and adds nothing"},
    },
}
_TAKES: Final[dict[str, Any]] = {
    "requestBody": {
        "required": True,
        "content": {kind: {"schema": {}} for kind in ("application/json", "application/cloudevents+json")},
    }
}
_ERRORS: Final[dict[int | str, dict[str, Any]]] = {
    status: {"description": words, "content": {"application/json": {"schema": ERROR_SCHEMA}}}
    for status, words in (
        (401, "no token, or another one, where the sender does not sign"),
        (403, "not signed by who holds the secret, or not lately"), (404, "no such source"),
        (408, "a body that was not sent to its end"), (413, "a body larger than 1 MiB"), (422, "no event"),
        (503, "the store is away: send it again"),
    )
}  # fmt: skip
_TAKEN: Final[dict[int | str, dict[str, Any]]] = {200: {"content": {"application/json": {"schema": _ANSWER}}}}
_MEANT: Final = ("ce-", "content-", "webhook-", "x-github-", "x-hub-")
"""How the headers begin that an event is read or believed by; proxies on the way may double others."""
_routes = APIRouter(prefix="/v1", responses=_ERRORS, default_response_class=JSONResponse)


async def _raw(request: Request) -> bytes:
    return await request.body()


@_routes.post("/sources/{source}/events", openapi_extra=_TAKES, responses=_TAKEN)
def receive(source: str, request: Request, raw: Annotated[bytes, Depends(_raw)]) -> JSONResponse:
    """Keep an event for the next load of the source; the same event again is answered alike and adds nothing."""
    control: _Receiving = request.app.state.control
    headers: dict[str, str] = {}
    for name, text in request.headers.items():
        if name in headers and name.startswith(_MEANT):
            raise BadInput(f"header {name:.60} stands twice; send it once")
        headers[name] = text
    # Who shows no token counts as from elsewhere, also when the source was one that signs only a moment ago.
    peer = request.client.host if request.client is not None and UNTOLD not in request.scope else ""
    received = control.receive(plain("source", source), headers, raw, peer=peer)
    return JSONResponse({"id": received.id, "tables": list(received.tables), "repeated": received.repeated})


def mount_webhooks(api: FastAPI) -> None:
    """Add the route to ``api``, whose ``state.control`` is the company."""
    api.include_router(_routes)
