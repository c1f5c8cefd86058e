"""Looking at SQL that a description holds: is it one statement, of which kind, and what does it bind.

This is no parser. It blanks out what stands in quotes and comments, and refuses what it is not sure about.
The second guard is the database: reads run in a transaction that may not write, where the database knows one.
"""

from __future__ import annotations

import re
from typing import Final

__all__ = ["bound_names", "what_is_wrong_with_change", "what_is_wrong_with_select"]

_QUOTED: Final = re.compile(
    r"""'(?:[^']|'')*' | "(?:[^"]|"")*" | `[^`]*` | \[[A-Za-z_ ][^\]\[]*\] | --[^\n]* | /\*.*?\*/""",
    re.VERBOSE | re.DOTALL,
)
_BOUND: Final = re.compile(r"(?<![:\w\\]):(\w+)(?!:)")  # what SQLAlchemy takes for a parameter
_CHANGING: Final = frozenset(
    {
        *("insert", "update", "delete", "merge", "replace", "upsert", "into", "truncate", "copy", "load"),
        *(
            "create",
            "alter",
            "drop",
            "grant",
            "revoke",
            "call",
            "exec",
            "execute",
            "do",
            "lock",
            "set",
            "reset",
        ),
        *(
            "begin",
            "commit",
            "rollback",
            "savepoint",
            "vacuum",
            "analyze",
            "reindex",
            "attach",
            "detach",
            "pragma",
        ),
    }
)
_ALSO_FUNCTIONS: Final = frozenset({"replace"})  # replace(text, from, to) changes nothing


def _bare(sql: str) -> str:
    """Return the statement with quoted text and comments blanked, without an ending semicolon."""
    return _QUOTED.sub(" ", sql).strip().removesuffix(";").rstrip()


def bound_names(sql: str) -> frozenset[str]:
    """Return the names of the parameters that a statement binds."""
    return frozenset(_BOUND.findall(_bare(sql)))


def _unsure(sql: str, bare: str) -> str:
    if "\\" in sql:
        return "a backslash is not taken, because databases differ on what it means"
    if "$$" in bare or re.search(r"\$\w*\$", bare):
        return "dollar quotes are not taken; use '...'"
    if "/*!" in sql:
        return "a comment that some databases execute is not taken"
    if any(mark in bare for mark in ("'", '"', "`", "/*", "*/")):
        return "a quote or comment does not end"
    if ";" in bare:
        return "more than one statement"
    if set(_BOUND.findall(sql)) != set(_BOUND.findall(bare)):
        return "a :name within quotes or a comment would be bound; write it apart"
    return ""


def what_is_wrong_with_select(sql: str) -> str:
    """Say why ``sql`` is not one statement that only reads; empty when nothing is wrong."""
    bare = _bare(sql)
    problem = _unsure(sql, bare)
    if problem:
        return problem
    first = re.match(r"[A-Za-z]+", bare)
    if first is None or first[0].lower() not in {"select", "with"}:
        return "it does not begin with select or with"
    for word, bracket in re.findall(r"([A-Za-z_]\w*)(\s*\()?", _BOUND.sub(" ", bare)):
        if word.lower() in _CHANGING and not (bracket and word.lower() in _ALSO_FUNCTIONS):
            return f"it holds the word {word}; a column of that name goes in quotes"
    return ""


def what_is_wrong_with_change(sql: str) -> str:
    """Say why ``sql`` is not one insert, update or delete; empty when nothing is wrong."""
    bare = _bare(sql)
    problem = _unsure(sql, bare)
    if problem:
        return problem
    first = re.match(r"[A-Za-z]+", bare)
    if first is None or first[0].lower() not in {"insert", "update", "delete", "merge", "with"}:
        return "it does not begin with insert, update, delete, merge or with"
    return ""
