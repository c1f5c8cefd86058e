"""What every store must do, as checks that any implementation runs; each is given a way to open the same store anew."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from unittest.mock import patch

from remit.errors import RemitError, StoreUnavailable
from remit.store.engine import Cells, Cycle, Held, Packed, Store

__all__ = ["STORE_CHECKS"]

OpenStore = Callable[[], Store]


class _Boom(Exception):
    pass


def _commits_last(open_store: OpenStore) -> None:
    first = open_store()
    with first.transaction() as transaction:
        transaction.insert_many("counter", "key,used", [("a", 1), ("b", 2)])
    first.close()
    second = open_store()
    assert second.read("select key, used from counter order by key") == [("a", 1), ("b", 2)]
    second.close()


def _an_exception_rolls_back(open_store: OpenStore) -> None:
    store = open_store()
    try:
        with store.transaction() as transaction:
            transaction.insert_many("counter", "key,used", [("a", 1)])
            raise _Boom
    except _Boom:
        pass
    assert store.read("select count(*) from counter") == [(0,)]
    with store.transaction() as transaction:  # and the store goes on working
        transaction.insert_many("counter", "key,used", [("a", 1)])
    assert store.read("select count(*) from counter") == [(1,)]
    store.close()


def _a_clash_fails_the_whole(open_store: OpenStore) -> None:
    store = open_store()
    with store.transaction() as transaction:
        transaction.insert_many("counter", "key,used", [("a", 1)])
    try:
        with store.transaction() as transaction:
            transaction.insert_many("counter", "key,used", [("b", 1), ("a", 2)])
    except Exception as error:
        assert not isinstance(error, AssertionError)
    else:
        raise AssertionError("a clash went through")
    assert store.read("select key, used from counter") == [("a", 1)]
    store.close()


def _rows_go_in_and_out(open_store: OpenStore) -> None:
    store = open_store()
    odd = ["plain", "quote ' and \" and ?", "percent % %s", "ünï \U0001f600", "semi; drop table counter --", ""]
    with store.transaction() as transaction:
        transaction.upsert_many("counter", "key", "key,used", [(key, 2**53 - 1) for key in odd])
        transaction.upsert_many("counter", "key", "key,used", [(odd[0], -5)])
        assert dict(transaction.fetch_in("counter", "key,used", "key", [odd[1], "absent"])) == {odd[1]: 2**53 - 1}
        transaction.delete_in("counter", "key", odd[1:3])
        assert transaction.execute("update counter set used = used + ? where key = ?", (1, odd[0])) == 1
    assert dict(store.read("select key, used from counter")) == {
        key: (-4 if key == odd[0] else 2**53 - 1) for key in odd if key not in odd[1:3]
    }
    assert store.read("select key from counter where key = ?", (odd[4],)) == [(odd[4],)]
    store.close()


def _columns_go_in_and_out(open_store: OpenStore) -> None:
    store, count = open_store(), 2_345  # more rows than go into one statement, and some left over
    odd = ["plain", "tab\t", "line\n", "back\\slash \\N", "ünï \U0001f600", "", "quote '\""]
    keys = [f"{number} {odd[number % len(odd)]}" for number in range(count)]
    with store.transaction() as transaction:
        transaction.insert_many("counter", "key,used", [("first", 1)])
        transaction.insert_columns("counter", {"key": keys, "used": range(count)}, count)
        transaction.insert_columns("erased_key", {"hash": ["none", "of"]}, 2)
        transaction.insert_columns("erased_key", {"hash": []}, 0)
        assert transaction.fetch("select count(*) from counter") == [(count + 1,)]
    wanted = {key: number for number, key in enumerate(keys)} | {"first": 1}
    assert dict(store.read("select key, used from counter")) == wanted
    shape: dict[str, Cells] = {"rule": range(count), "key": "one", "rid": 2**53 - 1}
    blobs = [None if number % 3 else bytes([number % 256, 0, 255]) for number in range(count)]
    with store.transaction() as transaction:
        transaction.insert_columns("blocking", shape, count)
        cells: dict[str, Cells] = {
            "rid": range(count),
            "did": 1,
            "skey": keys,
            "type": "T",
            "salt": blobs,
            "kh": [b"\0x"] * count,
        }
        transaction.insert_columns("record", cells, count)
    assert store.read("select min(rule), max(rule), count(*), min(key), min(rid) from blocking") == [
        (0, count - 1, count, "one", 2**53 - 1)
    ]
    rows = store.read("select skey, salt, kh from record order by rid")
    assert [row[0] for row in rows] == keys
    assert [None if row[1] is None else bytes(row[1]) for row in rows] == blobs
    try:
        with store.transaction() as transaction:
            transaction.insert_columns("erased_key", {"hash": ["new", "of"]}, 2)
    except Exception as error:
        assert not isinstance(error, AssertionError)
    else:
        raise AssertionError("a clash went through")
    assert store.read("select hash from erased_key order by hash") == [("none",), ("of",)]
    store.close()


def _columns_may_say_their_cells_shortly(open_store: OpenStore) -> None:
    store = open_store()
    for width, groups in ((1, 1), (3, 1), (3, 777), (10, 101), (150, 2)):  # the last is wider than a statement
        count, first = width * groups, 1_000_000 * width + groups
        cycle = tuple((place * 7) % 11 - 5 for place in range(width))
        facts: dict[str, Cells] = {
            "fid": range(first, first + count), "rid": Held([group * 3 for group in range(groups)], width),
            "pid": Cycle(cycle), "value": [f'"{row}"' for row in range(count)], "valid_from": 5, "valid_to": 6,
            "observed": range(0, -count, -1), "tx_from": first, "tx_to": 2**53 - 1, "load": Cycle(cycle),
            "sc": Held(range(groups), width), "flags": 0,
            "vh": [bytes([row % 256, 0, row // 256]) for row in range(count)],
        }  # fmt: skip
        if groups != 1:  # and once cell by cell
            facts["vh"] = Packed(b"".join(bytes([row % 256, 0, row // 256]) for row in range(count)), 3)
        with store.transaction() as transaction:
            transaction.insert_columns("fact", facts, count)
            got = transaction.fetch(
                "select fid,rid,pid,value,observed,load,sc,vh from fact where tx_from = ?", (first,)
            )
        plain = [
            (first + row, row // width * 3, cycle[row % width], f'"{row}"', -row, cycle[row % width], row // width)
            for row in range(count)
        ]
        assert sorted(row[:-1] for row in got) == plain
        assert [bytes(row[-1]) for row in sorted(got)] == [bytes([row % 256, 0, row // 256]) for row in range(count)]
    store.close()


def _many_rows_change_at_once(open_store: OpenStore) -> None:
    store = open_store()
    with store.transaction() as transaction:
        transaction.insert_many("counter", "key,used", [(f"k{number}", number) for number in range(3_000)])
        some = [f"k{number}" for number in range(0, 3_000, 2)]
        assert transaction.update_in("counter", "used", -1, "key", [*some, "absent"]) == 1_500
        assert transaction.update_in("counter", "used", 7, "key", ["k0", "k1"], "used = -1") == 1
        assert transaction.update_in("counter", "used", 7, "key", []) == 0
        transaction.update_in("counter", "key", "it's", "key", ["k5"])
    expected = {f"k{number}": number if number % 2 else -1 for number in range(3_000)} | {"k0": 7}
    expected["it's"] = expected.pop("k5")
    assert dict(store.read("select key, used from counter")) == expected
    store.close()


def _bytes_come_back(open_store: OpenStore) -> None:
    store, data = open_store(), bytes(range(256))
    with store.transaction() as transaction:
        transaction.upsert_many("tile", "place", "place,hashes", [("0/0", data)])
    assert bytes(store.read("select hashes from tile")[0][0]) == data
    store.close()


def _a_snapshot_stands_still(open_store: OpenStore) -> None:
    store = open_store()
    with store.transaction() as transaction:
        transaction.insert_many("counter", "key,used", [(f"k{n}", n) for n in range(3_000)])
    with store.snapshot() as reader:
        before = reader.fetch("select count(*) from counter")
        with store.transaction() as transaction:
            transaction.insert_many("counter", "key,used", [("late", 1)])
        assert reader.fetch("select count(*) from counter") == before == [(3_000,)]
        assert sum(1 for _ in reader.stream("select key from counter order by key")) == 3_000
        assert len(reader.fetch_in("counter", "key", "key", [f"k{n}" for n in range(500)])) == 500
    assert store.read("select count(*) from counter") == [(3_001,)]
    store.close()


def _several_questions_go_together(open_store: OpenStore) -> None:
    store = open_store()
    asked: list[tuple[str, tuple[object, ...]]] = [
        ("select key from counter where used > ? order by key", (1,)),
        ("select count(*), ? from counter", ("text",)),
        ("select key from counter where key = ?", ("absent",)),
    ]
    wanted: list[list[tuple[object, ...]]] = [[("b",), ("c",)], [(3, "text")], []]
    with store.transaction() as transaction:
        transaction.insert_many("counter", "key,used", [("a", 1), ("b", 2), ("c", 3)])
        assert transaction.fetch_together(asked) == wanted  # what was just written is seen
    with store.snapshot() as reader:
        assert reader.fetch_together(asked) == wanted
        with store.transaction() as transaction:
            transaction.insert_many("counter", "key,used", [("d", 4)])
        assert reader.fetch_together(asked) == wanted
        assert reader.fetch_together([]) == []
    store.close()


def _each_key_is_looked_up(open_store: OpenStore) -> None:
    store = open_store()
    with store.transaction() as transaction:
        transaction.insert_many("counter", "key,used", [(f"k{n}", n % 2) for n in range(10)])
        found = transaction.fetch_each("counter", "key,used", "key", ["k3", "absent", "k4", "k5"], "used = 1")
        assert sorted(found) == [("k3", 1), ("k5", 1)]
        assert transaction.fetch_each("counter", "key", "key", [], "used = 1") == []
    store.close()


def _growing_is_taken_note_of(open_store: OpenStore) -> None:
    store = open_store()
    with store.transaction() as transaction:
        transaction.insert_many("counter", "key,used", [(f"k{n}", n) for n in range(3_000)])
    store.grown(["counter", "no_such_table"])
    if store.dialect == "postgresql":
        looked = "select reltuples::bigint from pg_class where oid = 'counter'::regclass"
        assert store.read(looked) == [(3_000,)]
        with store.transaction() as transaction:
            transaction.insert_many("counter", "key,used", [(f"l{n}", n) for n in range(100)])
        store.grown(["counter"])
        assert store.read(looked) == [(3_000,)], "which takes a while, and a few more rows are not worth it"
        with store.transaction() as transaction:
            transaction.insert_many("counter", "key,used", [(f"m{n}", n) for n in range(5_000)])
        store.grown(["counter"])
        assert store.read(looked) == [(8_100,)]
    with store.transaction() as transaction:  # and the store goes on working
        transaction.delete_in("counter", "key", ["k0"])
    assert store.read("select count(*) from counter where key like 'k%'") == [(2_999,)]
    store.close()


def _writers_stand_in_one_order(open_store: OpenStore) -> None:
    """Two stores on one database, four threads each, read-modify-write: nothing is lost."""
    stores, wrong = [open_store(), open_store()], list[BaseException]()

    def add(store: Store) -> None:
        try:
            for _ in range(25):
                with store.transaction() as transaction:
                    size = transaction.fetch("select size from head")[0][0]
                    transaction.execute("update head set size = ?", (size + 1,))
        except BaseException as error:
            wrong.append(error)

    threads = [threading.Thread(target=add, args=(store,)) for store in stores for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not wrong, wrong
    assert stores[0].read("select size from head") == [(200,)]
    for store in stores:
        store.close()


def _a_turn_is_not_waited_for_without_end(open_store: OpenStore) -> None:
    """Another process may be stopped in the middle of its transaction: who waits is told, and goes on afterwards."""
    holds = open_store()
    with patch.object(type(holds), "lock_wait_seconds_max", 0.2):
        waits = open_store()
        with holds.transaction() as transaction:
            transaction.insert_many("counter", "key,used", [("a", 1)])
            begun = time.monotonic()
            try:
                with waits.transaction():
                    raise AssertionError("two wrote at once")
            except StoreUnavailable:
                assert time.monotonic() - begun >= 0.2, "and it waits as long as it should"
        with waits.transaction() as transaction:
            assert transaction.fetch("select used from counter") == [(1,)]
    holds.close()
    waits.close()


def _opening_at_once_makes_one_schema(open_store: OpenStore) -> None:
    opened, wrong = list[Store](), list[BaseException]()

    def one() -> None:
        try:
            opened.append(open_store())
        except BaseException as error:
            wrong.append(error)

    threads = [threading.Thread(target=one) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not wrong, wrong
    assert {tuple(store.read("select size, epoch from head")[0]) for store in opened} == {(0, 0)}
    for store in opened:
        store.close()


def _closing_twice_is_harmless(open_store: OpenStore) -> None:
    store = open_store()
    store.close()
    store.close()


def _a_newer_schema_is_refused(open_store: OpenStore) -> None:
    store = open_store()
    with store.transaction() as transaction:
        transaction.execute("update alembic_version set version_num = '9999'")
    store.close()
    try:
        open_store()
    except RemitError as error:
        assert "9999" in str(error)
    else:
        raise AssertionError("a schema that nobody knows was taken")


STORE_CHECKS = {
    check.__name__.strip("_"): check
    for check in (
        _commits_last,
        _an_exception_rolls_back,
        _a_clash_fails_the_whole,
        _rows_go_in_and_out,
        _columns_go_in_and_out,
        _columns_may_say_their_cells_shortly,
        _many_rows_change_at_once,
        _bytes_come_back,
        _a_snapshot_stands_still,
        _several_questions_go_together,
        _each_key_is_looked_up,
        _growing_is_taken_note_of,
        _writers_stand_in_one_order,
        _a_turn_is_not_waited_for_without_end,
        _opening_at_once_makes_one_schema,
        _closing_twice_is_harmless,
        _a_newer_schema_is_refused,
    )
}
"""Name to check; each is called with a function that opens the store under test, empty at first."""
