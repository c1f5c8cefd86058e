"""A warden over a ledger written by hand: terms as given, no manifests, promotions and words to owners collected."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from tests.evidence.written_ledger import AGENT, NAME, moment

from remit.evidence.case_label import CaseTerms
from remit.evidence.track import TrackBook
from remit.evidence.track_state import TrackState
from remit.ledger.checkpoint import Signer
from remit.ledger.export import export_ledger
from remit.ledger.journal import Journal
from remit.ledger.verify import Frontier, check_certificate, check_export
from remit.lifecycle.promotion import Promotion
from remit.lifecycle.remits import Remits, case_terms
from remit.lifecycle.warden import Warden
from remit.manifest.autonomy import Autonomy, read_autonomy
from remit.store.engine import Store
from remit.vocabulary import Action, Event

__all__ = ["SIGNER", "Warded", "autonomy", "verify_certificate"]

SIGNER = Signer("remit.local/test", Ed25519PrivateKey.from_private_bytes(bytes(range(32))))


def autonomy(**changed: Any) -> Autonomy:
    """Plain terms, as a manifest would give them: classes by the argument ``kind``."""
    plain = read_autonomy({"promise": 0.05, "matures": "10s", "deadline": "50s", "class": "kind"})
    given: dict[str, Any] = {"plan": (100, 400), "review_bp": 5_000, "maintenance_bp": 2_000, **changed}
    return replace(plain, **given)


class FakeRemits(Remits):
    """Stands for `Remits`: the same terms for every version, and the version in use as it is set."""

    def __init__(self, given: Autonomy, version: str):
        self.given, self.version = given, version

    def in_use(self) -> Mapping[str, Any]:
        """One agent, in the version that is set."""
        return {AGENT: SimpleNamespace(version=self.version, digest=self.version * 32, owner="ada", actions={})}

    def terms(self, agent: str, version: str, action: str) -> Autonomy | None:
        """The terms of the one action there is."""
        return self.given if (agent, action) == (AGENT, NAME) else None

    def case_terms(self, agent: str, version: str, action: str) -> CaseTerms | None:
        """What the track record needs of them."""
        return case_terms(self.given) if (agent, action) == (AGENT, NAME) else None


class Warded:
    """A store with a journal, a book, a warden and the promotion; ``now`` is set by hand."""

    def __init__(self, store: Store, given: Autonomy, version: str = "v1"):
        self.store, self.journal = store, Journal(store)
        self.remits = FakeRemits(given, version)
        self.book = TrackBook(store, self.remits.case_terms)
        self.proposed: list[Action] = []
        self.told: list[str] = []
        self.now = 1_000
        self.warden = Warden(
            self.book, self.journal, SIGNER, self.remits, self.proposed.append, lambda _, text: self.told.append(text)
        )
        self.promotion = Promotion(self.book, self.journal, self.remits, lambda: moment(self.now))

    def look(self) -> list[tuple[Any, ...]]:
        """Look, and return what was recorded, in short."""
        return [_short(event) for event in self.warden.look(moment(self.now))]

    def track(self, class_: str = "", version: str = "v1") -> TrackState:
        """One track."""
        return self.book.tracks[f"{AGENT}/{version}/{NAME}/{class_}"]

    def close(self) -> None:
        """Stop the journal."""
        self.journal.close()


def _short(event: Event) -> tuple[Any, ...]:
    data: Any = event.data
    if event.kind == "stage.changed":
        return "stage", data["class"], data["stage"], data["cause"]
    if event.kind == "threshold.learned":
        return "threshold", data["class"], data["threshold_bp"], data["method"]
    if event.kind == "alarm.raised":
        return "alarm", data["class"], data["detector"], data["then"]
    return "certificate", data["class"], data["to"], data["body"]["proof"]["method"]


def verify_certificate(store: Store, folder: Path, digest: str) -> tuple[str, ...]:
    """Export the ledger and check the certificate there; returns what is wrong."""
    bodies = [body for (body,) in store.read("select body from event order by seq")]
    frontier = Frontier()
    frontier.extend([bytes(leaf) for (leaf,) in store.read("select leaf from event order by seq")])
    note = SIGNER.sign_checkpoint(frontier.size, frontier.root())
    export_ledger(folder, bodies, [note], {}, SIGNER.vkey)
    assert check_export(str(folder), [SIGNER.vkey]).problems == ()
    return check_certificate(str(folder), digest, [SIGNER.vkey]).problems
