"""How fast SQLite alone takes the rows of a first load: the same tables and commits, plain ``executemany``, and nothing
read, checked, compared, hashed or recorded.

    python -m bench.plain_insert --store sqlite:PATH --facts 1000000

Prints one JSON line. Only inserting and committing are timed; making the rows up is not.
"""

from __future__ import annotations

import argparse
import json
import os
import sqlite3
import time
from collections.abc import Iterator

from bench.company_rows import DEPARTMENTS, FACTS_EACH, CompanyRows

from remit.store.engine import open_store
from remit.store.tables import TABLES

__all__ = ["insert_all"]

OPEN = 2**53 - 1
STARTED = 1_793_523_600
LOADED = ("record", "member", "version", "fact", "link")


def insert_all(path: str, rows_each: int) -> tuple[float, float]:
    """Insert every row into the empty store at ``path``; return the seconds and the CPU seconds it took."""
    connection = sqlite3.connect(path, isolation_level=None)
    connection.execute("pragma synchronous=full")
    connection.execute("pragma cache_size=-16000")
    seconds = cpu_seconds = 0.0
    statements = {
        table: f"insert into {table} ({TABLES[table]}) values ({','.join('?' * (TABLES[table].count(',') + 1))})"
        for table in LOADED
    }
    for tables in _batches(rows_each):
        began, cpu_began = time.perf_counter(), time.process_time()
        connection.execute("begin immediate")
        for table, rows in tables.items():
            connection.executemany(statements[table], rows)
        connection.execute("commit")
        seconds, cpu_seconds = seconds + time.perf_counter() - began, cpu_seconds + time.process_time() - cpu_began
    connection.close()
    return seconds, cpu_seconds


def _batches(rows_each: int) -> Iterator[dict[str, list[tuple[object, ...]]]]:
    """The rows of each commit by table, numbered as a load numbers them."""
    rid = fid = seq = 0
    for department in range(DEPARTMENTS):
        first = department * rows_each
        target = max(0, department - 1) * rows_each
        for batch in CompanyRows(department, rows_each).batches():
            seq += 1
            tables: dict[str, list[tuple[object, ...]]] = {table: [] for table in LOADED}
            for key, *values, owner in batch.rows:
                rid += 1
                drawn = os.urandom(16 * (3 + FACTS_EACH))
                tables["record"].append((rid, department, key, "T", drawn[:16], drawn[16:32]))
                tables["member"].append((rid, seq, OPEN, rid, "self", 10_000))
                tables["version"].append((rid, seq, OPEN, department, drawn[32:48], None))
                far = target + int(str(owner)[1:]) + 1
                times = (STARTED, OPEN, STARTED, seq, OPEN, department)
                tables["link"].append((rid, rid, FACTS_EACH, far, *times, 0, 0))
                for place, value in enumerate(values):
                    fid += 1
                    vh = drawn[48 + 16 * place : 64 + 16 * place]
                    tables["fact"].append((fid, rid, place, f'"{value}"', *times, place % 2, 0, vh))
            assert rid <= first + rows_each
            yield tables


def main() -> None:
    """Measure on the store that the command line names."""
    asked = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    asked.add_argument("--store", required=True, help="sqlite:PATH, empty")
    asked.add_argument("--facts", type=int, default=1_000_000)
    wanted = asked.parse_args()
    open_store(wanted.store).close()
    rows_each = max(1, wanted.facts // FACTS_EACH // DEPARTMENTS)
    _, cpu_seconds = insert_all(wanted.store.removeprefix("sqlite:"), rows_each)
    facts = rows_each * FACTS_EACH * DEPARTMENTS
    print(json.dumps({"first_facts_per_cpu_second": facts / cpu_seconds, "first_cpu_us": cpu_seconds * 1e6 / facts}))


if __name__ == "__main__":
    main()
