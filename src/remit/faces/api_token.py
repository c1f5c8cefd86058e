"""The token that callers of the API show: 256 random bits in a file that only its owner can read."""

from __future__ import annotations

import hmac
import os
import secrets
import stat
from pathlib import Path
from typing import Final

from remit.errors import BadInput

__all__ = ["TOKEN_FILE", "ApiToken", "make_token"]

TOKEN_FILE: Final = "api.token"  # noqa: S105  a name, not a secret
_BYTES: Final = 32
_CHARACTERS: Final = len(secrets.token_urlsafe(_BYTES))


class ApiToken:
    """A token that can be compared and not printed."""

    __slots__ = ("_text",)

    def __init__(self, text: str):
        self._text = text.encode()

    def __repr__(self) -> str:
        return "ApiToken(...)"

    def is_shown_by(self, header: bytes) -> bool:
        """Whether an Authorization header shows this token; takes as long for a near miss as for a wide one."""
        scheme, _, shown = header.partition(b" ")
        return scheme.lower() == b"bearer" and hmac.compare_digest(shown.strip(), self._text)


def make_token(state: Path) -> ApiToken:
    """Return the token in the folder ``state``; made there when there is none.

    Raises:
        BadInput: the file is a link or of another kind, others can read it, or it holds no token.
    """
    path = state / TOKEN_FILE
    if not os.path.lexists(path):
        _write(path)
    handle = _open(path)
    try:
        about = os.fstat(handle)
        if not stat.S_ISREG(about.st_mode) or stat.S_IMODE(about.st_mode) & 0o077:
            raise BadInput(f"{path}: others can read it; remove it, and a new token is made")
        text = os.read(handle, 200).decode("ascii", "replace").strip()
    finally:
        os.close(handle)
    if len(text) != _CHARACTERS:
        raise BadInput(f"{path}: {len(text)} characters, expected {_CHARACTERS}; remove it, and a new token is made")
    return ApiToken(text)


def _open(path: Path) -> int:
    try:
        return os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK)
    except OSError as error:
        raise BadInput(f"{path}: {error.strerror}; remove it, and a new token is made") from None


def _write(path: Path) -> None:
    """Make the file whole or not at all; where another process was quicker, its token counts."""
    draft = path.with_name(f".{TOKEN_FILE}.{secrets.token_hex(4)}")
    handle = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    try:
        os.write(handle, f"{secrets.token_urlsafe(_BYTES)}\n".encode())
        os.fsync(handle)
    finally:
        os.close(handle)
    try:
        os.link(draft, path)
    except FileExistsError:
        return
    finally:
        draft.unlink()
