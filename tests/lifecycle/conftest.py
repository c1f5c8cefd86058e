"""The small company with a shop, whose refund desk earns its autonomy, in a story's time."""

from __future__ import annotations

from pathlib import Path

import pytest
from tests.run.conftest import control, opened, shop
from tests.run.conftest import folder as plain_folder

__all__ = ["control", "folder", "opened", "plain_folder", "shop"]

TERMS = """
    oversight: earned
    ask: supervisor
    autonomy: {promise: 0.2, sure: 0.8, matures: 1d, deadline: 9d, plan: [20, 40], review: 0.5, maintenance: 0.1}
"""
PERMIT = """
@id("promotions") @reason("what was earned may be signed")
permit (principal, action == Remit::Action::"stage.promote", resource == Remit::System::"remit");
"""


@pytest.fixture
def folder(plain_folder: Path) -> Path:
    """The small company, with the terms on which its refund desk earns."""
    manifest = plain_folder / "agents" / "refund-desk.yaml"
    text = manifest.read_text().replace("    oversight: on_the_loop\n", TERMS.lstrip("\n"))
    text = text.replace("confidence: {at_least: 0.80, ask: supervisor}\n", "promotion: {ask: owner}\n")
    text = text.replace("every: hour, at_most: 60}", "every: hour, at_most: 9999}")
    text = text.replace("fresh: 1h", "fresh: 9999d")
    manifest.write_text(text)
    policies = plain_folder / "policies" / "refunds.cedar"
    policies.write_text(policies.read_text() + PERMIT)
    settings = plain_folder / "remit.yaml"
    settings.write_text(settings.read_text() + "clock: story\n")
    return plain_folder
