#!/usr/bin/env python3
"""Check an exported ledger without remit: one file, Python 3.9 or later, standard library only.

    python -I verify.py DIR [--key VKEY] [--checkpoint FILE] [--certificate DIGEST]

Prints what was checked, then `holds` (exit 0) or `BROKEN: ...` (exit 1); exit 2 means it could not be asked.
With --certificate it also counts the cases behind that certificate again and computes its evidence anew.

remit itself imports this file: the leaf and node hash, the root, the proofs, signed notes and Ed25519
verification are defined here and nowhere else.

Sources: RFC 9162 section 2.1 (tree and proofs), draft-ietf-plants-merkle-tree-certs section 4 (subtree
proofs), C2SP signed-note and tlog-checkpoint (notes), RFC 8032 section 5.1 (Ed25519); for certificates
Robbins 1970 (mixtures), Angelopoulos et al. 2021 (Learn then Test), Wang and Ramdas 2022 (e-BH), Waudby-Smith
and Ramdas 2024 (paired bets).
"""

from __future__ import annotations

import base64
import functools
import json
import math
import re
import stat
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from datetime import datetime
from hashlib import sha256, sha512
from pathlib import Path
from typing import Any, BinaryIO, NamedTuple

__all__ = [
    "BODY_BYTES_MAX",
    "EMPTY_ROOT",
    "EXPORT_FORMAT",
    "NOTE_BYTES_MAX",
    "BadNote",
    "Checkpoint",
    "ExportVerdict",
    "Frontier",
    "Note",
    "NoteSignature",
    "RootsAt",
    "VerifierKey",
    "check_certificate",
    "check_export",
    "ed25519_verify",
    "format_vkey",
    "key_id",
    "leaf_hash",
    "main",
    "node_hash",
    "open_checkpoint",
    "parse_checkpoint",
    "parse_note",
    "parse_vkey",
    "read_notes",
    "verify_consistency",
    "verify_inclusion",
    "verify_subtree_consistency",
    "verify_subtree_inclusion",
]

EXPORT_FORMAT = "remit-export-1"
BODY_BYTES_MAX = 4194304
NOTE_BYTES_MAX = 65536
_SIGNATURES_MAX = 64
_MANIFEST_BYTES_MAX = 16777216
_PROBLEMS_MAX = 100
_SIZE_MAX = 2**63 - 1
_BLOCK_BYTES = 1048576

# ----------------------------------------------------------------------------------------------------
# The tree


EMPTY_ROOT = sha256(b"").digest()
"""Root of the tree without leaves."""


def leaf_hash(body: bytes) -> bytes:
    """Return the leaf hash of an event's body (RFC 9162 2.1.1), 32 bytes."""
    return sha256(b"\0" + body).digest()


def node_hash(left: bytes, right: bytes) -> bytes:
    """Return the hash of an inner node (RFC 9162 2.1.1), 32 bytes."""
    return sha256(b"\1" + left + right).digest()


class Frontier:
    """A tree that only grows, held as the roots of its complete subtrees: one for each bit set in ``size``.

    ``roots`` are those subtree roots, the largest (leftmost) first; each is 32 bytes.

    Raises:
        ValueError: the roots do not fit the size.
    """

    __slots__ = ("_kept", "size")

    def __init__(self, size: int = 0, roots: Sequence[bytes] = ()):
        if not 0 <= size <= _SIZE_MAX or len(roots) != bin(size).count("1"):
            raise ValueError(f"a frontier of size {size} cannot have {len(roots)} roots")
        if any(len(root) != 32 for root in roots):
            raise ValueError("a subtree root has 32 bytes")
        self.size = size
        smallest_first = iter(reversed(roots))
        self._kept = [next(smallest_first) if size >> level & 1 else b"" for level in range(size.bit_length())]

    @property
    def roots(self) -> tuple[bytes, ...]:
        """The roots of the complete subtrees, the largest first."""
        return tuple(kept for kept in reversed(self._kept) if kept)

    def copy(self) -> Frontier:
        """Return a frontier that grows on its own from here."""
        return Frontier(self.size, self.roots)

    def append(self, leaf: bytes) -> None:
        """Add one leaf hash."""
        self.extend([leaf])

    def extend(self, leaves: Sequence[bytes]) -> None:
        """Add leaf hashes in order. Batches of a few hundred are fastest."""
        nodes = list(leaves)
        size, kept, level, hashed = self.size, self._kept, 0, sha256
        self.size += len(nodes)
        while nodes:
            if level == len(kept):
                kept.append(b"")
            if size >> level & 1:
                nodes.insert(0, kept[level])
            kept[level] = nodes.pop() if len(nodes) & 1 else b""
            pairs = iter(nodes)
            nodes = [hashed(b"\1" + left + right).digest() for left, right in zip(pairs, pairs)]  # noqa: B905
            level += 1

    def root(self) -> bytes:
        """Return the tree's root (RFC 9162 2.1.1)."""
        root = b""
        for kept in self._kept:
            if kept:
                root = node_hash(kept, root) if root else kept
        return root or EMPTY_ROOT


class RootsAt:
    """Grows a tree and compares its root with what is expected at given sizes.

    ``wrong`` collects the sizes at which the root differs; ``missing`` are the sizes that were not reached.
    """

    def __init__(self, expected: Mapping[int, bytes]):
        self.frontier = Frontier()
        self.wrong: list[int] = []
        self._expected = expected
        self._stops = sorted(expected, reverse=True)
        self.extend([])

    @property
    def missing(self) -> list[int]:
        """The sizes that were expected and that the tree has not reached, smallest first."""
        return self._stops[::-1]

    def extend(self, leaves: Sequence[bytes]) -> None:
        """Add leaf hashes in order, stopping at each expected size on the way."""
        frontier, stops, done = self.frontier, self._stops, 0
        end = frontier.size + len(leaves)
        while stops and stops[-1] <= end:
            stop = stops.pop()
            step = stop - frontier.size
            frontier.extend(leaves[done : done + step])
            done += step
            if frontier.root() != self._expected[stop]:
                self.wrong.append(stop)
        frontier.extend(leaves[done:] if done else leaves)


# ----------------------------------------------------------------------------------------------------
# Proofs


def verify_inclusion(index: int, size: int, leaf: bytes, proof: Sequence[bytes], root: bytes) -> bool:
    """Whether ``proof`` shows ``leaf`` at ``index`` (from 0) in the tree of ``size`` leaves.

    Source: RFC 9162 2.1.3.2.
    """
    if not 0 <= index < size <= _SIZE_MAX or not _hashes((leaf, root, *proof)):
        return False
    at, last, reached = index, size - 1, leaf
    for sibling in proof:
        if last == 0:
            return False
        if at & 1 or at == last:
            reached = node_hash(sibling, reached)
            while not at & 1 and at:
                at >>= 1
                last >>= 1
        else:
            reached = node_hash(reached, sibling)
        at >>= 1
        last >>= 1
    return last == 0 and reached == root


