"""The warden: looks at every track, lowers what must be lowered at once, and proposes what may rise.

What goes down is recorded before anybody is told, under a guard on the standing, so that of several processes one does
it. What goes up is a certificate in the ledger and an action that the owner must approve.
"""

from __future__ import annotations

import threading
from collections import defaultdict
from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Any, Final, get_args

from remit.errors import BadInput
from remit.evidence.track import TrackBook
from remit.evidence.track_state import TrackState
from remit.ledger.checkpoint import Signer
from remit.ledger.journal import Guards, Journal, Moved
from remit.lifecycle.certificate import Certificate, certificate_body, certificate_event
from remit.lifecycle.learning import Learned, learn_at, learn_online
from remit.lifecycle.promotion import find_certificate
from remit.lifecycle.proof import Method, Proof, certified_before, prove
from remit.lifecycle.remits import Remits
from remit.lifecycle.stage import StageStep, next_step
from remit.manifest.autonomy import PROMOTE
from remit.manifest.grant import Manifest
from remit.stats.watch import Alarm
from remit.vocabulary import Action, Event, Json, Stage

__all__ = ["Warden"]

ROUNDS_MAX: Final = 50
PROPOSED_SECONDS_MAX: Final = 30 * 86_400
"""A certificate that nobody signed for so long is issued anew, with the evidence of then."""
_GROWN: Final = (11, 10)
"""What is dear to work out is worked out again when there is a tenth more to work with."""
_SHARE_WORTH_BP: Final = 500
"""A threshold in force is moved only for so much more of all cases."""
_STAGES: Final[tuple[Stage, ...]] = get_args(Stage)
_THEN: Final = {"suspend": "suspend", "demote": "demote", "raise_audit": "audit"}


