"""Verbs to know: sources, load, graph, context, search, lineage, replay."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

from cyclopts import Parameter
from cyclopts.validators import Number

from remit.errors import BadInput, NotFound, RemitError
from remit.faces.cli_options import AsJson, AtMost, CompanyFolder
from remit.faces.terminal import count, moment, progress, say, say_json, short, table, warn

if TYPE_CHECKING:
    from remit.app import Control
    from remit.app_knowledge import TableState

__all__ = ["age", "context", "graph", "lineage", "load", "replay", "search", "sources"]

Entity = Annotated[str, Parameter(help="TYPE/KEY, SOURCE.TABLE/KEY, or e and a number.")]
Agent = Annotated[str, Parameter(name="--agent", help="As this agent may see it; everything when not given.")]


def age(seconds: int | None) -> str:
    """Return a length of time in the largest unit that fits it at least twice."""
    if seconds is None:
        return "-"
    for unit, length in (("d", 86_400), ("h", 3_600), ("min", 60)):
        if abs(seconds) >= 2 * length:
            return f"{seconds // length} {unit}"
    return f"{seconds} s"


def sources(*, company: CompanyFolder = Path(), as_json: AsJson = False) -> int:
    """List the tables of all sources, how old and how whole they are."""
    from remit.app import open_company

    with open_company(company, "sources", report=warn) as control:
        states = control.knowledge.source_states()
    if as_json:
        say_json([_state_json(state) for state in states])
    elif states:
        header = ("table", "kind", "department", "entity", "last load", "age", "target", "records", "held back")
        table(header, [_state_row(state) for state in states], header[5:])
    else:
        say("no source is described; write one: sources/NAME.yaml")
    return 0


def _state_json(state: TableState) -> dict[str, Any]:
    return {name: getattr(state, name) for name in state.__dataclass_fields__}


def _state_row(state: TableState) -> tuple[str, ...]:
    late = " stale" if state.stale else ""
    return (
        state.dataset, state.kind, state.department, state.type, state.last, age(state.age_seconds) + late,
        age(state.fresh_seconds), count(state.records), count(state.held),
    )  # fmt: skip


def load(
    names: Annotated[tuple[str, ...], Parameter(help="SOURCE or SOURCE.TABLE; all when none is given.")] = (),
    /,
    *,
    company: CompanyFolder = Path(),
    as_json: AsJson = False,
    mode: Annotated[
        Literal["auto", "full", "incremental", "events"], Parameter(help="How; by the description when auto.")
    ] = "auto",
    openlineage: Annotated[Path | None, Parameter(help="Also write OpenLineage events to this file.")] = None,
) -> int:
    """Load sources: what changed becomes facts, what breaks its contract is held back. 1 when a load failed."""
    from remit.app import open_company

    reports: list[Any] = []
    with open_company(company, "load", report=warn) as control:
        _ = control.desk  # takes the descriptions into use as they are now
        for source, one in _wanted(control, names):
            with progress(f"{source}.{one}", "rows") as tell:
                reports.append(_load(control, source, one, mode, _reading(tell), openlineage))
            if not as_json:
                _say_load(reports[-1])
    if as_json:
        say_json(reports)
    return 1 if any(report["state"] != "ok" for report in reports) else 0


def _wanted(control: Control, names: tuple[str, ...]) -> list[tuple[str, str]]:
    described = control.knowledge.sources()
    chosen = []
    for name in names or tuple(sorted(described)):
        source, _, one = name.partition(".")
        tables = control.knowledge.source(source).tables
        if one and one not in tables:
            raise NotFound(f"table: got {name!r:.80}, {source} has {', '.join(tables)}")
        chosen += [(source, item) for item in ([one] if one else tables)]
    return chosen


def _reading(tell: Callable[[int], None]) -> Callable[[Mapping[str, int]], None]:
    return lambda counts: tell(counts.get("read", 0))


def _load(
    control: Control,
    source: str,
    one: str,
    mode: Any,
    tell: Callable[[Mapping[str, int]], None],
    openlineage: Path | None,
) -> dict[str, Any]:
    try:
        report = control.knowledge.load(source, one, mode, tell)
    except RemitError as error:  # the others may still be loaded
        return {"dataset": f"{source}.{one}", "load": None, "state": "refused", "problem": str(error)}
    if openlineage is not None:
        with openlineage.open("a", encoding="utf-8") as file:
            for event in control.knowledge.openlineage(source, report):
                file.write(json.dumps(event) + "\n")
    return {
        "dataset": report.dataset, "load": report.load, "mode": report.mode, "state": report.state,
        "counts": dict(report.counts), "milliseconds": int(report.seconds * 1000), "cursor": report.cursor,
        "problem": report.problem, "notes": list(report.notes), "drift": [dict(item) for item in report.drift],
    }  # fmt: skip


def _say_load(report: Mapping[str, Any]) -> None:
    counts = report.get("counts", {})
    told = ", ".join(
        f"{counts[name]:,} {name}" for name in ("read", "new", "changed", "closed", "bad") if counts.get(name)
    )
    say(f"{report['dataset']:<28} {report['state']:<8} {told or 'nothing new'}")
    for note in report.get("notes", ()):
        say(f"  {note}", "dim")
    for item in report.get("drift", ()):
        say("  drift: " + ", ".join(f"{key} {value}" for key, value in item.items()), "yellow")
    if report["problem"]:
        say(f"  {report['problem']}", "bold red")


def graph(
    entity: Entity,
    /,
    *,
    company: CompanyFolder = Path(),
    as_json: AsJson = False,
    agent: Agent = "",
    as_of: Annotated[str, Parameter(help="As it was known then: a ledger size, a day or a moment.")] = "",
    hops: Annotated[int, Parameter(validator=Number(gte=0, lte=2), help="How far to follow links.")] = 1,
) -> int:
    """Show what is known of an entity and its neighbours, and from where."""
    from remit.app import open_company

    with open_company(company, "graph", report=warn) as control:
        size = control.knowledge.size_at(as_of) if as_of else None
        found = control.knowledge.context(agent, entity, as_of=size, record=False, hops=hops)
    if as_json:
        say_json(found.as_json())
    else:
        _show(found.as_json())
    return 0


def context(
    agent: Annotated[str, Parameter(help="The agent that asks.")],
    entity: Entity,
    /,
    *,
    company: CompanyFolder = Path(),
    as_json: AsJson = False,
    hops: Annotated[int, Parameter(validator=Number(gte=0, lte=2), help="How far to follow links.")] = 1,
) -> int:
    """Hand an agent what it may see of an entity, and keep a receipt."""
    from remit.app import open_company

    with open_company(company, "context", report=warn) as control:
        found = control.knowledge.context(agent, entity, hops=hops)
    if as_json:
        say_json(found.as_json())
    else:
        _show(found.as_json())
        say(f"receipt {found.digest}")
    return 0


def _show(data: Mapping[str, Any]) -> None:
    table(
        ("fact", "of", "name", "value", "age", "state", "trust", "from", "scope"),
        [_fact_row(fact) for fact in data["facts"]],
        ("age",),
    )
    if data["links"]:
        say()
        rows = [(link["id"], link["name"], link["from_record"], link["to_record"]) for link in data["links"]]
        table(("link", "name", "from", "to"), rows)
    cut = data.get("cut") or {}
    left_out = [f"{count(cut[name])} {name}" for name in ("facts", "entities") if cut.get(name)]
    left_out += [f"links of {place['record']} ({place['side']})" for place in cut.get("links", ())]
    if left_out:
        say(f"left out: {', '.join(left_out)}", "dim")


def _fact_row(fact: Mapping[str, Any]) -> tuple[str, ...]:
    stale = {True: "stale", False: "fresh", None: "-"}[fact["stale"]]
    value = "erased" if fact.get("erased") else str(fact["value"])
    return (
        fact["id"], fact["entity"], fact["name"], value[:60], age(fact["age_seconds"]),
        f"{stale} {', '.join(fact['flags'])}".rstrip(), fact["trust"], fact["record"], fact["scope"],
    )  # fmt: skip


def search(
    text: Annotated[str, Parameter(help="Words to look for.")],
    /,
    *,
    company: CompanyFolder = Path(),
    as_json: AsJson = False,
    agent: Agent = "",
    limit: AtMost = 20,
) -> int:
    """Find facts by their words, as an agent may see them."""
    from remit.app import open_company

    with open_company(company, "search", report=warn) as control:
        found = control.knowledge.search(agent, text, min(limit, 100))
    data = found.as_json()
    if as_json:
        say_json(data)
    elif not data["facts"]:
        say("nothing is found that may be seen")
    else:
        _show({"links": [], **data})
    return 0


def lineage(
    what: Annotated[str, Parameter(help="A fact such as f12; or an action's first digits, or a case.")],
    /,
    *,
    company: CompanyFolder = Path(),
    as_json: AsJson = False,
) -> int:
    """Tell where a fact comes from and what rests on it; of an action, for each fact it rested on."""
    from remit.app import open_company

    with open_company(company, "lineage", report=warn) as control:
        facts = [what] if what[:1] == "f" and what[1:].isdigit() else _facts_of(control, what)
        found = [control.knowledge.lineage(fact) for fact in facts]
        now = int(control.status().now.timestamp())
    if as_json:
        say_json([asdict(one) for one in found])
        return 0
    for place, one in enumerate(found):
        if place:
            say()
        _say_lineage(one, now)
    return 0


def _facts_of(control: Control, what: str) -> list[str]:
    journey = control.journey(what)
    facts = [fact["id"] for fact in journey.decided.get("facts", ()) if fact.get("id")]
    if not facts:
        raise BadInput(f"{what!r:.60} rests on no fact of the graph")
    return facts


def _say_lineage(one: Any, now: int) -> None:
    fact, brought = one.fact, one.load
    say(f"{fact.id}  {fact.name} = {'erased' if fact.value is None else fact.value} of {fact.record}", "bold")
    flags = f"; {', '.join(fact.flags)}" if fact.flags else ""
    say(f"  observed   {_at(fact.observed)}, {age(now - fact.observed)} ago{flags}")
    state = "in force" if fact.until is None else f"replaced at ledger size {fact.until}"
    say(f"  recorded   at ledger size {fact.since}, {state}, scope {fact.scope}")
    source = f"source {short(brought.source_digest)}, trust {brought.trust}"
    say(f"  brought by load {brought.load} ({brought.mode}) of {_at(brought.started)}, {source}")
    later = [f"f{value}" for value in one.values if value > int(fact.id[1:])]
    if later:
        say(f"  later said otherwise: {', '.join(later)}", "yellow")
    older = "" if one.complete else ", and older ones that were not looked at"
    say(f"  rests on it: {count(len(one.uses), 'use')}{older}")
    for use in one.uses:
        who = f"{use.kind} {short(use.digest)}  {use.agent}  {use.case or '-'}  ({use.how})"
        say(f"    {use.seq:>8}  {moment(use.at)}  {who}")


def _at(seconds: int) -> str:
    return moment(datetime.fromtimestamp(seconds, UTC))


def replay(
    receipt: Annotated[str, Parameter(help="The first digits of a receipt; all when not given.")] = "",
    /,
    *,
    company: CompanyFolder = Path(),
    as_json: AsJson = False,
) -> int:
    """Have again what an agent was shown, byte for byte. 1 when it is no longer what was shown."""
    from remit.app import open_company

    with open_company(company, "replay", report=warn) as control:
        if receipt:
            found = [control.knowledge.replay(receipt)]
        else:
            found = []
            with progress("replaying", "receipts") as tell:
                for one in control.knowledge.replay_all():
                    found.append(one)
                    tell(len(found))
    differs = [one for one in found if one.state == "differs"]
    if as_json:
        say_json([{"receipt": one.digest, "state": one.state, "erased": one.erased,
                   "differing": [f"f{fid}" for fid in one.differing]} for one in found])  # fmt: skip
    elif receipt:
        say(found[0].data.decode())
        say(f"{found[0].state}", "bold red" if differs else "bold green")
    else:
        erased = sum(one.state == "same, erased" for one in found)
        same = f"{len(found) - len(differs) - erased:,} the same, {erased:,} the same with values erased since"
        say(f"{count(len(found), 'receipt')}: {same}, {len(differs):,} different")
    if not as_json:
        for one in differs:
            say(f"differs  {one.digest}  {', '.join(f'f{fid}' for fid in one.differing)}", "bold red")
    return 1 if differs else 0
