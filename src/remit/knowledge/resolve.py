"""Resolution: which records are one and the same thing.

From match words alone: nothing is labelled, nothing is set per data set. Records with telling columns are compared by a
Fellegi-Sunter model that Splink trains on them; things that have little but a text, by their words. A link of at least
``sure_bp`` is made, one of at least ``doubt_bp`` is asked about. The figures are the model's own estimates of how
likely two records are one, so at 9,000 about one link in ten at that edge is wrong, and far fewer beyond it.
"""

from __future__ import annotations

import csv
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Literal

from remit.errors import BadInput
from remit.knowledge.match_clusters import (
    DOUBT_BP,
    SURE_BP,
    Clustering,
    DoubtfulLink,
    PairWeight,
    Together,
    bits_of,
    cluster_pairs,
    duplicate_free_sources,
)
from remit.knowledge.match_settings import MatchSettings, settle
from remit.knowledge.match_training import refined, started
from remit.knowledge.match_words import WORDS, column_of, is_empty
from remit.knowledge.pair_model import Comparison, Frequencies, PairModel, Prepared, hashed_value, probability_of
from remit.knowledge.splink_engine import SAMPLE_PAIRS, SplinkEngine
from remit.knowledge.text_match import TextIndex, text_pairs, text_weight

__all__ = ["PairScores", "Resolution", "ResolvedPair", "pair_scores", "resolve_labelled_file", "resolve_rows"]

KEPT_BITS: Final = -5.0
"""Pairs with less for them than this are not returned: the chance that they are one is below 3 %."""
FREQUENT_MAX: Final = 8_000
"""Values of all columns whose frequency the model keeps, the most frequent first; all others count as rare."""
COSINE_LEAST: Final = 0.2
_TELLING: Final = frozenset({"date", "phone", "postcode", "address", "email"})


@dataclass(frozen=True, slots=True)
class ResolvedPair:
    """Two rows by number, the smaller first, and how likely they are one."""

    left: int
    right: int
    probability: float


@dataclass(frozen=True, slots=True)
class Resolution:
    """What resolving found. ``clusters`` has every row in exactly one group, ``doubtful`` what a person should say.

    ``model`` is None where texts were compared by their words, or where there was nothing to learn from.
    """

    pairs: tuple[ResolvedPair, ...]
    clusters: tuple[tuple[int, ...], ...]
    doubtful: tuple[DoubtfulLink, ...]
    lane: Literal["fields", "text", "none"]
    model: PairModel | None = None
    prepared: tuple[Prepared, ...] = ()
    single: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True)
class PairScores:
    """Pairwise precision, recall and F1 against labels."""

    precision: float
    recall: float
    f1: float
    pairs: int
    labelled: int


def resolve_rows(
    rows: Sequence[Mapping[str, str | None]],
    match: Mapping[str, str],
    sources: Sequence[str] | None = None,
    *,
    single: frozenset[str] | None = None,
    known: Together | None = None,
    secret: bytes = b"",
    sure_bp: int = SURE_BP,
    doubt_bp: int = DOUBT_BP,
    text_sure_bp: int | None = None,
) -> Resolution:
    """Resolve ``rows``; ``match`` gives each telling column its word, ``sources`` the source of each row.

    ``single`` names the sources that hold each thing once; None finds out. ``known`` is what people decided.
    ``secret`` is what the model's value frequencies are hashed under. ``text_sure_bp`` takes the place of ``sure_bp``
    where words alone are compared.

    Raises:
        BadInput: an unknown match word, or as many sources as rows are not given, or Splink is not installed.
    """
    _check(rows, match, sources)
    if _by_text(rows, match):
        return _resolve_texts(rows, match, sources, single, known, text_sure_bp or sure_bp, doubt_bp)
    settings, prepared = settle(rows, match)
    if not settings.rules or not settings.comparisons:
        alone = cluster_pairs(len(rows), (), lambda one, two: 0.0, sure=0.0, doubt=0.0, known=known)
        return Resolution((), alone.groups, (), "none")
    model, pairs = _trained(settings, prepared, secret, sure_bp, doubt_bp)
    score = model.scorer(secret)
    found = single
    if found is None:
        found = duplicate_free_sources(pairs, sources, bits_of(sure_bp)) if sources is not None else frozenset()
    clustering = cluster_pairs(
        len(rows),
        pairs,
        lambda one, two: score(prepared[one], prepared[two]).weight,
        sure=bits_of(sure_bp),
        doubt=bits_of(doubt_bp),
        sources=sources,
        single=found,
        known=known,
    )
    return _resolution(pairs, clustering, "fields", model, tuple(prepared), found)


def _check(rows: Sequence[object], match: Mapping[str, str], sources: Sequence[str] | None) -> None:
    for column, word in match.items():
        if word not in WORDS:
            raise BadInput(f"match of {column}: got {word!r:.40}, expected one of {', '.join(WORDS)}")
    if sources is not None and len(sources) != len(rows):
        raise BadInput(f"sources: got {len(sources)} for {len(rows)} rows, expected one for each")


def _by_text(rows: Sequence[Mapping[str, str | None]], match: Mapping[str, str]) -> bool:
    """Is there little but text to tell things by? Years, names of makers and prices do not tell one from another."""
    if "text" not in match.values():
        return False
    for name, word in match.items():
        values = [value for row in rows if (value := row.get(name)) and not is_empty(value)]
        column = column_of(name, word, values)
        if column.kind in _TELLING:
            return False
        length = sum(map(len, values)) / max(1, len(values))
        if column.kind == "code" and length >= 8 and len(set(values)) > 0.3 * len(values) > 0.1 * len(rows):
            return False
    return True


