"""Searching by meaning: the facts whose texts are near what is asked, of those that may be seen.

There is no index and no model beside the facts: both would hold what some may not see, and what was erased. The receipt
has the facts that were found, so replaying it needs neither the extra nor the same arithmetic.
"""

from __future__ import annotations

from typing import Final

import orjson

from remit.knowledge.context_query import View, open_view
from remit.knowledge.number_list import among, number_list
from remit.knowledge.search import SearchAsk, SearchResult, check_ask, show_found, words_of
from remit.knowledge.text_space import nearest_texts
from remit.store.engine import Reader, Row

__all__ = ["TEXTS_MAX", "search_near"]

TEXTS_MAX: Final = 50_000
"""Facts that are compared: of more, those that became known last, and the result says that it is not complete."""
LEAST: Final = 0.15
"""What is less near is not found."""


def search_near(reader: Reader, ask: SearchAsk) -> SearchResult:
    """Find the facts whose texts are nearest to that of ``ask``; ``reader`` is a snapshot.

    Raises:
        BadInput: the text is empty or longer than 500 characters, a number is out of range, or scikit-learn is not
            installed.
    """
    check_ask(ask)
    view = open_view(reader, ask.scopes, ask.as_of, ask.valid_at)
    rows = _texts(reader, view) if view.scopes else []
    by_text: dict[str, list[int]] = {}
    for fid, value in rows[:TEXTS_MAX]:
        by_text.setdefault(orjson.loads(value), []).append(fid)
    texts = sorted(by_text)
    found: list[int] = []
    for _, place in nearest_texts(texts, ask.text, words_of, LEAST):
        found += sorted(by_text[texts[place]], reverse=True)
        if len(found) >= ask.limit:
            break
    return show_found(reader, ask, view, found[: ask.limit], complete=len(rows) <= TEXTS_MAX)


def _texts(reader: Reader, view: View) -> list[Row]:
    """The facts that are texts and may be seen, the newest first."""
    return reader.fetch(
        "select f.fid, f.value from fact f where f.tx_from < ? and f.tx_to >= ? and f.valid_from <= ? "  # noqa: S608
        f"and f.valid_to > ? and f.sc {among(reader)} and substr(f.value, 1, 1) = ? order by f.fid desc limit ?",
        (view.as_of, view.as_of, view.valid_at, view.valid_at, number_list(reader, view.scopes), '"', TEXTS_MAX + 1),
    )
