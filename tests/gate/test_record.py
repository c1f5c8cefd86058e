"""Records: hostile ones are refused, and a decision is made again from its own record and nothing else."""

from __future__ import annotations

import copy
import json
from dataclasses import replace
from datetime import UTC, datetime, timedelta, timezone
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from remit.canonical import canonical
from remit.errors import BadInput, BadManifest, BadPolicy
from remit.gate.decide import decide
from remit.gate.explain import explain
from remit.gate.judge_again import replay
from remit.gate.policy import Rules
from remit.gate.record import (
    action_data,
    action_digest,
    decision_data,
    facts_data,
    facts_digest,
    read_action,
    read_decision,
    read_facts,
    read_standing,
    sound_digest,
    standing_data,
)
from remit.manifest.load import load_manifest
from remit.manifest.scaffold import SCAFFOLD
from remit.vocabulary import Action, Fact, Grant, Halt, Reserve, Scope, Standing

NOW = datetime(2026, 3, 2, 9, 30, 0, 123, tzinfo=UTC)
COMMITMENT = "0123456789abcdef" * 2
AGENT = SCAFFOLD["agents/refund-desk.yaml"]
POLICY = SCAFFOLD["policies/refunds.cedar"]


def record() -> tuple[dict[str, Any], Rules]:
    manifest = load_manifest("a.yaml", AGENT)
    rules = Rules.load({"a.cedar": POLICY}, [manifest])
    action = Action(
        "refund-desk", manifest.version, "refund.create", "c", {"order": "A/1", "amount_minor": 12_500}, 7000
    )
    facts = {
        "paid": Fact("paid", 20_000, "shop", "r", NOW - timedelta(minutes=3)),
        "more": Fact("more", 1.5, "x", "y", None),  # type: ignore[arg-type]
    }
    halts = (
        Halt("mine", Scope("entity", "order/A%2F1"), "why", "ana", NOW),
        Halt("other", Scope("agent", "someone"), "why", "ana", NOW),
    )
    day = "limit/agent:refund-desk/per-day/2026-03-02"
    standing = Standing(
        NOW,
        9,
        halts,
        {day: 45_000, "another": 3},
        {"order/A%2F1": "f" * 64, "order/B": "e" * 64},
        {"once/other": "d" * 64},
        (Grant("finance", "fin"), Grant("finance", "fin")),
    )
    decision = decide(rules, manifest, action, facts, standing)
    done = {decision.once_key or "": "c" * 64}
    standing = Standing(NOW, 9, halts, standing.used, standing.claims, {**standing.done, **done}, standing.grants)
    decision = decide(rules, manifest, action, facts, standing)
    data = {
        "action": action_data(action),
        "facts": facts_data(facts),
        "standing": standing_data(standing, decision),
        "decision": decision_data(decision),
    }
    return json.loads(canonical(data)), rules


def test_only_what_was_looked_at_is_recorded_and_it_is_enough() -> None:
    data, rules = record()
    standing = data["standing"]
    assert [halt["id"] for halt in standing["halts"]] == ["mine"]
    assert [row["entity"] for row in standing["claims"]] == ["order/A%2F1"]
    assert [row["drawn"] for row in standing["used"]] == [45_000]
    assert len(standing["done"]) == 1
    again = replay(data, AGENT, rules.texts)
    assert canonical(decision_data(again)) == canonical(data["decision"])


def test_the_same_bytes_come_out_for_comments_but_not_for_changes_of_the_law() -> None:
    data, rules = record()
    assert decision_data(replay(data, "# a comment\n" + AGENT, rules.texts)) == data["decision"]
    looser = AGENT.replace("at_most: 50000", "at_most: 60000")
    assert decision_data(replay(data, looser, rules.texts)) != data["decision"]
    texts = {**rules.texts, "a.cedar": POLICY.replace("nobody gets back", "no one gets back")}
    assert decision_data(replay(data, AGENT, texts)) != data["decision"]


@pytest.mark.parametrize("part", ["action", "facts", "standing"])
def test_a_record_without_a_part_is_refused(part: str) -> None:
    data, rules = record()
    del data[part]
    with pytest.raises(BadInput, match=part):
        replay(data, AGENT, rules.texts)


def test_texts_that_are_no_law_are_refused() -> None:
    data, rules = record()
    with pytest.raises(BadManifest):
        replay(data, "agent: x", rules.texts)
    with pytest.raises(BadPolicy):
        replay(data, AGENT, {"a.cedar": POLICY})


