"""Sessions with one MCP server, through the protocol's own SDK: over the pipes of a command, or over HTTP."""

from __future__ import annotations

import os
from collections.abc import Mapping
from contextlib import AsyncExitStack
from typing import Any, Final

from remit.connectors.authentication import Authentication, Credential, open_authentication
from remit.connectors.credentials import Secret
from remit.connectors.http_exchange import one_origin_client, origin
from remit.connectors.pace import Timing
from remit.connectors.system_file import Opening, SystemFile
from remit.document import Document, duration_seconds, expand_environment
from remit.errors import BadInput, Refused

__all__ = ["McpServer"]

TIMEOUT: Final = "30s"


class McpServer:
    """How to open sessions: a command of this machine, or one address. Credentials are fetched for each session.

    ``secrets`` are taken out of what is told.
    """

    def __init__(self, name: str, connect: Mapping[str, Any], environment: Mapping[str, str] | None, timing: Timing):
        """Raises BadInput as `SourceKind.open` says."""
        self.timeout_seconds = float(duration_seconds(connect.get("timeout", TIMEOUT)))
        self.secrets: tuple[Secret, ...] = ()
        self._url = ""
        self._command = [expand_environment(part, environment) for part in connect.get("command", ())]
        given = connect.get("environment", {})
        self._variables = {key: expand_environment(text, environment) for key, text in given.items()}
        self._given = tuple(Secret(text) for text in self._variables.values())
        self._authentication: Authentication | None = None
        self._shown: Credential | None = None
        if self._command:
            return
        self._url = expand_environment(connect["url"], environment)
        auth = connect.get("auth", {"kind": "none"})
        scheme, host, _ = origin(self._url)
        if scheme == "http" and auth["kind"] != "none" and host not in {"localhost", "127.0.0.1", "::1"}:
            raise BadInput(f"{name}: credentials would travel unencrypted; use https")
        document = Document(f"source {name}", "", {"system": name, "kind": "mcp", "auth": auth}, {(): (0, 0)})
        self._opening = Opening(SystemFile(name, "mcp", document), environment)
        self._timing = timing
        self._authenticate()

    def _authenticate(self) -> Authentication:
        made = open_authentication(self._opening, self._url, self.timeout_seconds, self._timing)
        self._opening.finish()
        return made

    async def session(self, stack: AsyncExitStack) -> Any:
        """Return the SDK's client, open until ``stack`` closes; whatever the SDK raises is raised.

        Raises:
            Refused: the package mcp is not installed.
        """
        try:
            from mcp.client.client import Client
            from mcp.client.stdio import StdioServerParameters, stdio_client
            from mcp.client.streamable_http import streamable_http_client
        except ImportError:
            raise Refused("the package mcp is not installed; install remit[mcp]") from None
        transport: Any
        self.secrets = self._given
        if self._command:
            parameters = StdioServerParameters(command=self._command[0], args=self._command[1:], env=self._variables)
            # What the server says aside may hold anything.
            aside = stack.enter_context(open(os.devnull, "w", encoding="utf-8"))  # noqa: PTH123, SIM115
            transport = stdio_client(parameters, errlog=aside)
        else:
            if self._authentication is None:
                self._authentication = self._authenticate()
            self._shown = await self._authentication.credential()
            self.secrets = self._shown.secrets
            http = one_origin_client(self._url, self._shown.headers, self.timeout_seconds)
            await stack.enter_async_context(http)
            transport = streamable_http_client(self._url, http_client=http)
        return await stack.enter_async_context(Client(transport, read_timeout_seconds=self.timeout_seconds, cache=None))

    def failed(self) -> None:
        """After a session that failed: a token that has run out shows like any other failure."""
        if self._authentication is not None and self._shown is not None:
            self._authentication.renew(self._shown)

    async def close(self) -> None:
        """Let go of what fetches credentials; the next session begins anew."""
        authentication, self._authentication = self._authentication, None
        if authentication is not None:
            await authentication.close()
