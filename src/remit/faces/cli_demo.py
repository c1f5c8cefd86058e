"""The verb `demo`: plays an example in a process of its own."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import Annotated, Literal

from cyclopts import Parameter

from remit.errors import NotFound

__all__ = ["demo"]


def demo(
    name: Annotated[Literal["freight", "billing", "inquiries"], Parameter(help="Which example.")],
    /,
    *options: Annotated[
        str,
        Parameter(allow_leading_hyphen=True, help="For the example: --dir D, --json; freight: --orders N."),
    ],
) -> int:
    """Play a story: freight on ten systems, billing with a stale input, inquiries that earn autonomy.

    It needs the extra `demo`. Freight goes on where it was when it is run again; nothing is done twice.
    """
    folder = _examples(name)
    paths = [str(folder), *filter(None, [os.environ.get("PYTHONPATH")])]
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(paths)}
    child = subprocess.Popen([sys.executable, "-m", f"{name}.demo", *options], env=environment)  # noqa: S603
    before = signal.signal(signal.SIGTERM, lambda *_: child.terminate())
    try:
        code = child.wait()
    except KeyboardInterrupt:  # the example got the interrupt too, and ends in its own way
        code = child.wait()
    finally:
        signal.signal(signal.SIGTERM, before)
        if child.poll() is None:
            child.kill()
            child.wait()
    return 128 - code if code < 0 else code


def _examples(name: str) -> Path:
    """Return the folder of examples, beside a source checkout or inside the installed package."""
    import remit

    package = Path(remit.__file__).parent
    for folder in (package.parents[1] / "examples", package / "_examples"):
        if (folder / name / "demo.py").is_file():
            return folder
    raise NotFound(f"example {name} is not installed here; run it from a checkout of the source")
