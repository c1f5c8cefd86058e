"""Named together: against the definition, over all outcomes of small portfolios, and on the study's forty classes."""

from __future__ import annotations

import itertools
import math
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from remit.errors import BadInput
from remit.stats.portfolio import log_evidence_required, named_together
from remit.stats.rate import log_evidence_below

levels = st.one_of(st.floats(-50.0, 50.0), st.just(-math.inf), st.sampled_from([math.log(20), math.log(40), 5.0]))
portfolios = st.dictionaries(st.text(min_size=1, max_size=3), levels, max_size=8)
deltas = st.sampled_from([0.01, 0.05, 0.2])


def plainly(evidence: dict[str, float], delta: float) -> set[str]:
    """The largest set whose weakest member has e-value at least (all / (delta * size)): the definition."""
    best: set[str] = set()
    for size in range(1, len(evidence) + 1):
        for chosen in itertools.combinations(sorted(evidence), size):
            if all(evidence[name] >= math.log(len(evidence) / (delta * size)) for name in chosen):
                best = best | set(chosen)
    return best


@given(portfolios, deltas)
def test_what_is_named_is_the_largest_set_that_the_definition_allows(evidence: dict[str, float], delta: float) -> None:
    named = named_together(evidence, delta)
    assert set(named) == plainly(evidence, delta)
    assert len(named) == len(set(named))
    assert [evidence[name] for name in named] == sorted((evidence[name] for name in named), reverse=True)
    required = log_evidence_required(evidence, delta)
    assert (required is None) is (named == ())
    assert required is None or all((value >= required) is (name in named) for name, value in evidence.items())


@given(portfolios, deltas)
def test_names_and_order_do_not_matter_and_one_alone_needs_what_a_single_certificate_needs(
    evidence: dict[str, float], delta: float
) -> None:
    turned = dict(reversed(list(evidence.items())))
    assert named_together(turned, delta) == named_together(evidence, delta)
    assert log_evidence_required({"only": 100.0}, delta) == pytest.approx(-math.log(delta))


@pytest.mark.parametrize("delta", [0.1, 0.3])
def test_over_all_outcomes_the_false_share_is_at_most_delta(delta: float) -> None:
    """Five classes of which one deserves it; each e-value is 0 or as large as fairness allows, at three sizes."""
    sizes = (5.0, 10.0, 25.0)
    for undeserving in itertools.product(sizes, repeat=4):
        mean = 0.0
        for hits in itertools.product((False, True), repeat=4):
            chance = math.prod(1 / size if hit else 1 - 1 / size for size, hit in zip(undeserving, hits, strict=True))
            evidence = {
                f"bad-{place}": math.log(size) if hit else -math.inf
                for place, (size, hit) in enumerate(zip(undeserving, hits, strict=True))
            }
            named = named_together({**evidence, "good": 100.0}, delta)
            assert "good" in named
            mean += chance * sum(name != "good" for name in named) / len(named)
        assert mean <= delta + 1e-12


def test_twenty_classes_that_deserve_it_are_told_from_twenty_that_do_not() -> None:
    """The study's portfolio: bound 5 %, half of the classes at 2.5 %, half at 5.5 %, looked at every 50 outcomes."""
    chance = np.random.default_rng(7)
    rates = np.r_[np.full(20, 0.025), np.full(20, 0.055)]
    false_share, deserving = [], []
    for _ in range(25):
        seen = (chance.random((40, 1_500)) < rates[:, None]).cumsum(1)
        named: set[str] = set()
        for trials in range(50, 1_501, 50):
            evidence = {f"{c:02}": log_evidence_below(trials, int(seen[c, trials - 1]), 0.05) for c in range(40)}
            named.update(named_together(evidence, 0.05))
        false_share.append(sum(int(name) >= 20 for name in named) / max(1, len(named)))
        deserving.append(sum(int(name) < 20 for name in named) / 20)
    assert np.mean(false_share) <= 0.005
    assert np.mean(deserving) >= 0.93


def test_impossible_input_is_refused() -> None:
    wrong: list[Any] = [math.nan, "3", None, True]
    for value in wrong:
        with pytest.raises(BadInput, match="log e-value of 'refunds'"):
            named_together({"refunds": value}, 0.05)
    for delta in (0.0, 1.0, math.nan, -1.0):
        with pytest.raises(BadInput, match="delta"):
            named_together({"refunds": 1.0}, delta)
    assert named_together({}, 0.05) == ()
