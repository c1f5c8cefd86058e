"""How fast one arriving record finds who it is among the people of a source, with the model that resolution trained.

    python -m bench.match_bench --store sqlite:PATH --people 60000

Prints one JSON line: median and 99th percentile of asking about one record, in wall milliseconds.
"""

from __future__ import annotations

import argparse
import json
import time
from datetime import UTC, datetime

from bench.knowledge_bench import share_at
from tests.knowledge.generated_people import MATCH, people

from remit.knowledge.arriving import current_matcher, match_one
from remit.knowledge.load_table import load_table
from remit.knowledge.resolve_type import resolve_type
from remit.knowledge.source_file import SourceFile, load_source_file
from remit.ledger.journal import Journal
from remit.store.engine import Store, open_store
from remit.testing.knowledge_stand_ins import ListReader

__all__ = ["people_source"]

NOW = datetime(2026, 11, 21, 9, 0, tzinfo=UTC)
ASKED = 1_000


def people_source() -> SourceFile:
    """Return the description of a source of people."""
    facts = [f"      {name}: {{match: {word}}}" for name, word in MATCH.items()]
    head = ["source: register", "department: sales", "connect: {kind: csv, path: none.csv}", "tables:", "  person:"]
    return load_source_file("register.yaml", "\n".join([*head, "    is: Person", "    key: id", "    facts:", *facts]))


def _figures(journal: Journal, store: Store, count: int) -> dict[str, float]:
    source = people_source()
    rows, labels = people(count, doubled=0.4, seed=3)
    known, asked = rows[:-ASKED], rows[-ASKED:]
    cells = [[f"P{place}", *(row.get(name) for name in MATCH)] for place, row in enumerate(known)]
    reader = ListReader({"person": (("id", *MATCH), cells)})
    load_table(journal, store, source, "person", reader, mode="full", now=NOW)
    resolve_type(journal, store, "Person", {"register": source}, now=int(NOW.timestamp()), single=frozenset())
    matcher = current_matcher(store, "Person")
    if matcher is None:
        raise SystemExit("no model was trained")
    with store.snapshot() as snapshot:
        places: dict[int, str] = dict(snapshot.fetch("select rid, skey from record"))
    wall, right, there, cpu_began = [], 0, 0, time.process_time()
    who = set(labels[:-ASKED])
    for row, label in zip(asked, labels[-ASKED:], strict=True):
        began = time.perf_counter()
        found = match_one(store, matcher, row)
        wall.append((time.perf_counter() - began) * 1e3)
        there += label in who
        right += bool(found) and labels[int(places[found[0].rid][1:])] == label
    return {
        "records": len(known), "asked": ASKED, "known": there, "found": right,
        "match_p50_ms": share_at(wall, 0.5), "match_p99_ms": share_at(wall, 0.99),
        "match_cpu_us": (time.process_time() - cpu_began) * 1e6 / ASKED,
    }  # fmt: skip


def main() -> None:
    """Measure on the store that the command line names."""
    asked = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    asked.add_argument("--store", required=True, help="sqlite:PATH or postgresql://..., empty")
    asked.add_argument("--people", type=int, default=60_000)
    wanted = asked.parse_args()
    store = open_store(wanted.store)
    journal = Journal(store)
    try:
        figures = _figures(journal, store, wanted.people)
    finally:
        journal.close()
        store.close()
    print(json.dumps(figures))


if __name__ == "__main__":
    main()
