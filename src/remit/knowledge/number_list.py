"""A list of whole numbers as one parameter of a statement, which the two databases write differently."""

from __future__ import annotations

from collections.abc import Iterable

import orjson

from remit.store.engine import Reader

__all__ = ["among", "number_list"]


def among(reader: Reader) -> str:
    """The condition to write after a column: is it in the list that is the next parameter?"""
    return {"sqlite": "in (select value from json_each(?))", "postgresql": "= any(?!::bigint[])"}[reader.dialect]


def number_list(reader: Reader, numbers: Iterable[int]) -> object:
    """``numbers`` as the parameter that `among` looks into."""
    return orjson.dumps(list(numbers)).decode() if reader.dialect == "sqlite" else list(numbers)
