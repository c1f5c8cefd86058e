"""How fast the ledger's mathematics is: hashing, checking a ledger, checking an export. CPU seconds of one
core.

Run: ``python bench/ledger_bench.py``.
"""

from __future__ import annotations

import tempfile
import time
from collections.abc import Callable, Iterator
from hashlib import sha256
from pathlib import Path

from remit.canonical import canonical
from remit.ledger.checkpoint import Signer
from remit.ledger.export import export_ledger
from remit.ledger.holds import LedgerRow, check_ledger
from remit.ledger.verify import Frontier, check_export, ed25519_verify, parse_note, parse_vkey

__all__ = ["run"]

SIZES = (10_000, 100_000, 1_000_000)
BATCH = 1024
COLUMNS = (
    "action.decided",
    "2026-11-21T09:00:00.000000Z",
    "carrier-choice",
    "SHIP-000001",
    "5e" * 32,
    "decided:1",
)


def body_of(index: int) -> bytes:
    """Return an event's body of about 600 bytes, different for each index."""
    kind, at, actor, case, action, step = COLUMNS
    facts = {"budget": {"age_seconds": 60, "value": 5_000_000}, "hold": {"age_seconds": 5, "value": "none"}}
    data = {
        "arguments": {"carrier": "DHL", "mode": "Air", "order": f"O{index:09d}"},
        "checks": [{"name": name, "verdict": "allow"} for name in ("identity", "manifest", "policy", "limits")],
        "facts": facts,
        "verdict": "allow",
    }
    names = {"action": action, "actor": actor, "at": at, "case": case, "kind": kind, "step": step}
    return canonical({**names, "data": data, "v": 1})


def cpu_seconds(work: Callable[[], object]) -> float:
    """Return the CPU seconds that ``work`` takes in this process."""
    start = time.process_time()
    work()
    return time.process_time() - start


def rate(what: str, count: int, unit: str, work: Callable[[], object]) -> dict[str, str | int]:
    """Return one line of figures: whole units per CPU second."""
    value = round(count / cpu_seconds(work))
    return {"what": what, "value": value, "unit": f"{unit} per CPU second", "n": count}


def hash_all(bodies: list[bytes]) -> bytes:
    """Return the root over ``bodies``."""
    frontier = Frontier()
    for start in range(0, len(bodies), BATCH):
        frontier.extend([sha256(b"\0" + body).digest() for body in bodies[start : start + BATCH]])
    return frontier.root()


def run() -> list[dict[str, str | int]]:
    """Measure hashing and verification at 10 k, 100 k and 1 M events."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        signer = Signer.open(folder / "ledger.key", "remit.local/bench")
        figures = [line for size in SIZES for line in _figures(size, signer, folder)]
        note = signer.sign_checkpoint(1, bytes(32))
        text, signatures = parse_note(note)
        key = parse_vkey(signer.vkey).public_key
        message, signature = text.encode(), signatures[0].signature

        def verify() -> None:
            assert all(ed25519_verify(key, message, signature) for _ in range(500))

        return [*figures, rate("Ed25519, standard library only", 500, "signatures", verify)]


def _figures(size: int, signer: Signer, folder: Path) -> list[dict[str, str | int]]:
    bodies = [body_of(index) for index in range(size)]
    leaves = [sha256(b"\0" + body).digest() for body in bodies]
    frontier, checkpoints = Frontier(), []
    for end in range(1000, size + 1, 1000):
        frontier.extend(leaves[end - 1000 : end])
        checkpoints.append(signer.sign_checkpoint(end, frontier.root()))

    def rows() -> Iterator[LedgerRow]:
        for seq, body in enumerate(bodies):
            yield seq, body, leaves[seq], COLUMNS

    def check() -> None:
        report = check_ledger(rows(), checkpoints, [signer.vkey])
        assert not report.problems, report.problems

    def check_exported() -> None:
        verdict = check_export(str(target), [signer.vkey], [checkpoints[-1]])
        assert not verdict.problems, verdict.problems

    target = folder / f"export-{size}"
    export_ledger(target, bodies, checkpoints, {}, signer.vkey)
    average = sum(map(len, bodies)) // size
    return [
        rate(f"leaf and root of {average}-byte events", size, "events", lambda: hash_all(bodies)),
        rate("check_ledger: rows, columns, root, a checkpoint per thousand", size, "events", check),
        rate("verify.py on an export: files, root, the same checkpoints", size, "events", check_exported),
    ]


if __name__ == "__main__":
    for figure in run():
        print(f"{figure['what']:<62}{figure['n']:>10,}{figure['value']:>12,} {figure['unit']}")
