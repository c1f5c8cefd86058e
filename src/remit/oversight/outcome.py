"""What became of a case: recorded once, by whoever knows."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

import orjson

from remit.canonical import canonical, from_moment
from remit.errors import BadInput, NotFound
from remit.ledger.journal import Journal
from remit.store.engine import Reader, Store, Transaction
from remit.vocabulary import Event, Json, Outcome

__all__ = ["actions_of_case", "record_outcome"]

SPEAKER_CHARACTERS_MAX: Final = 100
VALUE_BYTES_MAX: Final = 65_536


def actions_of_case(reader: Reader | Store, case: str, agent: str = "") -> tuple[str, ...]:
    """Return the digests of the actions that were judged in ``case``, oldest first; of ``agent`` only when given."""
    decided = "kind = 'action.decided' and step = 'decided:1'"
    statement = f"select action, body from event where case_id = ? and case_id <> '' and {decided} order by seq"  # noqa: S608  ours
    rows = reader.fetch(statement, (case,)) if hasattr(reader, "fetch") else reader.read(statement, (case,))
    return tuple(action for action, body in rows if not agent or orjson.loads(body)["data"]["action"]["agent"] == agent)


def record_outcome(journal: Journal, outcome: Outcome) -> bool:
    """Record what became of ``outcome.action``; return False when exactly this is on record already.

    A later word of the same speaker corrects the earlier one; both stay on record.

    Raises:
        NotFound: no such action was ever judged.
        BadInput: the case is not the action's, nobody says it, or the value has no canonical form.
    """
    _sound(outcome)
    data: dict[str, Json] = {
        "right": outcome.right,
        "said_by": outcome.said_by,
        "matured_at": from_moment(outcome.matured_at),
        "value": dict(outcome.value),
    }
    fresh = True

    def work(transaction: Transaction, _seq: int) -> tuple[Event, ...]:
        nonlocal fresh
        agent = _agent(transaction, outcome)
        fresh = not _known(transaction, outcome, data)
        event = Event("outcome.recorded", outcome.said_by, {"agent": agent, **data}, outcome.case, outcome.action)
        return (event,) if fresh else ()

    journal.append_with(work)
    return fresh


def _sound(outcome: Outcome) -> None:
    said_by = outcome.said_by
    if not said_by or len(said_by) > SPEAKER_CHARACTERS_MAX or not said_by.isprintable():
        raise BadInput(f"said_by: got {said_by!r:.60}, expected 1 to {SPEAKER_CHARACTERS_MAX} printable characters")
    if outcome.right is not None and not isinstance(outcome.right, bool):
        raise BadInput(f"right: got {outcome.right!r:.40}, expected true, false, or nothing when it is not known")
    if outcome.matured_at.tzinfo is None:
        raise BadInput(f"matured_at: got {outcome.matured_at!r}, expected a moment with a time zone")
    if len(canonical(dict(outcome.value))) > VALUE_BYTES_MAX:
        raise BadInput(f"value: more than {VALUE_BYTES_MAX} bytes")


def _agent(transaction: Transaction, outcome: Outcome) -> str:
    rows = transaction.fetch(
        "select case_id, body from event where action = ? and step <> '' and step = 'decided:1'", (outcome.action,)
    )
    if not rows:
        raise NotFound(f"no action {outcome.action[:12]!r} was ever judged, so nothing can have become of it")
    case, body = rows[0]
    if case != outcome.case:
        raise BadInput(f"case: got {outcome.case!r:.80}, the action's is {case!r:.80}")
    agent: str = orjson.loads(body)["data"]["action"]["agent"]
    return agent


def _known(transaction: Transaction, outcome: Outcome, data: Mapping[str, Any]) -> bool:
    """Whether the last word of the same speaker is this word."""
    rows = transaction.fetch(
        "select body from event where case_id = ? and case_id <> '' and kind = 'outcome.recorded'"
        " and action = ? and actor = ? order by seq desc limit 1",
        (outcome.case, outcome.action, outcome.said_by),
    )
    if not rows:
        return False
    last = orjson.loads(rows[0][0])["data"]
    return all(canonical(last[name]) == canonical(value) for name, value in data.items())
