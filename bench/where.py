"""Where the time goes: run something of ours, look at every thread now and then, print who held it.

    python -m bench.where bench.governed_bench --store sqlite:PATH --concurrency 16 --seconds 1
    python -m bench.where bench.gate_bench:run

A sample counts for the innermost function of remit on the stack, so a library's time stands with its caller.
Threads that only wait are left out. While sampling, threads are made to switch far more often than usual:
a sample can only be taken at a switch, and would else mostly meet the calls that let go of the interpreter
by themselves. Good for shares, not for times.
"""

from __future__ import annotations

import contextlib
import importlib
import io
import json
import runpy
import sys
import threading
from collections import Counter
from collections.abc import Callable, Sequence
from pathlib import PurePath
from types import FrameType

from bench.probe import NotMeasured, json_lines

__all__ = ["busiest", "sampled", "time_shares"]

INTERVAL_SECONDS = 0.002
SWITCH_SECONDS = 1e-5
WAITS = {
    ("threading.py", "wait"),
    ("threading.py", "_wait_for_tstate_lock"),
    ("threading.py", "join"),
    ("queue.py", "get"),
    ("journal.py", "_run"),  # its queue's own get is not written in Python
    ("selectors.py", "select"),
    ("thread.py", "_worker"),
    ("_base.py", "result"),
    ("base_events.py", "_run_once"),
}


def place_of(frame: FrameType | None) -> str | None:
    """Name the innermost function of remit on ``frame``'s stack, else its innermost file; None: it waits."""
    if frame is None:
        return None
    file, name = PurePath(frame.f_code.co_filename), frame.f_code.co_name
    if (file.name, name) in WAITS:
        return None
    outer: FrameType | None = frame
    while outer is not None:
        parts = PurePath(outer.f_code.co_filename).parts
        if "remit" in parts and "src" in parts:
            inside = parts[len(parts) - parts[::-1].index("remit") :]
            return f"{'/'.join(inside)} {outer.f_code.co_name}"
        outer = outer.f_back
    return f"{file.name} {name}"


def sampled(work: Callable[[], object]) -> Counter[str]:
    """Run ``work`` and count, by place, how often a thread was seen busy there."""
    seen: Counter[str] = Counter()
    done = threading.Event()

    def look() -> None:
        own = threading.get_ident()
        while not done.wait(INTERVAL_SECONDS):
            for thread, frame in sys._current_frames().items():
                place = place_of(frame) if thread != own else None
                if place is not None:
                    seen[place] += 1

    watcher, usual = threading.Thread(target=look, daemon=True), sys.getswitchinterval()
    watcher.start()
    sys.setswitchinterval(SWITCH_SECONDS)
    try:
        work()
    finally:
        sys.setswitchinterval(usual)
        done.set()
        watcher.join()
    return seen


def busiest(seen: Counter[str], count: int = 6) -> str:
    """Write the places with the largest shares, largest first."""
    total = seen.total()
    return ", ".join(f"{place} {round(100 * times / total)} %" for place, times in seen.most_common(count))


def time_shares(target: Sequence[str], env: dict[str, str] | None = None, seconds_max: float = 120) -> str:
    """Return a line on where ``target``, a module with its arguments or ``module:function``, spends time."""
    try:
        (reading,) = json_lines([sys.executable, "-m", "bench.where", *target], env=env, seconds_max=seconds_max)
    except NotMeasured as reason:
        return f"where the time goes could not be sampled: {reason}"
    return f"time goes to: {reading['where']}"


def main(arguments: list[str]) -> None:
    """Sample what the command line names, and print one JSON line."""
    module, _, function = arguments[0].partition(":")

    def work() -> None:
        with contextlib.redirect_stdout(io.StringIO()), contextlib.suppress(SystemExit):
            if function:
                getattr(importlib.import_module(module), function)()
            else:
                sys.argv = [module, *arguments[1:]]
                runpy.run_module(module, run_name="__main__", alter_sys=True)

    seen = sampled(work)
    print(json.dumps({"where": busiest(seen), "samples": seen.total()}))


if __name__ == "__main__":
    main(sys.argv[1:])
