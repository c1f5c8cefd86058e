"""How fast a graph is loaded, loaded again, and read: one size, in a fresh store, in one process.

    python -m bench.knowledge_bench --store sqlite:PATH --facts 1000000

Prints one JSON line. Contexts are two hops wide, of entities drawn evenly, for an agent that may see two thirds of the
scopes, as of a moment drawn from the whole history; wall and CPU time of this process, one after the other.
"""

from __future__ import annotations

import argparse
import json
import random
import resource
import sys
import time
from collections import Counter
from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta

from bench.company_rows import DEPARTMENTS, FACTS_EACH, CompanyRows, company_source, same_things

from remit.errors import NotFound
from remit.knowledge.context import ContextAsk, read_context
from remit.knowledge.entity import move_records
from remit.knowledge.load_table import load_table
from remit.ledger.journal import Journal
from remit.store.engine import Store, open_store

__all__ = ["ask_some", "load_all", "merge_some", "share_at"]

START = datetime(2026, 11, 1, 9, 0, tzinfo=UTC)
MOVES_EACH = 10_000
CAP, ENTITIES_MAX, FACTS_MAX = 10, 150, 200


def load_all(
    journal: Journal, store: Store, rows_each: int, version: int, now: datetime, first_row: int = 0
) -> dict[str, float]:
    """Load every department in full; return rows, facts written, and the seconds it took, making rows up left out.

    Without the ``first_row`` rows at the beginning, every block of rows is another than it was. What making them up
    takes is measured beside it, in one go: asking for CPU time is dear on some machines.
    """
    sources = [company_source(department) for department in range(DEPARTMENTS)]
    making, making_cpu = _making(rows_each, version)
    began, cpu_began = time.perf_counter(), time.process_time()
    counts = {"read": 0, "facts": 0, "changed": 0, "unchanged": 0}
    for department, source in enumerate(sources):
        rows = CompanyRows(department, rows_each, version, first_row)
        report = load_table(journal, store, source, "item", rows, mode="full", now=now)
        if report.state != "ok":
            raise SystemExit(f"the load of {report.dataset} failed: {report.problem}")
        for name in counts:
            counts[name] += report.counts[name]
    wall, cpu = time.perf_counter() - began - making, time.process_time() - cpu_began - making_cpu
    return {**counts, "seconds": wall, "cpu_seconds": cpu}


def _making(rows_each: int, version: int) -> tuple[float, float]:
    began, cpu_began = time.perf_counter(), time.process_time()
    for department in range(DEPARTMENTS):
        for _ in CompanyRows(department, rows_each, version).batches():
            pass
    return time.perf_counter() - began, time.process_time() - cpu_began


def merge_some(journal: Journal, store: Store, rows_each: int) -> int:
    """Make one entity of the records that are one thing; return how many records moved."""
    rids: dict[tuple[str, str], int] = {}
    with store.snapshot() as reader:
        found = reader.stream("select d.name, r.skey, r.rid from record r join dataset d on d.did = r.did")
        rids.update(((dataset, key), rid) for dataset, key, rid in found)
    entered: dict[int, int] = {}
    for one, other, number in same_things(rows_each):
        first, second = (rids[f"d{department:02d}.item", f"K{number:07d}"] for department in (one, other))
        entered[second] = entered.get(first, first)
    moves = [(rid, rid, eid) for rid, eid in sorted(entered.items())]
    for start in range(0, len(moves), MOVES_EACH):
        some = moves[start : start + MOVES_EACH]
        move_records(journal, some, how="bench", score_bp=9_900, why="the same number", actor="bench")
    return len(moves)


