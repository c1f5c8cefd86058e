"""What the freight agent would have earned: two promises replayed on the real outcomes, by the rules remit goes by.

A backtest, not the governed path: the history's outcomes reach the same track, the same rules and the same statistics
as in a company, day by day and no earlier than they were recorded, and a promotion is signed on the day it can be. The
agent is fitted on the first 60 % in time; it says for each later order how sure it is that the delivery comes in time,
and how sure that the bill is within 50 % of what it expects. Both promises are the same, so that they can be compared.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime
from typing import Any, Final

from remit.evidence.case_label import CaseRecord, CaseTerms
from remit.evidence.drift import DriftWatch
from remit.evidence.track_state import TrackState
from remit.lifecycle.learning import learn_at
from remit.lifecycle.stage import StageStep, next_step
from remit.stats.rate import lower_bound, upper_bound
from remit.vocabulary import Event, Stage

from .model import past
from .outcomes import within_half
from .prices import MODES
from .story import Order, Shipment

__all__ = ["PROMISE_BP", "Earned", "Judged", "autonomy_lines", "earn", "judged_orders", "would_have_earned"]

PROMISE_BP: Final = 1_000
SURE_BP: Final = 9_500
FITTED_SHARE: Final = 0.6
PLAN: Final = (300, 600, 1_200)
DAY: Final = 86_400
DEADLINE_DAYS: Final = 365


@dataclass(frozen=True, slots=True)
class Judged:
    """One order as it is replayed: when it was booked, its class, how sure the agent was, and what became of it.

    ``wrong`` is known from ``known_on``; None when it cannot be known, and then it is left out.
    """

    id: str
    booked_on: date
    mode: str
    sure_bp: int
    wrong: bool | None
    known_on: date


@dataclass(frozen=True, slots=True)
class Earned:
    """What one class came to. ``share_bp``: how many of its cases passed without a person; ``alone_wrong`` of
    ``alone`` such cases were wrong. The error rate of all its cases is in ``lower`` to ``upper``.
    """

    promise: str
    class_: str
    cases: int
    wrong: int
    lower: float
    upper: float
    surest_wrong_bp: int
    stage: Stage
    threshold_bp: int | None
    alone: int
    alone_wrong: int
    fell: tuple[str, ...]
    why: str

    @property
    def share_bp(self) -> int:
        """How many of all its cases passed without a person."""
        return self.alone * 10_000 // max(1, self.cases)


def judged_orders(shipments: Sequence[Shipment]) -> Mapping[str, tuple[Judged, ...]]:
    """Return the orders after the first 60 % in time, by promise: ``in time`` and ``cost within 50 %``.

    Raises:
        BadInput: scikit-learn is not installed.
    """
    import sklearn.ensemble  # noqa: F401  its threads are limited only when they are there
    from threadpoolctl import threadpool_limits  # type: ignore[import-untyped]

    moded = [one for one in shipments if one.delivery.mode in MODES]
    cut = moded[int(FITTED_SHARE * len(moded))].order.booked_on
    known = past(moded, cut)
    later = [one for one in moded if one.order.booked_on >= cut]
    with threadpool_limits(limits=1):
        features = _Features(known)
        in_time = _chances(features, known, [one.late for one in known], later)
        expected, off = _cost(features, known, later)
    found: dict[str, list[Judged]] = {"in time": [], "cost within 50 %": []}
    for place, one in enumerate(later):
        day = max(one.delivery.recorded, one.order.booked_on)
        mode, bill = one.delivery.mode or "", one.delivery.freight.value
        beyond = None if bill is None else not within_half(bill, expected[place])
        at = one.order.id, one.order.booked_on, mode
        found["in time"].append(Judged(*at, in_time[place], one.late, day))
        found["cost within 50 %"].append(Judged(*at, off[place], beyond, day))
    return {name: tuple(one for one in orders if one.wrong is not None) for name, orders in found.items()}


class _Features:
    """An order and its mode as numbers; words that were not met before are missing."""

    def __init__(self, known: Sequence[Shipment]):
        self._codes: dict[tuple[int, str], int] = {}
        for one in known:
            for place, word in enumerate(_words(one.order, one.delivery.mode or "")):
                self._codes.setdefault((place, word), len(self._codes))

    def rows(self, shipments: Sequence[Shipment]) -> Any:
        """Return one row an order."""
        import numpy

        missing = float("nan")
        return numpy.array(
            [
                [
                    *(
                        float(self._codes.get((place, word), missing))
                        for place, word in enumerate(_words(one.order, one.delivery.mode or ""))
                    ),
                    float(one.order.quantity),
                    float(one.order.value_minor),
                    missing if one.order.weight.value is None else float(one.order.weight.value),
                    float(one.order.lines),
                    float(one.order.scheduled.month),
                    float(one.order.scheduled.toordinal()),
                ]
                for one in shipments
            ]
        )


def _words(order: Order, mode: str) -> tuple[str, ...]:
    return (
        mode, order.country, order.fulfil_via, order.incoterm, order.product_group, order.sub_classification,
        order.vendor, order.dosage_form,
    )  # fmt: skip


_TREES: Final[Mapping[str, Any]] = {
    "max_leaf_nodes": 15, "min_samples_leaf": 15, "learning_rate": 0.05, "max_iter": 150, "random_state": 0,
}  # fmt: skip


def _chances(
    features: _Features, known: Sequence[Shipment], wrong: Sequence[bool], later: Sequence[Shipment]
) -> list[int]:
    """Return how sure a classifier fitted on ``known`` is that each of ``later`` is not wrong, in basis points."""
    from sklearn.ensemble import HistGradientBoostingClassifier

    fitted = HistGradientBoostingClassifier(**_TREES).fit(features.rows(known), list(wrong))
    return [int(10_000 * chance) for chance in fitted.predict_proba(features.rows(later))[:, 0]]


def _cost(features: _Features, known: Sequence[Shipment], later: Sequence[Shipment]) -> tuple[list[int], list[int]]:
    """Return what each of ``later`` is expected to cost in US cents, and how sure it is to be within 50 %.

    How sure is learned out of sample: each third of ``known`` is forecast by the two others.
    """
    import numpy
    from sklearn.ensemble import HistGradientBoostingRegressor

    def forecast(earlier: Sequence[Shipment], asked: Sequence[Shipment]) -> list[int]:
        logs = numpy.log([float(one.delivery.freight.value or 1) for one in earlier])
        trees = HistGradientBoostingRegressor(loss="quantile", quantile=0.5, **_TREES).fit(features.rows(earlier), logs)
        return [max(1, round(float(numpy.exp(log)))) for log in trees.predict(features.rows(asked))]

    billed = [one for one in known if one.delivery.freight.value]
    tried, off = list[Shipment](), list[bool]()
    for third in range(3):
        asked = billed[third::3]
        earlier = [one for place, one in enumerate(billed) if place % 3 != third]
        tried += asked
        for one, cost in zip(asked, forecast(earlier, asked), strict=True):
            off.append(not within_half(one.delivery.freight.value or 0, cost))
    return forecast(billed, later), _chances(features, tried, off, later)


def earn(promise: str, orders: Sequence[Judged], class_: str = "") -> Earned:
    """Replay one class's orders, in order of booking, through its track; return what it came to."""
    terms = CaseTerms("shadow", lambda _: class_, 0, DEADLINE_DAYS * DAY, PROMISE_BP, SURE_BP, 3_000, PLAN, True)
    track = TrackState("carrier-choice", "backtest", promise, class_, terms)
    replay = _Replay(track)
    for order in orders:
        replay.day(_moment(order.booked_on))
        replay.order(order)
    if orders:
        replay.day(max(_moment(one.known_on) for one in orders))
    return replay.earned(promise, orders)


