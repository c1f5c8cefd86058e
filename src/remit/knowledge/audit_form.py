"""An audit in other forms: values that may be recorded or printed as JSON, and lines for a terminal."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from remit.knowledge.audit_rules import RuleResult, TableAudit
from remit.knowledge.fitness import VERDICTS, NeedFitness
from remit.vocabulary import Json

__all__ = ["age_words", "audit_json", "audit_lines", "share_words"]

_LENGTHS = ((86_400 * 365, "y"), (86_400, "d"), (3_600, "h"), (60, "m"))


def share_words(part: int, whole: int) -> str:
    """Write a share as a percentage with two decimals, never rounded to all or nothing; ``-`` of nothing."""
    if whole <= 0:
        return "-"
    basis_points = part * 10_000 // whole
    if part > 0:
        basis_points = max(basis_points, 1)
    return f"{basis_points / 100:.2f} %"


def age_words(seconds: int) -> str:
    """Write a length of time by its largest whole unit: ``45 s``, ``15 m``, ``4 h``, ``30 d``."""
    for length, unit in _LENGTHS:
        if seconds >= length:
            return f"{seconds // length} {unit}"
    return f"{seconds} s"


def audit_json(audits: Sequence[TableAudit], needs: Sequence[NeedFitness] = ()) -> dict[str, Json]:
    """Return everything that was found as plain values; what is not known is null."""
    return {"tables": [_table(audit) for audit in audits], "needs": [_need(need) for need in needs]}


def _table(audit: TableAudit) -> Json:
    return {
        "dataset": audit.dataset,
        "type": audit.type,
        "rows": audit.rows,
        "deleted": audit.deleted,
        "sound": audit.sound,
        "whole": audit.whole,
        "rules": [_rule(rule) for rule in audit.rules],
        "columns": [
            {
                "column": one.column,
                "fact": one.fact,
                "kind": one.kind,
                "rows": one.rows,
                "present": one.present,
                "usable": one.usable,
            }
            for one in audit.columns
        ],
        "fresh_seconds": audit.fresh_seconds,
        "age_seconds": audit.age_seconds,
        "ages": None if audit.ages is None else [[limit, rows] for limit, rows in audit.ages],
        "volumes": None if audit.volumes is None else list(audit.volumes),
        "quarantined": None if audit.quarantined is None else dict(audit.quarantined),
        "notes": list(audit.notes),
    }


def _rule(rule: RuleResult) -> Json:
    return {
        "rule": rule.rule,
        "column": rule.column,
        "checked": rule.checked,
        "failed": rule.failed,
        "failed_bp": rule.failed_bp,
        "weight": rule.weight,
        "examples": [
            {"position": one.position, "key": one.key, "got": one.got, "why": one.why} for one in rule.examples
        ],
    }


def _need(need: NeedFitness) -> Json:
    return {
        "agent": need.agent,
        "action": need.action,
        "need": need.need,
        "about": need.about,
        "get": need.get,
        "columns": list(need.columns),
        "verdict": need.verdict,
        "reason": need.reason,
        "usable_bp": need.usable_bp,
        "rows": need.rows,
    }


def audit_lines(audits: Sequence[TableAudit], needs: Sequence[NeedFitness] = ()) -> Iterator[str]:
    """Yield the audit as lines: needs that are not met first, then each table with its faults and hints."""
    for need in sorted(needs, key=lambda one: VERDICTS.index(one.verdict)):
        yield f"{need.verdict:<14} {need.agent} {need.action} {need.need}: {need.reason}"
    for audit in audits:
        yield f"{audit.dataset}  {audit.rows} rows, {audit.sound} sound ({share_words(audit.sound, audit.rows)})"
        yield from (f"  note  {note}" for note in audit.notes)
        for rule in (*audit.faults(), *audit.hints()):
            yield f"  {_weight(rule)} {rule.rule:<10} {rule.column or '-'}: {rule.failed} of {rule.checked}"
            for one in rule.examples:
                place = " ".join(part for part in (one.position, one.key) if part)
                got = f" got {one.got!r}" if one.got else ""
                yield f"          {place + ':' if place else ''}{got} {one.why}".rstrip()


def _weight(rule: RuleResult) -> str:
    return "fault" if rule.weight == "fault" else "hint "
