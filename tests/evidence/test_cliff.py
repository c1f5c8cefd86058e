"""What an agent was tried on against what it meets: found where it differs, quiet where it does not."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from random import Random
from typing import Any

import pytest
from tests.run.conftest import make_shop

from remit.app import Control, init_company, open_company
from remit.errors import BadInput
from remit.evidence.cliff import met_by
from remit.ledger.event import RecordedEvent
from remit.vocabulary import Event

START = datetime(2026, 3, 1, tzinfo=UTC)


def meet(control: Control, first: int, count: int, amounts: tuple[int, ...], reasons: tuple[str, ...]) -> None:
    random = Random(first)
    for at in range(first, first + count):
        control.set_now(START + timedelta(hours=at))
        arguments = {"order": f"O{at}", "amount_minor": random.choice(amounts), "reason": random.choice(reasons)}
        control.propose("refund-desk", "refund.create", f"c-{at}", arguments, "0.9")


@pytest.fixture
def control(tmp_path: Path) -> Control:
    init_company(tmp_path / "company")
    (tmp_path / "company" / "remit.yaml").write_text("company: Test\nclock: story\n")
    return open_company(tmp_path / "company", connectors={"shop": make_shop()})


def test_what_never_came_before_is_named_with_its_count(control: Control) -> None:
    with control:
        meet(control, 0, 60, (5, 10, 20), ("late", "broken"))
        moment = START + timedelta(hours=60)
        meet(control, 60, 60, (5, 10, 20), ("late", "broken"))
        quiet = control.cliff("refund-desk", moment, None, 100)
        assert (quiet.rows_before, quiet.rows_now, quiet.alarm) == (60, 60, False)
        assert {field.name for field in quiet.fields} == {"arguments.amount_minor", "arguments.reason"}  # not the order
        meet(control, 120, 60, (5, 900, 950), ("fraud", "late"))
        found = control.cliff("refund-desk", START + timedelta(hours=120), None, 100)
        assert found.alarm and {field.name for field in found.fields if field.alarm} == {
            "arguments.amount_minor", "arguments.reason",
        }  # fmt: skip
        fraud = next(one for one in found.segments if one.fields == ("arguments.reason",))
        assert fraud.values == ('"fraud"',) and 20 <= fraud.rows <= 40
        tried: list[dict[str, str | int | None]] = [{"arguments.amount_minor": 5, "arguments.reason": "late"}] * 30
        assert control.cliff("refund-desk", None, tried, 100).alarm


def test_cases_that_rest_on_what_was_erased_take_no_part() -> None:
    """What they said is not known; it must not be taken for missing, which would be something new."""

    def decided(case: str, *facts: dict[str, Any]) -> RecordedEvent:
        action = {"agent": "a", "name": "do", "arguments": {"mode": "air", "who": {"sealed": "0" * 64}}}
        data: dict[str, Any] = {
            "action": action,
            "attempt": 1,
            "facts": [*facts],
            "standing": {"now": "2026-03-01T00:00:00.000000Z"},
        }
        return RecordedEvent(1, "2026-03-01T00:00:00.000000Z", Event("action.decided", "a", data, case))

    def opened(facts: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
        said: dict[str, dict[str, Any]] = {"c1": {"value": "gold"}, "c2": {"value": None, "problem": "erased"}, "": {}}
        return [{**fact, **said[fact.get("commitment", "")]} for fact in facts]

    clear = {"name": "paid", "value": None, "problem": "gone"}
    events = [
        decided("one", clear, {"name": "tier", "commitment": "c1"}),
        decided("two", clear, {"name": "tier", "commitment": "c2"}),
        decided("three", clear),
    ]
    assert [row for _, row in met_by(events, "a", opened)] == [
        {"action": "do", "arguments.mode": "air", "facts.paid": None, "facts.tier": "gold"},
        {"action": "do", "arguments.mode": "air", "facts.paid": None},
    ]


def test_too_few_cases_or_an_unclear_question_are_refused(control: Control) -> None:
    with control:
        meet(control, 0, 10, (5,), ("late",))
        with pytest.raises(BadInput, match="needs 20 of each"):
            control.cliff("refund-desk", START + timedelta(hours=5), None, 100)
        with pytest.raises(BadInput, match="what it was tried on"):
            control.cliff("refund-desk", None, None, 100)
        with pytest.raises(BadInput, match="known: refund-desk"):
            control.cliff("nobody", START, None, 100)
