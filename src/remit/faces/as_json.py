"""What the verbs return, as plain JSON: the same for `--json` on the command line and for the HTTP interface.

Moments are RFC 3339 in UTC, digests whole, money in minor units. What is not known is null, never zero or false.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any, Final

from remit.canonical import from_moment
from remit.faces.autonomy_json import track_json
from remit.vocabulary import Halt, Json

if TYPE_CHECKING:
    from remit.app import AgentRecord, Control, HaltStatus, InboxItem, Journey, LedgerReport, Spend, Status
    from remit.errors import Finding, RemitError

__all__ = [
    "agents_json",
    "delay_ms",
    "error_json",
    "finding_json",
    "halt_json",
    "halt_status_json",
    "inbox_json",
    "journey_json",
    "ledger_json",
    "question_json",
    "record_json",
    "spend_json",
    "status_json",
]

_MILLISECOND: Final = timedelta(milliseconds=1)
_COUNTS: Final = (
    "seen", "allowed", "escalated", "denied", "begun", "finished", "failed", "cost_minor", "costs_unknown",
    "approved", "rejected", "expired", "void", "right", "wrong", "unjudged",
)  # fmt: skip


def _at(moment: datetime | None) -> str | None:
    return None if moment is None else from_moment(moment)


def error_json(error: RemitError) -> dict[str, Json]:
    """An error: its class, what happened, what to do."""
    return {"error": type(error).__name__, "what": str(error), "advice": error.advice}


def finding_json(finding: Finding) -> dict[str, Json]:
    """One thing wrong in one place of a file."""
    return {
        "file": finding.file, "line": finding.line, "column": finding.column, "what": finding.what,
        "advice": finding.advice, "severity": finding.severity,
    }  # fmt: skip


def agents_json(control: Control) -> list[Json]:
    """Every agent in use: its version, who answers for it, what it may do."""
    return [
        {
            "agent": manifest.agent, "version": manifest.version, "purpose": manifest.purpose,
            "owner": manifest.owner, "deputy": manifest.deputy, "department": manifest.department,
            "actions": list(manifest.actions),
        }
        for _, manifest in sorted(control.law.manifests.items())
    ]  # fmt: skip


def journey_json(control: Control, journey: Journey) -> dict[str, Json]:
    """Where one action stands, with its last decision and the facts it was made on, and what they said."""
    decided: Mapping[str, Any] = journey.decided
    facts: list[Json] = [dict(fact) for fact in control.facts(journey)]
    effect = journey.effect
    return {
        "action": journey.action,
        "case": journey.case,
        "progress": journey.progress,
        "open": journey.open,
        "proposer": journey.proposer,
        "proposed": decided.get("action"),
        "facts": facts if "facts" in decided else None,
        "decision": decided.get("decision"),
        "judgements": journey.attempt,
        "asked": dict(journey.asked) or None,
        "grants": [{"role": grant.role, "person": grant.person} for grant in journey.grants],
        "effect": None
        if effect is None
        else {
            "key": effect.key, "system": effect.system, "operation": effect.operation, "state": effect.state,
            "result": dict(effect.result), "cost_minor": effect.cost_minor, "problem": effect.problem,
        },
        "replaced_by": journey.replaced_by or None,
    }  # fmt: skip


def question_json(control: Control, action: str) -> dict[str, Json]:
    """One action with the whole account of it in words, as a person needs it to decide."""
    journey = control.journey(action)
    return {**journey_json(control, journey), "account": control.explain(journey.action)}


def inbox_json(item: InboxItem) -> dict[str, Json]:
    """One thing that waits for a person."""
    return {
        "action": item.action, "case": item.case, "waits_for": item.waits_for, "agent": item.agent,
        "name": item.name, "roles": list(item.roles), "due_at": _at(item.due_at), "reasons": list(item.reasons),
    }  # fmt: skip


def halt_json(halt: Halt) -> dict[str, Json]:
    """A halt as it was requested."""
    return {"id": halt.id, "scope": str(halt.scope), "why": halt.why, "by": halt.by, "at": from_moment(halt.at)}


def delay_ms(status: HaltStatus, at: datetime) -> int:
    """Return how many milliseconds after it was requested a halt was confirmed."""
    return (at - status.halt.at) // _MILLISECOND


def halt_status_json(status: HaltStatus) -> dict[str, Json]:
    """A halt, and which processes have seen it, how many milliseconds after it was requested."""
    confirmed: list[Json] = [
        {"process": process, "at": from_moment(at), "delay_ms": delay_ms(status, at)}
        for process, at in sorted(status.confirmed.items())
    ]
    return {
        **halt_json(status.halt), "lifted": status.lifted, "confirmed": confirmed, "silent": list(status.silent),
        "in_flight": status.in_flight,
    }  # fmt: skip


def record_json(record: AgentRecord) -> dict[str, Json]:
    """One agent's counts."""
    reasons: list[Json] = [
        {"verdict": verdict, "rule": rule, "count": number}
        for (verdict, rule), number in sorted(record.reasons.items())
    ]
    counts: dict[str, Json] = {name: getattr(record, name) for name in _COUNTS}
    return {"agent": record.agent, **counts, "reasons": reasons}


def spend_json(spend: Spend) -> dict[str, Json]:
    """What was drawn against one limit, in the limit's own unit."""
    return {"key": spend.key, "used": spend.used, "at_most": spend.at_most, "refused": spend.refused}


def status_json(status: Status) -> dict[str, Json]:
    """What there is at a glance."""
    processes: list[Json] = [
        {"id": seen.id, "role": seen.role, "host": seen.host, "pid": seen.pid, "beat": from_moment(seen.beat)}
        for seen in status.processes
    ]
    return {
        "company": status.company, "now": from_moment(status.now), "events": status.events, "signed": status.signed,
        "waiting": status.waiting, "uncertain": status.uncertain, "ready": status.ready,
        "in_flight": status.in_flight, "halts": [halt_status_json(halt) for halt in status.halts],
        "processes": processes, "agents": [record_json(record) for record in status.agents],
        "tracks": [track_json(track) for track in status.tracks],
    }  # fmt: skip


def ledger_json(report: LedgerReport) -> dict[str, Json]:
    """Whether the ledger holds."""
    return {
        "holds": not report.problems, "events": report.size, "root": report.root.hex(),
        "checkpoints": report.checkpoints, "signed": report.signed_size, "problems": list(report.problems),
    }  # fmt: skip