def verify_consistency(old_size: int, new_size: int, proof: Sequence[bytes], old_root: bytes, new_root: bytes) -> bool:
    """Whether ``proof`` shows that the tree of ``old_size`` leaves begins that of ``new_size``.

    An empty old tree proves nothing and is refused. Source: RFC 9162 2.1.4.2.
    """
    return old_size > 0 and verify_subtree_consistency(0, old_size, new_size, proof, old_root, new_root)


def verify_subtree_inclusion(
    index: int, start: int, end: int, leaf: bytes, proof: Sequence[bytes], subtree_root: bytes
) -> bool:
    """Whether ``proof`` shows ``leaf`` at ``index`` of the tree within its subtree [``start``, ``end``)."""
    return _is_subtree(start, end) and verify_inclusion(index - start, end - start, leaf, proof, subtree_root)


def verify_subtree_consistency(
    start: int, end: int, size: int, proof: Sequence[bytes], subtree_root: bytes, root: bytes
) -> bool:
    """Whether ``proof`` shows the subtree [``start``, ``end``) within the tree of ``size`` leaves.

    Source: draft-ietf-plants-merkle-tree-certs, "Verifying a Subtree Consistency Proof". An empty subtree is
    in every tree, whatever its root.
    """
    if not _is_subtree(start, end) or not end <= size <= _SIZE_MAX:
        return False
    if start == end:
        return not proof and subtree_root == EMPTY_ROOT
    # Without a proof the roots are only compared with each other, and of equal ones nothing else is asked.
    if proof and not _hashes((subtree_root, root, *proof)):
        return False
    first, at, last = start, end - 1, size - 1
    while first != at and (at & 1 or at == last):
        first, at, last = first >> 1, at >> 1, last >> 1
    hashes = iter(proof)
    seed = subtree_root if first == at else next(hashes, b"")
    if not seed:
        return False
    reached_subtree = reached_root = seed
    for sibling in hashes:
        if last == 0:
            return False
        if at & 1 or at == last:
            if first < at:
                reached_subtree = node_hash(sibling, reached_subtree)
            reached_root = node_hash(sibling, reached_root)
            while not at & 1:
                first, at, last = first >> 1, at >> 1, last >> 1
        else:
            reached_root = node_hash(reached_root, sibling)
        first, at, last = first >> 1, at >> 1, last >> 1
    return last == 0 and reached_subtree == subtree_root and reached_root == root


def _is_subtree(start: int, end: int) -> bool:
    """Whether ``start`` is a multiple of the smallest power of two that is not below the width."""
    if not 0 <= start <= end:
        return False
    width = end - start
    return width == 0 or start % (1 << (width - 1).bit_length()) == 0


def _hashes(values: Iterable[bytes]) -> bool:
    return all(len(value) == 32 for value in values)


# ----------------------------------------------------------------------------------------------------
# Ed25519

