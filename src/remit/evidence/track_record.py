"""The track record as it is shown: per agent version, action and class, what was earned and on what evidence."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from remit.canonical import to_moment
from remit.evidence.track import TrackBook
from remit.evidence.track_state import TrackState
from remit.stats.rate import labels_missing, lower_bound, next_look, upper_bound
from remit.vocabulary import Stage

__all__ = ["TrackRecord", "track_record"]

_WHOLE_BP = 10_000


@dataclass(frozen=True, slots=True)
class TrackRecord:
    """One agent version, action and class. Rates and bounds are fractions of 1; shares in basis points.

    ``trials`` and ``errors`` are the settled cases that the next step rests on (``missing`` of the errors had no word
    by their deadline), ``waiting`` those that do not count yet. The error rate lies between ``lower`` and ``upper``,
    each wrong with a chance of at most 1 less ``sure``, at whatever moment one looks. ``bound`` is what is to be
    certified, ``next_look`` the number of cases at which that can be at the earliest, and ``labels_missing`` about how
    many more are needed, None where more of the same would not do. ``share_bp`` is the share of cases at or above the
    threshold, ``review_share_bp`` the share that people saw since the stage or threshold changed; None before anything
    did. ``cases`` and the counts of labels are of its whole life. ``at`` is the moment it speaks of.
    """

    agent: str
    version: str
    action: str
    class_: str
    stage: Stage
    cause: str
    cases: int
    by_stage: tuple[tuple[str, int], ...]
    labelled: int
    wrong: int
    missing: int
    waiting: int
    corrected: int
    contradicted: int
    trials: int
    errors: int
    lower: float
    upper: float
    bound: float
    sure: float
    threshold_bp: int | None
    share_bp: int | None
    review_bp: int
    review_share_bp: int | None
    certificate: str
    proposed: str
    expires_at: datetime | None
    labels_missing: int | None
    next_look: int
    at: datetime


def track_record(book: TrackBook, now: datetime) -> tuple[TrackRecord, ...]:
    """Return every track as of ``now``, by agent, action, class and version.

    Raises:
        StoreUnavailable: the store cannot be read.
    """
    book.look(now)
    tracks = sorted(book.tracks.values(), key=lambda one: (one.agent, one.action, one.class_, one.version))
    return tuple(_record(track, now) for track in tracks)


def _record(track: TrackState, now: datetime) -> TrackRecord:
    terms, counts = track.terms, track.counts
    alone = track.stage in ("sampled", "autonomous")
    tally = track.alone if alone else track.learn
    bound = (terms.supervise_at_bp if track.stage == "shadow" else terms.promise_bp) / _WHOLE_BP
    delta = (_WHOLE_BP - terms.sure_bp) / _WHOLE_BP
    trials, errors = tally.trials, tally.errors
    guess = errors / trials if trials else bound / 2
    settled = sum(counts.values())
    return TrackRecord(
        track.agent, track.version, track.action, track.class_, track.stage, track.cause, track.cases,
        tuple(sorted(track.by_stage.items())), counts["right"] + counts["wrong"], counts["wrong"], counts["missing"],
        track.cases - settled, track.corrected, track.contradicted, trials, errors,
        lower_bound(trials, errors, delta), upper_bound(trials, errors, delta), bound, 1 - delta,
        track.threshold_bp, _share(track), track.review_bp,
        track.since_seen * _WHOLE_BP // track.since if track.since else None,
        track.certificate, track.proposed, None if track.expires_at is None else to_moment(track.expires_at),
        _missing(track, guess, bound, delta), next_look(trials, errors, bound, delta), now,
    )  # fmt: skip


def _share(track: TrackState) -> int | None:
    if track.stage in ("sampled", "autonomous") and track.since:
        return track.passing * _WHOLE_BP // track.since
    return track.share_bp


def _missing(track: TrackState, guess: float, bound: float, delta: float) -> int | None:
    """How many more labels: up to the next planned count while supervised, up to the certificate otherwise."""
    if track.stage == "supervised":
        ahead = [planned for planned in track.terms.plan if planned > track.labels]
        if not ahead:
            return None
        cases = ahead[0] * 5 // 4  # every fifth case gives no label to the threshold
        return max(1, cases - track.learn.trials)
    tally = track.alone if track.stage in ("sampled", "autonomous") else track.learn
    return labels_missing(tally.trials, tally.errors, bound, delta, min(guess, 1.0))
