"""Resolution finds who is who in labelled data that it never sees the labels of, and joins nobody for want of proof."""

from __future__ import annotations

import random
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.knowledge.generated_people import MATCH, Person, mistyped, people

from remit.errors import BadInput
from remit.knowledge.match_clusters import Together, cluster_pairs, duplicate_free_sources
from remit.knowledge.match_settings import settle
from remit.knowledge.model_text import model_digest
from remit.knowledge.pair_model import rule_key
from remit.knowledge.resolve import pair_scores, resolve_labelled_file, resolve_rows
from remit.knowledge.stable_ids import plan_moves

DATA = Path(__file__).parent / "data" / "entity_resolution"


def test_fake_1000() -> None:
    match = {"first_name": "name", "surname": "name", "dob": "date", "city": "name", "email": "exact"}
    found, sure, groups = resolve_labelled_file(DATA / "fake_1000.csv", match, "cluster")
    assert sure.f1 >= 0.90, sure
    assert groups.f1 >= 0.96, groups
    assert groups.precision >= 0.99, groups
    assert found.lane == "fields"
    assert sorted(row for group in found.clusters for row in group) == list(range(1000))


def test_febrl_3(tmp_path: Path) -> None:
    text = (DATA / "febrl3.csv").read_text()
    head, *lines = text.splitlines()
    labelled = tmp_path / "labelled.csv"
    labelled.write_text("\n".join([f"{head}, person", *(f"{line}, {line.split('-')[1]}" for line in lines)]))
    match = {
        "given_name": "name",
        "surname": "name",
        "street_number": "exact",
        "address_1": "address",
        "suburb": "name",
        "postcode": "postcode",
        "date_of_birth": "date",
        "soc_sec_id": "exact",
    }
    _, sure, groups = resolve_labelled_file(labelled, match, "person")
    assert sure.f1 >= 0.99, sure
    assert groups.f1 >= 0.99, groups


def test_who_is_there_once_is_joined_with_nobody() -> None:
    """Namesakes whose e-mail addresses are alike, in data without a single duplicate."""
    rows, labels = people(400, doubled=0.0, seed=3)
    found = resolve_rows(rows, MATCH)
    assert pair_scores(found.clusters, labels).pairs <= 1


def test_households_stay_apart_and_duplicates_in_them_are_found_or_asked_about() -> None:
    rows, labels = people(350, related=0.4, seed=11)
    found = resolve_rows(rows, MATCH)
    groups = pair_scores(found.clusters, labels)
    assert groups.precision >= 0.97, groups
    assert groups.recall >= 0.8, groups
    assert found.model is not None
    assert found.model.relations
    asked = {link.left: link.right for link in found.doubtful}
    home = {row: number for number, group in enumerate(found.clusters) for row in group}
    questions = {frozenset((home[one], home[two])) for one, two in asked.items()}
    true = [(a, b) for a in range(len(rows)) for b in range(a + 1, len(rows)) if labels[a] == labels[b]]
    lost = [(a, b) for a, b in true if home[a] != home[b] and frozenset((home[a], home[b])) not in questions]
    assert len(lost) <= 0.1 * len(true)


def shops(count: int, seed: int) -> tuple[list[Person], list[str]]:
    """Shops, of which one in six is in the house of the one before and has its telephone; two in five come again."""
    chance = random.Random(seed)
    first = ["royal", "north", "blue", "golden", "apex", "iron", "civic", "baltic"]
    second = ["foods", "tools", "media", "glass", "steel", "paper"]
    rows: list[Person] = []
    labels: list[str] = []
    place: Person = {}
    for number in range(count):
        if not place or chance.random() > 0.16:
            street = f"{chance.randrange(1, 200)} {chance.choice(first)} {chance.choice(second)} road"
            place = {"street": street, "city": chance.choice(second), "phone": str(chance.randrange(10**8, 10**9))}
        name = " ".join([chance.choice(first), chance.choice(first), chance.choice(second), chance.choice(second)])
        shop = {"name": name} | place
        again = {key: mistyped(chance, str(one)) if chance.random() < 0.15 else one for key, one in shop.items()}
        for row in (shop, again)[: 1 + (chance.random() < 0.4)]:
            rows.append(row)
            labels.append(str(number))
    return rows, labels


