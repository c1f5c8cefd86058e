"""What loads tell of a table, on both stores."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta

from remit.knowledge.audit_graph import with_graph
from remit.knowledge.audit_rules import TableAudit
from remit.knowledge.load_table import load_table
from remit.knowledge.source_file import FactSpec, LinkSpec, SourceFile, TableSpec
from remit.knowledge.table_audit import audit_source
from remit.ledger.journal import Journal
from remit.store.engine import Store
from remit.testing.knowledge_stand_ins import ListReader, a_source

Row = Sequence[str | None]
NOW = datetime(2026, 11, 21, 12, tzinfo=UTC)
ORDER = TableSpec(
    "crm.order", "Order", ("id",), fresh_seconds=3_600,
    facts=(FactSpec("total", "total", "money", currency="EUR"),),
    links=(LinkSpec("account", "crm.account", "account_id"),),
)  # fmt: skip
ACCOUNT = TableSpec("crm.account", "Customer", ("id",), facts=(FactSpec("name", "name"),))
SOURCE = a_source("crm", "sales", ORDER, ACCOUNT)


def reader(orders: Sequence[Row], extra: bool = False) -> ListReader:
    columns = ["id", "total", "account_id", *(["note"] if extra else [])]
    return ListReader({
        "order": (columns, [[*row, *(["x"] if extra else [])] for row in orders]),
        "account": (["id", "name"], [["1", "a"]]),
    })  # fmt: skip


def load(journal: Journal, store: Store, table: str, source: ListReader, minutes_ago: int) -> None:
    report = load_table(journal, store, SOURCE, table, source, now=NOW - timedelta(minutes=minutes_ago))
    assert report.state == "ok", report


def audited(store: Store, source: SourceFile, orders: ListReader) -> TableAudit:
    (audit,) = audit_source(source, orders, now=NOW, tables=["order"])
    with store.snapshot() as snapshot:
        return with_graph(audit, snapshot, source.tables["order"], NOW)


def test_nothing_is_added_before_any_load(store: Store) -> None:
    audit = audited(store, SOURCE, reader([["o1", "1", "1"]]))
    assert (audit.age_seconds, audit.volumes, audit.quarantined) == (None, None, None)
    assert all(rule.rule not in {"fresh", "held"} for rule in audit.rules)


def test_age_volume_references_quarantine_and_drift(journal: Journal, store: Store) -> None:
    load(journal, store, "account", reader([]), 300)
    many: list[Row] = [[f"o{number}", "1.00", "1"] for number in range(10)]
    load(journal, store, "order", reader(many), 240)
    some: list[Row] = [["o1", "2.00", "1"], ["o2", "lots", "1"], ["o3", "3.00", "9"], ["o4", "4.00", None]]
    load(journal, store, "order", reader(some, extra=True), 90)
    audit = audited(store, SOURCE, reader(some))
    assert audit.age_seconds == 5_400 and audit.volumes == (10, 4) and audit.quarantined == {"type": 1}
    by_rule = {rule.rule: rule for rule in audit.rules}
    assert (by_rule["fresh"].failed, by_rule["held"].failed) == (1, 1)
    assert by_rule["reference"].column == "account_id"
    assert (by_rule["reference"].failed, by_rule["reference"].examples[0].key) == (1, "o3")
    assert (by_rule["volume"].weight, by_rule["volume"].failed) == ("hint", 1)
    assert (by_rule["drift"].column, by_rule["drift"].weight) == ("note", "hint")
    fresh = audited(store, SOURCE, reader(some))
    assert fresh == audit


def test_a_load_within_its_target_is_no_fault(journal: Journal, store: Store) -> None:
    load(journal, store, "account", reader([]), 300)
    load(journal, store, "order", reader([["o1", "1", "1"]]), 60)
    audit = audited(store, SOURCE, reader([["o1", "1", "1"]]))
    assert audit.faults() == () and audit.age_seconds == 3_600
    assert {rule.rule for rule in audit.rules} >= {"fresh", "reference"}


def test_keys_that_are_personal_are_not_shown(journal: Journal, store: Store) -> None:
    facts = (FactSpec("id", "id", see="pii"), *ORDER.facts)
    personal = TableSpec("crm.order", "Order", ("id",), facts=facts, links=ORDER.links)
    source = a_source("crm", "sales", personal, ACCOUNT)
    rows = reader([["secret", "1", "9"]])
    assert load_table(journal, store, source, "order", rows, now=NOW).state == "ok"
    audit = audited(store, source, reader([["secret", "1", "9"]]))
    (rule,) = [rule for rule in audit.faults() if rule.rule == "reference"]
    assert rule.failed == 1 and "secret" not in repr(audit)


def test_twice_as_many_rows_as_before_are_worth_a_look_and_no_more(journal: Journal, store: Store) -> None:
    load(journal, store, "account", reader([]), 300)
    hints = []
    for minutes, count in ((50, 4), (40, 8), (30, 17), (20, 17), (10, 8)):
        rows: list[Row] = [[f"o{number}", "1", "1"] for number in range(count)]
        load(journal, store, "order", reader(rows), minutes)
        audit = audited(store, SOURCE, reader(rows))
        hints.append(sum(rule.failed for rule in audit.rules if rule.rule == "volume"))
    assert hints == [0, 0, 1, 0, 1]
