"""The pages on commands, events, errors, the HTTP API and the Python API, from the code itself."""

from __future__ import annotations

import contextlib
import inspect
import io
import os
import tempfile
from collections.abc import Iterator, Mapping
from pathlib import Path
from types import SimpleNamespace
from typing import Any, Final, cast

from docs.reference.event_forms import FORMS
from docs.reference.pages_of_files import MADE

import remit
from remit import app, errors
from remit.faces.verbs import VERBS, help_text
from remit.ledger.event import KINDS

__all__ = ["api_page", "cli_page", "errors_page", "events_page", "python_page"]

_COMMANDS: Final[Mapping[str, tuple[str, ...]]] = {
    "policy": ("policy", "policy test"),
    "approvals": ("approvals", *(f"approvals {name}" for name in ("show", "approve", "reject", "edit", "settle"))),
}
"""Verbs that have commands of their own, in the order of the page."""


def cli_page() -> str:
    """Return the page on the command line: every verb with its help."""
    parts = [
        f"# The command line\n\n{MADE}\n\nExit codes: 0 success; 2 your fault, the message says what to correct; "
        "1 ours, or a ledger that is broken; 130 an interrupt.",
        f"```text\n{help_text().rstrip()}\n```",
    ]
    for verb in VERBS:
        for command in _COMMANDS.get(verb.name, (verb.name,)):
            parts.append(f"## remit {command}\n\n```text\n{_help(command)}\n```")
    return "\n\n".join(parts) + "\n"


def _help(command: str) -> str:
    from remit.faces.cli import main

    shown, before = io.StringIO(), os.environ.get("COLUMNS")
    os.environ["COLUMNS"] = "80"
    try:
        with contextlib.redirect_stdout(shown):
            main([*command.split(), "--help"])
    finally:
        if before is None:
            del os.environ["COLUMNS"]
        else:
            os.environ["COLUMNS"] = before
    return "\n".join(line.rstrip() for line in shown.getvalue().splitlines()).rstrip()


def events_page() -> str:
    """Return the page on the ledger's events."""
    lines = [
        "# Events",
        "",
        MADE,
        "",
        "An event's body is canonical JSON with the keys `action`, `actor`, `at`, `case`, `data`, `kind`, `step`",
        "and `v`; its leaf is SHA-256 of a zero byte and the body (RFC 9162). An action's events are its journal:",
        "a step is written once. N counts from 1.",
        "",
        "| kind | says | step | data |",
        "|---|---|---|---|",
    ]
    for kind, says in KINDS.items():
        step, fields = FORMS[kind]
        shown = ", ".join(_field(name) for name in fields) or "nothing writes it yet"
        lines.append(f"| `{kind}` | {says} | {f'`{step}`' if step else ''} | {shown} |")
    return "\n".join(lines) + "\n"


def _field(name: str) -> str:
    return f"`{name}`" if not name.endswith("?") else f"`{name[:-1]}` (not always)"


def errors_page() -> str:
    """Return the page on what can go wrong."""
    lines = [
        "# Errors",
        "",
        MADE,
        "",
        "Everything that can be met is one of these. The message says what happened; the class says what to do.",
        "",
        "| error | is a | what it means, and what to do | exit code |",
        "|---|---|---|---|",
    ]
    for name in errors.__all__:
        kind = getattr(errors, name)
        if issubclass(kind, errors.RemitError):
            lines.append(f"| `{name}` | {_parent(kind)} | {kind('').advice} | {kind.exit_code} |")
    return "\n".join(lines) + "\n"


def _parent(kind: type[Exception]) -> str:
    public = (parent.__name__ for parent in kind.__mro__[1:] if parent.__name__ in errors.__all__)
    return next((f"`{name}`" for name in public), "")