class Warden:
    """Applies the rules to the ledger. Safe to call from any thread; several processes may each have one.

    ``propose`` takes a promotion on its way through the gate; ``tell(owner, text)`` tells an agent's owner.
    """

    def __init__(
        self,
        book: TrackBook,
        journal: Journal,
        signer: Signer,
        remits: Remits,
        propose: Callable[[Action], object],
        tell: Callable[[str, str], object],
    ):
        self._book, self._journal, self._signer, self._remits = book, journal, signer, remits
        self._propose, self._tell = propose, tell
        self._lock = threading.Lock()
        self._sent: set[str] = set()
        self._worked: dict[tuple[str, str], int] = {}

    def look(self, now: datetime) -> tuple[Event, ...]:
        """Take in what is new, record what follows at ``now``, propose what may rise; return the events recorded.

        Raises:
            StoreUnavailable: the store cannot be read or written; what was recorded stays.
        """
        events: list[Event] = []
        with self._lock:
            for _ in range(ROUNDS_MAX):
                try:
                    done = self._round(now)
                except Moved:  # somebody else was first: look again at how things stand
                    continue
                events += done
                if not done:
                    break
            self._send(now)
        return tuple(events)

    def _round(self, now: datetime) -> list[Event]:
        epoch: int = self._journal.store.read("select epoch from head")[0][0]
        in_use = self._remits.in_use()
        self._book.look(now)
        now_due, told = list[Event](), list[tuple[str, str]]()
        rises = list[tuple[TrackState, StageStep]]()
        tracks = list(self._book.tracks.values())
        together = defaultdict[tuple[str, str, str], list[TrackState]](list)
        for track in tracks:
            together[track.agent, track.version, track.action].append(track)
        for track in tracks:
            manifest = in_use.get(track.agent)
            if manifest is None or manifest.version != track.version:
                now_due += self._voided(track)
                continue
            classes = together[track.agent, track.version, track.action]
            step = next_step(track, now, self._alarms(track), classes)
            if step is None:
                now_due += self._between(track)
            elif step.kind == "fall":
                now_due += _fallen(track, step)
                told.append((manifest.owner, f"{track.key}: {step.cause}, {step.to} from now on: {step.why}"))
            elif step.kind == "learn":
                now_due += self._learned(track, step.planned)
            else:
                rises.append((track, step))
        if now_due:
            now_due = _once(now_due)
            self._journal.append_now(*now_due, guards=Guards(epoch=epoch))
            for owner, text in told:
                self._tell(owner, text)
            return now_due
        return self._issue_all(rises, in_use, now, epoch)

    def _alarms(self, track: TrackState) -> tuple[Alarm, ...]:
        watch = self._book.watches.get((track.agent, track.version, track.action))
        return () if watch is None else watch.alarms

    def _voided(self, track: TrackState) -> list[Event]:
        """Another version is in use: what this one had earned is void."""
        if track.stage == track.terms.starts or track.cause == "voided":
            return []
        why = "another version of the agent is in use"
        return [_stage_event(track, track.terms.starts, "voided", why)]

    # Learning.

    def _learned(self, track: TrackState, planned: int) -> list[Event]:
        learned = learn_at(self._book.cases(track, track.learn_from), planned, track.terms)
        return _threshold_events(track, learned, planned, "learn-then-test")

    def _between(self, track: TrackState) -> list[Event]:
        """Between planned counts a threshold in force may move, on the online test's word."""
        if (
            track.stage not in ("sampled", "autonomous")
            or track.threshold_bp is None
            or not self._grown("online", track)
        ):
            return []
        learned = learn_online(self._book.cases(track, track.learn_from), track.terms)
        if learned is None or learned.threshold_bp is None or learned.threshold_bp >= track.threshold_bp:
            return []
        share = track.passing * 10_000 // track.since if track.since else 0
        if (learned.share_bp or 0) < share + _SHARE_WORTH_BP:
            return []
        return _threshold_events(track, learned, track.plan_at, "online")

    def _grown(self, what: str, track: TrackState) -> bool:
        settled = track.learn.trials + sum(track.counts[name] for name in ("right", "wrong", "missing"))
        known = self._worked.get((what, track.key), 0)
        if settled * _GROWN[1] < known * _GROWN[0] or settled == known:
            return False
        self._worked[what, track.key] = settled
        return True

    # Rising.

    def _issue_all(
        self, rises: list[tuple[TrackState, StageStep]], in_use: Mapping[str, Manifest], now: datetime, epoch: int
    ) -> list[Event]:
        for track, step in rises:
            events = self._issue(track, in_use[track.agent], step.to, _method(step.to), now, epoch)
            if events:
                return events
        for track in list(self._book.tracks.values()):
            manifest = in_use.get(track.agent)
            if manifest is None or manifest.version != track.version or track.stage not in ("shadow", "supervised"):
                continue
            old = certified_before(self._book, track)
            if old is not None and self._grown("paired", track):
                events = self._issue(track, manifest, old.best["stage"], "paired", now, epoch)
                if events:
                    return events
        return []

    def _issue(
        self, track: TrackState, manifest: Manifest, to: Stage, method: Method, now: datetime, epoch: int
    ) -> list[Event]:
        young = int(now.timestamp()) - track.proposed_at < PROPOSED_SECONDS_MAX
        pending = find_certificate(self._journal, track.proposed) if track.proposed and young else None
        if pending is not None and _STAGES.index(pending.to) >= _STAGES.index(to) and not self._refused(pending):
            return []
        proof = prove(self._book, self._remits, track, to, method)
        if method == "learn-then-test" and (proof is None or proof.threshold_bp != track.threshold_bp):
            return self._append(self._learned(track, track.plan_at), epoch)  # labels changed since it was learned
        if proof is None:
            return []
        if self._book.tracks.get(track.key) is not track:  # another process wrote: what was counted is to count again
            raise Moved("book")
        event = self._certificate(track, manifest, proof, now)
        self._append([event], epoch)
        self._tell(
            manifest.owner, f"{track.key}: may rise to {proof.to}; sign certificate {str(event.data['digest'])[:12]}"
        )
        return [event]

    def _refused(self, certificate: Certificate) -> bool:
        """Whether it was signed when its evidence held no longer: it will never be in force."""
        failed = "case_id = ? and case_id <> '' and kind = 'action.failed'"
        return bool(self._journal.store.read(f"select 1 from event where {failed} limit 1", (_case(certificate),)))  # noqa: S608

    def _append(self, events: list[Event], epoch: int) -> list[Event]:
        self._journal.append_now(*events, guards=Guards(epoch=epoch))
        return events

    def _certificate(self, track: TrackState, manifest: Manifest, proof: Proof, now: datetime) -> Event:
        terms = self._remits.terms(track.agent, track.version, track.action)
        assert terms is not None  # it has a track
        body = certificate_body(
            track, terms, manifest.digest, proof.to, proof.numbers, now, self._book.reached, proof.threshold_bp
        )
        return certificate_event(body, self._signer, track.issued + 1)

    def _send(self, now: datetime) -> None:
        """Put every open certificate before its owner; proposing the same twice is the same action."""
        in_use = self._remits.in_use()
        for track in list(self._book.tracks.values()):
            manifest = in_use.get(track.agent)
            if not track.proposed or track.proposed in self._sent:
                continue
            if manifest is None or manifest.version != track.version:
                continue
            if int(now.timestamp()) - track.proposed_at >= PROPOSED_SECONDS_MAX:
                continue
            certificate = find_certificate(self._journal, track.proposed)
            if certificate is None:
                continue
            try:
                self._propose(_promotion(certificate))
            except BadInput as error:
                self._tell(manifest.owner, f"{track.key}: its promotion cannot be proposed: {error}")
            self._sent.add(track.proposed)


