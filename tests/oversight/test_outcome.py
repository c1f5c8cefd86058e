"""An outcome is said once, by somebody, about something that was judged."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest

from remit.app import Control
from remit.errors import BadInput, NotFound
from remit.ledger.query import EventFilter, find_events
from remit.oversight.outcome import actions_of_case
from remit.vocabulary import Outcome

MATURED = datetime(2026, 3, 1, tzinfo=UTC)


def refunded(control: Control) -> str:
    return control.propose("refund-desk", "refund.create", "c-1", {"order": "A1", "amount_minor": 5}, "0.9").action


def said(control: Control) -> list[tuple[Any, Any]]:
    found = find_events(control.store, EventFilter(kind="outcome.recorded"), 100)
    return [(one.event.data["said_by"], one.event.data["right"]) for one in reversed(found)]


def test_the_same_word_twice_is_one_and_a_correction_is_another(control: Control) -> None:
    action = refunded(control)
    assert control.record_outcome(Outcome("c-1", action, True, "source:erp", MATURED))
    assert not control.record_outcome(Outcome("c-1", action, True, "source:erp", MATURED))
    assert control.record_outcome(Outcome("c-1", action, False, "person:ada.owner", MATURED, {"lost_minor": 5}))
    assert control.record_outcome(Outcome("c-1", action, False, "source:erp", MATURED))
    assert control.record_outcome(Outcome("c-1", action, True, "source:erp", MATURED))  # it changed its mind back
    assert said(control) == [
        ("source:erp", True), ("person:ada.owner", False), ("source:erp", False), ("source:erp", True),
    ]  # fmt: skip
    assert actions_of_case(control.store, "c-1") == (action,)
    assert actions_of_case(control.store, "c-1", "somebody-else") == ()


def test_what_was_never_judged_has_no_outcome(control: Control) -> None:
    action = refunded(control)
    with pytest.raises(NotFound, match="was ever judged"):
        control.record_outcome(Outcome("c-1", "f" * 64, True, "source:erp", MATURED))
    with pytest.raises(BadInput, match="the action's is 'c-1'"):
        control.record_outcome(Outcome("c-2", action, True, "source:erp", MATURED))
    assert said(control) == []


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"said_by": ""}, "said_by"),
        ({"said_by": "x\ny"}, "said_by"),
        ({"right": "yes"}, "right"),
        ({"matured_at": datetime(2026, 3, 1)}, "time zone"),
        ({"value": {"share": 0.5}}, "0.5|float|fraction"),
    ],
)
def test_impossible_words_are_refused(control: Control, change: dict[str, Any], words: str) -> None:
    plain: dict[str, Any] = {"right": True, "said_by": "source:erp", "matured_at": MATURED, "value": {}}
    with pytest.raises(BadInput, match=words):
        control.record_outcome(Outcome("c-1", refunded(control), **{**plain, **change}))
    assert said(control) == []
