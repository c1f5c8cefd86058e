"""From a manifest as written to a manifest as judged by."""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal
from pathlib import Path
from typing import Any

from remit.canonical import INTEGER_MAX, digest
from remit.document import Document, duration_seconds, read_document
from remit.errors import BadInput, BadManifest, Finding
from remit.manifest.argument_schema import with_bounds
from remit.manifest.autonomy import PROMOTE, promote_arguments, read_autonomy
from remit.manifest.crosscheck import cross_findings, people_findings
from remit.manifest.grant import (
    ActionGrant,
    ConfidenceRule,
    EscalationStep,
    FactNeed,
    Limit,
    Manifest,
)
from remit.manifest.manifest_schema import MANIFEST_SCHEMA
from remit.manifest.people import People
from remit.vocabulary import Json

__all__ = ["load_manifest", "load_manifests"]


def load_manifest(path: Path | str, text: str | None = None, people: People | None = None) -> Manifest:
    """Read one manifest from ``path``, or from ``text`` under that name.

    With ``people``, its owner, deputy and roles are looked up there; a recorded manifest is read without.

    Raises:
        BadManifest: with everything that is wrong, by line and column.
    """
    document, findings = read_document(path, MANIFEST_SCHEMA, text)
    if document is None:
        raise BadManifest(findings)
    found = [*findings, *cross_findings(document)]
    if people is not None:
        found += people_findings(document, people)
    if not found:
        try:
            return _manifest(document)
        except BadInput as error:
            found.append(document.finding((), str(error)))
    raise BadManifest(tuple(sorted(set(found), key=lambda one: (one.line, one.column, one.what))))


def load_manifests(folder: Path | str, people: People | None = None) -> tuple[Manifest, ...]:
    """Read every ``*.yaml`` in ``folder``, sorted by agent.

    Raises:
        BadManifest: with everything that is wrong in any of them, also an agent that stands in two files.
    """
    found: list[Finding] = []
    manifests: dict[str, Manifest] = {}
    for path in sorted(Path(folder).glob("*.yaml")):
        try:
            manifest = load_manifest(path, people=people)
        except BadManifest as error:
            found += error.findings
            continue
        first = manifests.setdefault(manifest.agent, manifest)
        if first is not manifest:
            what = f"agent {manifest.agent} stands in {Path(first.file).name} too"
            found.append(Finding(str(path), 1, 1, what, "give it another name, or remove one"))
    if found:
        raise BadManifest(tuple(found))
    return tuple(manifests[agent] for agent in sorted(manifests))


def _manifest(document: Document) -> Manifest:
    value: Mapping[str, Any] = document.value
    confidence = value.get("confidence")
    return Manifest(
        agent=value["agent"],
        purpose=value["purpose"],
        owner=value["owner"],
        deputy=value.get("deputy"),
        department=value["department"],
        built_by=tuple(value.get("built_by", ())),
        runs={name: _exact(item) for name, item in value.get("runs", {}).items()},
        success=value.get("success", ""),
        escalation=tuple(
            EscalationStep(step["role"], duration_seconds(step["within"])) for step in value.get("escalation", ())
        ),
        confidence=confidence and ConfidenceRule(int(Decimal(confidence["at_least"]) * 10_000), confidence["ask"]),
        actions=_actions(value),
        digest=digest(_exact(value)),
        text=document.text,
        file=document.file,
        see=tuple(value.get("knowledge", {}).get("see", ())),
    )


def _actions(value: Mapping[str, Any]) -> dict[str, ActionGrant]:
    """The actions as written, and the one that signs a promotion where autonomy can be earned."""
    actions = {name: _action(name, action) for name, action in value["actions"].items()}
    earning = [name for name, grant in actions.items() if grant.autonomy is not None]
    if earning:
        actions[PROMOTE] = ActionGrant(
            name=PROMOTE,
            system="remit",
            operation=PROMOTE,
            arguments=promote_arguments(earning),
            touches=(f"stage/{value['agent']}/$action/$class",),
            oversight="in_the_loop",
            ask=value["promotion"]["ask"],
        )
    return actions


def _exact(value: object) -> Json:
    """``value`` with every number that canonical form does not take written as text, always alike."""
    if isinstance(value, Mapping):
        return {key: _exact(item) for key, item in value.items()}
    if isinstance(value, list):
        return [_exact(item) for item in value]
    if isinstance(value, Decimal):
        return format(value.normalize(), "f")
    if isinstance(value, int) and not -INTEGER_MAX <= value <= INTEGER_MAX:
        return str(value)
    return value  # type: ignore[return-value]


def _action(name: str, value: Mapping[str, Any]) -> ActionGrant:
    return ActionGrant(
        name=name,
        system=value["system"],
        operation=value.get("operation", name),
        arguments=with_bounds(value["arguments"]),
        personal=dict(value.get("personal", {})),
        amount=value.get("amount"),
        currency=value.get("currency"),
        touches=tuple(value.get("touches", ())),
        once=tuple(value.get("once", ())),
        facts=tuple(_fact(fact, need) for fact, need in value.get("facts", {}).items()),
        limits=tuple(_limit(limit) for limit in value.get("limits", ())),
        oversight=value["oversight"],
        ask=value.get("ask"),
        undo=value.get("undo"),
        irreversible=value.get("irreversible", False),
        autonomy=read_autonomy(value["autonomy"]) if "autonomy" in value else None,
    )


def _fact(name: str, value: Mapping[str, Any]) -> FactNeed:
    system, _, read = value.get("read", "").partition(".")
    return FactNeed(
        name=name,
        system=system,
        read=read,
        parameters=dict(value.get("with", {})),
        type=value["type"],
        fresh_seconds=duration_seconds(value["fresh"]) if "fresh" in value else None,
        stale=value.get("stale", "deny"),
        missing=value.get("missing", "deny"),
        ask=value.get("ask"),
        about=value.get("about", ""),
        get=value.get("get", ""),
        absent_in=value.get("absent", {}).get("in", ""),
        absent=value.get("absent", {}).get("means"),
    )


def _limit(value: Mapping[str, Any]) -> Limit:
    cap = value["at_most"]
    return Limit(
        name=value["name"],
        of=value["of"],
        per=tuple(value.get("per", ())),
        every=value["every"],
        at_most=cap if isinstance(cap, int) else None,
        at_most_fact=cap.removeprefix("$") if isinstance(cap, str) else None,
        over=value.get("over", "deny"),
        ask=value.get("ask"),
    )
