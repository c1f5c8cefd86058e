"""A system that speaks HTTP and JSON."""

from __future__ import annotations

import json
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Mapping
from datetime import tzinfo
from typing import Any, Final

from remit.connectors.answer import MISSING, as_cost, as_moment, as_record, parse_answer, walk
from remit.connectors.authentication import open_authentication
from remit.connectors.connector import Done, Reading
from remit.connectors.http_attempts import HttpAttempts
from remit.connectors.http_exchange import BYTES_MAX, HttpAnswer, HttpExchange, HttpRequest, origin
from remit.connectors.http_schema import HTTP_SCHEMA, check_http, verb_and_path
from remit.connectors.pace import Pace, PaceLimits, Timing
from remit.connectors.paging import Page, Pager, PageRepeated, Step
from remit.connectors.placeholder import ABSENT, as_text, fill, fill_path, fill_query, fill_text
from remit.connectors.system_file import ConnectorKind, Opening, SystemFile
from remit.errors import BadInput, CannotTell, Refused, Unreachable
from remit.vocabulary import Json

__all__ = ["HTTP_KIND", "HttpConnector", "open_http"]

_NO_RECORD: Final = "no such record"


class HttpConnector:
    """Reads, lists and does what its description says, at one host. Implements `Connector`."""

    def __init__(self, system: SystemFile, base: str, attempts: HttpAttempts, local: tzinfo):
        self.name = system.name
        self._value = system.value
        self._base = base.rstrip("/")
        self._attempts = attempts
        self._local = local

    async def read(self, name: str, parameters: Mapping[str, Json]) -> Reading:
        """Read one fact; see `Connector.read`."""
        asking, what = self._asking("reads", name)
        answer = await self._attempts.read(self._request(what, asking, parameters), what, parameters)
        if answer.status in {204, 404, 410}:
            return Reading(None, problem=f"{_NO_RECORD} (status {answer.status})")
        value = _unreachable_unless_json(what, answer)
        if "items" in asking:
            found = _items(what, asking, value, parameters)
            if len(found) != 1:
                return Reading(None, problem=f"{len(found)} records" if found else _NO_RECORD)
            value = found[0]
        return self._reading(asking, value)

    def _reading(self, asking: Mapping[str, Any], value: Json) -> Reading:
        def at(key: str) -> Any:
            return walk(value, asking[key]) if key in asking else MISSING

        fact = walk(value, asking.get("value", ""))
        record = as_record(at("record"))
        observed_at = as_moment(at("observed"), self._local)
        if fact is MISSING:
            return Reading(None, record, observed_at, f"the answer has nothing at {asking['value']!r}")
        if fact is None:
            return Reading(None, record, observed_at, "the record has no value")
        unread = "observed" in asking and observed_at is None
        problem = f"no moment that can be read at {asking['observed']!r}" if unread else ""
        return Reading(fact, record, observed_at, problem)  # type: ignore[arg-type]

    async def records(self, name: str, parameters: Mapping[str, Json]) -> AsyncIterator[Mapping[str, Json]]:
        """List records, page by page; see `Connector.records`.

        A query whose parameter is missing is left out.
        """
        asking, what = self._asking("lists", name)
        async for page in self.pages(asking, what, parameters):
            for item in page.items:
                yield item  # type: ignore[misc]

    async def pages(
        self,
        asking: Mapping[str, Any],
        what: str,
        parameters: Mapping[str, Json],
        *,
        parse: Callable[[bytes], Json] = parse_answer,
        again: Callable[[str], bool] = lambda why: False,
    ) -> AsyncGenerator[Page, None]:
        """Yield the pages of the list that ``asking`` describes; ``what`` begins every error text.

        ``again`` is told why a page is of no use (it came before, or its body is no list) and says whether to ask for
        that page once more.

        Raises:
            Refused, Unreachable: as `records` does.
        """
        pager = Pager(what, asking.get("paging", {"kind": "none"}))
        step: Step | None = pager.first()
        while step is not None:
            request = self._request(what, asking, parameters, optional=True, more=step.parameters)
            if step.url:
                request = HttpRequest(request.method, step.url, request.headers, request.body)
            answer = await self._attempts.read(request, what, parameters)
            if answer.status in {404, 410}:
                raise Refused(f"{what}: status {answer.status}")
            try:
                value = None if answer.status == 204 else _unreachable_unless_json(what, answer, parse)
                items: list[Json] = [] if value is None else list(_items(what, asking, value, parameters))
                page = Page(value, items, answer.headers, request.url)
                # The next step is found before the records are handed out: a page that repeats is never handed
                # out twice.
                step = pager.after(page)
            except (PageRepeated, Unreachable) as error:
                if again(str(error)):
                    continue
                raise
            yield page

    async def perform(self, operation: str, arguments: Mapping[str, Json], key: str) -> Done:
        """Do it once; see `Connector.perform`."""
        asking, what = self._asking("does", operation)
        parameters = {**arguments, "key": key}
        request = self._request(what, asking, parameters, body=dict(arguments))
        keyed = "key_header" in asking
        if keyed:
            headers = {**request.headers, asking["key_header"]: key}
            request = HttpRequest(request.method, request.url, headers, request.body)
        answer = await self._attempts.effect(
            request, what, arguments, keyed=keyed, accepted_is_done=asking.get("accepted_is_done", False)
        )
        if answer.status == 204 or (not answer.body and not answer.problem):
            return Done({})
        try:
            return _done(asking, _json(answer))
        except BadInput as error:
            raise CannotTell(f"{what}: status {answer.status}, but the answer is {error}") from None

    async def lookup(self, operation: str, key: str, arguments: Mapping[str, Json]) -> Done | None:
        """Ask what became of ``key``; see `Connector.lookup`."""
        try:
            asking, what = self._asking("does", operation)
            if "lookup" not in asking:
                raise CannotTell(f"{what}: its description has no lookup")
            return await self._look(asking, asking["lookup"], {**arguments, "key": key}, f"{what}: lookup")
        except Refused as error:
            raise CannotTell(str(error)) from None

    async def _look(
        self, asking: Mapping[str, Any], look: Mapping[str, Any], parameters: Mapping[str, Json], what: str
    ) -> Done | None:
        answer = await self._attempts.read(self._request(what, look, parameters), what, parameters)
        if "items" not in look:
            if answer.status in {404, 410}:
                return None
            return _done(asking, _unreachable_unless_json(what, answer))
        if answer.status != 200:
            raise CannotTell(f"{what}: status {answer.status}")
        found = _items(what, look, _unreachable_unless_json(what, answer), parameters)
        if len(found) > 1:
            raise CannotTell(f"{what}: {len(found)} records under one key")
        return _done(asking, found[0]) if found else None

    async def close(self) -> None:
        """Close the connections."""
        await self._attempts.close()

    def _asking(self, section: str, name: str) -> tuple[Mapping[str, Any], str]:
        asking = self._value.get(section, {}).get(name)
        if asking is None:
            raise Refused(f"{self.name}: its description has no {name!r:.80} under {section}")
        return asking, f"{self.name}.{name}"

    def _request(
        self,
        what: str,
        asking: Mapping[str, Any],
        parameters: Mapping[str, Json],
        *,
        optional: bool = False,
        more: Mapping[str, str] | None = None,
        body: Mapping[str, Json] | None = None,
    ) -> HttpRequest:
        """Fill in what is asked; what cannot be filled in is refused, for it was not sent."""
        verb, path = verb_and_path(asking)
        headers = {"Accept": "application/json"}
        try:
            query = fill_query(asking.get("query", {}), parameters, optional=optional)
            added = fill_query({name: text.replace("$", "$$") for name, text in (more or {}).items()}, {})
            query = "&".join(part for part in (query, added) if part)
            url = self._base + fill_path(path, parameters) + (f"?{query}" if query else "")
            headers |= {name: fill_text(text, parameters) for name, text in asking.get("headers", {}).items()}
            content = fill(asking["body"], parameters) if "body" in asking else body
        except BadInput as error:
            raise Refused(f"{what}: {error}") from None
        if content is None or content is ABSENT or verb in {"GET", "DELETE"}:
            return HttpRequest(verb, url, headers)
        headers["Content-Type"] = "application/json"
        return HttpRequest(verb, url, headers, _encoded(what, content))


