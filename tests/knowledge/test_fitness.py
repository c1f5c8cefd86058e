"""Whether data carries a use: verdicts with their reasons, over the forms a need can take."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from remit.knowledge.audit_rules import AGE_LIMITS, ColumnCount, TableAudit
from remit.knowledge.fitness import VERDICTS, FitnessLimits, NeedFitness, fitness
from remit.knowledge.source_file import FactSpec, LinkSpec, SourceFile, TableSpec
from remit.manifest.grant import ActionGrant, FactNeed, Manifest
from remit.testing.knowledge_stand_ins import a_source

ORDER = TableSpec(
    "shop.order", "Order", ("id",), fresh_seconds=3_600,
    facts=(FactSpec("paid", "paid_amount", "money", currency="EUR"), FactSpec("hold", "hold", "boolean", see="risk")),
    links=(LinkSpec("country", "ref.country", "country_code"),),
)  # fmt: skip
COUNTRY = TableSpec("ref.country", "Country", ("code",), facts=(FactSpec("budget", "budget", "integer"),))
SOURCES = (a_source("shop", "sales", ORDER), a_source("ref", "finance", COUNTRY))
SEE = ("sales/internal", "sales/risk", "finance/internal")


def need(get: str, about: str = "Order/$order", kind: Any = "integer", **changes: Any) -> FactNeed:
    return FactNeed("fact", "", "", {}, kind, about=about, get=get, **changes)


def manifest(*needs: FactNeed, see: tuple[str, ...] = SEE) -> Manifest:
    action = ActionGrant("refund.create", "shop", "refund.create", {}, facts=needs)
    return Manifest(
        "refunds", "", "ada", None, "sales", (), {}, "", (), None, {"refund.create": action}, "d", "", "", see
    )


def audit(table: TableSpec, usable: int = 1_000, rows: int = 1_000, **changes: Any) -> TableAudit:
    columns = [ColumnCount(name, "", "", rows, min(rows, usable + 5), usable) for name in table.columns]
    made = TableAudit(table.dataset, table.type, rows, 0, usable, (), tuple(columns), table.fresh_seconds)
    return replace(made, **changes)


def judged(one: FactNeed, *audits: TableAudit, see: tuple[str, ...] = SEE, sources: Any = SOURCES) -> NeedFitness:
    (result,) = fitness([manifest(one, see=see)], sources, audits)
    return result


@pytest.mark.parametrize(
    ("usable", "verdict"),
    [
        (1_000, "supported"),
        (990, "supported"),
        (989, "at risk"),
        (900, "at risk"),
        (899, "not supported"),
        (0, "not supported"),
    ],
)
def test_verdicts_follow_the_share_of_usable_rows(usable: int, verdict: str) -> None:
    result = judged(need("paid"), audit(ORDER, usable))
    assert (result.verdict, result.usable_bp, result.rows) == (verdict, usable * 10, 1_000)
    assert result.columns == ("shop.order.paid_amount",)
    assert (result.agent, result.action, result.need) == ("refunds", "refund.create", "fact")
    if usable < 1_000:
        assert "shop.order.paid_amount" in result.reason


def test_limits_are_parameters() -> None:
    one, audits = manifest(need("paid")), [audit(ORDER, 600)]
    strict = fitness([one], SOURCES, audits)
    loose = fitness([one], SOURCES, audits, FitnessLimits(supported_bp=5_000, at_risk_bp=4_000))
    assert (strict[0].verdict, loose[0].verdict) == ("not supported", "supported")


def test_over_links_the_share_is_a_lower_bound() -> None:
    result = judged(need("country.budget"), audit(ORDER, 980), audit(COUNTRY, 97, 100))
    assert result.columns == ("shop.order.country_code", "ref.country.budget")
    assert (result.usable_bp, result.rows, result.verdict) == (9_500, 100, "at risk")
    assert "3 % of ref.country.budget" in result.reason


@settings(deadline=None)
@given(st.lists(st.tuples(st.booleans(), st.booleans()), min_size=1, max_size=200))
def test_the_bound_is_never_above_the_truth(rows: list[tuple[bool, bool]]) -> None:
    first, second = sum(one for one, _ in rows), sum(two for _, two in rows)
    both = sum(one and two for one, two in rows)
    result = judged(need("country.budget"), audit(ORDER, first, len(rows)), audit(COUNTRY, second, len(rows)))
    assert result.usable_bp is not None and result.usable_bp <= both * 10_000 // len(rows)


def test_links_are_followed_backwards_too_and_by_dataset_name() -> None:
    person = TableSpec("hr.person", "Person", ("id",), facts=(FactSpec("limit", "limit", "integer"),))
    team = TableSpec(
        "hr.team",
        "Team",
        ("id",),
        facts=(FactSpec("budget", "budget", "integer"),),
        links=(LinkSpec("lead", "hr.person", "lead"),),
    )
    sources = [a_source("hr", "hr", person, team)]
    see = ("hr/internal",)
    back = judged(need("lead.budget", "Person/$who"), audit(person), audit(team), see=see, sources=sources)
    assert (back.verdict, back.columns) == ("supported", ("hr.team.lead", "hr.team.budget"))
    ahead = judged(need("lead.limit", "hr.team/$team"), audit(person), audit(team), see=see, sources=sources)
    assert (ahead.verdict, ahead.columns) == ("supported", ("hr.team.lead", "hr.person.limit"))


def test_the_best_of_several_tables_counts() -> None:
    other = TableSpec("erp.order", "Order", ("no",), facts=(FactSpec("paid", "paid", "integer"),))
    sources = (*SOURCES, a_source("erp", "sales", other))
    result = judged(need("paid"), audit(ORDER, 500), audit(other, 995), sources=sources)
    assert (result.verdict, result.columns) == ("supported", ("erp.order.paid",))


@pytest.mark.parametrize(
    ("one", "see", "said"),
    [
        (need("nothing"), SEE, "no source says nothing of Order"),
        (need("paid", "Ghost/$g"), SEE, "no source says paid of Ghost"),
        (need("owner.budget"), SEE, "no source says owner.budget"),
        (need("hold", kind="boolean"), ("sales/internal",), "may not see sales/risk"),
        (need("country.budget"), ("sales/internal",), "may not see finance/internal"),
        (need("paid", kind="text"), SEE, "is money, the action takes text"),
        (need("paid", kind="texts"), SEE, "is money, the action takes texts"),
        (need("hold"), SEE, "is boolean, the action takes integer"),
    ],
)
def test_what_cannot_work_is_not_supported_whatever_the_rows(one: FactNeed, see: tuple[str, ...], said: str) -> None:
    result = judged(one, audit(ORDER), audit(COUNTRY), see=see)
    assert result.verdict == "not supported" and said in result.reason and result.usable_bp is None


def test_what_was_not_audited_or_has_no_rows() -> None:
    assert judged(need("country.budget"), audit(ORDER)).reason.startswith("ref.country was not audited")
    unseen = judged(need("paid"))
    assert (unseen.verdict, unseen.usable_bp) == ("at risk", None)
    empty = judged(need("paid"), audit(ORDER, 0, 0))
    assert (empty.verdict, empty.rows) == ("not supported", 0)
    part = judged(need("paid"), audit(ORDER, whole=False))
    assert part.verdict == "at risk" and "of those that were read" in part.reason


@pytest.mark.parametrize(
    ("fresh", "changes", "verdict", "said"),
    [
        (None, {}, "supported", ""),
        (3_600, {}, "supported", ""),
        (3_599, {}, "at risk", "promises 3600 s, the action needs 3599 s"),
        (7_200, {"age_seconds": 7_201}, "not supported", "last loaded 7201 s ago"),
        (7_200, {"age_seconds": 7_200}, "supported", ""),
        (900, {"ages": tuple((limit, 950 if limit >= 900 else 10) for limit in AGE_LIMITS)}, "at risk", "95 %"),
        (899, {"ages": tuple((limit, 950 if limit >= 900 else 10) for limit in AGE_LIMITS)}, "not supported", "1 %"),
        (299, {"ages": tuple((limit, 1_000) for limit in AGE_LIMITS)}, "not supported", "0 %"),
    ],
)
def test_freshness_is_the_actions_own(fresh: int | None, changes: dict[str, Any], verdict: str, said: str) -> None:
    result = judged(need("paid", fresh_seconds=fresh), audit(ORDER, **changes))
    assert result.verdict == verdict and said in result.reason, result


def test_no_promise_of_freshness_is_a_risk_and_refreshing_takes_it_away() -> None:
    asked = need("budget", "Country/$c", fresh_seconds=60)
    assert "promises no freshness" in judged(asked, audit(COUNTRY)).reason
    assert judged(asked, audit(COUNTRY)).verdict == "at risk"
    assert judged(replace(asked, stale="refresh"), audit(COUNTRY)).verdict == "supported"


def test_a_missing_value_that_has_a_meaning_is_not_missing() -> None:
    columns = tuple(ColumnCount(name, "", "", 100, 40, 40) for name in ORDER.columns)
    sparse = replace(audit(ORDER), columns=columns, rows=100)
    assert judged(need("paid"), sparse).verdict == "not supported"
    assert judged(need("paid", absent_in="shop.order", absent=0), sparse).verdict == "supported"


def test_facts_of_systems_are_left_alone_and_order_is_that_of_the_manifests() -> None:
    asked = FactNeed("asked", "shop", "paid", {}, "integer")
    one = manifest(asked, replace(need("paid"), name="b"), replace(need("nothing"), name="a"))
    found = fitness([one], SOURCES, [audit(ORDER)])
    assert [(fit.need, fit.verdict) for fit in found] == [("b", "supported"), ("a", "not supported")]
    assert VERDICTS[0] == "not supported"
    nothing: tuple[SourceFile, ...] = ()
    assert fitness([], nothing, []) == ()
