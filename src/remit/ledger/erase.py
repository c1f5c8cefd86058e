"""Erasing a person: what lies beside the ledger goes, every hash and proof stays as it was."""

from __future__ import annotations

from remit.errors import BadInput
from remit.ledger.journal import Journal
from remit.store.engine import Store
from remit.vocabulary import Event, Json

__all__ = ["erase_subject"]


def erase_subject(journal: Journal, store: Store, subject: str, why: str, by: str) -> int:
    """Remove every value kept of ``subject`` and record which commitments can no longer be opened; return how many.

    The record comes first: were this process to end between the two, erasing again removes what is left. The subject's
    name is not in the record, for it may itself be personal.

    Raises:
        BadInput: nothing is kept of that subject, or no reason is given.
    """
    if not why.strip():
        raise BadInput("erasing needs a reason: --why")
    rows = store.read("select commitment from sealed where subject = ? order by commitment", (subject,))
    if not rows:
        raise BadInput(f"nothing is kept of {subject!r:.80}; subjects are named by `personal:` in the manifests")
    commitments: list[Json] = [commitment for (commitment,) in rows]
    for start in range(0, len(commitments), 1_000):
        data: dict[str, Json] = {"commitments": commitments[start : start + 1_000], "why": why}
        journal.append_now(Event("subject.erased", by, data))
    with store.transaction() as transaction:
        transaction.delete_in("sealed", "commitment", commitments)
    return len(commitments)
