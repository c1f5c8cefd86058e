"""Shapes of rules that languages made by hand let slip: here each of them denies, or does not load."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest

from remit.errors import BadPolicy
from remit.gate.decide import decide
from remit.gate.policy import Rules
from remit.manifest.load import load_manifest
from remit.vocabulary import Action, Decision, Fact, Standing

NOW = datetime(2026, 3, 2, 9, 30, tzinfo=UTC)
MANIFEST = """\
agent: desk
purpose: Try every shape
owner: ana
department: shop
actions:
  sell:
    system: till
    arguments:
      type: object
      required: [item, count, cap, approved]
      properties:
        item: {enum: [apple, pear, knife]}
        count: {type: integer}
        cap: {type: integer}
        approved: {type: boolean}
        note: {type: string}
    facts:
      stock: {read: till.stock, type: integer, missing: allow}
    oversight: on_the_loop
"""
PERMIT = '@id("all") @reason("all") permit (principal, action, resource);\n'


def sell(condition: str, facts: dict[str, Any] | None = None, **arguments: Any) -> Decision:
    manifest = load_manifest("desk.yaml", MANIFEST)
    rule = f'@id("block") @reason("blocked") forbid (principal, action, resource) when {{ {condition} }};'
    rules = Rules.load({"rules.cedar": PERMIT + rule}, [manifest])
    given: dict[str, Any] = {"item": "apple", "count": 3, "cap": 5, "approved": True} | arguments
    action = Action("desk", manifest.version, "sell", "case", given, 9000)
    read = {name: Fact(name, value, "till", "1", NOW) for name, value in (facts or {}).items()}
    return decide(rules, manifest, action, read, Standing(NOW))


def rules_that_spoke(decision: Decision) -> list[str]:
    return [check.rule for check in decision.checks if check.name == "policy"]


@pytest.mark.parametrize(
    ("shape", "condition", "hit", "miss"),
    [
        ("brackets", '(context.arguments.item == "knife") && (context.arguments.count > 0)', {"item": "knife"}, {}),
        ("not", "!context.arguments.approved", {"approved": False}, {}),
        ("number equality", "context.arguments.count == 7", {"count": 7}, {"count": 8}),
        ("negative number", "context.arguments.count < -5", {"count": -10}, {"count": -5}),
        ("field against field", "context.arguments.count > context.arguments.cap", {"count": 6}, {"count": 5}),
        ("list", '["knife", "pear"].contains(context.arguments.item)', {"item": "pear"}, {}),
        (
            "or inside and",
            'context.arguments.count == 3 && (context.arguments.item == "knife" || context.arguments.item == "pear")',
            {"item": "pear"},
            {"count": 4, "item": "pear"},
        ),
        ("word or in a text", 'context.arguments has note && context.arguments.note == "cash or card"',
         {"note": "cash or card"}, {"note": "cash"}),
        ("missing attribute", 'context.missing.contains("stock")', {}, None),
        ("sum", "context.arguments.count + context.arguments.cap > 10", {"count": 6}, {"count": 5}),
    ],
)  # fmt: skip
def test_the_rule_denies_what_it_says_and_nothing_else(
    shape: str, condition: str, hit: dict[str, Any], miss: dict[str, Any] | None
) -> None:
    decision = sell(condition, **hit)
    assert decision.verdict == "deny"
    assert rules_that_spoke(decision) == ["block"]
    other = sell(condition, {"stock": 1}) if miss is None else sell(condition, **miss)
    assert other.verdict == "allow", shape


@pytest.mark.parametrize(
    ("shape", "condition"),
    [
        ("wrong type", 'context.arguments.count == "3"'),
        ("wrong type in a comparison", 'context.arguments.item > "apple"'),
        ("in with texts", 'context.arguments.item in ["knife"]'),
        ("a fraction", "context.arguments.count > 1.5"),
        ("single equals sign", 'context.arguments.item = "knife"'),
        ("typing error in a field", 'context.argumnts.item == "knife"'),
        ("typing error behind has", 'context.facts has stok && context.facts.stok == 0'),
        ("optional without has", 'context.arguments.note == "x"'),
        ("optional fact without has", "context.facts.stock == 0"),
        ("unknown function", 'upper(context.arguments.item) == "KNIFE"'),
        ("word operators", 'context.arguments.item == "knife" and context.arguments.count > 0'),
        ("an open bracket", '(context.arguments.item == "knife"'),
    ],
)  # fmt: skip
def test_a_shape_that_cannot_mean_what_it_says_does_not_load(shape: str, condition: str) -> None:
    with pytest.raises(BadPolicy) as caught:
        sell(condition)
    assert all(finding.line >= 1 and finding.file == "rules.cedar" for finding in caught.value.findings), shape


def test_a_fact_of_the_wrong_type_is_missing_and_the_rule_on_it_does_not_see_it() -> None:
    condition = "context.facts has stock && context.facts.stock == 0"
    assert sell(condition, {"stock": 0}).verdict == "deny"
    decision = sell(condition, {"stock": "0"})
    assert decision.verdict == "allow"
    assert [check.reason for check in decision.checks if check.name == "freshness"] == [
        "stock is missing: is not a whole number, which is allowed"
    ]


def test_a_rule_that_cannot_be_evaluated_denies_and_names_itself() -> None:
    condition = "context.arguments.count * 9223372036854775807 > 1"
    assert sell(condition, count=0).verdict == "allow"
    decision = sell(condition, count=2)
    assert decision.verdict == "deny"
    assert rules_that_spoke(decision) == ["block"]
