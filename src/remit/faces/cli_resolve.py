"""Verbs that compare: resolve (which records are one) and cliff (does an agent meet what it was tried on)."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

from cyclopts import Parameter
from cyclopts.validators import Number

from remit.canonical import parse, to_moment
from remit.errors import BadInput
from remit.faces.cli_options import Acting, AsJson, CompanyFolder, Why, acting
from remit.faces.terminal import count, progress, say, say_json, table, warn

if TYPE_CHECKING:
    from remit.app import Control

__all__ = ["cliff", "propose_merges", "resolve"]


def resolve(
    types: Annotated[tuple[str, ...], Parameter(help="Entity types; all with `match:` words when none is given.")] = (),
    /,
    *,
    company: CompanyFolder = Path(),
    person: Acting = "",
    as_json: AsJson = False,
    propose: Annotated[
        str, Parameter(help="Propose the doubtful pairs as this agent; its remit has entity.merge.")
    ] = "",
    undo: Annotated[int | None, Parameter(help="Undo the merge or split at this place of the ledger instead.")] = None,
    why: Why = "",
) -> int:
    """Find which records are one; what is doubtful is asked."""
    from remit.app import open_company

    with open_company(company, "resolve", report=warn) as control:
        _ = control.desk
        if undo is not None:
            seq = control.knowledge.undo(undo, why, acting(person))
            say_json({"undone": undo, "seq": seq}) if as_json else say(f"undone; recorded at {seq}")
            return 0
        results = []
        for name in types or _types(control):
            with progress(f"resolving {name}", "records"):
                found = control.knowledge.resolve(name)
            results.append((found, propose_merges(control, propose, found)))
    if as_json:
        say_json([{**asdict(found), "proposed": asked} for found, asked in results])
        return 0
    header = ("type", "records", "entities", "moved", "doubtful", "proposed", "by")
    rows = [
        (found.type, count(found.records), count(found.entities), count(found.moved), count(len(found.doubtful)),
         count(asked), found.lane) for found, asked in results
    ]  # fmt: skip
    table(header, rows, header[1:6])
    if any(found.doubtful for found, _ in results) and not propose:
        say("ask about the doubtful ones with --propose AGENT", "dim")
    return 0


def _types(control: Control) -> list[str]:
    matched = {
        spec.type
        for source in control.knowledge.sources().values()
        for spec in source.tables.values()
        if any(fact.match for fact in spec.facts)
    }
    if not matched:
        raise BadInput("no table has a column with `match:`; say by which columns records are compared")
    return sorted(matched)


def propose_merges(control: Control, agent: str, found: Any) -> int:
    """Ask about the doubtful pairs that were ``found``, as ``agent``; return how many, none without an agent."""
    if not agent:
        return 0
    asked = 0
    for question in control.knowledge.questions(found):
        control.propose(
            agent, question.name, question.case, question.arguments, f"0.{question.arguments['score_bp']:04}"
        )
        asked += 1
    return asked


def cliff(
    agent: Annotated[str, Parameter(help="The agent.")],
    /,
    *,
    company: CompanyFolder = Path(),
    as_json: AsJson = False,
    before: Annotated[
        str, Parameter(help="It was tried on its cases before this day or moment of business time.")
    ] = "",
    tried: Annotated[Path | None, Parameter(help="It was tried on these cases: JSON lines of fields.")] = None,
    rate: Annotated[
        float, Parameter(validator=Number(gte=0.001, lte=0.2), help="How often it may alarm although nothing changed.")
    ] = 0.01,
) -> int:
    """Compare what an agent meets now with what it was tried on. 1 when it differs."""
    from remit.app import open_company

    moment = to_moment(before if "T" in before else f"{before}T00:00:00Z") if before else None
    rows = None if tried is None else _rows(tried)
    with open_company(company, "cliff", report=warn) as control:
        found = control.cliff(agent, moment, rows, int(rate * 10_000))
    if as_json:
        say_json({**asdict(found), "alarm": found.alarm})
    else:
        _show(found)
    return 1 if found.alarm else 0


def _rows(path: Path) -> list[Any]:
    rows = []
    for number, line in enumerate(path.read_text("utf-8").splitlines(), 1):
        row = parse(line) if line.strip() else None
        if not isinstance(row, dict) or any(not isinstance(cell, str | int | None) for cell in row.values()):
            raise BadInput(f"{path}:{number}: expected one object of texts, whole numbers and booleans")
        rows.append({name: str(cell).lower() if isinstance(cell, bool) else cell for name, cell in row.items()})
    return rows


def _show(found: Any) -> None:
    words = "DIFFERS from what it was tried on" if found.alarm else "nothing speaks against what it was tried on"
    rate = f"{found.false_alarm_bp / 100:g} % false alarms"
    say(f"{count(found.rows_before, 'case')} tried, {found.rows_now:,} since: {words} ({rate})", "bold")
    header = ("field", "kind", "p", "largest difference", "before", "now", "")
    rows = [
        (field.name, field.kind, f"{(field.extreme + 1) / (field.draws + 1):.4f}", field.where,
         f"{field.share_before_bp / 100:.1f} %", f"{field.share_now_bp / 100:.1f} %", "ALARM" if field.alarm else "")
        for field in found.fields
    ]  # fmt: skip
    table(header, rows, ("p", "before", "now"))
    for pair in found.pairs:
        say(f"together: {' and '.join(pair.names)} no longer go together as before", "bold red")
    if found.neighbours.alarm:
        say("as a whole: cases of now lie closer to each other than to those tried", "bold red")
    for segment in found.segments[:20]:
        say(f"never tried: {_segment(segment)}", "yellow")


def _segment(segment: Any) -> str:
    parts = [f"{name} = {value}" for name, value in zip(segment.fields, segment.values, strict=True)]
    return f"{' and '.join(parts)}: {count(segment.rows, 'case')}"
