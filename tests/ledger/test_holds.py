"""What `check_ledger` finds: every way to tamper with a row, against a plain reading of the body."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from hashlib import sha256
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from hypothesis import given, settings
from hypothesis import strategies as st

from remit.canonical import canonical
from remit.errors import BadInput
from remit.ledger.checkpoint import Signer
from remit.ledger.holds import COLUMNS, LedgerReport, LedgerRow, check_ledger
from remit.ledger.tree import Frontier

ORIGIN = "remit.local/freight"
SIGNER = Signer(ORIGIN, Ed25519PrivateKey.from_private_bytes(bytes(range(32))))
STRANGER = Signer(ORIGIN, Ed25519PrivateKey.from_private_bytes(bytes(32)))
SIGNED_AT = (1, 16, 25, 40)


def row(seq: int, event: dict[str, Any]) -> LedgerRow:
    body = canonical(event)
    kind, at, actor, case, action, step = (event[name] for name in COLUMNS)
    return seq, body, sha256(b"\0" + body).digest(), (kind, at, actor, case, action, step)


def event(seq: int) -> dict[str, Any]:
    return {
        "action": sha256(b"%d" % (seq // 4)).hexdigest(),
        "actor": "fin.okafor" if seq % 3 else 'Zo\u00eb "Z" M\u00fcller',
        "at": f"2026-11-21T09:00:{seq:02d}.000000Z",
        "case": f"SHIP-{seq // 4}" if seq % 5 else "back\\slash",
        "data": {"kind": "nested", "n": seq, "text": f',"kind":"x","step":"y","v":{seq}}}'},
        "kind": "action.decided",
        "step": f"decided:{seq}",
        "v": 1 + seq % 11,
    }


HONEST = [row(seq, event(seq)) for seq in range(40)]


def notes(rows: list[LedgerRow], sizes: tuple[int, ...] = SIGNED_AT, signer: Signer = SIGNER) -> list[str]:
    frontier, signed = Frontier(), []
    for size in sizes:
        frontier.extend([leaf for _, _, leaf, _ in rows[frontier.size : size]])
        signed.append(signer.sign_checkpoint(size, frontier.root()))
    return signed


NOTES = notes(HONEST)


def check(
    rows: Sequence[LedgerRow], checkpoints: list[str] | None = None, witnessed: tuple[str, ...] = ()
) -> LedgerReport:
    return check_ledger(rows, NOTES if checkpoints is None else checkpoints, [SIGNER.vkey], witnessed)


def problems(*arguments: Any) -> str:
    report = check(*arguments)
    assert report.problems
    return "\n".join(report.problems)


def test_an_honest_ledger_holds() -> None:
    frontier = Frontier()
    frontier.extend([leaf for _, _, leaf, _ in HONEST])
    assert check(HONEST) == LedgerReport(40, frontier.root(), 4, 40, ())
    assert check(HONEST, NOTES, (NOTES[-1],)).problems == ()
    as_text = [
        (seq, body.decode() if isinstance(body, bytes) else body, leaf, columns) for seq, body, leaf, columns in HONEST
    ]
    assert check(as_text) == check(HONEST)


def test_events_after_the_last_checkpoint_are_counted_and_no_fault() -> None:
    report = check(HONEST, NOTES[:3])
    assert (report.size, report.signed_size, report.problems) == (40, 25, ())


def test_a_new_ledger_holds_and_an_unsigned_one_does_not() -> None:
    assert check([], []) == LedgerReport(0, sha256(b"").digest(), 0, 0, ())
    assert "none of the 40 events is covered" in problems(HONEST, [])


def test_more_rows_than_a_batch_and_progress_is_told() -> None:
    rows = [row(seq, event(seq % 40)) for seq in range(3000)]
    told: list[int] = []
    report = check_ledger(rows, notes(rows, (1, 1023, 1024, 1025, 2999)), [SIGNER.vkey], (), told.append)
    assert (report.size, report.problems, told) == (3000, (), [1024, 2048, 3000])
    late = [*rows[:2500], row(2500, event(7)), *rows[2501:]]
    assert any(
        "first 2999 events" in problem
        for problem in check_ledger(late, notes(rows, (1024, 2999)), [SIGNER.vkey]).problems
    )


def with_row(index: int, changed: Any) -> list[LedgerRow]:
    return [*HONEST[:index], changed, *HONEST[index + 1 :]]


def changed_event(index: int, **changes: Any) -> LedgerRow:
    return row(index, {**event(index), **changes})


def test_a_changed_body_under_its_old_leaf() -> None:
    seq, _, leaf, columns = HONEST[7]
    body = canonical({**event(7), "data": {"n": 999}})
    found = problems(with_row(7, (seq, body, leaf, columns)))
    assert "event 7: its body was changed" in found
    assert "the first 16 events are not those" in found
    assert "the first 1 events" not in found


def test_a_changed_body_with_its_leaf_and_columns_rewritten() -> None:
    changes: list[dict[str, Any]] = [{"data": {}}, {"actor": "ana.sousa"}, {"kind": "action.begun"}, {"v": 3}]
    for change in changes:
        found = problems(with_row(20, changed_event(20, **change)))
        assert found.splitlines() == [
            "the first 25 events are not those that the stored checkpoint signs",
            "the first 40 events are not those that the stored checkpoint signs",
        ]


def test_a_changed_leaf_alone() -> None:
    seq, body, _, columns = HONEST[7]
    assert problems(with_row(7, (seq, body, bytes(32), columns))).splitlines() == [
        "event 7: its body was changed: it has another hash than its leaf"
    ]


@pytest.mark.parametrize("index", [3, 4, 5, 15])
@pytest.mark.parametrize("column", range(6))
@pytest.mark.parametrize("value", ["x", "", None, 7, b"x", 'a"b', "back\\slash", "back\\\\slash"])
def test_every_changed_column_is_named(index: int, column: int, value: Any) -> None:
    seq, body, leaf, columns = HONEST[index]
    if columns[column] == value:
        return
    changed: Any = (*columns[:column], value, *columns[column + 1 :])
    (found,) = check(with_row(index, (seq, body, leaf, changed))).problems
    assert found.startswith(f"event {index}: column {COLUMNS[column]} is {value!r}")


def test_a_column_with_the_escaped_text_is_not_the_value() -> None:
    seq, body, leaf, columns = HONEST[3]
    assert '"Z"' in columns[2]
    escaped = (*columns[:2], columns[2].replace('"', '\\"'), *columns[3:])
    assert "column actor" in problems(with_row(3, (seq, body, leaf, escaped)))
    _, body, leaf, columns = changed_event(0, step='a"b', actor="a", case="c")
    signed = notes([(0, body, leaf, columns)], (1,))
    assert check([(0, body, leaf, columns)], signed).problems == ()
    assert "column step" in problems([(0, body, leaf, (*columns[:5], 'a\\"b'))], signed)


TEXT = st.text(st.characters(codec="utf-8", exclude_characters="\x00"), max_size=6) | st.sampled_from(
    ['"', "\\", "\n", '","at":"', '"}', "\\u0041"]
)


@given(
    st.tuples(TEXT, TEXT, TEXT, TEXT, TEXT, TEXT),
    st.tuples(TEXT, TEXT, TEXT, TEXT, TEXT, TEXT),
    st.integers(0, 63),
)
@settings(max_examples=200, deadline=None)
def test_the_fast_comparison_agrees_with_reading_the_body(
    values: tuple[str, ...], others: tuple[str, ...], mixed: int
) -> None:
    said = dict(zip(COLUMNS, values, strict=True))
    _, body, leaf, _ = row(0, {**said, "data": {"a": values[0], "v": [1]}, "v": 1})
    columns: Any = tuple(others[n] if mixed >> n & 1 else values[n] for n in range(6))
    plain = json.loads(body)
    different = [name for name, copy in zip(COLUMNS, columns, strict=True) if plain[name] != copy]
    signed = notes([(0, body, leaf, columns)], (1,))
    found = check([(0, body, leaf, columns)], signed).problems
    assert [problem.split()[3] for problem in found] == different


@pytest.mark.parametrize(
    ("arrange", "says"),
    [
        (lambda rows: [*rows[:20], *rows[21:]], "event 20 is missing: the next row is event 21"),
        (lambda rows: rows[1:], "event 0 is missing: the next row is event 1"),
        (
            lambda rows: [*rows[:20], rows[21], rows[20], *rows[22:]],
            "event 20 is missing: the next row is event 21",
        ),
        (
            lambda rows: [*rows[:20], rows[20], *rows[20:]],
            "event 21 is out of place: the next row is event 20",
        ),
        (lambda rows: [(-1, *rows[0][1:]), *rows[1:]], "event 0 is out of place"),
        (lambda rows: [(None, *rows[0][1:]), *rows[1:]], "event 0 is out of place"),
        (lambda rows: rows[:39], "stored checkpoint signs 40 events, the ledger has 39: its tail is gone"),
        (lambda rows: rows[:20], "stored checkpoint signs 40 events, the ledger has 20: its tail is gone"),
        (lambda rows: [], "stored checkpoint signs 1 events, the ledger has 0: its tail is gone"),
        (lambda rows: rows[::-1], "are not those that the stored checkpoint signs"),
    ],
)
def test_missing_moved_and_doubled_rows(arrange: Callable[[Any], Any], says: str) -> None:
    assert says in problems(arrange(HONEST))


def test_renumbered_rows_after_a_deletion() -> None:
    left = [(seq, *entry[1:]) for seq, entry in enumerate([*HONEST[:20], *HONEST[21:]])]
    found = problems(left)
    assert "the first 25 events are not those" in found
    assert "is missing" not in found


def test_an_older_copy_put_back_whole_is_shown_by_the_witness_only() -> None:
    older = HONEST[:25], NOTES[:3]
    assert check(*older).problems == ()
    assert (
        problems(*older, (NOTES[3],)) == "a witnessed checkpoint signs 40 events, the ledger has 25: its tail is gone"
    )
    assert "signs 40 events, the ledger has 0" in problems([], [], (NOTES[3],))


def test_a_fork_is_shown_by_the_witness() -> None:
    other = [*HONEST[:39], changed_event(39, data={"n": -1})]
    assert check(other, notes(other)).problems == ()
    assert "two roots are signed for 40 events, one stored, one witnessed" in problems(other, notes(other), (NOTES[3],))
    longer = [*other, row(40, event(1))]
    found = problems(longer, notes(longer, (41,)), (NOTES[3],))
    assert found == "the first 40 events are not those that the witnessed checkpoint signs"


def test_two_stored_checkpoints_of_one_size() -> None:
    other = notes(HONEST[::-1], (25,))
    assert "two roots are signed for 25 events, one stored, one stored" in problems(HONEST, [*NOTES, *other])


def test_everything_rewritten_without_the_key() -> None:
    rewritten = [changed_event(seq, data={}) for seq in range(40)]
    texts = [note.partition("\n\n")[0] for note in notes(rewritten, signer=STRANGER)]
    stale = [f"{text}\n\n{note.partition(chr(10) * 2)[2]}" for text, note in zip(texts, NOTES, strict=True)]
    found = problems(rewritten, stale)
    assert found.count("is false") == 4
    assert "none of the 40 events is covered" in found
    signed_by_another = problems(rewritten, notes(rewritten, signer=STRANGER))
    assert signed_by_another.count("not signed by a known key") == 4


@pytest.mark.parametrize("note", ["", "nonsense", NOTES[0].partition("\n\n")[0] + "\n", "x" * 100_000, NOTES[0][:-9]])
def test_a_stored_text_that_is_no_checkpoint(note: str) -> None:
    assert len(check(HONEST, [*NOTES, note]).problems) == 1


@pytest.mark.parametrize(
    "body", [b"", b"[]", b"null", b"{", b"\xff", b"[" * 50_000, None, 7, "\udc80", memoryview(b"{}")]
)
def test_a_body_of_any_kind_is_a_finding_and_no_crash(body: Any) -> None:
    _, _, leaf, columns = HONEST[7]
    found = problems(with_row(7, (7, body, leaf, columns)))
    assert "event 7: its body was changed" in found
    assert "the first 16 events are not those" in found


@pytest.mark.parametrize("columns", [(), ("a",), ("a",) * 7])
def test_too_few_or_too_many_columns(columns: Any) -> None:
    seq, body, leaf, _ = HONEST[7]
    assert f"{len(columns)} columns, expected 6" in problems(with_row(7, (seq, body, leaf, columns)))


def test_a_thousand_problems_are_counted_and_not_all_told() -> None:
    rows = [(seq, body, bytes(32), columns) for seq, body, _, columns in [row(n, event(n % 40)) for n in range(1000)]]
    report = check(rows, notes(rows, (1,)))
    assert len(report.problems) == 101
    assert report.problems[-1] == "and 901 more"


def test_what_is_no_key_is_the_callers_fault() -> None:
    with pytest.raises(BadInput):
        check_ledger(HONEST, NOTES, ["nonsense"])
    assert "not signed by a known key" in "\n".join(check_ledger(HONEST, NOTES, []).problems)