def api_page() -> str:
    """Return the page on the HTTP API, from its own OpenAPI document."""
    described = _openapi()
    parts = [
        f"# The HTTP API\n\n{MADE}\n\n"
        "`remit serve` answers on this machine only. Callers send `Authorization: Bearer TOKEN` with the token in\n"
        "`.remit/api.token`; only `/health` is open, and events of a source whose sender signs\n"
        "them go by their signature instead. `GET /v1/openapi.json` is the whole description. Every answer\n"
        'that is no success is `{"error": class, "what": ..., "advice": ...}` with the classes of [errors](errors.md).'
    ]
    for path, methods in described["paths"].items():
        for method, about in methods.items():
            lines = [f"## {method.upper()} {path}", "", about["description"].strip()]
            lines += _inputs(about)
            parts.append("\n".join(lines))
    return "\n\n".join(parts) + "\n"


def _openapi() -> dict[str, Any]:
    from remit.faces.api import build_api

    with tempfile.TemporaryDirectory() as state:
        control = SimpleNamespace(company=SimpleNamespace(state=Path(state)))
        return build_api(cast(app.Control, control)).openapi()


def _inputs(about: Mapping[str, Any]) -> list[str]:
    asked = [one for one in about.get("parameters", ()) if one["in"] == "query"]
    body = about.get("requestBody", {}).get("content", {}).get("application/json", {}).get("schema")
    lines = []
    if asked:
        lines += ["", "Query: " + ", ".join(f"`{one['name']}`" for one in asked) + "."]
    if body:
        required = set(body.get("required", ()))
        keys = [f"`{name}`" + ("" if name in required else " (optional)") for name in body["properties"]]
        lines += ["", "Body: " + ", ".join(keys) + "."]
    return lines


def python_page() -> str:
    """Return the page on the Python API: what `app` offers."""
    parts = [
        f"# The Python API\n\n{MADE}\n\n"
        "`remit.open_company` is the door; the rest is in `remit.app`. The nouns these take and return are in\n"
        "`remit.vocabulary`, every error is in [errors](errors.md).",
    ]
    assert remit.open_company is app.open_company
    for name in app.__all__:
        member = getattr(app, name)
        if inspect.isfunction(member):
            parts.append(f"## {name}\n\n{_signed(name, member)}")
    parts.append(f"## Control\n\n{_words(app.Control)}")
    parts += [f"### Control.{name}\n\n{_signed(name, member)}" for name, member in _public(app.Control)]
    for name in app.__all__:
        member = getattr(app, name)
        if inspect.isclass(member) and member is not app.Control:
            fields = ", ".join(f"`{field}`" for field in getattr(member, "__dataclass_fields__", ()))
            parts.append(f"## {name}\n\n{_words(member)}\n\nFields: {fields}.")
    return "\n\n".join(parts) + "\n"


def _public(kind: type) -> Iterator[tuple[str, Any]]:
    for name, member in vars(kind).items():
        if not name.startswith("_") and (inspect.isfunction(member) or isinstance(member, property)):
            yield name, member


def _signed(name: str, member: Any) -> str:
    if isinstance(member, property):
        return _words(member)
    signature = inspect.signature(member)
    shown = [_parameter(one) for one in signature.parameters.values() if one.name != "self"]
    kinds = [one.kind for one in signature.parameters.values() if one.name != "self"]
    if inspect.Parameter.KEYWORD_ONLY in kinds and inspect.Parameter.VAR_POSITIONAL not in kinds:
        shown.insert(kinds.index(inspect.Parameter.KEYWORD_ONLY), "*")
    return f"```text\n{name}({', '.join(shown)}) -> {signature.return_annotation}\n```\n\n{_words(member)}"


def _parameter(one: inspect.Parameter) -> str:
    star = "*" if one.kind is one.VAR_POSITIONAL else "**" if one.kind is one.VAR_KEYWORD else ""
    text = f"{star}{one.name}: {one.annotation}"
    if one.default is inspect.Parameter.empty:
        return text
    simple = one.default is None or isinstance(one.default, bool | int | str | tuple)
    return f"{text} = {one.default!r}" if simple else f"{text} = ..."


def _words(member: Any) -> str:
    return inspect.getdoc(member) or ""
