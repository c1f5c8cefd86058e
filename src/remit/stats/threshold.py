"""How sure must an agent be to act alone, so that what it does alone is wrong at most so often?

Learn-then-Test with a fixed sequence. Candidate thresholds are quantiles of *unlabelled* confidences, from strict to
loose; each is tested against "the error at or above it is the bound or more", and the first that is not rejected ends
it. Because the order is fixed before any label is seen, each test may use the whole ``delta``. Controls: the chance
that the error among the cases at or above the learned threshold exceeds the bound is at most ``delta``.

Two forms. `learn_threshold` is exact (binomial) and is asked once, at a number of labels fixed before: "at 2,000". The
`OnlineThreshold` may be asked after every outcome, and takes labels that were drawn with known chances: each is
weighted with the inverse of its chance, and bets on it stay small enough never to lose everything.

Assumes: unlabelled and labelled cases are different cases, drawn from what the agent will meet, of one class (one
threshold over several classes bounds none of them); labelled cases are drawn without looking at the answer, all with
the same chance, or, online, with the chance that is recorded; a label that never came counts as wrong.

Sources: Angelopoulos, Bates, Candes, Jordan and Lei 2021 (Learn then Test); Bauer 1991 (fixed sequence); Clopper and
Pearson 1934; Waudby-Smith and Ramdas 2024 (betting); Zecchin, Park and Simeone 2024 (e-processes); Horvitz and
Thompson 1952 (inverse chances). Confidences, shares and chances are in basis points; bounds are fractions of 1.
"""

from __future__ import annotations

import math
from bisect import bisect_left, bisect_right
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import accumulate
from typing import Any, Final, cast

from remit.errors import BadInput
from remit.stats.rate import TRIALS_MAX, check_probability
from remit.stats.special import log_binomial_cdf, log_mean_exp
from remit.vocabulary import Json

__all__ = [
    "WHOLE_BP",
    "NotYet",
    "OnlineThreshold",
    "Threshold",
    "errors_allowed",
    "labels_floor",
    "learn_threshold",
    "online_threshold",
    "read_online_threshold",
    "start_share_bp",
    "threshold_grid",
]

WHOLE_BP: Final = 10_000
"""The whole, in basis points."""
_START_MIN_BP: Final = 2_500
_START_MAX_BP: Final = 9_000
_ROOM: Final = 1.6
_STEP_BP: Final = 100
_ONLINE_STEP_BP: Final = 250
_AHEAD_TIMES_MAX: Final = 1_000
_BETS: Final = (0.02, 0.05, 0.1, 0.2, 0.35, 0.5, 0.7, 0.9)


@dataclass(frozen=True, slots=True)
class Threshold:
    """A case may pass alone when its confidence is ``confidence_bp`` or more: about ``share_bp`` of all cases.

    ``labels`` of the labelled cases lie there, ``errors`` of them wrong.
    """

    confidence_bp: int
    share_bp: int
    labels: int
    errors: int


@dataclass(frozen=True, slots=True)
class NotYet:
    """No threshold can be certified. About ``labels_missing`` more labelled cases are needed, if they come out as those
    so far did; None when more of the same would not do.
    """

    labels_missing: int | None
    why: str


def labels_floor(bound: float, delta: float) -> int:
    """Return the fewest labelled cases, all of them right, that certify ``bound``: 59, 149, 299 for 5, 2 and 1 % at
    a ``delta`` of 5 %.

    Raises:
        BadInput: ``bound`` or ``delta`` outside (0, 1).
    """
    check_probability("bound", bound)
    check_probability("delta", delta)
    return max(1, math.ceil(math.log(delta) / math.log1p(-bound)))


def errors_allowed(labels: int, bound: float, delta: float) -> int:
    """Return how many of ``labels`` cases may be wrong so that ``bound`` is certified, looking once; -1 for none.

    Raises:
        BadInput: ``labels`` negative, ``bound`` or ``delta`` outside (0, 1).
    """
    check_probability("bound", bound)
    check_probability("delta", delta)
    if type(labels) is not int or labels < 0:
        raise BadInput(f"labels: got {labels!r:.40}, expected a whole number from 0")
    return bisect_right(range(labels), math.log(delta), key=lambda errors: log_binomial_cdf(errors, labels, bound)) - 1


