"""Make the published ledgers of tests/vectors/ledger, good and tampered, the same bytes each time.

Run: ``python tests/vectors/make_ledger_vectors.py FOLDER``. The keys are test keys; they sign nothing else.
"""

from __future__ import annotations

import json
import re
import shutil
import sys
from collections.abc import Callable
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from remit.canonical import canonical
from remit.ledger.checkpoint import Signer
from remit.ledger.export import export_ledger
from remit.ledger.verify import Frontier, leaf_hash
from remit.vocabulary import Json

__all__ = ["CASES", "Case", "bodies", "build"]

ORIGIN = "remit.local/vectors"
EVENTS = 40
SEGMENT = 16
SIGNED_AT = (1, 16, 25, 40)
HONEST = Signer(ORIGIN, Ed25519PrivateKey.from_private_bytes(sha256(b"remit test vectors: honest").digest()))
STRANGER = Signer(ORIGIN, Ed25519PrivateKey.from_private_bytes(sha256(b"remit test vectors: stranger").digest()))
MANIFEST_TEXT = b"agent: carrier-choice\nowner: ana.sousa\n"
POLICY_TEXT = '@id("hold") @reason("safety hold") forbid (principal, action, resource);\n# gepr\u00fcft\n'.encode()
DOCUMENTS = {sha256(text).hexdigest(): text for text in (MANIFEST_TEXT, POLICY_TEXT)}


def event(number: int, kind: str, actor: str, data: Json, action: str = "", step: str = "", case: str = "") -> bytes:
    """Return one body; its time follows from its number."""
    at = f"2026-11-21T09:{number // 60:02d}:{number % 60:02d}.000000Z"
    names = {"action": action, "actor": actor, "at": at, "case": case, "kind": kind, "step": step}
    return canonical({**names, "data": data, "v": 1})


def bodies() -> list[bytes]:
    """Return the honest ledger: two documents, seven actions with an approval each, three outcomes."""
    made: list[bytes] = []
    for sort, name, text in (
        ("manifest", "carrier-choice", MANIFEST_TEXT),
        ("policies", "freight", POLICY_TEXT),
    ):
        digest = sha256(text).hexdigest()
        data: Json = {"digest": digest, "name": name, "sort": sort, "text": text.decode()}
        made.append(event(len(made), "document.kept", "ana.sousa", data))
    for number in range(7):
        for kind, step, actor, data in _action(number):
            action, case = sha256(b"action %d" % number).hexdigest(), f"SHIP-{number:03d}"
            made.append(event(len(made), kind, actor, data, action, step, case))
    while len(made) < EVENTS:
        outcome: Json = {"right": True, "said_by": 'Zo\u00eb "Z" M\u00fcller', "value": {"late_days": 0}}
        made.append(event(len(made), "outcome.recorded", "tracking", outcome, case=f"SHIP-{len(made) - 37:03d}"))
    return made


def _action(number: int) -> list[tuple[str, str, str, Json]]:
    order: dict[str, Json] = {
        "carrier": "DHL",
        "expected_cost_minor": 90_000 + number,
        "order": f"O-{number:04d}",
    }
    escalated: Json = {"arguments": order, "rule": "over-800", "verdict": "escalate"}
    allowed: Json = {"arguments": order, "rule": "approved", "verdict": "allow"}
    asked: Json = {"role": "finance", "shown": sha256(canonical(order)).hexdigest(), "within_seconds": 14_400}
    answered: Json = {"answer": "approve", "reason": "within budget", "role": "finance", "seconds": 41}
    done: Json = {"cost_minor": 90_000 + number, "result": {"booking": f"B-{number:04d}"}}
    return [
        ("action.decided", "decided:1", "carrier-choice", escalated),
        ("approval.asked", "asked:1", "carrier-choice", asked),
        ("approval.answered", "answered:1:fin.okafor", "fin.okafor", answered),
        ("action.decided", "decided:2", "carrier-choice", allowed),
        ("action.finished", "ended", "carrier", done),
    ]


def notes(of: list[bytes], signer: Signer, sizes: tuple[int, ...] = SIGNED_AT) -> list[str]:
    """Return the checkpoints that ``signer`` gives at ``sizes``."""
    frontier, signed = Frontier(), []
    for size in sizes:
        frontier.extend([leaf_hash(body) for body in of[frontier.size : size]])
        signed.append(signer.sign_checkpoint(size, frontier.root()))
    return signed


