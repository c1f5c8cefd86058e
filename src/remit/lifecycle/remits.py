"""Which terms an agent's version had, whatever is in use now: read from the manifests that the ledger keeps."""

from __future__ import annotations

import threading
from collections.abc import Mapping

import orjson

from remit.errors import BadManifest
from remit.evidence.case_label import CaseTerms
from remit.ledger.journal import Journal
from remit.ledger.query import all_events
from remit.manifest.autonomy import Autonomy
from remit.manifest.grant import Manifest
from remit.manifest.load import load_manifest

__all__ = ["Remits", "case_terms"]


class Remits:
    """Every manifest that was ever in use, by agent and version. Safe to call from any thread."""

    def __init__(self, journal: Journal):
        self._store = journal.store
        self._lock = threading.Lock()
        self._reached = 0
        self._manifests: dict[tuple[str, str], Manifest] = {}
        self._by_text: dict[tuple[str, str], Manifest | None] = {}
        self._in_use: tuple[str, Mapping[str, Manifest]] = ("", {})

    def in_use(self) -> Mapping[str, Manifest]:
        """Return the manifests that the ledger says are in use now, by agent."""
        rows = self._store.read("select digest, seq from document where name = 'manifests/all'")
        if not rows:
            return {}
        digest, seq = rows[0]
        with self._lock:
            if self._in_use[0] != digest:
                body = self._store.read("select body from event where seq = ?", (seq,))[0][0]
                found = self._read(orjson.loads(body)["data"]["text"])
                self._in_use = digest, {manifest.agent: manifest for manifest in found}
            return self._in_use[1]

    def manifest(self, agent: str, version: str) -> Manifest | None:
        """Return the manifest of that version; None when the ledger has none."""
        with self._lock:
            found = self._manifests.get((agent, version))
            if found is None:
                self._catch_up()
                found = self._manifests.get((agent, version))
            return found

    def terms(self, agent: str, version: str, action: str) -> Autonomy | None:
        """Return the terms of that version for ``action``; None where its autonomy is not earned."""
        manifest = self.manifest(agent, version)
        grant = manifest.actions.get(action) if manifest is not None else None
        return grant.autonomy if grant is not None and grant.oversight == "earned" else None

    def case_terms(self, agent: str, version: str, action: str) -> CaseTerms | None:
        """Return what of the terms the track record needs."""
        terms = self.terms(agent, version, action)
        return None if terms is None else case_terms(terms)

    def _catch_up(self) -> None:
        size = self._store.read("select size from head")[0][0]
        if size == self._reached:
            return
        with self._store.snapshot() as reader:
            for recorded in all_events(reader, ("document.kept",), self._reached):
                if recorded.event.data["sort"] == "manifests":
                    self._read(str(recorded.event.data["text"]))
        self._reached = size

    def _read(self, text: str) -> list[Manifest]:
        found = []
        for name, content in orjson.loads(text).items():
            if (name, content) not in self._by_text:
                try:
                    manifest = self._by_text[name, content] = load_manifest(name, content)
                except BadManifest:  # written for another remit: nothing can be earned by it here
                    self._by_text[name, content] = None
                else:
                    self._manifests[manifest.agent, manifest.version] = manifest
            known = self._by_text[name, content]
            if known is not None:
                found.append(known)
        return found


def case_terms(terms: Autonomy) -> CaseTerms:
    """Return what of ``terms`` the track record needs."""
    return CaseTerms(
        terms.starts, terms.class_of, terms.matures_seconds, terms.deadline_seconds, max(1, terms.promise_bp),
        terms.sure_bp, max(1, terms.supervise_at_bp), terms.plan, terms.outcome is not None,
    )  # fmt: skip
