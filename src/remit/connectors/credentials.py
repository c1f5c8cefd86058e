"""Secrets: a type that cannot be shown, where they come from, and keeping them out of texts."""

from __future__ import annotations

import base64
import hmac
import json
import os
import re
import stat
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Final, NoReturn
from urllib.parse import quote, quote_plus

from remit.errors import BadInput

__all__ = ["Secret", "is_reference", "read_secret", "redact"]

BYTES_MAX: Final = 65_536
_REFERENCE: Final = re.compile(r"env:[A-Za-z_][A-Za-z0-9_]*|file:[^\x00\r\n]+|keyring:[^/\x00\r\n]+/[^\x00\r\n]+")
_SHOWN: Final = "***"
LENGTH_MIN: Final = 4  # shorter texts stand in ordinary words by chance


class Secret:
    """A text that never shows itself: it is not printed, formatted, pickled, copied or written as JSON."""

    __slots__ = ("_text",)

    def __init__(self, text: str):
        self._text = text

    def reveal(self) -> str:
        """Return the text. Call it only where the text goes on the wire."""
        return self._text

    def __repr__(self) -> str:
        return f"Secret({_SHOWN})"

    def __str__(self) -> str:
        return _SHOWN

    def __format__(self, form: str) -> str:
        return _SHOWN

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Secret) and hmac.compare_digest(self._text.encode(), other._text.encode())

    __hash__ = None  # type: ignore[assignment]

    def __reduce_ex__(self, protocol: object) -> NoReturn:
        raise TypeError("a secret is not pickled or copied")


def is_reference(text: object) -> bool:
    """Tell whether ``text`` names a secret (env:NAME, file:PATH, keyring:SERVICE/USER) and is none itself."""
    return isinstance(text, str) and _REFERENCE.fullmatch(text) is not None


def read_secret(reference: str, environment: Mapping[str, str] | None = None) -> Secret:
    """Fetch the secret that ``reference`` names, now; nothing is kept.

    Raises:
        BadInput: not a reference, not there, empty, with control characters, or a file that others may read.
            The text names the reference, never what it holds.
    """
    if not is_reference(reference):
        raise BadInput("a secret is named, not written: expected env:NAME, file:PATH or keyring:SERVICE/USER")
    source, _, place = reference.partition(":")
    if source == "env":
        text = (os.environ if environment is None else environment).get(place)
    elif source == "file":
        text = _from_file(Path(place).expanduser())
    else:
        text = _from_keyring(*place.split("/", 1))
    if not text:
        raise BadInput(f"secret {reference} is not set")
    if not text.isprintable():
        raise BadInput(f"secret {reference} holds control characters or line breaks")
    return Secret(text)


def _from_file(path: Path) -> str:
    try:
        # The open file is judged, not its name, so that it cannot be exchanged in between; a pipe must not
        # block.
        with os.fdopen(os.open(path, os.O_RDONLY | getattr(os, "O_NONBLOCK", 0)), "rb") as file:
            status = os.fstat(file.fileno())
            if not stat.S_ISREG(status.st_mode):
                raise BadInput(f"secret file {path} is not a regular file")
            if os.name == "posix" and status.st_mode & 0o077:
                mode = stat.S_IMODE(status.st_mode)
                raise BadInput(f"secret file {path} can be read by others: got mode {mode:04o}, expected 0600")
            data = file.read(BYTES_MAX + 1)
    except OSError as error:
        raise BadInput(f"secret file {path} cannot be read: {error.strerror}") from None
    if len(data) > BYTES_MAX:
        raise BadInput(f"secret file {path} is larger than {BYTES_MAX} bytes")
    try:
        return data.decode().removesuffix("\n").removesuffix("\r")
    except UnicodeDecodeError:
        raise BadInput(f"secret file {path} is not UTF-8") from None


def _from_keyring(service: str, user: str) -> str | None:
    import importlib

    try:
        keyring = importlib.import_module("keyring")
    except ImportError:
        raise BadInput(f"secret keyring:{service}/{user}: the package keyring is not installed") from None
    try:
        found = keyring.get_password(service, user)
    except Exception as error:  # its back ends raise what they like
        raise BadInput(f"secret keyring:{service}/{user}: {type(error).__name__}") from None
    return found if isinstance(found, str) else None


def _guises(text: str) -> set[str]:
    """The forms in which a text comes back: as it is, in JSON, in an address, in base64 without its end."""
    coded = base64.b64encode(text.encode()).decode().rstrip("=")
    return {text, json.dumps(text)[1:-1], quote(text, safe=""), quote_plus(text), coded}


def redact(text: str, secrets: Iterable[Secret], length_min: int = LENGTH_MIN) -> str:
    """Return ``text`` with every secret, in whatever guise it came back, replaced by three stars.

    Secrets shorter than ``length_min`` characters are left: they would stand in ordinary words by chance.
    """
    for secret in secrets:
        if len(secret.reveal()) >= length_min:
            for guise in sorted(_guises(secret.reveal()), key=len, reverse=True):
                text = text.replace(guise, _SHOWN)
    return text
