"""What recorded facts said: the ledger has commitments to facts of the graph, and what they say is put back from here.

What is found counts only if it is what was committed to. A fact that was erased stays sealed for good.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import orjson

from remit.errors import BadInput
from remit.knowledge.commitment import erased_name, key_commitment, value_commitment
from remit.knowledge.lineage import fact_number
from remit.knowledge.number_list import among, number_list
from remit.ledger.sealing import EDITED_FACT, ERASED_FACT
from remit.store.engine import Reader, Row

__all__ = ["open_facts"]


def open_facts(reader: Reader, facts: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """Put value and record back into ``facts``, as decisions record them; what has no commitment stays as it is.

    A fact that was erased has no value and the problem `ERASED_FACT`; one that is not what was recorded, or is gone,
    has `EDITED_FACT`. ``reader`` is a snapshot.
    """
    numbers = {number for fact in facts if fact.get("commitment") and (number := _number(fact)) is not None}
    if not numbers:
        return [_opened(fact, {}) for fact in facts]
    kept = _kept(reader, numbers)
    return [_opened(fact, kept) for fact in facts]


def _number(fact: Mapping[str, Any]) -> int | None:
    try:
        return fact_number(str(fact.get("id", "")))
    except BadInput:
        return None


def _kept(reader: Reader, numbers: Iterable[int]) -> dict[int, Row]:
    rows = reader.fetch(
        "select f.fid, f.value, r.salt, r.kh, r.skey, d.name from fact f join record r on r.rid = f.rid "  # noqa: S608
        f"join dataset d on d.did = r.did where f.fid {among(reader)}",
        (number_list(reader, sorted(numbers)),),
    )
    return {row[0]: row[1:] for row in rows}


def _opened(fact: Mapping[str, Any], kept: Mapping[int, Row]) -> dict[str, Any]:
    if not fact.get("commitment"):
        return dict(fact)
    closed = {**fact, "value": None, "record": ""}
    found = kept.get(_number(fact) or 0)
    if found is None:
        return {**closed, "problem": EDITED_FACT}
    value, salt, kh, skey, dataset = found
    record = f"{dataset}/{skey}"
    if salt is None and value is None and skey == erased_name(bytes(kh)):
        return {**closed, "record": record, "problem": ERASED_FACT}
    if value is None or not _holds(bytes(salt or b""), value, skey, bytes(kh), fact["commitment"]):
        return {**closed, "problem": EDITED_FACT}
    return {**closed, "record": record, "value": orjson.loads(value)}


def _holds(salt: bytes, value: str, skey: str, kh: bytes, commitment: str) -> bool:
    """Whether value and key are those that were committed to; without a salt nobody can tell, so they are not."""
    if not salt:
        return False
    return value_commitment(salt, value).hex() == commitment and key_commitment(salt, skey) == kh
