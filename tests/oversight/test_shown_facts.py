"""What an answer is bound to: sealed or in clear, a change is noticed where people would have seen another thing."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from remit.canonical import canonical, digest
from remit.knowledge.commitment import value_commitment
from remit.oversight.approval import asked_event, changes, shown_facts
from remit.vocabulary import Ask, Event, Fact

SALTS = {"crm.account/zoe": b"z" * 16, "crm.account/ben": b"b" * 16}
ABOUT: dict[str, Any] = {"now": "2026-03-01T00:00:00.000000Z", "agent": "a", "manifest": "m", "policies": "p"}


def of_the_graph(name: str, value: str, record: str) -> Fact:
    """A fact with the commitment that the graph has to it."""
    commitment = value_commitment(SALTS[record], canonical(value).decode()).hex()
    return Fact(name, value, "crm.account", record, datetime.now(UTC), id="f1", commitment=commitment)


@st.composite
def facts(draw: st.DrawFn) -> dict[str, Fact]:
    found = {}
    for name in draw(st.sets(st.sampled_from(["who", "credit"]))):
        known = of_the_graph(
            name, draw(st.sampled_from(["Zoe Quintessa", "Zoe Quinteros"])), draw(st.sampled_from(sorted(SALTS)))
        )
        value: Any = draw(st.sampled_from([1, True, "none"]))
        record = draw(st.sampled_from(["o-1", "o-2"]))
        answered = Fact(name, value, "shop.paid", record, None)
        missing = Fact(name, None, "knowledge", "", None, problem="nothing says so")
        found[name] = draw(st.sampled_from([known, known, answered, missing]))
    return found


def seen(known: Mapping[str, Fact]) -> dict[str, tuple[bytes, str, str]]:
    """What a person sees, read plainly."""
    return {name: (canonical(one.value), one.source, one.record) for name, one in known.items()}


@given(facts(), facts(), st.booleans())
def test_a_change_is_noticed_where_people_would_see_another_thing(
    before: dict[str, Fact], after: dict[str, Fact], older: bool
) -> None:
    asked = dict(asked_event(Event("action.decided", "a", {}), 1, (Ask("finance"),), (), before, **ABOUT).data)
    if older:  # as questions were recorded before facts of the graph had commitments
        asked["shown"] = shown_facts(before, set(before))
        asked["shown_digest"] = digest(asked["shown"])
    assert changes(asked, "m", "p", before) == ""
    words = changes(asked, "m", "p", after)
    assert bool(words) == (seen(before) != seen(after))
    if not older:
        for kept in (str(asked["shown"]), words):
            assert "Zoe" not in kept and "crm.account/" not in kept
    assert changes(asked, "n", "p", before) == "the manifest changed since people were asked"
    assert changes(asked, "m", "q", before) == "the policies changed since people were asked"
