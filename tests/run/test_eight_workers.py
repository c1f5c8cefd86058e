"""Eight workers on one store, three of them killed while they work: everything approved is done, and done once."""

from __future__ import annotations

import subprocess
import sys
import time
from collections import Counter
from pathlib import Path

from tests.run.conftest import Open
from tests.waiting import wait_until

WORKER = """
import asyncio, fcntl, sys
from pathlib import Path
from remit.app import open_company
from remit.connectors.connector import Done
from tests.run.conftest import make_shop

folder, number, book = sys.argv[1:]
shop = make_shop()

async def perform(operation, arguments, key):
    await asyncio.sleep(0.02)
    with open(book, "a") as file:  # the shop's own durable record: one line a refund
        file.write(key + "\\n")
    await asyncio.sleep(0.02)
    return Done({"refund": key}, 25)

async def lookup(operation, key, arguments):
    known = Path(book).read_text().split() if Path(book).exists() else []
    return Done({"refund": key}, 25) if key in known else None

shop.perform, shop.lookup = perform, lookup
with open_company(folder, f"w{number}", connectors={"shop": shop}) as control:
    control.desk
    print("ready", flush=True)
    control.submit(control.worker().run()).result()
"""


def test_eight_workers_three_killed(opened: Open, folder: Path, tmp_path: Path) -> None:
    book = tmp_path / "book"
    book.touch()
    manifest = folder / "agents" / "refund-desk.yaml"
    text = (
        manifest.read_text().replace("at_most: 60}", "at_most: 1000}").replace("at_most: 50000,", "at_most: 90000000,")
    )
    manifest.write_text(text)
    control = opened("people")
    actions = []
    for number in range(48):
        arguments = {"order": f"A{number}", "amount_minor": 12_500}
        journey = control.propose("refund-desk", "refund.create", f"c{number}", arguments, "0.9")
        assert journey.progress == "waiting"
        actions.append(journey.action)
    workers = [
        subprocess.Popen(
            [sys.executable, "-c", WORKER, str(folder), str(number), str(book)], stdout=subprocess.PIPE, text=True
        )
        for number in range(8)
    ]
    try:
        for worker in workers:
            assert worker.stdout is not None and worker.stdout.readline() == "ready\n"
        for number, action in enumerate(actions):
            control.approve(action, "cleo.finance")
            if number in (12, 24, 36):  # mid-flight: somewhere between begun and ended
                time.sleep(0.05)
                workers[number // 12 - 1].kill()
        ended = "select count(*) from event where step = 'ended'"
        wait_until(lambda: control.store.read(ended) == [(len(actions),)], "every action has ended")
    finally:
        for worker in workers:
            worker.kill()
            worker.wait()
            assert worker.stdout is not None
            worker.stdout.close()
    assert {control.journey(action).progress for action in actions} == {"finished"}
    done = Counter(book.read_text().split())
    assert set(done) == set(actions)
    assert set(done.values()) == {1}, "each refund stands once in the shop's own book"
    assert control.replay_decisions().different == ()
    processes = {str(event.event.data["process"]).split("-")[0] for event in control.log(1_000, kind="action.begun")}
    assert len(processes) >= 2, f"the work was shared: {processes}"
    control.keeper.checkpoint()
    assert control.verify().problems == ()
