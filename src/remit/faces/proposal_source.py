"""Where proposals come from: lines of JSON, or a function of an agent's own code."""

from __future__ import annotations

import importlib.util
import os
import sys
import traceback
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import IO, Any, Final

from remit.errors import BadInput
from remit.faces.proposal import Proposal, proposal_of, read_proposal

__all__ = ["Placed", "function_proposals", "line_proposals", "load_function"]

LINE_BYTES_MAX: Final = 1_048_576

Placed = tuple[str, Proposal | BadInput]
"""A proposal, or what is wrong with it, and the place it came from."""


def line_proposals(name: str, stream: IO[bytes]) -> Iterator[Placed]:
    """Yield the proposal of each line of ``stream`` that is not empty; memory does not grow with the lines."""
    number = 0
    while line := stream.readline(LINE_BYTES_MAX + 2):
        number += 1
        place = f"{name}:{number}"
        if len(line) > LINE_BYTES_MAX and not line.endswith(b"\n"):
            while (rest := stream.readline(LINE_BYTES_MAX)) and not rest.endswith(b"\n"):
                pass
            yield place, BadInput(f"a line of more than {LINE_BYTES_MAX} bytes")
        elif line.strip():
            yield place, _taken(read_proposal, line)


def load_function(source: str) -> Callable[[Any], object]:
    """Load the function that ``module.py:function`` names; its folder is importable from then on.

    Raises:
        BadInput: no such file or function, or the file fails when it is loaded.
    """
    file, _, name = source.rpartition(":")
    path = Path(file).resolve()
    if not path.is_file():
        raise BadInput(f"{file}: no such file")
    sys.path.insert(0, str(path.parent))
    spec = importlib.util.spec_from_file_location(path.stem, path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[path.stem] = module
    try:
        spec.loader.exec_module(module)
    except Exception as error:
        raise _agents_fault(error) from error
    function = getattr(module, name, None)
    if not callable(function):
        raise BadInput(f"{file}: no function {name!r:.60}")
    return function  # type: ignore[no-any-return]


def function_proposals(function: Callable[[Any], object], control: object) -> Iterator[Placed]:
    """Call an agent's function and yield the proposals that it yields; it may also propose by itself.

    Raises:
        BadInput: the function fails, or returns what is neither None nor proposals.
    """
    number = 0
    try:
        made = function(control)
        if made is None:
            return
        if isinstance(made, dict):
            made = (made,)
        if not isinstance(made, Iterable) or isinstance(made, str | bytes):
            raise BadInput(f"the function returned {type(made).__name__}, expected None or proposals")
        for number, value in enumerate(made, 1):
            yield f"proposal {number}", _taken(proposal_of, value)
    except BadInput:
        raise
    except Exception as error:
        raise _agents_fault(error) from error


def _taken(read: Callable[[Any], Proposal], value: object) -> Proposal | BadInput:
    try:
        return read(value)
    except BadInput as error:
        return error


def _agents_fault(error: Exception) -> BadInput:
    if os.environ.get("REMIT_DEBUG") == "1":
        traceback.print_exception(error)
    frames = traceback.extract_tb(error.__traceback__)
    place = f" at {frames[-1].filename}:{frames[-1].lineno}" if frames else ""
    return BadInput(f"the agent's own code failed{place}: {type(error).__name__}: {error!s:.300}")