def test_the_shops_of_one_house_stay_apart_where_only_what_they_are_called_tells() -> None:
    match = {"name": "name", "street": "address", "city": "name", "phone": "phone"}
    for seed in (1, 2):
        rows, labels = shops(300, seed)
        found = resolve_rows(rows, match)
        groups = pair_scores(found.clusters, labels)
        assert groups.precision >= 0.95, groups
        assert groups.recall >= 0.8, groups


def test_what_things_are_called_tells_them_apart_where_nothing_else_does() -> None:
    match = {"name": "name", "street": "address", "city": "name", "phone": "phone"}
    rows, _ = shops(60, 1)
    assert settle(rows, match)[0].called == {0}
    assert settle(rows, match | {"name": "text"})[0].called == {0}
    dated = [row | {"born": f"19{30 + place % 60}-01-02"} for place, row in enumerate(rows)]
    assert settle(dated, match | {"born": "date"})[0].called == frozenset(), "dates tell relatives apart already"
    few = [row | {"name": f"blue shop {place % 9}"} for place, row in enumerate(rows)]
    assert settle(few, match)[0].called == frozenset(), "many are called the same"
    short = [row | {"name": f"shop{place}"} for place, row in enumerate(rows)]
    assert settle(short, match)[0].called == frozenset(), "one word is part of a name"


def test_two_sources_that_hold_everybody_once_are_linked_one_to_one() -> None:
    rows, labels = people(220, doubled=1.0, seed=5)
    first_seen: dict[str, int] = {}
    kept: list[int] = []
    sources: list[str] = []
    for row, label in enumerate(labels):
        seen = first_seen[label] = first_seen.get(label, 0) + 1
        if seen <= 2:
            kept.append(row)
            sources.append("crm" if seen == 1 else "erp")
    rows, labels = [rows[row] for row in kept], [labels[row] for row in kept]
    found = resolve_rows(rows, MATCH, sources)
    assert found.single == {"crm", "erp"}
    assert all(len({sources[row] for row in group}) == len(group) for group in found.clusters)
    assert pair_scores(found.clusters, labels).f1 >= 0.97


def test_two_percent_more_records_leave_the_others_their_numbers() -> None:
    rows, _ = people(560, doubled=0.4, related=0.1, seed=21, wrong=0.2)
    before = rows[: round(len(rows) / 1.02)]

    def entities(some: list[Person], current: dict[int, int]) -> dict[int, int]:
        home = Together(home=tuple(current[row] for row in range(len(some))))
        groups = resolve_rows(some, MATCH, known=home).clusters
        now = dict(current)
        now.update((move.rid, move.entered) for move in plan_moves(groups, current))
        return now

    old = entities(before, {row: row for row in range(len(before))})
    new = entities(rows, old | {row: row for row in range(len(before), len(rows))})
    changed = sum(old[row] != new[row] for row in old)
    assert len(rows) - len(before) >= 12
    assert changed <= 0.005 * len(old), f"{changed} of {len(old)}"


def test_the_same_rows_give_the_same_model_and_groups() -> None:
    rows, _ = people(60, seed=2)
    one, two = resolve_rows(rows, MATCH), resolve_rows(rows, MATCH)
    assert one.model is not None
    assert two.model is not None
    assert model_digest(one.model) == model_digest(two.model)
    assert (one.clusters, one.doubtful, one.pairs) == (two.clusters, two.doubtful, two.pairs)


TRIPLE: list[Person] = [{"first": "ann", "last": "lee", "born": "19700101"}] * 3
ODD: list[tuple[list[Person], dict[str, str]]] = [
    ([], MATCH),
    ([{"first": "a"}], MATCH),
    ([{"first": None}, {"first": ""}, {"first": "n/a"}], MATCH),
    ([{"first": "ann"}, {"first": "ann"}, {"first": "ann"}], MATCH),
    ([*TRIPLE, {"first": "bo", "last": "du", "born": "x"}], MATCH),
    ([{"id": f"A{number:06}"} for number in range(30)], {"id": "exact"}),
    ([{"note": "same"}] * 4, {"note": "text"}),
    ([{"note": ""}] * 4, {"note": "text"}),
    ([{"first": "\u0301", "born": "0000-00-00"}, {"first": "x'; drop table rows --", "born": '"'}] * 4, MATCH),
    ([{"a b'\"": "one two"}, {"a b'\"": "one twoo"}, {"a b'\"": None}] * 4, {"a b'\"": "name"}),
]


