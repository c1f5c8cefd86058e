"""A shop that answers over real HTTP, as the company that `remit init` writes expects it."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, urlsplit

PAID_MINOR = 40_000


class Shop:
    """``refunds`` maps idempotency keys to what was refunded; ``attempts`` counts the calls.

    ``lose`` cuts the next answers off after the refund was made; ``deaf`` has look-ups fail.
    """

    def __init__(self) -> None:
        self.refunds: dict[str, dict[str, Any]] = {}
        self.attempts = 0
        self.lose = 0
        self.deaf = False
        self.url = ""


@contextmanager
def running_shop() -> Iterator[Shop]:
    """Run a shop on a free port."""
    shop = Shop()
    server = _QuietServer(("127.0.0.1", 0), _handler(shop))
    server.daemon_threads = True
    shop.url = f"http://127.0.0.1:{server.server_address[1]}"
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
    thread.start()
    try:
        yield shop
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


class _QuietServer(ThreadingHTTPServer):
    def handle_error(self, *_: object) -> None:
        """A client that went away is not worth a traceback."""


def _handler(shop: Shop) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            parts = urlsplit(self.path)
            asked = parse_qs(parts.query)
            if parts.path == "/orders":
                order = asked["order"][0]
                now = datetime.now(UTC).isoformat()
                self._answer(200, {"paid_minor": PAID_MINOR, "as_of": now, "id": order})
            elif shop.deaf:
                self._answer(500, {"error": "deaf"})
            else:
                found = shop.refunds.get(asked.get("key", [""])[0])
                self._answer(200, {"refunds": [found] if found else []})

        def do_POST(self) -> None:
            body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            key = self.headers["Idempotency-Key"]
            shop.attempts += 1
            shop.refunds.setdefault(key, {"id": f"r-{body['order']}", **body})
            if shop.lose:
                shop.lose -= 1
                self.close_connection = True
                return
            self._answer(200, shop.refunds[key])

        def _answer(self, status: int, value: object) -> None:
            data = json.dumps(value).encode()
            self.send_response(status)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(data)))
            self.end_headers()
            self.wfile.write(data)

        def log_message(self, *_: object) -> None:
            pass

    return Handler
