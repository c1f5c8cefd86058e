"""The model as text and as a function: it weighs as Splink does, and as the plain formula says."""

from __future__ import annotations

import math
import random
from collections.abc import Iterator
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.knowledge.generated_people import MATCH, people

from remit.errors import BadInput
from remit.knowledge.match_settings import MatchSettings, settle
from remit.knowledge.match_training import refined, started
from remit.knowledge.match_words import MatchColumn
from remit.knowledge.model_text import model_digest, model_text, read_model
from remit.knowledge.pair_model import (
    BlockKey,
    Comparison,
    Frequencies,
    Level,
    PairModel,
    Prepared,
    Relation,
    hashed_value,
    probability_of,
)
from remit.knowledge.splink_engine import SplinkEngine, condition_sql

SECRET = b"pepper"


class Trained:
    """A model trained on invented people, and Splink's engine still open."""

    def __init__(self) -> None:
        rows, _ = people(200, related=0.25, seed=7)
        rows[0]["first"], rows[1]["last"] = "Žofie", "o'brien 王"
        self.rows = rows
        self.settings: MatchSettings
        self.settings, self.prepared = settle(rows, MATCH | {"street": "address", "city": "text"})
        self.engine = SplinkEngine(self.settings, self.prepared)
        pairs = len(rows) * (len(rows) - 1) / 2
        begun = started(self.settings.comparisons, self.engine.learn(), pairs)
        comparisons, prior, relations = refined(begun, self.engine.patterns(begun), pairs, self.settings.personal)
        frequencies = {
            form: Frequencies(
                1 / len(rows),
                {
                    hashed_value(SECRET, form, value): count / len(rows)
                    for value, count in self.engine.value_counts(form)
                    if count > 2
                },
            )
            for form in self.settings.frequent
        }
        self.model = PairModel(
            self.settings.columns, comparisons, self.settings.rules, frequencies, prior, 9_000, 5_000, relations
        )


@pytest.fixture(scope="module")
def trained() -> Iterator[Trained]:
    made = Trained()
    yield made
    made.engine.close()


def test_it_weighs_as_splink_does(trained: Trained) -> None:
    score = trained.model.scorer(SECRET)
    scored = list(trained.engine.score(trained.model, -30.0, SECRET))
    assert len(scored) > 400
    wrong = [
        (one, two)
        for one, two, weight in scored
        if abs(score(trained.prepared[one], trained.prepared[two]).alone - weight) > 1e-6
    ]
    assert len(wrong) <= len(scored) // 1_000  # a likeness within one rounding of a level's edge
    assert trained.settings.frequent, "no value frequency was compared"


def test_relatives_are_found_and_weigh_less(trained: Trained) -> None:
    assert trained.model.relations
    household = {
        comparison.column
        for n, comparison in enumerate(trained.model.comparisons)
        if n in trained.model.relations[0].columns
    }
    assert {"last", "phone", "street", "zip"} <= household
    assert not {"first", "born"} & household
    score = trained.model.scorer(SECRET)
    mother = {
        "first": "mary",
        "last": "berson",
        "born": "1950-02-03",
        "phone": "0123456789",
        "street": "1 delmar street",
        "city": "berber",
        "zip": "12345",
        "email": "mary.berson1@x.org",
    }
    child = mother | {"first": "kevin", "born": "1980-11-27", "email": "kevin.berson7@web.de"}
    both = score(trained.model.prepare(mother), trained.model.prepare(child))
    assert probability_of(both.alone) > 0.99  # taken as chance, what they share would prove that they are one
    assert probability_of(both.weight) < 0.1
    again = score(trained.model.prepare(mother), trained.model.prepare(mother | {"street": None}))
    assert probability_of(again.weight) > 0.99


def test_left_and_right_do_not_matter(trained: Trained) -> None:
    score = trained.model.scorer(SECRET)
    chance = random.Random(3)
    for _ in range(1_500):
        one, two = chance.choices(trained.prepared, k=2)
        assert score(one, two) == score(two, one)


SWAPPED = [
    # left and right: first, last; then: are both swapped, is one?
    (("ann", "lee"), ("lee", "ann"), True, True),
    (("ann", "lee"), ("lee", "bob"), False, True),
    (("ann", "lee"), ("bob", "ann"), False, True),
    (("ann", None), ("lee", "ann"), False, True),
    (("ann", "lee"), (None, None), False, False),
    ((None, None), (None, None), False, False),
    (("ann", "lee"), ("ann", "lee"), False, False),
]


@pytest.mark.parametrize(("left", "right", "both", "one"), SWAPPED)
def test_swapped_names(left: tuple[str | None, ...], right: tuple[str | None, ...], both: bool, one: bool) -> None:
    columns = (MatchColumn("first", "name", "name"), MatchColumn("last", "name", "name"))
    names = ("first", "last")
    for word, expected in (("crossed", both), ("either_crossed", one)):
        levels = (a_level(1.0, word, "c0", "c1"), a_level(-1.0, "else"))
        model = PairModel(columns, (Comparison("first", "c0", levels),), (), {}, 0.0, 9_000, 5_000)
        score = model.scorer()
        here, there = (model.prepare(dict(zip(names, values, strict=True))) for values in (left, right))
        assert score(here, there).weight == score(there, here).weight == (1.0 if expected else -1.0)


