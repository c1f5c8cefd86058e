"""The track record by the slow and plain way: everything at once, nothing kept, nothing taken back."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from typing import Any

from tests.evidence.written_ledger import AGENT, NAME

from remit.canonical import to_moment
from remit.evidence.case_label import CaseTerms
from remit.vocabulary import Event

__all__ = ["plain_tracks"]


def plain_tracks(events: Sequence[tuple[int, Event]], now: int, terms: CaseTerms) -> dict[str, dict[str, Any]]:
    """Return, for each class, what all its cases add up to at ``now``."""
    probes = {event.data["case"] for _, event in events if event.kind == "probe.planted"}
    classes: dict[str, dict[str, Any]] = {}
    for class_ in sorted({_class(event) for _, event in events if _class(event) is not None}):  # type: ignore[type-var]
        classes[str(class_)] = _track(str(class_), events, now, terms, probes)
    changed = {str(event.data["class"]) for _, event in events if event.kind == "stage.changed"}
    return {name: track for name, track in classes.items() if track["cases"] or name in changed}


def _class(event: Event) -> str | None:
    data: Any = event.data
    if event.kind == "stage.changed":
        return str(data["class"])
    if event.kind == "action.decided" and _makes_case(data):
        return str(data["action"]["arguments"]["kind"])
    return None


def _makes_case(data: Any) -> bool:
    denied = {check["name"] for check in data["decision"]["checks"] if check["verdict"] == "deny"}
    return data["attempt"] == 1 and denied <= {"stage"}


def _track(
    class_: str, events: Sequence[tuple[int, Event]], now: int, terms: CaseTerms, probes: set[Any]
) -> dict[str, Any]:
    learn_from = alone_from = -1
    stage, threshold = "shadow", None
    first: dict[str, tuple[int, Event]] = {}
    for seq, event in events:
        data: Any = event.data
        if event.kind == "stage.changed" and data["class"] == class_:
            moves = stage != data["stage"] and (stage, data["stage"]) != ("sampled", "autonomous")
            if moves or threshold != data["threshold_bp"]:
                alone_from = seq
            stage, threshold = data["stage"], data["threshold_bp"]
            if data["cause"] in ("demoted", "suspended", "expired"):
                learn_from = seq
        if event.kind == "action.decided" and _makes_case(data) and event.case not in first:
            first[event.case] = (seq, event)
    own = {case: found for case, found in first.items() if _class(found[1]) == class_}
    counts = dict.fromkeys(("right", "wrong", "missing", "undrawn", "probe"), 0)
    tallies = {"learn": [0, 0, 0], "alone": [0, 0, 0]}
    by_stage: dict[str, int] = {}
    held_up = False
    corrected = contradicted = 0
    for case, (seq, event) in own.items():
        stood = _stood(event)
        by_stage[stood["stage"]] = by_stage.get(stood["stage"], 0) + 1
        label = _label(case, event, events, now, terms, stood, case in probes)
        corrected += label["corrected"]
        contradicted += label["contradicted"]
        held_up = held_up or label["fate"] == "open"
        if held_up:
            continue
        fate = label["fate"]
        counts[fate] += 1
        if fate in ("undrawn", "probe"):
            continue
        for name, counted in (("learn", seq > learn_from and stood["threshold"] is None),
                              ("alone", seq > alone_from and stood["alone"])):  # fmt: skip
            if counted:
                tally = tallies[name]
                tallies[name] = [tally[0] + 1, tally[1] + (fate != "right"), tally[2] + (fate == "missing")]
    return {
        "cases": len(own), "by_stage": by_stage, "counts": counts, "corrected": corrected,
        "contradicted": contradicted, "tallies": tallies, "stage": stage, "threshold_bp": threshold,
    }  # fmt: skip


def _stood(event: Event) -> dict[str, Any]:
    data: Any = event.data
    earned = (data["standing"].get("earned") or [{}])[0]
    stage, threshold = earned.get("stage", "shadow"), None
    if stage in ("sampled", "autonomous"):
        if earned["expires_at"] is not None and to_moment(earned["expires_at"]) <= to_moment(data["standing"]["now"]):
            stage = "supervised"
        else:
            threshold = earned["threshold_bp"]
    stated = data["action"]["confidence_bp"]
    alone = threshold is not None and stated is not None and stated >= threshold
    return {"stage": stage, "threshold": threshold, "alone": alone}


def _label(
    case: str, first: Event, events: Sequence[tuple[int, Event]], now: int, terms: CaseTerms, stood: Any, probe: bool
) -> dict[str, Any]:  # fmt: skip
    data: Any = first.data
    decided = _seconds(data["standing"]["now"])
    matures, deadline, done = None, decided + terms.deadline_seconds, False
    moments: dict[str, int] = {}
    words: dict[tuple[str, str], list[bool]] = {}
    for _, event in events:
        said: Any = event.data
        if event.case != case:
            continue
        if event.kind == "action.decided" and (event.action in moments or _makes_case(said)):
            moments[event.action] = _seconds(said["standing"]["now"])
        if event.action not in moments:
            continue
        if event.kind == "action.decided" and said["decision"]["verdict"] == "deny" and matures is None:
            matures = decided + terms.matures_seconds
        if event.kind == "action.finished" and not done:
            done, matures = True, moments[event.action] + terms.matures_seconds
            if moments[event.action] <= deadline:
                deadline = max(deadline, moments[event.action] + terms.deadline_seconds)
        over = event.kind in ("action.failed", "approval.expired") or said.get("verdict") == "reject"
        if over and matures is None:
            matures = decided + terms.matures_seconds
        speaker = said["said_by"] if event.kind == "outcome.recorded" else f"person:{said.get('person')}"
        if event.kind == "approval.answered":
            words.setdefault((event.action, speaker), []).append(said["verdict"] == "approve")
        elif event.kind in ("outcome.recorded", "review.answered") and said["right"] is not None:
            words.setdefault((event.action, speaker), []).append(said["right"])
    wrong = False
    differ = False
    for action in moments:
        last = {speaker: said[-1] for (about, speaker), said in words.items() if about == action}
        records = [right for speaker, right in last.items() if speaker.startswith("source:")]
        wrong = wrong or not all(records or last.values())
        differ = differ or len(set(last.values())) == 2
    fate = "open"
    review = data["decision"].get("review")
    if probe:
        fate = "probe"
    elif review is not None and not review["drawn"] and not terms.everyone:
        fate = "undrawn"
    elif (matures is not None and now >= matures) or (matures is None and now >= deadline):
        if words:
            fate = "wrong" if wrong else "right"
        elif now >= deadline:
            fate = "missing"
    assert first.data["action"]["agent"] == AGENT and first.data["action"]["name"] == NAME  # type: ignore[index,call-overload]
    changed = any(one != two for said in words.values() for one, two in pairwise(said))
    return {"fate": fate, "corrected": changed, "contradicted": differ, "stood": stood}


def _seconds(text: str) -> int:
    return int(to_moment(text).timestamp())
