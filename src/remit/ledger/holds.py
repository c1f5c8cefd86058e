"""Whether a ledger holds: its rows against their hashes, columns, signed checkpoints and witnesses."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from hashlib import sha256
from itertools import islice
from typing import Final, Literal

from remit.errors import LedgerBroken
from remit.ledger.checkpoint import verify_checkpoint
from remit.ledger.verify import RootsAt

__all__ = ["COLUMNS", "Columns", "LedgerReport", "LedgerRow", "check_ledger"]

COLUMNS: Final = ("kind", "at", "actor", "case", "action", "step")
"""The columns kept beside a body, in the order in which `check_ledger` takes them."""

Columns = tuple[str, str, str, str, str, str]
LedgerRow = tuple[int, bytes | str, bytes, Columns]
"""Sequence number, body, stored leaf hash, columns. The body may be text, as some drivers return it."""

_BATCH: Final = 1024
_PROBLEMS_MAX: Final = 100
_ACTION, _ACTOR, _AT, _CASE, _DATA = '{"action":"', '","actor":"', '","at":"', '","case":"', '","data":'
_KIND, _STEP, _V = ',"kind":"', '","step":"', '","v":'


@dataclass(frozen=True, slots=True)
class LedgerReport:
    """What was found. The ledger holds where ``problems`` is empty.

    ``size`` counts events, ``root`` is over them all (32 bytes), ``checkpoints`` counts those that a known
    key signed, ``signed_size`` is the largest size among them: events after it rest on nothing signed yet.
    """

    size: int
    root: bytes
    checkpoints: int
    signed_size: int
    problems: tuple[str, ...]


def check_ledger(
    rows: Iterable[LedgerRow],
    checkpoints: Iterable[str],
    vkeys: Sequence[str],
    witnessed: Iterable[str] = (),
    progress: Callable[[int], None] | None = None,
) -> LedgerReport:
    """Check every row and every checkpoint of a ledger, given in order.

    Found are: a missing, doubled or swapped sequence number; a leaf that is not its body's; a column that
    differs from the body; a root other than a signed one; a checkpoint that is forged or of another key; a
    ledger that is smaller than one that was signed or witnessed, or forked from it. ``witnessed`` are notes
    kept elsewhere: without them an older copy put back whole would pass. ``progress`` is told the number of
    events so far.

    Raises:
        BadInput: one of ``vkeys`` is not a key.
    """
    problems = _Problems()
    signed = _Signed(vkeys, problems)
    for note in checkpoints:
        signed.take(note, "stored")
    stored, signed_size = signed.count, max(signed.roots, default=0)
    for note in witnessed:
        signed.take(note, "witnessed")
    tree = RootsAt(signed.roots)
    rows_check = _Rows(tree, problems)
    left = iter(rows)
    while batch := list(islice(left, _BATCH)):
        rows_check.take(batch)
        if progress is not None:
            progress(tree.frontier.size)
    size = tree.frontier.size
    for stop in tree.missing:
        problems.add(f"a {signed.words[stop]} checkpoint signs {stop} events, the ledger has {size}: its tail is gone")
    for stop in tree.wrong:
        problems.add(f"the first {stop} events are not those that the {signed.words[stop]} checkpoint signs")
    if size and not stored:
        problems.add(f"none of the {size} events is covered by a signed checkpoint")
    return LedgerReport(size, tree.frontier.root(), stored, signed_size, problems.listed())


class _Problems:
    """What is wrong, the first hundred in words and the rest counted."""

    def __init__(self) -> None:
        self._texts: list[str] = []
        self._more = 0

    def add(self, text: str) -> None:
        if len(self._texts) < _PROBLEMS_MAX:
            self._texts.append(text)
        else:
            self._more += 1

    def listed(self) -> tuple[str, ...]:
        return (*self._texts, f"and {self._more} more") if self._more else tuple(self._texts)


class _Signed:
    """The roots that are signed, one for each size, and whose word each is."""

    def __init__(self, vkeys: Sequence[str], problems: _Problems):
        self.roots: dict[int, bytes] = {}
        self.words: dict[int, str] = {}
        self.count = 0
        self._vkeys, self._problems = vkeys, problems

    def take(self, note: str, word: Literal["stored", "witnessed"]) -> None:
        try:
            checkpoint = verify_checkpoint(note, self._vkeys)
        except LedgerBroken as error:
            self._problems.add(f"{word} {error}")
            return
        self.count += 1
        root = self.roots.setdefault(checkpoint.size, checkpoint.root)
        self.words.setdefault(checkpoint.size, word)
        if root != checkpoint.root:
            self._problems.add(
                f"two roots are signed for {checkpoint.size} events, one {self.words[checkpoint.size]}, "
                f"one {word}: the history was forked"
            )


class _Rows:
    """The rows, a batch at a time.

    A canonical body begins with its action, actor, at and case and ends with its kind, step and version, so
    columns are compared as that text; only where the text differs, or holds an escape, is the body parsed.
    """

    def __init__(self, tree: RootsAt, problems: _Problems):
        self._tree, self._problems = tree, problems
        self._next = 0

    def take(self, batch: Sequence[LedgerRow]) -> None:
        hashed, wanted = sha256, self._next
        leaves: list[bytes] = []
        for seq, body, stored, columns in batch:
            try:
                raw = body.encode() if isinstance(body, str) else body
                leaf = hashed(b"\0" + raw).digest()
                kind, at, actor, case, action, step = columns
                # Joined and not formatted, so that a column that is no text is not taken for one.
                head = "".join((_ACTION, action, _ACTOR, actor, _AT, at, _CASE, case, _DATA))
                tail = "".join((_KIND, kind, _STEP, step, _V))
                same = (
                    "\\" not in head
                    and "\\" not in tail
                    and raw.startswith(head.encode())
                    and raw.endswith(tail.encode(), 0, raw.rindex(b":") + 1)
                )
            except (TypeError, ValueError, AttributeError):
                leaf, same = hashed(b"\0" + _as_bytes(body)).digest(), False
            leaves.append(leaf)
            if seq != wanted or leaf != stored or not same:
                self._examine(wanted, seq, body, stored, leaf, columns)
                wanted = seq if type(seq) is int else wanted
            wanted += 1
        self._next = wanted
        self._tree.extend(leaves)

    def _examine(self, wanted: int, seq: int, body: bytes | str, stored: bytes, leaf: bytes, columns: Columns) -> None:
        if seq != wanted:
            found = "is missing" if type(seq) is int and seq > wanted else "is out of place"
            self._problems.add(f"event {wanted} {found}: the next row is event {seq!r:.40}")
        if leaf != stored:
            self._problems.add(f"event {seq!r:.40}: its body was changed: it has another hash than its leaf")
        self._compare(seq, body, columns)

    def _compare(self, seq: int, body: bytes | str, columns: Columns) -> None:
        try:
            event = json.loads(body)
        except (ValueError, TypeError, RecursionError):
            event = None
        if type(event) is not dict:
            self._problems.add(f"event {seq!r:.40}: its body is not a JSON object")
            return
        if len(columns) != len(COLUMNS):
            self._problems.add(f"event {seq!r:.40}: {len(columns)} columns, expected {len(COLUMNS)}")
            return
        for name, copy in zip(COLUMNS, columns, strict=True):
            said = event.get(name)
            if type(said) is not str or said != copy:
                where = f"event {seq!r:.40}: column {name}"
                self._problems.add(f"{where} is {copy!r:.60}, the body says {said!r:.60}")


def _as_bytes(body: object) -> bytes:
    """Return what can be hashed of a body of a wrong type, so that its place in the tree is kept."""
    if isinstance(body, str):
        return body.encode("utf-8", "surrogatepass")
    return bytes(body) if isinstance(body, bytes | bytearray | memoryview) else b""