def start_share_bp(labels: int, bound: float, delta: float) -> int:
    """Return the share of the surest cases that the first candidate should hold, when there are ``labels`` in all.

    Enough that its labels could certify with a few errors, and never fewer than a quarter: the very surest cases are
    few and often wrongly labelled.

    Raises:
        BadInput: ``bound`` or ``delta`` outside (0, 1).
    """
    wanted = math.ceil(WHOLE_BP * _ROOM * labels_floor(bound, delta) / max(1, labels))
    return min(_START_MAX_BP, max(_START_MIN_BP, wanted))


def threshold_grid(unlabelled_bp: Sequence[int], start_bp: int, step_bp: int = _STEP_BP) -> tuple[int, ...]:
    """Return candidate confidences, the strictest first: those at or above which lie at least ``start_bp`` of the
    unlabelled cases, then ``step_bp`` more, up to all. Equal confidences stay together, so steps may be larger.

    Raises:
        BadInput: a confidence that is none, or shares outside 1 to 10,000 basis points.
    """
    _check_basis_points("start share", start_bp, 1)
    _check_basis_points("step", step_bp, 1)
    return _grid(_sorted(unlabelled_bp), start_bp, step_bp)


def learn_threshold(
    unlabelled_bp: Sequence[int], labelled: Sequence[tuple[int, bool]], bound: float, delta: float, looks: int = 1
) -> Threshold | NotYet:
    """Return the lowest confidence at which acting alone is certified to be wrong less often than ``bound``.

    ``labelled`` holds (confidence in basis points, wrong) for each case. ``looks``: at how many planned numbers of
    labels this is asked in all; each gets its part of ``delta``.

    Raises:
        BadInput: a confidence that is none, ``bound`` or ``delta`` outside (0, 1), or fewer than one look.
    """
    check_probability("bound", bound)
    check_probability("delta", delta)
    if type(looks) is not int or looks < 1:
        raise BadInput(f"looks: got {looks!r:.40}, expected a whole number from 1")
    seen = _Labelled(labelled)
    everyone = _sorted(unlabelled_bp)
    part = delta / looks
    if not everyone:
        return NotYet(None, "no unlabelled cases to take the candidates from: let the agent propose some first")
    level = math.log(part)
    best: Threshold | None = None
    for confidence in _grid(everyone, start_share_bp(seen.total, bound, part), _STEP_BP):
        labels, errors = seen.at_or_above(confidence)
        if not labels or log_binomial_cdf(errors, labels, bound) > level:
            break
        best = Threshold(confidence, _share_bp(everyone, confidence), labels, errors)
    return best if best is not None else _not_yet(everyone, seen, bound, part)


class _Labelled:
    """Labelled cases, from the surest down, with the errors so far at each."""

    def __init__(self, labelled: Sequence[tuple[int, bool]]):
        ordered = sorted(labelled, reverse=True)
        self.confidences = [-_check_basis_points("confidence", confidence, 0) for confidence, _ in ordered]
        self.errors = [0, *accumulate(int(wrong) for _, wrong in ordered)]
        self.total = len(ordered)

    def at_or_above(self, confidence_bp: int) -> tuple[int, int]:
        """How many cases, and how many errors."""
        count = bisect_right(self.confidences, -confidence_bp)
        return count, self.errors[count]


