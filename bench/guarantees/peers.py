"""What others do, held to the same targets on the same draws: the rules of dashboards, evaluations and spot checks.

A point estimate ("the error so far is within the promise"), the last 50, a streak of 29 right ones, a Clopper-Pearson
bound that is looked at whenever somebody likes, a fixed cut-off at 0.9, and reviewing everything.
"""

from __future__ import annotations

from typing import Final

import numpy as np
from bench.guarantees.banking import BankTraffic
from bench.guarantees.guarantee import Guarantee, at_least, at_most
from bench.guarantees.monte_carlo import error_times, first_certified, mean_row, median_row, share_row
from bench.guarantees.pool import DecisionPool, Ints
from bench.guarantees.t3_promotion import HORIZON
from bench.guarantees.t4_review import net_productivity
from bench.guarantees.t5_drift import CHANGE_AT, REVIEW_BP, gate_of, stream_of
from bench.guarantees.t6_labels import DAYS, PER_DAY, late_labels
from bench.guarantees.t7_paired import CASES, draw_pairs
from numpy.typing import NDArray
from scipy import stats

__all__ = ["peers_t1", "peers_t2", "peers_t3", "peers_t4", "peers_t5", "peers_t6", "peers_t7"]

POINT: Final = "point estimate"
ROLLING: Final = "rolling 50"
STREAK: Final = "streak of 29"
PEEKED: Final = "Clopper-Pearson, peeked"
CUT_OFF: Final = "fixed cut-off 0.9"
EVERYTHING: Final = "review everything"
_DELTA: Final = 0.05
_FIRST_LOOK: Final = 30
_ENOUGH: Final = 100


def _most_errors(trials: NDArray[np.int64], bound: float) -> NDArray[np.int64]:
    """Return with how many errors the Clopper-Pearson bound is still at ``bound``; -1 for none."""
    return np.asarray(stats.binom.ppf(_DELTA, trials, bound) - 1, dtype=np.int64)


def peers_t1(
    pool: DecisionPool,
    overconfident: DecisionPool | None,
    promise: float,
    labels: int,
    coverage: float | None,
    runs: int = 1_000,
) -> list[Guarantee]:
    """Return how often thresholds that others set break ``promise``, and their coverage."""
    random, what = np.random.default_rng([1, labels]), f"{pool.name}: {promise:.0%} at {labels:,} labels"
    best = pool.oracle(promise)[1]
    target = at_least(coverage) if coverage else None
    thresholds, errors, shares = pool.curve()
    found: dict[str, list[int]] = {POINT: [], PEEKED: []}
    count = np.arange(1, labels + 1)
    allowed = _most_errors(count, promise)
    for _ in range(runs):
        places = random.integers(len(pool), size=labels)
        order = np.argsort(-pool.confidence_bp[places], kind="stable")
        confidence, wrong = pool.confidence_bp[places][order], np.cumsum(pool.wrong[places][order])
        last = np.append(confidence[1:] != confidence[:-1], True)
        for rule, good in ((POINT, wrong <= promise * count), (PEEKED, wrong <= allowed)):
            holding = np.flatnonzero(good & last)
            found[rule].append(int(confidence[holding[-1]]) if len(holding) else 10_001)
    rows = []
    for rule, cuts in found.items():
        at = np.searchsorted(-thresholds, -np.array(cuts), side="right") - 1
        broken = np.where(at >= 0, errors[at], 0.0) > promise
        rows.append(share_row("T1", f"{what}, promise broken", int(broken.sum()), runs, at_most(0.05), who=rule))
        if best:
            covered = np.where(at >= 0, shares[at], 0.0) / best
            rows.append(mean_row("T1", f"{what}, coverage of the oracle's", covered, target, who=rule))
    for one in filter(None, (pool, overconfident)):
        error, share = one.above(9_000)
        note = f"{one.name}: error {error:.2%} at coverage {share:.1%}"
        broken_said = f"{one.name}: {promise:.0%}, promise broken"
        rows.append(Guarantee("T1", broken_said, float(error > promise), at_most(0.05), who=CUT_OFF, note=note))
    rows.append(Guarantee("T1", f"{what}, coverage of the oracle's", 0.0, target, who=EVERYTHING))
    return rows


def peers_t2(pool: DecisionPool, promise: float, coverage: float | None, runs: int = 100) -> list[Guarantee]:
    """Return how often a threshold that is set anew every 50 decisions, from all labels so far, breaks ``promise``."""
    random, what = np.random.default_rng([2, 2]), f"{pool.name}: {promise:.0%} online, 10 % audit"
    best = pool.oracle(promise)[1]
    rows = []
    for rule in (POINT, PEEKED):
        broken, half = 0, []
        for _ in range(runs):
            ever, covered = _retuned(pool, promise, rule, random)
            broken += ever
            half.append(covered)
        rows.append(share_row("T2", f"{what}, ever broken in 20,000", broken, runs, at_most(0.05), who=rule))
        if best:
            said, target = f"{what}, coverage of the oracle's at 10,000", at_least(coverage) if coverage else None
            rows.append(mean_row("T2", said, np.array(half) / best, target, who=rule))
    return rows


