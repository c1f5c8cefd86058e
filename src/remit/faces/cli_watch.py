"""Verbs to watch: status, log, explain, spend."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

from cyclopts import Parameter

from remit.canonical import to_moment
from remit.faces.as_json import question_json, spend_json, status_json
from remit.faces.cli_options import AsJson, AtMost, CompanyFolder
from remit.faces.terminal import clean, count, moment, say, say_json, short, table, warn

if TYPE_CHECKING:
    from remit.app import AgentRecord, RecordedEvent, Status
    from remit.app_autonomy import TrackRecord

__all__ = ["explain", "log", "spend", "status"]


def status(*, company: CompanyFolder = Path(), as_json: AsJson = False) -> int:
    """Show what there is at a glance."""
    from remit.app import open_company

    with open_company(company, "status", report=warn) as control:
        found = control.status()
    if as_json:
        say_json(status_json(found))
    else:
        _show(found)
    return 0


def _show(found: Status) -> None:
    say(f"{clean(found.company)}, {moment(found.now)}")
    say(f"ledger     {count(found.events, 'event')}, {found.signed:,} of them signed")
    say(f"waiting    {found.waiting:,} for approval, {found.uncertain:,} to be settled")
    say(f"ready      {found.ready:,} approved and not yet carried on")
    say(f"in flight  {count(found.in_flight, 'effect')}")
    halted = "; ".join(f"{item.halt.scope} since {moment(item.halt.at)}" for item in found.halts)
    say(f"halts      {clean(halted) or 'none'}", "bold red" if halted else "")
    say(f"processes  {clean(', '.join(seen.id for seen in found.processes)) or 'none'}")
    if found.agents:
        _agents(found)
    if found.tracks:
        _tracks(found)


def _agents(found: Status) -> None:
    header = ("agent", "seen", "allowed", "escalated", "denied", "finished", "failed", "cost")
    say()
    table(
        header,
        [
            (
                one.agent, count(one.seen), count(one.allowed), count(one.escalated), count(one.denied),
                count(one.finished), count(one.failed), _cost(one),
            )
            for one in found.agents
        ],
        right=header[1:],
    )  # fmt: skip


def _tracks(found: Status) -> None:
    """What each version in use has earned, and how many labels it is from the next step."""
    header = ("agent", "action", "stage", "cases", "wrong", "error rate", "reviewed", "next")
    say()
    rows = [
        (
            one.agent, one.action + (f" {one.class_}" if one.class_ else ""), one.stage, count(one.cases),
            f"{one.errors:,}/{one.trials:,}", f"{one.lower:.1%} to {one.upper:.1%}",
            "-" if one.review_share_bp is None else f"{one.review_share_bp / 100:.0f} %", _next(one),
        )
        for one in found.tracks
    ]  # fmt: skip
    table(header, rows, right=header[3:7])


def _next(one: TrackRecord) -> str:
    if one.proposed:
        return "promotion proposed"
    if one.stage == "autonomous":
        return f"certificate ends {moment(one.expires_at)}" if one.expires_at else "-"
    if one.labels_missing is None:
        return "more of the same would not do"
    return f"about {count(one.labels_missing, 'label')} missing"


def _cost(one: AgentRecord) -> str:
    """What systems said it cost; effects of which they did not say are not taken for free."""
    told = count(one.cost_minor) if one.finished > one.costs_unknown else "not told"
    return f"{told} +{one.costs_unknown:,} not told" if one.costs_unknown and told != "not told" else told


def log(
    *,
    company: CompanyFolder = Path(),
    as_json: AsJson = False,
    case: Annotated[str, Parameter(help="Only this case.")] = "",
    agent: Annotated[str, Parameter(help="Only this agent's.")] = "",
    action: Annotated[str, Parameter(help="Only this action's; the first digits will do.")] = "",
    kind: Annotated[str, Parameter(help="Only this kind, such as action.decided.")] = "",
    verdict: Annotated[Literal["", "allow", "escalate", "deny"], Parameter(help="Only these decisions.")] = "",
    since: Annotated[str, Parameter(help="From this moment on, such as 2026-11-21T09:00:00Z.")] = "",
    until: Annotated[str, Parameter(help="Before this moment.")] = "",
    limit: AtMost = 50,
) -> int:
    """List the newest events of the ledger, the newest first."""
    from remit.app import open_company

    wanted = {
        "case": case, "agent": agent, "action": action, "kind": kind, "verdict": verdict,
        "since": to_moment(since) if since else None, "until": to_moment(until) if until else None,
    }  # fmt: skip
    with open_company(company, "log", report=warn) as control:
        events = control.log(limit, **wanted)
    if as_json:
        say_json([recorded.as_json() for recorded in events])
        return 0
    if not events:
        say("no event matches")
        return 0
    table(
        ("event", "at", "kind", "actor", "case", "action", "what"), [_row(recorded) for recorded in events], ("event",)
    )
    return 0


def _row(recorded: RecordedEvent) -> tuple[str, ...]:
    event = recorded.event
    return (
        str(recorded.seq), moment(recorded.at), event.kind, event.actor, event.case or "-", short(event.action) or "-",
        _words(event.kind, event.data),
    )  # fmt: skip


def _words(kind: str, data: Mapping[str, Any]) -> str:
    """Return the one thing of an event that a list should show."""
    match kind:
        case "action.decided":
            decision = data["decision"]
            verdict = decision["verdict"]
            rules = [check["rule"] for check in decision["checks"] if check["verdict"] == verdict != "allow"]
            return f"{verdict} {data['action']['name']}" + (f" [{', '.join(rules)}]" if rules else "")
        case "action.begun":
            return f"{data['system']} {data['operation']}"
        case "action.finished":
            return "cost not told" if data["cost_minor"] is None else f"cost {count(data['cost_minor'])}"
        case "approval.asked":
            return "asks " + ", ".join(role for role, _ in data["asks"])
        case "approval.answered":
            return f"{data['verdict']} as {data['role']}"
        case "halt.requested":
            return f"{data['scope']['kind']} {data['scope']['value']}".rstrip() + f": {data['why']}"
        case "document.kept":
            return f"{data['sort']} {short(data['digest'])}"
        case _:
            return str(next((data[key] for key in ("problem", "why", "right", "halt", "what") if key in data), ""))


def explain(
    action: Annotated[str, Parameter(help="The first digits of an action, or a case.")],
    /,
    *,
    company: CompanyFolder = Path(),
    as_json: AsJson = False,
) -> int:
    """Tell the whole story of one action."""
    from remit.app import open_company

    with open_company(company, "explain", report=warn) as control:
        if as_json:
            say_json(question_json(control, action))
        else:
            say(control.explain(action))
    return 0


def spend(*, company: CompanyFolder = Path(), as_json: AsJson = False) -> int:
    """List what was drawn against each limit."""
    from remit.app import open_company

    with open_company(company, "spend", report=warn) as control:
        counters = control.spend()
    if as_json:
        say_json([spend_json(one) for one in counters])
        return 0
    if not counters:
        say("no limit was looked at yet")
        return 0
    header = ("limit", "drawn", "at most", "refused")
    rows = [
        (one.key, count(one.used), "not known" if one.at_most is None else count(one.at_most), count(one.refused))
        for one in counters
    ]
    table(header, rows, right=header[1:])
    return 0