def test_weights_fall_as_likeness_falls(trained: Trained) -> None:
    for comparison in trained.model.comparisons:
        falling = [level.weight for level in comparison.levels if not level.neutral and "swapped" not in level.words]
        assert falling == sorted(falling, reverse=True), comparison.column
        assert falling[0] > 0 > falling[-1], comparison.column


def test_text_and_back(trained: Trained) -> None:
    text = model_text(trained.model)
    again = read_model(text)
    assert again == trained.model
    assert model_text(again) == text
    assert model_digest(again) == model_digest(trained.model)
    one, two = trained.prepared[:2]
    assert again.scorer(SECRET)(one, two) == trained.model.scorer(SECRET)(one, two)


def test_the_text_names_nobody(trained: Trained) -> None:
    text = model_text(trained.model)
    values = {str(value) for row in trained.rows for value in row.values() if value and len(value) > 4}
    names = {value for value in values if set(value) - set("0123456789abcdef")}  # a hash may hold any digits
    assert len(names) > 300
    assert not [value for value in names if value in text]
    assert len(trained.model.frequencies["c0"].shares) > 5


@pytest.mark.parametrize(
    "text",
    [
        "",
        "[]",
        "{}",
        '{"version":1}',
        '{"version":2}',
        "nonsense",
        '{"version":1,"columns":[{"name":"a"}]}',
        '{"version":1.5}',
    ],
)
def test_what_is_no_model_is_refused(text: str) -> None:
    with pytest.raises(BadInput):
        read_model(text)


def test_a_broken_part_is_refused(trained: Trained) -> None:
    text = model_text(trained.model)
    for old, new in (
        ("jaro_winkler", "soundex"),
        ('"kind":"name"', '"kind":"nose"'),
        ("0x1.", "zz."),
        ('"rules":[[[[', '"rules":[[[[9'),
    ):
        assert old in text
        with pytest.raises(BadInput, match="train it again"):
            read_model(text.replace(old, new, 1))


def a_level(
    weight: float, *condition: object, by_frequency: bool = False, neutral: bool = False, u: float = 0.5
) -> Level:
    return Level(condition, "x", neutral, by_frequency, weight, u * 2**weight, u)


BITS = st.floats(-20, 20).map(lambda value: round(value, 3))


@settings(max_examples=60, deadline=None)
@given(BITS, BITS, BITS, BITS, BITS, BITS, st.sampled_from("abc"), st.sampled_from(["a", "b", None]), st.integers(0, 1))
def test_the_weight_is_the_formulas(
    prior: float,
    same: float,
    other: float,
    second: float,
    related: float,
    shared: float,
    left: str,
    right: str | None,
    city: int,
) -> None:
    """Against the sums written out: weights, value frequency, and the odds of being related instead."""
    u, rest = 0.25, 0.01
    columns = (MatchColumn("name", "name", "name"), MatchColumn("city", "name", "name"))
    model = PairModel(
        columns,
        (
            Comparison(
                "name",
                "c0",
                (
                    a_level(same, "equal", "c0", by_frequency=True, u=u),
                    a_level(0, "missing", "c0", neutral=True),
                    a_level(other, "else"),
                ),
            ),
            Comparison("city", "c1", (a_level(second, "equal", "c1"), a_level(-second, "else"))),
        ),
        ((BlockKey((0,), ""),),),
        {"c0": Frequencies(rest, {hashed_value(SECRET, "c0", "a"): 0.125})},
        prior,
        9_000,
        5_000,
        (Relation((0,), related, ((shared, 0.0, 0.0),)),),
    )
    one, two = model.prepare({"name": left, "city": "x"}), model.prepare({"name": right, "city": "xy"[city]})
    rare = math.log2(u / {"a": 0.125}.get(left, rest))
    name = 0.0 if right is None else same + rare if left == right else other
    alone = prior + name + (-second if city else second)
    relative = related + (0.0 if right is None else shared + rare if left == right else 0.0)
    found = model.scorer(SECRET)(one, two)
    assert found.alone == pytest.approx(alone)
    assert found.weight == pytest.approx(alone - math.log2(1 + 2**relative), abs=1e-9)


def test_no_secret_no_frequencies(trained: Trained) -> None:
    """Under another secret every value counts as rare: it is not found."""
    name = next(value for value, _ in trained.engine.value_counts("c0"))
    one: Prepared = trained.model.prepare({"first": name})
    right, wrong = trained.model.scorer(SECRET)(one, one), trained.model.scorer(b"other")(one, one)
    assert right.weight < wrong.weight


def test_conditions_that_are_not_known_are_errors() -> None:
    with pytest.raises(ValueError, match="soundex"):
        condition_sql(("soundex", "c0", 1))
    level = Level(("soundex", "c0", 1), "x")
    model = PairModel(
        (MatchColumn("a", "name", "name"),), (Comparison("a", "c0", (level,)),), (), {}, 0.0, 9_000, 5_000
    )
    with pytest.raises(ValueError, match="soundex"):
        model.scorer()
    assert replace(model, comparisons=()).scorer()({}, {}).weight == 0.0
