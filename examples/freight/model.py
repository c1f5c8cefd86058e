"""The agent's model: gradient-boosted trees for the bill (in logarithms) and the mode, and a calibrated
confidence.

Fitted on deliveries recorded before a cut day, on nothing else. Missing weights and modes stay missing: the
trees have a branch for them.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Any, Final

from remit.errors import BadInput

from .outcomes import judge
from .prices import MODES
from .story import Order, Shipment

__all__ = ["Forecast", "FreightModel", "past"]

THREADS_MAX: Final = 1
ROUNDS: Final = 6
"""How many quarters before the cut are forecast from the time before each, to learn how often a forecast is
right.
"""

EARLIER_MIN: Final = 200
"""How many deliveries trees are grown from at the least."""

_QUARTER: Final = timedelta(days=91)
_TREES: Final = {"max_leaf_nodes": 15, "min_samples_leaf": 15, "learning_rate": 0.05, "random_state": 0}


@dataclass(frozen=True, slots=True)
class Forecast:
    """One order by one mode. ``share_bp`` is how likely such an order goes by this mode, ``confidence_bp``
    how likely booking it so, at ``expected_cost_minor`` US cents, turns out right: both in basis points.
    """

    mode: str
    share_bp: int
    expected_cost_minor: int
    confidence_bp: int


def past(shipments: Iterable[Shipment], cut: date) -> tuple[Shipment, ...]:
    """Keep what was known before ``cut``: deliveries recorded earlier."""
    return tuple(shipment for shipment in shipments if shipment.delivery.recorded < cut)


class FreightModel:
    """Forecasts of cost, mode and confidence; make one with `fit`."""

    def __init__(self, trees: _Trees, confidence: Any) -> None:
        self._trees, self._confidence = trees, confidence

    @classmethod
    def fit(cls, shipments: Iterable[Shipment], cut: date) -> FreightModel:
        """Learn from the deliveries in ``shipments`` that were recorded before ``cut``.

        Confidence is learned out of sample: each of the last six quarters is forecast by trees that saw
        only the time before it, and a logistic regression learns which of those forecasts turned out right.

        Raises:
            BadInput: fewer than 200 such deliveries, or scikit-learn is not installed.
        """
        known = past(shipments, cut)
        if len(known) < EARLIER_MIN:
            raise BadInput(
                f"too little to learn from: got {len(known)} deliveries before {cut}, expected {EARLIER_MIN}"
            )
        with _few_threads():
            features, right = _tried(known, cut)
            return cls(_Trees(known).fit_mode(known), _fit_confidence(features, right))

    def forecast(self, orders: Sequence[Order]) -> list[tuple[Forecast, ...]]:
        """Return, for each order, one forecast per mode, the likeliest mode first."""
        if not orders:
            return []
        with _few_threads():
            shares = self._trees.mode_shares(orders)
            by_mode = {}
            for mode in MODES:
                costs, rows = self._trees.cost(orders, [mode] * len(orders))
                by_mode[mode] = (costs, self._confidence.predict_proba(rows)[:, 1])
        result = []
        for index in range(len(orders)):
            forecasts = [
                Forecast(mode, round(10_000 * shares[index][mode]), costs[index], round(10_000 * likely[index]))
                for mode, (costs, likely) in by_mode.items()
            ]
            result.append(tuple(sorted(forecasts, key=lambda forecast: (-forecast.share_bp, forecast.mode))))
        return result


def _tried(known: Sequence[Shipment], cut: date) -> tuple[list[list[float]], list[bool]]:
    """Forecast each of the last quarters from the time before; return what was told and if it was right."""
    features, right = [], []
    for back in range(ROUNDS, 0, -1):
        start, end = cut - back * _QUARTER, cut - (back - 1) * _QUARTER
        earlier = past(known, start)
        tested = [
            shipment
            for shipment in known
            if start <= shipment.delivery.recorded < end and shipment.delivery.mode is not None
        ]
        if not tested or len(earlier) < EARLIER_MIN:
            continue
        modes = [_mode(shipment) for shipment in tested]
        costs, rows = _Trees(earlier).cost([shipment.order for shipment in tested], modes)
        for shipment, mode, cost, row in zip(tested, modes, costs, rows, strict=True):
            verdict = judge(shipment, mode, cost).right
            if verdict is not None:
                features.append(row)
                right.append(verdict)
    return features, right


def _mode(shipment: Shipment) -> str:
    return shipment.delivery.mode or ""


class _Trees:
    """Three boosters for the bill's logarithm (median, 20 % and 80 % quantile) and one for the mode."""

    def __init__(self, shipments: Sequence[Shipment]) -> None:
        boost = _sklearn()
        self._codes: dict[str, dict[str, int]] = {}
        for shipment in shipments:
            for name, value in _words(shipment.order):
                codes = self._codes.setdefault(name, {})
                codes.setdefault(value, len(codes))
        billed = [shipment for shipment in shipments if shipment.delivery.freight.value]
        rows = self._rows([s.order for s in billed], [_mode(s) for s in billed])
        logs = [math.log(s.delivery.freight.value or 1) for s in billed]
        words = list(range(_WORDS + 1))
        self._bill = {
            quantile: boost.HistGradientBoostingRegressor(
                loss="quantile", quantile=quantile, max_iter=150, categorical_features=words, **_TREES
            ).fit(rows, logs)
            for quantile in (0.2, 0.5, 0.8)
        }

    def fit_mode(self, shipments: Sequence[Shipment]) -> _Trees:
        """Learn the mode as well."""
        moded = [shipment for shipment in shipments if shipment.delivery.mode is not None]
        rows = self._rows([s.order for s in moded], [""] * len(moded))[:, 1:]
        self._mode = _sklearn().HistGradientBoostingClassifier(
            max_iter=100, categorical_features=list(range(_WORDS)), **_TREES
        )
        self._mode.fit(rows, [_mode(s) for s in moded])
        return self

    def cost(self, orders: Sequence[Order], modes: Sequence[str]) -> tuple[list[int], list[list[float]]]:
        """Return the expected bill of each order by its mode in US cents, and what its confidence is told
        by.
        """
        rows = self._rows(orders, modes)
        low, middle, high = (self._bill[quantile].predict(rows) for quantile in (0.2, 0.5, 0.8))
        told = [
            [
                max(0.0, float(high[i] - low[i])),
                float(high[i] - middle[i]),
                float(middle[i]),
                float(order.weight.value is None),
                *(float(modes[i] == mode) for mode in MODES),
            ]
            for i, order in enumerate(orders)
        ]
        return [max(1, round(math.exp(value))) for value in middle], told

    def mode_shares(self, orders: Sequence[Order]) -> list[dict[str, float]]:
        """Return how likely each order goes by each mode; a mode never seen has none."""
        rows = self._rows(orders, [""] * len(orders))[:, 1:]
        names = list(self._mode.classes_)
        return [
            {mode: float(row[names.index(mode)]) if mode in names else 0.0 for mode in MODES}
            for row in self._mode.predict_proba(rows)
        ]

    def _rows(self, orders: Sequence[Order], modes: Sequence[str]) -> Any:
        import numpy

        return numpy.array([self._row(order, mode) for order, mode in zip(orders, modes, strict=True)])

    def _row(self, order: Order, mode: str) -> list[float]:
        missing = math.nan
        return [
            float(MODES.index(mode)) if mode in MODES else missing,
            *(float(self._codes[name].get(value, missing)) for name, value in _words(order)),
            math.log1p(order.quantity),
            math.log1p(order.value_minor),
            missing if order.weight.value is None else math.log1p(order.weight.value),
            float(order.lines),
            float(order.scheduled.toordinal()),
        ]


_WORDS: Final = 7


def _words(order: Order) -> tuple[tuple[str, str], ...]:
    return (
        ("country", order.country),
        ("fulfil_via", order.fulfil_via),
        ("incoterm", order.incoterm),
        ("product_group", order.product_group),
        ("sub_classification", order.sub_classification),
        ("vendor", order.vendor),
        ("dosage_form", order.dosage_form),
    )


def _fit_confidence(features: list[list[float]], right: list[bool]) -> Any:
    if len(set(right)) < 2:
        raise BadInput(f"confidence cannot be learned: got {len(right)} outcomes that are all alike")
    from sklearn.linear_model import LogisticRegression
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    return make_pipeline(StandardScaler(), LogisticRegression()).fit(features, right)


def _sklearn() -> Any:
    try:
        from sklearn import ensemble
    except ImportError:
        raise BadInput("scikit-learn is not installed; install it with: pip install 'remit[demo]'") from None
    return ensemble


def _few_threads() -> AbstractContextManager[Any]:
    _sklearn()
    from threadpoolctl import threadpool_limits  # type: ignore[import-untyped]

    return threadpool_limits(limits=THREADS_MAX)  # type: ignore[no-any-return]
