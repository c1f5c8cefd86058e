"""One run of the story on a company that is open: cases come, the agent recommends, people answer, the owner signs."""

from __future__ import annotations

import math
import sqlite3
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Final

from remit.app import Control, Journey
from remit.oversight.approval import Answer, answer, find_pending
from remit.oversight.outcome import record_outcome
from remit.oversight.review_answer import answer_review
from remit.vocabulary import Outcome

from .classifier import AGENT, Recommendation, Router
from .curve import Point, Stretch
from .desk import OWNER, look_at
from .stream import Inquiry

__all__ = ["ACTION", "BATCH", "POINT_EVERY", "Play", "make_helpdesk"]

ACTION: Final = "inquiry.route"
START: Final = datetime(2026, 1, 5, 8, tzinfo=UTC)
BATCH: Final = 100
"""Cases that come within four hours, and are in hand at once."""
POINT_EVERY: Final = 500
AT_ONCE: Final = 8


def make_helpdesk(file: Path) -> str:
    """Make the helpdesk's database; return its URL."""
    with sqlite3.connect(file) as database:
        database.execute("pragma journal_mode = wal")
        database.execute("create table routed (key text primary key, message text not null, queue text not null)")
    database.close()
    return f"sqlite:///{file}"


class Play:
    """Drives one opened company through cases. ``day_zero`` is how many batches were played before."""

    def __init__(self, control: Control, router: Router, seed: int, point: Callable[[Point], None], before: int = 0):
        self._control, self._router, self._seed, self._point = control, router, seed, point
        self._batches = before // BATCH
        self.cases = before
        self._stretch = Stretch()
        self._last_event = control.store.read("select size from head")[0][0]
        self._pool = ThreadPoolExecutor(AT_ONCE)

    def run(self, inquiries: Sequence[Inquiry]) -> None:
        """Play ``inquiries`` in order, a batch at a time."""
        for start in range(0, len(inquiries), BATCH):
            batch = list(self._router.recommend(inquiries[start : start + BATCH]))
            self._tick()
            self._batch(batch)
            self.cases += len(batch)
            self._sign()
            if self.cases % POINT_EVERY == 0:
                self._close(batch[-1].inquiry.phase.name)
        self._tick()
        self._sign()
        self._pool.shutdown()

    def _tick(self) -> None:
        self._control.set_now(START + timedelta(hours=4 * self._batches))
        self._batches += 1
        self._control.autonomy.look()

    def _batch(self, batch: Iterable[Recommendation]) -> None:
        waiting = []
        for one in batch:
            confidence = f"{one.sure_bp / 10_000:.4f}"
            action = self._control.action(AGENT, ACTION, one.inquiry.id, one.arguments, confidence)
            waiting.append((one, self._control.submit_proposal(action)))
        met = [(one, future.result()) for one, future in waiting]
        list(self._pool.map(self._meet, met))
        for one, journey in met:
            self._count(one, journey)
        if any(journey.progress == "waiting" for _, journey in met):
            self._control.work()

    def _meet(self, met: tuple[Recommendation, Journey]) -> None:
        """Have people do what falls to them: decide, do it themselves, or look at what was drawn."""
        one, journey = met
        word = look_at(one.inquiry.id, one.right, self._seed)
        control = self._control
        if journey.progress == "waiting":
            given = Answer(word.person, "clerk", word.right, "" if word.right else "another queue", word.seconds)
            answer(control.journal, find_pending(control.store, journey.action), given, control.roles_of)
        elif journey.progress == "denied":  # in shadow a person does it, and what they did says if the agent was right
            said = Outcome(one.inquiry.id, journey.action, one.right, f"person:{word.person}", control.now())
            record_outcome(control.journal, said)
        elif _drawn(journey):
            answer_review(
                control.journal, journey.action, word.person, right=word.right, seconds=word.seconds,
                why="" if word.right else "another queue", case=one.inquiry.id, agent=AGENT, name=ACTION, blind=False,
                own_answer=None, shown_digest="", guard=journey.action,
            )  # fmt: skip

    def _count(self, one: Recommendation, journey: Journey) -> None:
        stretch, word = self._stretch, look_at(one.inquiry.id, one.right, self._seed)
        stretch.cases += 1
        if journey.progress == "denied":  # a person does it
            stretch.reviewed += 1
            return
        asked = journey.progress == "waiting"
        if asked or _drawn(journey):
            stretch.reviewed += 1
            stretch.review_seconds += word.seconds
        else:
            stretch.alone += 1
            stretch.alone_wrong += not one.right
        if not asked or word.right:
            stretch.handled += 1
            stretch.wrong_done += not one.right

    def _sign(self) -> None:
        """The owner signs what waits for a signature: by then it has stood in the inbox for a while."""
        for item in self._control.inbox():
            if item.name == "stage.promote":
                self._control.approve(item.action, OWNER, "owner", "the certificate holds", 120)
        if self._control.ready():
            self._control.work()

    def _close(self, phase: str) -> None:
        self._notice()
        version = self._control.law.manifest(AGENT).version
        records = [one for one in self._control.autonomy.track_record() if one.version == version]
        self._stretch.drift = self._drift(version)
        self._point(self._stretch.point(self.cases, phase, records))
        self._stretch = Stretch()

    def _notice(self) -> None:
        """Take the changes of stage since the last point into the curve, in words."""
        for kind in ("alarm.raised", "stage.changed"):
            for recorded in reversed(self._control.log(10_000, kind=kind)):
                data = recorded.event.data
                if recorded.seq < self._last_event:
                    continue
                if kind == "alarm.raised":
                    self._stretch.events.append(f"alarm: {data['detector']} {data['class']} -> {data['then']}")
                elif data["cause"] != "began":
                    text = f"{data['class']}: {data['before']} -> {data['stage']} ({data['cause']})"
                    self._stretch.events.append(text)
        self._last_event = self._control.store.read("select size from head")[0][0]

    def _drift(self, version: str) -> float | None:
        """The statistic on stated confidences, as a share of its limit, both on a logarithmic scale."""
        found = self._control.autonomy.book.watches.get((AGENT, version, ACTION))
        if found is None or found.watch is None:
            return None
        kept: Any = found.watch.to_json()["detectors"]
        (state,) = [row for row in kept if row[:2] == ["confidence", ""]]
        sums = [float.fromhex(text) for text in state[3:]]
        statistic = sum(sums) / len(sums) + state[2]
        return math.log1p(statistic) / math.log1p(found.watch.plan.threshold("confidence"))


def _drawn(journey: Journey) -> bool:
    review = journey.decided["decision"].get("review")
    return review is not None and review["drawn"] and review["when"] == "after"
