"""What is fixed for one load: the numbers that its rows are written under, and the form in which rows are taken."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache
from hashlib import blake2b
from typing import Final, NamedTuple

from remit.errors import BadInput
from remit.knowledge.checked import Broken, Checked
from remit.knowledge.commitment import COMMITMENT_BYTES, commitments, key_commitment
from remit.knowledge.names import number_dataset, number_properties, number_scopes
from remit.knowledge.source_file import SourceFile, TableSpec
from remit.store.engine import Transaction

__all__ = [
    "AHEAD_SECONDS_MAX",
    "LoadPlan",
    "NewRecord",
    "TakenRow",
    "new_record",
    "plan_load",
    "row_hash",
    "row_hasher",
    "table_fingerprint",
]

AHEAD_SECONDS_MAX: Final = 300
"""How far after the beginning of the load a row may say it was observed without being flagged."""


class NewRecord(NamedTuple):
    """What is kept of a record if it is new, worked out before anything is locked: it is a third of the work.

    ``row_hashed`` is its first ``version.hash``; ``commitments`` are those of its values that are not missing.
    """

    salt: bytes
    kh: bytes
    row_hashed: bytes
    commitments: list[bytes]


class TakenRow(NamedTuple):
    """A row of a source that is not known to be unchanged.

    ``checked`` is what is kept of it, None when it broke a rule (``broken`` says which) or is gone (``gone``: a change
    event or tombstone; then ``moment`` is when, if it says so). ``data`` and ``fingerprint`` are what `row_hash`
    takes. ``absent`` are the places of facts and links whose column the source did not have. ``raw`` is the row as it
    came, where it may have to be held back. ``new`` is there where most likely nothing is known of the record.
    """

    key: str
    checked: Checked | None
    data: bytes
    fingerprint: bytes
    absent: tuple[frozenset[int], frozenset[int]]
    position: str = ""
    broken: Broken | None = None
    raw: str | None = None
    gone: bool = False
    moment: int | None = None
    flags: int = 0
    new: NewRecord | None = None


@dataclass(frozen=True, slots=True)
class LoadPlan:
    """The numbers that one load writes under. ``started`` is in seconds since 1970, business time.

    ``pids``, ``scopes`` and their counterparts for links stand in the order of the table's facts and links;
    ``link_dids`` and ``link_types`` say where a link leads. ``random`` gives that many random bytes; tests give their
    own. ``events``: the rows are change events. ``anew``: rows that are known may have been read in another way, so
    what held before is looked at too.
    """

    dataset: str
    did: int
    type: str
    load: int
    started: int
    pids: tuple[int, ...]
    scopes: tuple[int, ...]
    link_pids: tuple[int, ...]
    link_scopes: tuple[int, ...]
    link_dids: tuple[int, ...]
    link_types: tuple[str, ...]
    random: Callable[[int], bytes]
    events: bool = False
    anew: bool = True


def new_record(salt: bytes, checked: Checked, data: bytes, fingerprint: bytes) -> NewRecord:
    """Return what a record that is not known is kept under."""
    return NewRecord(
        salt,
        key_commitment(salt, checked.key),
        row_hash(salt, data, fingerprint),
        commitments([salt], [checked.values]),
    )


def row_hash(salt: bytes, data: bytes, fingerprint: bytes) -> bytes:
    """Return ``version.hash``: the commitment to the mapped cells of a row, as they came, read in one certain way."""
    hashed = row_hasher(fingerprint)()
    hashed.update(salt + data)
    return hashed.digest()


@lru_cache(maxsize=64)
def row_hasher(fingerprint: bytes) -> Callable[[], blake2b]:
    """Return what begins a `row_hash`; it takes the salt and the cells."""
    return blake2b(digest_size=COMMITMENT_BYTES, person=fingerprint).copy


def table_fingerprint(source: SourceFile, spec: TableSpec) -> bytes:
    """Return 16 bytes that change when rows would be read otherwise, so that rows read before are read again."""
    marks = (
        spec.dataset,
        spec.type,
        spec.key,
        spec.changed,
        spec.deleted,
        spec.observed,
        spec.valid_from,
        spec.valid_to,
    )
    how = (source.department, source.zone, marks, spec.facts, spec.links, spec.options.get("decimal", ""))
    return blake2b(repr(how).encode(), digest_size=16).digest()


def plan_load(
    transaction: Transaction,
    source: SourceFile,
    spec: TableSpec,
    load: int,
    started: int,
    random: Callable[[int], bytes],
    *,
    events: bool = False,
) -> LoadPlan:
    """Look up or make, under the head lock, every number that a load of ``spec`` needs.

    Raises:
        BadInput: the data set holds entities of another type.
    """
    did = number_dataset(transaction, spec.dataset)
    others = transaction.fetch(
        "select type from record where did = ? and type <> ? and type <> '' limit 1", (did, spec.type)
    )
    if others:
        raise BadInput(
            f"{spec.dataset} holds entities of type {others[0][0]}, its description says {spec.type}; "
            "a data set keeps its type: describe the table under another name"
        )
    link_dids = tuple(number_dataset(transaction, link.to) for link in spec.links)
    link_types = []
    for link, link_did in zip(spec.links, link_dids, strict=True):
        here = source.tables.get(link.to.removeprefix(f"{source.name}."))
        rows = transaction.fetch("select type from record where did = ? and type <> '' limit 1", (link_did,))
        link_types.append(here.type if here is not None and here.dataset == link.to else rows[0][0] if rows else "")
    names = [fact.name for fact in spec.facts] + [link.name for link in spec.links]
    pids = number_properties(transaction, spec.type, names)
    classes = [fact.see for fact in spec.facts] + [link.see for link in spec.links]
    scopes = number_scopes(transaction, [f"{source.department}/{see}" for see in classes])
    count = len(spec.facts)
    return LoadPlan(
        spec.dataset, did, spec.type, load, started, tuple(pids[:count]), tuple(scopes[:count]), tuple(pids[count:]),
        tuple(scopes[count:]), link_dids, tuple(link_types), random, events,
    )  # fmt: skip
