"""The pages of earned autonomy, as they are written."""

from __future__ import annotations

from typing import Any

from remit.faces import autonomy_page
from remit.lifecycle.certificate import Certificate


def test_a_proof_is_written_in_words_and_not_as_python_writes_it() -> None:
    proof: Any = {
        "other_terms": {"starts": 3, "everyone": True, "deadline_seconds": None}, "plan": [64, 128], "same": 7
    }  # fmt: skip
    written = {name: autonomy_page._plainly(value) for name, value in proof.items()}
    assert written == {
        "other_terms": "deadline_seconds -, everyone yes, starts 3", "plan": "64, 128", "same": "7"
    }  # fmt: skip


def test_a_window_that_nothing_stands_before_begins_with_the_first_event() -> None:
    proof = {"method": "paired", "other": "3f2a", "same": 40, "better": 3, "worse": 1}
    body: Any = {
        "proof": proof, "promise_bp": 200, "sure_bp": 9_500, "manifest": "9c1d", "from": "shadow", "from_seq": -1,
        "to_seq": 412, "expires_at": None, "assumptions": [],
    }  # fmt: skip
    certificate = Certificate("c" * 64, "desk", "1b2c", "refund.create", "", "supervised", body, "note")
    page = autonomy_page.certificate_page(certificate, None)
    assert "events 0 to 412" in page
    assert "on the same cases as version 3f2a: 40 alike, 3 better, 1 worse" in page
