"""Witnesses: somebody else who remembers how large the ledger was, so that a cut tail or an older copy shows.

`FileWitness` is a folder outside the ledger's own disk or account; `UrlWitness` is a server that speaks C2SP
tlog-witness. Both accept a checkpoint only if it grows out of the one before.
"""

from __future__ import annotations

import base64
import fcntl
import os
import re
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from hashlib import sha256
from pathlib import Path
from typing import Final, Protocol

from remit.errors import BadInput, LedgerBroken, Refused, StoreUnavailable, Unreachable
from remit.ledger.checkpoint import verify_checkpoint
from remit.ledger.verify import NOTE_BYTES_MAX, BadNote, Checkpoint, parse_note, verify_consistency

__all__ = ["FileWitness", "Prove", "UrlWitness", "Witness"]

Prove = Callable[[int, int], Sequence[bytes]]
"""``prove(old_size, new_size)`` reads a consistency proof from the ledger; raises where that is smaller."""

_EVIDENCE_MAX: Final = 100
_ANSWER_BYTES_MAX: Final = 65_536
_TRIES: Final = 4


class Witness(Protocol):
    """Remembers the latest checkpoint of each ledger it is shown.

    Callers may rely on this: after `add` returned, no smaller or other history of that origin is accepted
    again, by any process, also after a crash. What differs is where the memory is and whether it signs.
    """

    def latest(self, origin: str) -> str | None:
        """Return the latest note known to be accepted for ``origin``; None where none is known here."""

    def add(self, note: str, vkey: str, prove: Prove) -> str:
        """Hand in a checkpoint; return the witness's own signature lines, empty where it does not sign.

        A checkpoint that is older than the one kept, and that the ledger can prove to begin it, came late:
        nothing changes.

        Raises:
            LedgerBroken: not signed by ``vkey``, or it does not grow out of the one kept: rolled back or
            forked. StoreUnavailable, Unreachable: the witness cannot be asked; hand it in again later.
            Refused: the witness does not know this ledger or its key.
        """


class FileWitness:
    """Keeps the latest checkpoint of each origin in a folder, with the key that signed the first one.

    Several processes may share the folder. What is refused is kept there beside what it contradicts, as
    evidence.
    """

    def __init__(self, folder: Path):
        self._folder = folder

    def latest(self, origin: str) -> str | None:
        """Return the checkpoint kept for ``origin``, None where there is none."""
        return self._read(self._path(origin, "checkpoint"))

    def add(self, note: str, vkey: str, prove: Prove) -> str:
        """Keep ``note`` if it grows out of the one kept; see `Witness.add`. Returns no lines."""
        new = verify_checkpoint(note, [vkey])
        try:
            with self._lock(new.origin):
                self._add_locked(note, new, vkey, prove)
        except OSError as error:
            raise StoreUnavailable(f"witness {self._folder}: {error.strerror}") from None
        return ""

    def _add_locked(self, note: str, new: Checkpoint, vkey: str, prove: Prove) -> None:
        pinned = self._read(self._path(new.origin, "vkey"))
        kept = self._read(self._path(new.origin, "checkpoint"))
        if pinned is not None and pinned.strip() != vkey:
            raise self._refusal(new, note, kept, "it is signed with another key than before")
        if kept is None:
            self._replace(self._path(new.origin, "vkey"), vkey + "\n")
            self._replace(self._path(new.origin, "checkpoint"), note)
            return
        old = verify_checkpoint(kept, [vkey])
        if old.origin != new.origin:
            raise LedgerBroken(f"witness {self._folder}: the note kept for {new.origin} is of {old.origin}")
        problem = _contradiction(old, new, prove)
        if problem:
            raise self._refusal(new, note, kept, problem)
        if new.size > old.size:
            self._replace(self._path(new.origin, "checkpoint"), note)

    def _refusal(self, new: Checkpoint, note: str, kept: str | None, why: str) -> LedgerBroken:
        evidence = self._path(new.origin, f"refused-{sha256(note.encode()).hexdigest()[:16]}")
        others = len(list(self._folder.glob(f"{_stem(new.origin)}.refused-*")))
        if others < _EVIDENCE_MAX and not evidence.exists():
            self._replace(evidence, f"{kept}\n{note}" if kept else note)
        return LedgerBroken(
            f"the witness in {self._folder} refuses {new.size} events of {new.origin}: {why}; "
            f"both notes are kept in {evidence.name}"
        )

    def _path(self, origin: str, what: str) -> Path:
        return self._folder / f"{_stem(origin)}.{what}"

    def _read(self, path: Path) -> str | None:
        try:
            with path.open("rb") as stream:
                data = stream.read(NOTE_BYTES_MAX + 1)
            if len(data) > NOTE_BYTES_MAX:
                raise LedgerBroken(f"{path}: larger than {NOTE_BYTES_MAX} bytes")
            return data.decode("utf-8")
        except FileNotFoundError:
            return None
        except UnicodeDecodeError:
            raise LedgerBroken(f"{path}: not UTF-8") from None
        except OSError as error:
            raise StoreUnavailable(f"{path}: {error.strerror}") from None

    def _replace(self, path: Path, text: str) -> None:
        """Write a file whole or not at all; the lock makes the draft's name ours."""
        draft = path.with_name(f".{path.name}.new")
        with draft.open("wb") as stream:
            stream.write(text.encode())
            stream.flush()
            os.fsync(stream.fileno())
        draft.replace(path)
        handle = os.open(self._folder, os.O_RDONLY)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)

    @contextmanager
    def _lock(self, origin: str) -> Iterator[None]:
        self._folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        handle = os.open(self._path(origin, "lock"), os.O_RDWR | os.O_CREAT, 0o600)
        try:
            fcntl.flock(handle, fcntl.LOCK_EX)
            yield
        finally:
            os.close(handle)


