"""Searching the graph's texts: which facts hold these words, of those that may be seen.

The index is a plain table of words (and, for names, of their trigrams, so that a misspelt one is found too), the same
on both stores, so the same facts come out in the same order. It is made from the facts and can be made again at any
time; what may not be seen is left out before anything is counted, ordered or cut.
"""

from __future__ import annotations

import re
import secrets
import unicodedata
from collections.abc import Callable, Collection, Mapping, Sequence, Set
from dataclasses import dataclass, field
from typing import Any, Final

import orjson

from remit.canonical import canonical, canonical_sound, digest_bytes
from remit.errors import BadInput
from remit.knowledge.context import FactsTold
from remit.knowledge.context_query import FactRow, GraphQuery, View, open_view
from remit.knowledge.fact_standing import Standings, contradicted_facts
from remit.ledger.sealing import SEALED, Sealed, commitment_of
from remit.store.engine import Reader, Row, Store, Transaction
from remit.vocabulary import Json

__all__ = [
    "SearchAsk",
    "SearchResult",
    "check_ask",
    "forget_texts",
    "index_text",
    "search",
    "show_again",
    "show_found",
    "words_of",
]

_TABLE: Final = "search_term"
_MARK: Final = ""
"""The term under which stands how far the index reaches."""
_ROWS: Final = 1_000
TERMS_MAX: Final = 2_000
WORD_CHARACTERS_MAX: Final = 40
QUERY_CHARACTERS_MAX: Final = 500
NAME_PROPERTIES: Final = ("name", "title")
"""Facts whose property ends with one of these are found by trigrams too."""


@dataclass(frozen=True, slots=True)
class SearchAsk:
    """What an agent searches for. The scopes and times are those of `ContextAsk`.

    The words may name a person: the receipt has a commitment to them under ``salt`` in their place. ``near`` says that
    it was searched by meaning.
    """

    agent: str
    text: str
    scopes: tuple[str, ...]
    as_of: int
    valid_at: int
    now: int
    limit: int = 20
    salt: bytes = field(default_factory=lambda: secrets.token_bytes(32), repr=False)
    near: bool = False

    def sealed(self) -> Sealed:
        """The words, to be kept beside the ledger, where they can be erased under ``search/`` and the agent."""
        value = canonical(self.text).decode()
        return Sealed(commitment_of(self.salt, self.text), f"search/{self.agent}", self.salt, value)

    def as_json(self) -> dict[str, Json]:
        """The ask as plain JSON, with the commitment in place of the words."""
        near: dict[str, Json] = {"near": True} if self.near else {}
        return near | {
            "agent": self.agent, "search": {SEALED: self.sealed().commitment}, "scopes": [*sorted(set(self.scopes))],
            "as_of": self.as_of, "valid_at": self.valid_at, "now": self.now, "limit": self.limit,
        }  # fmt: skip


@dataclass(frozen=True, slots=True)
class SearchResult:
    """What was found, best first. ``facts`` and ``contradicted`` are numbers.

    ``complete`` is False when facts known then had not been indexed yet.
    """

    ask: Mapping[str, Json]
    digest: str
    facts: tuple[int, ...]
    contradicted: tuple[int, ...]
    complete: bool
    data: Mapping[str, Any]

    def as_json(self) -> dict[str, Any]:
        """What was found as plain JSON, with its digest."""
        return {**self.data, "digest": self.digest}

    def as_bytes(self) -> bytes:
        """What was found as canonical JSON."""
        return canonical_sound(self.as_json())


