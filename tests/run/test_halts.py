"""The switch: nothing within a scope begins after it is thrown, in any of four real processes."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from pathlib import Path

import pytest
from tests.run.conftest import Open
from tests.waiting import wait_until

from remit.app import Control
from remit.errors import BadInput, NotFound
from remit.ledger.query import all_events
from remit.testing.stand_ins import StandInConnector

CHILD = """
import sys, time
from remit.app import open_company
from tests.run.conftest import make_shop

folder, name = sys.argv[1:]
with open_company(folder, name, connectors={"shop": make_shop()}) as control:
    print("ready", flush=True)
    for number in range(1, 100_000):
        arguments = {"order": f"{name}-{number}", "amount_minor": 1}
        journey = control.propose("refund-desk", "refund.create", f"{name}-{number}", arguments, "0.99")
        if journey.progress == "denied":
            print(journey.decided, flush=True)
            break
    time.sleep(0.6)  # so that its pulse can confirm what it has seen
"""


def propose(control: Control, order: str = "A1") -> str:
    return control.propose(
        "refund-desk", "refund.create", f"c-{order}", {"order": order, "amount_minor": 5}, "0.9"
    ).progress


@pytest.mark.parametrize(
    "scope",
    [
        "everything", "department:support", "agent:refund-desk", "version:{version}", "action:refund.create",
        "system:shop", "entity:order/A1",
    ],
)  # fmt: skip
def test_every_scope_stops_what_it_covers_until_it_is_lifted(
    control: Control, shop: StandInConnector, scope: str
) -> None:
    scope = scope.format(version=control.desk.law.manifest("refund-desk").version)
    control.halt(scope, "something is wrong", "ada.owner")
    assert propose(control, "A1") == "denied"
    assert shop.attempts == []
    if scope == "entity:order/A1":
        assert propose(control, "A2") == "finished"
    with pytest.raises(NotFound, match="is not halted"):
        control.resume("agent:somebody-else", "x", "ada.owner")
    control.resume(scope, "mended", "ada.owner")
    assert propose(control, "A3") == "finished"


@pytest.mark.parametrize(
    "scope", ["agent:another", "department:sales", "system:bank", "action:refund.cancel", "entity:order/B"]
)
def test_other_scopes_stop_nothing(control: Control, scope: str) -> None:
    control.halt(scope, "elsewhere", "ada.owner")
    assert propose(control) == "finished"


@pytest.mark.parametrize(
    "scope", ["", "all", "agent", "agent:", "everything:x", "planet:earth", "agent:a\nb", "agent:" + "x" * 300]
)
def test_scopes_that_are_none_are_refused(control: Control, scope: str) -> None:
    with pytest.raises(BadInput, match="expected everything, department:NAME"):
        control.halt(scope, "why", "ada.owner")
    with pytest.raises(BadInput, match="needs a reason"):
        control.halt("everything", " ", "ada.owner")


def test_requested_and_confirmed_are_two_facts(opened: Open) -> None:
    first, second = opened("first"), opened("second")
    ids = {first.desk.presence.id, second.desk.presence.id}
    halt = first.halt("everything", "drill", "ada.owner")
    wait_until(lambda: set(first.halts()[0].confirmed) == ids, "both processes have confirmed it")
    (status,) = first.halts()
    assert status.silent == ()
    assert all(moment >= halt.at for moment in status.confirmed.values())


def test_nothing_begins_after_the_halt_in_any_of_four_processes(folder: Path, opened: Open) -> None:
    manifest = folder / "agents" / "refund-desk.yaml"
    text = (
        manifest.read_text()
        .replace("at_most: 60}", "at_most: 1000000}")
        .replace("at_most: 50000,", "at_most: 50000000,")
    )
    manifest.write_text(text)
    opened().desk  # noqa: B018  takes the company's files into use
    children = [
        subprocess.Popen([sys.executable, "-c", CHILD, str(folder), f"p{number}"], stdout=subprocess.PIPE, text=True)
        for number in range(4)
    ]
    try:
        for child in children:
            assert child.stdout is not None and child.stdout.readline() == "ready\n"
        control = opened("operator")
        counts = "select count(*) from event where kind = 'action.finished' and case_id like ?"
        wait_until(
            lambda: all(control.store.read(counts, (f"p{number}-%",))[0][0] >= 5 for number in range(4)),
            "five actions of each of the four processes",
        )
        requested = time.time()
        control.halt("everything", "stop", "ada.owner")
        committed = time.time()
        for child in children:
            told, _ = child.communicate(timeout=60)
            assert child.returncode == 0
            assert "halted" in told, told
    finally:
        for child in children:
            child.kill()
            child.communicate()
    with control.store.snapshot() as reader:
        events = list(all_events(reader))
    halt = next(event for event in events if event.event.kind == "halt.requested")
    begun = [event for event in events if event.event.kind == "action.begun"]
    assert max(event.seq for event in begun) < halt.seq, "nothing begins after the halt is committed"
    assert {event.event.data["process"].split("-")[0] for event in begun} == {"p0", "p1", "p2", "p3"}  # type: ignore[union-attr]
    confirmed = [event for event in events if event.event.kind == "halt.confirmed"]
    assert len({event.event.actor for event in confirmed}) >= 4
    last = max(event.at for event in begun)
    print(json.dumps({"commit_ms": round(1000 * (committed - requested)), "last_begun": last, "halted": halt.at}))
    open_effects = control.store.read("select count(*) from open_effect")
    assert open_effects == [(0,)], "what had begun was carried to its end"
    assert control.verify().problems in ((), ("none of the events is covered by a signed checkpoint",))
