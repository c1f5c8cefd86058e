"""The gate and the plain judge agree on every verdict; what was decided can be decided again from its record."""

from __future__ import annotations

import json
from datetime import timedelta
from typing import Any

import pytest
from hypothesis import HealthCheck, Phase, event, given, settings
from hypothesis import strategies as st
from tests.gate import plain_gate, worlds

from remit.canonical import canonical, digest_bytes
from remit.errors import BadInput
from remit.gate.decide import decide
from remit.gate.judge_again import replay
from remit.gate.limits import counter_key
from remit.gate.matter import once_key
from remit.gate.policy import Rules
from remit.gate.record import (
    action_data,
    action_digest,
    decision_data,
    facts_data,
    read_action,
    read_decision,
    read_facts,
    read_standing,
    standing_data,
)
from remit.gate.stage_check import earned_key
from remit.manifest.grant import Manifest
from remit.manifest.load import load_manifest
from remit.vocabulary import Action, Decision, Earned, Fact, Grant, Halt, Scope, Standing

SCHEMA_OF_ANOTHER = "0" * 64


def action_of(manifest: Manifest, drawn: dict[str, Any]) -> Action:
    version = manifest.version if drawn["same_version"] else "000000000000"
    return Action(drawn["agent"], version, drawn["name"], "case", drawn["arguments"], drawn["confidence_bp"])


def facts_of(drawn: dict[str, Any], standing: dict[str, Any]) -> dict[str, Fact]:
    return {
        name: Fact(
            row["name"],
            row["value"],
            "source",
            "record",
            None if row["age"] is None else standing["now"] - timedelta(seconds=row["age"]),
            id="f1" if row["sealed"] else "",
            commitment=digest_bytes(repr(row["value"]).encode())[:32] if row["sealed"] else "",
        )
        for name, row in drawn.items()
    }


def standing_of(manifest: Manifest, action: Action, world: dict[str, Any]) -> Standing:
    """The standing as values; keys of counters come from the plain judge, so both must name them alike."""
    drawn, plain = world["standing"], plain_gate.PlainGate(world)
    mine = action_digest(action) if plain.good else ""
    holder = {"other": SCHEMA_OF_ANOTHER, "self": mine}
    used, claims, done = {}, {}, {}
    if plain.good:
        for index, limit in enumerate(plain.grant.get("limits", [])):
            key = plain.counter(limit)
            if key is not None and index in drawn["used"]:
                used[key] = drawn["used"][index]
        if drawn["claimed"] != "nobody":
            claims = dict.fromkeys(plain.entities(), holder[drawn["claimed"]])
        key = once_key(manifest.actions[action.name], action.arguments)
        if drawn["done"] != "nobody" and key is not None:
            done = {key: holder[drawn["done"]]}
    halts = tuple(
        Halt(f"h{index}", Scope(kind, manifest.version if name == "self" else name), "why", "ana", drawn["now"])
        for index, (kind, name) in enumerate(drawn["halts"])
    )
    grants = tuple(Grant(role, person) for role, person in drawn["grants"])
    earned = earned_of(manifest, action, drawn)
    return Standing(drawn["now"], 7, halts, used, claims, done, grants, earned, drawn["draw"])


def earned_of(manifest: Manifest, action: Action, drawn: dict[str, Any]) -> dict[str, Earned]:
    grant, recorded = manifest.actions.get(action.name), drawn["earned"]
    if grant is None or grant.autonomy is None or recorded is None:  # nothing can be on record
        return {}
    class_ = grant.autonomy.class_of(action.arguments) + ("" if recorded["for"] == "this" else "x")
    ends = None if recorded["ends"] is None else drawn["now"] + timedelta(seconds=recorded["ends"])
    key = earned_key(action.agent, action.version, action.name, class_)
    return {key: Earned(recorded["stage"], recorded["threshold"], recorded["review"], "0" * 64, ends)}