def _not_yet(everyone: list[int], seen: _Labelled, bound: float, delta: float) -> NotYet:
    """Say what the first candidate lacked, and look ahead for the smallest number of labels at which it would do."""
    start = _grid(everyone, start_share_bp(seen.total, bound, delta), _STEP_BP)[0]
    labels, errors = seen.at_or_above(start)
    allowed = errors_allowed(labels, bound, delta)
    share = _share_bp(everyone, start) / 100
    why = f"of {seen.total} labelled cases {labels} are among the surest {share:.0f} %, {errors} of them wrong; "
    why += f"at most {allowed} may be" if allowed >= 0 else f"even with none, {labels_floor(bound, delta)} are needed"
    ahead = float(max(seen.total, labels_floor(bound, delta)))
    last = min(ahead * _AHEAD_TIMES_MAX, TRIALS_MAX)
    while ahead < last:
        first = _grid(everyone, start_share_bp(int(ahead), bound, delta), WHOLE_BP)[0]
        labels, errors = seen.at_or_above(first)
        rate = errors / labels if labels else 0.0
        there = int(ahead) * _share_bp(everyone, first) // WHOLE_BP
        if log_binomial_cdf(math.ceil(rate * there), there, bound) <= math.log(delta):
            return NotYet(max(1, int(ahead) - seen.total), why)
        ahead *= 1.02
    return NotYet(None, why + "; more labels like these would not do")


