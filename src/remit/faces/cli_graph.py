"""Verbs to know: graph, context, search, lineage, replay."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

from cyclopts import Parameter
from cyclopts.validators import Number

from remit.errors import BadInput
from remit.faces.cli_options import AsJson, AtMost, CompanyFolder
from remit.faces.terminal import age, count, moment, progress, say, say_json, short, table, warn

if TYPE_CHECKING:
    from remit.app import Control

__all__ = ["context", "graph", "lineage", "replay", "search"]

Entity = Annotated[str, Parameter(help="TYPE/KEY, SOURCE.TABLE/KEY, or e and a number.")]
Agent = Annotated[str, Parameter(name="--agent", help="As this agent may see it; everything when not given.")]


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
    near: Annotated[
        bool, Parameter(help="By meaning: also what shares no word with it. Needs the extra embed.", negative="")
    ] = False,
) -> int:
    """Find facts by their words, as an agent may see them."""
    from remit.app import open_company

    with open_company(company, "search", report=warn) as control:
        found = control.knowledge.search(agent, text, min(limit, 100), near=near)
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
