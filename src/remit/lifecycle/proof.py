"""Does the evidence for a step hold now? Asked when a certificate is issued, and again when it is signed."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final, Literal, get_args

from remit.evidence.case_label import CaseTerms
from remit.evidence.track import TrackBook
from remit.evidence.track_state import TrackState
from remit.lifecycle.certificate import paired_proof, rate_proof, threshold_proof
from remit.lifecycle.learning import learn_at
from remit.lifecycle.remits import Remits
from remit.lifecycle.stage import rate_evidence
from remit.stats.paired import Pairs, log_evidence_as_good, paired_verdict
from remit.vocabulary import Json, Stage

__all__ = ["PAIRED_MARGIN", "Method", "Proof", "certified_before", "classes_of", "pairs_of", "prove"]

Method = Literal["mixture", "learn-then-test", "paired"]
PAIRED_MARGIN: Final = 0.02
"""How much worse, in fractions of 1, a new version must be shown not to be."""
_COUNTED: Final = frozenset({"right", "wrong", "missing"})


@dataclass(frozen=True, slots=True)
class Proof:
    """The numbers that certify a step, and the threshold that comes with it."""

    to: Stage
    numbers: Mapping[str, Json]
    threshold_bp: int | None


def classes_of(book: TrackBook, track: TrackState) -> tuple[TrackState, ...]:
    """Return the tracks of the same version and action, this one among them."""
    same = (track.agent, track.version, track.action)
    return tuple(one for one in book.tracks.values() if (one.agent, one.version, one.action) == same)


def prove(book: TrackBook, remits: Remits, track: TrackState, to: Stage, method: Method) -> Proof | None:
    """Return the proof that ``track`` may rise to ``to`` as the counts stand; None where the evidence does not hold.

    Raises:
        StoreUnavailable: its cases cannot be read.
    """
    if method == "mixture":
        evidence = rate_evidence(track, to, classes_of(book, track))
        threshold = track.threshold_bp if to == "autonomous" else None
        return Proof(to, rate_proof(evidence), threshold) if evidence.certified else None
    if method == "paired":
        return _prove_paired(book, remits, track)
    terms = remits.terms(track.agent, track.version, track.action)
    learned = learn_at(book.cases(track, track.learn_from), track.plan_at, track.terms) if track.plan_at else None
    if terms is None or learned is None or learned.threshold_bp is None:
        return None
    return Proof(to, threshold_proof(learned, track.plan_at, terms), learned.threshold_bp)


def certified_before(book: TrackBook, track: TrackState) -> TrackState | None:
    """Return the track of the version that was certified last, for more than ``track`` now has, and then replaced."""
    named, ranks = (track.agent, track.action, track.class_), get_args(Stage)
    found = [
        one
        for one in book.tracks.values()
        if (one.agent, one.action, one.class_) == named and one.version != track.version
        and one.cause == "voided" and one.best and ranks.index(track.stage) < ranks.index(one.best["stage"])
    ]  # fmt: skip
    return max(found, key=lambda one: one.changed_seq, default=None)


def pairs_of(book: TrackBook, old: TrackState, new: TrackState) -> Pairs:
    """Return how the two versions did on the cases that both of them met and that are settled for both."""
    before = {case.case: case.state == "right" for case in book.cases(old) if case.state in _COUNTED}
    pairs = Pairs()
    for case in book.cases(new, new.learn_from):
        if case.state in _COUNTED and case.case in before:
            pairs = pairs.after(before[case.case], case.state == "right")
    return pairs


def _prove_paired(book: TrackBook, remits: Remits, track: TrackState) -> Proof | None:
    old = certified_before(book, track)
    terms = None if old is None else remits.terms(old.agent, old.version, old.action)
    if old is None or terms is None:
        return None
    pairs, delta = pairs_of(book, old, track), _delta(track.terms)
    if paired_verdict(pairs, PAIRED_MARGIN, delta) != "pass":
        return None
    evidence = log_evidence_as_good(pairs, PAIRED_MARGIN)
    if evidence < -math.log(delta):
        return None
    numbers = paired_proof(pairs, old.version, terms, PAIRED_MARGIN, delta, evidence)
    return Proof(old.best["stage"], numbers, old.best["threshold_bp"])


def _delta(terms: CaseTerms) -> float:
    return (10_000 - terms.sure_bp) / 10_000
