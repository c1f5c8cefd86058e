"""Verbs to know how good the data are: audit, quarantine."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Annotated, Any, Literal

from cyclopts import Parameter

from remit.errors import BadInput
from remit.faces.cli_options import Acting, AsJson, AtMost, CompanyFolder, Why, acting
from remit.faces.terminal import progress, say, say_json, table, warn

__all__ = ["audit", "quarantine"]

Number = Annotated[int | None, Parameter(help="The number of the row, for show, release and drop.")]


def audit(
    names: Annotated[tuple[str, ...], Parameter(help="SOURCE or SOURCE.TABLE; all when none is given.")] = (),
    /,
    *,
    company: CompanyFolder = Path(),
    as_json: AsJson = False,
    page: Annotated[Path | None, Parameter(help="Also write one HTML page with charts to this file.")] = None,
    strict: Annotated[bool, Parameter(help="2 when a fault is found or a need is not met.", negative="")] = False,
) -> int:
    """Audit sources against their contracts, and what agents need of them; nothing is written."""
    from remit.app import open_company

    with open_company(company, "audit", report=warn) as control:
        _ = control.desk  # takes the descriptions into use as they are now
        with progress("auditing", "rows") as tell:
            audits, needs = control.knowledge.audit(names, lambda _dataset, rows: tell(rows))
        if page is not None:
            page.write_text(control.knowledge.audit_page(audits, needs), "utf-8")
        if as_json:
            say_json(control.knowledge.audit_json(audits, needs))
        else:
            for line in control.knowledge.audit_lines(audits, needs):
                say(line)
    faults = any(list(one.faults()) for one in audits) or any(need.verdict != "supported" for need in needs)
    return 2 if strict and faults else 0


def quarantine(
    what: Annotated[Literal["list", "show", "release", "drop"], Parameter(help="What to do.")] = "list",
    number: Number = None,
    /,
    *,
    company: CompanyFolder = Path(),
    person: Acting = "",
    as_json: AsJson = False,
    dataset: Annotated[str, Parameter(help="Only rows of SOURCE.TABLE.")] = "",
    rule: Annotated[str, Parameter(help="Only rows that break this rule.")] = "",
    state: Annotated[
        Literal["open", "released", "dropped", "superseded", "erased", ""],
        Parameter(help="Only these; all when empty."),
    ] = "open",
    repaired: Annotated[tuple[str, ...], Parameter(name="--set", help="COLUMN=VALUE put right, for release.")] = (),
    why: Why = "",
    limit: AtMost = 50,
) -> int:
    """List the rows that were held back; show, release or drop one."""
    from remit.app import open_company

    if what != "list" and number is None:
        raise BadInput(f"which row? `remit quarantine {what} NUMBER`; `remit quarantine` lists them")
    with open_company(company, "quarantine", report=warn) as control:
        _ = control.desk
        knowledge = control.knowledge
        if what == "list" or number is None:
            held = knowledge.held(dataset=dataset, rule=rule, state=state, limit=limit)
            return _list(held, as_json)
        if what == "release":
            counts = knowledge.release(number, _pairs(repaired), acting(person), why)
            say_json(dict(counts)) if as_json else say(f"released: {_told(counts)}")
        elif what == "drop":
            knowledge.drop(number, why, acting(person))
            say_json({"dropped": number}) if as_json else say(f"dropped {number}")
        else:
            _show(knowledge.held_row(number), as_json)
    return 0


def _list(held: Sequence[Any], as_json: bool) -> int:
    if as_json:
        say_json([asdict(one) for one in held])
    elif not held:
        say("nothing is held back")
    else:
        rows = [
            (str(one.qid), one.dataset, one.key or "-", one.rule, one.reason[:60], one.position, one.state)
            for one in held
        ]
        table(("row", "table", "key", "rule", "why", "stood in", "state"), rows, ("row",))
    return 0


def _show(one: Any, as_json: bool) -> None:
    if as_json:
        say_json(asdict(one))
        return
    say(f"row {one.qid} of {one.dataset}, key {one.key or 'none'}: {one.rule}: {one.reason}", "bold")
    say(f"  stood in {one.position}, load {one.load}; {one.state}{f': {one.why}' if one.why else ''}")
    if one.raw is None:
        say("  nothing of it may be kept")
        return
    for column, cell in zip(one.raw["columns"], one.raw["cells"], strict=True):
        say(f"  {column} = {cell}")
    say(f"release it with: remit quarantine release {one.qid} --set COLUMN=VALUE", "dim")


def _pairs(given: Sequence[str]) -> dict[str, Any]:
    pairs: dict[str, Any] = {}
    for item in given:
        column, equals, value = item.partition("=")
        if not equals or not column:
            raise BadInput(f"--set: got {item!r:.60}, expected COLUMN=VALUE")
        pairs[column] = value or None
    return pairs


def _told(counts: Any) -> str:
    return ", ".join(f"{count} {name}" for name, count in counts.items() if count) or "it was there already"