def honest(folder: Path, size: int = EVENTS, signer: Signer = HONEST, of: list[bytes] | None = None) -> None:
    """Write an export without the verifier, which the vectors are for."""
    events = (of or bodies())[:size]
    signed = notes(events, signer, tuple(at for at in SIGNED_AT if at <= size))
    export_ledger(folder, events, signed, DOCUMENTS, signer.vkey, segment_events=SEGMENT)
    (folder / "verify.py").unlink()
    (folder / "README.txt").unlink()


def read(folder: Path) -> list[bytes]:
    """Return the bodies of an export."""
    segments = sorted((folder / "events").iterdir())
    return [body for segment in segments for body in segment.read_bytes().splitlines()]


def rewrite(folder: Path, events: list[bytes]) -> None:
    """Put other bodies in place, with segments and manifest that fit them: all that needs no key."""
    shutil.rmtree(folder / "events")
    (folder / "events").mkdir()
    segments = []
    for index, start in enumerate(range(0, len(events), SEGMENT)):
        data = b"".join(body + b"\n" for body in events[start : start + SEGMENT])
        name = f"events/{index:06d}.jsonl"
        (folder / name).write_bytes(data)
        segments.append({"events": data.count(b"\n"), "file": name, "sha256": sha256(data).hexdigest()})
    manifest = json.loads((folder / "manifest.json").read_text())
    manifest |= {
        "segments": segments,
        "size": len(events),
    }
    (folder / "manifest.json").write_text(json.dumps(manifest, indent=1, sort_keys=True) + "\n")


def edited(index: int, old: bytes, new: bytes) -> Callable[[Path], None]:
    """Return a change of one body, with everything without a key made to fit."""

    def change(folder: Path) -> None:
        events = read(folder)
        assert old in events[index], (index, old, events[index])
        events[index] = events[index].replace(old, new)
        rewrite(folder, events)

    return change


def changed(arrange: Callable[[list[bytes]], list[bytes]]) -> Callable[[Path], None]:
    """Return a rearrangement of the bodies, with everything without a key made to fit."""
    return lambda folder: rewrite(folder, arrange(read(folder)))


def edited_in_place(folder: Path) -> None:
    """Change an amount in the file and nothing else."""
    segment = folder / "events" / "000000.jsonl"
    segment.write_bytes(segment.read_bytes().replace(b'"expected_cost_minor":90001', b'"expected_cost_minor":10001'))


def re_chained(folder: Path) -> None:
    """Change an event and put the right root into every note, under the signatures as they were."""
    events = read(folder)
    events[2] = events[2].replace(b'"verdict":"escalate"', b'"verdict":"allow"')
    rewrite(folder, events)
    signatures = [note.partition("\n\n")[2] for note in notes(bodies(), HONEST)]
    texts = [note.partition("\n\n")[0] for note in notes(events, STRANGER)]
    stale = [f"{text}\n\n{signature}" for text, signature in zip(texts, signatures, strict=True)]
    (folder / "checkpoints").write_text("\n".join(stale))
    (folder / "checkpoint").write_text(stale[-1])


def re_signed(folder: Path) -> None:
    """Change an event and sign everything anew with a key of one's own."""
    events = bodies()
    events[2] = events[2].replace(b'"verdict":"escalate"', b'"verdict":"allow"')
    shutil.rmtree(folder)
    honest(folder, signer=STRANGER, of=events)


def restored(folder: Path) -> None:
    """Put back the export as it was at 25 events."""
    shutil.rmtree(folder)
    honest(folder, 25)


def forked(folder: Path) -> None:
    """Let the ledger's own key sign another history after 16 events, with as many events."""
    events = [*bodies()[:16], *reversed(bodies()[16:])]
    shutil.rmtree(folder)
    honest(folder, of=events)


def emptied(folder: Path) -> None:
    """Remove every event."""
    rewrite(folder, [])


def emptied_wholly(folder: Path) -> None:
    """Remove every event and every checkpoint."""
    rewrite(folder, [])
    (folder / "checkpoints").unlink()
    (folder / "checkpoint").unlink()


def without_segment(folder: Path) -> None:
    """Delete the middle segment's file."""
    (folder / "events" / "000001.jsonl").unlink()


def with_stray_segment(folder: Path) -> None:
    """Add a segment that the manifest does not name."""
    (folder / "events" / "000003.jsonl").write_bytes(bodies()[0] + b"\n")


def without_document(folder: Path) -> None:
    """Delete the text of a policy."""
    (folder / "documents" / sha256(POLICY_TEXT).hexdigest()).unlink()


def edited_document(folder: Path) -> None:
    """Change the text of a policy under its old name."""
    path = folder / "documents" / sha256(POLICY_TEXT).hexdigest()
    path.write_bytes(POLICY_TEXT.replace(b"forbid", b"permit"))