def _method(to: Stage) -> Method:
    return "learn-then-test" if to == "sampled" else "mixture"


def _promotion(certificate: Certificate) -> Action:
    """The action that the owner signs."""
    arguments: dict[str, Json] = {
        "action": certificate.action,
        "class": certificate.class_,
        "to": certificate.to,
        "certificate": certificate.digest,
    }
    reasons = tuple(line for line in certificate.lines() if not line.startswith("assumes"))
    return Action(certificate.agent, certificate.version, PROMOTE, _case(certificate), arguments, 10_000, reasons)


def _case(certificate: Certificate) -> str:
    """The case of its promotion."""
    case = f"promotion/{certificate.agent}/{certificate.action}/{certificate.class_}/{certificate.digest[:12]}"
    return case if len(case) <= 200 and case.isprintable() else f"promotion/{certificate.digest}"


def _stage_event(track: TrackState, to: Stage, cause: str, why: str) -> Event:
    keeps = to in ("sampled", "autonomous")
    data: dict[str, Json] = {
        "agent": track.agent,
        "version": track.version,
        "action": track.action,
        "class": track.class_,
        "stage": to,
        "before": track.stage,
        "cause": cause,
        "why": why,
        "threshold_bp": None,  # what broke the promise, or rests on a past that is gone, is not gone on with
        "review_bp": track.review_bp if keeps else 0,
        "certificate": "",
        "expires_at": track.expires_at if keeps else None,
    }
    return Event("stage.changed", "remit", data)


def _fallen(track: TrackState, step: StageStep) -> list[Event]:
    events = [_stage_event(track, step.to, step.cause, step.why)]
    if step.alarm is not None:
        events.insert(0, _alarm_event(track, step.alarm))
    return events


def _alarm_event(track: TrackState, alarm: Alarm) -> Event:
    data: dict[str, Json] = {
        "agent": track.agent,
        "version": track.version,
        "action": track.action,
        "class": alarm.about,
        "detector": alarm.signal,
        "statistic": alarm.statistic,
        "limit": alarm.threshold,
        "decisions": alarm.decision,
        "then": _THEN[alarm.kind],
    }
    return Event("alarm.raised", "remit", data)


def _once(events: list[Event]) -> list[Event]:
    """One alarm may lower several classes; it is recorded once."""
    kept: list[Event] = []
    for event in events:
        if event.kind != "alarm.raised" or event not in kept:
            kept.append(event)
    return kept


def _threshold_events(track: TrackState, learned: Learned, planned: int, method: str) -> list[Event]:
    first = [] if track.changed_seq >= 0 else [_stage_event(track, track.stage, "began", "the first evidence is there")]
    data: dict[str, Any] = {
        "agent": track.agent,
        "version": track.version,
        "action": track.action,
        "class": track.class_,
        "threshold_bp": learned.threshold_bp,
        "share_bp": learned.share_bp,
        "labels": learned.labels,
        "errors": learned.errors,
        "labels_missing": learned.labels_missing,
        "plan_at": planned,
        "method": method,
        "promise_bp": track.terms.promise_bp,
        "sure_bp": track.terms.sure_bp,
    }
    return [*first, Event("threshold.learned", "remit", data)]
