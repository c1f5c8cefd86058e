"""Checkpoints: the ledger's own signed statement of how large it is and what its root is.

Form: C2SP signed-note with an Ed25519 signature, tlog-checkpoint inside, so public tools read it too. What a
note and a key look like is defined in `verify.py`; here is the secret half. The only file that imports
`cryptography`.
"""

from __future__ import annotations

import base64
import contextlib
import os
import secrets
import stat
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Final, NoReturn

from remit.errors import BadInput, LedgerBroken, StoreUnavailable
from remit.ledger.verify import (
    BadNote,
    Checkpoint,
    ed25519_verify,
    format_vkey,
    key_id,
    open_checkpoint,
    parse_vkey,
)

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

__all__ = ["Signer", "verify_checkpoint"]

_PREFIX: Final = "PRIVATE+KEY+"
_KEY_BYTES_MAX: Final = 4096


class Signer:
    """The ledger's signing key. It shows its name and never its secret; it cannot be copied or pickled.

    The file holds one line, ``PRIVATE+KEY+<origin>+<key id in hex>+<base64>``, the form that Go's note
    package writes, and only its owner may read it.
    """

    __slots__ = ("_key", "origin", "vkey")

    def __init__(self, origin: str, key: Ed25519PrivateKey):
        self.origin: Final = origin
        self._key = key
        self.vkey: Final = format_vkey(origin, key.public_key().public_bytes_raw())
        """The public half as text, for auditors and witnesses."""

    def __repr__(self) -> str:
        return f"Signer({self.origin!r})"

    def __reduce__(self) -> NoReturn:
        raise TypeError("a signing key is not copied")

    @classmethod
    def open(cls, path: Path, origin: str) -> Signer:
        """Read the key at ``path``, or make one for ``origin`` where there is none yet.

        ``origin`` names the ledger, like ``remit.local/<ledger id>``.

        Raises:
            BadInput: the key is another ledger's, is not of its form, or others may read its file.
            StoreUnavailable: the file cannot be read or written.
        """
        if not path.exists():
            cls.create(path, origin)
        signer = cls.load(path)
        if signer.origin != origin:
            raise BadInput(f"{path}: the key signs for {signer.origin!r}, expected {origin!r}")
        return signer

    @classmethod
    def load(cls, path: Path) -> Signer:
        """Read the key at ``path``.

        Raises:
            BadInput: the file is not of its form, or others may read it.
            StoreUnavailable: the file cannot be read.
        """
        try:
            with path.open("rb") as stream:
                state = os.fstat(stream.fileno())
                if not stat.S_ISREG(state.st_mode):
                    raise BadInput(f"{path}: not a plain file")
                if state.st_mode & 0o077:
                    mode = stat.S_IMODE(state.st_mode)
                    raise BadInput(f"{path}: others may read the signing key: got mode {mode:04o}, expected 0600")
                data = stream.read(_KEY_BYTES_MAX + 1)
        except OSError as error:
            raise StoreUnavailable(f"{path}: the signing key cannot be read: {error.strerror}") from None
        return _read_key(path, data)

    @classmethod
    def create(cls, path: Path, origin: str) -> None:
        """Make a key for ``origin`` at ``path``, readable by its owner only. A key already there stays.

        Raises:
            BadInput: the origin has spaces or plus signs.
            StoreUnavailable: the file cannot be written.
        """
        from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

        key = Ed25519PrivateKey.generate()
        try:
            _check_origin(origin)
            _write_once(path, _key_text(origin, key).encode())
        except BadNote as error:
            raise BadInput(str(error)) from None
        except OSError as error:
            raise StoreUnavailable(f"{path}: the signing key cannot be written: {error.strerror}") from None

    def sign_checkpoint(self, size: int, root: bytes) -> str:
        """Return the signed note that says: this ledger has ``size`` events and this ``root`` (32 bytes)."""
        if size < 0 or len(root) != 32:
            raise BadInput(f"checkpoint: got size {size} and a root of {len(root)} bytes, expected 32")
        return self._sign(f"{self.origin}\n{size}\n{base64.b64encode(root).decode()}\n")

    def sign_note(self, line: str) -> str:
        """Return a signed note that says ``line`` (one line, not a number, so that it is never taken for a checkpoint).

        Raises:
            BadInput: the line is empty, a number, or more than one line.
        """
        if not line.strip() or not line.isprintable() or line[0].isdigit():
            raise BadInput(f"note: got {line!r:.60}, expected one line that does not begin with a digit")
        return self._sign(f"{self.origin}\n{line}\n")

    def _sign(self, text: str) -> str:
        identity = key_id(self.origin, self._key.public_key().public_bytes_raw())
        signature = base64.b64encode(identity + self._key.sign(text.encode())).decode()
        return f"{text}\n\u2014 {self.origin} {signature}\n"


