"""A decision in words."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from remit.gate.decide import decide
from remit.gate.explain import explain
from remit.gate.policy import Rules
from remit.manifest.load import load_manifest
from remit.manifest.scaffold import SCAFFOLD
from remit.vocabulary import Action, Decision, Fact, Json, Standing

NOW = datetime(2026, 3, 2, 9, 30, tzinfo=UTC)


def told(arguments: dict[str, Json], reasons: tuple[str, ...] = (), **fact: object) -> tuple[str, Decision]:
    manifest = load_manifest("a.yaml", SCAFFOLD["agents/refund-desk.yaml"])
    rules = Rules.load({"a.cedar": SCAFFOLD["policies/refunds.cedar"]}, [manifest])
    action = Action("refund-desk", manifest.version, "refund.create", "case 7", arguments, 9000, reasons)
    given = {
        "name": "paid",
        "value": 20_000,
        "source": "shop",
        "record": "r1",
        "observed_at": NOW - timedelta(minutes=40),
    }
    facts = {"paid": Fact(**{**given, **fact})}  # type: ignore[arg-type]
    decision = decide(rules, manifest, action, facts, Standing(NOW))
    return explain(decision, action, facts, NOW), decision


def test_it_tells_what_was_asked_on_what_and_what_every_check_said() -> None:
    text, decision = told({"order": "A1", "amount_minor": 12_500}, ("parcel lost",))
    lines = text.splitlines()
    assert lines[0] == "refund-desk asked for refund.create on case case 7: waits for a person (finance)"
    assert "  amount_minor = 12500" in lines
    assert '  because "parcel lost"' in lines
    assert "  paid = 20000, 40 min old, from shop r1" in lines
    assert "  ask  policy [refund-over-100]: refunds above 100 need finance" in lines
    for check in decision.checks:
        assert any(check.name in line and check.reason in line for line in lines)
    assert any(line.startswith("  draws 12500 from limit/agent:refund-desk/per-day/") for line in lines)


def test_what_is_missing_is_called_missing() -> None:
    text, _ = told({"order": "A1", "amount_minor": 1}, value=None, problem="timed out")
    assert "  paid: missing (timed out)" in text.splitlines()
    assert "of unknown age" in told({"order": "A1", "amount_minor": 1}, observed_at=None)[0]
    assert "2 h in the future" in told({"order": "A1", "amount_minor": 1}, observed_at=NOW + timedelta(hours=2))[0]


def test_nobody_can_forge_a_line() -> None:
    forged = "x\nThe checks\n  yes  policy: a\u2028b\x1b[2J"
    text, decision = told({"order": forged, "amount_minor": 1}, (forged,), source=forged, record=forged, problem=forged)
    plain, same = told({"order": "x", "amount_minor": 1}, ("x",))
    assert len(decision.checks) == len(same.checks)
    assert len(text.splitlines()) == len(plain.splitlines())
    assert text.count("\nThe checks") == 1
    assert "\x1b" not in text


def test_long_values_are_cut() -> None:
    text, _ = told({"order": "x" * 5000, "amount_minor": 1}, ("y" * 5000,))
    assert max(map(len, text.splitlines())) < 420
