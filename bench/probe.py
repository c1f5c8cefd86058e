"""One measurement, taken once a round in a process of its own, and the rounds that alternate both sides."""

from __future__ import annotations

import json
import math
import os
import subprocess
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from bench.rows import Row, Samples

__all__ = [
    "CHECKOUT",
    "NotMeasured",
    "Piece",
    "Probe",
    "Reading",
    "Taken",
    "json_lines",
    "last_line",
    "run_rounds",
    "timed_process",
]

CHECKOUT = Path(__file__).resolve().parent.parent
Reading = Mapping[str, Any]
OUTPUT_BYTES_MAX = 4 * 1_048_576


class NotMeasured(Exception):
    """A figure cannot be measured here. The text says why, and stands in the row in place of the figure."""


@dataclass(frozen=True, slots=True)
class Probe:
    """One side of a piece. ``take`` measures one round: one reading or a few; it raises `NotMeasured`."""

    side: str
    take: Callable[[], Sequence[Reading]]


@dataclass(slots=True)
class Taken:
    """What one probe gave so far."""

    readings: list[Reading] = field(default_factory=list)
    problem: str = ""

    def samples(self, key: str, cpu_key: str = "") -> Samples:
        """Return the rounds of the figure ``key``; a reading without it is left out, not counted as zero."""
        values = tuple(float(reading[key]) for reading in self.readings if _is_number(reading.get(key)))
        cpu = tuple(float(reading[cpu_key]) for reading in self.readings if _is_number(reading.get(cpu_key)))
        problem = self.problem or ("" if values else f"no figure {key!r} came back")
        return Samples(values, cpu, problem)


def _is_number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)


@dataclass(frozen=True, slots=True)
class Piece:
    """Probes that are taken in turn, and the rows that follow from what they gave, by side.

    ``where`` finds out where the time of a missed row goes; it may measure, and is asked after the rounds.
    """

    id: str
    probes: tuple[Probe, ...]
    rows: Callable[[Mapping[str, Taken]], list[Row]]
    where: Callable[[Row], str]
    rounds_max: int = 100


def run_rounds(
    pieces: Sequence[Piece],
    rounds: int,
    seconds_max: float,
    *,
    told: Callable[[str], None] = lambda text: None,
    after_round: Callable[[Mapping[str, Mapping[str, Taken]]], None] = lambda taken: None,
    clock: Callable[[], float] = time.monotonic,
) -> tuple[dict[str, dict[str, Taken]], bool]:
    """Take every probe of every piece once a round, and return what they gave by piece and side.

    Also returned is whether an interrupt ended the rounds; what was taken until then is kept.

    The sides of a piece follow each other at once and swap order every round, so that what else the machine
    does meets both alike. A probe that could not measure is not asked again. No round starts that would end
    after ``seconds_max`` at the pace of the one before it, where what is taken for the last time does not count.
    """
    taken = {piece.id: {probe.side: Taken(problem="interrupted") for probe in piece.probes} for piece in pieces}
    began, last = clock(), 0.0
    try:
        for number in range(rounds):
            round_began = clock()
            if number and round_began - began + last > seconds_max:
                told(f"time is up after {number} of {rounds} rounds")
                break
            due = [piece for piece in pieces if number < piece.rounds_max]
            again = [piece for piece in due if number + 1 < piece.rounds_max]
            for piece in again:
                told(f"round {number + 1} of {rounds}  {piece.id}")
                _take_round(piece, taken[piece.id], backwards=number % 2 == 1)
            last = clock() - round_began
            for piece in due:
                if piece not in again:
                    told(f"round {number + 1} of {rounds}  {piece.id}, the last time")
                    _take_round(piece, taken[piece.id], backwards=number % 2 == 1)
            after_round(taken)
    except KeyboardInterrupt:
        told("interrupted: what was measured so far stands")
        return taken, True
    return taken, False


def _take_round(piece: Piece, taken: Mapping[str, Taken], *, backwards: bool) -> None:
    for probe in reversed(piece.probes) if backwards else piece.probes:
        side = taken[probe.side]
        if side.problem not in {"", "interrupted"}:
            continue
        try:
            side.readings.extend(probe.take())
            side.problem = ""
        except NotMeasured as reason:
            side.problem = str(reason)


def json_lines(command: Sequence[str], *, seconds_max: float, env: Mapping[str, str] | None = None) -> list[Reading]:
    """Run ``command`` in the checkout and return the JSON objects among the lines it printed.

    Raises:
        NotMeasured: it cannot be started, fails, takes longer than ``seconds_max``, or prints no JSON object.
    """
    try:
        done = subprocess.run(
            command,
            cwd=CHECKOUT,
            env=_environment(env),
            capture_output=True,
            timeout=seconds_max,
            check=False,
        )
    except subprocess.TimeoutExpired:
        raise NotMeasured(f"took longer than {seconds_max:g} s") from None
    except OSError as error:
        raise NotMeasured(f"cannot be started: {error.strerror}") from None
    if done.returncode != 0:
        raise NotMeasured(last_line(done.stderr) or f"ended with {done.returncode} and said nothing")
    found = [line for line in done.stdout[:OUTPUT_BYTES_MAX].splitlines() if line.startswith(b"{")]
    try:
        readings = [json.loads(line) for line in found]
    except ValueError as error:
        raise NotMeasured(f"printed what is not JSON: {error}") from None
    if not readings:
        raise NotMeasured("printed no JSON object")
    return readings


def last_line(output: bytes) -> str:
    """Return the last line that says something, cut to 200 characters: of a traceback, the error itself."""
    lines = [line.strip() for line in output.decode("utf-8", "replace").splitlines() if line.strip()]
    return lines[-1][:200] if lines else ""


def timed_process(command: Sequence[str], env: Mapping[str, str] | None = None) -> tuple[float, float]:
    """Run ``command`` once, and return its wall and CPU milliseconds, from being started to being gone.

    Raises:
        NotMeasured: it cannot be started or fails.
    """
    began = time.perf_counter()
    try:
        process = subprocess.Popen(
            command,
            cwd=CHECKOUT,
            env=_environment(env),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
        )
    except OSError as error:
        raise NotMeasured(f"cannot be started: {error.strerror}") from None
    assert process.stderr is not None
    try:
        with process.stderr as pipe:
            said = pipe.read(OUTPUT_BYTES_MAX)
        _, status, usage = os.wait4(process.pid, 0)
    except BaseException:
        process.kill()
        raise
    wall_ms = (time.perf_counter() - began) * 1e3
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode != 0:
        raise NotMeasured(last_line(said) or f"ended with {process.returncode} and said nothing")
    return wall_ms, (usage.ru_utime + usage.ru_stime) * 1e3


def _environment(more: Mapping[str, str] | None) -> dict[str, str]:
    """The caller's environment without what would change how Python starts or send traces elsewhere."""
    quiet = {"LANGSMITH_TRACING": "false", "LANGCHAIN_TRACING_V2": "false"}
    kept = {key: value for key, value in os.environ.items() if not key.startswith("PYTHON")}
    return {**kept, **quiet, **(more or {})}
