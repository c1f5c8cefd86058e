"""A real MCP server, made with the SDK, in a process of its own: its resources and faults stand in a folder.

``resources.json`` lists them: uri, text, and perhaps mime_type, modified, missing. ``faults.json`` says, by what is
asked (``list``, ``read`` or an address), what goes wrong how often: exit, error, slow. With an address as second
argument it speaks streamable HTTP there, with a token that ``token.txt`` names if there is one.
"""

from __future__ import annotations

import asyncio
import json
import os
import sys
from pathlib import Path
from typing import Any

import mcp_types as types
from mcp.server.lowlevel import Server
from mcp.server.stdio import stdio_server
from mcp.shared.exceptions import MCPError

FOLDER = Path(sys.argv[1])
PAGE = 25


async def stumble(what: str) -> None:
    """Do what ``faults.json`` says of ``what``, once less the next time."""
    path = FOLDER / "faults.json"
    faults = json.loads(path.read_text()) if path.exists() else {}
    left = faults.get(what) or []
    if not left:
        return
    fault = left.pop(0)
    path.write_text(json.dumps(faults))
    if fault == "exit":
        os._exit(3)
    if fault == "slow":
        await asyncio.sleep(30)
    raise MCPError(-32603, "broken within, with mcp-secret in it")


def listed() -> list[dict[str, Any]]:
    return list(json.loads((FOLDER / "resources.json").read_text()))


async def list_resources(context: Any, params: Any) -> types.ListResourcesResult:
    await stumble("list")
    first = int(params.cursor or 0) if params is not None else 0
    found = listed()
    circle = (FOLDER / "circle").exists()
    resources = [
        types.Resource(
            uri=one["uri"],
            name=one["uri"].rpartition("/")[2],
            mime_type=one.get("mime_type"),
            annotations=types.Annotations(last_modified=one["modified"]) if "modified" in one else None,
        )
        for one in found[first : first + PAGE]
    ]
    after = str(first + PAGE) if first + PAGE < len(found) else None
    return types.ListResourcesResult(resources=resources, next_cursor="0" if circle else after)


async def read_resource(context: Any, params: Any) -> types.ReadResourceResult:
    with (FOLDER / "reads.txt").open("a") as log:
        log.write(f"{params.uri}\n")
    await stumble("read")
    await stumble(str(params.uri))
    for one in listed():
        if one["uri"] == str(params.uri) and not one.get("missing"):
            content = types.TextResourceContents(uri=one["uri"], mime_type=one.get("mime_type"), text=one["text"])
            return types.ReadResourceResult(contents=[content])
    raise MCPError(types.INVALID_PARAMS, "no such resource")


def guarded(app: Any) -> Any:
    """Ask for the token that stands in ``token.txt`` now; answer ``status.txt`` instead while it holds statuses."""

    async def checking(scope: Any, receive: Any, send: Any) -> None:
        if scope["type"] == "http":
            path = FOLDER / "status.txt"
            statuses = path.read_text().split() if path.exists() else []
            token = (FOLDER / "token.txt").read_text() if (FOLDER / "token.txt").exists() else ""
            shown = dict(scope["headers"]).get(b"authorization", b"").decode()
            status = 401 if token and shown != f"Bearer {token}" else int(statuses.pop(0)) if statuses else 0
            if status != 401 and path.exists():
                path.write_text(" ".join(statuses))
            if status:
                await send(
                    {"type": "http.response.start", "status": status, "headers": [(b"location", b"http://127.0.0.2/")]}
                )
                await send({"type": "http.response.body", "body": b"{}"})
                return
        await app(scope, receive, send)

    return checking


def main() -> None:
    server: Any = Server("shelf", on_list_resources=list_resources, on_read_resource=read_resource)
    (FOLDER / "environment.json").write_text(json.dumps(dict(os.environ)))
    if len(sys.argv) > 2:
        import uvicorn

        app = guarded(server.streamable_http_app(stateless_http=True, json_response=True))
        uvicorn.run(app, host="127.0.0.1", port=int(sys.argv[2]), log_level="error")
        return

    async def serve() -> None:
        async with stdio_server() as (reading, writing):
            await server.run(reading, writing, server.create_initialization_options())

    asyncio.run(serve())


if __name__ == "__main__":
    main()