_P = 2**255 - 19
_ORDER = 2**252 + 27742317777372353535851937790883648493
_D = -121665 * pow(121666, -1, _P) % _P
_ROOT_OF_MINUS_ONE = pow(2, (_P - 1) // 4, _P)
_Point = tuple[int, int, int, int]
_NEUTRAL: _Point = (0, 1, 1, 0)


def _add(first: _Point, second: _Point) -> _Point:
    """Add two points in extended coordinates; complete, so it doubles too (RFC 8032 5.1.4)."""
    x1, y1, z1, t1 = first
    x2, y2, z2, t2 = second
    a = (y1 - x1) * (y2 - x2) % _P
    b = (y1 + x1) * (y2 + x2) % _P
    c = 2 * _D * t1 * t2 % _P
    d = 2 * z1 * z2 % _P
    e, f, g, h = b - a, d - c, d + c, b + a
    return e * f % _P, g * h % _P, f * g % _P, e * h % _P


def _decode_point(data: bytes) -> _Point | None:
    """Read a point (RFC 8032 5.1.3); None where the encoding is not canonical or not on the curve."""
    number = int.from_bytes(data, "little")
    sign, y = number >> 255, number & (2**255 - 1)
    if len(data) != 32 or y >= _P:
        return None
    square = (y * y - 1) * pow(_D * y * y + 1, -1, _P) % _P
    x = pow(square, (_P + 3) // 8, _P)
    if x * x % _P != square:
        x = x * _ROOT_OF_MINUS_ONE % _P
    if x * x % _P != square or (x == 0 and sign):
        return None
    if x & 1 != sign:
        x = _P - x
    return x, y, 1, x * y % _P


def _encode_point(point: _Point) -> bytes:
    x, y, z, _ = point
    inverse = pow(z, -1, _P)
    x, y = x * inverse % _P, y * inverse % _P
    return (y | (x & 1) << 255).to_bytes(32, "little")


@functools.lru_cache(maxsize=8)
def _multiples(point: _Point) -> list[list[_Point]]:
    """Return j * 16**i * ``point`` for all i below 64 and j below 16: a product is then 63 additions."""
    table = []
    for _ in range(64):
        row = [_NEUTRAL]
        for _ in range(16):
            row.append(_add(row[-1], point))
        point = row.pop()
        table.append(row)
    return table


def _add_product(total: _Point, factor: int, table: list[list[_Point]]) -> _Point:
    for row in table:
        if factor & 15:
            total = _add(total, row[factor & 15])
        factor >>= 4
    return total


_BASE = _decode_point((4 * pow(5, -1, _P) % _P).to_bytes(32, "little")) or _NEUTRAL


def _is_small(point: _Point) -> bool:
    """Whether eight times the point is neutral: such a key accepts signatures on texts nobody signed."""
    for _ in range(3):
        point = _add(point, point)
    return point[0] == 0


@functools.lru_cache(maxsize=8)
def _negative_key(public_key: bytes) -> _Point | None:
    point = _decode_point(public_key)
    if point is None or _is_small(point):
        return None
    x, y, z, t = point
    return _P - x, y, z, _P - t


def ed25519_verify(public_key: bytes, message: bytes, signature: bytes) -> bool:
    """Whether ``signature`` (64 bytes) is of ``public_key`` (32 bytes) on ``message`` (RFC 8032 5.1.7).

    Strict: S below the group order, canonical encodings only, no key of small order, no cofactor.
    """
    if len(public_key) != 32 or len(signature) != 64:
        return False
    scalar = int.from_bytes(signature[32:], "little")
    minus_key = _negative_key(public_key)
    if minus_key is None or scalar >= _ORDER:
        return False
    digest = sha512(signature[:32] + public_key + message).digest()
    challenge = int.from_bytes(digest, "little") % _ORDER
    point = _add_product(_NEUTRAL, scalar, _multiples(_BASE))
    point = _add_product(point, challenge, _multiples(minus_key))
    # Comparing encodings also refuses an R that is not canonical.
    return _encode_point(point) == signature[:32]


# ----------------------------------------------------------------------------------------------------
# Signed notes and checkpoints


class BadNote(ValueError):
    """A note, checkpoint or key is not of its form, or no known key signed it."""


class VerifierKey(NamedTuple):
    """An Ed25519 key that signs notes: its name (of a log, the origin), id (4 bytes) and point (32 bytes)."""

    name: str
    key_id: bytes
    public_key: bytes


class NoteSignature(NamedTuple):
    """One signature line of a note: who, with which key (4 bytes), and the signature itself."""

    name: str
    key_id: bytes
    signature: bytes


class Note(NamedTuple):
    """A text (with its last newline) and the signatures on it. Nothing is verified yet."""

    text: str
    signatures: tuple[NoteSignature, ...]


class Checkpoint(NamedTuple):
    """A signed statement: the tree of ``origin`` with ``size`` leaves has this ``root`` (32 bytes)."""

    origin: str
    size: int
    root: bytes


def _decode_base64(text: str, what: str) -> bytes:
    try:
        data = base64.b64decode(text.encode("ascii"), validate=True)
    except ValueError:
        raise BadNote(f"{what}: not base64: got {text[:60]!r}") from None
    # Unused bits of the last digit would give one value many spellings.
    if base64.b64encode(data).decode() != text:
        raise BadNote(f"{what}: not canonical base64: got {text[:60]!r}")
    return data


def _check_name(name: str) -> None:
    if not name or "+" in name or len(name) > 255 or any(c.isspace() or not c.isprintable() for c in name):
        raise BadNote(f"key name: got {name[:60]!r}, expected text without spaces and plus signs")


def key_id(name: str, public_key: bytes) -> bytes:
    """Return the 4 bytes that name an Ed25519 note key (C2SP signed-note)."""
    return sha256(name.encode() + b"\n\x01" + public_key).digest()[:4]


def format_vkey(name: str, public_key: bytes) -> str:
    """Return a key as text: ``<name>+<key id in hex>+<base64 of type byte and key>`` (C2SP signed-note).

    Raises:
        BadNote: the name has spaces or plus signs.
    """
    _check_name(name)
    encoded = base64.b64encode(b"\x01" + public_key).decode()
    return f"{name}+{key_id(name, public_key).hex()}+{encoded}"


def parse_vkey(text: str) -> VerifierKey:
    """Read a key in its text form.

    Raises:
        BadNote: another form, another algorithm than Ed25519, an id that is not the key's, or a weak key.
    """
    parts = text.strip().split("+", 2)
    if len(text) > 1024 or len(parts) != 3:
        raise BadNote(f"key: got {text[:80]!r}, expected <name>+<8 hex digits>+<base64>")
    name, identity, encoded = parts
    _check_name(name)
    data = _decode_base64(encoded, "key")
    if len(data) != 33 or data[0] != 1:
        raise BadNote(f"key: got {len(data)} bytes, expected type 1 (Ed25519) and 32 bytes")
    public_key = data[1:]
    if identity != key_id(name, public_key).hex():
        raise BadNote(f"key: its id is {key_id(name, public_key).hex()}, got {identity[:20]!r}")
    if _negative_key(public_key) is None:
        raise BadNote("key: not a point that can sign")
    return VerifierKey(name, bytes.fromhex(identity), public_key)


def parse_note(note: str) -> Note:
    """Take a signed note apart; signatures are not verified here.

    Raises:
        BadNote: not of the form of C2SP signed-note, over 64 KiB, or over 64 signatures.
    """
    if len(note) > NOTE_BYTES_MAX:
        raise BadNote(f"note: larger than {NOTE_BYTES_MAX} bytes")
    if re.search("[\x00-\x09\x0b-\x1f]", note):
        raise BadNote("note: holds control characters")
    text, blank, lines = note.rpartition("\n\n")
    if not blank or not text or not lines.endswith("\n"):
        raise BadNote("note: no signature: expected text, an empty line, signature lines")
    signatures: list[NoteSignature] = []
    for line in lines[:-1].split("\n"):
        parts = line.split(" ")
        if len(parts) != 3 or parts[0] != "\u2014":
            raise BadNote(f"note: not a signature line: got {line[:80]!r}")
        _check_name(parts[1])
        data = _decode_base64(parts[2], "signature")
        if len(data) < 5 or len(signatures) == _SIGNATURES_MAX:
            raise BadNote(f"note: a signature is too short, or there are over {_SIGNATURES_MAX}")
        signatures.append(NoteSignature(parts[1], data[:4], data[4:]))
    return Note(text + "\n", tuple(signatures))


def parse_checkpoint(text: str) -> Checkpoint:
    """Read a note's text as a checkpoint (C2SP tlog-checkpoint); extension lines are passed over.

    Raises:
        BadNote: not of that form.
    """
    lines = text.split("\n")
    if len(lines) < 4 or lines[-1] or not all(lines[:-1]):
        raise BadNote(f"checkpoint: got {len(lines) - 1} lines, expected origin, size and root")
    if not re.fullmatch("0|[1-9][0-9]{0,18}", lines[1]) or int(lines[1]) > _SIZE_MAX:
        raise BadNote(f"checkpoint: not a size: got {lines[1][:40]!r}")
    root = _decode_base64(lines[2], "checkpoint root")
    if len(root) != 32:
        raise BadNote(f"checkpoint: root of {len(root)} bytes, expected 32")
    return Checkpoint(lines[0], int(lines[1]), root)


def open_checkpoint(
    note: str,
    keys: Sequence[VerifierKey],
    check_signature: Callable[[bytes, bytes, bytes], bool] = ed25519_verify,
) -> Checkpoint:
    """Return what a note says after verifying that one of ``keys``, named as its origin, signed it.

    Signatures of unknown keys are passed over; a false one of a known key condemns the note.

    Raises:
        BadNote: not a checkpoint, or not signed by any of the keys.
    """
    parsed = parse_note(note)
    checkpoint = parse_checkpoint(parsed.text)
    message, signed = parsed.text.encode(), False
    for key in keys:
        for name, identity, signature in parsed.signatures:
            if (name, identity) != (key.name, key.key_id):
                continue
            if not check_signature(key.public_key, message, signature):
                raise BadNote(f"checkpoint at {checkpoint.size}: the signature of {name} is false")
            signed = signed or name == checkpoint.origin
    if not signed:
        raise BadNote(f"checkpoint at {checkpoint.size} of {checkpoint.origin[:80]}: not signed by a known key")
    return checkpoint


def read_notes(lines: Iterable[str]) -> Iterator[str]:
    """Take apart checkpoints that stand one after the other, parted by empty lines.

    Raises:
        BadNote: one is over 64 KiB.
    """
    note: list[str] = []
    size, blanks = 0, 0
    for line in lines:
        blanks += line == "\n"
        if blanks == 2:
            yield "".join(note)
            note, size, blanks = [], 0, 0
            continue
        note.append(line)
        size += len(line)
        if size > NOTE_BYTES_MAX:
            raise BadNote(f"note: larger than {NOTE_BYTES_MAX} bytes")
    if note:
        yield "".join(note)


# ----------------------------------------------------------------------------------------------------
# An export


class ExportVerdict(NamedTuple):
    """What was checked, as pairs of a word and what was found, and what is wrong: nothing where it holds."""

    checked: tuple[tuple[str, str], ...]
    problems: tuple[str, ...]


class _Damaged(Exception):
    """A file of the export cannot be used; the text says why."""


def check_export(
    folder: str,
    trusted: Sequence[str] = (),
    witnessed: Sequence[str] = (),
    progress: Callable[[str, int], None] | None = None,
) -> ExportVerdict:
    """Check the export in ``folder`` against itself, the ``trusted`` keys and the ``witnessed`` notes.

    Without trusted keys the export's own key is used, which shows only that the export fits itself. Without a
    witnessed note a cut tail cannot be told from an older copy. ``progress`` is told what is being
    counted and how many there are so far.

    Raises:
        BadNote: a trusted key is not a key.
    """
    return _ExportCheck(folder, [parse_vkey(key) for key in trusted], witnessed, progress).run()


class _Segment(NamedTuple):
    file: str
    events: int
    sha256: str


class _Manifest(NamedTuple):
    origin: str
    size: int
    segments: tuple[_Segment, ...]


def _read_manifest(text: str) -> _Manifest:
    try:
        value = json.loads(text)
        if value["format"] != EXPORT_FORMAT:
            raise _Damaged(f"manifest.json: format {value['format']!r:.40}, expected {EXPORT_FORMAT!r}")
        segments = tuple(_Segment(entry["file"], entry["events"], entry["sha256"]) for entry in value["segments"])
        manifest = _Manifest(value["origin"], value["size"], segments)
    except (ValueError, KeyError, TypeError, RecursionError) as error:
        raise _Damaged(f"manifest.json is not a manifest: {type(error).__name__}: {error!s:.60}") from None
    if type(manifest.origin) is not str or type(manifest.size) is not int:
        raise _Damaged("manifest.json: origin must be text and size a whole number")
    for index, (file, events, digest) in enumerate(segments):
        if file != f"events/{index:06d}.jsonl":
            raise _Damaged(f"manifest.json: segment {index} is named {file!r:.60}")
        if type(events) is not int or type(digest) is not str or not 0 < events <= _SIZE_MAX:
            raise _Damaged(f"manifest.json: {file}: events must be a whole number and sha256 text")
    return manifest


class _ExportCheck:
    def __init__(
        self,
        folder: str,
        trusted: Sequence[VerifierKey],
        witnessed: Sequence[str],
        progress: Callable[[str, int], None] | None,
    ):
        self.folder, self.trusted, self.witnessed = Path(folder), trusted, witnessed
        self.progress = progress or (lambda what, done: None)
        self.checked: list[tuple[str, str]] = []
        self.problems: list[str] = []
        self.unlisted = 0
        self.roots: dict[int, bytes] = {}
        self.named: dict[str, int] = {}

    def run(self) -> ExportVerdict:
        try:
            self._steps()
        except (_Damaged, BadNote) as error:
            self._problem(str(error))
        except OSError as error:
            self._problem(f"{error.filename}: cannot be read: {error.strerror}")
        if self.unlisted:
            self.problems.append(f"and {self.unlisted} more")
        return ExportVerdict(tuple(self.checked), tuple(self.problems))

    def _steps(self) -> None:
        manifest = _read_manifest(self._text("manifest.json", _MANIFEST_BYTES_MAX))
        self.checked.append(("origin", manifest.origin))
        keys = self._keys(manifest.origin)
        latest = open_checkpoint(self._text("checkpoint", NOTE_BYTES_MAX), keys)
        self._expect(latest, "checkpoint")
        if latest.size != manifest.size:
            self._problem(f"manifest.json says {manifest.size} events, the checkpoint {latest.size}")
        self._notes(keys, latest.size)
        for note in self.witnessed:
            self._expect(open_checkpoint(note, keys), "witnessed checkpoint")
        self._events(manifest.segments, latest.size)
        self._documents()

    def _problem(self, text: str) -> None:
        if len(self.problems) < _PROBLEMS_MAX:
            self.problems.append(text)
        else:
            self.unlisted += 1

    def _open(self, name: str) -> BinaryIO:
        path = self.folder / name
        try:
            regular = stat.S_ISREG(path.lstat().st_mode)
        except FileNotFoundError:
            raise _Damaged(f"{name} is missing") from None
        if not regular:
            raise _Damaged(f"{name} is not a plain file")
        return path.open("rb")

    def _text(self, name: str, bytes_max: int) -> str:
        with self._open(name) as stream:
            data = stream.read(bytes_max + 1)
        if len(data) > bytes_max:
            raise _Damaged(f"{name} is larger than {bytes_max} bytes")
        try:
            return data.decode("utf-8")
        except UnicodeDecodeError:
            raise _Damaged(f"{name} is not UTF-8") from None

    def _names(self, folder: str) -> list[str]:
        path = self.folder / folder
        return sorted(entry.name for entry in path.iterdir()) if path.is_dir() else []

    def _keys(self, origin: str) -> list[VerifierKey]:
        own = parse_vkey(self._text("vkey", 1024))
        if not self.trusted:
            self.checked.append(("key", format_vkey(own.name, own.public_key)))
            self.checked.append(("", "the export's own: give --key to know who signed"))
        for key in self.trusted:
            self.checked.append(("key", format_vkey(key.name, key.public_key) + " (given)"))
        if self.trusted and own not in self.trusted:
            self._problem("vkey: the export's key is not a key that you gave")
        keys = list(self.trusted) or [own]
        if any(key.name != origin for key in keys):
            self._problem(f"manifest.json: origin {origin!r:.80} is not the key's name")
        return keys

    def _expect(self, checkpoint: Checkpoint, where: str) -> None:
        root = self.roots.setdefault(checkpoint.size, checkpoint.root)
        if root != checkpoint.root:
            self._problem(f"{where}: a second root is signed for {checkpoint.size} events: the history was forked")

    def _notes(self, keys: Sequence[VerifierKey], size: int) -> None:
        count, largest = 0, -1
        with self._open("checkpoints") as stream:
            # readline is bounded, so that a file without line ends cannot fill memory.
            lines = (line.decode("utf-8") for line in iter(lambda: stream.readline(NOTE_BYTES_MAX), b""))
            try:
                for note in read_notes(lines):
                    checkpoint = open_checkpoint(note, keys)
                    self._expect(checkpoint, "checkpoints")
                    count, largest = count + 1, max(largest, checkpoint.size)
                    self.progress("checkpoints", count)
            except UnicodeDecodeError:
                raise _Damaged("checkpoints is not UTF-8") from None
        if largest != size:
            self._problem(f"checkpoints: the largest signs {largest} events, the latest checkpoint {size}")
        self.checked.append(("checkpoints", f"{count} signed"))

    def _events(self, segments: Sequence[_Segment], signed: int) -> None:
        listed = {segment.file.rpartition("/")[2] for segment in segments}
        for name in self._names("events"):
            if name not in listed:
                self._problem(f"events/{name} is not in the manifest")
        tree = RootsAt(self.roots)
        for segment in segments:
            self._segment(segment, tree)
        size = tree.frontier.size
        self.checked.append(("events", f"{size} in {len(segments)} segments"))
        self.checked.append(("root", base64.b64encode(tree.frontier.root()).decode()))
        if size > signed:
            self._problem(f"{size - signed} events stand after the latest checkpoint, unsigned")
        for stop in tree.missing:
            self._problem(f"{stop} events were signed, here are {size}: the tail was cut, or an older copy put back")
        for stop in tree.wrong:
            self._problem(f"the first {stop} events are not those that were signed: the root differs")
        if self.witnessed:
            largest = max(parse_checkpoint(parse_note(note).text).size for note in self.witnessed)
            self.checked.append(("witnessed", f"{largest} events"))
        else:
            self.checked.append(("witnessed", "not given: an older copy would pass; give --checkpoint"))

    def _segment(self, segment: _Segment, tree: RootsAt) -> None:
        before, digest = tree.frontier.size, sha256()
        with self._open(segment.file) as stream:
            for bodies in _read_bodies(stream, segment.file, digest.update):
                for offset, body in enumerate(bodies):
                    if b'"document.kept"' in body:
                        self._name_document(body, tree.frontier.size + offset)
                tree.extend([sha256(b"\0" + body).digest() for body in bodies])
                self.progress("events", tree.frontier.size)
        if tree.frontier.size - before != segment.events:
            self._problem(f"{segment.file}: {tree.frontier.size - before} events, the manifest says {segment.events}")
        if digest.hexdigest() != segment.sha256:
            self._problem(f"{segment.file}: its SHA-256 is not the manifest's")

    def _name_document(self, body: bytes, index: int) -> None:
        try:
            event = json.loads(body)
            if event["kind"] != "document.kept":
                return
            digest = event["data"]["digest"]
        except (ValueError, KeyError, TypeError, RecursionError):
            digest = None
        if type(digest) is str and re.fullmatch("[0-9a-f]{64}", digest):
            self.named.setdefault(digest, index)
        else:
            self._problem(f"event {index}: document.kept without a digest")

    def _documents(self) -> None:
        names = self._names("documents")
        for name in names:
            with self._open(f"documents/{name}") as stream:
                digest = sha256()
                for block in iter(lambda: stream.read(_BLOCK_BYTES), b""):
                    digest.update(block)
            if digest.hexdigest() != name:
                self._problem(f"documents/{name:.80}: its text has another digest")
        for digest_named in sorted(self.named.keys() - set(names)):
            self._problem(f"documents/{digest_named} is missing; event {self.named[digest_named]} names it")
        self.checked.append(("documents", f"{len(self.named)} named, {len(names)} present"))


def _read_bodies(stream: BinaryIO, name: str, update: Callable[[bytes], object]) -> Iterator[list[bytes]]:
    """Yield the lines of a segment in batches, without their line ends; ``update`` is fed every byte read."""
    rest = b""
    for block in iter(lambda: stream.read(_BLOCK_BYTES), b""):
        update(block)
        lines = (rest + block).split(b"\n")
        rest = lines.pop()
        if len(rest) > BODY_BYTES_MAX:
            raise _Damaged(f"{name}: a line is longer than {BODY_BYTES_MAX} bytes")
        yield lines
    if rest:
        raise _Damaged(f"{name}: the last line is torn")


# ----------------------------------------------------------------------------------------------------
# A certificate: its cases counted again, its numbers computed anew, by methods of this file's own


class _Doubt(Exception):
    """Why a certificate cannot be believed."""


_Json = dict[str, Any]
_Key = tuple[str, str]
_COUNTED_KINDS = (
    "action.decided", "action.failed", "action.finished", "approval.answered", "approval.expired", "outcome.recorded",
    "probe.planted", "review.answered", "stage.changed", "threshold.learned",
)  # fmt: skip
_UNREADABLE = (KeyError, TypeError, ValueError, AttributeError, IndexError, OverflowError, ZeroDivisionError)
_CLOSE = 1e-9
_TERMS_MAX = 50_000_000


def check_certificate(folder: str, digest: str, trusted: Sequence[str] = ()) -> ExportVerdict:
    """Check the certificate ``digest`` against the events of the export in ``folder``.

    Finds its event, checks its digest and signature, counts the cases again and computes the numbers anew, to 1e-9.
    It believes the events: check them first with `check_export`.

    Raises:
        BadNote: a trusted key is not a key.
    """
    keys = [parse_vkey(key) for key in trusted]
    check = _ExportCheck(folder, keys, (), None)
    checked: list[tuple[str, str]] = [("certificate", digest)]
    try:
        manifest = _read_manifest(check._text("manifest.json", _MANIFEST_BYTES_MAX))
        body, note = _find_certificate(_parsed(check, manifest, ("certificate.issued",)), digest)
        _check_note(note, digest, keys or [parse_vkey(check._text("vkey", 1024))])
        recount = _Recount(body)
        for seq, event in _parsed(check, manifest, _COUNTED_KINDS):
            if seq >= body["to_seq"]:
                break
            recount.take(seq, event)
        checked += recount.compare()
    except (_Doubt, _Damaged, BadNote) as error:
        return ExportVerdict(tuple(checked), (f"certificate: {error}",))
    except OSError as error:
        return ExportVerdict(tuple(checked), (f"{error.filename}: cannot be read: {error.strerror}",))
    except (*_UNREADABLE, RecursionError) as error:
        return ExportVerdict(tuple(checked), (f"certificate: cannot be read: {type(error).__name__}: {error!s:.80}",))
    return ExportVerdict(tuple(checked), ())


def _parsed(check: _ExportCheck, manifest: _Manifest, kinds: Sequence[str]) -> Iterator[tuple[int, _Json]]:
    """Yield the events of ``kinds`` with their places."""
    named = [f'"{kind}"'.encode() for kind in kinds]
    seq = 0
    for segment in manifest.segments:
        with check._open(segment.file) as stream:
            for bodies in _read_bodies(stream, segment.file, lambda _: None):
                for body in bodies:
                    if any(name in body for name in named):
                        event = json.loads(body)
                        if event["kind"] in kinds:
                            yield seq, event
                    seq += 1


def _find_certificate(events: Iterable[tuple[int, _Json]], digest: str) -> tuple[_Json, str]:
    for seq, event in events:
        data = event["data"]
        if data["digest"] == digest:
            text = json.dumps(data["body"], sort_keys=True, separators=(",", ":"), ensure_ascii=False)
            if sha256(text.encode()).hexdigest() != digest:
                raise _Doubt("its body has another digest")
            if not 0 <= data["body"]["to_seq"] <= seq:
                raise _Doubt(f"it rests on events up to {data['body']['to_seq']}, and was issued at {seq}")
            return data["body"], data["note"]
    raise _Doubt("it is not in this export")


def _check_note(note: str, digest: str, keys: Sequence[VerifierKey]) -> None:
    parsed = parse_note(note)
    for key in keys:
        for name, identity, signature in parsed.signatures:
            if (name, identity) == (key.name, key.key_id):
                if parsed.text != f"{key.name}\ncertificate {digest}\n":
                    raise _Doubt("its signature is on something else")
                if not ed25519_verify(key.public_key, parsed.text.encode(), signature):
                    raise _Doubt(f"the signature of {name} is false")
                return
    raise _Doubt("it is not signed by a known key")


class _Counted:
    """One case: when it was decided, how it stood then, and what was said of each of its actions."""

    def __init__(self, seq: int, version: str, group: str, decided: int, deadline: int):
        self.seq, self.version, self.group, self.decided, self.deadline = seq, version, group, decided, deadline
        self.matures: int | None = None
        self.confidence = 0
        self.threshold: int | None = None
        self.alone = self.expected = self.done = self.probe = False
        self.moments: dict[str, int] = {}
        self.said: dict[tuple[str, str], bool] = {}

    def fate(self, now: int) -> str:
        if self.probe or not self.expected:
            return "left out"
        late = now >= self.deadline
        if (self.matures is None and not late) or (self.matures is not None and now < self.matures):
            return "open"
        if not self.said:
            return "missing" if late else "open"
        for action in self.moments:
            words = {speaker: right for (about, speaker), right in self.said.items() if about == action}
            sources = [right for speaker, right in words.items() if speaker.startswith("source:")]
            if not all(sources or words.values()):
                return "wrong"
        return "right"


class _Recount:
    """Folds the events of one agent's action again, and compares what comes out with what the certificate says."""

    def __init__(self, body: _Json):
        self.body = body
        self.terms = {body["version"]: body["terms"]}
        if body["proof"]["method"] == "paired":
            self.terms[body["proof"]["other"]] = body["proof"]["other_terms"]
        self.cases: dict[_Key, _Counted] = {}
        self.by_action: dict[str, _Counted] = {}
        self.windows: dict[_Key, dict[str, Any]] = {}
        self.probes: set[str] = set()

    def take(self, seq: int, event: _Json) -> None:
        """Take in one event."""
        kind, data, digest = event["kind"], event["data"], event["action"]
        if kind == "action.decided":
            self._decided(seq, event)
            return
        if kind in ("stage.changed", "threshold.learned"):
            self._changed(seq, kind, data)
            return
        if kind == "probe.planted":
            if (data["agent"], data["action_name"]) == (self.body["agent"], self.body["action"]):
                self.probes.add(data["case"])
            return
        case = self.by_action.get(digest)
        if case is None:
            return
        terms = self.terms[case.version]
        if kind == "action.finished":
            self._finished(case, digest, terms)
        elif kind in ("action.failed", "approval.expired") or data.get("verdict") == "reject":
            self._no_deed(case, terms)
        if kind == "approval.answered":
            case.said[digest, "person:" + data["person"]] = data["verdict"] == "approve"
        elif kind == "review.answered" and data["right"] is not None:
            case.said[digest, "person:" + data["person"]] = data["right"]
        elif kind == "outcome.recorded" and data["right"] is not None:
            case.said[digest, data["said_by"]] = data["right"]

    def _finished(self, case: _Counted, digest: str, terms: _Json) -> None:
        if not case.done:
            moment = case.moments[digest]
            case.done, case.matures = True, moment + terms["matures_seconds"]
            if moment <= case.deadline:
                case.deadline = max(case.deadline, moment + terms["deadline_seconds"])

    def _no_deed(self, case: _Counted, terms: _Json) -> None:
        if case.matures is None:
            case.matures = case.decided + terms["matures_seconds"]

    def _decided(self, seq: int, event: _Json) -> None:
        data, name, digest = event["data"], event["case"], event["action"]
        action, decision, standing = data["action"], data["decision"], data["standing"]
        version = action["version"]
        known = self.by_action.get(digest)
        moment = int(datetime.strptime(standing["now"], "%Y-%m-%dT%H:%M:%S.%f%z").timestamp())
        if known is not None:
            known.moments[digest] = moment
            return
        if (action["agent"], action["name"]) != (self.body["agent"], self.body["action"]) or version not in self.terms:
            return
        denied = [check for check in decision["checks"] if check["verdict"] == "deny"]
        if data["attempt"] != 1 or any((one["name"], one["rule"]) != ("stage", "shadow") for one in denied):
            return
        terms = self.terms[version]
        case = self.cases.get((version, name))
        if case is None:
            case = self._new(seq, action, standing, decision.get("review"), moment)
            self.cases[version, name] = case
        case.moments[digest] = moment
        self.by_action[digest] = case
        if decision["verdict"] == "deny":
            self._no_deed(case, terms)

    def _new(self, seq: int, action: _Json, standing: _Json, review: _Json | None, moment: int) -> _Counted:
        version, terms = action["version"], self.terms[action["version"]]
        earned = (standing.get("earned") or [None])[0]
        if earned is not None:
            group = earned["key"][len(f"{action['agent']}/{version}/{action['name']}/") :]
        else:
            value = action["arguments"].get(terms["class_argument"])
            group = str(value).lower() if isinstance(value, bool) else str(value) if type(value) in (str, int) else ""
        case = _Counted(seq, version, group, moment, moment + terms["deadline_seconds"])
        stated = action["confidence_bp"]
        case.confidence = stated or 0
        alive = earned is not None and (earned["expires_at"] is None or earned["expires_at"] > standing["now"])
        if alive and earned["stage"] in ("sampled", "autonomous"):
            case.threshold = earned["threshold_bp"]
        case.alone = case.threshold is not None and stated is not None and stated >= case.threshold
        case.expected = terms["everyone"] or review is None or review["drawn"]
        return case

    def _changed(self, seq: int, kind: str, data: _Json) -> None:
        if (data["agent"], data["action"]) != (self.body["agent"], self.body["action"]):
            return
        if data["version"] not in self.terms:
            return
        starts = self.terms[data["version"]]["starts"]
        window = self.windows.setdefault(
            (data["version"], data["class"]),
            {"stage": starts, "threshold": None, "learn": -1, "alone": -1, "changed": -1},
        )
        before = window["stage"], window["threshold"]
        window["threshold"] = data["threshold_bp"]
        if kind == "stage.changed":
            window["stage"], window["changed"] = data["stage"], seq
            if data["cause"] in ("demoted", "suspended", "expired"):
                window["learn"] = seq
        fresh = window["stage"] != before[0] and (before[0], window["stage"]) != ("sampled", "autonomous")
        if fresh or window["threshold"] != before[1]:
            window["alone"] = seq

    def settled(self, version: str, group: str) -> list[tuple[str, _Counted]]:
        """Return the cases of one class that count, with their fates: up to the first that is not settled."""
        found = []
        own = [case for case in self.cases.values() if (case.version, case.group) == (version, group)]
        names = {id(case): name for (_, name), case in self.cases.items()}
        for case in sorted(own, key=lambda one: one.seq):
            case.probe = names[id(case)] in self.probes
            fate = case.fate(self.body["at"])
            if fate == "open":
                break
            if fate != "left out":
                found.append((fate, case))
        return found

    def compare(self) -> list[tuple[str, str]]:
        """Return what was found the same.

        Raises:
            _Doubt: something is not.
        """
        body, proof = self.body, self.body["proof"]
        window = self.windows.get((body["version"], body["class"]), {})
        _same("the stage it rises from", window.get("stage", body["terms"]["starts"]), body["from"])
        _same("the event it was changed by last", window.get("changed", -1), body["changed_seq"])
        _same("the beginning of its window", window.get(body["window"], -1), body["from_seq"])
        if proof["method"] == "mixture":
            return self._mixture(proof)
        return self._paired(proof) if proof["method"] == "paired" else self._threshold(proof)

    def _tally(self, group: str) -> tuple[int, int, int]:
        start = self.windows.get((self.body["version"], group), {}).get(self.body["window"], -1)
        fates = [
            fate
            for fate, case in self.settled(self.body["version"], group)
            if case.seq > start and (case.alone if self.body["window"] == "alone" else case.threshold is None)
        ]
        return len(fates), sum(fate != "right" for fate in fates), fates.count("missing")

    def _mixture(self, proof: _Json) -> list[tuple[str, str]]:
        body = self.body
        bound, delta = float.fromhex(proof["bound"]), float.fromhex(proof["delta"])
        promised = body["promise_bp"] / 10_000
        _same("delta", delta, (10_000 - body["sure_bp"]) / 10_000)
        if body["to"] == "autonomous":
            _same("the bound", bound, promised)
        trials, errors, missing = self._tally(body["class"])
        for name, got in (("trials", trials), ("errors", errors), ("missing", missing)):
            _same(name, got, proof[name])
        groups = {case.group for case in self.cases.values() if case.version == body["version"]} | {body["class"]}
        groups |= {group for version, group in self.windows if version == body["version"]}
        evidence = {group: _log_mixture(*self._tally(group)[:2], bound) for group in groups}
        own = evidence[body["class"]]
        _near("log evidence", own, proof["log_evidence"])
        _same("classes", len(groups), proof["classes"])
        _near("the log evidence required", _required(list(evidence.values()), delta), proof["required"])
        _near("the upper bound", _upper(trials, errors, delta), proof["upper"])
        if own < float.fromhex(proof["required"]) - _CLOSE:
            raise _Doubt(f"its log evidence is {own:.9f}, required {float.fromhex(proof['required']):.9f}")
        return [("cases", f"{trials} counted, {errors} wrong"), ("evidence", f"{own:.12g}, the same to 1e-9")]

    def _threshold(self, proof: _Json) -> list[tuple[str, str]]:
        body = self.body
        start = self.windows.get((body["version"], body["class"]), {}).get("learn", -1)
        taught = [one for one in self.settled(body["version"], body["class"]) if one[1].seq > start]
        taught = [one for one in taught if one[1].threshold is None]
        grid = [case.confidence for place, (_, case) in enumerate(taught) if place % 5 == 4]
        labelled = [(case.confidence, fate != "right") for place, (fate, case) in enumerate(taught) if place % 5 != 4]
        planned = proof["plan_at"]
        if planned not in proof["plan"] or len(labelled) < planned:
            raise _Doubt(f"it was learned at {planned} labels, of which {len(labelled)} are there")
        bound, delta = float.fromhex(proof["bound"]), float.fromhex(proof["delta"])
        _same("the bound", bound, body["promise_bp"] / 10_000)
        _same("delta", delta, (10_000 - body["sure_bp"]) / 10_000 / 2)
        found = _learn(grid[: planned // 4], labelled[:planned], bound, delta / len(proof["plan"]))
        if found is None:
            raise _Doubt("no threshold keeps the promise")
        threshold, count, wrong, log_p = found
        _same("the threshold", threshold, proof["threshold_bp"])
        _same("the threshold in force", threshold, body["threshold_bp"])
        _same("labels at or above", count, proof["at_or_above"])
        _same("errors", wrong, proof["errors"])
        _near("log evidence", log_p, proof["log_evidence"])
        return [("cases", f"{planned} labels, {count} from {threshold} bp on, {wrong} wrong"),
                ("evidence", f"{log_p:.12g}, the same to 1e-9")]  # fmt: skip

    def _paired(self, proof: _Json) -> list[tuple[str, str]]:
        body = self.body
        names = {id(case): name for (_, name), case in self.cases.items()}
        before = {names[id(case)]: fate for fate, case in self.settled(proof["other"], body["class"])}
        counts = {"same": 0, "better": 0, "worse": 0}
        for fate, case in self.settled(body["version"], body["class"]):
            name = names[id(case)]
            if case.seq > body["from_seq"] and name in before:
                old, new = before[name] == "right", fate == "right"
                counts["same" if old == new else "better" if new else "worse"] += 1
        for word, count in counts.items():
            _same(word, count, proof[word])
        margin = float.fromhex(proof["margin"])
        logs = []
        for bet in (0.15, 0.25, 0.35, 0.45, 0.6, 0.97):
            gains = (margin * bet / (1 - margin), (1 + margin) * bet / (1 - margin), -bet)
            logs.append(math.fsum(n * math.log1p(gain) for n, gain in zip(counts.values(), gains)))  # noqa: B905
        evidence = max(logs) + math.log(math.fsum(math.exp(one - max(logs)) for one in logs) / len(logs))
        _near("log evidence", evidence, proof["log_evidence"])
        if evidence < -math.log(float.fromhex(proof["delta"])) - _CLOSE:
            raise _Doubt(f"its log evidence is {evidence:.9f}, which is not enough")
        return [("cases", ", ".join(f"{count} {word}" for word, count in counts.items())),
                ("evidence", f"{evidence:.12g}, the same to 1e-9")]  # fmt: skip


def _same(what: str, got: object, said: object) -> None:
    if got != said:
        raise _Doubt(f"{what}: the events give {got!r:.60}, the certificate says {said!r:.60}")


def _near(what: str, got: float, said: str) -> None:
    number = float.fromhex(said)
    if not abs(got - number) <= _CLOSE * max(1.0, abs(number)):
        raise _Doubt(f"{what}: the events give {got!r}, the certificate says {number!r}: {got - number:.3g} apart")


def _log_mixture(trials: int, errors: int, bound: float) -> float:
    """The log e-value of a Beta(1/2, 1/2) mixture cut off at ``bound``, against a rate of ``bound`` or more.

    The integral is a series of positive terms in which the likelihood at the bound stands as a factor, and cancels.
    """
    if trials == 0:
        return 0.0
    a, total, x = errors + 0.5, trials + 1.0, bound
    term, whole, scale, count = 1.0, 1.0, 0.0, 0
    while term > 1e-18 * whole or (total + count) * x > a + 1.0 + count:
        term *= (total + count) / (a + 1.0 + count) * x
        whole += term
        count += 1
        if whole > 1e250:
            term, whole, scale = term / whole, 1.0, scale + math.log(whole)
        if count > _TERMS_MAX:
            raise _Doubt("its counts are too large to be checked here")
    prior = 2.0 * math.asin(math.sqrt(x))
    return 0.5 * (math.log(x) + math.log1p(-x)) - math.log(a) + math.log(whole) + scale - math.log(prior)


def _required(evidence: Sequence[float], delta: float) -> float:
    """What each class needs so that those named together are rightly named (e-BH; one class alone: 1 / delta)."""
    ordered = sorted(evidence, reverse=True)
    for rank in range(len(ordered), 0, -1):
        required = math.log(len(ordered) / (delta * rank)) if len(ordered) > 1 else -math.log(delta)
        if ordered[rank - 1] >= required:
            return required
    raise _Doubt("no class of this action can be certified")


def _upper(trials: int, errors: int, delta: float) -> float:
    """The smallest bound that the counts certify."""
    low, high = errors / trials if trials else 0.0, 1.0 - 1e-15
    for _ in range(60):
        middle = (low + high) / 2
        low, high = (low, middle) if _log_mixture(trials, errors, middle) >= -math.log(delta) else (middle, high)
    return high


def _log_at_most(errors: int, labels: int, rate: float) -> float:
    """The log chance of at most ``errors`` in ``labels`` at ``rate``, summed from the largest number down."""
    if errors >= labels:
        return 0.0
    log_top = math.fsum(math.log((labels - errors + i) / i) for i in range(1, errors + 1))
    log_top += errors * math.log(rate) + (labels - errors) * math.log1p(-rate)
    term, terms = 1.0, [1.0]
    for wrong in range(errors, 0, -1):
        term *= wrong / (labels - wrong + 1.0) * (1.0 - rate) / rate
        terms.append(term)
    return min(0.0, log_top + math.log(math.fsum(terms)))


def _learn(
    grid: Sequence[int], labelled: Sequence[tuple[int, bool]], bound: float, delta: float
) -> tuple[int, int, int, float] | None:
    """Learn-then-Test with a fixed sequence of shares, strict to loose: threshold, labels there, errors, log p."""
    floor = max(1, math.ceil(math.log(delta) / math.log1p(-bound)))
    start = min(9_000, max(2_500, math.ceil(10_000 * 1.6 * floor / max(1, len(labelled)))))
    surest = sorted(grid, reverse=True)
    best = None
    for share in [*range(start, 10_000, 100), 10_000] if surest else []:
        threshold = surest[-(-share * len(surest) // 10_000) - 1]
        if best is not None and threshold == best[0]:
            continue
        there = [wrong for confidence, wrong in labelled if confidence >= threshold]
        if not there or _log_at_most(sum(there), len(there), bound) > math.log(delta):
            break
        best = (threshold, len(there), sum(there), _log_at_most(sum(there), len(there), bound))
    return best


# ----------------------------------------------------------------------------------------------------
# The command


def _printable(text: str) -> str:
    """Make text from the export safe for a terminal."""
    return "".join(character if " " <= character <= "~" else "?" for character in text[:300])


def _show_progress(what: str, done: int) -> None:
    if done % 1000 == 0 or what == "events":
        sys.stderr.write(f"\r{what:<12}{done:>14,}  ")


def _read_witnessed(path: str) -> str:
    with Path(path).open("rb") as stream:
        data = stream.read(NOTE_BYTES_MAX + 1)
    if len(data) > NOTE_BYTES_MAX:
        raise BadNote(f"{path}: larger than {NOTE_BYTES_MAX} bytes")
    return data.decode("utf-8")


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command; returns 0 where the export holds, 1 where it is broken, 2 where it cannot be asked."""
    import argparse

    parser = argparse.ArgumentParser(description="Check an exported remit ledger.")
    parser.add_argument("folder", metavar="DIR", help="the export")
    parser.add_argument("--key", action="append", default=[], metavar="VKEY", help="the key you trust, as text")
    parser.add_argument(
        "--checkpoint", action="append", default=[], metavar="FILE", help="a checkpoint you or a witness kept"
    )
    parser.add_argument("--certificate", metavar="DIGEST", help="a certificate to count and compute again")
    options = parser.parse_args(arguments)
    if not Path(options.folder).is_dir():
        sys.stderr.write(f"{_printable(options.folder)}: no such folder\n")
        return 2
    progress = _show_progress if sys.stderr.isatty() else None
    try:
        witnessed = [_read_witnessed(path) for path in options.checkpoint]
        verdict = check_export(options.folder, options.key, witnessed, progress)
        if options.certificate and not verdict.problems:
            again = check_certificate(options.folder, options.certificate, options.key)
            verdict = ExportVerdict(verdict.checked + again.checked, again.problems)
    except (BadNote, OSError, UnicodeDecodeError) as error:
        sys.stderr.write(f"{_printable(str(error))}\n")
        return 2
    if progress:
        sys.stderr.write("\r" + " " * 30 + "\r")
    lines = [f"{word:<12}{_printable(found)}" for word, found in verdict.checked]
    lines += [f"BROKEN: {_printable(problem)}" for problem in verdict.problems] or ["holds"]
    sys.stdout.write("\n".join(lines) + "\n")
    return 1 if verdict.problems else 0


if __name__ == "__main__":
    sys.exit(main())