def ask_some(store: Store, count: int, seed: int = 7) -> tuple[list[float], float, Counter[str]]:
    """Read contexts one after the other; return the wall milliseconds of each, the CPU milliseconds of one on average,
    and what stood in all of them.
    """
    drawn = random.Random(seed)
    scopes = tuple(
        f"dept{number:02d}/{see}" for number in range(DEPARTMENTS) if number % 3 for see in ("internal", "pii")
    )
    with store.snapshot() as reader:
        size, records = reader.fetch("select (select size from head), (select max(rid) from record)")[0]
    now = int((START + timedelta(days=2)).timestamp())
    wall: list[float] = []
    shown = Counter[str]()
    cpu_began = time.process_time()
    while len(wall) < count:
        ask = ContextAsk(
            "agent", drawn.randint(1, records), scopes, drawn.randint(size // 2, size), now, now,
            hops=2, cap=CAP, entities_max=ENTITIES_MAX, facts_max=FACTS_MAX,
        )  # fmt: skip
        began = time.perf_counter()
        try:
            with store.snapshot() as reader:
                context = read_context(reader, ask)
        except NotFound:
            continue  # of a department that is out of sight, or not loaded yet then
        wall.append((time.perf_counter() - began) * 1e3)
        shown.update(facts=len(context.facts), entities=len(context.data["entities"]), links=len(context.links))
    return wall, (time.process_time() - cpu_began) * 1e3 / count, shown


def share_at(values: Sequence[float], share: float) -> float:
    """Return the value below which the share ``share`` of ``values`` lies."""
    return sorted(values)[min(len(values) - 1, int(len(values) * share))]


def _figures(journal: Journal, store: Store, facts: int, contexts: int, say: Callable[[str], None]) -> dict[str, float]:
    rows_each = max(1, facts // FACTS_EACH // DEPARTMENTS)
    first = load_all(journal, store, rows_each, 0, START)
    say(f"loaded {first['facts']:,} facts: {first['facts'] / first['cpu_seconds']:,.0f} per CPU s")
    rss = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    again = load_all(journal, store, rows_each, 0, START + timedelta(hours=1))
    moved = load_all(journal, store, rows_each, 0, START + timedelta(hours=2), first_row=1)
    changed = load_all(journal, store, rows_each, 1, START + timedelta(days=1))
    say(f"again: {again['read'] / again['cpu_seconds']:,.0f} rows per CPU s; {changed['changed']:,} changed")
    merged = merge_some(journal, store, rows_each)
    say(f"merged: {merged:,} records moved")
    ask_some(store, min(200, contexts), seed=1)
    wall, cpu, shown = ask_some(store, contexts)
    return {
        "facts": facts,
        "first_facts_per_cpu_second": first["facts"] / first["cpu_seconds"],
        "first_facts_per_second": first["facts"] / first["seconds"],
        "first_cpu_us": first["cpu_seconds"] * 1e6 / first["facts"],
        "again_rows_per_cpu_second": again["read"] / again["cpu_seconds"],
        "again_rows_per_second": again["read"] / again["seconds"],
        "again_cpu_us": again["cpu_seconds"] * 1e6 / again["read"],
        "moved_rows_per_cpu_second": moved["read"] / moved["cpu_seconds"],
        "changed_rows_per_cpu_second": changed["changed"] / changed["cpu_seconds"],
        "memory_mb": rss,
        "context_p50_ms": share_at(wall, 0.5),
        "context_p99_ms": share_at(wall, 0.99),
        "context_cpu_us": cpu * 1e3,
        "context_facts": shown["facts"] / contexts,
        "context_entities": shown["entities"] / contexts,
    }


def main() -> None:
    """Measure on the store that the command line names."""
    asked = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    asked.add_argument("--store", required=True, help="sqlite:PATH or postgresql://..., empty")
    asked.add_argument("--facts", type=int, default=1_000_000)
    asked.add_argument("--contexts", type=int, default=1_000)
    wanted = asked.parse_args()
    store = open_store(wanted.store)
    journal = Journal(store)
    try:
        figures = _figures(journal, store, wanted.facts, wanted.contexts, lambda text: print(text, file=sys.stderr))
    finally:
        journal.close()
        store.close()
    print(json.dumps(figures))


if __name__ == "__main__":
    main()
