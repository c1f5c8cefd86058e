"""From match words and a look at the data to what is compared and which records are compared at all.

Nothing here is set per data set: levels follow from the kind of a column; blocking rules are the coarsest combinations
of keys that keep the number of pairs within what a machine can score.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import combinations
from typing import Final

from remit.knowledge.match_words import FORMS, KEYS, MatchColumn, column_of, forms_of
from remit.knowledge.pair_model import BlockKey, BlockRule, Comparison, Level, Prepared, form_name, rule_key

__all__ = ["MatchSettings", "prepare_rows", "settle"]

PAIRS_PER_RULE_MIN: Final = 100_000
PAIRS_PER_RECORD: Final = 5
"""A rule may give this many pairs a record, or the number above where that is more."""
RULES_MAX: Final = 24
SAMPLE_MAX: Final = 20_000
"""Records that are looked at to count the pairs of a rule."""
SWAP_SHARE_MIN: Final = 0.05
OWN_SHARE_MIN: Final = 0.5
"""Different values among the records of a column that says what each is called, at least; and, of these records,"""
SEVERAL_SHARE_MIN: Final = 0.5
"""those whose value has several words."""
_SKIPS: Final = frozenset({"sorted"})


@dataclass(frozen=True, slots=True)
class MatchSettings:
    """What is compared, before it is trained. ``training`` names the forms on which pairs are blocked to learn."""

    columns: tuple[MatchColumn, ...]
    comparisons: tuple[Comparison, ...]
    rules: tuple[BlockRule, ...]
    training: tuple[tuple[str, ...], ...]
    frequent: tuple[str, ...]
    """The forms for which it counts how common a value is."""
    personal: frozenset[int]
    """The comparisons of what relatives do not share: dates, and codes of which next to each record has its own."""
    called: frozenset[int] = frozenset()
    """Where there are none of these, what things are called, when next to each is called something else."""


def prepare_rows(columns: Sequence[MatchColumn], rows: Sequence[Mapping[str, str | None]]) -> list[Prepared]:
    """Return each row as it is compared."""
    plan = [(column, [form_name(number, form) for form in FORMS[column.kind]]) for number, column in enumerate(columns)]
    prepared: list[Prepared] = []
    for row in rows:
        one: dict[str, object] = {}
        for column, names in plan:
            one.update(zip(names, forms_of(column, row.get(column.name)), strict=True))
        prepared.append(one)
    return prepared


def settle(rows: Sequence[Mapping[str, str | None]], match: Mapping[str, str]) -> tuple[MatchSettings, list[Prepared]]:
    """Return the settings for ``rows`` whose columns have the words of ``match``, and the rows prepared.

    Columns that hold fewer than two different values say nothing and are left out.
    """
    columns = tuple(
        column_of(name, word, (value for row in rows if (value := row.get(name)))) for name, word in match.items()
    )
    prepared = prepare_rows(columns, rows)
    telling = [
        number for number in range(len(columns)) if len({row[form_name(number, "")] for row in prepared} - {None}) > 1
    ]
    if len(telling) < len(columns):
        columns = tuple(columns[number] for number in telling)
        prepared = prepare_rows(columns, rows)
    counts = [Counter(row[form_name(number, "")] for row in prepared) for number in range(len(columns))]
    for count in counts:
        del count[None]
    partners = _partners(columns, counts)
    frequent = tuple(
        form_name(number, "")
        for number, column in enumerate(columns)
        if column.kind in ("name", "code", "postcode") and len(counts[number]) < 0.8 * counts[number].total()
    )
    comparisons = tuple(
        Comparison(column.name, form_name(number, ""), tuple(_levels(number, column, partners, frequent)))
        for number, column in enumerate(columns)
    )
    if len(comparisons) == 1:
        # Of one column alone nothing tells how far likeness is proof: it is the same or it is not.
        (only,) = comparisons
        kept = (only.levels[0], *(level for level in only.levels if level.neutral or level.condition == ("else",)))
        comparisons = (replace(only, levels=kept),)
    personal = frozenset(
        number
        for number, column in enumerate(columns)
        if column.kind == "date"
        or (column.kind == "code" and column.long and len(counts[number]) > 0.3 * counts[number].total())
    )
    called = frozenset[int]() if personal else _own_title(columns, counts, rows)
    training = tuple(
        forms
        for forms in _training(columns, counts, len(rows))
        if any(not _speaks_of(one, forms) for one in comparisons)
    )
    return MatchSettings(
        columns, comparisons, _rules(columns, prepared, partners), training, frequent, personal | called, called
    ), prepared


def _own_title(
    columns: Sequence[MatchColumn], counts: Sequence[Counter[object]], rows: Sequence[Mapping[str, str | None]]
) -> frozenset[int]:
    """The column that says what things are called: the most distinct of names and texts of several words; or none.

    Neighbours share a street, the shops of a hotel its telephone: what they are called tells them apart.
    """
    found = []
    for number, column in enumerate(columns):
        total = counts[number].total()
        if column.kind in ("name", "text") and len(counts[number]) > OWN_SHARE_MIN * total:
            several = sum(len((row.get(column.name) or "").split()) > 1 for row in rows)
            if several > SEVERAL_SHARE_MIN * total:
                found.append((-len(counts[number]) / total, number))
    return frozenset(number for _, number in sorted(found)[:1])


def _speaks_of(comparison: Comparison, forms: Sequence[str]) -> bool:
    """Does a condition of ``comparison`` look at one of ``forms``? It learns nothing among pairs that agree on it."""

    def inside(condition: object) -> bool:
        return any(map(inside, condition)) if isinstance(condition, tuple) else condition in forms

    return any(inside(level.condition) for level in comparison.levels)


def _partners(columns: Sequence[MatchColumn], counts: Sequence[Counter[object]]) -> dict[int, tuple[int, bool]]:
    """Find names that get swapped: columns that share much of their values. Returns partner, and whether it leads."""
    found = []
    for one, two in combinations([n for n, column in enumerate(columns) if column.kind == "name"], 2):
        shared = counts[one].keys() & counts[two].keys()
        share = min(
            sum(counts[column][value] for value in shared) / max(1, counts[column].total()) for column in (one, two)
        )
        if share >= SWAP_SHARE_MIN:
            found.append((share, one, two))
    partners: dict[int, tuple[int, bool]] = {}
    for _, one, two in sorted(found, reverse=True):
        if one not in partners and two not in partners:
            partners[one], partners[two] = (two, True), (one, False)
    return partners


def _levels(
    number: int, column: MatchColumn, partners: Mapping[int, tuple[int, bool]], frequent: Sequence[str]
) -> Iterator[Level]:
    whole = form_name(number, "")
    yield Level(("equal", whole), "the same", by_frequency=whole in frequent)
    if number in partners:
        partner, leads = partners[number]
        other = form_name(partner, "")
        if leads:
            yield Level(("crossed", whole, other), "swapped")
            yield Level(("either_crossed", whole, other), "one of two swapped")
        else:  # what the swap says is said once, by the one that leads
            yield Level(("either_crossed", whole, other), "swapped", neutral=True)
    yield Level(("missing", whole), "not known", neutral=True)
    yield from _LIKE[column.kind](number, column)
    yield Level(("else",), "different")


def _like_name(number: int, column: MatchColumn) -> Iterator[Level]:
    whole = form_name(number, "")
    if column.several:
        yield Level(("equal", form_name(number, "sorted")), "the same words")
    yield Level(("jaro_winkler", whole, "0.92"), "nearly the same")
    yield Level(("jaro_winkler", whole, "0.85"), "much alike")
    yield Level(("jaro_winkler", whole, "0.7"), "somewhat alike")


def _like_email(number: int, column: MatchColumn) -> Iterator[Level]:
    yield Level(("equal", form_name(number, "local")), "the same before the @")
    yield from _like_digits(number, column)
    yield Level(("jaro_winkler", form_name(number, "local"), "0.9"), "much alike before the @")


def _like_code(number: int, column: MatchColumn) -> Iterator[Level]:
    if column.long:
        yield from _like_digits(number, column)


def _like_digits(number: int, _: MatchColumn) -> Iterator[Level]:
    # The distance is dear to compute and the likeness cheap: what is so unlike is more than two signs off anyway.
    whole = form_name(number, "")
    for signs, words in ((1, "one sign off"), (2, "two signs off")):
        yield Level(("all", ("jaro_winkler", whole, "0.8"), ("damerau", whole, signs)), words)


def _like_date(number: int, column: MatchColumn) -> Iterator[Level]:
    yield from _like_digits(number, column)
    yield Level(("within", form_name(number, "day"), 31), "within a month")
    yield Level(("within", form_name(number, "day"), 366), "within a year")


def _like_postcode(number: int, _: MatchColumn) -> Iterator[Level]:
    yield Level(("damerau", form_name(number, ""), 1), "one sign off")
    yield Level(("equal", form_name(number, "area")), "the same area")


def _like_address(number: int, _: MatchColumn) -> Iterator[Level]:
    whole = form_name(number, "")
    yield Level(("all", ("jaro_winkler", whole, "0.92"), ("equal", form_name(number, "number"))), "nearly the same")
    yield Level(("jaro_winkler", whole, "0.92"), "nearly the same but for the number")
    yield Level(("jaccard", form_name(number, "words"), "0.5"), "half of the words")
    yield Level(("jaro_winkler", whole, "0.8"), "somewhat alike")


def _like_text(number: int, _: MatchColumn) -> Iterator[Level]:
    for share, words in (
        ("0.8", "nearly all words"),
        ("0.6", "most words"),
        ("0.4", "many words"),
        ("0.2", "few words"),
    ):
        yield Level(("jaccard", form_name(number, "words"), share), words)


_LIKE: Final = {
    "name": _like_name, "email": _like_email, "code": _like_code, "date": _like_date, "phone": _like_digits,
    "postcode": _like_postcode, "address": _like_address, "text": _like_text,
}  # fmt: skip


def _rules(
    columns: Sequence[MatchColumn], prepared: Sequence[Prepared], partners: Mapping[int, tuple[int, bool]]
) -> tuple[BlockRule, ...]:
    """Choose rules level by level: keys alone where that gives few pairs, else joined with keys of other columns."""
    step = max(1, len(prepared) // SAMPLE_MAX)
    sample = prepared[::step]
    scale = len(prepared) ** 2 / max(1, len(sample)) ** 2
    most = max(PAIRS_PER_RULE_MIN, PAIRS_PER_RECORD * len(prepared))
    atoms = [BlockKey((number,), key) for number, column in enumerate(columns) for key in KEYS[column.kind]]
    atoms += [BlockKey((one, two), key) for one, (two, leads) in partners.items() if leads for key in ("", "start")]
    values = {atom: [rule_key(columns, (atom,), row) for row in sample] for atom in atoms}
    chosen: list[tuple[float, BlockRule]] = []
    coarse: list[BlockRule] = [()]
    for _ in range(3):
        if len(chosen) >= RULES_MAX // 2:  # enough ways to be found; longer rules find less and cost as much
            break
        wider = []
        for rule in coarse:
            for atom in atoms[atoms.index(rule[-1]) + 1 :] if rule else atoms:
                longer = (*rule, atom)
                if _overlap(longer) or any(set(done) <= set(longer) for _, done in chosen):
                    continue
                pairs = _pairs([values[one] for one in longer]) * scale
                if pairs > most:
                    wider.append(longer)
                elif pairs > 0:
                    chosen.append((pairs, longer))
        coarse = wider[:60]
    return _widest(chosen)


def _overlap(rule: BlockRule) -> bool:
    numbers = [number for part in rule for number in part.columns]
    return len(numbers) != len(set(numbers))


def _pairs(values: Sequence[Sequence[str | None]]) -> int:
    counts = Counter(zip(*values, strict=True) if len(values) > 1 else ((one,) for one in values[0]))
    return sum(count * (count - 1) // 2 for key, count in counts.items() if count > 1 and None not in key)


def _widest(chosen: Sequence[tuple[float, BlockRule]]) -> tuple[BlockRule, ...]:
    """Leave out rules that a coarser one includes, then those that add least.

    A rule on one column finds whoever agrees there, whatever else is wrong, so those come first; then every other
    set of columns once, by its coarsest rule, then again by its next.
    """
    kept: list[tuple[float, BlockRule]] = []
    for pairs, rule in sorted(chosen, key=lambda one: (-one[0], str(one[1]))):
        if not any(_includes(done, rule) for _, done in kept):
            kept.append((pairs, rule))
    seen: Counter[frozenset[int]] = Counter()
    ranked = []
    for pairs, rule in kept:
        columns = frozenset(number for part in rule for number in part.columns)
        seen[columns] += 1
        ranked.append((len(rule) + seen[columns], len(rule), -pairs, str(rule), rule))
    return tuple(rule for *_, rule in sorted(ranked, key=lambda one: one[:4])[:RULES_MAX])


def _includes(coarse: BlockRule, fine: BlockRule) -> bool:
    """Does whoever shares ``fine`` share ``coarse`` too? Whole values settle every other key of their columns."""
    return all(
        any(part == other or (set(part.columns) <= set(other.columns) and other.key == "" and len(other.columns) == 1)
            for other in fine)
        for part in coarse
    )  # fmt: skip


def _training(
    columns: Sequence[MatchColumn], counts: Sequence[Counter[object]], size: int
) -> tuple[tuple[str, ...], ...]:
    """Choose forms to block on for learning: those under which the fewest pairs stand, as most of them are one."""
    ranked = []
    for number, column in enumerate(columns):
        pairs = sum(count * (count - 1) // 2 for count in counts[number].values())
        if pairs > 0 and column.kind != "text":
            ranked.append((pairs, form_name(number, "")))
    ranked.sort()
    most = max(PAIRS_PER_RULE_MIN, PAIRS_PER_RECORD * size)
    alone = [(form,) for pairs, form in ranked if pairs <= most][:2]
    joined = [(one[1], two[1]) for one, two in combinations(ranked, 2)][:2]
    return tuple(alone) if len(alone) >= 2 else tuple([*alone, *joined][:2])
