"""What one track's cases add up to: one agent version, action and class. Counts only, so corrections can be taken back.

Cases are counted in order of decision, and the first that is not settled holds up those behind it: whose word comes
soon must not decide who is counted. Two windows are counted: *learn*, all cases that came while there was no threshold
in force, since the version last had to begin again; *alone*, those that needed no person but for the draw, since the
stage or the threshold last changed.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from remit.evidence.case_label import CaseRecord, CaseTerms
from remit.vocabulary import Event, Stage

__all__ = ["GRID_EVERY", "RESET_CAUSES", "Tally", "TrackState"]

RESET_CAUSES: Final = frozenset({"demoted", "suspended", "expired"})
"""After these what was learned is the past: evidence begins again."""
GRID_EVERY: Final = 5
"""Every fifth case of the learn window gives its confidence to the candidates, and its label to no threshold."""
_COUNTS: Final = ("right", "wrong", "missing", "undrawn", "probe")


@dataclass(slots=True)
class Tally:
    """``trials`` settled cases, ``errors`` of them wrong; ``missing`` of the errors are those nobody spoke of."""

    trials: int = 0
    errors: int = 0
    missing: int = 0

    def add(self, fate: str, sign: int) -> None:
        """Count one case in (1) or out (-1)."""
        self.trials += sign
        self.errors += sign * (fate != "right")
        self.missing += sign * (fate == "missing")


class TrackState:
    """One track as it stands. ``ahead`` are its cases that are not counted yet, oldest first; None until read."""

    def __init__(self, agent: str, version: str, action: str, class_: str, terms: CaseTerms):
        self.agent, self.version, self.action, self.class_, self.terms = agent, version, action, class_, terms
        self.stage: Stage = terms.starts
        self.threshold_bp: int | None = None
        self.share_bp: int | None = None
        self.review_bp = 0
        self.certificate = ""
        self.expires_at: str | None = None
        self.cause, self.changed_seq = "", -1
        self.best: dict[str, Any] = {}
        """What it had last while it was certified: stage, threshold_bp, review_bp. Empty once it fell: what was lost is
        nothing that another version could come back to.
        """
        self.learn_from = self.alone_from = -1
        self.pointer = 0
        self.plan_at, self.looked_at = 0, 0
        """At which planned count the threshold was learned last; at how many labels it was looked for last."""
        self.proposed, self.proposed_at, self.issued = "", 0, 0
        """The certificate issued last, if it is not in force yet, and when; how many were issued in all."""
        self.cases = 0
        self.by_stage: dict[str, int] = {}
        self.counts = dict.fromkeys(_COUNTS, 0)
        self.corrected = self.contradicted = 0
        self.learn, self.alone = Tally(), Tally()
        self.passing, self.passing_reviewed, self.since, self.since_seen = 0, 0, 0, 0
        self.ahead: deque[CaseRecord] | None = None
        self.next_due = 0

    @property
    def key(self) -> str:
        """The name under which it is kept; `gate.stage_check.earned_key` gives the same."""
        return f"{self.agent}/{self.version}/{self.action}/{self.class_}"

    @property
    def labels(self) -> int:
        """How many cases of the learn window teach the threshold: those that give no candidates."""
        return self.learn.trials - self.learn.trials // GRID_EVERY

    def joined(self, case: CaseRecord) -> None:
        """Take in a new case."""
        self.cases += 1
        self.by_stage[case.stage] = self.by_stage.get(case.stage, 0) + 1
        if case.seq > self.alone_from:
            self.since += 1
            self.since_seen += case.drawn
            self.passing += case.alone
            self.passing_reviewed += case.alone and case.drawn

    def count(self, case: CaseRecord, fate: str, sign: int = 1) -> None:
        """Count a settled case in, or out again."""
        self.counts[fate] += sign
        case.state = fate if sign > 0 else "open"
        if fate in ("undrawn", "probe"):
            return
        if case.seq > self.learn_from and case.teaches:
            self.learn.add(fate, sign)
        if case.seq > self.alone_from and case.alone:
            self.alone.add(fate, sign)

    def advance(self, now: int) -> list[CaseRecord]:
        """Count the cases that are settled at ``now``, up to the first that is not; return them."""
        ahead, counted = self.ahead, list[CaseRecord]()
        while ahead:
            case = ahead[0]
            fate = case.fate(now)
            if fate in ("immature", "awaited"):
                self.next_due = max(now + 1, case.due())
                break
            self.count(case, fate)
            counted.append(ahead.popleft())
            self.pointer = case.seq + 1
        return counted

    def begin_again(self) -> None:
        """Take back all counts, to count every case anew."""
        self.counts = dict.fromkeys(_COUNTS, 0)
        self.learn, self.alone, self.pointer, self.next_due = Tally(), Tally(), 0, 0

    def changed(self, seq: int, event: Event) -> None:
        """Take in that what was earned changed, by ``stage.changed`` or ``threshold.learned`` at ``seq``."""
        data: Mapping[str, Any] = event.data
        before = self.stage, self.threshold_bp
        if event.kind == "threshold.learned":
            self.threshold_bp, self.share_bp = data["threshold_bp"], data["share_bp"]
            self.plan_at = max(self.plan_at, data["plan_at"])
            self.looked_at = max(self.looked_at, data["labels"])
        else:
            self._staged(seq, data)
        fresh = self.stage != before[0] and not (before[0] == "sampled" and self.stage == "autonomous")
        if fresh or self.threshold_bp != before[1]:
            self.alone_from, self.alone = seq, Tally()
            self.passing = self.passing_reviewed = self.since = self.since_seen = 0

    def proposes(self, digest: str, at: int) -> None:
        """Take in that a certificate was issued, at a moment in seconds since 1970."""
        self.proposed, self.proposed_at, self.issued = digest, at, self.issued + 1

    def _staged(self, seq: int, data: Mapping[str, Any]) -> None:
        if self.stage in ("sampled", "autonomous"):
            self.best = {"stage": self.stage, "threshold_bp": self.threshold_bp, "review_bp": self.review_bp}
        self.stage, self.cause, self.changed_seq = data["stage"], data["cause"], seq
        self.threshold_bp, self.review_bp = data["threshold_bp"], data["review_bp"]
        self.certificate, self.expires_at = data["certificate"], data["expires_at"]
        self.proposed, self.proposed_at = "", 0
        if self.cause in RESET_CAUSES:
            self.learn_from, self.learn, self.best = seq, Tally(), {}
        if self.cause in RESET_CAUSES or self.cause == "voided":
            self.plan_at, self.looked_at, self.share_bp = 0, 0, None

    def data(self) -> dict[str, Any]:
        """Return it as plain JSON."""
        plain = {name: getattr(self, name) for name in _PLAIN}
        tallies = {name: [t.trials, t.errors, t.missing] for name, t in (("learn", self.learn), ("alone", self.alone))}
        return plain | {"tallies": tallies}

    def read(self, data: Mapping[str, Any]) -> None:
        """Take over what `data` returned."""
        for name in _PLAIN:
            setattr(self, name, data[name])
        self.learn, self.alone = Tally(*data["tallies"]["learn"]), Tally(*data["tallies"]["alone"])


_PLAIN: Final = (
    "agent", "version", "action", "class_", "stage", "threshold_bp", "share_bp", "review_bp", "certificate",
    "expires_at", "cause", "changed_seq", "best", "learn_from", "alone_from", "pointer", "plan_at", "looked_at",
    "proposed", "proposed_at", "issued", "cases", "by_stage", "counts", "corrected",
    "contradicted", "passing", "passing_reviewed", "since", "since_seen",
)  # fmt: skip
