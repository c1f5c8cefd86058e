"""`remit serve` as a process: its address, its token, its end."""

from __future__ import annotations

import json
import signal
import socket
import subprocess
import urllib.error
import urllib.request
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from tests.faces.refund_shop import Shop
from tests.faces.stage import Remit, proposal

Start = Callable[..., subprocess.Popen[bytes]]


def call(url: str, token: str, body: Any = None) -> Any:
    data = None if body is None else json.dumps(body).encode()
    request = urllib.request.Request(url, data, {"Authorization": f"Bearer {token}"})
    with urllib.request.urlopen(request, timeout=30) as answer:
        return json.load(answer)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_it_answers_and_ends_well(remit: Remit, remit_process: Start, shop: Shop, number: signal.Signals) -> None:
    process = remit_process("serve", "--port", "0")
    assert process.stdout is not None
    url = process.stdout.readline().split()[-1].decode()
    assert url.startswith("http://127.0.0.1:")
    token = Path(process.stdout.readline().split(maxsplit=1)[1].decode().strip()).read_text().strip()
    assert call(f"{url}/health", "") == {"status": "up"}
    assert call(f"{url}/v1/actions", token, proposal())["progress"] == "finished"
    with pytest.raises(urllib.error.HTTPError) as refused:
        call(f"{url}/v1/actions", "wrong", proposal("A2"))
    with refused.value:
        assert refused.value.code == 401
    assert "serve-" in remit("status").out
    process.send_signal(number)
    out, err = process.communicate()
    assert (process.returncode, out, err) == (0, b"", b"")
    assert len(shop.refunds) == 1
    status = remit("status", "--json").json
    assert (status["processes"], status["signed"]) == ([], status["events"])


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "example.com", "localhost.evil.example"])
def test_only_loopback_is_served(remit_process: Start, company: Path, host: str) -> None:
    process = remit_process("serve", "--host", host, "--port", "0")
    assert process.stdout is not None
    assert process.stdout.read(1) == b""  # it ends without having answered anywhere
    _, err = process.communicate()
    assert process.returncode == 2
    assert b"loopback" in err
    if host in ("0.0.0.0", "::"):
        assert b"there is no sign-in yet" in err
    assert not (company / ".remit").exists()


def test_a_port_that_is_taken(remit: Remit) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        ran = remit("serve", "--port", str(taken.getsockname()[1]))
    assert ran.code == 2
    assert "Address already in use" in ran.err
