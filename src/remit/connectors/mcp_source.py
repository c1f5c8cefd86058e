"""Rows from the resources of an MCP server: each resource a row, or the records that its JSON holds."""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncGenerator, AsyncIterator, Mapping, Sequence
from contextlib import AsyncExitStack
from datetime import datetime
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any, Final

from remit.connectors.answer import as_moment, walk, zone
from remit.connectors.authentication import AUTHENTICATION_SCHEMA, Authentication, Credential, open_authentication
from remit.connectors.credentials import Secret, redact
from remit.connectors.http_exchange import one_origin_client, origin
from remit.connectors.pace import Pace, PaceLimits, Timing
from remit.connectors.record_rows import RECORDS_MAX_SCHEMA, in_batches, parse_records
from remit.connectors.source_kinds import SourceKind
from remit.connectors.source_reader import SourceRows, TableAsk, add_note
from remit.connectors.system_file import Opening, SystemFile
from remit.document import Document, duration_seconds, expand_environment
from remit.errors import BadInput, Finding, Refused, RemitError, Unreachable

__all__ = ["MCP_SOURCE", "McpServer", "McpSource"]

TRIES: Final = 3
TIMEOUT: Final = "30s"
START_SECONDS: Final = 20.0  # a command may have much to load before it answers
RESOURCES_MAX: Final = 100_000
PAGES_MAX: Final = 10_000
TEXT_LENGTH_MAX: Final = 8_388_608
NO_SUCH_RESOURCE: Final = frozenset({-32002, -32602})


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


class McpSource:
    """Reads the resources of one server. Implements `SourceReader`.

    Columns of a resource: uri, name, title, mime_type, text, modified, size. With ``expand`` its text is JSON, whose
    records are the rows, and ``uri`` stands beside them.
    """

    def __init__(self, name: str, server: McpServer, timing: Timing):
        self.notes: list[str] = []
        self._name = name
        self._server = server
        self._pace = Pace(name, PaceLimits(tries=TRIES), timing)
        self._task: asyncio.Task[None] | None = None

    def read(self, ask: TableAsk) -> AsyncIterator[SourceRows]:
        """Read one table's rows; see `SourceReader.read`."""
        return in_batches(self._groups(ask), ask, ask.table)

    async def _groups(self, ask: TableAsk) -> AsyncGenerator[Sequence[Mapping[str, Any]], None]:
        """Yield what a task of its own reads: the SDK's sessions must be left by the task that entered them."""
        ready: asyncio.Queue[Sequence[Mapping[str, Any]] | RemitError | None] = asyncio.Queue(2)
        reading = _Reading(self._name, ask, self._server, self._pace, self.notes)

        async def work() -> None:
            try:
                await reading.run(ready)
                await ready.put(None)
            except RemitError as error:
                await ready.put(error)
            finally:
                await self._server.close()

        self._task = asyncio.create_task(work())
        try:
            while (found := await ready.get()) is not None:
                if isinstance(found, RemitError):
                    raise found
                yield found
        finally:
            await self._stop()

    async def _stop(self) -> None:
        task, self._task = self._task, None
        if task is not None:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)

    async def taken(self, ask: TableAsk) -> None:
        """Do nothing: the server keeps no account of what was read."""

    async def close(self) -> None:
        """End the session, if any."""
        await self._stop()


