"""Verbs to bring in what is known: sources, load."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

from cyclopts import Parameter

from remit.errors import NotFound, RemitError
from remit.faces.cli_options import AsJson, CompanyFolder
from remit.faces.cli_resolve import propose_merges
from remit.faces.terminal import age, count, progress, say, say_json, table, warn

if TYPE_CHECKING:
    from remit.app import Control
    from remit.app_knowledge import TableState

__all__ = ["load", "sources"]


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
    propose: Annotated[
        str, Parameter(help="Propose doubtful pairs among what is new as this agent; its remit has entity.merge.")
    ] = "",
) -> int:
    """Load sources: what changed becomes facts, what breaks its contract is held back. 1 when a load failed."""
    from remit.app import open_company

    reports: list[Any] = []
    with open_company(company, "load", report=warn) as control:
        _ = control.desk  # takes the descriptions into use as they are now
        for source, one in _wanted(control, names):
            with progress(f"{source}.{one}", "rows") as tell:
                reports.append(_load(control, source, one, mode, _reading(tell), openlineage, propose))
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
    propose: str,
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
        "arrived": None if report.arrived is None else _arrived_json(control, report.arrived, propose),
    }  # fmt: skip


def _arrived_json(control: Control, arrived: Any, propose: str) -> dict[str, Any]:
    """What became of new records, once the doubtful pairs were asked about."""
    return {
        "indexed": arrived.indexed, "joined": arrived.joined, "left": arrived.left,
        "doubtful": len(arrived.doubtful), "proposed": propose_merges(control, propose, arrived),
    }  # fmt: skip


def _say_load(report: Mapping[str, Any]) -> None:
    counts = report.get("counts", {})
    told = ", ".join(
        f"{counts[name]:,} {name}" for name in ("read", "new", "changed", "closed", "bad") if counts.get(name)
    )
    say(f"{report['dataset']:<28} {report['state']:<8} {told or 'nothing new'}")
    arrived = report.get("arrived")
    if arrived is not None:
        _say_arrived(arrived)
    for note in report.get("notes", ()):
        say(f"  {note}", "dim")
    for item in report.get("drift", ()):
        said = ", ".join(f"{key} {value}" for key, value in item.items() if key not in ("what", "column"))
        say(f"  drift: {item['what']} {item['column']}{f' ({said})' if said else ''}", "yellow")
    if report["problem"]:
        say(f"  {report['problem']}", "bold red")


def _say_arrived(arrived: Mapping[str, int]) -> None:
    if arrived["joined"] or arrived["doubtful"]:
        asked = f", {arrived['proposed']:,} asked" if arrived["proposed"] else ""
        say(f"  {arrived['joined']:,} joined to what was known, {arrived['doubtful']:,} doubtful{asked}", "dim")
    if arrived["left"]:
        say(f"  {arrived['left']:,} new were not compared one by one: remit resolve compares all at once", "dim")
