"""Matching by words alone: the cosines are scikit-learn's, and best links are mutual."""

from __future__ import annotations

import random

import pytest
from sklearn.feature_extraction.text import TfidfVectorizer

from remit.knowledge.resolve import pair_scores, resolve_rows
from remit.knowledge.text_match import WORD, TextIndex, text_pairs, text_weight

NOUN_LIST = "query index join graph stream cache log view tree lock model plan cost cube text web data time space node"
NOUNS = NOUN_LIST.split()
ADJECTIVE_LIST = "fast parallel adaptive secure temporal spatial approximate distributed online robust fuzzy dense"
ADJECTIVES = ADJECTIVE_LIST.split()


def titles(count: int, seed: int = 1) -> list[str]:
    chance = random.Random(seed)
    return [
        f"{chance.choice(ADJECTIVES)} {chance.choice(NOUNS)} {chance.choice(NOUNS)}s for {chance.choice(ADJECTIVES)} "
        f"{chance.choice(NOUNS)} processing {chance.randrange(100, 999)}x"
        for _ in range(count)
    ]


def test_cosines_are_scikit_learns() -> None:
    texts = [*titles(80), "", "A.B-c café 日本 a.b-c", "unique"]
    index = TextIndex(texts)
    vectors = TfidfVectorizer(token_pattern=WORD.pattern, sublinear_tf=True).fit_transform(texts)
    expected = (vectors @ vectors.T).toarray()
    for one in range(len(texts)):
        for two in range(len(texts)):
            assert index.cosine(one, two) == pytest.approx(expected[one, two], abs=1e-9)


def test_pairs_are_those_of_looking_at_all() -> None:
    texts = titles(120, 3)
    sources = ["left" if row % 2 else "right" for row in range(len(texts))]
    index = TextIndex(texts)

    def best(row: int, others: list[int]) -> tuple[float, list[int]]:
        top = max(index.cosine(row, other) for other in others)
        return top, [other for other in others if index.cosine(row, other) >= top - 1e-9]

    left = [row for row in range(len(texts)) if row % 2]
    right = [row for row in range(len(texts)) if not row % 2]
    expected = {}
    for row in left:
        top, others = best(row, right)
        for other in others[:1]:
            back_top, back = best(other, left)
            if row == back[0] and top >= 0.2:
                unsure = len(others) > 1 or len(back) > 1
                expected[min(row, other), max(row, other)] = text_weight(min(top, 0.3) if unsure else top)
            assert back_top >= top - 1e-9
    found = {(one, two): weight for one, two, weight in text_pairs(index, sources, 0.2)}
    assert found.keys() == expected.keys()
    assert len(found) > 20
    for pair, weight in found.items():
        assert weight == pytest.approx(expected[pair], abs=1e-6)


def test_titles_of_two_catalogues_are_linked_one_to_one() -> None:
    chance = random.Random(5)
    ours = list(dict.fromkeys(titles(300, 9)))
    theirs = []
    for title in ours[:200]:
        words = title.split()
        del words[chance.randrange(len(words))]
        chance.shuffle(words)
        theirs.append(" ".join(words).upper())
    rows = [{"title": title, "maker": "acme"} for title in ours] + [{"title": title, "maker": None} for title in theirs]
    labels = [str(number) for number in range(len(ours))] + [str(number) for number in range(200)]
    sources = ["ours"] * len(ours) + ["theirs"] * 200
    found = resolve_rows(rows, {"title": "text", "maker": "name"}, sources)
    assert found.lane == "text"
    assert all(len({sources[row] for row in group}) == len(group) for group in found.clusters)
    assert pair_scores(found.clusters, labels).f1 > 0.85


def test_what_is_as_good_twice_is_asked_about() -> None:
    rows = [
        {"title": text} for text in ("red lamp 20", "red lamp 20", "red lamp 20", "blue chair 7", "blue chair seven")
    ]
    sources = ["a", "b", "b", "a", "b"]
    found = resolve_rows(rows, {"title": "text"}, sources)
    assert (0,) in found.clusters
    assert (3, 4) in found.clusters
    assert {(link.left, link.right) for link in found.doubtful} == {(0, 1)}


def test_texts_beside_telling_columns_go_with_them() -> None:
    rows = [{"title": f"order {number}", "phone": f"0151{number:07}"} for number in range(40)]
    assert resolve_rows(rows, {"title": "text", "phone": "phone"}).lane != "text"
