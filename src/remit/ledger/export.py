"""Exports: a folder that an outsider can check with nothing of ours but the one file that lies in it.

    events/000000.jsonl ...   4,096 bodies each, one a line, byte for byte as they were hashed
    documents/<digest>        texts that events of kind `document.kept` name by their SHA-256
    checkpoint, checkpoints   the latest signed note; all of them, parted by empty lines
    vkey, manifest.json       the public key; origin, size, and each segment's SHA-256
    verify.py, README.txt     the verifier, and how to use it

Personal data kept beside the ledger is not exported: the events hold only its commitments.
"""

from __future__ import annotations

import fcntl
import json
import os
import re
import shutil
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from hashlib import sha256
from itertools import islice
from pathlib import Path
from typing import Final

from remit.errors import BadInput, Conflict, LedgerBroken, StoreUnavailable
from remit.ledger.checkpoint import verify_checkpoint
from remit.ledger.verify import BODY_BYTES_MAX, EXPORT_FORMAT, RootsAt

__all__ = ["SEGMENT_EVENTS", "ExportReport", "export_ledger"]

SEGMENT_EVENTS: Final = 4096
_BATCH: Final = 1024

_README: Final = """\
This folder is an exported ledger of {origin}.

Check it with any Python from 3.9 on; nothing needs to be installed:

    python3 -I verify.py . --key VKEY --checkpoint FILE

VKEY is the ledger's public key. The file `vkey` holds what the sender says it is: ask for the key by another
way, for without --key you learn only that the folder fits itself.
FILE is a checkpoint that you or a witness kept. Without it, an older copy of the ledger would pass.
The verifier is `ledger/verify.py` of the remit source, where you can get it without trusting this copy.

It prints what it checked, then `holds`, or `BROKEN:` and what is wrong.
"""


@dataclass(frozen=True, slots=True)
class ExportReport:
    """What was written: where, how many events in how many segments, and the signed root (32 bytes)."""

    folder: Path
    size: int
    root: bytes
    segments: int
    checkpoints: int
    documents: int


def export_ledger(
    folder: Path,
    bodies: Iterable[bytes | str],
    checkpoints: Sequence[str],
    documents: Mapping[str, bytes],
    vkey: str,
    segment_events: int = SEGMENT_EVENTS,
) -> ExportReport:
    """Write an export of what the largest of ``checkpoints`` signs; later bodies are left for the next one.

    ``documents`` maps SHA-256 digests (64 lower-case hexadecimal digits) to texts. The folder appears whole
    or not at all: an export that was interrupted is simply asked for again.

    Raises:
        BadInput: the folder is not empty, the key is no key, or a document has another digest than its name.
        LedgerBroken: the bodies are not those that the checkpoints sign, or no checkpoint is signed by the
        key. Conflict: another export to the same folder is under way.
        StoreUnavailable: the folder cannot be written.
    """
    signed = [verify_checkpoint(note, [vkey]) for note in checkpoints]
    if not signed:
        raise LedgerBroken("export: no checkpoint is signed yet, so nothing could be checked")
    expected: dict[int, bytes] = {}
    for checkpoint in signed:
        if expected.setdefault(checkpoint.size, checkpoint.root) != checkpoint.root:
            raise LedgerBroken(f"export: two roots are signed for {checkpoint.size} events")
    latest = max(range(len(signed)), key=lambda at: signed[at].size)
    try:
        with _draft_of(folder) as draft:
            tree = RootsAt(expected)
            segments = _write_segments(draft, islice(bodies, signed[latest].size), tree, segment_events)
            _refuse_unsigned(tree)
            _write_documents(draft, documents)
            _write(draft / "checkpoints", "\n".join(checkpoints).encode())
            _write(draft / "checkpoint", checkpoints[latest].encode())
            _write(draft / "vkey", f"{vkey}\n".encode())
            manifest = _manifest(signed[latest].origin, tree, segments)
            _write(draft / "manifest.json", json.dumps(manifest, indent=1, sort_keys=True).encode() + b"\n")
            _write(draft / "verify.py", Path(__file__).with_name("verify.py").read_bytes())
            _write(draft / "README.txt", _README.format(origin=signed[latest].origin).encode())
    except OSError as error:
        raise StoreUnavailable(f"export to {folder}: {error.strerror}") from None
    frontier = tree.frontier
    return ExportReport(folder, frontier.size, frontier.root(), len(segments), len(signed), len(documents))


