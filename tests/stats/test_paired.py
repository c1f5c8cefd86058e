"""Version against version: fair where it must be, rarely wrong, and done within the items that were promised."""

from __future__ import annotations

import itertools
import math
from typing import Any

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from remit.errors import BadInput
from remit.stats.paired import (
    PairedVerdict,
    Pairs,
    items_missing,
    log_evidence_as_good,
    log_evidence_worse,
    paired_verdict,
)
from remit.stats.rate import TRIALS_MAX

MARGIN, DELTA = 0.02, 0.05
LEVEL = -math.log(DELTA)
counts = st.builds(Pairs, st.integers(0, 5_000), st.integers(0, 300), st.integers(0, 300))
margins = st.sampled_from([0.005, 0.02, 0.1, 0.5])


def after_one(pairs: Pairs) -> tuple[Pairs, Pairs, Pairs]:
    return pairs.after(True, True), pairs.after(False, True), pairs.after(True, False)


@given(counts, margins, st.floats(0.0, 1.0), st.floats(0.0, 1.0))
def test_the_bet_on_as_good_gains_nothing_on_average_where_the_new_version_is_worse_by_the_margin(
    pairs: Pairs, margin: float, share: float, worse_by: float
) -> None:
    now = log_evidence_as_good(pairs, margin)
    gain = [math.exp(log_evidence_as_good(one, margin) - now) for one in after_one(pairs)]
    better = share * (1 - margin) / 2
    at_margin = (1 - 2 * better - margin) * gain[0] + better * gain[1] + (better + margin) * gain[2]
    assert at_margin == pytest.approx(1.0, abs=1e-8)
    more = worse_by * (1 - 2 * better - margin)
    beyond = (1 - 2 * better - margin - more) * gain[0] + better * gain[1] + (better + margin + more) * gain[2]
    assert beyond <= 1 + 1e-8


@given(counts, st.floats(0.0, 0.5), st.floats(0.0, 1.0))
def test_the_bet_on_worse_gains_nothing_on_average_where_the_new_version_is_not_worse(
    pairs: Pairs, half: float, shift: float
) -> None:
    now = log_evidence_worse(pairs)
    gain = [math.exp(log_evidence_worse(one) - now) for one in after_one(pairs)]
    assert gain[0] == 1.0
    assert (1 - 2 * half) * gain[0] + half * gain[1] + half * gain[2] == pytest.approx(1.0, abs=1e-8)
    moved = half * shift
    assert (1 - 2 * half) * gain[0] + (half + moved) * gain[1] + (half - moved) * gain[2] <= 1 + 1e-8


def test_over_all_paths_both_bets_are_one_on_average() -> None:
    # (old right, new right, chance where the new version is worse by 10 %, chance where both are as good)
    steps = ((True, True, 0.7, 0.6), (False, True, 0.1, 0.2), (True, False, 0.2, 0.2))
    for length in range(6):
        as_good = worse = 0.0
        for path in itertools.product(steps, repeat=length):
            pairs = Pairs()
            for old, new, _, _ in path:
                pairs = pairs.after(old, new)
            as_good += math.prod(step[2] for step in path) * math.exp(log_evidence_as_good(pairs, 0.1))
            worse += math.prod(step[3] for step in path) * math.exp(log_evidence_worse(pairs))
        assert as_good == pytest.approx(1.0, abs=1e-9)
        assert worse == pytest.approx(1.0, abs=1e-9)


def test_a_version_at_the_margin_hardly_ever_passes_in_5_000_items_looked_at_one_by_one() -> None:
    """Exactly: the new version breaks 2 % of the items and mends none, the hardest case with few disagreements."""
    alive, passed, least = {0: 1.0}, 0.0, -1
    for items in range(1, 5_001):
        moved: dict[int, float] = {}
        for worse, chance in alive.items():
            moved[worse] = moved.get(worse, 0.0) + chance * (1 - MARGIN)
            moved[worse + 1] = moved.get(worse + 1, 0.0) + chance * MARGIN
        while log_evidence_as_good(Pairs(items - least - 1, 0, least + 1), MARGIN) >= LEVEL:
            least += 1  # the more are worse the weaker the evidence, so the limit only grows
        passed += sum(moved.pop(worse, 0.0) for worse in range(least + 1))
        alive = {worse: chance for worse, chance in moved.items() if chance > 1e-12}
    assert 0.02 <= passed <= DELTA


def test_an_equal_version_is_hardly_ever_blocked_however_many_disagreements_there_are() -> None:
    alive, blocked = {0: 1.0}, 0.0
    for disagree in range(1, 401):
        moved: dict[int, float] = {}
        for worse, chance in alive.items():
            for following in (worse, worse + 1):
                moved[following] = moved.get(following, 0.0) + chance / 2
        most = disagree
        while most >= 0 and log_evidence_worse(Pairs(0, disagree - most, most)) >= LEVEL:
            blocked += moved.pop(most, 0.0)
            most -= 1
        alive = moved
    assert 0.02 <= blocked <= DELTA


