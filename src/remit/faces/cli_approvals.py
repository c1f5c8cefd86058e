"""The verb to decide: approvals, with list, show, approve, reject, edit and settle."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

from cyclopts import App, Parameter

from remit.canonical import parse
from remit.errors import BadInput
from remit.faces.as_json import inbox_json, question_json
from remit.faces.cli_options import Acting, AsJson, CompanyFolder, Role, Why, acting
from remit.faces.teller import journey_line
from remit.faces.terminal import clean, moment, say, say_json, short, table, warn

if TYPE_CHECKING:
    from remit.app import Control, Journey
    from remit.vocabulary import Json

__all__ = ["approvals"]

ActionId = Annotated[str, Parameter(name="ID", help="The first digits of an action, or its case.")]

approvals = App(name="approvals", help="List what waits for a person; show, approve, reject, edit or settle it.")


@approvals.default
def waiting(*, company: CompanyFolder = Path(), as_json: AsJson = False) -> int:
    """List what waits for a person, the most urgent first."""
    from remit.app import open_company

    with open_company(company, "approvals", report=warn) as control:
        items = control.inbox()
    if as_json:
        say_json([inbox_json(item) for item in items])
        return 0
    if not items:
        say("nothing waits for a person")
        return 0
    header = ("action", "waits for", "who", "until", "agent", "asks for", "case", "because")
    rows = [
        (
            short(item.action), item.waits_for, ", ".join(item.roles) or "anybody", moment(item.due_at), item.agent,
            item.name, item.case, "; ".join(item.reasons),
        )
        for item in items
    ]  # fmt: skip
    table(header, rows)
    return 0


approvals.command(waiting, name="list")


@approvals.command
def show(action: ActionId, /, *, company: CompanyFolder = Path(), as_json: AsJson = False) -> int:
    """Show what is asked, on which facts, and by which rules."""
    from remit.app import open_company

    with open_company(company, "approvals", report=warn) as control:
        if as_json:
            say_json(question_json(control, action))
            return 0
        journey = control.journey(action)
        account = control.explain(journey.action)
    say(journey_line(journey))
    say(f"\n{account}")
    if journey.progress == "waiting":
        due = moment(str(journey.asked["due_at"]))
        say(f"\nWaits until {due}: remit approvals approve|reject|edit {short(journey.action)}", "dim")
    elif journey.progress == "uncertain":
        say(f"\nFind out whether it was done: remit approvals settle {short(journey.action)} --done|--not-done", "dim")
    return 0


@approvals.command
def approve(
    action: ActionId,
    /,
    *,
    role: Role = "",
    why: Why = "",
    company: CompanyFolder = Path(),
    person: Acting = "",
) -> int:
    """Say yes to exactly this action, on exactly these facts."""
    from remit.app import open_company

    with open_company(company, "approvals", report=warn) as control:
        journey = control.approve(action, acting(person), role, why)
        _told(journey)
        if journey.progress == "approved":
            _who_carries_on(control)
    return 0


def _told(journey: Journey) -> None:
    say(journey_line(journey))
    if journey.progress == "waiting":
        asked = ", ".join(role if number == 1 else f"{number} of {role}" for role, number in journey.asked["asks"])
        given = ", ".join(f"{grant.person} as {grant.role}" for grant in journey.grants) or "nobody"
        say(f"asked are {clean(asked)}; said yes so far: {clean(given)}")


def _who_carries_on(control: Control) -> None:
    if any(seen.role == "worker" for seen in control.status().processes):
        say("a worker that is running will judge it again and carry it on")
    else:
        say("no worker is running; carry it on with: remit worker --until-idle")


@approvals.command
def reject(
    action: ActionId, /, *, why: Why, role: Role = "", company: CompanyFolder = Path(), person: Acting = ""
) -> int:
    """Say no, with the reason."""
    from remit.app import open_company

    with open_company(company, "approvals", report=warn) as control:
        _told(control.reject(action, acting(person), why, role))
    return 0


@approvals.command
def edit(
    action: ActionId,
    /,
    *,
    changed: Annotated[
        list[str],
        Parameter(name="--set", consume_multiple=True, negative="", help="What changes: name=value, once or more."),
    ],
    why: Why,
    role: Role = "",
    company: CompanyFolder = Path(),
    person: Acting = "",
) -> int:
    """Put a changed action in its place; it is judged anew, and you are its proposer."""
    from remit.app import open_company

    pairs = [_pair(text) for text in changed]
    with open_company(company, "approvals", report=warn) as control:
        proposed: Any = control.journey(action).decided["action"]
        manifest = control.law.manifests.get(proposed["agent"])
        grant = None if manifest is None else manifest.actions.get(proposed["name"])
        declared: dict[str, Any] = {} if grant is None else dict(grant.arguments["properties"])
        values = {name: _value(name, text, declared.get(name, {})) for name, text in pairs}
        _told(control.edit(action, acting(person), values, why, role))
    return 0


def _pair(text: str) -> tuple[str, str]:
    name, equals, value = text.partition("=")
    if not name or not equals:
        raise BadInput(f"--set: got {text!r:.60}, expected name=value")
    return name, value


def _value(name: str, text: str, declared: dict[str, Any]) -> Json:
    """Read ``text`` as the type that the manifest declares; text where it declares none."""
    if declared.get("type", "string") == "string" and "enum" not in declared:
        return text
    if text in declared.get("enum", ()):
        return text
    try:
        return parse(text)
    except BadInput as error:
        raise BadInput(f"--set {name}: {error}") from None


@approvals.command
def settle(
    action: ActionId,
    /,
    *,
    done: Annotated[bool, Parameter(name="--done", negative="--not-done", help="Whether the system did it.")],
    why: Why,
    company: CompanyFolder = Path(),
    person: Acting = "",
) -> int:
    """Say what you found out about an effect that is uncertain."""
    from remit.app import open_company

    with open_company(company, "approvals", report=warn) as control:
        _told(control.settle(action, acting(person), done=done, why=why))
    return 0