def _stem(origin: str) -> str:
    """Return a file name for any origin: readable, and its own by a digest."""
    readable = re.sub(r"[^A-Za-z0-9-]+", "_", origin)[:48]
    return f"{readable}-{sha256(origin.encode()).hexdigest()[:16]}"


def _contradiction(old: Checkpoint, new: Checkpoint, prove: Prove) -> str:
    """Return how ``new`` contradicts ``old``; empty where one begins the other."""
    if new.size == old.size:
        return "" if new.root == old.root else f"another history of {old.size} events was signed before"
    if old.size == 0:
        return ""
    smaller, larger = sorted((old, new), key=lambda checkpoint: checkpoint.size)
    try:
        proof = prove(smaller.size, larger.size)
        # Of an empty tree nothing is proven, so a ledger that was emptied is refused.
        if verify_consistency(smaller.size, larger.size, proof, smaller.root, larger.root):
            return ""
        reason = ""
    except (BadInput, LedgerBroken) as error:
        reason = f": {error}"
    if new.size < old.size:
        return f"{old.size} events were signed before, which the ledger no longer proves{reason}"
    return f"it does not grow out of the {old.size} events signed before{reason}"


class UrlWitness:
    """A witness server that speaks C2SP tlog-witness: ``url`` is its submission prefix, https or loopback
    http.

    It must know the ledger's key already. Its cosignatures are returned as text and not verified here.
    ``latest`` knows only what this object handed in: the protocol has no way to ask. Not for use from several
    threads.
    """

    def __init__(self, url: str, timeout_seconds: int = 10):
        _check_url(url)
        self._url = url.rstrip("/") + "/add-checkpoint"
        self._timeout_seconds = timeout_seconds
        self._accepted: dict[str, str] = {}
        self._sizes: dict[str, int] = {}

    def latest(self, origin: str) -> str | None:
        """Return the note, with its cosignatures, that this object last had accepted; None where none was."""
        return self._accepted.get(origin)

    def add(self, note: str, vkey: str, prove: Prove) -> str:
        """Hand in ``note``; see `Witness.add`. Returns the cosignature lines, each with its line end."""
        new = verify_checkpoint(note, [vkey])
        old_size = self._sizes.get(new.origin, 0)
        for _ in range(_TRIES):
            if old_size > new.size:
                self._check_late(new, old_size, prove)
                return ""
            status, answer = self._post(_request(note, new, old_size, prove))
            if status == 200:
                return self._accept(note, new, answer)
            if status != 409:
                raise self._failure(status, new)
            told = _told_size(answer)
            if told == old_size == new.size:
                raise LedgerBroken(f"the witness at {self._url} has another history of {told} events: forked")
            old_size = self._sizes[new.origin] = told
        raise Unreachable(f"the witness at {self._url} named another size {_TRIES} times; others use it too")

    def _accept(self, note: str, new: Checkpoint, answer: bytes) -> str:
        try:
            lines = answer.decode("utf-8")
            parse_note(note + lines)
            if not lines:
                raise BadNote("no signature")
        except (UnicodeDecodeError, BadNote) as error:
            raise Unreachable(f"the witness at {self._url} answered without cosignatures: {error}") from None
        self._sizes[new.origin] = new.size
        self._accepted[new.origin] = note + lines
        return lines

    def _check_late(self, new: Checkpoint, old_size: int, prove: Prove) -> None:
        try:
            if new.size:
                prove(new.size, old_size)
                return
        except (BadInput, LedgerBroken):
            pass
        raise LedgerBroken(
            f"the witness at {self._url} has seen {old_size} events of {new.origin}, "
            f"the ledger proves {new.size}: its tail is gone"
        )

    def _failure(self, status: int, new: Checkpoint) -> LedgerBroken | Refused | Unreachable:
        if status == 422:
            return LedgerBroken(
                f"the witness at {self._url} refuses {new.size} events of {new.origin}: "
                f"they do not grow out of those it has seen"
            )
        if status in (400, 403, 404):
            why = {404: "it does not know this ledger", 403: "it does not know this key"}.get(status, "bad request")
            return Refused(f"the witness at {self._url} refused {new.origin}: {why}")
        return Unreachable(f"the witness at {self._url} answered with status {status}")

    def _post(self, body: bytes) -> tuple[int, bytes]:
        import http.client
        import urllib.error
        import urllib.request

        class Stay(urllib.request.HTTPRedirectHandler):
            """A witness has one address; whoever answers with another may not be it."""

            def redirect_request(self, *_: object) -> None:
                return None

        request = urllib.request.Request(self._url, body, {"Content-Type": "text/plain"})  # noqa: S310
        try:
            handlers: list[urllib.request.BaseHandler] = [Stay()]
            if self._url.startswith("http:"):
                # What is for this machine only is not for a proxy.
                handlers.append(urllib.request.ProxyHandler({}))
            opener = urllib.request.build_opener(*handlers)
            with opener.open(request, timeout=self._timeout_seconds) as response:
                return response.status, self._read(response)
        except urllib.error.HTTPError as error:
            with error:
                return error.code, self._read(error) if error.code == 409 else b""
        except (OSError, http.client.HTTPException) as error:
            raise Unreachable(f"the witness at {self._url} cannot be asked: {error}") from None

    def _read(self, response: _Answer) -> bytes:
        deadline, answer = time.monotonic() + self._timeout_seconds, b""
        while block := response.read1(4096):
            answer += block
            if len(answer) > _ANSWER_BYTES_MAX or time.monotonic() > deadline:
                raise Unreachable(f"the witness at {self._url} answers too much or too slowly")
        return answer


