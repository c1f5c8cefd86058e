"""Measure remit against its budgets and its peers, side by side in one run: ``python -m bench``.

Both sides of a figure are taken one after the other, round after round, each in a fresh process. A full run
writes bench/results.json and bench/results.md after every round, so an interrupt leaves what was measured; a
quick or partial run only prints, unless it is told where to write.
"""

from __future__ import annotations

import argparse
import os
import platform
import sqlite3
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from bench.pieces.gate_piece import gate_piece
from bench.pieces.governed_piece import governed_pieces
from bench.pieces.knowledge_piece import knowledge_pieces
from bench.pieces.ledger_piece import ledger_pieces
from bench.pieces.start_up_piece import start_up_pieces
from bench.probe import CHECKOUT, Piece, Taken, run_rounds
from bench.rows import Row, summary, table, write_rows
from rich.console import Console

RESULTS = CHECKOUT / "bench" / "results.json"
MINUTES_MAX = 20


def all_pieces(*, quick: bool) -> list[Piece]:
    """Return everything there is to measure, cheapest first."""
    return [
        *start_up_pieces(runs=1 if quick else 3),
        gate_piece(calls=1000 if quick else 3000),
        *governed_pieces(seconds=0.5 if quick else 1.5),
        *ledger_pieces(quick=quick),
        *knowledge_pieces(quick=quick),
    ]


def chosen(pieces: Sequence[Piece], only: Sequence[str]) -> list[Piece]:
    """Return the pieces whose id is, lies under or lies over one of ``only``; all when it is empty.

    Raises:
        SystemExit: one of them names nothing.
    """
    ids = ", ".join(piece.id for piece in pieces)
    for wanted in only:
        if not any(_related(piece.id, wanted) for piece in pieces):
            raise SystemExit(f"--only: got {wanted!r:.80}, expected one of {ids}")
    return [piece for piece in pieces if not only or any(_related(piece.id, wanted) for wanted in only)]


def _within(inner: str, outer: str) -> bool:
    return f"{inner}.".startswith(f"{outer}.")


def _related(one: str, other: str) -> bool:
    return _within(one, other) or _within(other, one)


def rows_of(pieces: Sequence[Piece], taken: Mapping[str, Mapping[str, Taken]], note: str) -> list[Row]:
    """Return the row that says on what machine, then the rows of every piece."""
    machine = Row(
        "machine",
        f"Python {platform.python_version()}, SQLite {sqlite3.sqlite_version}, {platform.system()}",
        float(os.cpu_count() or 0),
        "cores",
        note=note,
    )
    return [machine, *(row for piece in pieces for row in piece.rows(taken[piece.id]))]


def explained(pieces: Sequence[Piece], rows: Sequence[Row]) -> list[Row]:
    """Say in every missed row where its time goes, by asking the piece it came from."""
    where = {piece.id: piece.where for piece in pieces}
    found = []
    for row in rows:
        owner = next((name for name in where if row.met is False and _within(row.id, name)), None)
        said = f"missed: {where[owner](row)}" if owner else ""
        found.append(replace(row, note="; ".join(filter(None, (row.note, said)))))
    return found


def measured(console: Console, pieces: Sequence[Piece], rounds: int, output: Path | None) -> tuple[list[Row], bool]:
    """Run the rounds, keeping ``output`` up to date; return the rows and whether it was interrupted."""
    loads = [f"{os.getloadavg()[0]:.2f} when it began"]

    def about() -> str:
        return f"load average {', '.join(loads)}; CPU does not hold a database server's"

    def told(text: str) -> None:
        console.print(text, style="dim", highlight=False)

    def keep(taken: Mapping[str, Mapping[str, Taken]]) -> None:
        loads.append(f"{os.getloadavg()[0]:.2f} after a round")
        if output is not None:
            write_rows(rows_of(pieces, taken, about()), output)

    taken, interrupted = run_rounds(pieces, rounds, MINUTES_MAX * 60, told=told, after_round=keep)
    rows = rows_of(pieces, taken, about())
    if output is not None:
        write_rows(rows, output)
    try:
        rows = rows if interrupted else explained(pieces, rows)
    except KeyboardInterrupt:
        interrupted = True
    if output is not None:
        write_rows(rows, output)
    return rows, interrupted


def main(arguments: Sequence[str] | None = None, pieces_of: Callable[..., list[Piece]] = all_pieces) -> int:
    """Measure and print what the command line asks for; return 0, or 130 when interrupted."""
    asked = argparse.ArgumentParser(prog="python -m bench", description="Measure remit against its budgets and peers.")
    asked.add_argument("--only", default="", metavar="ID,...", help="only these figures, by id or the start of one")
    asked.add_argument("--quick", action="store_true", help="one short round: to see that it runs, not to be believed")
    asked.add_argument("--rounds", type=int, default=None, help="default 5; a quick run has 1")
    asked.add_argument("--output", type=Path, default=None, help="default of a full run: bench/results.json")
    wanted = asked.parse_args(arguments)
    pieces = chosen(pieces_of(quick=wanted.quick), [name for name in wanted.only.split(",") if name])
    whole = not wanted.quick and not wanted.only
    output = wanted.output or (RESULTS if whole else None)
    console = Console(stderr=True)
    rows, interrupted = measured(console, pieces, wanted.rounds or (1 if wanted.quick else 5), output)
    shown = Console(width=None if sys.stdout.isatty() else 200)
    shown.print(table(rows))
    for row in rows:
        if row.note:
            shown.print(f"{row.id}: {row.note}", markup=False, highlight=False)
    shown.print(summary(rows), style="bold")
    if output is not None:
        console.print(f"written to {output}", style="dim", highlight=False)
    return 130 if interrupted else 0


if __name__ == "__main__":
    sys.exit(main())
