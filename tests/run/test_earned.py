"""Earned autonomy on the real path: each stage does what it says, and no action begins by an outdated one."""

from __future__ import annotations

import threading
from concurrent.futures import wait
from pathlib import Path
from typing import Any

import pytest
from tests.run.conftest import Open, make_shop

from remit.app import Control, open_company
from remit.ledger.audit import rebuild_views, view_rows
from remit.ledger.query import EventFilter, find_events
from remit.testing.stand_ins import StandInConnector
from remit.vocabulary import Event

TERMS = """
    oversight: earned
    ask: supervisor
    autonomy: {promise: 0.05, matures: 1d}
"""


@pytest.fixture
def folder(folder: Path) -> Path:
    """The small company, whose refund desk has to earn its autonomy."""
    manifest = folder / "agents" / "refund-desk.yaml"
    text = manifest.read_text().replace("    oversight: on_the_loop\n", TERMS.lstrip("\n"))
    text = text.replace("confidence: {at_least: 0.80, ask: supervisor}\n", "promotion: {ask: owner}\n")
    text = text.replace(
        "{name: per-hour, of: count, every: hour, at_most: 60}",
        "{name: per-hour, of: count, every: hour, at_most: 9999}",
    )
    manifest.write_text(text)
    return folder


def stage(control: Control, stage: str, threshold_bp: int | None = 9000, review_bp: int = 0) -> int:
    """Put on record what was earned; return where."""
    data: dict[str, Any] = {
        "agent": "refund-desk", "version": control.law.manifest("refund-desk").version, "action": "refund.create",
        "class": "", "stage": stage, "before": "shadow", "cause": "promoted", "why": "a test", "certificate": "c" * 64,
        "threshold_bp": threshold_bp, "review_bp": review_bp, "expires_at": None,
    }  # fmt: skip
    return control.journal.append_now(Event("stage.changed", "remit", data))[0].seq


def propose(control: Control, order: str, confidence: str = "0.95") -> str:
    arguments = {"order": order, "amount_minor": 5}
    return control.propose("refund-desk", "refund.create", f"c-{order}", arguments, confidence).progress


def test_each_stage_does_what_it_says(control: Control, shop: StandInConnector) -> None:
    assert propose(control, "A0") == "denied"  # nothing on record: it starts in shadow
    stage(control, "supervised")
    assert propose(control, "A1") == "waiting"
    stage(control, "sampled", review_bp=10_000)
    assert propose(control, "A2") == "waiting"
    stage(control, "sampled", review_bp=0)
    assert propose(control, "A3") == "finished"
    assert propose(control, "A4", "0.8999") == "waiting"
    stage(control, "autonomous", threshold_bp=None)
    assert propose(control, "A5") == "waiting"
    stage(control, "autonomous", review_bp=10_000)
    assert propose(control, "A6") == "finished"
    assert control.store.read("select state from review") == [("open",)]
    stage(control, "shadow")
    assert propose(control, "A7") == "denied"
    control.approve(control.journey("c-A1").action, "ada.owner", "supervisor")  # what was asked goes on to its end...
    control.work()
    assert control.journey("c-A1").progress == "finished"  # ...although nothing new is done any more
    assert len(shop.attempts) == 3
    assert not control.replay_decisions().different
    kept = view_rows(control.store)
    rebuild_views(control.store)
    assert view_rows(control.store) == kept


def test_a_draw_cannot_be_rolled_again(control: Control) -> None:
    stage(control, "sampled", review_bp=5_000)
    seen = {}
    for number in range(40):
        first = propose(control, f"B{number}")
        arguments = {"order": f"B{number}", "amount_minor": 6}  # another proposal in the same case
        again = control.propose("refund-desk", "refund.create", f"c-B{number}", arguments, "0.99").progress
        seen[number] = first
        assert (first, again) in (("waiting", "waiting"), ("finished", "denied"))  # denied: refunded once already
    assert 8 <= sum(progress == "waiting" for progress in seen.values()) <= 32
    for found in find_events(control.store, EventFilter(kind="action.decided"), 200):
        review, standing = found.event.data["decision"]["review"], found.event.data["standing"]  # type: ignore[index,call-overload]
        assert review == {"probability_bp": 5000, "drawn": standing["draw"] < 5000, "when": "before"}  # type: ignore[index,call-overload,operator]


def test_no_action_begins_by_an_outdated_stage(opened: Open, folder: Path) -> None:
    """Sixty-four at once, from two processes' worth of desks, while the stage goes up and down."""
    control = opened()
    with open_company(folder, "second", connectors={"shop": make_shop()}) as second:
        both, going = (control, second), threading.Event()
        changes, ended = [(stage(control, "shadow"), "shadow")], set[str]()

        def flip() -> None:
            while not going.is_set():
                name = "shadow" if changes[-1][1] == "autonomous" else "autonomous"
                changes.append((stage(control, name), name))
                going.wait(0.01)

        flipper = threading.Thread(target=flip)
        flipper.start()
        try:
            for turn in range(40):  # four are enough, where the stage changes as often as it should
                waiting = [
                    both[number % 2].submit_proposal(
                        both[number % 2].action(
                            "refund-desk", "refund.create", f"{turn}-{number}",
                            {"order": f"{turn}-{number}", "amount_minor": 1}, "0.99",
                        )
                    )
                    for number in range(64)
                ]  # fmt: skip
                wait(waiting, timeout=120)
                ended |= {future.result().progress for future in waiting}
                if turn >= 3 and len(ended) > 1:
                    break
        finally:
            going.set()
            flipper.join()
    assert ended == {"finished", "denied"}, "both were met"
    begun = [found.seq for found in find_events(control.store, EventFilter(kind="action.begun"), 10_000)]
    for seq in begun:
        assert [name for at, name in changes if at < seq][-1] == "autonomous", seq
