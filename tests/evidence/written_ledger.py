"""A ledger written by hand, event by event: what the governed path would have recorded of cases, in a few words."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from remit.canonical import digest, from_moment
from remit.evidence.case_label import CaseTerms
from remit.ledger.journal import Journal
from remit.vocabulary import Event

__all__ = ["AGENT", "NAME", "VERSION", "Written", "moment", "terms"]

AGENT, VERSION, NAME = "desk", "v1", "refund.create"


def moment(seconds: int) -> datetime:
    """A moment, counted from 1970."""
    return datetime.fromtimestamp(seconds, UTC)


def terms(**changed: Any) -> CaseTerms:
    """Plain terms: a case matures after 10 seconds, and is missing after 50; classes by the argument ``kind``."""
    given: dict[str, Any] = {
        "starts": "shadow", "class_of": lambda arguments: str(arguments.get("kind", "")), "matures_seconds": 10,
        "deadline_seconds": 50, "promise_bp": 500, "sure_bp": 9500, "supervise_at_bp": 3000, "plan": (100, 400),
        "everyone": False,
    }  # fmt: skip
    return CaseTerms(**{**given, **changed})


class Written:
    """Collects events; `flush` appends them as one. It knows what was earned, as the gate would."""

    def __init__(self, version: str = VERSION, starts: str = "shadow"):
        self.version, self.starts = version, starts
        self.events: list[Event] = []
        self.earned: dict[str, dict[str, Any]] = {}
        self.cases: dict[str, str] = {}

    def flush(self, journal: Journal) -> None:
        """Append what was collected."""
        if self.events:
            journal.append_now(*self.events)
        self.events = []

    def stage(self, stage: str, cause: str = "promoted", kind: str = "", version: str = "", **more: Any) -> None:
        """What was earned changes. ``more``: threshold_bp, review_bp, certificate, expires_at."""
        version = version or self.version
        before = self.earned.get(kind, {}).get("stage", self.starts)
        kept = {"stage": stage, "threshold_bp": None, "review_bp": 0, "certificate": "", "expires_at": None, **more}
        if version == self.version:
            self.earned[kind] = kept
        data = {"agent": AGENT, "version": version, "action": NAME, "class": kind, "before": before, "cause": cause}
        self.events.append(Event("stage.changed", "remit", {**data, "why": "a test", **kept}))

    def decide(
        self, case: str, at: int, confidence: int | None = 9000, kind: str = "", draw: int = 0, number: int = 0,
        also_denied: bool = False,
    ) -> str:  # fmt: skip
        """One action is judged as the stage says; returns its digest."""
        earned = self.earned.get(kind)
        stage = earned["stage"] if earned else self.starts
        arguments = {"kind": kind, "number": number}
        action: dict[str, Any] = {
            "agent": AGENT, "arguments": arguments, "case": case, "confidence_bp": confidence, "context_digest": None,
            "name": NAME, "reasons": [], "replaces": None, "version": self.version,
        }  # fmt: skip
        name = digest(action)
        threshold = earned["threshold_bp"] if earned and stage in ("sampled", "autonomous") else None
        alone = threshold is not None and confidence is not None and confidence >= threshold
        review: dict[str, Any] | None = None
        if stage == "shadow":
            verdict = "deny"
        elif alone and earned:
            drawn = draw < earned["review_bp"]
            when = "before" if stage == "sampled" else "after"
            review = {"probability_bp": earned["review_bp"], "drawn": drawn, "when": when}
            verdict = "escalate" if drawn and when == "before" else "allow"
        else:
            review = {"probability_bp": 10_000, "drawn": True, "when": "before"}
            verdict = "escalate"
        checks: list[dict[str, Any]] = [{"name": "stage", "rule": stage, "verdict": verdict, "reason": "", "facts": []}]
        if also_denied:
            verdict = "deny"
            checks.append({"name": "limits", "rule": "per-hour", "verdict": "deny", "reason": "", "facts": []})
        standing: dict[str, Any] = {"now": from_moment(moment(at))}
        if earned:
            standing["earned"] = [{"key": f"{AGENT}/{self.version}/{NAME}/{kind}", **earned}]
        decision: dict[str, Any] = {"verdict": verdict, "checks": checks}
        if review is not None:
            decision["review"] = review
        self._event("action.decided", case, name, {
            "attempt": 1, "action": action, "facts": [], "standing": standing, "decision": decision,
        }, "decided:1", f"agent:{AGENT}")  # fmt: skip
        self.cases[name] = case
        return name

    def again(self, action: str, at: int, attempt: int) -> None:
        """An approved action is judged once more."""
        data: dict[str, Any] = {"attempt": attempt, "action": {"agent": AGENT, "version": self.version, "name": NAME}}
        standing = {"now": from_moment(moment(at))}
        decision = {"verdict": "allow", "checks": []}
        self._event("action.decided", self.cases[action], action, {**data, "standing": standing, "decision": decision},
                    f"decided:{attempt}", f"agent:{AGENT}")  # fmt: skip

    def end(self, action: str, done: bool) -> None:
        """The deed is done, or it failed."""
        data: dict[str, Any] = {"result": {}, "cost_minor": None, "looked_up": False} if done else {"problem": "no"}
        kind = "action.finished" if done else "action.failed"
        self._event(kind, self.cases[action], action, data, "ended", f"agent:{AGENT}")

    def answer(self, action: str, person: str, approve: bool) -> None:
        """A person answers the question about it."""
        verdict = "approve" if approve else "reject"
        self._event("approval.answered", self.cases[action], action, {"person": person, "verdict": verdict})

    def expire(self, action: str) -> None:
        """Nobody answers."""
        self._event("approval.expired", self.cases[action], action, {"number": 1, "agent": AGENT, "why": "late"})

    def review(self, action: str, person: str, right: bool | None) -> None:
        """A person looks at it afterwards."""
        self._event("review.answered", self.cases[action], action, {"agent": AGENT, "person": person, "right": right})

    def outcome(self, action: str, speaker: str, right: bool | None) -> None:
        """Somebody says what became of it."""
        data: dict[str, Any] = {
            "agent": AGENT,
            "right": right,
            "said_by": speaker,
            "matured_at": from_moment(moment(0)),
            "value": {},
        }
        self._event("outcome.recorded", self.cases[action], action, data)

    def plant(self, case: str) -> None:
        """A case is a probe."""
        data: dict[str, Any] = {"agent": AGENT, "action_name": NAME, "case": case, "commitment": "c" * 64}
        self.events.append(Event("probe.planted", "remit", data))

    def _event(
        self, kind: str, case: str, action: str, data: Mapping[str, Any], step: str = "", actor: str = "remit"
    ) -> None:
        self.events.append(Event(kind, actor, dict(data), case, action, step))
