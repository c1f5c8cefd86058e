"""Rows from a dlt source, iterated as it is: without a pipeline, without its state, without its telemetry."""

from __future__ import annotations

import os
import re
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Iterable, Iterator, Mapping
from importlib import import_module
from itertools import islice
from pathlib import Path
from typing import Any, Final

from remit.connectors.pace import Timing
from remit.connectors.placeholder import fill
from remit.connectors.record_rows import RECORDS_MAX_SCHEMA, in_batches
from remit.connectors.source_kinds import SourceKind
from remit.connectors.source_reader import BATCH_ROWS_MAX, SourceRows, TableAsk
from remit.connectors.threads import NotStarted, StillRunning, Threads
from remit.document import Document, duration_seconds, expand_environment
from remit.errors import BadInput, Finding, Refused, Unreachable

__all__ = ["DLT_SOURCE", "DltSource"]

TIMEOUT: Final = "5m"
_PLACE: Final = re.compile(r"([A-Za-z_][A-Za-z0-9_]*(?:\.[A-Za-z_][A-Za-z0-9_]*)*):([A-Za-z_][A-Za-z0-9_]*)")
_WORD: Final = "^[A-Za-z_][A-Za-z0-9_.]{0,199}$"


class DltSource:
    """Reads the resources of one dlt source. Implements `SourceReader`.

    Its code runs in this process, in a thread of its own; what it raises is told by its type only, for its text may
    hold anything. It asks again by itself, where its author had it do so.
    """

    def __init__(self, name: str, place: str, arguments: Mapping[str, Any], timeout_seconds: float):
        self.notes: list[str] = []
        self._name = name
        self._module, _, self._function = place.partition(":")
        self._arguments = arguments
        self._timeout_seconds = timeout_seconds
        self._threads = Threads(name, 1)

    def read(self, ask: TableAsk) -> AsyncIterator[SourceRows]:
        """Read one table's rows; see `SourceReader.read`. ``$since`` in the arguments is the cursor."""
        return in_batches(self._groups(ask), ask, ask.table)

    async def _groups(self, ask: TableAsk) -> AsyncGenerator[list[Mapping[str, Any]], None]:
        what = f"{self._name}.{ask.table}"
        records = await self._blocking(what, lambda: self._begun(ask, what))

        def some() -> list[Mapping[str, Any]]:
            return list(islice(records, BATCH_ROWS_MAX))

        while group := await self._blocking(what, some):
            yield group

    async def _blocking(self, what: str, work: Callable[[], Any]) -> Any:
        def contained() -> Any:
            try:
                return work()
            except (Refused, Unreachable):
                raise
            except Exception as error:  # other people's code
                cause = error.__cause__
                kinds = type(error).__name__ + (f" from {type(cause).__name__}" if cause is not None else "")
                raise Unreachable(f"{what}: {self._module}:{self._function} failed: {kinds}") from None

        try:
            return await self._threads.run(contained, self._timeout_seconds)
        except (NotStarted, StillRunning) as error:
            raise Unreachable(f"{what}: {error}") from None

    def _begun(self, ask: TableAsk, what: str) -> Iterator[Mapping[str, Any]]:
        _load_dlt()
        try:
            function = getattr(import_module(self._module), self._function)
        except (ImportError, AttributeError) as error:
            raise Refused(f"{what}: there is no {self._module}:{self._function} ({type(error).__name__})") from None
        try:
            given = fill(self._arguments, {} if ask.since is None else {"since": ask.since})
        except BadInput as error:
            raise Refused(f"{what}: arguments: {error}") from None
        made = function(**given)
        resources = getattr(made, "resources", None)
        if isinstance(resources, Mapping):
            wanted = ask.options.get("resource", ask.table)
            if wanted not in resources:
                known = ", ".join(sorted(map(str, resources)))
                raise Refused(f"{what}: the source has no resource {wanted!r:.80}; it has {known:.500}")
            made = resources[wanted]
        if not isinstance(made, Iterable):
            raise Refused(f"{what}: {self._function} gave {type(made).__name__}, expected a dlt source or resource")
        return _records(made, what)

    async def taken(self, ask: TableAsk) -> None:
        """Do nothing: the cursor is ours, and dlt keeps no state."""

    async def close(self) -> None:
        """Let go of the thread."""
        self._threads.close()


def _load_dlt() -> None:
    # It reads this once, when it is imported; its own default is to report home.
    os.environ["RUNTIME__DLTHUB_TELEMETRY"] = "false"
    try:
        import_module("dlt")
    except ImportError:
        raise Refused("the package dlt is not installed; install remit[dlt]") from None


def _records(items: Iterable[Any], what: str) -> Iterator[Mapping[str, Any]]:
    """Each item is a record, a list of them, or an Arrow table."""
    for item in items:
        if isinstance(item, Mapping):
            yield item
        elif isinstance(item, list) and all(isinstance(one, Mapping) for one in item):
            yield from item
        elif hasattr(item, "to_pylist") and hasattr(item, "slice") and hasattr(item, "num_rows"):
            for start in range(0, item.num_rows, BATCH_ROWS_MAX):
                yield from item.slice(start, BATCH_ROWS_MAX).to_pylist()
        else:
            raise Refused(f"{what}: an item is {type(item).__name__}, expected records or an Arrow table")


def _check(document: Document) -> tuple[Finding, ...]:
    connect = document.value["connect"]
    module = connect["source"].partition(":")[0]
    if not any(module == allowed or module.startswith(f"{allowed}.") for allowed in connect["modules"]):
        what = f"source: module {module!r} is not among modules:"
        return (document.finding(("connect", "source"), what, "name there what code this company lets run"),)
    return ()


def _open(
    name: str,
    connect: Mapping[str, Any],
    folder: Path,
    environment: Mapping[str, str] | None,
    timing: Timing,
    inbox: object,
) -> DltSource:
    del folder, timing, inbox
    if not _PLACE.fullmatch(connect["source"]):
        raise BadInput(f"{name}: source: expected package.module:function")
    arguments = _expanded(connect.get("arguments", {}), environment)
    return DltSource(name, connect["source"], arguments, float(duration_seconds(connect.get("timeout", TIMEOUT))))


def _expanded(value: Any, environment: Mapping[str, str] | None) -> Any:
    if isinstance(value, str):
        return expand_environment(value, environment)
    if isinstance(value, Mapping):
        return {key: _expanded(item, environment) for key, item in value.items()}
    return [_expanded(item, environment) for item in value] if isinstance(value, list) else value


DLT_SOURCE: Final = SourceKind(
    {
        "type": "object",
        "additionalProperties": False,
        "required": ["source", "modules"],
        "properties": {
            "source": {"type": "string", "pattern": f"^{_PLACE.pattern}$", "maxLength": 300},
            "modules": {"type": "array", "items": {"type": "string", "pattern": _WORD}, "minItems": 1, "maxItems": 100},
            "arguments": {"type": "object", "propertyNames": {"pattern": "^[A-Za-z_][A-Za-z0-9_]{0,99}$"}},
            "timeout": {"type": "string", "pattern": "^[1-9][0-9]{0,4}[smh]$"},
        },
    },
    {
        "type": "object",
        "additionalProperties": False,
        "properties": {
            "resource": {"type": "string", "minLength": 1, "maxLength": 200},
            "records_max": RECORDS_MAX_SCHEMA,
        },
    },
    _check,
    _open,
)
"""The kind ``dlt``. ``source`` is a function that gives a dlt source or resource, in a module that ``modules`` allows
(or below it); it is called with ``arguments``. A table is the resource of its own name, or ``resource``.
"""
