"""A governed action end to end: two durable appends of ours beside three durable nodes of LangGraph."""

from __future__ import annotations

import importlib.util
import sys
from collections.abc import Callable, Mapping, Sequence
from statistics import median

from bench.environments import PEERS, peer_python, peer_version
from bench.probe import NotMeasured, Piece, Probe, Reading, Taken, json_lines
from bench.rows import Budget, Row, compare, figure, rounded
from bench.scratch_store import scratch_store
from bench.where import time_shares

__all__ = ["governed_pieces"]

BUDGETS = {
    ("sqlite", 1): 3,
    ("sqlite", 16): 8,
    ("sqlite", 64): 12,
    ("postgresql", 1): 2,
    ("postgresql", 16): 6,
    ("postgresql", 64): 10,
}
CONCURRENCIES = (1, 8, 16, 32, 64, 128)
SAVERS = {"sqlite": "SqliteSaver", "postgresql": "PostgresSaver"}


def governed_pieces(seconds: float) -> list[Piece]:
    """Return a piece for each store and concurrency, each side acting for ``seconds`` a round."""
    return [_piece(kind, concurrency, seconds) for kind in SAVERS for concurrency in CONCURRENCIES]


def _piece(kind: str, concurrency: int, seconds: float) -> Piece:
    def ours() -> Sequence[Reading]:
        if importlib.util.find_spec("bench.governed_bench") is None:
            raise NotMeasured("bench/governed_bench.py is not there yet")
        return _measure([sys.executable, "-m", "bench.governed_bench"], kind, concurrency, seconds)

    def peer() -> Sequence[Reading]:
        command = [str(peer_python("langgraph")), "-I", str(PEERS / "langgraph_peer.py")]
        return _measure(command, kind, concurrency, seconds)

    name = f"governed.{kind}.{concurrency}"
    rounds_max = 100 if (kind, concurrency) in BUDGETS else 3
    probes = (Probe("remit", ours), Probe("peer", peer))
    rows = _rows(name, kind, concurrency)
    return Piece(name, probes, rows, lambda row: _where(row, kind, concurrency), rounds_max)


def _measure(command: Sequence[str], kind: str, concurrency: int, seconds: float) -> Sequence[Reading]:
    with scratch_store(kind) as (store, env):
        asked = [*command, "--store", store, "--concurrency", str(concurrency), "--seconds", str(seconds)]
        return json_lines(asked, env=env, seconds_max=60 + 10 * seconds)


def _rows(name: str, kind: str, concurrency: int) -> Callable[[Mapping[str, Taken]], list[Row]]:
    times = BUDGETS.get((kind, concurrency))
    peer_name = f"langgraph {peer_version('langgraph', 'langgraph')} {SAVERS[kind]}, three nodes, ungoverned"

    def rows(taken: Mapping[str, Taken]) -> list[Row]:
        notes = [_latency("remit", taken), _latency("peer", taken), _in_force(taken["peer"])]
        return [
            compare(
                name,
                f"governed action, {kind}, {concurrency} concurrent",
                "actions/s",
                taken["remit"].samples("actions_per_second", "cpu_us_per_action"),
                taken["peer"].samples("actions_per_second", "cpu_us_per_action"),
                better="higher",
                peer_name=peer_name,
                budget=Budget("times_better", times) if times else None,
                note="; ".join(filter(None, notes)),
            )
        ]

    return rows


def _latency(side: str, taken: Mapping[str, Taken]) -> str:
    p50, p99 = (taken[side].samples(key).values for key in ("p50_ms", "p99_ms"))
    if not p50 or not p99:
        return ""
    return f"{side} p50 {figure(rounded(median(p50)))} ms, p99 {figure(rounded(median(p99)))} ms"


def _in_force(peer: Taken) -> str:
    said = [reading["in_force"] for reading in peer.readings if isinstance(reading.get("in_force"), str)]
    return f"peer: {said[0]:.80}" if said else ""


def _where(row: Row, kind: str, concurrency: int) -> str:
    """Say how many cores our process kept busy, and which functions held one more second of the same."""
    busy = f"{row.cpu_us * row.value / 1e6:.2f} cores busy" if row.cpu_us and row.value else "CPU unknown"
    try:
        with scratch_store(kind) as (store, env):
            target = [
                "bench.governed_bench",
                "--store",
                store,
                "--concurrency",
                str(concurrency),
                "--seconds",
                "1",
            ]
            return f"{busy}; {time_shares(target, env)}"
    except NotMeasured as reason:
        return f"{busy}; where the time goes could not be sampled: {reason}"
