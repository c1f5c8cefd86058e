"""Judging recorded decisions again: same law, same action, same facts, same standing, so the same bytes."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any

from remit.canonical import canonical
from remit.errors import NotFound, RemitError
from remit.gate.decide import decide
from remit.gate.record import decision_data, read_action, read_facts, read_standing
from remit.ledger.query import all_events
from remit.ledger.sealing import unseal
from remit.run.law import SORTS, Law, law_of
from remit.store.engine import Store

__all__ = ["RejudgeReport", "rejudge"]

_PROBLEMS_MAX = 20


@dataclass(frozen=True, slots=True)
class RejudgeReport:
    """How many decisions came out the same, which did not, and how many rest on data erased since."""

    same: int
    different: tuple[str, ...]
    erased: int


def rejudge(store: Store, progress: Callable[[int], None] | None = None) -> RejudgeReport:
    """Judge every decision in the ledger again, each by the law that was in use when it was made."""
    texts: dict[str, str] = {}
    law: Law | None = None
    same, erased, different = 0, 0, list[str]()
    with store.snapshot() as reader:
        for recorded in all_events(reader, ("document.kept", "action.decided")):
            data: Mapping[str, Any] = recorded.event.data
            if recorded.event.kind == "document.kept":
                texts[data["sort"]], law = data["text"], None
                continue
            if law is None:
                law = law_of({sort: texts.get(sort, "{}") for sort in SORTS})
            try:
                again = _again(store, law, data)
            except NotFound:
                erased += 1
                continue
            except RemitError as error:
                again = str(error).encode()
            if again == canonical(data["decision"]):
                same += 1
            elif len(different) < _PROBLEMS_MAX:
                different.append(f"event {recorded.seq}: {recorded.event.action[:12]} is judged otherwise now")
            if progress is not None and same % 256 == 0:
                progress(same)
    return RejudgeReport(same, tuple(different), erased)


def _again(store: Store, law: Law, data: Mapping[str, Any]) -> bytes:
    action = read_action(data["action"])
    action = replace(action, arguments=unseal(store, action.arguments))
    manifest = law.manifest(action.agent)
    standing = read_standing(data["standing"])
    return canonical(decision_data(decide(law.rules, manifest, action, read_facts(data["facts"]), standing)))
