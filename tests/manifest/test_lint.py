"""Each warning appears for what it warns of, and goes when that is mended."""

from __future__ import annotations

import pytest

from remit.errors import Finding
from remit.manifest.lint import lint
from remit.manifest.load import load_manifest

CLEAN = """\
agent: desk
purpose: Refund
owner: ana
deputy: luc
department: shop
runs: {model: m}
success: no complaint
escalation: [{role: owner, within: 1d}]
confidence: {at_least: 0.8, ask: owner}
actions:
  refund:
    system: till
    arguments: {required: [order], properties: {order: {type: string}, cents: {type: integer, minimum: 0}}}
    amount: cents
    touches: [order/$order]
    once: [order]
    facts: {paid: {read: till.paid, type: integer, fresh: 1h}}
    limits: [{name: day, of: amount, every: day, at_most: $paid}]
    oversight: on_the_loop
    irreversible: true
"""


def warned(text: str) -> tuple[Finding, ...]:
    return lint(load_manifest("a.yaml", text))


def test_nothing_to_warn_of() -> None:
    assert warned(CLEAN) == ()


LIMIT = "    limits: [{name: day, of: amount, every: day, at_most: $paid}]\n"


@pytest.mark.parametrize(
    ("old", "new", "line", "words"),
    [
        ("deputy: luc\n", "", 1, "no deputy"),
        ("deputy: luc", "deputy: ana", 4, "owner and deputy are one person"),
        ("runs: {model: m}\n", "", 1, "`runs` is empty"),
        ("success: no complaint\n", "", 1, "no measure of success"),
        ("escalation: [{role: owner, within: 1d}]\n", "", 1, "no escalation"),
        ("confidence: {at_least: 0.8, ask: owner}\n", "", 18, "no confidence is asked for"),
        (LIMIT, "", 18, "irreversible, without a person and without a limit"),
        (LIMIT, "", 11, "moves an amount without a limit"),
        ("    irreversible: true\n", "", 11, "not said whether it can be undone"),
        ("    touches: [order/$order]\n", "", 11, "touches nothing"),
        ("    once: [order]\n", "", 11, "may be done twice"),
        (", minimum: 0", "", 13, "cents may be below zero"),
        ("minimum: 0", "minimum: -5", 13, "cents may be below zero"),
        (", fresh: 1h", "", 17, "fact paid may be of any age"),
        ("fresh: 1h", "fresh: 1h, missing: allow", 17, "denies when it is missing"),
    ],
)
def test_what_is_warned_of_and_where(old: str, new: str, line: int, words: str) -> None:
    assert old in CLEAN
    found = warned(CLEAN.replace(old, new))
    assert any(one.line == line and words in one.what for one in found), [str(one) for one in found]
    assert {one.severity for one in found} == {"warning"}


def test_a_person_in_the_loop_or_in_control_is_warned_of_less() -> None:
    text = CLEAN.replace(LIMIT, "")
    looped = warned(text.replace("oversight: on_the_loop", "oversight: in_the_loop\n    ask: owner"))
    assert not any("without a person" in one.what for one in looped)
    assert warned(text.replace("oversight: on_the_loop", "oversight: in_control")) == ()
