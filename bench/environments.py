"""The peers' own environments: published packages, pinned by version and hash, never in ours."""

from __future__ import annotations

import hashlib
import shutil
import subprocess
import sys
from pathlib import Path

from bench.probe import CHECKOUT, NotMeasured, last_line

__all__ = ["ENVIRONMENTS", "PEERS", "peer_python", "peer_version"]

PEERS = CHECKOUT / "bench" / "peers"
ENVIRONMENTS = CHECKOUT / "bench" / ".envs"
INSTALL_SECONDS_MAX = 300


def peer_python(peer: str) -> Path:
    """Return the interpreter of ``peer``'s environment, making it when it is not there or its pins changed.

    Raises:
        NotMeasured: uv is not there, or the packages cannot be fetched.
    """
    requirements = PEERS / f"{peer}.txt"
    folder = ENVIRONMENTS / peer
    stamp, python = folder / "remit-stamp", folder / "bin" / "python"
    wanted = hashlib.sha256(requirements.read_bytes() + sys.version.encode()).hexdigest()
    if stamp.is_file() and stamp.read_text(encoding="ascii") == wanted and python.exists():
        return python
    uv = _uv()
    shutil.rmtree(folder, ignore_errors=True)
    ENVIRONMENTS.mkdir(exist_ok=True)
    _run(peer, [uv, "venv", "--quiet", "--python", sys.executable, str(folder)])
    _run(peer, [uv, "pip", "sync", "--quiet", "--require-hashes", "--python", str(python), str(requirements)])
    stamp.write_text(wanted, encoding="ascii")
    return python


def peer_version(peer: str, package: str) -> str:
    """Return the version of ``package`` that ``peer``'s requirements pin."""
    for line in (PEERS / f"{peer}.txt").read_text(encoding="utf-8").splitlines():
        name, _, version = line.partition("==")
        if name == package:
            return version.split()[0]
    raise LookupError(f"{package} is not pinned in bench/peers/{peer}.txt")


def _uv() -> str:
    own = CHECKOUT / ".tools" / "bin" / "uv"
    found = shutil.which("uv") or (str(own) if own.exists() else None)
    if found is None:
        raise NotMeasured("the peer's environment needs uv, on PATH or in .tools/bin")
    return found


def _run(peer: str, command: list[str]) -> None:
    try:
        done = subprocess.run(command, cwd=CHECKOUT, capture_output=True, timeout=INSTALL_SECONDS_MAX, check=False)
    except subprocess.TimeoutExpired:
        raise NotMeasured(f"the environment of {peer} took longer than {INSTALL_SECONDS_MAX} s to make") from None
    except OSError as error:
        raise NotMeasured(f"the environment of {peer} cannot be made: {error.strerror}") from None
    if done.returncode != 0:
        raise NotMeasured(f"the environment of {peer} cannot be made (no network?): {last_line(done.stderr)}")