def _places(data: Any, path: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    items = data.items() if isinstance(data, dict) else enumerate(data) if isinstance(data, list) else ()
    return [path, *(place for key, item in items for place in _places(item, (*path, key)))]


RECORD, RULES = record()
READERS = {"action": read_action, "facts": read_facts, "standing": read_standing, "decision": read_decision}
JUNK: list[Any] = [None, 5, -1, True, "x", [], {}, [1], {"a": 1}, "2026-01-01", 2**70, 1.5, ["x", "x"]]


@settings(max_examples=200, deadline=None)
@given(st.data())
def test_a_record_that_somebody_changed_is_read_or_refused(data: st.DataObject) -> None:
    part = data.draw(st.sampled_from(sorted(READERS)))
    places = [place for place in _places(RECORD[part]) if place]
    place = data.draw(st.sampled_from(places))
    broken = copy.deepcopy(RECORD[part])
    at = broken
    for key in place[:-1]:
        at = at[key]
    if data.draw(st.booleans()) and isinstance(at, dict):
        del at[place[-1]]
    else:
        at[place[-1]] = data.draw(st.sampled_from(JUNK))
    try:
        READERS[part](broken)
    except BadInput:
        return
    if part == "facts":
        assert facts_data(read_facts(broken)) is not None


def test_facts_that_stand_twice_are_refused() -> None:
    with pytest.raises(BadInput, match="stands twice"):
        read_facts(RECORD["facts"] * 2)


def test_digests_tell_apart_what_differs_and_nothing_else() -> None:
    action = read_action(RECORD["action"])
    turned = Action(**{**_fields(action), "arguments": dict(reversed(list(action.arguments.items())))})
    assert action_digest(turned) == action_digest(action)
    for name, value in {"case": "d", "reasons": ("x",), "replaces": "y", "confidence_bp": None}.items():
        assert action_digest(Action(**{**_fields(action), name: value})) != action_digest(action)
    seen = NOW.astimezone(timezone(timedelta(hours=7)))
    one = {"a": Fact("a", 1, "s", "r", NOW)}
    assert facts_digest(one) == facts_digest({"a": Fact("a", 1, "s", "r", seen)}) == sound_digest(one)
    assert facts_digest(one) != facts_digest({"a": Fact("a", 1, "s", "r", NOW + timedelta(microseconds=1))})
    assert facts_digest(one) != facts_digest({"a": Fact("a", True, "s", "r", NOW)})


def _fields(action: Action) -> dict[str, Any]:
    return {name: getattr(action, name) for name in Action.__dataclass_fields__}


def test_what_the_graph_says_of_a_fact_is_recorded_where_it_is_set_and_nowhere_else() -> None:
    plain = Fact("a", 1, "s", "r", NOW)
    (data,) = facts_data({"a": plain})
    assert isinstance(data, dict) and set(data) == {
        "fresh_seconds", "name", "observed_at", "problem", "record", "source", "value",
    }  # fmt: skip
    known = Fact("a", 1, "s", "r", NOW, None, "", "f7", "low", ("contradicted", "late"))
    (more,) = facts_data({"a": known})
    assert more == {**data, "id": "f7", "trust": "low", "flags": ["contradicted", "late"]}
    for fact in (plain, known, Fact("a", 1, "s", "r", NOW, trust="high"), Fact("a", 1, "s", "r", NOW, id="f1")):
        (data,) = facts_data({"a": fact})
        assert read_facts(json.loads(canonical([data]))) == {"a": fact}
    assert facts_digest({"a": plain}) != facts_digest({"a": known})


def sealed_fact(value: Any = "Zoe Quintessa", **changes: Any) -> Fact:
    given = {"name": "a", "id": "f7", "commitment": COMMITMENT, **changes}
    return Fact(value=value, source="crm.account", **{"record": "crm.account/zoe@x.io", "observed_at": NOW, **given})


def test_a_fact_with_a_commitment_is_recorded_without_value_and_record_and_says_so() -> None:
    (data,) = facts_data({"a": sealed_fact()})
    assert data == {
        "commitment": COMMITMENT, "fresh_seconds": None, "id": "f7", "name": "a",
        "observed_at": "2026-03-02T09:30:00.000123Z", "problem": "", "source": "crm.account",
    }  # fmt: skip
    (missing,) = facts_data({"a": Fact("a", None, "crm.account", "", NOW, problem="none", id="f7")})
    assert isinstance(missing, dict) and missing["value"] is None and "commitment" not in missing
    sealed = read_facts([data])["a"]
    assert (sealed.value, sealed.record, sealed.commitment) == (None, "", COMMITMENT)
    assert facts_data({"a": sealed}) == [data]
    opened = {**data, "value": "Zoe Quintessa", "record": "crm.account/zoe@x.io"}
    assert read_facts([opened]) == {"a": sealed_fact()}


def test_the_digest_of_facts_is_that_of_their_commitments() -> None:
    one = facts_digest({"a": sealed_fact()})
    assert one == facts_digest({"a": sealed_fact(value=None)}) == sound_digest({"a": sealed_fact()})
    assert one != facts_digest({"a": sealed_fact(commitment="f" * 32)})
    assert one != facts_digest({"a": sealed_fact(commitment="")})


def test_a_decision_that_rests_on_a_sealed_fact_is_made_again_from_what_it_said_and_not_without() -> None:
    """Sealed is not missing: the judge must not find out something else of a fact only because it cannot see it."""
    manifest = load_manifest("a.yaml", AGENT)
    rules = Rules.load({"a.cedar": POLICY}, [manifest])
    arguments: dict[str, Any] = {"order": "A1", "amount_minor": 100}
    action = Action("refund-desk", manifest.version, "refund.create", "c", arguments, 9500)
    paid = Fact("paid", 20_000, "shop.order", "shop.order/A1", NOW, id="f1", commitment=COMMITMENT)
    decision = decide(rules, manifest, action, {"paid": paid}, Standing(NOW))
    assert decision.verdict == "allow"
    standing = standing_data(Standing(NOW), decision)
    data = {"action": action_data(action), "facts": facts_data({"paid": paid}), "standing": standing}
    assert "20000" not in canonical({**data, "decision": decision_data(decision)}).decode()
    with pytest.raises(BadInput, match="paid are sealed"):
        replay(data, AGENT, rules.texts)
    opened = {**data, "facts": [{**data["facts"][0], "value": 20_000, "record": "shop.order/A1"}]}  # type: ignore[index]
    assert decision_data(replay(opened, AGENT, rules.texts)) == decision_data(decision)
    blind = decide(rules, manifest, action, {"paid": replace(paid, value=None)}, Standing(NOW))
    assert blind.verdict == "deny"
    assert [check.reason for check in blind.checks if check.rule == "paid"] == ["paid is missing: its value is sealed"]


def test_a_cap_that_is_a_sealed_fact_is_recorded_by_its_name() -> None:
    capped = Reserve("limit/a", 5, 770_001, 3, True, "budget")
    decision = replace(read_decision(RECORD["decision"]), reserves=(capped, Reserve("limit/b", 1, 2, 0, True)))
    data = json.loads(canonical(decision_data(decision)))
    assert data["reserves"] == [
        {"amount": 5, "cap_fact": "budget", "fits": True, "key": "limit/a", "used": 3},
        {"amount": 1, "at_most": 2, "fits": True, "key": "limit/b", "used": 0},
    ]
    assert read_decision(data).reserves == (replace(capped, at_most=None), decision.reserves[1])
    assert decision_data(read_decision(data)) == data
    budget = sealed_fact(770_001, name="budget")
    action = read_action(RECORD["action"])
    assert "3 of 770001 drawn" in explain(read_decision(data), action, {"budget": budget}, NOW)
    told = explain(read_decision(data), action, {"budget": replace(budget, value=None, problem="erased")}, NOW)
    assert "3 of $budget drawn" in told and "budget: erased, from crm.account" in told
    assert "770001" not in told
    del data["reserves"][1]["at_most"]
    with pytest.raises(BadInput, match="at_most"):
        read_decision(data)


def test_what_speaks_against_a_fact_stands_in_the_reason_and_changes_no_verdict() -> None:
    manifest = load_manifest("a.yaml", AGENT)
    rules = Rules.load({"a.cedar": POLICY}, [manifest])
    arguments: dict[str, Any] = {"order": "A1", "amount_minor": 100}
    action = Action("refund-desk", manifest.version, "refund.create", "c", arguments, 9500)

    def reason(age: int, **marks: Any) -> tuple[str, str]:
        fact = Fact("paid", 20_000, "shop", "r", NOW - timedelta(seconds=age), **marks)
        checks = decide(rules, manifest, action, {"paid": fact}, Standing(NOW)).checks
        (check,) = [check for check in checks if check.name == "freshness"]
        return check.verdict, check.reason

    for age in (1, 10**7):
        plain = reason(age)
        assert "; it is" not in plain[1]
        assert reason(age, id="f1", trust="low") == plain
        flagged = reason(age, flags=("quarantined", "contradicted"), trust="untrusted")
        assert flagged == (plain[0], f"{plain[1]}; it is quarantined, contradicted, untrusted")
        assert reason(age, flags=("untrusted",), trust="untrusted")[1] == f"{plain[1]}; it is untrusted"


def test_marks_that_cannot_be_recorded_make_a_fact_missing() -> None:
    for wrong in (
        {"id": "f\0"}, {"id": "f" * 1001}, {"trust": 5}, {"trust": "\ud800"}, {"flags": ["late"]},
        {"flags": ("x",) * 17}, {"flags": (5,)}, {"flags": "late"},
        {"commitment": COMMITMENT}, {"commitment": COMMITMENT.upper(), "id": "f1"}, {"commitment": "ab", "id": "f1"},
        {"commitment": 5, "id": "f1"}, {"commitment": COMMITMENT + "\n", "id": "f1"},
    ):  # fmt: skip
        fields: dict[str, Any] = wrong
        (data,) = facts_data({"a": Fact("a", 1, "s", "r", NOW, **fields)})
        assert isinstance(data, dict) and data["value"] is None
        assert data["problem"] == "its id, trust, flags or commitment are not texts that can be recorded"
        assert not {"id", "trust", "flags", "commitment"} & set(data)


def test_a_fact_with_nul_is_missing_and_decides_all_the_same() -> None:
    """What no database keeps is not recorded, and does not keep a decision from being made."""
    for fact in (
        Fact("paid", "a\0b", "shop.paid", "r", None),
        Fact("paid", 5, "shop.paid", "r\0", None),
        Fact("paid", ["ok", "\0"], "shop.paid", "r", None),
    ):
        (data,) = facts_data({"paid": fact})
        assert isinstance(data, dict)
        assert data["value"] is None and data["problem"]
        assert len(facts_digest({"paid": fact})) == 64
