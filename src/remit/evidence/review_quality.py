"""How far reviewers can be believed: what they catch of known errors, and whether what they say agrees with others.

Probes are revealed here: the ledger has a commitment to each, which case it was lies beside it. What a share s of
errors waved through does to a certified bound b is b / (1 - s) (`remit.stats.label`).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

import orjson

from remit.evidence.track_record import TrackRecord
from remit.ledger.query import all_events
from remit.ledger.sealing import commitment_of
from remit.stats.label import Probe, corrected_upper_bound, sensitivity
from remit.store.engine import Reader, Store

__all__ = ["CorrectedRate", "ReviewQuality", "ReviewerRecord", "corrected_rates", "review_quality"]

_KINDS: Final = ("approval.answered", "outcome.recorded", "probe.planted", "review.answered")
_SURE: Final = 0.95


@dataclass(frozen=True, slots=True)
class ReviewerRecord:
    """One reviewer; empty name: all together. Of ``probes`` shown and answered they ``missed`` some; ``miss_upper`` is
    at most which share of errors they miss (a fraction of 1, 95 % sure).

    Of the ``compared`` actions of which another person spoke too, they ``agreed`` on some. Of the ``matured`` actions
    of which a source of record spoke, they were ``confirmed`` on some, and let ``waved_through`` pass as right that
    were wrong. ``seconds_median`` None where no time was measured.
    """

    person: str
    reviews: int
    probes: int
    missed: int
    miss_upper: float
    compared: int
    agreed: int
    matured: int
    confirmed: int
    waved_through: int
    seconds_median: int | None


@dataclass(frozen=True, slots=True)
class ReviewQuality:
    """All reviewers; ``planted`` probes in all, of which ``erased`` can no longer be revealed, and ``broken`` are not
    what the ledger committed to. ``answered`` and ``missed`` have the probes' counts by (agent, action).
    """

    reviewers: tuple[ReviewerRecord, ...]
    planted: int
    erased: int
    broken: int
    answered: Mapping[tuple[str, str], int]
    missed: Mapping[tuple[str, str], int]


@dataclass(frozen=True, slots=True)
class CorrectedRate:
    """What a track's bound on the errors found says of the errors that are there; fractions of 1."""

    agent: str
    version: str
    action: str
    class_: str
    upper: float
    corrected: float
    probes: int
    missed: int


@dataclass(slots=True)
class _Seen:
    """What was said: per action and speaker the last word, per person the times, per probe what was answered."""

    words: dict[str, dict[str, bool]]
    seconds: dict[str, list[int]]
    counts: dict[str, int]
    probes: dict[str, tuple[str, str]]
    answers: dict[str, tuple[str, bool | None]]
    planted: int = 0
    erased: int = 0
    broken: int = 0


def review_quality(store: Store) -> ReviewQuality:
    """Return how far reviewers can be believed as of now; reads every answer once.

    Raises:
        StoreUnavailable: the store cannot be read.
    """
    seen = _Seen({}, {}, {}, {}, {})
    with store.snapshot() as reader:
        for recorded in all_events(reader, _KINDS):
            event, data = recorded.event, recorded.event.data
            if event.kind == "probe.planted":
                _reveal(reader, data, seen)
            else:
                _said(event.kind, event.action, data, seen)
    shown = [
        Probe(person, right is False) for probe, (person, right) in seen.answers.items() if probe in seen.probes
    ]  # fmt: skip
    misses = {one.reviewer: one for one in sensitivity(shown, 1 - _SURE)}
    names = ["", *sorted(seen.counts)]
    answered, missed = dict[tuple[str, str], int](), dict[tuple[str, str], int]()
    for probe, (_, right) in seen.answers.items():
        if probe in seen.probes:
            of = seen.probes[probe]
            answered[of] = answered.get(of, 0) + 1
            missed[of] = missed.get(of, 0) + (right is not False)
    reviewers = tuple(_record(name, seen, misses) for name in names)
    return ReviewQuality(reviewers, seen.planted, seen.erased, seen.broken, answered, missed)


def corrected_rates(quality: ReviewQuality, tracks: Sequence[TrackRecord]) -> tuple[CorrectedRate, ...]:
    """Return for each track what its reviewers' misses make of its bound; 1 while no probe was answered."""
    found = []
    for track in tracks:
        of = track.agent, track.action
        probes, missed = quality.answered.get(of, 0), quality.missed.get(of, 0)
        corrected = corrected_upper_bound(track.trials, track.errors, probes, missed, 1 - track.sure)
        found.append(
            CorrectedRate(
                track.agent, track.version, track.action, track.class_, track.upper, corrected, probes, missed
            )
        )
    return tuple(found)


def _reveal(reader: Reader, data: Mapping[str, Any], seen: _Seen) -> None:
    """Find which review a commitment speaks of; what was erased or changed cannot be told."""
    seen.planted += 1
    rows = reader.fetch("select salt, value from sealed where commitment = ?", (data["commitment"],))
    if not rows:
        seen.erased += 1
        return
    value = orjson.loads(rows[0][1])
    if commitment_of(bytes(rows[0][0]), value) != data["commitment"]:
        seen.broken += 1
        return
    seen.probes[value["id"]] = data["agent"], data["action_name"]


def _said(kind: str, action: str, data: Mapping[str, Any], seen: _Seen) -> None:
    if kind == "outcome.recorded":
        _word(seen, action, data["said_by"], data["right"])
        return
    person = data["person"]
    right = data["verdict"] == "approve" if kind == "approval.answered" else data["right"]
    seen.counts[person] = seen.counts.get(person, 0) + 1
    if data["seconds"] is not None:
        seen.seconds.setdefault(person, []).append(data["seconds"])
    if kind == "review.answered" and action in seen.probes:
        seen.answers.setdefault(action, (person, right))
        return  # of a planted case nobody else speaks
    _word(seen, action, f"person:{person}", right)


def _word(seen: _Seen, action: str, speaker: str, right: bool | None) -> None:
    if right is None:
        seen.words.get(action, {}).pop(speaker, None)
    else:
        seen.words.setdefault(action, {})[speaker] = right


def _record(person: str, seen: _Seen, misses: Mapping[str, Any]) -> ReviewerRecord:
    compared = agreed = matured = confirmed = waved = 0
    for words in seen.words.values():
        said = {name: right for name, right in words.items() if name.startswith("person:")}
        sources = [right for name, right in words.items() if name.startswith("source:")]
        for name, right in said.items():
            if person and name != f"person:{person}":
                continue
            others = [other for who, other in said.items() if who != name]
            if others:
                compared += 1
                agreed += all(other is right for other in others)
            if sources:
                truth = all(sources)
                matured += 1
                confirmed += right is truth
                waved += right and not truth
    measured = sorted(
        number for name, numbers in seen.seconds.items() if not person or name == person for number in numbers
    )
    known = misses.get(person)
    return ReviewerRecord(
        person,
        seen.counts.get(person, 0) if person else sum(seen.counts.values()),
        known.probes if known else 0,
        known.missed if known else 0,
        known.miss_upper if known else 1.0,
        compared,
        agreed,
        matured,
        confirmed,
        waved,
        measured[len(measured) // 2] if measured else None,
    )