def _grid(everyone: list[int], start_bp: int, step_bp: int) -> tuple[int, ...]:
    shares = [*range(start_bp, WHOLE_BP, step_bp), WHOLE_BP] if everyone else []
    # The least confidence among the surest ``share``; -(-a // b) is a / b rounded up.
    places = (-(-share * len(everyone) // WHOLE_BP) - 1 for share in shares)
    return tuple(dict.fromkeys(-everyone[place] for place in places))


def _sorted(confidences_bp: Sequence[int]) -> list[int]:
    """The confidences with a minus before them, ascending: the surest first."""
    return sorted(-_check_basis_points("confidence", confidence, 0) for confidence in confidences_bp)


def _share_bp(everyone: list[int], confidence_bp: int) -> int:
    return bisect_right(everyone, -confidence_bp) * WHOLE_BP // len(everyone)


def _check_basis_points(name: str, value: int, least: int) -> int:
    if type(value) is not int or not least <= value <= WHOLE_BP:
        raise BadInput(f"{name}: got {value!r:.40}, expected whole basis points from {least} to {WHOLE_BP}")
    return value


@dataclass(frozen=True, slots=True)
class OnlineThreshold:
    """A threshold that may be asked after every outcome. Begin with `online_threshold`; never changes in place.

    ``grid``: the candidates, strictest first. ``bands[i]``: for each bet, the log of its gain on the outcomes whose
    confidence lies at or above ``grid[i]`` but below the one before; a candidate's wealth is the mean, over bets, of
    the gains on all bands down to its own. ``passed``: how many candidates are certified; once so they stay so.
    """

    grid: tuple[int, ...]
    bound: float
    delta: float
    bands: tuple[tuple[float, ...], ...]
    passed: int = 0
    labels: int = 0

    @property
    def confidence_bp(self) -> int | None:
        """The lowest certified confidence; None when none is certified yet."""
        return self.grid[self.passed - 1] if self.passed else None

    def after(self, confidence_bp: int, wrong: bool, chance_bp: int, chance_least_bp: int) -> OnlineThreshold:
        """Return the state after one more labelled case. About 10 us.

        ``chance_bp``: the recorded chance with which the case was drawn for labelling. ``chance_least_bp``: the least
        chance that the rule then in force gave to any case, fixed before the case comes. Cases that were not drawn are
        not handed in.

        Raises:
            BadInput: a confidence or chance that is none, or a chance below the least.
        """
        _check_basis_points("confidence", confidence_bp, 0)
        _check_basis_points("least chance", chance_least_bp, 1)
        _check_basis_points("chance", chance_bp, 1)
        if chance_bp < chance_least_bp:
            raise BadInput(f"chance: got {chance_bp}, below {chance_least_bp}, the least that was in force")
        band = bisect_left(self.grid, -confidence_bp, key=lambda candidate: -candidate)
        if band == len(self.grid):  # surely escalated, by every candidate
            return OnlineThreshold(self.grid, self.bound, self.delta, self.bands, self.passed, self.labels + 1)
        weight = chance_least_bp / chance_bp
        gain = -weight if wrong else weight * self.bound / (1.0 - self.bound)
        moved = tuple(log + math.log1p(bet * gain) for log, bet in zip(self.bands[band], _BETS, strict=True))
        bands = (*self.bands[:band], moved, *self.bands[band + 1 :])
        passed = _passed(bands, self.passed, -math.log(self.delta))
        return OnlineThreshold(self.grid, self.bound, self.delta, bands, passed, self.labels + 1)

    def log_evidence(self) -> tuple[float, ...]:
        """Return, for each candidate, the log e-value against "the error at or above it is the bound or more"."""
        return tuple(log_mean_exp(gains) for gains in accumulate(self.bands, _added))

    def as_json(self) -> dict[str, Json]:
        """Return it as a JSON value without floats; `read_online_threshold` reads it."""
        return {
            "grid": list(self.grid),
            "bound": self.bound.hex(),
            "delta": self.delta.hex(),
            "bands": [[log.hex() for log in band] for band in self.bands],
            "passed": self.passed,
            "labels": self.labels,
        }


def _added(one: tuple[float, ...], other: tuple[float, ...]) -> tuple[float, ...]:
    return tuple(a + b for a, b in zip(one, other, strict=True))


def _passed(bands: tuple[tuple[float, ...], ...], passed: int, level: float) -> int:
    """How many candidates are certified now: one after the other, each only after the one before it."""
    while passed < len(bands):
        gains = tuple(math.fsum(logs) for logs in zip(*bands[: passed + 1], strict=True))
        if log_mean_exp(gains) < level:
            break
        passed += 1
    return passed


def online_threshold(unlabelled_bp: Sequence[int], bound: float, delta: float) -> OnlineThreshold:
    """Begin: candidates from a quarter of the unlabelled cases to all of them, nothing certified.

    Raises:
        BadInput: no confidences, one that is none, or ``bound`` or ``delta`` outside (0, 1).
    """
    check_probability("bound", bound)
    check_probability("delta", delta)
    grid = threshold_grid(unlabelled_bp, _START_MIN_BP, _ONLINE_STEP_BP)
    if not grid:
        raise BadInput("confidences: got none, expected those of unlabelled cases")
    return OnlineThreshold(grid, bound, delta, ((0.0,) * len(_BETS),) * len(grid))


def read_online_threshold(value: Mapping[str, Json]) -> OnlineThreshold:
    """Read what `OnlineThreshold.as_json` wrote.

    Raises:
        BadInput: it is not of that form.
    """
    try:
        found, logs = cast(Any, value["grid"]), cast(Any, value["bands"])
        grid = tuple(_check_basis_points("candidate", candidate, 0) for candidate in found)
        bands = tuple(tuple(_finite(log) for log in band) for band in logs)
        bound, delta = _finite(value["bound"]), _finite(value["delta"])
        passed, labels = value["passed"], value["labels"]
    except (KeyError, TypeError, ValueError, OverflowError) as error:
        raise BadInput(f"online threshold: cannot be read: {error!r:.80}") from None
    check_probability("bound", bound)
    check_probability("delta", delta)
    if type(passed) is not int or type(labels) is not int or not 0 <= passed <= len(grid) or labels < 0:
        raise BadInput(f"online threshold: got {passed!r:.40} passed, {labels!r:.40} labels, expected whole numbers")
    shape = [len(_BETS)] * len(grid)
    if not grid or [len(band) for band in bands] != shape or sorted(set(grid), reverse=True) != list(grid):
        raise BadInput("online threshold: its bands do not fit its candidates, or these do not fall")
    return OnlineThreshold(grid, bound, delta, bands, passed, labels)


def _finite(text: object) -> float:
    number = float.fromhex(text) if isinstance(text, str) else math.nan
    if not math.isfinite(number):
        raise ValueError(f"not a number: {text!r:.40}")
    return number