def runs(better: float, worse: float, count: int, most: int, seed: int) -> tuple[list[PairedVerdict], list[int]]:
    """Verdicts, and items until then, of ``count`` comparisons looked at every tenth item."""
    chance = np.random.default_rng(seed)
    verdicts, items = [], []
    for _ in range(count):
        draw = chance.random(most)
        mended = (draw < better).cumsum()[9::10].tolist()
        broken = (draw >= 1 - worse).cumsum()[9::10].tolist()
        verdict: PairedVerdict = "go on"
        seen = most
        for look, (up, down) in enumerate(zip(mended, broken, strict=True)):
            seen = 10 * (look + 1)
            verdict = paired_verdict(Pairs(seen - up - down, up, down), MARGIN, DELTA)
            if verdict != "go on":
                break
        verdicts.append(verdict)
        items.append(seen)
    return verdicts, items


def test_equal_versions_pass_within_800_items_in_half_of_the_comparisons() -> None:
    verdicts, items = runs(0.025, 0.025, 600, 4_000, 1)
    assert np.median(items) <= 800
    assert verdicts.count("block") <= 0.05 * 600
    assert verdicts.count("pass") >= 0.93 * 600


def test_the_same_version_passes_after_228_items() -> None:
    assert paired_verdict(Pairs(227), MARGIN, DELTA) == "go on"
    assert paired_verdict(Pairs(228), MARGIN, DELTA) == "pass"


def test_a_version_worse_by_two_and_a_half_points_is_blocked_and_hardly_ever_passes() -> None:
    verdicts, items = runs(0.012, 0.037, 600, 4_000, 2)
    assert verdicts.count("pass") <= 0.02 * 600
    assert verdicts.count("block") >= 0.97 * 600
    assert np.median(items) <= 800


def test_five_per_cent_newly_broken_is_blocked_soon() -> None:
    verdicts, items = runs(0.0, 0.05, 200, 1_000, 3)
    assert verdicts.count("block") == 200
    assert np.median(items) <= 200


@given(counts, margins)
def test_a_verdict_says_no_more_than_the_evidence(pairs: Pairs, margin: float) -> None:
    worse, as_good = log_evidence_worse(pairs) >= LEVEL, log_evidence_as_good(pairs, margin) >= LEVEL
    verdict = paired_verdict(pairs, margin, DELTA)
    assert verdict == ("block" if worse else "pass" if as_good else "go on")
    assert (items_missing(pairs, margin, DELTA) == 0) is (verdict != "go on")


@given(st.integers(0, 3_000), st.integers(0, 40), st.integers(0, 40))
def test_missing_items_are_what_the_same_mix_would_need(same: int, better: int, worse: int) -> None:
    pairs = Pairs(same, better, worse)
    missing = items_missing(pairs, MARGIN, DELTA)
    assume(missing is not None and missing >= 50)
    assert missing is not None
    whole = pairs.items + 20

    def mended_and_broken(more: float) -> tuple[float, float]:
        return better + (better + 0.5) / whole * more, worse + (worse + 0.5) / whole * more

    up, down = mended_and_broken(missing)  # rounded in its favour
    then = Pairs(pairs.items + missing + 2 - math.ceil(up) - math.floor(down), math.ceil(up), math.floor(down))
    assert log_evidence_as_good(then, MARGIN) >= LEVEL
    up, down = mended_and_broken(0.8 * missing)  # rounded against it
    sooner = pairs.items + int(0.8 * missing) - math.floor(up) - math.ceil(down)
    assert log_evidence_as_good(Pairs(sooner, math.floor(up), math.ceil(down)), MARGIN) < LEVEL


def test_nobody_is_told_how_many_items_are_missing_where_more_would_not_do() -> None:
    assert items_missing(Pairs(900, 10, 40), MARGIN, 0.000001) is None
    first = items_missing(Pairs(), MARGIN, DELTA)
    assert first is not None
    assert 300 <= first <= 2_000


def test_impossible_input_is_refused() -> None:
    wrong: list[Any] = [-1, 1.0, "3", True, None, TRIALS_MAX + 1]
    for value in wrong:
        for place in range(3):
            with pytest.raises(BadInput, match="counts"):
                Pairs(*[value if place == at else 0 for at in range(3)])
    with pytest.raises(BadInput, match="counts"):
        Pairs(TRIALS_MAX, 1, 0)
    for fraction in (0.0, 1.0, -0.1, math.nan):
        with pytest.raises(BadInput, match="margin"):
            paired_verdict(Pairs(1), fraction, DELTA)
        with pytest.raises(BadInput, match="delta"):
            paired_verdict(Pairs(1), MARGIN, fraction)
        with pytest.raises(BadInput, match="margin"):
            items_missing(Pairs(1), fraction, DELTA)