def _encoded(what: str, content: Any) -> bytes:
    try:
        return json.dumps(content, ensure_ascii=False, allow_nan=False).encode()
    except (TypeError, ValueError) as error:
        raise Refused(f"{what}: cannot be sent as JSON: {type(error).__name__}") from None


def _json(answer: HttpAnswer, parse: Callable[[bytes], Json] = parse_answer) -> Json:
    """Read the body of an answer.

    Raises:
        BadInput: too large, another content type, or not JSON that can be recorded.
    """
    if answer.problem:
        raise BadInput(answer.problem)
    kind = answer.headers.get("content-type", "").partition(";")[0].strip().lower()
    if kind not in {"application/json", "text/json"} and not kind.endswith("+json"):
        raise BadInput(f"not JSON: its content type is {kind[:60]!r}")
    return parse(answer.body)


def _unreachable_unless_json(what: str, answer: HttpAnswer, parse: Callable[[bytes], Json] = parse_answer) -> Json:
    try:
        return _json(answer, parse)
    except BadInput as error:
        raise Unreachable(f"{what}: the answer is {error}") from None


def _items(what: str, asking: Mapping[str, Any], value: Json, parameters: Mapping[str, Json]) -> list[dict[str, Json]]:
    """Return the records in an answer, those that ``where`` wants.

    Raises:
        Unreachable: there is no list of objects where one is described.
        Refused: ``where`` lacks a parameter.
    """
    found = walk(value, asking.get("items", ""))
    if not isinstance(found, list) or not all(isinstance(item, dict) for item in found):
        raise Unreachable(f"{what}: the answer has no list of records at {asking.get('items', 'its top')!r}")
    try:
        wanted = {path: as_text(fill(item, parameters)) for path, item in asking.get("where", {}).items()}
    except BadInput as error:
        raise Refused(f"{what}: {error}") from None
    return [item for item in found if all(_equals(walk(item, path), text) for path, text in wanted.items())]