def _retuned(pool: DecisionPool, promise: float, rule: str, random: np.random.Generator) -> tuple[bool, float]:
    unlabelled = pool.confidence_bp[random.integers(len(pool), size=2_000)]
    grid = np.unique(np.quantile(unlabelled, np.linspace(0.75, 0.0, 31)).astype(np.int64))[::-1]
    true = np.array([pool.above(int(one))[0] for one in grid])
    count, bad = np.zeros(len(grid), np.int64), np.zeros(len(grid), np.int64)
    cut, ever, half = 10_001, False, 0.0
    for step in range(400):
        places = random.integers(len(pool), size=50)
        confidence, wrong = pool.confidence_bp[places], pool.wrong[places]
        known = (confidence < cut) | (random.random(50) < 0.1)
        inside = (confidence[None] >= grid[:, None]) & known
        count, bad = count + inside.sum(1), bad + (inside & wrong).sum(1)
        good = bad <= promise * count if rule == POINT else bad <= _most_errors(count, promise)
        holding = np.flatnonzero(good & (count >= _ENOUGH))
        cut = int(grid[holding[-1]]) if len(holding) else 10_001
        ever |= bool(len(holding)) and bool(true[holding[-1]] > promise)
        if step == 199:
            half = pool.above(cut)[1]
    return ever, half