def verdicts_of(decision: Decision) -> dict[str, str]:
    found: dict[str, list[str]] = {}
    for check in decision.checks:
        found.setdefault(check.name, []).append(check.verdict)
    return {name: plain_gate.worst(verdicts) for name, verdicts in found.items()}


def again_is_equal(
    rules: Rules, manifest: Manifest, action: Action, facts: dict[str, Fact], standing: Standing, decision: Decision
) -> None:
    """The record survives JSON, holds what is needed, and gives the same bytes."""
    recorded = decision_data(decision)
    assert decision_data(read_decision(json.loads(canonical(recorded)))) == recorded
    try:
        record = {
            "action": action_data(action),
            "facts": facts_data(facts),
            "standing": standing_data(standing, decision),
        }
        record = json.loads(canonical(record))
    except BadInput:
        assert verdicts_of(decision)["arguments"] == "deny"
        return
    assert action_data(read_action(record["action"])) == record["action"]
    assert facts_data(read_facts(record["facts"])) == record["facts"]
    sealed = [row for row in record["facts"] if "commitment" in row]
    assert [row for row in sealed if set(row) & {"value", "record"}] == []
    if sealed:
        with pytest.raises(BadInput, match="sealed"):
            replay(record, manifest.text, rules.texts)
    for row in sealed:
        row |= {"value": facts[row["name"]].value, "record": "record"}
    capped = {reserve.cap_fact for reserve in decision.reserves} - {""}
    assert capped <= {row["name"] for row in sealed}
    assert standing_data(read_standing(record["standing"]), decision) == record["standing"]
    assert canonical(decision_data(replay(record, manifest.text, rules.texts))) == canonical(recorded)


@settings(max_examples=200, phases=[Phase.generate], deadline=None, suppress_health_check=list(HealthCheck))
@given(worlds.manifests(), worlds.rules(), st.data())
def test_both_judges_agree(values: dict[str, Any], drawn: list[dict[str, Any]], data: st.DataObject) -> None:
    manifest = load_manifest("payer.yaml", json.dumps(values))
    rules = Rules.load({"drawn.cedar": worlds.rendered(drawn)}, [manifest])
    for turn in range(5):
        world: dict[str, Any] = {
            "manifest": values,
            "rules": drawn,
            "action": data.draw(worlds.proposals()),
            "facts": data.draw(worlds.fact_rows()),
            "standing": data.draw(worlds.standings()),
        }
        action = action_of(manifest, world["action"])
        facts = facts_of(world["facts"], world["standing"])
        standing = standing_of(manifest, action, world)
        decision = decide(rules, manifest, action, facts, standing)
        verdict, checks, asks = plain_gate.judge(world)
        event(verdict)
        assert verdicts_of(decision) == checks
        assert decision.verdict == verdict
        review = plain_gate.PlainGate(world).review()
        seen = decision.review
        assert review == (seen and (seen.probability_bp, seen.drawn, seen.when))
        if verdicts_of(decision).get("stage"):
            event(f"earned {verdict}")
        assert {ask.role: ask.count for ask in decision.asks} == asks
        assert decision == decide(rules, manifest, action, facts, standing)
        if turn == 0:
            again_is_equal(rules, manifest, action, facts, standing, decision)


@settings(max_examples=60, deadline=None)
@given(worlds.manifests(), worlds.proposals(), worlds.standings())
def test_counters_are_named_alike(values: dict[str, Any], proposal: dict[str, Any], standing: dict[str, Any]) -> None:
    manifest = load_manifest("payer.yaml", json.dumps(values))
    world = {"manifest": values, "rules": [], "action": proposal, "facts": {}, "standing": standing}
    plain = plain_gate.PlainGate(world)
    if not plain.good:
        return
    action = action_of(manifest, proposal)
    for limit, written in zip(manifest.actions[action.name].limits, plain.grant.get("limits", []), strict=True):
        assert counter_key(manifest, limit, action.arguments, standing["now"]) == plain.counter(written)
