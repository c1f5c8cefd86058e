"""Verbs to stop: halt, resume, halts."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from cyclopts import Parameter

from remit.faces.as_json import delay_ms, halt_status_json
from remit.faces.cli_options import Acting, AsJson, CompanyFolder, Why, acting
from remit.faces.terminal import clean, count, moment, say, say_json, warn

if TYPE_CHECKING:
    from remit.app import HaltStatus

__all__ = ["halt", "halts", "resume"]

Scope = Annotated[str, Parameter(help="everything, or KIND:NAME such as agent:refund-desk or system:shop.")]


def halt(scope: Scope, /, *, why: Why, company: CompanyFolder = Path(), person: Acting = "") -> int:
    """Throw the switch: nothing within a scope begins any more."""
    from remit.app import open_company

    with open_company(company, "halt", report=warn) as control:
        thrown = control.halt(scope, why, acting(person))
    say(f"halted {clean(str(thrown.scope))} as {thrown.id}: from now on nothing within it begins, in any process")
    say("`remit halts` shows who has confirmed it; `remit resume` sets it back", "dim")
    return 0


def resume(scope: Scope, /, *, why: Why, company: CompanyFolder = Path(), person: Acting = "") -> int:
    """Set the switch back."""
    from remit.app import open_company

    with open_company(company, "resume", report=warn) as control:
        lifted = control.resume(scope, why, acting(person))
    say(f"resumed {clean(scope)}: {count(len(lifted), 'halt')} lifted")
    return 0


def halts(*, company: CompanyFolder = Path(), as_json: AsJson = False) -> int:
    """List the halts and which processes have confirmed them."""
    from remit.app import open_company

    with open_company(company, "halts", report=warn) as control:
        found = control.halts()
    if as_json:
        say_json([halt_status_json(status) for status in found])
        return 0
    if not found:
        say("nothing was ever halted")
    for status in found:
        _show(status)
    return 0


def _show(status: HaltStatus) -> None:
    thrown = status.halt
    say(f"{thrown.id}  {clean(str(thrown.scope))}  {'lifted' if status.lifted else 'in force'}",
        "" if status.lifted else "bold red")  # fmt: skip
    say(f"  requested  {moment(thrown.at)} by {clean(thrown.by)}: {clean(thrown.why)}")
    for process, at in sorted(status.confirmed.items(), key=lambda item: item[1]):
        say(f"  confirmed  {moment(at)} by {clean(process)}, after {delay_ms(status, at):,} ms")
    if not status.lifted:
        say(f"  silent     {clean(', '.join(status.silent)) or 'no living process'}")
        say(f"  in flight  {count(status.in_flight, 'effect')}, as the processes said when they confirmed")
