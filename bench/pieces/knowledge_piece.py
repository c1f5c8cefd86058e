"""The graph: loading it, loading it again, reading contexts at one, five and ten million facts; matching; leaks."""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from functools import cache

from bench.probe import NotMeasured, Piece, Probe, Reading, Taken, json_lines
from bench.rows import Budget, Row, compare
from bench.scratch_store import scratch_store
from bench.where import time_shares

__all__ = ["knowledge_pieces"]

SIZES = (1_000_000, 5_000_000, 10_000_000)
PEOPLE = 60_000
PLAIN = "sqlite3 executemany, nothing checked or hashed"
LEAK_CONTEXTS = 100_000
FIRST = Budget("at_least", 300_000)
AGAIN = Budget("at_least", 250_000)
CONTEXT = Budget("at_most", 5)
MATCH = Budget("at_most", 5)
MEMORY = Budget("at_most", 500)
NONE = Budget("at_most", 0)
CONTEXT_BUDGETS = {"sqlite": "context_p99_ms", "postgresql": "context_p50_ms"}
"""Which figure has a budget, at the largest size."""


def knowledge_pieces(*, quick: bool) -> list[Piece]:
    """Return the pieces; a quick run stops at a tenth of a million facts."""
    sizes = (100_000,) if quick else SIZES
    return [
        *(_graph_piece(kind, sizes) for kind in ("sqlite", "postgresql")),
        _match_piece(2_000 if quick else PEOPLE),
        _leak_piece(1_000 if quick else LEAK_CONTEXTS),
    ]


def _graph_piece(kind: str, sizes: Sequence[int]) -> Piece:
    def take() -> Sequence[Reading]:
        figures: dict[str, object] = {}
        for size in sizes:
            with scratch_store(kind) as (store, env):
                command = [sys.executable, "-m", "bench.knowledge_bench", "--store", store, "--facts", str(size)]
                for line in json_lines(command, env=env, seconds_max=900):
                    figures |= {f"{key}_{size}": value for key, value in line.items()}
        return [figures]

    def plain() -> Sequence[Reading]:
        with scratch_store(kind) as (store, env):
            command = [sys.executable, "-m", "bench.plain_insert", "--store", store, "--facts", str(sizes[0])]
            found = json_lines(command, env=env, seconds_max=900)
        return [{f"{key}_{sizes[0]}": value for key, value in line.items()} for line in found]

    def rows(taken: Mapping[str, Taken]) -> list[Row]:
        return [
            row
            for size in sizes
            for row in _graph_rows(
                kind, size, size == max(SIZES), taken["remit"], taken.get("peer") if size == sizes[0] else None
            )
        ]

    probes = (Probe("remit", take), *([Probe("peer", plain)] if kind == "sqlite" else []))
    return Piece(f"knowledge.{kind}", probes, rows, lambda _row: _load_where(kind), 1)


def _graph_rows(kind: str, size: int, largest: bool, taken: Taken, plain: Taken | None) -> list[Row]:
    def row(name: str, what: str, unit: str, key: str, budget: Budget | None, cpu_key: str = "") -> Row:
        samples = taken.samples(f"{key}_{size}", f"{cpu_key}_{size}" if cpu_key else "")
        higher = "/" in unit
        peer = plain.samples(f"{key}_{size}", f"{cpu_key}_{size}") if plain is not None and name == "first" else None
        return compare(
            f"knowledge.{kind}.{name}.{size}", f"graph of {size:,} facts, {kind}: {what}", unit, samples, peer,
            better="higher" if higher else "lower", budget=budget, peer_name="" if peer is None else PLAIN,
        )  # fmt: skip

    budgeted = CONTEXT_BUDGETS[kind] if largest else ""
    contexts = [
        row(
            f"context.{name}",
            f"context of two hops, {words}",
            "ms",
            key,
            CONTEXT if key == budgeted else None,
            "context_cpu_us",
        )
        for name, words, key in (
            ("p50", "median", "context_p50_ms"),
            ("p99", "99th percentile", "context_p99_ms"),
        )
    ]
    first, again = "first_facts_per_cpu_second", "again_rows_per_cpu_second"
    return [
        row("first", "first load", "facts/CPU s", first, FIRST, "first_cpu_us"),
        row("first.wall", "first load, by the clock", "facts/s", "first_facts_per_second", None),
        row("again", "loading it again, unchanged", "rows/CPU s", again, AGAIN, "again_cpu_us"),
        row(
            "moved",
            "the same without the first row, so that no block of rows comes again",
            "rows/CPU s",
            "moved_rows_per_cpu_second",
            None,
        ),
        row("changed", "loading it again, every fifth row changed", "rows/CPU s", "changed_rows_per_cpu_second", None),
        row("memory", "most memory while it was loaded", "MB", "memory_mb", MEMORY if largest else None),
        *contexts,
    ]


@cache
def _load_where(kind: str) -> str:
    try:
        with scratch_store(kind) as (store, env):
            return time_shares(["bench.knowledge_bench", "--store", store, "--facts", "200000"], env)
    except NotMeasured as reason:
        return f"where the time goes could not be sampled: {reason}"


def _match_piece(count: int) -> Piece:
    def take() -> Sequence[Reading]:
        with scratch_store("sqlite") as (store, env):
            command = [sys.executable, "-m", "bench.match_bench", "--store", store, "--people", str(count)]
            return json_lines(command, env=env, seconds_max=900)

    def rows(taken: Mapping[str, Taken]) -> list[Row]:
        ours = taken["remit"]
        what = f"who is one arriving record among {count:,} people noted more than once"
        return [
            compare(
                f"knowledge.match.{name}", f"{what}, {words}", "ms", ours.samples(f"match_{name}_ms", "match_cpu_us"),
                better="lower", budget=MATCH,
            )
            for name, words in (("p50", "median"), ("p99", "99th percentile"))
        ]  # fmt: skip

    return Piece(
        "knowledge.match",
        (Probe("remit", take),),
        rows,
        lambda _row: "of a thousand records asked about the slowest ten share their keys with most others",
        1,
    )


def _leak_piece(count: int) -> Piece:
    def take() -> Sequence[Reading]:
        command = [sys.executable, "-m", "bench.leak_bench", "--contexts", str(count)]
        return json_lines(command, seconds_max=900)

    def rows(taken: Mapping[str, Taken]) -> list[Row]:
        what = f"random contexts, of {count:,}, that differ from what a plain reader of what is in sight makes"
        leaks = taken["remit"].samples("differing")
        return [compare("knowledge.leaks", what, "contexts", leaks, better="lower", budget=NONE)]

    return Piece("knowledge.leaks", (Probe("remit", take),), rows, lambda _row: "run bench.leak_bench", 1)
