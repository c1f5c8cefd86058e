"""SQL in descriptions: what passes for one statement that only reads."""

from __future__ import annotations

import contextlib
import sqlite3

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from remit.connectors.statement import bound_names, what_is_wrong_with_change, what_is_wrong_with_select

READS = [
    "select a from t where b = :b",
    "  SELECT a\nFROM t;  ",
    "with x as (select 1 as a) select a from x",
    "select 'insert; delete' as a, \"update\" from t -- drop table t",
    "select replace(a, 'x', 'y') /* delete; */ from t",
    "select a::text, b from t where c = :c",
    "select 'it''s' from t",
    "select t.updated_at as observed, created_by from t",
    "select [order] from t",
]
OTHERS = [
    "",
    ";",
    "delete from t",
    "insert into t values (1)",
    "select 1; delete from t",
    "select 1;;",
    "(select 1)",
    "with x as (delete from t returning a) select a from x",
    "with x as (insert into t (a) values (1) returning a) select a from x",
    "with x as (update t set a = :update returning a) select a from x",
    "select a into other from t",
    "select a from t for update",
    "pragma query_only = off",
    "explain select 1",
    "select 'a\\'; delete from t; --' from t",
    "select $$;delete from t;$$",
    "select $x$ ' $x$; delete from t --'",
    "select 'open",
    'select "open',
    "select /* open",
    "select /* /* */ ; delete from t -- */",
    "select /*! delete */ 1",
    "select ':name' from t",
    "selectx from t",
    "call f()",
    "with x as (select 1) insert (a) select 1",
]


@pytest.mark.parametrize("sql", READS)
def test_reads_pass(sql: str) -> None:
    assert what_is_wrong_with_select(sql) == ""


@pytest.mark.parametrize("sql", OTHERS)
def test_everything_else_is_told(sql: str) -> None:
    assert what_is_wrong_with_select(sql) != ""


@pytest.mark.parametrize(
    "sql", ["insert into t values (:key)", "update t set a = 1;", "with x as (select 1) delete from t"]
)
def test_changes_pass(sql: str) -> None:
    assert what_is_wrong_with_change(sql) == ""


@pytest.mark.parametrize("sql", ["select 1", "drop table t", "insert into t values (1); drop table t", "", "commit"])
def test_other_changes_are_told(sql: str) -> None:
    assert what_is_wrong_with_change(sql) != ""


def test_bound_names() -> None:
    assert bound_names("select ':no' , a::text, :yes, x.y -- :never\n where b=:also") == {"yes", "also"}


WORDS = ["select", "with x as (", ")", "1", "a", "from t", "x", "as", "where", "replace(", "returning a", "\n", ";"]
CHANGES = ["delete from t", "insert into t values (9)", "update t set a = 9", "drop table t"]
MARKS = ["'", '"', "--", "/*", "*/", "`", "[", "]", "''"]
PIECES = st.sampled_from([*WORDS, *CHANGES, *MARKS])


@settings(max_examples=200)
@given(st.lists(PIECES, max_size=9))
def test_what_passes_changes_nothing(pieces: list[str]) -> None:
    """Whatever is let through, a real database that runs it as a script holds the same rows afterwards."""
    sql = " ".join(pieces)
    if what_is_wrong_with_select(sql):
        return
    database = sqlite3.connect(":memory:")
    database.executescript("create table t (a integer); insert into t values (1), (2);")
    with contextlib.suppress(sqlite3.Error):
        database.executescript(sql)
    assert database.execute("select a from t").fetchall() == [(1,), (2,)]
    database.close()
