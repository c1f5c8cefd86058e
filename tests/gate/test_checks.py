"""Each check at its edges, and how they combine."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from remit.canonical import INTEGER_MAX
from remit.errors import BadInput
from remit.gate.decide import decide
from remit.gate.limits import window_start
from remit.gate.policy import Rules
from remit.gate.record import action_digest
from remit.manifest.grant import Manifest, Window
from remit.manifest.load import load_manifest
from remit.vocabulary import Action, Ask, Check, Decision, Fact, Grant, Halt, Json, Reserve, Scope, ScopeKind, Standing

NOW = datetime(2026, 3, 2, 9, 30, tzinfo=UTC)
MANIFEST = """\
agent: desk
purpose: Refund
owner: ana
department: shop
built_by: [kim]
confidence: {at_least: 0.8, ask: supervisor}
actions:
  refund:
    system: till
    arguments:
      type: object
      required: [order, cents]
      properties:
        order: {type: string, maxLength: 300}
        cents: {type: integer}
        country: {type: string}
    amount: cents
    touches: ["order/$order"]
    once: [order]
    facts:
      paid: {read: till.paid, type: integer, fresh: 1h, stale: escalate, missing: escalate, ask: finance}
    limits:
      - {name: day, of: amount, every: day, at_most: 1000}
      - {name: soft, of: amount, per: [country], every: month, at_most: $paid, over: escalate, ask: finance}
    oversight: on_the_loop
  recommend: {system: till, arguments: {type: object}, oversight: in_control}
  sign: {system: till, arguments: {type: object}, oversight: in_the_loop, ask: owner}
