"""What a person says of a case they reviewed: checked, and recorded once."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from remit.errors import BadInput, Conflict
from remit.ledger.journal import Guards, Journal, Moved
from remit.store.engine import Transaction
from remit.vocabulary import Event, Json

__all__ = ["answer_review", "check_said"]

SECONDS_MAX: Final = 7 * 86_400


def answer_review(
    journal: Journal,
    action: str,
    person: str,
    *,
    right: bool | None,
    seconds: int | None,
    why: str,
    case: str,
    agent: str,
    name: str,
    blind: bool,
    own_answer: Mapping[str, Json] | None,
    shown_digest: str,
    guard: str | None,
) -> Event:
    """Record a review. ``guard`` is the action whose review must still be open; None for a probe, answered once.

    Raises:
        BadInput: wrong without a reason, or an impossible time. Conflict: it was answered meanwhile.
    """
    check_said(right, why, seconds)
    data: dict[str, Json] = {
        "agent": agent, "name": name, "person": person, "right": right, "seconds": seconds, "why": why, "blind": blind,
        "shown_digest": shown_digest,
    }  # fmt: skip
    if own_answer is not None:
        data["own_answer"] = dict(own_answer)
    event = Event("review.answered", f"person:{person}", data, case, action)

    def once(transaction: Transaction, _seq: int) -> tuple[Event, ...]:
        said = "action = ? and case_id = ? and case_id <> '' and kind = 'review.answered'"
        if transaction.fetch(f"select 1 from event where {said} limit 1", (action, case)):  # noqa: S608  ours
            raise Moved("review", action)
        return (event,)

    try:
        if guard is None:
            journal.append_with(once)
        else:
            journal.append_now(event, guards=Guards(review=guard))
    except Moved:
        raise Conflict(f"{action[:12]} was reviewed meanwhile; look at the next case") from None
    return event


def check_said(right: bool | None, why: str, seconds: int | None) -> None:
    """Refuse what cannot be said of a case.

    Raises:
        BadInput: wrong without a reason, too long a reason, or an impossible time.
    """
    if right is False and not why.strip():
        raise BadInput("wrong needs a reason: say why")
    if len(why) > 2_000:
        raise BadInput(f"reason of {len(why)} characters: at most 2000 are taken")
    if seconds is not None and (type(seconds) is not int or not 0 <= seconds <= SECONDS_MAX):
        raise BadInput(f"seconds taken: got {seconds!r:.40}, expected 0 to {SECONDS_MAX}")