def _equals(value: object, text: str) -> bool:
    return isinstance(value, str | int) and as_text(value) == text


def _done(asking: Mapping[str, Any], value: Json) -> Done:
    result = value if isinstance(value, dict) else {"answer": value}
    return Done(result, as_cost(walk(value, asking["cost"])) if "cost" in asking else None)


def open_http(
    system: SystemFile,
    environment: Mapping[str, str] | None,
    timing: Timing,
    answer_bytes_max: int = BYTES_MAX,
    told: Callable[[str], None] = lambda why: None,
) -> HttpConnector:
    """Open a system of kind ``http``; see `ConnectorKind`. ``told`` hears why something was asked again.

    Raises:
        BadSystem: as `remit.connectors.systems.open_connector` does.
    """
    opening = Opening(system, environment)
    limits = PaceLimits.from_description(system.value)
    base = opening.text("url")
    local = opening.zone()
    _check_base(opening, base)
    opening.finish()
    authentication = open_authentication(opening, base, limits.timeout_seconds, timing)
    opening.finish()
    exchange = HttpExchange(base, limits.at_once, answer_bytes_max)
    attempts = HttpAttempts(exchange, authentication, Pace(system.name, limits, timing), told)
    return HttpConnector(system, base, attempts, local)


def _check_base(opening: Opening, base: str) -> None:
    if not base:
        return
    try:
        scheme, host, _ = origin(base)
    except BadInput as error:
        opening.wrong(("url",), f"url: {error}", "https://host/path")
        return
    if "?" in base or "#" in base:
        opening.wrong(("url",), "url: a query or fragment does not belong here", "use query:")
    secret = opening.system.value.get("auth", {"kind": "none"})["kind"] != "none"
    local = host in {"localhost", "127.0.0.1", "::1"}
    if scheme == "http" and secret and not local and not opening.system.value.get("unencrypted"):
        opening.wrong(("url",), "credentials would travel unencrypted", "use https, or say unencrypted: true")


HTTP_KIND: Final = ConnectorKind(HTTP_SCHEMA, check_http, open_http)
"""The kind ``http``."""