"""
PERMIT = '@id("all") @reason("all") permit (principal, action, resource);\n'
DAY = "limit/agent:desk/day/2026-03-02"
SOFT = "limit/agent:desk/soft/2026-03/PT"
ARGUMENTS: dict[str, Json] = {"order": "A1", "cents": 100, "country": "PT"}


def manifest(text: str = MANIFEST) -> Manifest:
    return load_manifest("desk.yaml", text)


def action(arguments: Mapping[str, Json] = ARGUMENTS, **changes: Any) -> Action:
    fields = {"agent": "desk", "version": manifest().version, "name": "refund", "case": "c1"} | changes
    return Action(arguments=arguments, **{"confidence_bp": 9000, **fields})


def paid(value: Json = 500, age: timedelta | None = timedelta(0), **changes: Any) -> dict[str, Fact]:
    return {"paid": Fact("paid", value, "till", "1", None if age is None else NOW - age, **changes)}


def judged(
    proposal: Action | None = None, facts: Mapping[str, Fact] | None = None, rules: str = PERMIT, **standing: Any
) -> Decision:
    held = Rules.load({"a.cedar": rules}, [manifest()])
    facts = paid() if facts is None else facts
    return decide(held, manifest(), proposal or action(), facts, Standing(NOW, **standing))


def of(decision: Decision, name: str) -> list[Check]:
    return [check for check in decision.checks if check.name == name]


def verdict(decision: Decision, name: str) -> str:
    verdicts = [check.verdict for check in of(decision, name)]
    return "deny" if "deny" in verdicts else "escalate" if "escalate" in verdicts else "allow"


def test_a_sound_action_passes_and_says_what_to_hold() -> None:
    decision = judged()
    assert decision.verdict == "allow"
    assert decision.touches == ("order/A1",)
    assert decision.once_key is not None
    assert decision.once_key.startswith("once/refund/")
    assert decision.reserves == (Reserve(DAY, 100, 1000, 0, True), Reserve(SOFT, 100, 500, 0, True))
    assert [check.name for check in decision.checks] == [
        "identity", "switch", "manifest", "arguments", "freshness", "policy", "limits", "limits", "conflict",
        "confidence", "oversight",
    ]  # fmt: skip


@pytest.mark.parametrize(("used", "expected"), [(0, "allow"), (899, "allow"), (900, "allow"), (901, "deny")])
def test_a_limit_holds_to_the_last_unit(used: int, expected: str) -> None:
    decision = judged(used={DAY: used})
    assert decision.verdict == expected
    assert decision.reserves[0] == Reserve(DAY, 100, 1000, used, expected == "allow")


@pytest.mark.parametrize("used", [-1, INTEGER_MAX + 1, 1.5, "0", None, True])
def test_a_counter_out_of_bounds_leaves_no_room(used: Any) -> None:
    decision = judged(used={DAY: used})
    assert decision.verdict == "deny"
    assert decision.reserves[0].used == INTEGER_MAX


def test_a_soft_limit_asks_and_a_grant_lifts_it_and_it_is_still_drawn() -> None:
    asked = judged(used={SOFT: 450})
    assert (asked.verdict, asked.asks) == ("escalate", (Ask("finance"),))
    lifted = judged(used={SOFT: 450}, grants=(Grant("finance", "fin"),))
    assert lifted.verdict == "allow"
    assert lifted.reserves[1] == Reserve(SOFT, 100, 500, 450, False)


@pytest.mark.parametrize(
    ("arguments", "facts"),
    [
        ({"order": "A1", "cents": -1, "country": "PT"}, paid()),
        ({"order": "A1", "cents": 100}, paid()),
        (ARGUMENTS, {}),
        (ARGUMENTS, paid(-1)),
        (ARGUMENTS, paid("500")),
        (ARGUMENTS, paid(True)),
    ],
)
def test_a_limit_that_cannot_be_worked_out_denies_and_no_grant_helps(
    arguments: dict[str, Json], facts: dict[str, Fact]
) -> None:
    decision = judged(action(arguments), facts, grants=(Grant("finance", "fin"),))
    assert verdict(decision, "limits") == "deny"
    assert decision.verdict == "deny"


@pytest.mark.parametrize(
    ("every", "start"),
    [("hour", "2027-01-01T00"), ("day", "2027-01-01"), ("week", "2026-W53"), ("month", "2027-01"), ("ever", "ever")],
)
def test_windows_follow_the_calendar_in_utc(every: Window, start: str) -> None:
    from datetime import timezone

    moment = datetime(2026, 12, 31, 19, 30, tzinfo=timezone(timedelta(hours=-5)))
    assert window_start(every, moment) == window_start(every, moment.astimezone(UTC)) == start


def test_groups_cannot_be_confused_by_what_stands_in_them() -> None:
    keys = set()
    for country in ["PT", "P/T", "P%2FT", "P T", "", "é", "x" * 201, "%-sha256-" + "0" * 64]:
        decision = judged(action({**ARGUMENTS, "country": country}))
        key = decision.reserves[1].key
        assert key.isascii()
        assert key.count("/") == 4
        keys.add(key)
    assert len(keys) == 8


@pytest.mark.parametrize(
    ("age", "expected"),
    [(0, "allow"), (3600, "allow"), (3601, "escalate"), (-300, "allow"), (-301, "deny"), (None, "escalate")],
)
def test_freshness_at_its_edges(age: int | None, expected: str) -> None:
    facts = paid(age=None if age is None else timedelta(seconds=age))
    assert verdict(judged(facts=facts), "freshness") == expected


def test_a_fraction_of_a_second_too_old_is_too_old() -> None:
    assert verdict(judged(facts=paid(age=timedelta(hours=1, microseconds=1))), "freshness") == "escalate"


def test_a_grant_lifts_what_is_stale_and_not_what_comes_from_the_future() -> None:
    finance = (Grant("finance", "fin"),)
    assert judged(facts=paid(age=timedelta(hours=5)), grants=finance).verdict == "allow"
    assert judged(facts=paid(age=-timedelta(hours=5)), grants=finance).verdict == "deny"


@pytest.mark.parametrize("value", [float("nan"), 1.5, {"a": {1: 2}}, "\ud800", b"x", object(), 2**60, "x" * 70_000])
def test_a_fact_that_cannot_be_recorded_is_missing_and_says_so(value: Any) -> None:
    decision = judged(facts=paid(value))
    check = of(decision, "freshness")[0]
    assert (check.verdict, check.facts) == ("escalate", ("paid",))
    assert check.reason.startswith("paid is missing: ")


def test_a_fact_with_a_naive_moment_or_under_another_name_is_missing() -> None:
    naive = {"paid": Fact("paid", 500, "till", "1", datetime(2026, 3, 2))}
    other = {"paid": Fact("sold", 500, "till", "1", NOW)}
    for facts in (naive, other):
        assert "paid is missing" in of(judged(facts=facts), "freshness")[0].reason


@pytest.mark.parametrize(
    ("kind", "value", "stopped"),
    [
        ("everything", "", True), ("department", "shop", True), ("department", "mail", False), ("agent", "desk", True),
        ("agent", "des", False), ("action", "refund", True), ("action", "sign", False), ("system", "till", True),
        ("system", "bank", False), ("entity", "order/A1", True), ("entity", "order/A2", False),
        ("version", "0" * 12, False),
    ],
)  # fmt: skip
def test_a_halt_stops_what_it_covers(kind: ScopeKind, value: str, stopped: bool) -> None:
    decision = judged(halts=(Halt("h1", Scope(kind, value), "fire", "ana", NOW),), grants=(Grant("owner", "ana"),))
    assert decision.verdict == ("deny" if stopped else "allow")
    assert [check.rule for check in of(decision, "switch")] == (["h1"] if stopped else ["none"])


def test_a_halt_on_a_version_and_on_an_unknown_kind_stops() -> None:
    for scope in (Scope("version", manifest().version), Scope("version", manifest().digest), Scope("galaxy", "x")):  # type: ignore[arg-type]
        assert judged(halts=(Halt("h", scope, "why", "ana", NOW),)).verdict == "deny"


def test_a_halt_on_an_entity_written_without_encoding_stops() -> None:
    halts = (Halt("h", Scope("entity", "order/Köln 1"), "why", "ana", NOW),)
    assert verdict(judged(action({**ARGUMENTS, "order": "Köln 1"}), halts=halts), "switch") == "deny"


def test_a_halt_that_cannot_be_compared_stops() -> None:
    entity = (Halt("h", Scope("entity", "order/A2"), "why", "ana", NOW),)
    assert verdict(judged(action({"order": 5}), halts=entity), "switch") == "deny"
    system = (Halt("h", Scope("system", "bank"), "why", "ana", NOW),)
    assert verdict(judged(action(name="steal"), halts=system), "switch") == "deny"


def test_conflicts_deny_another_action_and_let_the_same_one_through() -> None:
    mine, key = action_digest(action()), judged().once_key
    assert key is not None
    assert judged(claims={"order/A1": "f" * 64}).verdict == "deny"
    assert judged(claims={"order/A1": mine, "order/A2": "f" * 64}).verdict == "allow"
    assert judged(done={key: "f" * 64}).verdict == "deny"
    assert judged(done={key: mine}).verdict == "allow"


def test_the_once_key_rests_on_the_named_arguments_alone() -> None:
    assert judged().once_key == judged(action({**ARGUMENTS, "cents": 1})).once_key
    assert judged().once_key != judged(action({**ARGUMENTS, "order": "A2"})).once_key


@pytest.mark.parametrize(
    ("confidence", "expected"),
    [(8000, "allow"), (7999, "escalate"), (None, "escalate"), (10_000, "allow"), (10_001, "deny"), (-1, "deny")],
)
def test_confidence_at_its_edges(confidence: int | None, expected: str) -> None:
    decision = judged(action(confidence_bp=confidence))
    assert verdict(decision, "confidence") == decision.verdict == expected


def test_oversight() -> None:
    assert judged(action({}, name="recommend")).verdict == "deny"
    assert of(judged(action({}, name="recommend")), "oversight")[0].rule == "recommends-only"
    asked = judged(action({}, name="sign"))
    assert (asked.verdict, asked.asks) == ("escalate", (Ask("owner"),))
    assert judged(action({}, name="sign"), grants=(Grant("owner", "ana"),)).verdict == "allow"


@pytest.mark.parametrize("person", ["kim", "desk", ""])
def test_the_word_of_builder_agent_or_nobody_does_not_count(person: str) -> None:
    assert judged(action({}, name="sign"), grants=(Grant("owner", person),)).verdict == "escalate"


@pytest.mark.parametrize(
    "changes", [{"agent": "other"}, {"version": "000000000000"}, {"name": "steal"}, {"version": manifest().digest}]
)
def test_what_is_not_the_agents_own_is_denied_and_every_check_still_speaks(changes: dict[str, Any]) -> None:
    decision = judged(action(**changes))
    assert decision.verdict == "deny"
    assert {check.name for check in decision.checks} >= {"identity", "policy", "limits", "oversight"}


@pytest.mark.parametrize(
    "arguments",
    [
        {}, {"order": "A1"}, {**ARGUMENTS, "extra": 1}, {**ARGUMENTS, "cents": 1.0}, {**ARGUMENTS, "cents": True},
        {**ARGUMENTS, "cents": 2**53}, {**ARGUMENTS, "order": "\ud800"}, {**ARGUMENTS, "order": "x" * 301},
        {**ARGUMENTS, "country": "x" * 1001}, {**ARGUMENTS, "é": 1}, {1: 2}, None, [], "x",
        {**ARGUMENTS, "cents": None},
        {**ARGUMENTS, "country": "x" * 70_000}, {**ARGUMENTS, "country": b"x"},
    ],
)  # fmt: skip
def test_arguments_of_another_form_are_denied_and_nothing_is_held(arguments: Any) -> None:
    decision = judged(action(arguments))
    assert [check.verdict for check in of(decision, "arguments")] == ["deny"]
    assert (decision.touches, decision.once_key, decision.reserves) == ((), None, ())
    for name in ("policy", "limits", "conflict"):
        assert [check.rule for check in of(decision, name)] == ["cannot-check"]


def test_reasons_do_not_repeat_what_may_be_personal() -> None:
    secret = "Maria da Silva, Rua 7"
    arguments: dict[str, Json] = {"order": "A1", "cents": secret, "country": secret * 100}
    decision = judged(action(arguments), paid(secret))
    assert secret not in " ".join(check.reason for check in decision.checks)


@pytest.mark.parametrize(
    "changes", [{"reasons": ("x" * 70_000,)}, {"case": "x" * 70_000}, {"case": 5}, {"confidence_bp": 0.9}]
)
def test_an_action_that_cannot_be_recorded_is_denied(changes: dict[str, Any]) -> None:
    assert judged(action(**changes)).verdict == "deny"


def approve(rule: str, approvers: str, when: str, unless: str) -> str:
    notes = f'@id("{rule}") @reason("{rule}") @effect("approve") @approvers("{approvers}")'
    return f"{notes} forbid (principal, action, resource) when {{ {when} }} unless {{ {unless} }};\n"


FIN = 'context.approvals.contains("fin")'
SUP = 'context.approvals.contains("sup")'
TWO_KEYS = PERMIT + approve("big", "fin, sup:2", "true", f"{FIN} && {SUP}")


@pytest.mark.parametrize(
    ("people", "expected", "asks"),
    [
        ([], "escalate", (Ask("fin"), Ask("sup", 2))),
        ([("fin", "a")], "escalate", (Ask("sup", 2),)),
        ([("fin", "a"), ("sup", "a")], "escalate", (Ask("sup", 2),)),
        ([("fin", "a"), ("sup", "a"), ("sup", "a")], "escalate", (Ask("sup", 2),)),
        ([("fin", "a"), ("sup", "a"), ("sup", "kim")], "escalate", (Ask("sup", 2),)),
        ([("fin", "a"), ("sup", "a"), ("sup", "b")], "allow", ()),
        ([("sup", "a"), ("sup", "b")], "escalate", (Ask("fin"),)),
    ],
)
def test_approvals_need_enough_different_people(
    people: list[tuple[str, str]], expected: str, asks: tuple[Ask, ...]
) -> None:
    decision = judged(rules=TWO_KEYS, grants=tuple(Grant(role, person) for role, person in people))
    assert (decision.verdict, decision.asks) == (expected, asks)


def test_two_rules_on_one_role_need_the_larger_number() -> None:
    rules = PERMIT + approve("one", "fin", "true", FIN) + approve("two", "fin:2", "true", FIN)
    assert judged(rules=rules, grants=(Grant("fin", "a"),)).asks == (Ask("fin", 2),)
    assert judged(rules=rules, grants=(Grant("fin", "a"), Grant("fin", "b"))).verdict == "allow"


def test_either_of_two_roles_is_enough_where_the_rule_says_so() -> None:
    rules = PERMIT + approve("either", "fin, sup", "true", f"{FIN} || {SUP}")
    assert judged(rules=rules).asks == (Ask("fin"), Ask("sup"))
    assert judged(rules=rules, grants=(Grant("sup", "a"),)).verdict == "allow"


def test_no_approval_lifts_a_hard_forbid_a_missing_permit_or_a_rule_that_needs_more() -> None:
    grants = (Grant("fin", "a"), Grant("sup", "b"))
    hard = (
        PERMIT + approve("soft", "fin", "true", FIN) + '@id("no") @reason("no") forbid (principal, action, resource);'
    )
    denied = judged(rules=hard, grants=grants)
    assert [(check.rule, check.verdict, check.reason) for check in of(denied, "policy")] == [("no", "deny", "no")]
    unpermitted = judged(rules=approve("soft", "fin", "true", FIN), grants=grants)
    assert [(check.rule, check.verdict) for check in of(unpermitted, "policy")] == [("no-permit", "deny")]
    stubborn = PERMIT + approve("soft", "fin", "true", f"{FIN} && context.hour > 20")
    assert [check.verdict for check in of(judged(rules=stubborn, grants=grants), "policy")] == ["deny"]


def test_asks_of_all_checks_are_merged_and_a_deny_asks_nobody() -> None:
    rules = PERMIT + approve("big", "finance:2", "true", 'context.approvals.contains("finance")')
    decision = judged(action(confidence_bp=None), paid(age=timedelta(hours=2)), rules)
    assert decision.asks == (Ask("finance", 2), Ask("supervisor"))
    assert judged(action(confidence_bp=None, agent="other"), paid(), rules).asks == ()


def test_an_action_that_no_rule_knows_is_not_permitted() -> None:
    narrow = Rules.load({"a.cedar": PERMIT}, [manifest(MANIFEST.split("  recommend", maxsplit=1)[0])])
    decision = decide(narrow, manifest(), action({}, name="sign"), {}, Standing(NOW, grants=(Grant("owner", "ana"),)))
    assert [(check.rule, check.verdict) for check in of(decision, "policy")] == [("no-permit", "deny")]


def test_rules_of_an_older_form_of_the_action_deny_what_does_not_fit_them() -> None:
    """The rules were loaded when `country` was a whole number: their schema still checks every request."""
    older = manifest(MANIFEST.replace("country: {type: string}", "country: {type: integer}"))
    rule = '@id("x") @reason("x") forbid (principal, action == Remit::Action::"refund", resource) '
    rule += "when { context.arguments has country && context.arguments.country > 5 };"
    decision = decide(Rules.load({"a.cedar": PERMIT + rule}, [older]), manifest(), action(), paid(), Standing(NOW))
    assert [(check.rule, check.verdict) for check in of(decision, "policy")] == [("cannot-check", "deny")]


def test_now_needs_a_time_zone() -> None:
    with pytest.raises(BadInput):
        decide(Rules.load({"a.cedar": PERMIT}, [manifest()]), manifest(), action(), {}, Standing(datetime(2026, 1, 1)))


def test_the_order_of_arguments_facts_and_grants_does_not_matter() -> None:
    bad: dict[str, Json] = {"zeta": 1, "alpha": 2, "order": "A1"}
    turned = dict(reversed(list(bad.items())))
    assert judged(action(bad)) == judged(action(turned))
    grants = (Grant("fin", "a"), Grant("sup", "b"))
    assert judged(rules=TWO_KEYS, grants=grants) == judged(rules=TWO_KEYS, grants=grants[::-1])


def fires(condition: str, proposal: Action | None = None, facts: Mapping[str, Fact] | None = None) -> bool:
    scope = 'principal, action == Remit::Action::"refund", resource'
    rule = f'@id("it") @reason("it") forbid ({scope}) when {{ {condition} }};'
    return "it" in [check.rule for check in of(judged(proposal, facts, PERMIT + rule), "policy")]


@pytest.mark.parametrize(
    ("condition", "expected"),
    [
        ("context.hour == 9 && context.weekday == 1", True),
        (f"context.now == {int(NOW.timestamp())}", True),
        ("context.amount_minor == 100", True),
        ("context.confidence_bp == 9000", True),
        ("context.amount_minor == 101", False),
    ],
)
def test_what_rules_are_shown(condition: str, expected: bool) -> None:
    guards = "context has amount_minor && context has confidence_bp"
    assert fires(f"{guards} && {condition}") is expected


@pytest.mark.parametrize(("order", "expected"), [("A1", "it"), ("A2", "all")])
def test_a_rule_may_read_all_arguments_at_once(order: str, expected: str) -> None:
    closed = manifest(MANIFEST.replace("[order, cents]", "[order, cents, country]"))
    rule = '@id("it") @reason("it") forbid (principal, action == Remit::Action::"refund", resource) '
    rule += f'when {{ context.arguments == {{order: "{order}", cents: 100, country: "PT"}} }};'
    held = Rules.load({"a.cedar": PERMIT + rule}, [closed])
    decision = decide(held, closed, action(version=closed.version), paid(), Standing(NOW))
    assert [check.rule for check in of(decision, "policy")] == [expected]


def test_sunday_is_the_seventh_day() -> None:
    rule = '@id("it") @reason("it") forbid (principal, action, resource) when { context.weekday == 7 };'
    held = Rules.load({"a.cedar": PERMIT + rule}, [manifest()])
    sunday = NOW - timedelta(days=1)
    decision = decide(held, manifest(), action(), {}, Standing(sunday))
    assert [check.rule for check in of(decision, "policy")] == ["it"]


def test_what_is_no_confidence_or_no_number_is_not_shown_to_rules() -> None:
    stated = "context has confidence_bp"
    assert fires(stated)
    assert not fires(stated, action(confidence_bp=10_001))
    assert not fires(stated, action(confidence_bp=None))
    known = "context.facts has paid"
    assert fires(known)
    assert not fires(known, facts=paid(True))
    assert "not a whole number" in of(judged(facts=paid(True)), "freshness")[0].reason
    assert fires('context.missing.contains("paid")', facts=paid(True))
    assert fires('context.stale.contains("paid")', facts=paid(age=timedelta(hours=2)))
    assert not fires('context.stale.contains("paid") || context.missing.contains("paid")')


def test_a_rule_on_several_actions_speaks_on_each() -> None:
    names = ", ".join(f'Remit::Action::"{name}"' for name in ("recommend", "refund"))
    rule = f'@id("it") @reason("it") forbid (principal, action in [{names}], resource);'
    assert [check.rule for check in of(judged(rules=PERMIT + rule), "policy")] == ["it"]
    sign = judged(action({}, name="sign"), rules=PERMIT + rule)
    assert [check.rule for check in of(sign, "policy")] == ["all"]
