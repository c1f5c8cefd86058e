"""Has something changed? One watch over all classes of an agent version's action, fed in the order of the ledger.

It begins with the first decision after something was earned, knows the confidences from before, and begins anew at
every change of stage. Outcomes reach it as they ripen: the word is there, and the case is mature by the business time
of the events so far; so what it says does not depend on who looks when.
"""

from __future__ import annotations

import heapq
from collections import deque
from collections.abc import Callable, Mapping
from typing import Any, Final

from remit.errors import BadInput
from remit.evidence.case_label import NEVER, CaseRecord
from remit.stats.watch import Alarm, Watch, WatchPlan

__all__ = ["DriftWatch"]

RECENT_MAX: Final = 2_000
_OTHERS: Final = "*"
"""The class that stands for all beyond those that one watch can hold."""


class DriftWatch:
    """The watch of one agent version's action, the confidences before it, and the outcomes that are not ripe yet."""

    def __init__(self, agent: str, version: str, action: str):
        self.agent, self.version, self.action = agent, version, action
        self.recent: deque[int | None] = deque(maxlen=RECENT_MAX)
        self.watch: Watch | None = None
        self.since = -1
        self.heap: list[tuple[int, int, str, str]] = []

    @property
    def alarms(self) -> tuple[Alarm, ...]:
        """The alarms since it began."""
        return () if self.watch is None else self.watch.alarms

    def decided(self, case: CaseRecord, digest: str, class_: str, promise_bp: int, certificate: str) -> None:
        """Take in one case's first decision."""
        if self.watch is None and case.stage in ("sampled", "autonomous"):
            seed = f"{self.agent}/{self.version}/{self.action}/{certificate}"
            self.watch, self.since = Watch(WatchPlan(promise_bp, seed), self.recent), case.seq
        self.recent.append(case.confidence_bp)
        if self.watch is None:
            return
        try:
            self.watch.decided(digest, case.confidence_bp, class_)
        except BadInput:  # one class too many
            self.watch.decided(digest, case.confidence_bp, _OTHERS)

    def known(self, case: CaseRecord, clock: int) -> None:
        """Take in that something became known of a case: it will ripen, if it is one that is watched."""
        if self.watch is None or not case.alone or not case.expected or case.seq < self.since:
            return
        if case.fed or case.queued or case.probe or case.matures == NEVER or case.right is None:
            return
        case.queued = True
        heapq.heappush(self.heap, (max(case.matures, clock), case.seq, case.case, case.id))

    def ripen(self, clock: int, find: Callable[[str, str], CaseRecord], class_of: Callable[[CaseRecord], str]) -> None:
        """Feed the outcomes that are ripe at ``clock``; ``find(case, id)`` gives a case's record."""
        while self.heap and self.heap[0][0] <= clock:
            _, _, name, id_ = heapq.heappop(self.heap)
            case = find(name, id_)
            case.queued, case.fed = False, True
            if self.watch is None or case.seq < self.since or case.right is None or case.probe:
                continue
            # All that pass alone are drawn with one chance at a time, so the sample is even.
            try:
                self.watch.outcome(class_of(case), not case.right)
            except BadInput:
                self.watch.outcome(_OTHERS, not case.right)

    def begin_anew(self, forget: bool) -> None:
        """End this watch; the next begins when something was earned. ``forget`` what confidences were like, too."""
        self.watch, self.since = None, -1
        if forget:
            self.recent.clear()

    def data(self) -> dict[str, Any]:
        """Return it as plain JSON."""
        return {
            "agent": self.agent, "version": self.version, "action": self.action, "recent": list(self.recent),
            "watch": None if self.watch is None else self.watch.to_json(), "since": self.since,
            "heap": sorted(self.heap),
        }  # fmt: skip

    def read(self, data: Mapping[str, Any]) -> None:
        """Take over what `data` returned."""
        self.recent.extend(data["recent"])
        self.watch = None if data["watch"] is None else Watch.from_json(data["watch"])
        self.since = data["since"]
        self.heap = [(due, seq, case, id_) for due, seq, case, id_ in data["heap"]]
        heapq.heapify(self.heap)
