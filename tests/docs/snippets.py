"""The pages' fenced blocks, and a shell session that runs those of one page as a reader would, in its own folder."""

from __future__ import annotations

import os
import re
import shlex
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
WAIT_SECONDS = 30
PORTS = ("8900", "8765")
"""The ports that pages name: the shop's and the API's. A session puts free ones in their place."""


@dataclass(frozen=True)
class Block:
    """One fenced block. ``line`` is that of its first fence."""

    page: str
    line: int
    language: str
    text: str

    @property
    def target(self) -> str:
        """The file that a first line such as ``# shop/agents/desk.yaml`` says this is; empty when none."""
        found = re.match(r"(?:#|//) ([\w./-]+\.(?:py|yaml|cedar))\n", self.text)
        return found[1] if found else ""

    def __str__(self) -> str:
        return f"{self.page}:{self.line}"


def pages() -> list[str]:
    """Every page, as a path from the root."""
    top = ["README.md", "CHANGELOG.md", "CONTRIBUTING.md"]
    return top + sorted(path.relative_to(ROOT).as_posix() for path in (ROOT / "docs").rglob("*.md"))


def read(page: str) -> str:
    return (ROOT / page).read_text("utf-8")


def blocks(page: str) -> list[Block]:
    """The fenced blocks of a page, in order; a fence that is not closed fails."""
    found, language, start, lines = list[Block](), None, 0, list[str]()
    for number, line in enumerate(read(page).splitlines(), 1):
        fence = re.fullmatch(r"```(\w*)", line)
        if fence and language is None:
            language, start, lines = fence[1], number, []
        elif fence and not fence[1]:
            found.append(Block(page, start, language or "", "\n".join(lines) + "\n"))
            language = None
        elif language is not None:
            lines.append(line)
    assert language is None, f"{page}:{start}: this block is not closed"
    return found


def commands(block: Block) -> Iterator[tuple[str, str]]:
    """The commands of a console block, each with the output that the page shows."""
    command, shown = "", list[str]()
    for line in block.text.splitlines():
        if line.startswith("$ "):
            if command:
                yield command, "\n".join(shown)
            command, shown = line[2:], []
        else:
            shown.append(line)
    if command:
        yield command, "\n".join(shown)


_CHANGING = (
    (r"\d{4}-\d\d-\d\d[T ]\d\d:\d\d:\d\d(\.\d+)?Z", "@"),
    (r"\d{4}-\d\d-\d\d(T\d\d)?", "@"),
    (r"\b([a-z]+)-\d+-[0-9a-f]{8}\b", r"\1-#"),
    (r"\b[0-9a-f]{12,64}\b", "#"),
    (r"\bh[0-9a-f]{8}\b", "h#"),
    (r"\b[\d,]+ (ms|s old)\b", r"# \1"),
    (r"\bperson:root\b", "person:you"),
    (r" +", " "),
)
"""What is another one in each run, and what stands for it."""


def plain(text: str) -> list[str]:
    """Lines without what changes from run to run."""
    for pattern, stand_in in _CHANGING:
        text = re.sub(pattern, stand_in, text)
    return [line.strip() for line in text.strip().splitlines()]


def agrees(shown: str, got: str) -> bool:
    """Whether ``got`` is what a page shows: ``...`` stands for any text, and alone in a line for any lines."""
    pattern = ""
    for line in plain(shown):
        pattern += r"(?:.*\n)*?" if line == "..." else ".*?".join(map(re.escape, line.split("..."))) + r"\n"
    return re.fullmatch(pattern, "".join(f"{line}\n" for line in plain(got))) is not None


_ANSWERS = {"shop.py": "http://127.0.0.1:8900/orders?order=A1", "remit serve": "http://127.0.0.1:8765/health"}
"""What a program that goes on in the background answers once it is ready."""


class Session:
    """One reader: a folder, an environment that lasts from command to command, programs in the background."""

    def __init__(self, folder: Path, replaced: dict[str, str] | None = None):
        self.folder = folder
        self._env, self._here = folder / ".env.sh", folder / ".here"
        self._env.write_text("")
        self._here.write_text(str(folder))
        self._replaced = {port: str(_free_port()) for port in PORTS} | (replaced or {})
        self._running: list[subprocess.Popen[bytes]] = []

    def __enter__(self) -> Session:
        return self

    def __exit__(self, *_: object) -> None:
        for process in self._running:
            if process.poll() is None:
                os.killpg(process.pid, signal.SIGTERM)
        for process in self._running:
            process.wait(WAIT_SECONDS)

    def _put_in(self, text: str) -> str:
        for old, new in self._replaced.items():
            text = text.replace(old, new)
        return text

    def write(self, block: Block) -> None:
        """Save a block as the file that its first line names."""
        path = Path(self._here.read_text().strip()) / block.target
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(self._put_in(block.text))

    def run(self, command: str) -> tuple[int, str]:
        """Run a command and return its exit code and all it wrote; one that ends with & goes on in the background."""
        if command.rstrip().endswith("&"):
            self._start(command.rstrip()[:-1])
            return 0, ""
        keep = f"code=$?; pwd > {shlex.quote(str(self._here))}; export -p > {shlex.quote(str(self._env))}; exit $code"
        done = subprocess.run(
            self._bash(f"trap {shlex.quote(keep)} EXIT\n{self._put_in(command)}"),
            env=self._environment(), cwd=self.folder, timeout=120, check=False,
            stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
        )  # fmt: skip
        if "remit init" in command:
            for path in self.folder.rglob("systems/*.yaml"):
                path.write_text(self._put_in(path.read_text()))
        return done.returncode, done.stdout

    def _bash(self, command: str) -> list[str]:
        begin = f'set -euo pipefail; source {shlex.quote(str(self._env))}; cd "$(cat {shlex.quote(str(self._here))})"'
        return ["bash", "-c", f"{begin}\n{command}"]

    def _environment(self) -> dict[str, str]:
        # A reader has neither our settings nor our login name.
        kept = {name: text for name, text in os.environ.items() if not name.startswith(("REMIT_", "PYTEST_"))}
        path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
        return {**kept, "PATH": path, "COLUMNS": "80", "PYTHONWARNINGS": "default", "HOME": str(self.folder)}

    def _start(self, command: str) -> None:
        process = subprocess.Popen(
            self._bash(f"exec {self._put_in(command)}"), env=self._environment(), cwd=self.folder,
            start_new_session=True, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
        )  # fmt: skip
        self._running.append(process)
        asked = next((path for word, path in _ANSWERS.items() if word in command), None)
        deadline = time.monotonic() + WAIT_SECONDS
        while asked is not None and not _answers(self._put_in(asked)):
            assert process.poll() is None, f"{command} ended"
            assert time.monotonic() < deadline, f"{command} does not answer"
            time.sleep(0.02)


def _free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as server:
        return int(server.getsockname()[1])


def _answers(address: str) -> bool:
    try:
        with urllib.request.urlopen(address, timeout=5):
            return True
    except OSError:
        return False