def peers_t3(bound: float, what: str, runs: int = 2_000) -> list[Guarantee]:
    """Return how often the rules of others promote an agent exactly at ``bound`` within 10,000 outcomes."""
    if not 0.0 < bound < 1.0:
        return []
    random, said = np.random.default_rng([3, 3]), f"{what}, false promotion"
    errors = int(HORIZON * bound + 10 * np.sqrt(HORIZON * bound)) + 20
    allowed = _most_errors(np.arange(_FIRST_LOOK, HORIZON + 1), bound)
    tables = {
        POINT: [max(_ENOUGH, int(np.ceil(k / bound - 1e-9))) for k in range(errors)],
        PEEKED: [int(at) + _FIRST_LOOK for at in np.searchsorted(allowed, np.arange(allowed[-1] + 1))],
    }
    hits = dict.fromkeys((POINT, ROLLING, STREAK, PEEKED), 0)
    for _ in range(-(-runs // 500)):
        times = error_times(random, bound, 500, errors)
        for rule, needs in tables.items():
            hits[rule] += int((first_certified(needs, times) <= HORIZON).sum())
        ends = np.minimum(np.concatenate([np.zeros((500, 1), np.int64), times], 1), HORIZON + 1)
        for rule, length, spared in ((ROLLING, 50, int(50 * bound)), (STREAK, 29, 0)):
            hits[rule] += int((ends[:, spared + 1 :] - ends[:, : -spared - 1] > length).any(1).sum())
    done = 500 * -(-runs // 500)
    rows = [share_row("T3", said, found, done, at_most(0.05), who=rule) for rule, found in hits.items()]
    return [*rows, Guarantee("T3", said, 0.0, at_most(0.05), who=EVERYTHING, note="never promotes anybody")]


def peers_t4(pool: DecisionPool, limits: tuple[tuple[float, float], ...]) -> list[Guarantee]:
    """Return what share others review for a bound of 2 %, and what is left of productivity."""
    rows = []
    for rate, limit in limits:
        said = f"true error {rate:.1%}: share reviewed of 10,000 for a bound of 2 %"
        rows.append(Guarantee("T4", said, 1.0, at_most(limit), who=EVERYTHING))
        power = next((share for share in np.arange(0.01, 1.001, 0.01) if _power(rate, float(share)) >= 0.9), 1.0)
        note = "planned for one look at the end that certifies in nine of ten cases; not peeked"
        rows.append(Guarantee("T4", said, round(float(power), 2), at_most(limit), who="Clopper-Pearson", note=note))
    what = f"{pool.name}: net productivity at a bound of 2 %"
    full = net_productivity(pool.error, 1.0, pool.error, 1.0)
    rows.append(Guarantee("T4", what, full, at_least(2.0), who=EVERYTHING))
    error, share = pool.above(9_000)
    note = f"lets {share:.0%} through unseen, {error:.2%} of it wrong, and knows neither"
    net = net_productivity(pool.error, share, error, 0.0)
    return [*rows, Guarantee("T4", what, net or None, who=CUT_OFF, note=note)]


def _power(rate: float, share: float) -> float:
    trials = np.array([round(10_000 * share)])
    return float(stats.binom.cdf(_most_errors(trials, 0.02)[0], trials[0], rate))


def peers_t5(traffic: BankTraffic, runs: int = 200) -> list[Guarantee]:
    """Return false alarms in 10,000 decisions, and delays after the silent change, of rules on reviewed outcomes."""
    random = np.random.default_rng([5, 5])
    false = dict.fromkeys((POINT, ROLLING, PEEKED), 0)
    delays: dict[str, list[float]] = {rule: [] for rule in false}
    for _ in range(runs):
        gate = gate_of(traffic.inside, 0.02, random)
        stream = stream_of(traffic, "silent", random)
        drawn = random.integers(10_000, size=len(stream.wrong)) < REVIEW_BP
        at = np.flatnonzero(drawn & (stream.confidence_bp >= (10_001 if gate is None else gate)))
        for rule, hits in _alarms(stream.wrong[at]).items():
            times = at[hits] + 1
            before = bool((times <= CHANGE_AT).any())
            false[rule] += before
            after = times[times > CHANGE_AT]
            if not before:
                delays[rule].append(float(after[0] - CHANGE_AT) if len(after) else np.inf)
    rows = []
    for rule, found in false.items():
        what = f"{traffic.inside.name}: any false alarm in 10,000"
        rows.append(share_row("T5", what, found, runs, at_most(0.05), who=rule))
        said = f"{traffic.inside.name}, silent: decisions until the alarm, median"
        missed = sum(1 for one in delays[rule] if not np.isfinite(one))
        note = f"of {len(delays[rule])} runs that had not alarmed before; not found in {missed}"
        rows.append(median_row("T5", said, delays[rule], at_most(2_000), who=rule, note=note))
    return rows


def _alarms(wrong: NDArray[np.bool_]) -> dict[str, Ints]:
    """Return at which reviewed outcomes each rule says that more than 2 % are wrong."""
    errors, count = np.cumsum(wrong), np.arange(1, len(wrong) + 1)
    before = np.concatenate([np.zeros(50, np.int64), errors])[: len(errors)]
    # The lower Clopper-Pearson bound is above 2 % when so many errors or more have a chance below delta at 2 %.
    above = stats.binom.sf(errors - 1, count, 0.02) < _DELTA
    return {
        POINT: np.flatnonzero((errors > 0.02 * count) & (count >= _ENOUGH)),
        ROLLING: np.flatnonzero((errors - before > 0.04 * 50) & (count >= 50)),
        PEEKED: np.flatnonzero(above & (count >= _FIRST_LOOK)),
    }


def peers_t6(rate: float, what: str, runs: int = 2_000) -> list[Guarantee]:
    """Return how often others promote an agent at the bound, who count labels as they come and leave silence out."""
    if not 0.0 < rate < 1.0:
        return []
    random = np.random.default_rng([6, 6])
    said = f"{what}, labels 7 days late, half of the errors never labelled: false promotion"
    hits = dict.fromkeys((POINT, ROLLING, STREAK, PEEKED), 0)
    allowed = _most_errors(np.arange(PER_DAY * DAYS + 1), rate)
    done = 500 * -(-runs // 500)
    for _ in range(done // 500):
        labels = late_labels(random, rate, 500)
        found = {rule: np.zeros(500, np.bool_) for rule in hits}
        spoken = np.cumsum(~labels.silent, axis=1)
        for today in range(3, DAYS + 1):
            seen = PER_DAY * today
            wrong = np.cumsum(labels.said_wrong[:, :seen] <= today, axis=1)
            count, errors = spoken[:, seen - 1], wrong[:, -1]
            found[POINT] |= (errors <= rate * count) & (count >= _ENOUGH)
            found[PEEKED] |= errors <= allowed[count]
            for rule, length, spared in ((ROLLING, 50, int(50 * rate)), (STREAK, 29, 0)):
                # The last ``length`` labelled cases begin where count - length had been labelled.
                first = (spoken[:, :seen] <= (count - length)[:, None]).sum(1) - 1
                earlier = np.where(first >= 0, wrong[np.arange(500), np.maximum(first, 0)], 0)
                found[rule] |= (errors - earlier <= spared) & (count >= length)
        for rule, promoted in found.items():
            hits[rule] += int(promoted.sum())
    return [share_row("T6", said, count, done, at_most(0.05), who=rule) for rule, count in hits.items()]


def peers_t7(runs: int = 2_000) -> list[Guarantee]:
    """Return how often "block when it scores more than a point lower on 200 items" is wrong."""
    random, rows = np.random.default_rng([7, 7]), []
    for case, better, worse in CASES:
        score = draw_pairs(random, better, worse, runs, 200).sum(1)
        blocked = int((score < -2).sum())
        bad, count = ("block", blocked) if case == "equal quality" else ("pass", runs - blocked)
        what = f"{case}, 5 % answered differently, margin 2 points: wrong {bad}"
        rows.append(share_row("T7", what, count, runs, at_most(0.05), who=POINT, note="a point on 200 items"))
    return rows
