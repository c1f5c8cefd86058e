"""The pages of earned autonomy, as they are written."""

from __future__ import annotations

from typing import Any

from remit.faces import autonomy_page


def test_a_proof_is_written_in_words_and_not_as_python_writes_it() -> None:
    proof: Any = {
        "other_terms": {"starts": 3, "everyone": True, "deadline_seconds": None}, "plan": [64, 128], "same": 7
    }  # fmt: skip
    written = {name: autonomy_page._plainly(value) for name, value in proof.items()}
    assert written == {
        "other_terms": "deadline_seconds -, everyone yes, starts 3", "plan": "64, 128", "same": "7"
    }  # fmt: skip
