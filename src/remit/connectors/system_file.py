"""A system's description as loaded, and what a kind of system must bring."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, tzinfo
from typing import TYPE_CHECKING, Any, Final

from remit.canonical import digest_bytes
from remit.connectors.answer import zone
from remit.connectors.credentials import Secret, is_reference, read_secret
from remit.document import Document, PathKey, expand_environment
from remit.errors import BadInput, BadSystem, Finding

if TYPE_CHECKING:
    from remit.connectors.connector import Connector
    from remit.connectors.pace import Timing

__all__ = ["NAMES", "ConnectorKind", "Opening", "SystemFile", "secrets_written_out"]


NAMES: Final = {"pattern": "^[A-Za-z][A-Za-z0-9_.-]{0,63}$"}
"""How reads, lists and operations are named, in every kind: a JSON Schema for ``propertyNames``."""


@dataclass(frozen=True, slots=True)
class SystemFile:
    """One file of ``systems/``, checked, not yet opened. ``warnings`` do not keep it from being used."""

    name: str
    kind: str
    document: Document
    warnings: tuple[Finding, ...] = ()

    @property
    def value(self) -> Mapping[str, Any]:
        """The description as plain values."""
        return self.document.value  # type: ignore[no-any-return]

    @property
    def text(self) -> str:
        """The file as written."""
        return self.document.text

    @property
    def digest(self) -> str:
        """SHA-256 of the file as written, in hexadecimal."""
        return digest_bytes(self.document.text.encode())

    @property
    def reads(self) -> tuple[str, ...]:
        """The names of the facts it can be asked for."""
        return tuple(self.value.get("reads", ()))

    @property
    def lists(self) -> tuple[str, ...]:
        """The names of the lists it can be asked for."""
        return tuple(self.value.get("lists", ()))

    @property
    def operations(self) -> tuple[str, ...]:
        """The names of the effects it can do."""
        return tuple(self.value.get("does", ()))

    def can_look_up(self, operation: str) -> bool:
        """Tell whether the system can be asked what became of an effect of ``operation``."""
        return "lookup" in self.value.get("does", {}).get(operation, {})


@dataclass(frozen=True, slots=True)
class ConnectorKind:
    """A kind of system: what its description looks like and how it is opened.

    ``schema`` is a JSON Schema (2020-12) for the whole file. ``check`` finds what a schema cannot say.
    ``open`` is handed the description, the environment (None: the process's own) and how time passes; it must
    not touch the network.

    Other people's kinds register an instance as an entry point of the group ``remit.connectors``, under the
    kind's name.
    """

    schema: Mapping[str, Any]
    check: Callable[[Document], tuple[Finding, ...]]
    open: Callable[[SystemFile, Mapping[str, str] | None, Timing], Connector]


class Opening:
    """Collects everything that keeps a description from being opened, so that all of it is told at once."""

    def __init__(self, system: SystemFile, environment: Mapping[str, str] | None):
        self.system = system
        self._environment = environment
        self._findings: list[Finding] = []

    def wrong(self, path: PathKey, what: str, advice: str = "") -> None:
        """Note what is wrong at ``path``."""
        self._findings.append(self.system.document.finding(path, what, advice))

    def text(self, *path: str, default: str = "") -> str:
        """Return the text at ``path`` with environment variables put in."""
        at: Any = self.system.value
        for part in path:
            at = at.get(part) if isinstance(at, Mapping) else None
        if at is None:
            return default
        try:
            return expand_environment(str(at), self._environment)
        except BadInput as error:
            self.wrong(path, str(error))
            return default

    def secret(self, *path: str) -> Callable[[], Secret]:
        """Return what fetches the secret named at ``path``, having seen that it is there now."""
        reference = self.text(*path)
        environment = self._environment
        try:
            if reference:
                read_secret(reference, environment)
        except BadInput as error:
            self.wrong(path, str(error))
        return lambda: read_secret(reference, environment)

    def zone(self) -> tzinfo:
        """Return the time zone of moments that name none: the key ``zone``, else UTC."""
        try:
            return zone(self.system.value.get("zone", "UTC"))
        except BadInput as error:
            self.wrong(("zone",), str(error))
            return UTC

    def finish(self) -> None:
        """Raise what was noted.

        Raises:
            BadSystem: anything was.
        """
        if self._findings:
            raise BadSystem(tuple(self._findings))


_PASSWORD: Final = re.compile(r"://[^/@\s:$]*:[^/@\s$][^/@\s]*@")


def secrets_written_out(document: Document, under: PathKey = ()) -> tuple[Finding, ...]:
    """Find secrets that stand in the file itself, at ``under`` and below. Their values are not repeated."""
    found = []
    for path in document.places:
        if path[: len(under)] != under:
            continue
        at: Any = document.value
        for part in path:
            at = at[part]
        if path and path[-1] == "secret" and not is_reference(at):
            advice = "write env:NAME, file:PATH or keyring:SERVICE/USER"
            found.append(document.finding(path, "a secret is named here, never written", advice))
        elif isinstance(at, str) and _PASSWORD.search(at):
            found.append(document.finding(path, "a password stands in this address", "write ${NAME}, or use secret:"))
    return tuple(found)