def _resolve_texts(
    rows: Sequence[Mapping[str, str | None]],
    match: Mapping[str, str],
    sources: Sequence[str] | None,
    single: frozenset[str] | None,
    known: Together | None,
    sure_bp: int,
    doubt_bp: int,
) -> Resolution:
    words = {name: sum(len((row.get(name) or "").split()) for row in rows) / max(1, len(rows)) for name in match}
    short = [name for name in match if words[name] <= 25] or list(match)  # long descriptions drown a title
    index = TextIndex([" ".join(row.get(name) or "" for name in short) for row in rows])
    found = single if single is not None else frozenset(sources or ()) if len(set(sources or ())) > 1 else frozenset()
    pairs = text_pairs(index, sources, COSINE_LEAST)
    clustering = cluster_pairs(
        len(rows),
        pairs,
        lambda one, two: text_weight(index.cosine(one, two)),
        sure=bits_of(sure_bp),
        doubt=bits_of(doubt_bp),
        sources=sources,
        single=found,
        known=known,
    )
    return _resolution(pairs, clustering, "text", None, (), found)


def _trained(
    settings: MatchSettings, prepared: Sequence[Prepared], secret: bytes, sure_bp: int, doubt_bp: int
) -> tuple[PairModel, list[PairWeight]]:
    all_pairs = len(prepared) * (len(prepared) - 1) / 2
    engine = SplinkEngine(settings, prepared)
    try:
        begun = started(settings.comparisons, engine.learn(), min(all_pairs, SAMPLE_PAIRS))
        patterns = engine.patterns(begun)
        comparisons, prior, relations = refined(begun, patterns, all_pairs, settings.personal, settings.called)
        most = FREQUENT_MAX // max(1, len(settings.frequent))
        frequencies = {
            old.form: _frequencies(engine.value_counts(old.form), old, new, secret, most)
            for old, new in zip(begun, comparisons, strict=True)
            if old.form in settings.frequent
        }
        model = PairModel(
            settings.columns, comparisons, settings.rules, frequencies, prior, sure_bp, doubt_bp, relations
        )
        pairs = list(engine.score(model, KEPT_BITS, secret))
    finally:
        engine.close()
    if relations:
        score = model.scorer(secret)
        pairs = [(one, two, score(prepared[one], prepared[two]).weight) for one, two, _ in pairs]
    return model, pairs


def _frequencies(
    counts: Sequence[tuple[str, int]], drawn: Comparison, learned: Comparison, secret: bytes, most: int
) -> Frequencies:
    # What is frequent only because it is noted several times of one thing is not common: what training took out of
    # the chance that two agree comes out of all frequencies too.
    place = next(number for number, level in enumerate(drawn.levels) if level.by_frequency)
    total = sum(count for _, count in counts) * drawn.levels[place].u / learned.levels[place].u
    kept, rest = counts[:most], counts[most:]
    common = sum(count for _, count in rest) / len(rest) if rest else 1.0
    return Frequencies(
        common / total,
        {hashed_value(secret, drawn.form, value): count / total for value, count in kept if count > common},
    )


def _resolution(
    pairs: Sequence[PairWeight],
    clustering: Clustering,
    lane: Literal["fields", "text"],
    model: PairModel | None,
    prepared: tuple[Prepared, ...],
    single: frozenset[str],
) -> Resolution:
    likely = tuple(ResolvedPair(one, two, probability_of(weight)) for one, two, weight in pairs)
    return Resolution(likely, clustering.groups, clustering.doubtful, lane, model, prepared, single)


def resolve_labelled_file(
    path: Path, match: Mapping[str, str], label: str, source: str = ""
) -> tuple[Resolution, PairScores, PairScores]:
    """Resolve a CSV file and compare with its column ``label``: the resolution, its sure pairs' scores, its groups'.

    Rows of one thing have the same text in ``label``; it is never compared. ``source`` names a column of sources.

    Raises:
        BadInput: a column is not in the file.
    """
    with path.open(encoding="utf-8-sig", newline="") as file:
        rows: list[dict[str, str]] = list(csv.DictReader(file, skipinitialspace=True))
    missing = {label, source, *match} - {"", *(rows[0] if rows else ())}
    if missing:
        raise BadInput(f"{path.name}: no column {', '.join(sorted(missing))}")
    resolution = resolve_rows(
        [{name: row.get(name) for name in match} for row in rows],
        match,
        [row[source] for row in rows] if source else None,
    )
    labels = [row[label] for row in rows]
    sure = [(pair.left, pair.right) for pair in resolution.pairs if pair.probability >= SURE_BP / 10_000]
    return resolution, pair_scores(sure, labels), pair_scores(resolution.clusters, labels)


def pair_scores(groups: Sequence[Sequence[int]], labels: Sequence[str]) -> PairScores:
    """Compare groups of rows with what they truly are, pair by pair."""
    counts = Counter(labels)
    labelled = sum(count * (count - 1) // 2 for count in counts.values())
    pairs = sum(len(group) * (len(group) - 1) // 2 for group in groups)
    right = 0
    for group in groups:
        inside = Counter(labels[row] for row in group)
        right += sum(count * (count - 1) // 2 for count in inside.values())
    precision, recall = right / max(1, pairs), right / max(1, labelled)
    both = precision + recall
    return PairScores(precision, recall, 2 * precision * recall / both if both else 0.0, pairs, labelled)