class _Answer(Protocol):
    def read1(self, size: int, /) -> bytes: ...


def _check_url(url: str) -> None:
    import ipaddress
    from urllib.parse import urlsplit

    try:
        parts = urlsplit(url)
    except ValueError:
        parts = urlsplit("")
    host = parts.hostname or ""
    try:
        loopback = host == "localhost" or ipaddress.ip_address(host).is_loopback
    except ValueError:
        loopback = False
    if not host or parts.username or parts.query or parts.fragment or not url.isascii() or not url.isprintable():
        raise BadInput(f"witness: got {url!r:.80}, expected an address like https://witness.example/remit")
    if parts.scheme != "https" and not (parts.scheme == "http" and loopback):
        raise BadInput(f"witness: got {url!r:.80}, expected https, or http on this machine")


def _request(note: str, new: Checkpoint, old_size: int, prove: Prove) -> bytes:
    """Return the body of add-checkpoint: the old size, the proof from there, the note."""
    proof = prove(old_size, new.size) if 0 < old_size < new.size else ()
    lines = [f"old {old_size}", *(base64.b64encode(node).decode() for node in proof), "", note]
    return "\n".join(lines).encode()


def _told_size(answer: bytes) -> int:
    if not re.fullmatch(rb"(0|[1-9][0-9]{0,18})\n", answer):
        raise Unreachable(f"the witness named no size in its refusal: got {answer[:40]!r}")
    return int(answer)