class _Reading:
    """One table, read once: first what there is, then each resource; a session that fails is opened anew."""

    def __init__(self, name: str, ask: TableAsk, server: McpServer, pace: Pace, notes: list[str]):
        self._what = f"{name}.{ask.table}"
        self._ask = ask
        self._server = server
        self._pace = pace
        self._notes = notes
        self._left: list[Any] | None = None
        self._steps = 0
        self._missing: set[str] = set()
        self._wrong = ""

    async def run(self, ready: asyncio.Queue[Any]) -> None:
        """Put every resource's records into ``ready``.

        Raises:
            Refused, Unreachable: as `SourceReader.read` says.
        """
        attempt = 1
        while True:
            steps = self._steps
            try:
                async with AsyncExitStack() as stack:
                    async with asyncio.timeout(self._server.timeout_seconds + START_SECONDS):
                        client = await self._server.session(stack)
                    await self._resources(client, ready)
                break
            except (Refused, asyncio.CancelledError):
                raise
            except Exception as error:  # the SDK lets through what its transports raise, in groups
                refused = _within(error, Refused)
                if refused is not None:
                    raise refused from None
                self._server.failed()
                problem = f"{self._what}: {self._said(error)}"
                attempt = 1 if self._steps > steps else attempt  # it went on: this is a new trouble
                if attempt >= TRIES:
                    raise Unreachable(f"{problem} (attempt {attempt} of {TRIES})") from None
                add_note(self._notes, f"{problem}; asked again")
                await self._pace.pause(attempt, None)
                attempt += 1
        if self._wrong:
            raise Unreachable(self._wrong)

    async def _resources(self, client: Any, ready: asyncio.Queue[Any]) -> None:
        from mcp.shared.exceptions import MCPError

        if self._left is None:
            self._left = list(reversed(await self._listed(client)))
            self._steps += 1
        while self._left:
            resource = self._left[-1]
            try:
                result = await client.read_resource(str(resource.uri))
            except MCPError as error:
                if error.code not in NO_SUCH_RESOURCE:
                    raise
                self._missing.add(str(resource.uri))
            else:
                await ready.put(self._records(resource, result.contents))
            self._left.pop()
            self._steps += 1
        if self._missing:
            there = {str(resource.uri) for resource in await self._listed(client)}
            if kept := sorted(self._missing & there):
                self._wrong = f"{self._what}: {len(kept)} resources are listed and not given, such as {kept[0]:.200}"
            elif self._missing:
                add_note(self._notes, f"{self._what}: {len(self._missing)} resources went away while they were read")

    async def _listed(self, client: Any) -> list[Any]:
        """Every resource that the table wants."""
        found: list[Any] = []
        cursor, seen = None, set()
        for _ in range(PAGES_MAX):
            page = await client.list_resources(cursor=cursor)
            found += [resource for resource in page.resources if self._wants(resource)]
            if len(found) > RESOURCES_MAX:
                break
            cursor = page.next_cursor
            if cursor is None:
                return found
            if cursor in seen:
                raise Refused(f"{self._what}: the same page of the list of resources came again")
            seen.add(cursor)
        raise Refused(f"{self._what}: more than {RESOURCES_MAX} resources or {PAGES_MAX} pages of them")

    def _wants(self, resource: Any) -> bool:
        if not fnmatchcase(str(resource.uri), self._ask.options.get("uri", "*")):
            return False
        if self._ask.since is None or self._ask.cursor_column != "modified" or self._ask.options.get("expand"):
            return True
        since, modified = self._moment(self._ask.since), self._moment(_modified(resource))
        return since is None or modified is None or modified >= since

    def _moment(self, text: object) -> datetime | None:
        try:
            return as_moment(text, zone(self._ask.zone))
        except BadInput:
            return None

    def _records(self, resource: Any, contents: Sequence[Any]) -> list[Mapping[str, Any]]:
        uri = str(resource.uri)
        texts = [part.text for part in contents if getattr(part, "text", None) is not None]
        if self._ask.options.get("expand"):
            return self._expanded(uri, "".join(texts))
        text = "\n".join(texts) if texts else None
        if text is not None and len(text) > TEXT_LENGTH_MAX:
            add_note(self._notes, f"{self._what}: {uri:.200} is cut at {TEXT_LENGTH_MAX} characters")
            text = text[:TEXT_LENGTH_MAX]
        return [
            {
                "uri": uri,
                "name": resource.name,
                "title": resource.title,
                "mime_type": resource.mime_type,
                "text": text,
                "modified": _modified(resource),
                "size": resource.size,
            }
        ]

    def _expanded(self, uri: str, text: str) -> list[Mapping[str, Any]]:
        path = self._ask.options.get("items", "")
        try:
            found = walk(parse_records(text.encode("utf-8", "surrogatepass")), path)
        except BadInput as error:
            # The others are read to the end, but this was not everything: nothing may be taken for gone.
            self._wrong = self._wrong or f"{self._what}: {uri:.200} is {error}"
            return []
        records: list[Any] = found if isinstance(found, list) else [found]
        if not all(isinstance(record, dict) for record in records):
            self._wrong = self._wrong or f"{self._what}: {uri:.200} holds no records{f' at {path!r}' if path else ''}"
            return []
        return [{"uri": uri, **record} for record in records]

    def _said(self, error: Exception) -> str:
        """What went wrong in one line: the first of a group, without secrets."""
        first: BaseException = error
        while isinstance(first, BaseExceptionGroup):
            first = first.exceptions[0]
        if isinstance(first, TimeoutError):
            return f"no answer within {self._server.timeout_seconds:g} s"
        text = redact(" ".join(str(first).split()), self._server.secrets)[:200]
        shown = "".join(character if character.isprintable() else "?" for character in text)
        return f"{shown or 'the session broke'} ({type(first).__name__})"


