"""One rule: a Cedar policy with the annotations that make it one of ours."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final, Literal

from remit.errors import BadInput, Finding
from remit.gate.cedar import policy_data
from remit.gate.cedar_text import Statement
from remit.gate.condition import depth_of, paths_read, roles_tested
from remit.vocabulary import Ask

__all__ = ["PolicyRule", "RuleEffect", "read_rule"]

RuleEffect = Literal["permit", "forbid", "approve"]
DEPTH_MAX: Final = 128
REASON_CHARACTERS_MAX: Final = 500
_ID: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9_./:-]{0,99}")
_APPROVER: Final = re.compile(r"\s*([A-Za-z0-9][A-Za-z0-9_-]{0,63})\s*(?::\s*([1-9]))?\s*")
_ANNOTATIONS: Final = ("id", "reason", "effect", "approvers", "note")
_Notes = Mapping[str, str | None]


@dataclass(frozen=True, slots=True)
class PolicyRule:
    """A permit, a forbid, or a forbid that approvals lift. ``data`` is the policy in Cedar's JSON."""

    id: str
    reason: str
    effect: RuleEffect
    approvers: tuple[Ask, ...]
    statement: Statement
    data: Mapping[str, Any]
    paths: frozenset[tuple[str, ...]]
    """What it reads of the context."""
    facts: tuple[str, ...]
    """The facts among that, sorted."""

    def finding(self, what: str, advice: str = "", severity: str = "error") -> Finding:
        """Say something about the whole rule, where it begins."""
        return self.statement.finding(0, f"rule {self.id}: {what}", advice, severity)


def read_rule(statement: Statement) -> tuple[PolicyRule | None, list[Finding]]:
    """Read one rule, or say why it cannot be taken. A rule may come with warnings."""
    try:
        data = policy_data(statement.text)
    except BadInput as error:
        offset = statement.error_offset(policy_data, str(error))
        advice = "a rule ends with ;" if "end of input" in str(error) else ""
        return None, [statement.finding(offset, f"not Cedar: {error}"[:300], advice)]
    if depth_of(data) > DEPTH_MAX:
        return None, [statement.finding(0, "nested too deep to be evaluated everywhere", "split the rule")]
    found: list[Finding] = []
    notes: _Notes = data.get("annotations", {})
    rule_id, reason = _named(statement, notes, found)
    effect, approvers = _effect(statement, data, notes, found)
    paths = frozenset(paths_read(data["conditions"]))
    found += _approvals(statement, data, effect, approvers, paths)
    found += _unknown_notes(statement, notes)
    if any(one.severity == "error" for one in found):
        return None, found
    facts = tuple(sorted({path[1] for path in paths if path[:1] == ("facts",) and len(path) > 1}))
    return PolicyRule(rule_id, reason, effect, approvers, statement, data, paths, facts), found


def _named(statement: Statement, notes: _Notes, found: list[Finding]) -> tuple[str, str]:
    texts = []
    for name in ("id", "reason"):
        text = (notes.get(name) or "").strip()
        if not text:
            found.append(statement.finding(0, f"no @{name}", f'write @{name}("...") before the rule'))
        texts.append(text)
    if texts[0] and not _ID.fullmatch(texts[0]):
        what = f"@id must be letters, digits and _./:- up to 100: got {texts[0]!a:.60}"
        found.append(statement.finding(statement.offset_of("@", "id"), what))
    if len(texts[1]) > REASON_CHARACTERS_MAX:
        what = f"@reason is longer than {REASON_CHARACTERS_MAX} characters"
        found.append(statement.finding(statement.offset_of("@", "reason"), what))
    return texts[0], texts[1]


def _effect(
    statement: Statement, data: Mapping[str, Any], notes: _Notes, found: list[Finding]
) -> tuple[RuleEffect, tuple[Ask, ...]]:
    plain: RuleEffect = "permit" if data["effect"] == "permit" else "forbid"
    if "effect" not in notes:
        if "approvers" in notes:
            offset = statement.offset_of("@", "approvers")
            found.append(statement.finding(offset, '@approvers without @effect("approve")', "add it"))
        return plain, ()
    offset = statement.offset_of("@", "effect")
    if notes["effect"] != "approve":
        what = f'@effect is "approve" or left out: got {notes["effect"]!a:.40}'
        found.append(statement.finding(offset, what))
        return plain, ()
    if plain == "permit":
        advice = "write it as a forbid that approvals lift"
        found.append(statement.finding(offset, "a permit cannot ask for approval", advice))
        return plain, ()
    approvers = _approvers(notes.get("approvers"))
    if not approvers:
        what = '@effect("approve") needs @approvers("role, role:2"), each role once, 1 to 9 people'
        found.append(statement.finding(statement.offset_of("@", "approvers") or offset, what))
    return "approve", approvers


def _approvers(text: str | None) -> tuple[Ask, ...]:
    asks: dict[str, Ask] = {}
    for part in (text or "").split(","):
        match = _APPROVER.fullmatch(part)
        if match is None or match[1] in asks:
            return ()
        asks[match[1]] = Ask(match[1], int(match[2] or 1))
    return tuple(asks.values())


def _approvals(
    statement: Statement,
    data: Mapping[str, Any],
    effect: RuleEffect,
    approvers: tuple[Ask, ...],
    paths: frozenset[tuple[str, ...]],
) -> list[Finding]:
    """An approval lifts approval rules and nothing else, and every approver must be able to lift."""
    if effect != "approve":
        if not any(not path or path[0] == "approvals" for path in paths):
            return []
        what = 'only a rule with @effect("approve") may read context.approvals'
        offset = statement.offset_of("approvals")
        return [statement.finding(offset, what, "an approval lifts nothing else")]
    tested, named = set(roles_tested(data["conditions"])), {ask.role for ask in approvers}
    offset = statement.offset_of("@", "approvers")
    found = []
    for role in sorted(named - tested):
        advice = f'add context.approvals.contains("{role}")'
        found.append(statement.finding(offset, f"the condition never asks for {role}", advice))
    for role in sorted(tested - named) if named else ():
        what = f"{role!a:.60} is asked for and not in @approvers"
        found.append(statement.finding(statement.offset_of(f'"{role}"'), what))
    return found


def _unknown_notes(statement: Statement, notes: _Notes) -> list[Finding]:
    advice = f"known: {', '.join('@' + known for known in _ANNOTATIONS)}"
    return [
        statement.finding(statement.offset_of("@", name), f"@{name} means nothing here", advice, "warning")
        for name in notes
        if name not in _ANNOTATIONS
    ]