class _Replay:
    """One track, its cases, and what the rules make of them."""

    def __init__(self, track: TrackState):
        self.track, self.seq, self.last = track, 0, -1
        track.ahead = deque()
        self.watch = DriftWatch(track.agent, track.version, track.action)
        self.cases: list[CaseRecord] = []
        self._by_id: dict[str, CaseRecord] = {}
        self.fell: list[str] = []

    def order(self, order: Judged) -> None:
        """One case: what it meets is the stage and threshold of that day."""
        self.seq += 1
        now = _moment(order.booked_on)
        case = CaseRecord(order.id, self.track.key, order.id, self.seq, now, now + DEADLINE_DAYS * DAY)
        case.matures, case.confidence_bp, case.everyone = _moment(order.known_on), order.sure_bp, True
        case.stage = self.track.stage
        earned = case.stage in ("sampled", "autonomous")
        case.threshold_bp = self.track.threshold_bp if earned else None
        case.alone = case.threshold_bp is not None and order.sure_bp >= case.threshold_bp
        case.actions[order.id] = (now, {"source:history": not order.wrong})
        self.cases.append(case)
        assert self.track.ahead is not None
        self.track.ahead.append(case)
        self.track.joined(case)
        self._by_id[case.id] = case
        self.watch.decided(case, case.id, self.track.class_, PROMISE_BP, "")
        self.watch.known(case, now)  # it ripens when it matures

    def day(self, now: int) -> None:
        """What follows once a day; a promotion is signed at once."""
        if now == self.last:
            return
        self.last = now
        self.watch.ripen(now, lambda _case, id_: self._by_id[id_], lambda _case: self.track.class_)
        for _ in range(10):
            self.track.advance(now)
            step = next_step(self.track, datetime.fromtimestamp(now, UTC), self.watch.alarms)
            if step is None:
                return
            self._take(step)

    def _take(self, step: StageStep) -> None:
        if step.kind == "learn":
            window = [one for one in self.cases if one.seq > self.track.learn_from]
            learned = learn_at(window, step.planned, self.track.terms)
            data: dict[str, Any] = {
                "threshold_bp": learned.threshold_bp, "share_bp": learned.share_bp, "labels": learned.labels,
                "plan_at": step.planned,
            }  # fmt: skip
            self._record("threshold.learned", data)
            return
        if step.kind == "fall":
            self.fell.append(f"{step.to}: {step.why}")
        keeps = step.to in ("sampled", "autonomous") and step.kind == "rise"
        self._record(
            "stage.changed",
            {
                "stage": step.to, "cause": step.cause, "threshold_bp": self.track.threshold_bp if keeps else None,
                "review_bp": 10_000, "certificate": "", "expires_at": None,
            },
        )  # fmt: skip

    def _record(self, kind: str, data: dict[str, Any]) -> None:
        self.seq += 1
        self.track.changed(self.seq, Event(kind, "remit", data))
        if kind == "stage.changed":
            self.watch.begin_anew(forget=data["cause"] == "suspended")

    def earned(self, promise: str, orders: Sequence[Judged]) -> Earned:
        """What it came to."""
        wrong = sum(one.wrong is True for one in orders)
        alone = [one for one in self.cases if one.alone]
        surest = sorted(orders, key=lambda one: -one.sure_bp)[: max(1, len(orders) // 4)]
        delta = (10_000 - SURE_BP) / 10_000
        track = self.track
        return Earned(
            promise, track.class_, len(orders), wrong, lower_bound(len(orders), wrong, delta),
            upper_bound(len(orders), wrong, delta), sum(one.wrong is True for one in surest) * 10_000 // len(surest),
            track.stage, track.threshold_bp, len(alone), sum(not one.right for one in alone), tuple(self.fell),
            _why(track),
        )  # fmt: skip


def _why(track: TrackState) -> str:
    learn = track.learn
    if track.stage == "shadow":
        return f"{learn.errors} of {learn.trials} wrong: below {track.terms.supervise_at_bp / 100:g} % is not certified"
    if track.stage == "supervised":
        kept = f"no threshold kept {PROMISE_BP / 100:g} % at {track.plan_at} labels"
        looked = kept if track.plan_at else f"fewer than {PLAN[0]} labels"
        return f"{looked}; {learn.errors} of {learn.trials} wrong"
    if track.threshold_bp is None:
        return "it had a threshold and lost it: every one is asked about"
    return f"from {track.threshold_bp / 100:.1f} % confidence on it passes alone"


def would_have_earned(shipments: Sequence[Shipment]) -> tuple[Earned, ...]:
    """Return what each promise would have earned, as a whole and by mode of transport.

    Raises:
        BadInput: scikit-learn is not installed.
    """
    found = []
    for promise, orders in judged_orders(shipments).items():
        found.append(earn(promise, orders, ""))
        for mode in MODES:
            part = [one for one in orders if one.mode == mode]
            if part:
                found.append(earn(promise, part, mode))
    return tuple(found)


def autonomy_lines(found: Sequence[Earned]) -> list[str]:
    """Return it in words, a line for each promise and class: what is earned, for which share, and why not more."""
    promise = f"{PROMISE_BP / 100:g} %, {SURE_BP / 100:g} % sure"
    lines = [
        f"what its outcomes would earn it (a backtest on the last {1 - FITTED_SHARE:.0%} in time; promise {promise}):"
    ]
    for one in found:
        share = (
            f"{one.share_bp / 100:.0f} % alone, {one.alone_wrong} of {one.alone:,} wrong" if one.alone else one.stage
        )
        rates = f"{one.wrong / one.cases:.1%} wrong, surest quarter {one.surest_wrong_bp / 10_000:.1%}"
        lines.append(f"  {one.promise:<17} {one.class_ or 'all':<12} {one.cases:>5,}  {rates:<38} {share}; {one.why}")
        lines += [f"  {'':<30} {'':>5}  fell to {text}" for text in one.fell]
    return lines


def _moment(day: date) -> int:
    return int(datetime(day.year, day.month, day.day, tzinfo=UTC).timestamp())