def search(reader: Reader, ask: SearchAsk) -> SearchResult:
    """Find the facts that hold the words of ``ask``; ``reader`` is a snapshot.

    Raises:
        BadInput: the text is empty or longer than 500 characters, or a number is out of range.
    """
    check_ask(ask)
    words = words_of(ask.text)
    view = open_view(reader, ask.scopes, ask.as_of, ask.valid_at)
    query = GraphQuery(reader, view)
    found: list[int] = []
    complete = False
    if _is_there(reader):
        trigrams = sorted({part for word in words for part in _trigrams(word)})
        least = max(1, len(trigrams) * 3 // 10)
        found = query.matching([*sorted(set(words)), *trigrams], least, ask.limit)
        complete = _last_known(reader, ask.as_of) <= _reached(reader)
    return _shown(query, found, ask.as_json(), complete, frozenset())


def check_ask(ask: SearchAsk) -> None:
    """See that ``ask`` is within bounds.

    Raises:
        BadInput: the text is empty or longer than 500 characters, or more or fewer than 1 to 100 facts are wanted.
    """
    if not 1 <= ask.limit <= 100:
        raise BadInput(f"limit: got {ask.limit}, expected 1 to 100")
    if not 0 < len(ask.text) <= QUERY_CHARACTERS_MAX:
        raise BadInput(f"search text of {len(ask.text)} characters: expected 1 to {QUERY_CHARACTERS_MAX}")


def show_found(reader: Reader, ask: SearchAsk, view: View, fids: Sequence[int], *, complete: bool) -> SearchResult:
    """Show the facts ``fids``, which were found for ``ask`` through ``view``, the best first."""
    return _shown(GraphQuery(reader, view), fids, ask.as_json(), complete, frozenset())


def show_again(
    reader: Reader, ask: Mapping[str, Any], fids: Sequence[int], complete: bool, contradicted: Set[int]
) -> SearchResult:
    """Show the facts of an earlier search again, as its receipt has them; the index and the words are not needed."""
    view = open_view(reader, ask["scopes"], ask["as_of"], ask["valid_at"])
    return _shown(GraphQuery(reader, view), fids, ask, complete, contradicted)


def _shown(
    query: GraphQuery, fids: Sequence[int], ask: Mapping[str, Any], complete: bool, recorded: Set[int]
) -> SearchResult:
    by_number: dict[int, FactRow] = {fact.fid: fact for fact in query.some(list(fids))}
    facts = [by_number[fid] for fid in fids if fid in by_number]
    firsts: dict[int, int] = {}
    for card in query.cards(sorted({fact.eid for fact in facts}), 1):
        firsts.setdefault(card.eid, card.rid)
    against = contradicted_facts(facts, recorded)
    standings = Standings(query, facts, ask["now"])
    called = {eid: f"e{rid}" for eid, rid in firsts.items()}
    told = FactsTold(facts, standings, against, called, standings.properties, query.view)
    open_part: dict[str, Any] = {"ask": dict(ask), "facts": told.shown, "complete": complete}
    covered = open_part | {"facts": told.covered, "records": standings.commitments()}
    return SearchResult(
        ask,
        digest_bytes(canonical_sound(covered)),
        tuple(fact.fid for fact in facts),
        tuple(fact.fid for fact in facts if fact.fid in against),
        complete,
        open_part,
    )


def index_text(
    store: Store,
    progress: Callable[[int], None] = lambda _facts: None,
    names: Collection[str] = NAME_PROPERTIES,
) -> int:
    """Bring the index up to date with all text facts; return how many facts were looked at.

    It goes on where it stopped, in short transactions, so it may be called after every load. ``names`` are the ends of
    the properties' names that are found by trigrams too.
    """
    with store.snapshot() as reader:
        if _is_there(reader) and not _following(reader, 1):
            return 0  # nothing to do, and no reason to wait for the head lock
    with store.transaction() as transaction:
        transaction.execute(
            f"create table if not exists {_TABLE} (term text not null, fid bigint not null, size bigint not null, "
            "primary key (term, fid))"
        )
        transaction.execute(f"create index if not exists {_TABLE}_fid on {_TABLE} (fid)")
    looked = 0
    while True:
        with store.transaction() as transaction:
            count = _index_some(transaction, tuple(names))
        looked += count
        progress(looked)
        if count < _ROWS:
            return looked


def _index_some(transaction: Transaction, names: tuple[str, ...]) -> int:
    rows = _following(transaction, _ROWS)
    if not rows:
        return 0
    terms: list[tuple[str, int, int]] = []
    for fid, name, value in rows:
        if value is not None and value.startswith('"'):
            words = words_of(orjson.loads(value))
            parts = {part for word in words for part in _trigrams(word)} if name.endswith(names) else set()
            terms += [(term, fid, len(words)) for term in sorted(set(words) | parts)]
    _insert(transaction, terms)
    transaction.execute(f"delete from {_TABLE} where term = ?", (_MARK,))  # noqa: S608
    _insert(transaction, [(_MARK, rows[-1][0], 0)])
    return len(rows)


def _following(reader: Reader, limit: int) -> list[Row]:
    """The next facts that the index does not have yet: number, property, value."""
    statement = "select f.fid, p.name, f.value from fact f join property p on p.pid = f.pid where f.fid > ? "
    return reader.fetch(f"{statement} order by f.fid limit ?", (_reached(reader), limit))


def _insert(transaction: Transaction, terms: Sequence[tuple[str, int, int]]) -> None:
    # The table is no part of the schema, so the store knows no types for it: the rows go as one JSON text.
    source = {
        "sqlite": "select json_extract(value, '$[0]'), json_extract(value, '$[1]'), json_extract(value, '$[2]') "
        "from json_each(?)",
        "postgresql": "select e.value ->> 0, (e.value ->> 1)::bigint, (e.value ->> 2)::bigint "
        "from jsonb_array_elements(?::jsonb) e",
    }[transaction.dialect]
    transaction.execute(f"insert into {_TABLE} (term, fid, size) {source}", (orjson.dumps(terms).decode(),))


def forget_texts(transaction: Transaction, rids: Collection[int]) -> None:
    """Take the facts of the records ``rids`` out of the index, if there is one."""
    if not _is_there(transaction):
        return
    for rid in rids:
        transaction.execute(
            f"delete from {_TABLE} where fid in (select f.fid from fact f where f.rid = ?) and term <> ?",  # noqa: S608
            (rid, _MARK),
        )


def _is_there(reader: Reader) -> bool:
    statement = {
        "sqlite": "select 1 from sqlite_master where type = 'table' and name = ?",
        "postgresql": "select 1 from pg_tables where schemaname = current_schema() and tablename = ?",
    }[reader.dialect]
    return bool(reader.fetch(statement, (_TABLE,)))


def _reached(reader: Reader) -> int:
    rows = reader.fetch(f"select fid from {_TABLE} where term = ?", (_MARK,))  # noqa: S608
    return rows[0][0] if rows else -1


def _last_known(reader: Reader, as_of: int) -> int:
    """The number of the last fact that was known at ledger size ``as_of``, or of the last of all, which is no less."""
    rows = reader.fetch("select fid, tx_from from fact order by fid desc limit 1")
    if not rows:
        return -1
    if rows[0][1] < as_of:
        return int(rows[0][0])
    rows = reader.fetch("select max(fid) from fact where tx_from < ?", (as_of,))
    return -1 if rows[0][0] is None else int(rows[0][0])


def words_of(text: str) -> list[str]:
    """Return the words of ``text`` without accents and case, at most 2,000 of them."""
    plain = "".join(c for c in unicodedata.normalize("NFKD", text) if not unicodedata.combining(c)).casefold()
    return [word[:WORD_CHARACTERS_MAX] for word in re.findall(r"[^\W_]+", plain)[:TERMS_MAX]]


def _trigrams(word: str) -> set[str]:
    if len(word) < 3:
        return set()
    padded = f" {word} "
    return {f"~{padded[place : place + 3]}" for place in range(len(padded) - 2)}