def edited_vkey(folder: Path) -> None:
    """Put another key into the export."""
    (folder / "vkey").write_text(STRANGER.vkey + "\n")


def removed_signature(folder: Path) -> None:
    """Take the signature off the latest note."""
    text = (folder / "checkpoint").read_text()
    (folder / "checkpoint").write_text(re.sub("(?m)^\u2014.*\n", "", text))


@dataclass(frozen=True, slots=True)
class Case:
    """A way to tamper, and the verdicts it must get: alone, with the key, with key and witnessed note."""

    what: str
    tamper: Callable[[Path], None]
    says: str
    alone: str = "BROKEN"
    key: str = "BROKEN"
    witnessed: str = "BROKEN"


ROOT_DIFFERS = "are not those that were signed: the root differs"
CASES: dict[str, Case] = {
    "good": Case("nothing", lambda folder: None, "holds", "holds", "holds", "holds"),
    "edited_payload": Case(
        "an amount is changed in the file",
        edited_in_place,
        "its SHA-256 is not the manifest's",
    ),
    "edited_payload_rehashed": Case(
        "an amount is changed, and every hash that needs no key with it",
        edited(7, b'"expected_cost_minor":90001', b'"expected_cost_minor":10001'),
        ROOT_DIFFERS,
    ),
    "edited_decision": Case(
        "an escalation is made an allow",
        edited(2, b'"verdict":"escalate"', b'"verdict":"allow"'),
        ROOT_DIFFERS,
    ),
    "edited_approver": Case(
        "another person is said to have approved",
        edited(4, b'"actor":"fin.okafor"', b'"actor":"ana.sousa"'),
        ROOT_DIFFERS,
    ),
    "edited_time": Case(
        "an approval is dated back",
        edited(4, b"T09:00:04", b"T09:00:01"),
        ROOT_DIFFERS,
    ),
    "swapped_order": Case(
        "two events change places",
        changed(lambda events: [*events[:20], events[21], events[20], *events[22:]]),
        ROOT_DIFFERS,
    ),
    "deleted_middle": Case(
        "an event is taken out",
        changed(lambda events: [*events[:20], *events[21:]]),
        "the tail was cut",
    ),
    "doubled_event": Case(
        "an event stands twice",
        changed(lambda events: [*events[:20], events[20], *events[20:]]),
        "stand after the latest checkpoint, unsigned",
    ),
    "cut_tail": Case("the last event is cut off", changed(lambda events: events[:-1]), "the tail was cut"),
    "cut_half": Case("the second half is cut off", changed(lambda events: events[:20]), "the tail was cut"),
    "emptied": Case("every event is taken out", emptied, "the tail was cut"),
    "emptied_wholly": Case("every event and note is taken out", emptied_wholly, "checkpoint is missing"),
    "re_chained": Case("an event is changed and each note's root made to fit", re_chained, "is false"),
    "re_signed": Case(
        "an event is changed and all is signed with another key",
        re_signed,
        "not a key that you gave",
        alone="holds",
    ),
    "restored_older": Case(
        "the export of 25 events is put back",
        restored,
        "an older copy put back",
        alone="holds",
        key="holds",
    ),
    "forked": Case(
        "the ledger's own key signs another history",
        forked,
        "the history was forked",
        alone="holds",
        key="holds",
    ),
    "deleted_segment": Case("a segment's file is deleted", without_segment, "000001.jsonl is missing"),
    "stray_segment": Case("a segment is added", with_stray_segment, "000003.jsonl is not in the manifest"),
    "deleted_document": Case("a policy's text is deleted", without_document, "is missing; event 1 names it"),
    "edited_document": Case("a policy's text is changed", edited_document, "its text has another digest"),
    "edited_vkey": Case("the export's key is replaced", edited_vkey, "not a key that you gave"),
    "removed_signature": Case("the latest note loses its signature", removed_signature, "no signature"),
}


def build(folder: Path) -> None:
    """Write every case, the trusted key, the witnessed note and the verdicts into ``folder``."""
    folder.mkdir(parents=True, exist_ok=True)
    expected = {}
    for name, case in CASES.items():
        shutil.rmtree(folder / name, ignore_errors=True)
        honest(folder / name)
        case.tamper(folder / name)
        verdicts = {"alone": case.alone, "key": case.key, "witnessed": case.witnessed}
        expected[name] = {"what": case.what, **verdicts, "says": case.says}
    (folder / "trusted.vkey").write_text(HONEST.vkey + "\n")
    (folder / "witnessed.checkpoint").write_text(notes(bodies(), HONEST)[-1])
    (folder / "expected.json").write_text(json.dumps(expected, indent=1) + "\n")


if __name__ == "__main__":
    build(Path(sys.argv[1]))
