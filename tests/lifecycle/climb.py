"""An agent that proposes cases day by day, people who answer, and a source of record that says what became of them."""

from __future__ import annotations

import time
from datetime import UTC, datetime, timedelta
from typing import Any

from remit.app import Control
from remit.evidence.track_record import TrackRecord
from remit.ledger.query import EventFilter, find_events
from remit.vocabulary import Outcome

__all__ = ["Climb"]

START = datetime(2030, 1, 1, tzinfo=UTC)


class Climb:
    """Drives one control through days of cases."""

    def __init__(self, control: Control):
        self.control, self.day, self.number = control, 0, 0
        control.set_now(START)
        _ = control.desk

    def wait(self, days: int) -> None:
        """Let days pass, and look."""
        self.day += days
        self.control.set_now(START + timedelta(days=self.day))
        self.control.autonomy.look()

    def cases(
        self, count: int, wrong: int = 0, confidence: str = "0.95", prefix: str = "c", known: bool = True
    ) -> None:
        """Propose ``count`` cases, the first ``wrong`` of them wrong; people say yes where they are asked."""
        for place in range(count):
            self.number += 1
            case = f"{prefix}-{self.number}"
            arguments = {"order": case, "amount_minor": 1}
            journey = self.control.propose("refund-desk", "refund.create", case, arguments, confidence)
            if journey.progress == "waiting":
                self.control.approve(journey.action, "ada.owner", "supervisor")
                self.control.work()
            self.say(journey.action, case, place >= wrong)

    def say(self, action: str, case: str, right: bool) -> None:
        """The source of record says what became of a case."""
        now = self.control.now()
        self.control.record_outcome(Outcome(case, action, right, "source:erp", now))

    def proposal(self) -> str:
        """The promotion that waits for its owner; it is on its way through the gate, so it may take a moment."""
        for _ in range(400):
            for item in self.control.inbox():
                if item.name == "stage.promote":
                    return item.action
            time.sleep(0.025)
        raise AssertionError("no promotion waits")

    def sign(self, person: str = "ada.owner") -> str:
        """Approve the promotion that waits, and have it done; returns how it ended."""
        action = self.proposal()
        self.control.approve(action, person, "owner")
        self.control.work()
        return self.control.journey(action).progress

    def rise(self, stage: str) -> None:
        """Sign what waits, which must lead to ``stage``."""
        assert self.sign() == "finished"
        assert self.track.stage == stage

    @property
    def track(self) -> TrackRecord:
        """The one track of the version in use."""
        version = self.control.law.manifest("refund-desk").version
        (record,) = [one for one in self.control.autonomy.track_record() if one.version == version]
        return record

    def data(self, kind: str) -> list[dict[str, Any]]:
        """The data of all events of ``kind``, oldest first."""
        found = find_events(self.control.store, EventFilter(kind=kind), 10_000)
        return [dict(one.event.data) for one in reversed(found)]

    def to(self, stage: str) -> None:
        """Climb up to ``stage`` on right cases only."""
        self.cases(8)
        self.wait(1)
        self.rise("supervised")
        if stage == "supervised":
            return
        self.cases(40)
        self.wait(1)
        self.rise("sampled")
        if stage == "sampled":
            return
        for _ in range(100):
            if self.control.autonomy.certificates("refund-desk")[0].to == "autonomous":
                break
            self.cases(6)
            self.wait(1)
        self.rise("autonomous")
