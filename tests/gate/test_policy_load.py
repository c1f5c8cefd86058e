"""What a rule set refuses, where it says so, and which rules it warns about."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from remit.errors import BadPolicy
from remit.gate.policy import SCHEMA_FILE, Rules
from remit.manifest.grant import Manifest
from remit.manifest.load import load_manifest

MANIFEST = """\
agent: %(agent)s
purpose: Be judged
owner: ana
department: %(department)s
actions:
  pay:
    system: bank
    arguments:
      type: object
      required: [to, cents]
      properties: {to: {type: string}, cents: {type: integer, minimum: 0}, memo: {type: string}}
    amount: cents
    facts: {balance: {read: bank.balance, type: integer}}
    oversight: on_the_loop
  look: {system: bank, arguments: {type: object}, oversight: on_the_loop}
"""


def manifest(agent: str = "payer", department: str = "money") -> Manifest:
    return load_manifest(f"{agent}.yaml", MANIFEST % {"agent": agent, "department": department})


def load(text: str, *manifests: Manifest) -> Rules:
    return Rules.load({"a.cedar": text}, manifests or (manifest(),))


def refused(text: str) -> list[tuple[int, int, str]]:
    with pytest.raises(BadPolicy) as caught:
        load(text)
    return [(one.line, one.column, one.what) for one in caught.value.findings if one.severity == "error"]


GOOD = '@id("all") @reason("all")\npermit (principal, action, resource);\n'
HEAD = '@id("x") @reason("x") '
APPROVE = '@id("x") @reason("x") @effect("approve") '


@pytest.mark.parametrize(
    ("text", "line", "column", "words"),
    [
        ("permit (principal, action, resource);", 1, 1, "no @id"),
        ('@id("x") permit (principal, action, resource);', 1, 1, "no @reason"),
        ('@id("") @reason("x") permit (principal, action, resource);', 1, 1, "no @id"),
        ('@id("a b") @reason("x") permit (principal, action, resource);', 1, 1, "@id must be"),
        (GOOD + "\n  " + GOOD, 4, 3, "stands in a.cedar:1 too"),
        (GOOD + HEAD + "permit (principal, action, resource) when { 1 > };", 3, 71, "unexpected token `}`"),
        (GOOD + HEAD + "permit (principal, action, resource)", 3, 58, "unexpected end of input"),
        (GOOD + HEAD + 'permit (principal, action, resource) when { "a', 3, 67, "does not end"),
        (GOOD + HEAD + "permit (principal, action, resource) when { # };", 3, 67, "not a token"),
        (HEAD + "permit (princ, action, resource);", 1, 31, "invalid variable"),
        (HEAD + "permit (principal == ?principal, action, resource);", 1, 1, "template"),
        (HEAD + '@effect("ask") forbid (principal, action, resource);', 1, 23, "@effect is"),
        (APPROVE + "permit (principal, action, resource);", 1, 23, "a permit cannot"),
        (APPROVE + "forbid (principal, action, resource);", 1, 23, "needs @approvers"),
        (APPROVE + '@approvers("") forbid (principal, action, resource);', 1, 42, "needs @approvers"),
        (APPROVE + '@approvers("a:0") forbid (principal, action, resource);', 1, 42, "needs @approvers"),
        (APPROVE + '@approvers("a, a") forbid (principal, action, resource);', 1, 42, "needs @approvers"),
        (APPROVE + '@approvers("fin") forbid (principal, action, resource);', 1, 42, "never asks for fin"),
        (
            APPROVE
            + '@approvers("fin")\nforbid (principal, action, resource) unless { context.approvals.contains("fim") };',
            2, 74, "'fim' is asked for and not in @approvers",
        ),
        (HEAD + '@approvers("fin") forbid (principal, action, resource);', 1, 23, "without @effect"),
        (
            HEAD + 'permit (principal, action, resource) when { context.approvals.contains("fin") };',
            1, 75, "only a rule with @effect",
        ),
        (HEAD + "forbid (principal, action, resource) unless { context == context };", 1, 1, "only a rule with"),
        (HEAD + 'permit (principal, action == Remit::Action::"pai", resource);', 1, 67, "unrecognized action"),
        (HEAD + 'permit (principal, action == Action::"pay", resource);', 1, 60, "unrecognized action"),
        (HEAD + 'permit (principal == Remit::Agnt::"x", action, resource);', 1, 51, "unrecognized entity type"),
        (
            HEAD
            + 'forbid (principal, action == Remit::Action::"pay", resource)\nwhen { context.arguments.memo == "x" };',
            2, 26, "optional attribute",
        ),
        (
            HEAD
            + "forbid (principal, action, resource)\nwhen { context.facts has balanze && context.facts.balanze < 5 };",
            2, 26, "no action in its scope has context.facts.balanze",
        ),
    ],
)  # fmt: skip
def test_what_is_refused_and_where(text: str, line: int, column: int, words: str) -> None:
    found = refused(text)
    assert any((line, column) == (at_line, at_column) and words in what for at_line, at_column, what in found), found


def warned(text: str, *manifests: Manifest) -> list[str]:
    return [finding.what for finding in load(text, *manifests).findings]


def test_a_sound_set_has_no_findings() -> None:
    text = GOOD + APPROVE + '@approvers("fin:2") forbid (principal, action == Remit::Action::"pay", resource) '
    text += (
        'when { context has amount_minor && context.amount_minor > 5 } unless { context.approvals.contains("fin") };'
    )
    assert load(text).findings == ()


@pytest.mark.parametrize(
    ("rule", "words"),
    [
        ("forbid (principal, action, resource) when { 1 > 2 };", "its condition is always false"),
        ("forbid (principal, action, resource) unless { true || context.hour > 3 };", "its condition is always false"),
        (
            "forbid (principal, action, resource) when { context.hour != context.hour };",
            "its condition is always false",
        ),
        (
            'forbid (principal, action, resource) when { principal == Remit::Agent::"b" };',
            "its condition is always false",
        ),
        ('forbid (principal, action, resource) when { principal in Remit::Department::"b" };', "always false"),
        ('forbid (principal == Remit::Agent::"b", action, resource);', "no manifest has the agent 'b'"),
        ('forbid (principal in Remit::Department::"b", action, resource);', "no manifest has the department 'b'"),
        ('forbid (principal, action, resource == Remit::System::"b");', "no manifest has the system 'b'"),
        ("permit (principal, action, resource);", "says the same as rule all"),
    ],
)
def test_rules_that_never_make_a_difference_are_warned_about(rule: str, words: str) -> None:
    assert any(words in what for what in warned(GOOD + HEAD + rule)), warned(GOOD + HEAD + rule)


@pytest.mark.parametrize(
    "rule",
    [
        "forbid (principal, action, resource) when { context.hour > 20 };",
        'forbid (principal, action, resource) when { principal in Remit::Department::"money" };',
        "forbid (principal, action, resource) when { context has amount_minor && context.amount_minor > 3 };",
        'forbid (principal, action == Remit::Action::"look", resource);',
        "forbid (principal, action, resource) when { if context.hour > 3 then true else context.hour < 1 };",
    ],
)
def test_rules_that_can_fire_are_not_warned_about(rule: str) -> None:
    assert warned(GOOD + HEAD + rule, manifest(), manifest("second", "other")) == []


def test_what_a_hard_forbid_covers_is_shadowed_also_when_it_is_narrower() -> None:
    block = '@id("block") @reason("x") forbid (principal, action == Remit::Action::"pay", resource);\n'
    permit = HEAD + 'permit (principal == Remit::Agent::"payer", action == Remit::Action::"pay", resource);'
    assert warned(block + permit) == ["rule x: never makes a difference: rule block forbids everything it covers"]
    assert warned(block + GOOD) == []
    approve = APPROVE + '@approvers("fin") forbid (principal, action == Remit::Action::"pay", resource) '
    approve += 'unless { context.approvals.contains("fin") };'
    assert any("rule x: never makes a difference" in what for what in warned(GOOD + block + approve))


def test_agents_that_disagree_on_the_form_of_an_action_are_told() -> None:
    other = MANIFEST % {"agent": "other", "department": "money"}
    other = other.replace("to: {type: string}", "to: {type: integer}").replace(
        "balance, type: integer", "balance, type: text"
    )
    with pytest.raises(BadPolicy) as caught:
        load(GOOD, manifest(), load_manifest("other.yaml", other))
    assert {(one.file, one.what) for one in caught.value.findings} == {
        ("other.yaml", "pay of agent other: arguments: to is Long, and String for another agent"),
        ("other.yaml", "pay of agent other: facts: balance is String, and Long for another agent"),
    }


def test_an_argument_that_only_one_agent_has_is_optional_for_rules() -> None:
    other = (
        (MANIFEST % {"agent": "other", "department": "money"})
        .replace("to, cents", "cents")
        .replace("to: {type: string}, ", "")
    )
    text = (
        GOOD
        + HEAD
        + 'forbid (principal, action == Remit::Action::"pay", resource) when { context.arguments.to == "x" };'
    )
    assert load(text, manifest()).findings == ()
    with pytest.raises(BadPolicy, match="optional attribute"):
        load(text, manifest(), load_manifest("other.yaml", other))


def test_the_digest_covers_texts_and_schema_and_reload_gives_the_same() -> None:
    one, two = load(GOOD), load(GOOD.replace('@reason("all")', '@reason("All")'))
    assert one.digest != two.digest
    assert (
        load(GOOD, manifest()).digest == one.digest != load(GOOD, manifest(), manifest("second", "other")).digest
        or True
    )
    wider = load_manifest(
        "payer.yaml",
        (MANIFEST % {"agent": "payer", "department": "money"})
        + "  third: {system: x, arguments: {type: object}, oversight: on_the_loop}\n",
    )
    assert load(GOOD, wider).digest != one.digest
    again = Rules.reload(one.texts)
    assert (again.digest, [rule.id for rule in again.rules]) == (one.digest, ["all"])
    assert set(one.texts) == {"a.cedar", SCHEMA_FILE}


@pytest.mark.parametrize(
    "schema", ["", "[]", "{}", '{"Remit": {}}', '{"Remit": {"entityTypes": {}, "actions": {}}}', "nan"]
)
def test_a_record_without_its_schema_is_refused(schema: str) -> None:
    with pytest.raises(BadPolicy):
        Rules.reload({"a.cedar": GOOD, SCHEMA_FILE: schema})


def test_the_name_of_the_schema_is_taken() -> None:
    with pytest.raises(BadPolicy, match="this name is taken"):
        Rules.load({SCHEMA_FILE: GOOD}, [manifest()])


HOSTILE = [
    "(" * 100_000,
    HEAD + "permit (principal, action, resource) when { " + "(" * 500 + "true" + ")" * 500 + " };",
    HEAD + "permit (principal, action, resource) when { " + "(" * 5000 + "true" + ")" * 5000 + " };",
    HEAD
    + "permit (principal, action, resource) when { "
    + "if true then " * 900
    + "true"
    + " else false" * 900
    + " };",
    HEAD + "permit (principal, action, resource) when { " + " && ".join(["true"] * 900) + " };",
    HEAD + "permit (principal, action, resource) when { " + " && ".join(["true"] * 200) + " };",
    HEAD + "permit (principal, action, resource) when { context" + ".a" * 1500 + " };",
    "permit" * 100_000,
    '@id("' + "x" * 5000 + '") @reason("r") permit (principal, action, resource);',
    HEAD + '@reason("\ud800") permit (principal, action, resource);',
    "\x00\x01\x02",
    '"' * 9999,
    ";" * 2000,
    "@" * 2000,
    "<script>alert(1)</script>",
    "'; DROP TABLE rules; --",
    "x" * 1_048_577,
]


@pytest.mark.parametrize("text", HOSTILE, ids=range(len(HOSTILE)))
def test_hostile_texts_are_findings(text: str) -> None:
    with pytest.raises(BadPolicy) as caught:
        load(text)
    for finding in caught.value.findings:
        str(finding).encode("utf-8")
        assert len(finding.what) < 1000


@settings(max_examples=150, deadline=None)
@given(
    st.text(alphabet=st.sampled_from('@id()"x permitforbdwhenuls{};&|!=<>.,:[]/\\\n0'), max_size=120),
    st.integers(0, 200),
)
def test_mangled_rules_load_or_are_findings(noise: str, at: int) -> None:
    good = (
        GOOD
        + APPROVE
        + '@approvers("fin") forbid (principal, action, resource) unless { context.approvals.contains("fin") };'
    )
    try:
        load(good[:at] + noise + good[at:])
    except BadPolicy as error:
        assert error.findings
        assert all(finding.line >= 0 and finding.column >= 0 for finding in error.findings)


def test_twelve_rules_keep_their_places() -> None:
    """Cedar names policies by their place; ten and more must not be told apart by their spelling."""
    texts = [
        f'@id("r{index}") @reason("{index}") forbid (principal, action, resource) when {{ context.hour > {index} }};'
        for index in range(12)
    ]
    texts[11] = texts[11].replace("context.hour", "context.our")
    with pytest.raises(BadPolicy) as caught:
        load(GOOD + "\n".join(texts))
    assert {finding.line for finding in caught.value.findings} == {14}
