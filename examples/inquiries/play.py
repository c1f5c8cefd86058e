"""One run of the story on a company that is open: cases come, the agent recommends, people answer, the owner signs."""

from __future__ import annotations

import math
import sqlite3
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from itertools import groupby
from pathlib import Path
from typing import Any, Final

from remit.app import Control, Journey
from remit.errors import BadInput
from remit.oversight.approval import Answer, answer, find_pending, list_pending
from remit.oversight.outcome import record_outcome
from remit.oversight.review_answer import answer_review
from remit.vocabulary import Outcome

from .classifier import AGENT, Recommendation, Router
from .curve import STAGES, Point, Stretch
from .desk import OWNER, look_at
from .stream import Inquiry, Phase

__all__ = ["ACTION", "BATCH", "Play", "make_helpdesk"]

ACTION: Final = "inquiry.route"
START: Final = datetime(2026, 1, 5, 8, tzinfo=UTC)
BATCH: Final = 100
"""Cases that come within four hours, and are in hand at once."""
HOURS: Final = timedelta(hours=4)
AGAIN: Final = timedelta(minutes=10)
"""Cases that were there before are gone through in a night."""
LOWERED: Final = ("suspended", "demoted")
AT_ONCE: Final = 64
"""People answer side by side, and what they say at once shares a commit."""


def make_helpdesk(file: Path) -> str:
    """Make the helpdesk's database; return its URL."""
    with sqlite3.connect(file) as database:
        database.execute("pragma journal_mode = wal")
        database.execute("create table routed (key text primary key, message text not null, queue text not null)")
    database.close()
    return f"sqlite:///{file}"


class Play:
    """Drives one opened company through cases; `point` is told where things stand after every ``point_every``."""

    def __init__(self, control: Control, router: Router, seed: int, point: Callable[[Point], None], point_every: int):
        self._control, self._router, self._seed = control, router, seed
        self._point, self._point_every = point, point_every
        self.lowered: dict[str, int] = {}
        """By phase: after how many of its cases the first group was suspended or demoted."""
        self._cases = 0
        self._stretch = Stretch()
        self._last_event = self._size()

    def run(self, inquiries: Sequence[Inquiry], before: int = 0) -> None:
        """Play ``inquiries`` in order, a batch at a time; ``before`` is how many came earlier."""
        self._cases = before
        recommended = list(self._router.recommend(inquiries))
        with ThreadPoolExecutor(AT_ONCE) as self._pool:
            for phase, cases in groupby(recommended, key=lambda one: one.inquiry.phase):
                self._phase(phase, list(cases))

    def _phase(self, phase: Phase, cases: Sequence[Recommendation]) -> None:
        began = self._size()
        for start in range(0, len(cases), BATCH):
            batch = cases[start : start + BATCH]
            self._tick(AGAIN if phase.again else HOURS)
            self._batch(batch)
            self._cases += len(batch)
            last = start + len(batch) == len(cases)
            if last:
                self._tick(HOURS)  # what came last is mature
            if last or not phase.again:  # the owner waits for the whole of it
                self._sign()
            if last or self._stretch.cases >= self._point_every:
                self._close(phase)
        falls = self._control.log(1_000, kind="stage.changed")
        fell = [one.seq for one in falls if one.seq >= began and one.event.data["cause"] in LOWERED]
        if fell:
            decided = "kind = 'action.decided' and step = 'decided:1' and case_id like 'M-%'"
            counted = f"select count(*) from event where {decided} and seq >= ? and seq < ?"
            self.lowered[phase.name] = self._control.store.read(counted, (began, min(fell)))[0][0]

    def _size(self) -> int:
        size: int = self._control.store.read("select size from head")[0][0]
        return size

    def _tick(self, passed: timedelta) -> None:
        try:
            now = self._control.now() + passed
        except BadInput:  # the first morning
            now = START
        self._control.set_now(now)
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
        best: dict[str, tuple[int, str]] = {}
        waiting = [one.action for one in list_pending(self._control.store) if one.case.startswith("promotion/")]
        for action in waiting:
            asked = self._control.journey(action).decided["action"]["arguments"]
            best[asked["class"]] = max(best.get(asked["class"], (-1, "")), (STAGES.index(asked["to"]), action))
        wanted = {action for _, action in best.values()}
        for action in waiting:
            if action in wanted:
                self._control.approve(action, OWNER, "owner", "the certificate holds", 120)
            else:
                self._control.reject(action, OWNER, "there is a later certificate", "owner", 20)
        if waiting:
            self._control.work()

    def _close(self, phase: Phase) -> None:
        alarm = self._notice()
        version = self._control.law.manifest(AGENT).version
        records = [one for one in self._control.autonomy.track_record() if one.version == version]
        self._stretch.drift = self._drift(version) if alarm is None else alarm
        self._point(self._stretch.point(self._cases, phase, records))
        self._stretch = Stretch()

    def _notice(self) -> float | None:
        """Take what was recorded of alarms and stages since the last point into the curve, in words; return the
        statistic on confidences at its alarm, None where there was none.
        """
        alarm = None
        for kind in ("alarm.raised", "stage.changed"):
            for recorded in reversed(self._control.log(1_000, kind=kind)):
                data: Any = recorded.event.data
                if recorded.seq < self._last_event:
                    continue
                if kind == "alarm.raised":
                    about = f" of {data['class']}" if data["class"] else ""
                    self._stretch.events.append(f"alarm: {data['detector']}{about} -> {data['then']}")
                    if data["detector"] == "confidence":
                        alarm = _share(float.fromhex(str(data["statistic"])), data["limit"])
                elif data["cause"] != "began":
                    text = f"{data['class']}: {data['before']} -> {data['stage']} ({data['cause']})"
                    self._stretch.events.append(text)
        self._last_event = self._size()
        return alarm

    def _drift(self, version: str) -> float | None:
        found = self._control.autonomy.book.watches.get((AGENT, version, ACTION))
        if found is None or found.watch is None:
            return None
        return _share(found.watch.statistic("confidence"), found.watch.plan.threshold("confidence"))


def _share(statistic: float, limit: float) -> float:
    """The statistic as a share of its limit, both on a logarithmic scale."""
    return math.log1p(statistic) / math.log1p(limit)


def _drawn(journey: Journey) -> bool:
    review = journey.decided["decision"].get("review")
    return review is not None and review["drawn"] and review["when"] == "after"