@pytest.mark.parametrize(("rows", "match"), ODD)
def test_whatever_comes_every_row_is_in_one_group(rows: list[Person], match: dict[str, str]) -> None:
    found = resolve_rows(rows, match)
    assert sorted(row for group in found.clusters for row in group) == list(range(len(rows)))


def test_one_column_that_is_everybodys_own_joins_who_shares_it() -> None:
    rows: list[Person] = [{"vat": f"DE{811907980 + number * 7919}"} for number in range(60)]
    found = resolve_rows([*rows, *rows[:20]], {"vat": "exact"})
    joined = [group for group in found.clusters if len(group) > 1]
    assert joined == [(row, 60 + row) for row in range(20)]


def test_what_cannot_be_is_the_users_fault(tmp_path: Path) -> None:
    with pytest.raises(BadInput, match="match of a: got 'soundex', expected one of name"):
        resolve_rows([{"a": "x"}], {"a": "soundex"})
    with pytest.raises(BadInput, match="got 1 for 2 rows"):
        resolve_rows([{"a": "x"}, {"a": "y"}], {"a": "name"}, ["one"])
    (tmp_path / "rows.csv").write_text("a,b\n1,2\n")
    with pytest.raises(BadInput, match=r"rows\.csv: no column c"):
        resolve_labelled_file(tmp_path / "rows.csv", {"a": "name"}, "c")


def test_rules_find_next_to_all_duplicates_and_keep_to_their_number() -> None:
    rows, labels = people(500, seed=9)
    chosen, prepared = settle(rows, MATCH)
    found = set()
    for rule in chosen.rules:
        groups: dict[str, list[int]] = {}
        for row, one in enumerate(prepared):
            key = rule_key(chosen.columns, rule, one)
            if key is not None:
                groups.setdefault(key, []).append(row)
        pairs = {(one, two) for group in groups.values() for one in group for two in group if one < two}
        assert len(pairs) <= 100_000
        found |= pairs
    true = {(a, b) for a in range(len(rows)) for b in range(a + 1, len(rows)) if labels[a] == labels[b]}
    assert len(true & found) >= 0.99 * len(true)
    assert len(chosen.rules) <= 24


# --- groups from pairs ---


@st.composite
def scored_pairs(draw: st.DrawFn) -> tuple[int, dict[tuple[int, int], float]]:
    count = draw(st.integers(1, 9))
    pairs = [(one, two) for one in range(count) for two in range(one + 1, count)]
    weights = st.one_of(st.floats(-8, 8), st.sampled_from([-6.0, 4.0, 6.0]))
    return count, {pair: draw(weights) for pair in draw(st.lists(st.sampled_from(pairs), unique=True))} if pairs else {}


SURE, DOUBT = 3.17, 0.0


@settings(max_examples=120, deadline=None)
@given(scored_pairs(), st.data())
def test_groups_keep_every_promise(case: tuple[int, dict[tuple[int, int], float]], data: st.DataObject) -> None:
    count, weights = case
    pairs = [(one, two) for one in range(count) for two in range(one + 1, count)]
    draw_some = st.sets(st.sampled_from(pairs), max_size=2) if pairs else st.just(set())
    apart = data.draw(draw_some)
    same = data.draw(draw_some) - apart
    sources = [data.draw(st.sampled_from("xyz")) for _ in range(count)]
    single = frozenset(data.draw(st.sets(st.sampled_from("xyz"))))
    listed = sorted((one, two, weight) for (one, two), weight in weights.items())
    found = cluster_pairs(
        count,
        listed,
        lambda one, two: -6.0,
        sure=SURE,
        doubt=DOUBT,
        sources=sources,
        single=single,
        known=Together(tuple(sorted(same)), frozenset(apart)),
    )
    assert sorted(row for group in found.groups for row in group) == list(range(count))
    home = {row: number for number, group in enumerate(found.groups) for row in group}
    assert all(home[one] == home[two] for one, two in same)
    by_people = _joined(count, same)
    for one, two in pairs:
        if home[one] == home[two] and by_people[one] != by_people[two]:
            assert (one, two) not in apart
            assert not (sources[one] == sources[two] and sources[one] in single)
    for group in found.groups:
        parts = {by_people[row] for row in group}
        if len(parts) > 1:  # somebody surer than sure spoke for each join
            assert max(weights.get((a, b), -6.0) for a in group for b in group if a < b) >= SURE
    asked = [tuple(sorted((home[link.left], home[link.right]))) for link in found.doubtful]
    assert len(asked) == len(set(asked))
    for link in found.doubtful:
        assert home[link.left] != home[link.right]
        assert link.weight >= DOUBT
        assert (link.left, link.right) not in apart