def _within(error: BaseException, kind: type[Refused]) -> Refused | None:
    if isinstance(error, kind):
        return error
    if isinstance(error, BaseExceptionGroup):
        return next((found for one in error.exceptions if (found := _within(one, kind)) is not None), None)
    return None


def _modified(resource: Any) -> str | None:
    notes = resource.annotations
    return None if notes is None else notes.last_modified


def _check(document: Document) -> tuple[Finding, ...]:
    found: list[Finding] = []
    connect = document.value["connect"]
    if ("url" in connect) == ("command" in connect):
        found.append(document.finding(("connect",), "expected one of url: and command:", "url: https://host/mcp"))
    for key, needs in (("auth", "url"), ("environment", "command")):
        if key in connect and needs not in connect:
            found.append(document.finding(("connect", key), f"{key}: goes with {needs}:"))
    if "query" in connect.get("auth", {}):
        found.append(document.finding(("connect", "auth", "query"), "query: the key goes into a header here"))
    for name, table in document.value["tables"].items():
        if "items" in table and not table.get("expand"):
            found.append(document.finding(("tables", name, "items"), "items: goes with expand: true"))
        if table.get("changed") not in {None, "modified"} and not table.get("expand"):
            place = ("tables", name, "changed")
            found.append(document.finding(place, "changed: a resource says it in its column modified", "modified"))
    return tuple(found)


def _open(
    name: str,
    connect: Mapping[str, Any],
    folder: Path,
    environment: Mapping[str, str] | None,
    timing: Timing,
    inbox: object,
) -> McpSource:
    del folder, inbox
    return McpSource(name, McpServer(name, connect, environment, timing), timing)


_WORD: Final = {"type": "string", "minLength": 1, "maxLength": 1000}

MCP_SOURCE: Final = SourceKind(
    {
        "type": "object",
        "additionalProperties": False,
        "properties": {
            "url": _WORD,
            "auth": AUTHENTICATION_SCHEMA,
            "command": {"type": "array", "items": _WORD, "minItems": 1, "maxItems": 100},
            "environment": {
                "type": "object",
                "propertyNames": {"pattern": "^[A-Za-z_][A-Za-z0-9_]{0,99}$"},
                "additionalProperties": {"type": "string", "maxLength": 10_000},
            },
            "timeout": {"type": "string", "pattern": "^[1-9][0-9]{0,3}[sm]$"},
        },
    },
    {
        "type": "object",
        "additionalProperties": False,
        "properties": {
            "uri": _WORD,
            "expand": {"type": "boolean"},
            "items": {"type": "string", "minLength": 1, "maxLength": 200},
            "records_max": RECORDS_MAX_SCHEMA,
        },
    },
    _check,
    _open,
    "low",
)
"""The kind ``mcp``. ``command`` is started and spoken to over its pipes, with ``environment`` beside the usual
variables; ``url`` is spoken to over streamable HTTP. A table takes the resources whose address fits ``uri``.
"""
