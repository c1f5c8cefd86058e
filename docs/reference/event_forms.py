"""How each kind of event is written: the pattern of its step, and the fields of its data.

`tests/docs/test_event_forms.py` compares this with events that really were written.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

__all__ = ["FORMS"]

FORMS: Final[Mapping[str, tuple[str, tuple[str, ...]]]] = {
    "action.decided": ("decided:N", ("attempt", "action", "facts", "standing", "decision")),
    "action.begun": (
        "begun",
        (
            "key", "agent", "version", "department", "name", "system", "operation", "process", "reserves", "claims",
            "once",
        ),
    ),
    "action.finished": ("ended", ("result", "cost_minor", "looked_up", "agent?")),
    "action.failed": ("ended", ("problem", "agent?")),
    "action.uncertain": ("uncertain:N", ("problem", "then", "process")),
    "approval.asked": (
        "asked:N",
        (
            "now", "agent", "name", "department", "built_by", "reasons", "manifest", "policies", "number", "asks",
            "chain", "level", "stand_ins", "due_at", "shown", "shown_digest", "proposer",
        ),
    ),
    "approval.answered": (
        "answered:N:PERSON",
        ("number", "agent", "person", "role", "verdict", "why", "seconds", "shown_digest", "replaced_by?"),
    ),
    "approval.escalated": ("escalated:N:LEVEL", ("number", "agent", "level", "asks", "stand_ins", "due_at")),
    "approval.expired": ("expired:N", ("number", "agent", "why")),
    "approval.void": ("void:N", ("number", "agent", "why")),
    "document.kept": ("", ("sort", "name", "digest", "text")),
    "halt.requested": ("", ("id", "scope", "why", "at")),
    "halt.confirmed": ("", ("halt", "process", "in_flight", "at")),
    "halt.lifted": ("", ("id", "why")),
    "outcome.recorded": ("", ("agent", "right", "said_by", "matured_at", "value")),
    "source.batch": ("", ("dataset", "load", "number", "counts", "root")),
    "source.loaded": (
        "",
        (
            "dataset", "load", "mode", "state", "problem", "started", "ended", "trust", "spec", "counts?", "drift?",
            "notes?", "cursor?", "batches?", "fresh_seconds?", "by_observed?",
        ),
    ),
    "quarantine.moved": ("", ("qid", "dataset", "to", "why", "root?", "repaired?", "counts?")),
    "entity.merged": ("", ("moves", "how", "score_bp", "why", "undoes?")),
    "entity.split": ("", ("moves", "how", "score_bp", "why", "undoes?")),
    "context.read": (
        "",
        (
            "agent", "scopes", "as_of", "valid_at", "now", "digest", "facts", "contradicted", "entity?", "hops?",
            "cap?",            "entities_max?", "facts_max?", "links?", "search?", "limit?", "complete?", "near?",
        ),
    ),
    "resolution.trained": ("", ("type", "digest", "text", "records", "pairs", "single?", "as_of?")),
    "knowledge.erased": ("", ("entity", "records", "facts", "held_back", "root", "why")),
    "stage.changed": (
        "",
        (
            "agent", "version", "action", "class", "stage", "before", "cause", "why", "threshold_bp", "review_bp",
            "certificate", "expires_at", "key?",
        ),
    ),
    "threshold.learned": (
        "",
        (
            "agent", "version", "action", "class", "threshold_bp", "share_bp", "labels", "errors", "labels_missing",
            "plan_at", "method", "promise_bp", "sure_bp",
        ),
    ),
    "certificate.issued": ("issued:N", ("agent", "version", "action", "class", "to", "digest", "body", "note")),
    "alarm.raised": (
        "", ("agent", "version", "action", "class", "detector", "statistic", "limit", "decisions", "then")
    ),
    "review.answered": (
        "", ("agent", "name", "person", "right", "seconds", "why", "blind", "shown_digest", "own_answer?")
    ),
    "probe.planted": ("", ("agent", "action_name", "case", "commitment")),
    "subject.erased": ("", ("commitments", "why")),
    "ledger.recovered": ("", ("what", "size", "why?", "lost?", "before?", "processes?", "torn_bytes?")),
}  # fmt: skip
"""Kind to (step, fields of the data; those with ? are not always there). No step: not part of an action's journal."""
