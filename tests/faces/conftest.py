"""Fixtures of the faces: a company whose shop answers over HTTP, and the command in this process or its own."""

from __future__ import annotations

import os
import signal
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from tests.faces.refund_shop import Shop, running_shop
from tests.faces.stage import COMMAND, Ran, Remit, make_company

from remit.app import Control, open_company
from remit.faces.cli import main


@pytest.fixture(scope="session")
def shop_server() -> Iterator[Shop]:
    with running_shop() as shop:
        yield shop


@pytest.fixture
def shop(shop_server: Shop) -> Shop:
    """The shop, as new."""
    shop_server.refunds.clear()
    shop_server.attempts, shop_server.lose, shop_server.deaf = 0, 0, False
    return shop_server


@pytest.fixture
def company(tmp_path: Path, shop: Shop) -> Path:
    return make_company(tmp_path, shop)


@pytest.fixture
def control(company: Path) -> Iterator[Control]:
    with open_company(company, "test") as control:
        yield control


@pytest.fixture
def remit(company: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Remit:
    """Runs the command in this process, in the company."""
    monkeypatch.setenv("REMIT_COMPANY", str(company))
    monkeypatch.setenv("REMIT_PERSON", "ada.owner")

    def run(*arguments: str) -> Ran:
        capsys.readouterr()
        code = main(arguments)
        captured = capsys.readouterr()
        return Ran(code, captured.out, captured.err)

    return run


@pytest.fixture
def remit_process(company: Path) -> Iterator[Callable[..., subprocess.Popen[bytes]]]:
    """Starts the command as a process of its own, in the company; whatever still runs at the end is killed."""
    environment = {**os.environ, "REMIT_COMPANY": str(company), "REMIT_PERSON": "ada.owner"}
    started: list[subprocess.Popen[bytes]] = []

    def start(*arguments: str, **more: str) -> subprocess.Popen[bytes]:
        # Tests that run in the background of a shell ignore interrupts, and what they start would inherit that.
        before = signal.signal(signal.SIGINT, signal.default_int_handler)
        try:
            process = subprocess.Popen(
                [*COMMAND, *arguments], env={**environment, **more},
                stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
            )  # fmt: skip
        finally:
            signal.signal(signal.SIGINT, before)
        started.append(process)
        return process

    yield start
    for process in started:
        if process.poll() is None:
            process.kill()
        process.communicate()