def _manifest(origin: str, tree: RootsAt, segments: list[dict[str, str | int]]) -> dict[str, object]:
    return {
        "format": EXPORT_FORMAT,
        "origin": origin,
        "size": tree.frontier.size,
        "segments": segments,
    }


def _refuse_unsigned(tree: RootsAt) -> None:
    size = tree.frontier.size
    if tree.missing:
        raise LedgerBroken(f"export: {tree.missing[-1]} events are signed, the ledger has {size}")
    if tree.wrong:
        raise LedgerBroken(f"export: the first {tree.wrong[0]} events are not those that were signed")


@contextmanager
def _draft_of(folder: Path) -> Iterator[Path]:
    """Lend a folder to write in, which becomes ``folder`` when all went well."""
    folder = folder.absolute()
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise BadInput(f"{folder}: not empty; an export needs a folder of its own")
    folder.parent.mkdir(parents=True, exist_ok=True)
    draft = folder.with_name(f".{folder.name}.partial")
    draft.mkdir(exist_ok=True)
    handle = os.open(draft, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW)
    try:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise Conflict(f"another export to {folder} is under way") from None
        # Whatever an interrupted export left behind.
        for entry in draft.iterdir():
            if entry.is_dir() and not entry.is_symlink():
                shutil.rmtree(entry)
            else:
                entry.unlink()
        (draft / "events").mkdir()
        (draft / "documents").mkdir()
        yield draft
        for written in (draft / "events", draft / "documents", draft):
            _sync_folder(written)
        draft.replace(folder)
        _sync_folder(folder.parent)
    finally:
        os.close(handle)


def _write_segments(
    draft: Path, bodies: Iterator[bytes | str], tree: RootsAt, segment_events: int
) -> list[dict[str, str | int]]:
    segments: list[dict[str, str | int]] = []
    while first := list(islice(bodies, min(_BATCH, segment_events))):
        name = f"events/{len(segments):06d}.jsonl"
        digest, events = sha256(), 0
        with (draft / name).open("wb") as stream:
            batch = first
            while batch:
                lines = _write_lines(batch, tree)
                stream.write(lines)
                digest.update(lines)
                events += len(batch)
                batch = list(islice(bodies, min(_BATCH, segment_events - events)))
            _sync(stream.flush, stream.fileno())
        segments.append({"file": name, "events": events, "sha256": digest.hexdigest()})
    return segments


def _write_lines(batch: Sequence[bytes | str], tree: RootsAt) -> bytes:
    raw = [body.encode() if isinstance(body, str) else body for body in batch]
    for offset, body in enumerate(raw):
        if b"\n" in body or len(body) > BODY_BYTES_MAX:
            raise LedgerBroken(f"event {tree.frontier.size + offset}: its body is not one line of canonical JSON")
    tree.extend([sha256(b"\0" + body).digest() for body in raw])
    return b"\n".join(raw) + b"\n"


def _write_documents(draft: Path, documents: Mapping[str, bytes]) -> None:
    for digest, text in sorted(documents.items()):
        if not re.fullmatch("[0-9a-f]{64}", digest) or sha256(text).hexdigest() != digest:
            raise BadInput(f"document {digest:.80}: its text has digest {sha256(text).hexdigest()}")
        _write(draft / "documents" / digest, text)


def _write(path: Path, data: bytes) -> None:
    with path.open("wb") as stream:
        stream.write(data)
        _sync(stream.flush, stream.fileno())


def _sync(flush: Callable[[], None], handle: int) -> None:
    flush()
    os.fsync(handle)


def _sync_folder(folder: Path) -> None:
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
