"""The keeper signs what was appended: a checkpoint each second and at every thousandth event, handed to a witness."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from typing import Final

from remit.errors import LedgerBroken, RemitError
from remit.ledger.checkpoint import Signer, verify_checkpoint
from remit.ledger.tree import Frontier, Tiles, consistency_proof, frontier_from_bytes, frontier_to_bytes
from remit.ledger.witness import Witness
from remit.store.engine import Reader, Store

__all__ = ["Keeper", "stored_checkpoints", "tiles_of"]

EVERY_SECONDS: Final = 1.0
EVERY_EVENTS: Final = 1_000


class Keeper:
    """Signs checkpoints of one store. Any number of processes may each have one: all sign the same tree."""

    def __init__(
        self,
        store: Store,
        signer: Signer,
        witnesses: Sequence[Witness] = (),
        report: Callable[[str], None] = lambda _line: None,
    ):
        self._store, self._signer, self._witnesses, self._report = store, signer, witnesses, report
        self._frontier: Frontier | None = None
        self._lock = threading.Lock()
        self._wake = threading.Event()
        self._stopped = threading.Event()
        self._appended = 0
        self._thread: threading.Thread | None = None

    def start(self) -> None:
        """Sign in the background until stopped."""
        self._thread = threading.Thread(target=self._run, name="remit-keeper", daemon=True)
        self._thread.start()

    def notice(self, size: int, events: int) -> None:
        """Be told, by the journal, that ``events`` more were appended."""
        self._appended += events
        if self._appended >= EVERY_EVENTS:
            self._wake.set()

    def stop(self, *, sign: bool = True) -> None:
        """End; with ``sign``, what was appended since is signed first."""
        self._stopped.set()
        self._wake.set()
        if self._thread is not None:
            self._thread.join()
            self._thread = None
        if sign:
            self.checkpoint()

    def _run(self) -> None:
        while not self._stopped.is_set():
            self._wake.wait(EVERY_SECONDS)
            self._wake.clear()
            self._appended = 0
            try:
                self.checkpoint()
            except RemitError as error:
                self._report(f"checkpoint: {error}")

    def checkpoint(self) -> str | None:
        """Sign the ledger as it is now, keep the note and hand it to the witnesses; None when nothing is new.

        Raises:
            LedgerBroken: what was signed last is not what the store holds now, or a witness kept something else.
        """
        with self._lock:
            frontier = self._frontier or self._resume()
            size = self._store.read("select size from head")[0][0]
            if size == frontier.size:
                self._frontier = frontier
                return None
            before = frontier.size
            grown = frontier.copy()
            with self._store.snapshot() as reader:
                grown.extend(_leaves(reader, before, size))
            if grown.size != size:
                raise LedgerBroken(f"the head says {size} events, {grown.size} are there")
            note = self._signer.sign_checkpoint(size, grown.root())
            self._keep(before, size, note, grown)
            self._frontier = grown
        self._show(note)
        return note

    def _resume(self) -> Frontier:
        rows = self._store.read("select note, frontier from checkpoint order by size desc limit 1")
        if not rows:
            return Frontier()
        signed = verify_checkpoint(rows[0][0], [self._signer.vkey])
        frontier = frontier_from_bytes(bytes(rows[0][1]))
        if (frontier.size, frontier.root()) != (signed.size, signed.root):
            raise LedgerBroken(f"the edge kept beside the checkpoint of {signed.size} events is not what was signed")
        return frontier

    def _keep(self, before: int, size: int, note: str, frontier: Frontier) -> None:
        done: list[tuple[str, bytes]] = []
        tiles = tiles_of(self._store, lambda level, index, data: done.append((f"{level}/{index}", data)))
        tiles.complete(before, size)
        with self._store.transaction() as transaction:
            if done:
                transaction.upsert_many("tile", "place", "place,hashes", done)
            row = (size, note, frontier_to_bytes(frontier))
            transaction.upsert_many("checkpoint", "size", "size,note,frontier", [row])

    def _show(self, note: str) -> None:
        tiles = tiles_of(self._store)
        for witness in self._witnesses:
            try:
                witness.add(note, self._signer.vkey, lambda old, new: consistency_proof(old, new, tiles.node))
            except LedgerBroken:
                raise
            except RemitError as error:  # a witness that is away for a moment is shown the next one
                self._report(f"witness: {error}")


def _leaves(reader: Reader, start: int, end: int) -> list[bytes]:
    rows = reader.stream("select leaf from event where seq >= ? and seq < ? order by seq", (start, end))
    return [bytes(leaf) for (leaf,) in rows]


def tiles_of(store: Store, put: Callable[[int, int, bytes], None] | None = None) -> Tiles:
    """Return the tiles kept in ``store``, to read proofs from; ``put`` also takes the new ones."""
    fresh: dict[tuple[int, int], bytes] = {}

    def get(level: int, index: int) -> bytes | None:
        if (level, index) in fresh:
            return fresh[level, index]
        rows = store.read("select hashes from tile where place = ?", (f"{level}/{index}",))
        return bytes(rows[0][0]) if rows else None

    def keep(level: int, index: int, data: bytes) -> None:
        fresh[level, index] = data
        if put is not None:
            put(level, index, data)

    def leaves(start: int, end: int) -> list[bytes]:
        rows = store.read("select leaf from event where seq >= ? and seq < ? order by seq", (start, end))
        return [bytes(leaf) for (leaf,) in rows]

    return Tiles(get, keep, leaves)


def stored_checkpoints(reader: Reader) -> list[str]:
    """Return all checkpoints that were kept, the smallest first."""
    return [note for (note,) in reader.stream("select note from checkpoint order by size")]
