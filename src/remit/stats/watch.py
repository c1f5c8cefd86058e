"""Has something changed? Alarms with a known rate of false ones.

Three signals, because each is blind where another sees: stated confidence (of all decisions; says nothing where the
right answers change under the same questions), drawn outcomes against the promise (few, but what counts), and
a verifier's flags. Each feeds Shiryaev-Roberts e-detectors: a statistic that grows by one with every decision and is
multiplied by what fair bets pay. While nothing is wrong, the statistic less the number of decisions is a
supermartingale, so it reaches A within T decisions with probability at most T / A, at whatever moments one looks.
For confidence that probability depends on nothing that is not known, and `rank_threshold` has it closer.

What counts as nothing wrong: for confidence and flags, that the decisions are exchangeable, so that another mix of
classes is a change, too; for outcomes, that each one, given all before, is wrong with probability at most the promise.
The latter needs outcomes that were drawn for review with a recorded chance, handed in once matured, wrong and right
alike.

Shin, Ramdas and Rinaldo 2024 (e-detectors); Vovk 2021 (testing randomness online); Roberts 1966.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from math import isfinite
from typing import Final, Literal

from remit.canonical import INTEGER_MAX
from remit.errors import BadInput
from remit.stats.conformal import RANK_WEIGHTS, ConformalRanks, bets_on_level, bets_on_rank, tie_number
from remit.stats.rank_threshold import rank_threshold
from remit.stats.threshold import WHOLE_BP
from remit.stats.weighted import check_chances
from remit.vocabulary import Json

__all__ = ["Alarm", "AlarmKind", "Watch", "WatchPlan"]

AlarmKind = Literal["suspend", "demote", "raise_audit"]
"""What an alarm asks for: the certificate rests on a past that is gone; the promise is broken; look at more."""

CLASSES_MAX: Final = 1_000
_KINDS: Final[dict[str, AlarmKind]] = {
    "confidence": "suspend", "outcomes": "demote", "class": "demote", "flags": "raise_audit",
}  # fmt: skip
_MISSING: Final = 0
_RANKS: Final = WHOLE_BP + 2
"""Missing, then 0 to 10,000 basis points: an agent that stops stating its confidence has changed."""
_FLAGGED: Final = 0
_MULTIPLES: Final = (1.5, 2.0, 3.0, 5.0, 10.0, 25.0)
_WORDS: Final = {
    "confidence": "stated confidence does not come from where it came from before",
    "outcomes": "reviewed outcomes are wrong more often than promised",
    "class": "reviewed outcomes of this class are wrong more often than promised",
    "flags": "the verifier flags more than it did",
}


@dataclass(frozen=True, slots=True)
class WatchPlan:
    """What is promised, and how often each signal may cry wolf, in basis points of a chance per ``horizon`` decisions.

    The chance of any false alarm at all within ``horizon`` decisions is at most the sum of the four: 5 % as they
    stand. ``classes_bp`` is for all classes together, however many there are; ``flags_bp`` is 0 where no verifier
    looks. ``seed`` breaks ties of confidence; it is recorded, and should not be known to who chooses the keys of
    decisions.
    """

    promise_bp: int
    seed: str
    horizon: int = 10_000
    confidence_bp: int = 300
    outcomes_bp: int = 100
    classes_bp: int = 100
    flags_bp: int = 0

    def __post_init__(self) -> None:
        for name in ("promise_bp", "confidence_bp", "outcomes_bp", "classes_bp", "flags_bp"):
            value, least = getattr(self, name), int(name != "flags_bp")
            if type(value) is not int or not least <= value < WHOLE_BP:
                raise BadInput(f"{name} must be from {least} to {WHOLE_BP - 1} basis points: got {value!r:.40}")
        if type(self.horizon) is not int or not 0 < self.horizon <= 10**9:
            raise BadInput(f"horizon must be from 1 to 1,000,000,000 decisions: got {self.horizon!r:.40}")
        if not isinstance(self.seed, str) or len(self.seed) > 1_000:
            raise BadInput("seed must be text of at most 1,000 characters")

    def threshold(self, signal: str) -> int:
        """The statistic at which ``signal`` (confidence, outcomes, class, flags) alarms: horizon / chance, or less
        where less is known to do.

        Raises:
            BadInput: flags, and no verifier is planned for.
        """
        if signal == "confidence":
            return rank_threshold(self.horizon, self.confidence_bp)
        chance_bp = {"outcomes": self.outcomes_bp, "class": self.classes_bp, "flags": self.flags_bp}[signal]
        if not chance_bp:
            raise BadInput("flags_bp of the plan is 0: it has no verifier, so nothing can be flagged or not")
        return -(-self.horizon * WHOLE_BP // chance_bp)


@dataclass(frozen=True, slots=True)
class Alarm:
    """One detector's alarm. ``decision`` is how many decisions had been seen; ``about`` the class, or empty.

    ``statistic`` is the detector's value as ``float.hex`` text, ``threshold`` what it had to reach.
    """

    kind: AlarmKind
    signal: str
    about: str
    decision: int
    statistic: str
    threshold: int
    reason: str


class _Detector:
    """The mean of several Shiryaev-Roberts statistics, one for each bet; evenly, or by ``weights`` that sum to one."""

    __slots__ = ("sums", "waiting", "weights")

    def __init__(self, bets: int, weights: Sequence[float] | None = None) -> None:
        self.sums = [0.0] * bets
        self.weights = weights
        self.waiting = 0

    def tick(self) -> None:
        self.waiting += 1

    def pay(self, bets: Sequence[float]) -> float:
        waiting = self.waiting
        self.waiting = 0
        self.sums = [(total + waiting) * paid for total, paid in zip(self.sums, bets, strict=True)]
        return self.mean()

    def mean(self) -> float:
        if self.weights is None:
            return sum(self.sums) / len(self.sums)
        return sum(weight * total for weight, total in zip(self.weights, self.sums, strict=True))

    def to_json(self) -> list[Json]:
        return [self.waiting, *(total.hex() for total in self.sums)]


class Watch:
    """What the detectors know so far. Hand it every decision and every matured outcome that was drawn, in order.

    A detector that has alarmed is silent from then on; begin a new watch when autonomy has been earned again.
    ``reference`` and ``reference_flags`` are from before (the pilot): known values make detection quicker, and do
    not touch the guarantee as long as they come from the same source as what follows.
    """

    def __init__(
        self,
        plan: WatchPlan,
        reference: Iterable[int | None] = (),
        reference_flags: Iterable[bool] = (),
    ) -> None:
        self.plan = plan
        self._decisions = 0
        self._alarms: list[Alarm] = []
        self._silent: set[tuple[str, str]] = set()
        self._confidence = ConformalRanks(_RANKS, (_rank(value) for value in reference))
        self._flags = ConformalRanks(2, (_flag_rank(flag) for flag in reference_flags))
        self._odds = _odds(plan.promise_bp)
        self._thresholds = {signal: plan.threshold(signal) for signal in _KINDS if signal != "flags" or plan.flags_bp}
        self._detectors: dict[tuple[str, str], _Detector] = {
            ("confidence", ""): _Detector(len(RANK_WEIGHTS), RANK_WEIGHTS),
            ("flags", ""): _Detector(len(bets_on_level(0.5, 0.5))),
            ("outcomes", ""): _Detector(len(self._odds)),
        }

    @property
    def alarms(self) -> tuple[Alarm, ...]:
        """All alarms so far, in the order in which they came."""
        return tuple(self._alarms)

    @property
    def decisions(self) -> int:
        """How many decisions have been seen."""
        return self._decisions

    def statistic(self, signal: str, about: str = "") -> float:
        """Where the detector of ``signal`` stands, which alarms at `WatchPlan.threshold`; 0 for a class not seen."""
        found = self._detectors.get((signal, about))
        return 0.0 if found is None else found.waiting + found.mean()

    def decided(
        self, key: str, confidence_bp: int | None, action_class: str, flagged: bool | None = None
    ) -> tuple[Alarm, ...]:
        """Take in one decision; return the alarms it raises.

        ``key`` is the decision's own (its action's digest). ``confidence_bp`` None is a confidence that was not
        stated, which ranks below all. ``flagged`` None means that no verifier looked.

        Raises:
            BadInput: a confidence that is none, more than 1,000 classes, or a flag where the plan has no verifier.
        """
        rank = _rank(confidence_bp)
        flag = None if flagged is None else _flag_rank(flagged)
        if flag is not None:
            self.plan.threshold("flags")
        by_class = self._class(action_class)
        self._decisions += 1
        for detector in (self._detectors["confidence", ""], self._detectors["flags", ""]):
            detector.tick()
        self._detectors["outcomes", ""].tick()
        by_class.tick()
        raised = self._pay(
            "confidence", "", bets_on_rank(self._confidence.place(rank, tie_number(self.plan.seed, key)))
        )
        if flag is not None:
            level = (self._flags.count(_FLAGGED) + 1) / (self._flags.total + 2)
            place = self._flags.place(flag, tie_number(self.plan.seed, "flag:" + key))
            raised += self._pay("flags", "", bets_on_level(place, level))
        return raised

    def outcome(
        self, action_class: str, wrong: bool, chance_bp: int = WHOLE_BP, chance_least_bp: int = WHOLE_BP
    ) -> tuple[Alarm, ...]:
        """Take in the matured outcome of a decision that was drawn for review; return the alarms it raises.

        ``chance_bp`` is the recorded chance with which it was drawn, ``chance_least_bp`` the least that any decision
        then had: what is looked at twice as often counts half. The decision itself must have been handed in before.

        Raises:
            BadInput: no decision of this class has been seen, or chances that are none.
        """
        if ("class", action_class) not in self._detectors:
            raise BadInput(f"an outcome of class {action_class!r:.80}, of which no decision has been seen")
        if type(wrong) is not bool:
            raise BadInput(f"an outcome is wrong or not: got {wrong!r:.40}")
        check_chances(chance_bp, chance_least_bp)
        weight = chance_least_bp / chance_bp
        paid = [1.0 + weight * ((if_wrong if wrong else if_right) - 1.0) for if_wrong, if_right in self._odds]
        return self._pay("outcomes", "", paid) + self._pay("class", action_class, paid)

    def to_json(self) -> dict[str, Json]:
        """Return the whole state as JSON without floats; `from_json` of it goes on exactly where this one is."""
        plan: dict[str, Json] = {name: getattr(self.plan, name) for name in WatchPlan.__slots__}
        return {
            "plan": plan,
            "decisions": self._decisions,
            "confidence": self._confidence.to_json(),
            "flags": self._flags.to_json(),
            "detectors": [[*name, *state.to_json()] for name, state in sorted(self._detectors.items())],
            "alarms": [[getattr(alarm, name) for name in Alarm.__slots__] for alarm in self._alarms],
        }

    @classmethod
    def from_json(cls, state: Json) -> Watch:
        """Read what `to_json` wrote.

        Raises:
            BadInput: anything else.
        """
        if not isinstance(state, dict) or set(state) != _STATE or not isinstance(state["plan"], dict):
            raise BadInput(f"the state of a watch must have {', '.join(sorted(_STATE))}")
        if set(state["plan"]) != set(WatchPlan.__slots__):
            raise BadInput(f"the plan of a watch must have {', '.join(WatchPlan.__slots__)}")
        watch = cls(WatchPlan(**state["plan"]))  # type: ignore[arg-type]
        watch._decisions = _whole(state["decisions"])
        watch._confidence = ConformalRanks.from_json(_RANKS, state["confidence"])
        watch._flags = ConformalRanks.from_json(2, state["flags"])
        for row in _rows(state["detectors"]):
            watch._read_detector(row)
        for row in _rows(state["alarms"]):
            watch._read_alarm(row)
        return watch

    def _class(self, action_class: str) -> _Detector:
        found = self._detectors.get(("class", action_class))
        if found is None:
            if len(self._detectors) >= CLASSES_MAX + 3:
                raise BadInput(f"more than {CLASSES_MAX} classes of action in one watch; watch fewer, larger ones")
            found = self._detectors["class", action_class] = _Detector(len(self._odds))
        return found

    def _pay(self, signal: str, about: str, bets: Sequence[float]) -> tuple[Alarm, ...]:
        if (signal, about) in self._silent:
            return ()
        statistic = self._detectors[signal, about].pay(bets)
        threshold = self._thresholds[signal]
        if statistic < threshold:
            return ()
        reason = f"{_WORDS[signal]}: {statistic:.4g} of {threshold}" + (f" ({about})" if about else "")
        alarm = Alarm(_KINDS[signal], signal, about, self._decisions, statistic.hex(), threshold, reason)
        self._silent.add((signal, about))
        self._alarms.append(alarm)
        return (alarm,)

    def _read_detector(self, row: list[Json]) -> None:
        if len(row) < 3 or not isinstance(row[0], str) or not isinstance(row[1], str):
            raise BadInput(f"a detector's state cannot be read: got {row!r:.80}")
        kept = self._class(row[1]) if row[0] == "class" else self._detectors.get((row[0], row[1]))
        if kept is None or len(row) != 3 + len(kept.sums):
            raise BadInput(f"a detector's state cannot be read: got {row!r:.80}")
        kept.waiting = _whole(row[2])
        kept.sums = [_statistic(text) for text in row[3:]]

    def _read_alarm(self, row: list[Json]) -> None:
        kind, signal, about, decision, statistic, threshold, reason = row if len(row) == 7 else [None] * 7
        texts = all(isinstance(text, str) and len(text) <= 1_000 for text in (about, statistic, reason))
        if not texts or not isinstance(signal, str) or signal not in _KINDS or kind != _KINDS[signal]:
            raise BadInput(f"an alarm cannot be read: got {row!r:.80}")
        _statistic(statistic)
        self._silent.add((signal, str(about)))
        self._alarms.append(
            Alarm(_KINDS[signal], signal, str(about), _whole(decision), str(statistic), _whole(threshold), str(reason))
        )


_STATE: Final = {"plan", "decisions", "confidence", "flags", "detectors", "alarms"}


def _odds(promise_bp: int) -> list[tuple[float, float]]:
    """What each bet pays on a wrong outcome and on a right one: likelihood ratios of higher rates to the promise."""
    promise = promise_bp / WHOLE_BP
    pairs = []
    for multiple in _MULTIPLES:
        rate = min(promise * multiple, 1.0 - (1.0 - promise) / multiple)
        pairs.append((rate / promise, (1.0 - rate) / (1.0 - promise)))
    return pairs


def _rank(confidence_bp: int | None) -> int:
    if confidence_bp is None:
        return _MISSING
    if type(confidence_bp) is not int or not 0 <= confidence_bp <= WHOLE_BP:
        raise BadInput(f"a confidence must be from 0 to {WHOLE_BP} basis points or missing: got {confidence_bp!r:.40}")
    return confidence_bp + 1


def _flag_rank(flagged: bool) -> int:
    if type(flagged) is not bool:
        raise BadInput(f"a verifier flags or does not: got {flagged!r:.40}")
    return _FLAGGED if flagged else 1


def _whole(value: Json) -> int:
    if type(value) is not int or not 0 <= value <= INTEGER_MAX:
        raise BadInput(f"expected a whole number that is not negative: got {value!r:.40}")
    return value


def _rows(value: Json) -> list[list[Json]]:
    if not isinstance(value, list) or len(value) > CLASSES_MAX + 3 or not all(isinstance(row, list) for row in value):
        raise BadInput(f"expected a list of at most {CLASSES_MAX + 3} lists")
    return value  # type: ignore[return-value]


def _statistic(text: Json) -> float:
    try:
        value = float.fromhex(text) if isinstance(text, str) and len(text) <= 40 else -1.0
    except (ValueError, OverflowError):
        value = -1.0
    if not (isfinite(value) and value >= 0):
        raise BadInput(f"expected a statistic as hexadecimal text: got {text!r:.40}")
    return value
