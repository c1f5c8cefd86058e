"""Does an agent still meet what it was tried on? Its cases before a moment against those since, from the ledger."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import datetime
from functools import partial
from typing import Any, Final

from remit.canonical import from_moment
from remit.errors import BadInput
from remit.ledger.event import RecordedEvent
from remit.ledger.query import all_events
from remit.ledger.sealing import OpenFacts, is_closed
from remit.stats.two_sample import TwoSample, compare_samples
from remit.store.engine import Store

__all__ = ["cliff", "met_by"]

ROWS_MIN: Final = 20
SEED: Final = 20_260_101
"""Splits are drawn by it, so that the same ledger gives the same answer."""

_Row = dict[str, str | int | None]


def met_by(
    events: Iterable[RecordedEvent],
    agent: str,
    open_facts: Callable[[Sequence[Mapping[str, Any]]], list[dict[str, Any]]],
) -> list[tuple[str, _Row]]:
    """Return what ``agent`` met: for each case the business time of its first decision, and one row of fields.

    Fields are the arguments and facts of the action, each a text, whole number or truth value, by ``arguments.NAME``
    and ``facts.NAME``, and the action's name. Lists and personal values do not take part, nor do cases that rest on
    facts erased since: what they said is not known, which is something else than missing. ``open_facts`` puts back
    what sealed facts said.
    """
    rows: dict[str, tuple[str, _Row]] = {}
    for recorded in events:
        data: Mapping[str, Any] = recorded.event.data
        action = data["action"]
        if action["agent"] != agent or data["attempt"] != 1 or recorded.event.case in rows:
            continue
        facts = open_facts(data["facts"])
        if any(map(is_closed, facts)):
            continue
        row: _Row = {"action": action["name"]}
        row |= {f"arguments.{name}": _cell(value) for name, value in action["arguments"].items() if _fits(value)}
        row |= {f"facts.{fact['name']}": _cell(fact["value"]) for fact in facts if _fits(fact["value"])}
        rows[recorded.event.case] = (data["standing"]["now"], row)
    return list(rows.values())


def _fits(value: object) -> bool:
    return value is None or isinstance(value, str | int)


def _cell(value: Any) -> str | int | None:
    if isinstance(value, bool):
        return "true" if value else "false"
    return value if value is None or isinstance(value, int) else str(value)


def cliff(
    store: Store,
    agent: str,
    open_facts: OpenFacts,
    *,
    before: datetime | None = None,
    tried: list[_Row] | None = None,
    false_alarm_bp: int = 100,
) -> TwoSample:
    """Compare what ``agent`` was tried on with what it has met since.

    What it was tried on is ``tried`` (rows as `met_by` gives them), or its cases decided before ``before`` (business
    time). Identifiers, fields of which nearly every value occurs once, take no part: they always differ.

    Raises:
        BadInput: neither or both are given, or there are fewer than 20 cases on either side.
    """
    if (before is None) == (tried is None):
        raise BadInput("say what it was tried on: a moment before which it was tried, or a file of cases")
    with store.snapshot() as reader:
        met = met_by(all_events(reader, ("action.decided",)), agent, partial(open_facts, reader))
    if tried is None:
        assert before is not None  # one of the two is there
        moment = from_moment(before)
        tried = [row for at, row in met if at < moment]
        now = [row for at, row in met if at >= moment]
    else:
        now = [row for _, row in met]
    if min(len(tried), len(now)) < ROWS_MIN:
        raise BadInput(
            f"{agent}: tried on {len(tried)} cases and met {len(now)} since; a comparison needs {ROWS_MIN} of each"
        )
    names = _comparable([*tried, *now])
    return compare_samples(
        [{name: row.get(name) for name in names} for row in tried],
        [{name: row.get(name) for name in names} for row in now],
        seed=SEED,
        false_alarm_bp=false_alarm_bp,
    )


def _comparable(rows: list[_Row]) -> list[str]:
    values: dict[str, set[object]] = {}
    present: dict[str, int] = {}
    for row in rows:
        for name, value in row.items():
            if value is not None:
                values.setdefault(name, set()).add(value)
                present[name] = present.get(name, 0) + 1
    names = []
    for name, found in values.items():
        texts = any(isinstance(value, str) for value in found)
        if len(found) > 1 and not (texts and len(found) > present[name] * 9 // 10):
            names.append(name)
    return sorted(names)