def verify_checkpoint(note: str, vkeys: Sequence[str]) -> Checkpoint:
    """Return what a checkpoint says after verifying that one of ``vkeys`` (key texts) signed it.

    Raises:
        LedgerBroken: it is not a checkpoint, or none of the keys signed it.
        BadInput: one of the keys is not a key.
    """
    try:
        keys = [parse_vkey(vkey) for vkey in vkeys]
    except BadNote as error:
        raise BadInput(str(error)) from None
    try:
        return open_checkpoint(note, keys, _verify_fast)
    except BadNote as error:
        raise LedgerBroken(str(error)) from None


def _verify_fast(public_key: bytes, message: bytes, signature: bytes) -> bool:
    """Do what `ed25519_verify` does, several times faster; a test holds the two together."""
    from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

    try:
        Ed25519PublicKey.from_public_bytes(public_key).verify(signature, message)
    except InvalidSignature:
        return False
    except UnsupportedAlgorithm:
        return ed25519_verify(public_key, message, signature)
    return True


def _check_origin(origin: str) -> None:
    format_vkey(origin, bytes(32))


def _key_text(origin: str, key: Ed25519PrivateKey) -> str:
    identity = key_id(origin, key.public_key().public_bytes_raw()).hex()
    encoded = base64.b64encode(b"\x01" + key.private_bytes_raw()).decode()
    return f"{_PREFIX}{origin}+{identity}+{encoded}\n"


def _read_key(path: Path, data: bytes) -> Signer:
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

    # The messages never show what the file holds: it may be the secret of something else.
    try:
        text = data.decode("utf-8").strip()
        origin, identity, encoded = text.removeprefix(_PREFIX).split("+", 2)
        seed = base64.b64decode(encoded, validate=True)
        if not text.startswith(_PREFIX) or len(seed) != 33 or seed[0] != 1:
            raise ValueError
        _check_origin(origin)
        key = Ed25519PrivateKey.from_private_bytes(seed[1:])
    except ValueError:
        raise BadInput(f"{path}: not a signing key") from None
    if identity != key_id(origin, key.public_key().public_bytes_raw()).hex():
        raise BadInput(f"{path}: the key does not belong to the name it is kept under")
    return Signer(origin, key)


def _write_once(path: Path, data: bytes) -> None:
    """Write a new file that only its owner may read, whole or not at all; a file already there stays."""
    path.parent.mkdir(parents=True, exist_ok=True)
    draft = path.with_name(f".{path.name}.{secrets.token_hex(8)}")
    handle = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    try:
        with os.fdopen(handle, "wb") as stream:
            stream.write(data)
            stream.flush()
            os.fsync(stream.fileno())
        with contextlib.suppress(FileExistsError):
            # A link, unlike a rename, does not replace the key of a process that was quicker.
            os.link(draft, path)
    finally:
        draft.unlink()
    directory = os.open(path.parent, os.O_RDONLY)
    try:
        os.fsync(directory)
    finally:
        os.close(directory)
