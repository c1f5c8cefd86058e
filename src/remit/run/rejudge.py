"""Judging recorded decisions again: same law, same action, same facts, same standing, so the same bytes."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any

from remit.canonical import canonical
from remit.errors import LedgerBroken, NotFound, RemitError
from remit.gate.decide import decide
from remit.gate.record import decision_data, read_action, read_facts, read_standing
from remit.ledger.query import all_events
from remit.ledger.sealing import ERASED_FACT, OpenFacts, is_closed, unseal
from remit.run.law import SORTS, Law, law_of
from remit.store.engine import Reader, Store
from remit.vocabulary import Fact

__all__ = ["RejudgeReport", "rejudge"]

_PROBLEMS_MAX = 20


@dataclass(frozen=True, slots=True)
class RejudgeReport:
    """How many decisions came out the same, which did not, and how many rest on data erased since.

    ``unknown`` are those that cannot be judged again because a fact is no longer what was recorded; at most 20 of both.
    """

    same: int
    different: tuple[str, ...]
    erased: int
    unknown: tuple[str, ...] = ()


def rejudge(store: Store, open_facts: OpenFacts, progress: Callable[[int], None] | None = None) -> RejudgeReport:
    """Judge every decision in the ledger again, each by the law that was in use when it was made.

    ``open_facts`` puts back what sealed facts said.
    """
    texts: dict[str, str] = {}
    law: Law | None = None
    same, erased, different, unknown = 0, 0, list[str](), list[str]()
    with store.snapshot() as reader:
        for recorded in all_events(reader, ("document.kept", "action.decided")):
            data: Mapping[str, Any] = recorded.event.data
            if recorded.event.kind == "document.kept":
                texts[data["sort"]], law = data["text"], None
                continue
            if law is None:
                law = law_of({sort: texts.get(sort, "{}") for sort in SORTS})
            try:
                again = _again(store, law, data, _facts(reader, open_facts, data))
            except NotFound:
                erased += 1
                continue
            except LedgerBroken as error:
                if len(unknown) < _PROBLEMS_MAX:
                    unknown.append(
                        f"event {recorded.seq}: {recorded.event.action[:12]} cannot be judged again: {error}"
                    )
                continue
            except RemitError as error:
                again = str(error).encode()
            if again == canonical(data["decision"]):
                same += 1
            elif len(different) < _PROBLEMS_MAX:
                different.append(f"event {recorded.seq}: {recorded.event.action[:12]} is judged otherwise now")
            if progress is not None and same % 256 == 0:
                progress(same)
    return RejudgeReport(same, tuple(different), erased, tuple(unknown))


def _facts(reader: Reader, open_facts: OpenFacts, data: Mapping[str, Any]) -> dict[str, Fact]:
    """What the decision rests on, whole; raises where a fact says nothing any more."""
    opened = open_facts(reader, data["facts"])
    closed = [fact for fact in opened if is_closed(fact)]
    for fact in closed:
        if fact["problem"] != ERASED_FACT:
            raise LedgerBroken(f"fact {fact['name']} ({fact.get('id', '')}) is {fact['problem']}")
    if closed:
        raise NotFound(f"fact {closed[0]['name']} was erased")
    return read_facts([*opened])


def _again(store: Store, law: Law, data: Mapping[str, Any], facts: Mapping[str, Fact]) -> bytes:
    action = read_action(data["action"])
    action = replace(action, arguments=unseal(store, action.arguments))
    manifest = law.manifest(action.agent)
    standing = read_standing(data["standing"])
    return canonical(decision_data(decide(law.rules, manifest, action, facts, standing)))
