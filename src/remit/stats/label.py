"""What counts as known about a case, and when: labels that are late, missing, corrected or waved through.

Four rules. An outcome counts only when it is old enough that an error would have surfaced (matured). One that nobody
gave by its deadline counts as an error when promotion is asked for. A source's last word replaces its earlier ones;
where two sources differ, the worse counts, and that they differ is shown. And reviewers are measured with known-bad
probes: who waves through a share s of errors turns a bound b into b / (1 - s).

Times are whole seconds since 1970. Manski 1990 (worst case for missing outcomes); Rogan and Gladen 1978 (imperfect
tests).
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Literal

from remit.canonical import INTEGER_MAX
from remit.errors import BadInput
from remit.stats.rate import certified, check_counts, check_probability, trials_needed, upper_bound

__all__ = [
    "CaseLabel",
    "Fate",
    "LabelTally",
    "LabelledCase",
    "MaturityClock",
    "Probe",
    "PromotionCounts",
    "Sensitivity",
    "Word",
    "certified_through_reviewers",
    "corrected_bound",
    "corrected_upper_bound",
    "label_case",
    "probes_missing",
    "promotion_counts",
    "sensitivity",
    "tally_labels",
]

Fate = Literal["immature", "awaited", "right", "wrong", "missing"]
"""Too young to count; old enough but nobody spoke yet; right; wrong; nobody spoke by the deadline."""


@dataclass(frozen=True, slots=True)
class MaturityClock:
    """When an outcome counts: ``mature_seconds`` after the decision; and is missing: ``deadline_seconds`` after it.

    The first must cover the time in which errors surface: what surfaces later must be corrected for with
    `corrected_bound`.
    """

    mature_seconds: int
    deadline_seconds: int

    def __post_init__(self) -> None:
        whole = type(self.mature_seconds) is int and type(self.deadline_seconds) is int
        if not whole or not 0 <= self.mature_seconds <= self.deadline_seconds <= INTEGER_MAX:
            raise BadInput(
                "an outcome must mature before its deadline, in whole seconds: got "
                f"{self.mature_seconds!r:.40} and {self.deadline_seconds!r:.40}"
            )


@dataclass(frozen=True, slots=True)
class Word:
    """What one source said of a case. Words of the same second are in the order in which they are given."""

    source: str
    right: bool
    said_at: int

    def __post_init__(self) -> None:
        if type(self.right) is not bool:
            raise BadInput(f"a word on a case is right or wrong: got {self.right!r:.40}")
        _moment(self.said_at)


@dataclass(frozen=True, slots=True)
class LabelledCase:
    """A case, when it was decided, and everything that was said of it since."""

    case: str
    decided_at: int
    words: tuple[Word, ...] = ()


@dataclass(frozen=True, slots=True)
class CaseLabel:
    """What is known of a case at a moment, and by whom. ``late``: the first word came after the deadline."""

    fate: Fate
    right_by: tuple[str, ...] = ()
    wrong_by: tuple[str, ...] = ()
    corrected: bool = False
    late: bool = False

    @property
    def contradicted(self) -> bool:
        """Whether sources differ; then the worse counts."""
        return bool(self.right_by and self.wrong_by)


def label_case(case: LabelledCase, now: int, clock: MaturityClock) -> CaseLabel:
    """Return what is known of ``case`` at ``now``; words said later than that are not known yet.

    An immature case says who has spoken already, but it is neither right nor wrong.
    """
    spoken = sorted((word for word in case.words if word.said_at <= now), key=lambda word: word.said_at)
    last: dict[str, bool] = {}
    corrected = False
    for word in spoken:
        corrected |= last.get(word.source, word.right) is not word.right
        last[word.source] = word.right
    age = now - case.decided_at
    fate: Fate
    if age < clock.mature_seconds:
        fate = "immature"
    elif last:
        fate = "right" if all(last.values()) else "wrong"
    else:
        fate = "missing" if age >= clock.deadline_seconds else "awaited"
    return CaseLabel(
        fate,
        tuple(sorted(source for source, right in last.items() if right)),
        tuple(sorted(source for source, right in last.items() if not right)),
        corrected,
        bool(spoken) and spoken[0].said_at - case.decided_at > clock.deadline_seconds,
    )


@dataclass(frozen=True, slots=True)
class LabelTally:
    """How many cases met each fate, and how many were contradicted, corrected, or labelled after their deadline."""

    immature: int
    awaited: int
    right: int
    wrong: int
    missing: int
    contradicted: int
    corrected: int
    late: int


def tally_labels(cases: Iterable[LabelledCase], now: int, clock: MaturityClock) -> LabelTally:
    """Return how things stand, to be shown: every case is in exactly one of the five fates."""
    fates = {"immature": 0, "awaited": 0, "right": 0, "wrong": 0, "missing": 0}
    contradicted = corrected = late = 0
    for case in cases:
        label = label_case(case, now, clock)
        fates[label.fate] += 1
        contradicted += label.contradicted
        corrected += label.corrected
        late += label.late
    return LabelTally(**fates, contradicted=contradicted, corrected=corrected, late=late)


@dataclass(frozen=True, slots=True)
class PromotionCounts:
    """What may be held for an agent: ``errors`` includes ``missing``; ``waiting`` cases are not counted yet."""

    trials: int
    errors: int
    missing: int
    contradicted: int
    waiting: int


def promotion_counts(cases: Sequence[LabelledCase], now: int, clock: MaturityClock) -> PromotionCounts:
    """Return the counts on which a promotion may rest: the longest run of settled cases, in order of decision.

    The run ends at the first case that is immature or awaited, even if later ones are labelled: whose label comes
    soon must not decide who is counted. Evidence that may be looked at after every outcome is valid for any such run.
    A label that comes or changes later counts at the next look.

    Raises:
        BadInput: the cases are not in order of decision.
    """
    errors = missing = contradicted = trials = 0
    before = None
    ended = False
    for case in cases:
        if before is not None and case.decided_at < before:
            raise BadInput(f"cases must be in order of decision: {case.case!r:.80} was decided before the one ahead")
        before = case.decided_at
        if ended:
            continue
        label = label_case(case, now, clock)
        if label.fate in {"immature", "awaited"}:
            ended = True
            continue
        trials += 1
        errors += label.fate != "right"
        missing += label.fate == "missing"
        contradicted += label.contradicted
    return PromotionCounts(trials, errors, missing, contradicted, len(cases) - trials)


@dataclass(frozen=True, slots=True)
class Probe:
    """A case known to be bad, put before a reviewer who was not told; ``caught`` when they said so."""

    reviewer: str
    caught: bool


@dataclass(frozen=True, slots=True)
class Sensitivity:
    """What a reviewer (empty for all together) misses: of ``probes``, ``missed``; at most a share ``miss_upper``."""

    reviewer: str
    probes: int
    missed: int
    miss_upper: float


def sensitivity(probes: Iterable[Probe], delta: float) -> tuple[Sensitivity, ...]:
    """Return how much reviewers miss: all together first, then each by name.

    Controls: each ``miss_upper`` alone is ever too low with chance at most ``delta``. Assumes that probes look like
    other cases, and for the first that they reach reviewers in proportion to their work.

    Raises:
        BadInput: ``delta`` outside (0, 1).
    """
    counts: dict[str, list[int]] = {}
    for probe in probes:
        for name in ("", probe.reviewer) if probe.reviewer else ("",):
            row = counts.setdefault(name, [0, 0])
            row[0] += 1
            row[1] += not probe.caught
    counts.setdefault("", [0, 0])
    return tuple(
        Sensitivity(name, shown, missed, upper_bound(shown, missed, delta))
        for name, (shown, missed) in sorted(counts.items())
    )


def corrected_bound(bound: float, miss_upper: float) -> float:
    """Return what a bound on the errors that are *found* says of the errors that are *there*: b / (1 - s), at most 1.

    ``miss_upper`` is at most which share goes unnoticed: waved through by reviewers, or surfacing after maturity.

    Raises:
        BadInput: either is not a fraction from 0 to 1.
    """
    for name, value in (("the bound", bound), ("the share missed", miss_upper)):
        if not 0.0 <= value <= 1.0:
            raise BadInput(f"{name} must be a fraction from 0 to 1: got {value!r:.40}")
    return min(1.0, bound / (1.0 - miss_upper)) if miss_upper < 1.0 else 1.0


def corrected_upper_bound(trials: int, errors: int, probes: int, missed: int, delta: float) -> float:
    """Return the bound on the true error rate, reviewers as they are; 1.0 while the probes say nothing.

    Controls: too low, at any look, with chance at most ``delta``: half for the outcomes, half for the probes.

    Raises:
        BadInput: impossible counts, or ``delta`` outside (0, 1).
    """
    check_probability("delta", delta)
    return corrected_bound(upper_bound(trials, errors, delta / 2), upper_bound(probes, missed, delta / 2))


def certified_through_reviewers(trials: int, errors: int, probes: int, missed: int, bound: float, delta: float) -> bool:
    """Return whether the *true* rate is certified to be below ``bound``, reviewers as they are.

    Controls: the chance that this is ever true while the rate is ``bound`` or more is at most ``delta``.

    Raises:
        BadInput: impossible counts, or ``bound`` or ``delta`` outside (0, 1).
    """
    check_counts(trials, errors)
    check_probability("bound", bound)
    check_probability("delta", delta)
    found = bound * (1.0 - upper_bound(probes, missed, delta / 2))
    return found > 0.0 and certified(trials, errors, found, delta / 2)


def probes_missing(probes: int, missed: int, miss_upper: float, delta: float) -> int:
    """Return how many more probes are needed, all caught, to show that at most ``miss_upper`` is missed.

    Raises:
        BadInput: impossible counts, or ``miss_upper`` or ``delta`` outside (0, 1).
    """
    if not 0 <= missed <= probes:
        raise BadInput(f"of {probes!r:.40} probes {missed!r:.40} cannot have been missed")
    return max(0, trials_needed(missed, miss_upper, delta) - probes)


def _moment(seconds: int) -> None:
    if type(seconds) is not int or abs(seconds) > INTEGER_MAX:
        raise BadInput(f"a moment must be whole seconds since 1970: got {seconds!r:.40}")
