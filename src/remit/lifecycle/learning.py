"""From which confidence on does this track need no person? Learned from its settled cases, in order of decision.

Every fifth case of the learn window gives its confidence to the candidates and its label to nothing, so that candidates
and labels come from different cases. At the planned label counts the exact test looks once each, on half of the chance
of being wrong; the other half is the online test's, which may look at any time and takes cases that were drawn.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import accumulate
from typing import Final

from remit.evidence.case_label import CaseRecord, CaseTerms
from remit.evidence.track_state import GRID_EVERY
from remit.stats.special import log_binomial_cdf, log_mean_exp
from remit.stats.threshold import NotYet, Threshold, learn_threshold, online_threshold

__all__ = ["Learned", "learn_at", "learn_online", "planned_count"]

_COUNTED: Final = frozenset({"right", "wrong", "missing"})
_WHOLE_BP: Final = 10_000
ONLINE_GRID_MIN: Final = 20


@dataclass(frozen=True, slots=True)
class Learned:
    """What was learned: ``threshold_bp`` None while no threshold keeps the promise.

    ``labels`` cases taught it; ``at_or_above`` of them lie at the threshold or above, ``errors`` of those are wrong.
    ``share_bp`` is the share of cases at or above. ``log_evidence`` is the log p-value of the exact method, the log
    e-value of the online one.
    """

    threshold_bp: int | None
    share_bp: int | None
    labels: int
    at_or_above: int
    errors: int
    labels_missing: int | None
    why: str
    log_evidence: float = 0.0


def planned_count(labels: int, plan: Sequence[int]) -> int:
    """Return the largest planned count that ``labels`` have reached; 0 when none."""
    return max((planned for planned in plan if planned <= labels), default=0)


def _halved(cases: Sequence[CaseRecord]) -> tuple[list[int], list[tuple[int, bool]]]:
    """The confidences that give candidates, and (confidence, wrong) of those that teach. Unstated counts as zero."""
    grid, labelled = [], []
    settled = [case for case in cases if case.teaches and case.state in _COUNTED]
    for place, case in enumerate(settled):
        stated = case.confidence_bp or 0
        if place % GRID_EVERY == GRID_EVERY - 1:
            grid.append(stated)
        else:
            labelled.append((stated, case.state != "right"))
    return grid, labelled


def learn_at(cases: Sequence[CaseRecord], planned: int, terms: CaseTerms) -> Learned:
    """Learn from the first ``planned`` labels of the window. ``cases`` are its cases, oldest first.

    Source: `remit.stats.threshold.learn_threshold`.
    """
    grid, labelled = _halved(cases)
    labelled = labelled[:planned]
    grid = grid[: planned // (GRID_EVERY - 1)]
    bound, delta = terms.promise_bp / _WHOLE_BP, (_WHOLE_BP - terms.sure_bp) / _WHOLE_BP / 2
    found = learn_threshold(grid, labelled, bound, delta, len(terms.plan))
    if isinstance(found, NotYet):
        return Learned(None, None, len(labelled), 0, 0, found.labels_missing, found.why)
    return _learned(found, len(labelled), bound)


def _learned(found: Threshold, labels: int, bound: float) -> Learned:
    why = f"of {found.labels} labelled cases from {found.confidence_bp} basis points on, {found.errors} were wrong"
    evidence = log_binomial_cdf(found.errors, found.labels, bound)
    return Learned(found.confidence_bp, found.share_bp, labels, found.labels, found.errors, 0, why, evidence)


def learn_online(cases: Sequence[CaseRecord], terms: CaseTerms) -> Learned | None:
    """Learn from all settled cases of the window, also those that were drawn; None where that is not possible.

    Source: `remit.stats.threshold.OnlineThreshold`.
    """
    grid, taught = _halved(cases)
    first = max(ONLINE_GRID_MIN, terms.plan[0] // (GRID_EVERY - 1))
    if len(grid) < first:
        return None
    bound, delta = terms.promise_bp / _WHOLE_BP, (_WHOLE_BP - terms.sure_bp) / _WHOLE_BP / 2
    state = online_threshold(grid[:first], bound, delta)
    drawn = [case for case in cases if not case.teaches and case.state in _COUNTED]
    if any(not 0 < case.least_bp <= case.chance_bp for case in drawn):
        return None
    for stated, wrong in taught:
        state = state.after(stated, wrong, _WHOLE_BP, _WHOLE_BP)
    for case in drawn:
        state = state.after(case.confidence_bp or 0, case.state != "right", case.chance_bp, case.least_bp)
    found = state.confidence_bp
    if found is None:
        return None
    everyone = [case.confidence_bp or 0 for case in cases]
    share = sum(stated >= found for stated in everyone) * _WHOLE_BP // len(everyone)
    above = [wrong for stated, wrong in taught if stated >= found]
    above += [case.state != "right" for case in drawn if (case.confidence_bp or 0) >= found]
    gains = tuple(accumulate(state.bands, lambda one, other: tuple(a + b for a, b in zip(one, other, strict=True))))
    evidence = log_mean_exp(gains[state.passed - 1])
    why = f"of {len(above)} drawn and labelled cases from {found} basis points on, {sum(above)} were wrong"
    return Learned(found, share, len(taught) + len(drawn), len(above), sum(above), 0, why, evidence)
