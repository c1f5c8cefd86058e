"""A small company with a shop that is a stand-in, on both stores."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path

import pytest

from remit.app import Control, init_company, open_company
from remit.connectors.connector import Done, Reading
from remit.errors import LedgerBroken
from remit.testing.stand_ins import StandInConnector

Open = Callable[..., Control]


class Shop(StandInConnector):
    """Stays when the company that used it is closed, as a real shop does."""

    async def close(self) -> None:
        """Do nothing."""


def make_shop() -> StandInConnector:
    """A shop where every order was paid 400.00 and is observed just now."""
    return Shop(
        "shop",
        facts={"paid": lambda parameters: Reading(40_000, f"o-{parameters['order']}", datetime.now(UTC))},
        operations={"refund.create": lambda arguments: Done({"refund": f"r-{arguments['order']}"}, 25)},
    )


@pytest.fixture
def shop() -> StandInConnector:
    return make_shop()


@pytest.fixture
def folder(tmp_path: Path, store_url: str) -> Path:
    """A company's folder, as `remit init` writes it, on the store under test, with a witness."""
    home = tmp_path / "company"
    init_company(home)
    text = f"company: Test\nstore: {store_url}\nwitness: {tmp_path / 'witness'}\n"
    (home / "remit.yaml").write_text(text)
    return home


def with_source(folder: Path, source: str, agent: str) -> tuple[str, str]:
    """Give a company a source, the ERP, and a clock that is set by hand; return its agent's text around its facts."""
    (folder / "sources").mkdir()
    (folder / "sources" / "erp.yaml").write_text(source)
    (folder / "remit.yaml").write_text((folder / "remit.yaml").read_text() + "clock: story\n")
    head, rest = (folder / "agents" / f"{agent}.yaml").read_text().split("    facts:\n")
    return head, rest


@pytest.fixture
def opened(folder: Path, shop: StandInConnector) -> Iterator[Open]:
    """Opens the company; everything opened is closed at the end."""
    controls = []

    def open_it(role: str = "test", shop: StandInConnector = shop) -> Control:
        controls.append(open_company(folder, role, connectors={"shop": shop}))
        return controls[-1]

    yield open_it
    shop.release()
    for control in controls:
        with suppress(LedgerBroken):  # what a test tampered with is not signed when it is closed
            control.close()


@pytest.fixture
def control(opened: Open) -> Control:
    return opened()
