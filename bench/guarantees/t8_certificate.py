"""T8: a company whose agent earns its autonomy on generated outcomes; outsiders find every certificate's numbers again.

A small company in a story's time: the refund desk proposes cases, people answer, a source of record says what became
of them, some wrong. Each certificate that is issued on the way up is exported with the ledger and computed again by
the export's own `verify.py`, in a process that has nothing but the standard library. Then the same is tried with a
label turned round, which must be found, or the check checks nothing.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from random import Random
from typing import Any, Final

from bench.guarantees.guarantee import Guarantee, at_most

from remit.app import Control, init_company, open_company
from remit.connectors.connector import Done, Reading
from remit.errors import RemitError
from remit.testing.stand_ins import StandInConnector
from remit.vocabulary import Outcome

__all__ = ["Rechecked", "earned_company", "recheck", "t8"]

_START: Final = datetime(2030, 1, 1, tzinfo=UTC)
_WRONG: Final = 0.01
_CASES_MAX: Final = 3_000
_TERMS: Final = """
    oversight: earned
    ask: supervisor
    autonomy: {promise: 0.05, sure: 0.95, matures: 1d, deadline: 9d, plan: [200, 400], review: 0.5, maintenance: 0.1}
"""
_PERMIT: Final = """
@id("promotions") @reason("what was earned may be signed")
permit (principal, action == Remit::Action::"stage.promote", resource == Remit::System::"remit");
"""


@dataclass(frozen=True, slots=True)
class Rechecked:
    """One certificate: its method, whether the verifier held it, what it said, and how far the evidence of a mixture
    is from its definition worked out in forty digits; None for other methods.
    """

    method: str
    held: bool
    said: str
    difference: float | None


def _company(home: Path) -> Control:
    init_company(home)
    manifest = home / "agents" / "refund-desk.yaml"
    text = manifest.read_text().replace("    oversight: on_the_loop\n", _TERMS.lstrip("\n"))
    text = text.replace("confidence: {at_least: 0.80, ask: supervisor}\n", "promotion: {ask: owner}\n")
    text = text.replace("every: hour, at_most: 60}", "every: hour, at_most: 9999}").replace("fresh: 1h", "fresh: 9999d")
    manifest.write_text(text)
    policies = home / "policies" / "refunds.cedar"
    policies.write_text(policies.read_text() + _PERMIT)
    (home / "remit.yaml").write_text("company: Guarantees\nclock: story\n")
    shop = StandInConnector(
        "shop",
        facts={"paid": lambda asked: Reading(40_000, f"o-{asked['order']}", datetime.now(UTC))},
        operations={"refund.create": lambda arguments: Done({"refund": f"r-{arguments['order']}"}, 25)},
    )
    return open_company(home, connectors={"shop": shop})


def earned_company(home: Path, seed: int = 8) -> Control:
    """Return a company whose agent has climbed to autonomy; the caller closes it.

    Raises:
        RemitError: it did not get there, which at one wrong case in a hundred it should.
    """
    control, random, day, number = _company(home), Random(seed), 0, 0
    control.set_now(_START)
    _ = control.desk
    while "autonomous" not in (certificate.to for certificate in control.autonomy.certificates("refund-desk")):
        for _ in range(40):
            number += 1
            _case(control, f"c-{number}", random)
        day += 1
        control.set_now(_START + timedelta(days=day))
        control.autonomy.look()
        _signed(control)
        if number >= _CASES_MAX:
            control.close()
            raise RemitError(f"after {number} cases the agent is not autonomous; got {_stages(control)}")
    return control


def _stages(control: Control) -> list[str]:
    return [certificate.to for certificate in control.autonomy.certificates("refund-desk")]


def _case(control: Control, case: str, random: Random) -> None:
    confidence = f"0.{random.randrange(80, 99)}"
    journey = control.propose("refund-desk", "refund.create", case, {"order": case, "amount_minor": 1}, confidence)
    if journey.progress == "waiting":
        control.approve(journey.action, "ada.owner", "supervisor")
        control.work()
    right = random.random() >= _WRONG
    control.record_outcome(Outcome(case, journey.action, right, "source:erp", control.now()))


def _signed(control: Control) -> None:
    """Sign the promotions that wait; one that was just proposed may take a moment to get there."""
    latest = {(one.to, one.digest) for one in control.autonomy.certificates("refund-desk")}
    record = control.autonomy.track_record()[0]
    if not any(to != record.stage for to, _ in latest):
        return
    for _ in range(100):
        waiting = [item for item in control.inbox() if item.name == "stage.promote"]
        for item in waiting:
            control.approve(item.action, "ada.owner", "owner")
            control.work()
        if waiting or control.autonomy.track_record()[0].stage in {to for to, _ in latest}:
            return
        time.sleep(0.02)


def recheck(export: Path, digest: str, body: Mapping[str, Any]) -> Rechecked:
    """Run the export's own verifier on one certificate, and compute a mixture's numbers from its counts."""
    command = [sys.executable, "-I", "-S", "verify.py", ".", "--certificate", digest]
    done = subprocess.run(command, cwd=export, capture_output=True, text=True, check=False, timeout=300)
    proof = body["proof"]
    difference = None
    if proof["method"] == "mixture":
        evidence = _evidence(proof["trials"], proof["errors"], float.fromhex(proof["bound"]))
        difference = abs(evidence - float.fromhex(proof["log_evidence"]))
    said = (done.stdout + done.stderr).strip()
    return Rechecked(proof["method"], done.returncode == 0 and "the same to 1e-9" in said, said, difference)


def _evidence(trials: int, errors: int, bound: float) -> float:
    """The evidence of `remit.stats.rate` from its definition, in forty digits."""
    import mpmath

    with mpmath.workdps(40):
        m, k, right = mpmath.mpf(bound), errors, trials - errors
        mixture = mpmath.betainc(k + 0.5, right + 0.5, 0, m) / mpmath.betainc(0.5, 0.5, 0, m)
        return float(mpmath.log(mixture) - k * mpmath.log(m) - right * mpmath.log(1 - m))


def _turned(export: Path) -> None:
    """Turn the first label in the export round."""
    for path in sorted(export.rglob("*")):
        if path.is_file() and b'"outcome.recorded"' in (content := path.read_bytes()):
            at = content.index(b'"outcome.recorded"')
            place = content.index(b'"right":true', max(0, at - 2_000))
            os.chmod(path, 0o600)  # noqa: PTH101
            path.write_bytes(content[:place] + b'"right":null' + content[place + 12 :])
            return
    raise RemitError("the export holds no outcome in plain text: nothing can be turned round")


def t8() -> list[Guarantee]:
    """Return how many certificates an outsider does not find again, and the same for a label turned round."""
    with tempfile.TemporaryDirectory() as folder:
        home, export = Path(folder) / "company", Path(folder) / "export"
        control = earned_company(home)
        try:
            certificates = control.autonomy.certificates("refund-desk")
            control.verify()  # signs what was appended last, without which it is not exported
            control.export(export)
        finally:
            control.close()
        found = [recheck(export, one.digest, one.body) for one in certificates]
        _turned(export)
        missed = sum(recheck(export, one.digest, one.body).held for one in certificates)
    bad = [one for one in found if not one.held]
    methods = ", ".join(sorted({one.method for one in found}))
    note = f"{methods}; " + (
        "; ".join(one.said[-200:] for one in bad) or "by verify.py, -I -S, in a process of its own"
    )
    furthest = max((one.difference for one in found if one.difference is not None), default=None)
    return [
        Guarantee("T8", "certificates not found again to 1e-9 in the export", len(bad), at_most(0), runs=len(found),
                  note=note),
        Guarantee("T8", "largest difference of the evidence from its definition", furthest, at_most(1e-9),
                  runs=len(found)),
        Guarantee("T8", "certificates that still hold with one label turned round", missed, at_most(0),
                  runs=len(found)),
    ]  # fmt: skip