def _joined(count: int, pairs: set[tuple[int, int]]) -> list[int]:
    home = list(range(count))
    for one, two in pairs:
        old, new = home[two], home[one]
        home = [new if at == old else at for at in home]
    return home


@settings(max_examples=100, deadline=None)
@given(st.lists(st.integers(0, 4), min_size=1, max_size=12), st.randoms())
def test_where_all_pairs_agree_the_groups_are_the_truth(truth: list[int], chance: random.Random) -> None:
    count = len(truth)
    pairs = [
        (one, two, chance.uniform(4, 12))
        for one in range(count)
        for two in range(one + 1, count)
        if truth[one] == truth[two]
    ]
    found = cluster_pairs(count, pairs, lambda one, two: -5.0, sure=SURE, doubt=DOUBT)
    expected: dict[int, list[int]] = {}
    for row, label in enumerate(truth):
        expected.setdefault(label, []).append(row)
    assert sorted(found.groups) == sorted(map(tuple, expected.values()))
    assert found.doubtful == ()


def test_a_chain_is_not_a_group() -> None:
    """Five records, each like the next, the ends plainly different: joined as far as nobody speaks against it."""
    chain = [(row, row + 1, 5.0 - row / 10) for row in range(4)]
    found = cluster_pairs(5, chain, lambda one, two: -9.0, sure=SURE, doubt=DOUBT)
    assert found.groups == ((0, 1), (2, 3), (4,))
    assert {link.why for link in found.doubtful} == {"other records of the two speak against it"}
    friendly = cluster_pairs(5, chain, lambda one, two: 0.5, sure=SURE, doubt=DOUBT)
    assert friendly.groups == ((0, 1, 2, 3, 4),)


def test_as_likely_twice_is_asked_about() -> None:
    pairs = [(0, 1, 9.0), (0, 2, 9.0), (3, 4, 9.0), (3, 5, 8.0)]
    found = cluster_pairs(
        6, pairs, lambda a, b: -9.0, sure=SURE, doubt=DOUBT, sources=list("xyyxyy"), single=frozenset("xy")
    )
    assert found.groups == ((0,), (1,), (2,), (3, 4), (5,))
    assert [(link.left, link.right, link.why) for link in found.doubtful] == [
        (0, 1, "several are as likely"),
        (0, 2, "several are as likely"),
    ]


def test_too_many_are_asked_about() -> None:
    pairs = [(0, row, 9.0) for row in range(1, 600)]
    found = cluster_pairs(600, pairs, lambda a, b: 9.0, sure=SURE, doubt=DOUBT)
    assert max(map(len, found.groups)) == 500
    assert {link.why for link in found.doubtful} == {"more than 500 records would be one"}


def test_what_belongs_together_today_stays_while_it_is_doubtful() -> None:
    pairs = [(0, 1, 1.0), (2, 3, -1.0), (4, 5, 1.0)]
    home = Together(home=(7, 7, 8, 8, 9, 10))
    found = cluster_pairs(6, pairs, lambda a, b: -9.0, sure=SURE, doubt=DOUBT, known=home)
    assert found.groups == ((0, 1), (2,), (3,), (4,), (5,))


def test_which_sources_hold_everything_once() -> None:
    sources = ["a"] * 600 + ["b"] * 600
    pairs = [(0, 1, 9.0), (700, 701, 9.0), (702, 703, 9.0), (704, 705, 1.0), (1, 800, 9.0)]
    assert duplicate_free_sources(pairs, sources, SURE) == {"a"}
    assert duplicate_free_sources(pairs, ["a"] * 1200, SURE) == frozenset()
    assert duplicate_free_sources(pairs, [*sources, *["b"] * 600], SURE) == {"a", "b"}  # two of 1,200 are a slip
