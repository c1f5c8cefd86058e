"""The wiring of earned autonomy, and its public verbs: looking, the track record, certificates. `Control.autonomy`."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING

import orjson

from remit.connectors.own_system import OwnOperation
from remit.errors import BadInput, NotFound, RemitError
from remit.evidence.review_quality import CorrectedRate, ReviewQuality, corrected_rates, review_quality
from remit.evidence.track import TrackBook
from remit.evidence.track_record import TrackRecord, track_record
from remit.evidence.trust_tax import PaidTax, TaxTerms, paid_tax
from remit.ledger.checkpoint import Signer
from remit.ledger.journal import Journal
from remit.ledger.query import find_action
from remit.ledger.sealing import OpenFacts
from remit.lifecycle.certificate import Certificate, read_certificate
from remit.lifecycle.promotion import Promotion, find_certificate
from remit.lifecycle.remits import Remits
from remit.lifecycle.warden import Warden
from remit.manifest.autonomy import PROMOTE, Autonomy
from remit.manifest.template import names_in
from remit.oversight.approval import RolesOf
from remit.oversight.outcome import actions_of_case, record_outcome
from remit.oversight.review import ReviewCase, ReviewQueue, ReviewTerms
from remit.oversight.weekly import FlaggedCase, flagged_cases
from remit.run.draw import open_draw_key
from remit.run.replay import Journey
from remit.vocabulary import Action, Event, Json, Outcome

if TYPE_CHECKING:
    from remit.manifest.grant import ActionGrant, Manifest

__all__ = [
    "Certificate", "CorrectedRate", "Earnings", "FlaggedCase", "OutcomeCounts", "OutcomeRow", "PaidTax", "ReviewCase",
    "ReviewQuality", "TrackRecord",
]  # fmt: skip

_TOGETHER = 64
"""So many outcomes are recorded at once, to share commits."""
_TOLD_MAX = 100


@dataclass(frozen=True, slots=True)
class OutcomeRow:
    """One outcome as somebody wrote it: about an action (its first digits will do), or about a case of ``agent``."""

    case: str
    action: str
    agent: str
    right: bool | None
    said_by: str
    matured_at: datetime
    value: Mapping[str, Json]


@dataclass(frozen=True, slots=True)
class OutcomeCounts:
    """What became of many rows: newly recorded, known already, about unknown cases, impossible; places with reasons
    for at most the first 100 of the last two each.
    """

    recorded: int
    known: int
    unknown: int
    impossible: int
    told: tuple[tuple[str, str], ...]


class Earnings:
    """What one company's agents have earned, as this process sees it. Safe to call from any thread.

    ``submit`` takes an action to the gate without waiting; ``report`` is told what owners should know, in a line;
    ``open_facts`` puts back what sealed facts said.
    """

    def __init__(
        self,
        journal: Journal,
        signer: Signer,
        now: Callable[[], datetime],
        submit: Callable[[Action, str], Future[Journey]],
        report: Callable[[str], None],
        roles_of: RolesOf,
        open_facts: OpenFacts,
    ):
        self.remits = Remits(journal)
        self.reviews = ReviewQueue(
            journal, self._review_terms, roles_of, lambda: open_draw_key(journal.store), lambda: datetime.now(UTC),
            open_facts,
        )  # fmt: skip
        self._journal, self._now, self._submit, self._report = journal, now, submit, report
        self._signer = signer
        self._lock = threading.Lock()
        self._book: TrackBook | None = None
        self._warden: Warden | None = None
        self._seen = -1, -1

    @property
    def book(self) -> TrackBook:
        """The track book; read from the store when first needed."""
        with self._lock:
            if self._book is None:
                self._book = TrackBook(self._journal.store, self.remits.case_terms)
                self._warden = Warden(self._book, self._journal, self._signer, self.remits, self._propose, self._tell)
            return self._book

    def look(self) -> tuple[Event, ...]:
        """Take in what is new, record what follows, propose what may rise; return the events recorded.

        Nothing new since the last look of the same second costs one small read.

        Raises:
            StoreUnavailable: the store cannot be read or written.
        """
        size = self._journal.store.read("select size from head")[0][0]
        try:
            now = self._now()
        except BadInput:  # a story whose clock was never set: nothing can have happened in it
            return ()
        seen = size, int(now.timestamp())
        if seen == self._seen or not self._earning():
            return ()
        _ = self.book
        assert self._warden is not None
        events = self._warden.look(now)
        self._seen = seen
        return events

    def track_record(self) -> tuple[TrackRecord, ...]:
        """Return every track as of now."""
        return track_record(self.book, self._now()) if self._earning() else ()

    def terms(self, agent: str, version: str, action: str) -> Autonomy | None:
        """Return the terms of that version for ``action``; None where its autonomy is not earned."""
        return self.remits.terms(agent, version, action)

    def certificates(self, agent: str, action: str = "", class_: str | None = None) -> tuple[Certificate, ...]:
        """Return the certificates issued to ``agent``, the newest first; those of one action and class when given.

        Raises:
            BadInput: one is not what its digest says.
        """
        rows = self._journal.store.read(
            "select body from event where kind = 'certificate.issued' order by seq desc limit 10000"
        )
        found = (read_certificate(orjson.loads(body)["data"]) for (body,) in rows)
        return tuple(
            one
            for one in found
            if one.agent == agent and (not action or one.action == action) and class_ in (None, one.class_)
        )

    def certificate(self, digest: str) -> Certificate:
        """Return one certificate by its digest.

        Raises:
            NotFound: no such certificate. BadInput: it is not what its digest says.
        """
        found = find_certificate(self._journal, digest)
        if found is None:
            raise NotFound(f"no certificate {digest[:12]!r} was ever issued")
        return found

    # Reviews, outcomes, and what checking costs.

    def answer_review(
        self,
        action: str,
        person: str,
        right: bool | None,
        why: str = "",
        seconds: int | None = None,
        own: Mapping[str, Json] | None = None,
    ) -> Event:
        """Record what a person says of a case in their queue; raises as `ReviewQueue.answer` does."""
        event = self.reviews.answer(action, person, right, why, seconds, own)
        self.look()
        return event

    def flagged(self, days: int = 7, *, story: bool = False) -> tuple[FlaggedCase, ...]:
        """Return what of the last days is worth a look together. ``story``: the company's clock is a story's."""
        return flagged_cases(self._journal.store, self._now(), days=days, story=story)

    def review_quality(self) -> tuple[ReviewQuality, tuple[CorrectedRate, ...]]:
        """Return how far reviewers can be believed, and what their misses make of each version's bound."""
        quality = review_quality(self._journal.store)
        return quality, corrected_rates(quality, self.in_force())

    def trust_tax(self) -> tuple[PaidTax, ...]:
        """Return what people's time on each action that earns has cost so far, and the next safe reduction."""
        found = paid_tax(self._journal.store, self._tax_terms, self.in_force())
        return tuple(paid for paid in found if self._earns(paid.agent, paid.action) is not None)

    def in_force(self) -> tuple[TrackRecord, ...]:
        """Return the tracks of the versions in use."""
        versions = {agent: manifest.version for agent, manifest in self.remits.in_use().items()}
        return tuple(track for track in self.track_record() if versions.get(track.agent) == track.version)

    def record_outcomes(
        self, rows: Iterable[tuple[str, OutcomeRow | BadInput]], tell: Callable[[int], None] = lambda _done: None
    ) -> OutcomeCounts:
        """Record many outcomes, each with the place it came from; ``tell`` is told how many are done.

        A row that cannot be recorded does not stop those after it.

        Raises:
            StoreUnavailable: the store cannot be written; the rows before are recorded.
        """
        counts = dict.fromkeys(("recorded", "known", "unknown", "impossible"), 0)
        told: list[tuple[str, str]] = []
        part: dict[str, tuple[str, Outcome]] = {}
        with ThreadPoolExecutor(_TOGETHER) as pool:

            def flush(done: int) -> None:
                for place, (fate, why) in zip(
                    [place for place, _ in part.values()],
                    pool.map(self._recorded, [outcome for _, outcome in part.values()]),
                    strict=True,
                ):
                    _count(counts, told, fate, place, why)
                part.clear()
                tell(done)

            done = 0
            for number, (place, row) in enumerate(rows, 1):
                done, found = number, self._outcome(row)
                if isinstance(found, BadInput):
                    _count(counts, told, "unknown" if isinstance(found, NotFound) else "impossible", place, str(found))
                    continue
                if found.action in part or len(part) >= _TOGETHER:  # of one action the order of words counts
                    flush(number - 1)
                part[found.action] = place, found
            flush(done)
        self.look()
        return OutcomeCounts(**counts, told=tuple(told))

    def _outcome(self, row: OutcomeRow | BadInput) -> Outcome | BadInput:
        if isinstance(row, BadInput):
            return row
        store = self._journal.store
        try:
            if row.action:
                digest = find_action(store, row.action)
                first = "select case_id from event where action = ? and step <> '' and step = 'decided:1'"
                rows = store.read(first, (digest,))
                case = str(rows[0][0]) if rows else row.case
                if row.case and row.case != case:
                    return BadInput(f"case: got {row.case!r:.80}, the action's is {case!r:.80}")
            else:
                case, actions = row.case, actions_of_case(store, row.case, row.agent)
                if not actions:
                    return NotFound(f"no action of case {row.case!r:.80} was ever judged")
                digest = actions[-1]
        except BadInput as error:
            return error
        return Outcome(case, digest, row.right, row.said_by, row.matured_at, row.value)

    def _recorded(self, outcome: Outcome) -> tuple[str, str]:
        try:
            return ("recorded" if record_outcome(self._journal, outcome) else "known"), ""
        except NotFound as error:
            return "unknown", str(error)
        except BadInput as error:
            return "impossible", str(error)

    def _earns(self, agent: str, action: str) -> Autonomy | None:
        manifest = self.remits.in_use().get(agent)
        grant = manifest.actions.get(action) if manifest is not None else None
        return grant.autonomy if grant is not None and grant.oversight == "earned" else None

    def _tax_terms(self, agent: str, action: str) -> TaxTerms | None:
        terms = self._earns(agent, action)
        if terms is None or not terms.manual_seconds:
            return None
        rework = terms.manual_seconds if terms.rework_seconds is None else terms.rework_seconds
        return TaxTerms(
            terms.manual_seconds, rework, max(1, terms.promise_bp), terms.sure_bp, terms.maintenance_bp
        )  # fmt: skip

    def _review_terms(self, agent: str, version: str, action: str) -> ReviewTerms | None:
        manifest, terms = self.remits.manifest(agent, version), self.remits.terms(agent, version, action)
        if manifest is None or terms is None:
            return None
        grant = manifest.actions[action]
        return ReviewTerms(
            grant.ask or "", manifest.department, manifest.built_by, terms.blind, terms.probe_bp,
            _identifying(grant, terms),
        )  # fmt: skip

    # Acting.

    def operations(self) -> dict[str, OwnOperation]:
        """Return what the system ``remit`` can do of this: the promotion that an owner signed."""

        def perform(arguments: Mapping[str, object], key: str) -> Mapping[str, object]:
            return self._promotion().perform(arguments, key)  # type: ignore[arg-type]

        return {PROMOTE: OwnOperation(perform, lambda key: self._promotion().lookup(key))}  # type: ignore[arg-type]

    def close(self) -> None:
        """Keep what was folded, so that the next process need not fold it again."""
        if self._book is not None:
            try:
                self._book.save()
            except RemitError as error:  # it can be folded again at any time
                self._report(f"track record: {error}")

    def _promotion(self) -> Promotion:
        return Promotion(self.book, self._journal, self.remits, self._now)

    def _earning(self) -> bool:
        manifests: Mapping[str, Manifest] = self.remits.in_use()
        return self._book is not None or any(PROMOTE in manifest.actions for manifest in manifests.values())

    def _propose(self, action: Action) -> None:
        def done(future: Future[Journey]) -> None:
            error = None if future.cancelled() else future.exception()
            if error is not None:
                self._report(f"{action.case}: its promotion cannot be proposed: {error}")
            elif not future.cancelled() and future.result().progress == "denied":
                self._report(f"{action.case}: denied; a policy must permit {PROMOTE} in the system remit")

        self._submit(action, "remit").add_done_callback(done)

    def _tell(self, owner: str, text: str) -> None:
        self._report(f"for {owner}: {text}")


def _count(counts: dict[str, int], told: list[tuple[str, str]], fate: str, place: str, why: str) -> None:
    counts[fate] += 1
    if why and counts[fate] <= _TOLD_MAX:
        told.append((place, why))


def _identifying(grant: ActionGrant, terms: Autonomy) -> frozenset[str]:
    """The arguments that say which case it is: those that facts are read by, that it touches, is done once for."""
    templates = [*grant.touches, *(need.about for need in grant.facts)]
    templates += [value for need in grant.facts for value in need.parameters.values() if isinstance(value, str)]
    names = {name for template in templates for name in names_in(template)} | set(grant.once)
    return frozenset(names if terms.class_argument is None else names | {terms.class_argument})
