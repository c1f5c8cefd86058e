"""Every published vector of transparency-dev/merkle verifies or is refused as it says."""

from __future__ import annotations

import json
from base64 import b64decode
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from remit.ledger import verify

VECTORS = Path(__file__).parents[1] / "vectors" / "merkle"
Vector = dict[str, Any]


def proof_of(vector: Vector) -> list[bytes]:
    return [b64decode(node) for node in vector["proof"] or []]


def inclusion(vector: Vector) -> bool:
    leaf, root = b64decode(vector["leafHash"]), b64decode(vector["root"])
    return verify.verify_inclusion(vector["leafIdx"], vector["treeSize"], leaf, proof_of(vector), root)


def consistency(vector: Vector) -> bool:
    old_root, new_root = b64decode(vector["root1"]), b64decode(vector["root2"])
    return verify.verify_consistency(vector["size1"], vector["size2"], proof_of(vector), old_root, new_root)


def subtree_inclusion(vector: Vector) -> bool:
    leaf, root = b64decode(vector["leafHash"]), b64decode(vector["root"])
    return verify.verify_subtree_inclusion(
        vector["leafIdx"], vector["start"], vector["end"], leaf, proof_of(vector), root
    )


def subtree_consistency(vector: Vector) -> bool:
    own, root = b64decode(vector["root1"]), b64decode(vector["root2"])
    return verify.verify_subtree_consistency(
        vector["start"], vector["end"], vector["size"], proof_of(vector), own, root
    )


@pytest.mark.parametrize(
    ("file", "count", "verifies"),
    [
        ("inclusion", 98, inclusion),
        ("consistency", 98, consistency),
        ("subtreeinclusion", 204, subtree_inclusion),
        ("subtreeconsistency", 118, subtree_consistency),
    ],
)
def test_vectors(file: str, count: int, verifies: Callable[[Vector], bool]) -> None:
    vectors = [json.loads(line) for line in (VECTORS / f"{file}.jsonl").read_text().splitlines()]
    assert len(vectors) == count
    wrong = [vector["name"] for vector in vectors if verifies(vector) is vector["wantErr"]]
    assert wrong == []
