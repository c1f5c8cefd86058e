"""What a manifest allows that its owner may not have meant. Warnings only: none of them stops an agent."""

from __future__ import annotations

from collections.abc import Iterator

from remit.document import Document, PathKey, read_document
from remit.errors import Finding
from remit.manifest.grant import ActionGrant, Manifest
from remit.manifest.manifest_schema import MANIFEST_SCHEMA

__all__ = ["lint"]

_Warning = tuple[PathKey, str, str]


def lint(manifest: Manifest) -> tuple[Finding, ...]:
    """Warn about ``manifest``, in the order of its lines."""
    document, _ = read_document(manifest.file, MANIFEST_SCHEMA, manifest.text)
    warnings = [*_agent(manifest)]
    for name, grant in manifest.actions.items():
        path: PathKey = ("actions", name)
        for below, what, advice in (*_deed(manifest, grant), *_amount(grant), *_facts(grant)):
            warnings.append(((*path, *below), f"{name}: {what}", advice))
    found = [_finding(manifest, document, warning) for warning in warnings]
    return tuple(sorted(found, key=lambda one: (one.line, one.column, one.what)))


def _finding(manifest: Manifest, document: Document | None, warning: _Warning) -> Finding:
    path, what, advice = warning
    if document is None:
        return Finding(manifest.file, 0, 0, what, advice, "warning")
    return document.finding(path, what, advice, "warning")


def _agent(manifest: Manifest) -> Iterator[_Warning]:
    if manifest.deputy is None:
        yield (), "no deputy", "name who answers when the owner is away"
    elif manifest.deputy == manifest.owner:
        yield ("deputy",), "owner and deputy are one person", "name somebody else"
    if not manifest.runs:
        yield (), "`runs` is empty", "name model, prompt and code, so that a change of them is a new version"
    if not manifest.success:
        yield (), "no measure of success", "say what a good outcome is"
    if not manifest.escalation:
        yield (), "no escalation", "say who is asked when nobody answers, and after how long"


def _deed(manifest: Manifest, grant: ActionGrant) -> Iterator[_Warning]:
    if grant.oversight == "in_control":
        return
    alone = grant.oversight == "on_the_loop"
    if alone and grant.irreversible and not grant.limits:
        yield (
            ("oversight",),
            "irreversible, without a person and without a limit",
            "add a limit, or in_the_loop",
        )
    if alone and manifest.confidence is None:
        yield (
            ("oversight",),
            "no confidence is asked for before it acts alone",
            "add `confidence` to the manifest",
        )
    if grant.undo is None and not grant.irreversible:
        yield (), "it is not said whether it can be undone", "name `undo`, or say `irreversible: true`"
    if not grant.touches:
        yield (), "touches nothing, so no conflict with other agents is seen", "name the entities it works on"


def _amount(grant: ActionGrant) -> Iterator[_Warning]:
    if grant.amount is None or grant.oversight == "in_control":
        return
    if not grant.once:
        yield (), "moves an amount and may be done twice", "name in `once` what makes it one and the same"
    if not any(limit.of == "amount" for limit in grant.limits):
        yield (), "moves an amount without a limit on it", "add a limit of `amount`"
    lowest = grant.arguments["properties"][grant.amount].get("minimum")
    if lowest is None or lowest < 0:
        where = ("arguments", "properties", grant.amount)
        yield where, f"{grant.amount} may be below zero", "add `minimum: 0`"


def _facts(grant: ActionGrant) -> Iterator[_Warning]:
    for need in grant.facts:
        if need.fresh_seconds is None:
            yield ("facts", need.name), f"fact {need.name} may be of any age", "add `fresh`"
    caps = {limit.at_most_fact for limit in grant.limits}
    for need in grant.facts:
        if need.name in caps and need.missing != "deny":
            where = ("facts", need.name, "missing")
            yield (
                where,
                f"the limit on {need.name} denies when it is missing, whatever stands here",
                "write deny",
            )
