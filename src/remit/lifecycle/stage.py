"""The ways up and down, as rules on counts: what follows from a track, its terms and its alarms. Pure.

    up      shadow -> supervised      the error rate is certified below the bar of supervision
            supervised -> sampled     a threshold was learned at a planned label count
            sampled -> autonomous     the rate above the threshold is certified from the drawn cases
            shadow -> last stage      the new version answers the same cases as well as the certified one did
    down    one stage                 outcomes are worse than the promise
            to shadow                 they are worse than twice the promise; or supervised and worse than its bar
            to supervised             confidences changed (suspended), or the certificate ended (expired)
            to where terms start      another version is in use (voided)

Up needs a certificate and a signature. Down needs neither.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import lru_cache
from typing import Final, Literal

from remit.canonical import to_moment
from remit.evidence.case_label import CaseTerms
from remit.evidence.track_state import Tally, TrackState
from remit.lifecycle.learning import planned_count
from remit.stats.portfolio import log_evidence_required
from remit.stats.rate import log_evidence_above, log_evidence_below, lower_bound, upper_bound
from remit.stats.watch import Alarm
from remit.vocabulary import Stage

__all__ = ["Cause", "RateEvidence", "StageStep", "next_step", "rate_evidence"]

Cause = Literal["promoted", "returned", "demoted", "suspended", "expired", "voided"]
_DOWN: Final[Mapping[Stage, Stage]] = {"autonomous": "sampled", "sampled": "supervised", "supervised": "shadow"}
_WHOLE_BP: Final = 10_000
# Most tracks have not moved since the last look, and with many classes each is weighed against all.
_above = lru_cache(maxsize=65_536)(log_evidence_above)
_below = lru_cache(maxsize=65_536)(log_evidence_below)


@dataclass(frozen=True, slots=True)
class RateEvidence:
    """How a rate stands against a bound; all but the counts are fractions of 1 or natural logarithms.

    ``required``: the log evidence at which the bound is certified, for one class alone or, with several, for all that
    are certified together (e-BH); None when none of them can be.
    """

    trials: int
    errors: int
    missing: int
    bound: float
    delta: float
    log_evidence: float
    required: float | None
    classes: int

    @property
    def certified(self) -> bool:
        """Whether the rate is certified to be below the bound."""
        return self.required is not None and self.log_evidence >= self.required

    @property
    def upper(self) -> float:
        """The smallest bound that this class's outcomes alone certify."""
        return upper_bound(self.trials, self.errors, self.delta)


@dataclass(frozen=True, slots=True)
class StageStep:
    """What follows. ``learn``: a planned count was reached. ``rise``: to be proposed. ``fall``: to be recorded now."""

    kind: Literal["learn", "rise", "fall"]
    to: Stage
    cause: Cause
    why: str
    planned: int = 0
    evidence: RateEvidence | None = None
    alarm: Alarm | None = None


def rate_evidence(track: TrackState, to: Stage, together: Sequence[TrackState]) -> RateEvidence:
    """Return the evidence for rising to ``to``: supervised or autonomous. ``together`` are all classes of the action,
    among them this one: what is certified of several classes is certified of all of them together.
    """
    terms = track.terms
    delta = (_WHOLE_BP - terms.sure_bp) / _WHOLE_BP
    bound = (terms.supervise_at_bp if to == "supervised" else terms.promise_bp) / _WHOLE_BP
    tally = _tally(track, to)
    evidence = {other.class_: _below(_tally(other, to).trials, _tally(other, to).errors, bound) for other in together}
    evidence.setdefault(track.class_, _below(tally.trials, tally.errors, bound))
    required = -math.log(delta) if len(evidence) == 1 else log_evidence_required(evidence, delta)
    return RateEvidence(
        tally.trials, tally.errors, tally.missing, bound, delta, evidence[track.class_], required, len(evidence)
    )


def _tally(track: TrackState, to: Stage) -> Tally:
    return track.learn if to == "supervised" else track.alone


def next_step(
    track: TrackState, now: datetime, alarms: Sequence[Alarm] = (), together: Sequence[TrackState] = ()
) -> StageStep | None:
    """Return what follows for ``track`` at ``now``; ways down first. ``alarms`` are those of its action's watch."""
    return _fall(track, now, alarms) or _rise(track, together or (track,))


def _fall(track: TrackState, now: datetime, alarms: Sequence[Alarm]) -> StageStep | None:
    if track.stage == "shadow":
        return None
    earned = track.stage in ("sampled", "autonomous")
    if earned and track.expires_at is not None and to_moment(track.expires_at) <= now:
        return StageStep("fall", "supervised", "expired", f"the certificate ended at {track.expires_at}")
    if earned:
        for alarm in alarms:
            if alarm.kind == "suspend":
                return StageStep("fall", "supervised", "suspended", alarm.reason, alarm=alarm)
            if alarm.kind == "demote" and (alarm.signal == "outcomes" or alarm.about == track.class_):
                return _demoted(track, alarm.reason, alarm)
    worse = _worse(track.alone, track.terms.promise_bp, track.terms) if earned else ""
    if worse:
        return _demoted(track, worse, None)
    if track.stage == "supervised":
        worse = _worse(track.learn, track.terms.supervise_at_bp, track.terms)
        if worse:
            return StageStep("fall", "shadow", "demoted", worse)
    return None


def _worse(tally: Tally, bound_bp: int, terms: CaseTerms) -> str:
    """Say in words that outcomes are worse than a bound; empty where that is not certain."""
    delta, bound = (_WHOLE_BP - terms.sure_bp) / _WHOLE_BP, bound_bp / _WHOLE_BP
    if tally.errors == 0 or _above(tally.trials, tally.errors, bound) < -math.log(delta):
        return ""
    at_least = lower_bound(tally.trials, tally.errors, delta)
    return f"{tally.errors} of {tally.trials} cases were wrong: at least {at_least:.2%}, promised below {bound:.2%}"


def _demoted(track: TrackState, why: str, alarm: Alarm | None) -> StageStep:
    tally, terms = track.alone, track.terms
    at_least = lower_bound(tally.trials, tally.errors, (_WHOLE_BP - terms.sure_bp) / _WHOLE_BP)
    hard = at_least > 2 * terms.promise_bp / _WHOLE_BP
    return StageStep("fall", "shadow" if hard else _DOWN[track.stage], "demoted", why, alarm=alarm)


def _rise(track: TrackState, together: Sequence[TrackState]) -> StageStep | None:
    terms = track.terms
    if track.stage == "shadow":
        return _certified(track, "supervised", together)
    waits = track.stage == "supervised" and not track.proposed
    if track.threshold_bp is None or waits:  # without one also where it was demoted from autonomous
        planned = planned_count(track.labels, terms.plan)
        if planned > track.plan_at:
            return StageStep("learn", track.stage, "promoted", f"{planned} labelled cases, as planned", planned)
    if track.stage == "supervised" and track.threshold_bp is not None and track.plan_at:
        why = f"from {track.threshold_bp} basis points on, the promise of {terms.promise_bp / 100:g} % is kept"
        return StageStep("rise", "sampled", "promoted", why)
    if track.threshold_bp is None:
        return None
    return _certified(track, "autonomous", together) if track.stage == "sampled" else None


def _certified(track: TrackState, to: Stage, together: Sequence[TrackState]) -> StageStep | None:
    evidence = rate_evidence(track, to, together)
    if not evidence.certified:
        return None
    why = f"{evidence.errors} of {evidence.trials} cases were wrong: below {evidence.bound:.2%} is certified"
    return StageStep("rise", to, "promoted", why, evidence=evidence)
