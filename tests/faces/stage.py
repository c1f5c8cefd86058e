"""What the tests of the faces share: a company on a real shop, the command, proposals."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.faces.refund_shop import Shop

from remit.app import init_company

COMMAND = [sys.executable, "-c", "import sys; from remit.faces.cli import main; sys.exit(main())"]


@dataclass(frozen=True)
class Ran:
    """How a command ended."""

    code: int
    out: str
    err: str

    @property
    def json(self) -> Any:
        """The one document on standard output."""
        return json.loads(self.out)


Remit = Callable[..., Ran]


def make_company(place: Path, shop: Shop) -> Path:
    """Write a company as `remit init` does, with a witness and the shop's address; return its folder."""
    home = place / "company"
    init_company(home)
    (home / "remit.yaml").write_text(f"company: Test company\nwitness: {place / 'witness'}\n")
    system = home / "systems" / "shop.yaml"
    system.write_text(system.read_text().replace("http://127.0.0.1:8900", shop.url))
    return home


def proposal(order: str = "A1", amount: int = 2_500, **more: Any) -> dict[str, Any]:
    """A refund as an agent proposes it."""
    return {
        "agent": "refund-desk",
        "action": "refund.create",
        "case": f"case-{order}",
        "arguments": {"order": order, "amount_minor": amount},
        "confidence": 0.93,
        **more,
    }


def lines(*proposals: dict[str, Any]) -> bytes:
    """Proposals as a file of JSON lines."""
    return b"".join(json.dumps(one).encode() + b"\n" for one in proposals)
