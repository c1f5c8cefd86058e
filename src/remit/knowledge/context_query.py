"""The statements by which the graph is read as of one moment, by one who may see some scopes, and nothing else.

What is read is bounded everywhere, in an order that is total, so the same rows come out of both stores. A record is
visible when at least one of its facts is; a link, when its own scope is and the records at both its ends are. Nothing
is ever counted, cut or ordered by what is not visible.
"""

# ruff: noqa: S608 - the statements are put together from the constants below; everything given is a parameter

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from operator import itemgetter
from typing import Final, NamedTuple

import orjson

from remit.errors import BadInput
from remit.store.engine import Dialect, Reader, Row

__all__ = ["FactRow", "GraphQuery", "LinkRow", "LoadRow", "RecordRow", "Surroundings", "View", "open_view"]

_LIST: Final = {
    "sqlite": ("in (select value from json_each(?))", "json_each(?)", "in (select value from json_each(?))"),
    "postgresql": ("= any(?!::bigint[])", "unnest(?!::bigint[])", "= any(?!::text[])"),
}
"""How a list is looked into, how it is read from, and how a list of texts is looked into."""


@dataclass(frozen=True, slots=True)
class View:
    """What is looked at: the ledger size ``as_of``, the valid moment in seconds, the visible scopes by number."""

    as_of: int
    valid_at: int
    scopes: Mapping[int, str]


class FactRow(NamedTuple):
    """A fact as it is kept, with the entity of its record as of the view."""

    eid: int
    rid: int
    pid: int
    tx_from: int
    fid: int
    value: str | None
    valid_from: int
    valid_to: int
    observed: int
    load: int
    sc: int
    flags: int
    vh: bytes


class LinkRow(NamedTuple):
    """A link found from its end ``near``. ``side`` is 0 when it leads away from there, 1 when it leads there."""

    near: int
    side: int
    tx_from: int
    lid: int
    pid: int
    far: int
    eid: int
    valid_from: int
    valid_to: int
    observed: int
    load: int
    sc: int
    flags: int


class RecordRow(NamedTuple):
    """A record: its data set, key, commitment, whether a row of that key was held back as of the view, and the moment
    for which its row of then spoke (None: it does not say), in seconds since 1970.
    """

    rid: int
    did: int
    skey: str
    kh: bytes
    quarantined: bool
    observed: int | None


class LoadRow(NamedTuple):
    """What a load says of the age of what it saw: all of it was written when it began and stays."""

    load: int
    started: int
    fresh_seconds: int
    trust: str
    by_observed: bool


class Surroundings(NamedTuple):
    """Records, data sets with the number of the last whole load known then (-1 is none), loads, and type and name of
    properties, each by its number.
    """

    records: Mapping[int, RecordRow]
    datasets: Mapping[int, tuple[str, int]]
    loads: Mapping[int, LoadRow]
    properties: Mapping[int, tuple[str, str]]


def _load_row(row: Row) -> LoadRow:
    number, started, fresh_seconds, trust, data = row
    return LoadRow(number, started, fresh_seconds, trust, orjson.loads(data).get("by_observed") is True)


def open_view(reader: Reader, scopes: Iterable[str], as_of: int, valid_at: int) -> View:
    """Say what may be looked at by one who may see ``scopes``.

    Raises:
        BadInput: ``as_of`` is not a size the ledger has had.
    """
    wanted = set(scopes)
    rows = reader.fetch("select h.size, s.sc, s.name from head h left join scope s on 1 = 1 order by s.sc")
    size = rows[0][0]
    if not 0 <= as_of <= size:
        raise BadInput(f"as of {as_of}: the ledger has had the sizes 0 to {size}")
    return View(as_of, valid_at, {sc: name for _, sc, name in rows if name in wanted})


# Templates: `:name` is a parameter, `:name*` a list of whole numbers, `:name**` one of texts; `then join` keeps the
# order of the tables on SQLite.

_SEEN: Final = "{0}.tx_from < :as_of and {0}.tx_to >= :as_of"
_HOLDS: Final = _SEEN + " and {0}.valid_from <= :valid_at and {0}.valid_to > :valid_at and {0}.sc in :scopes*"
_FACT: Final = (
    "select m.eid, f.rid, f.pid, f.tx_from, f.fid, f.value, f.valid_from, f.valid_to, f.observed, f.load, f.sc, "
    "f.flags, f.vh "
)
_LAST_WHOLE: Final = (
    "select k.load from load k where k.did = d.did and k.state = 'ok' and k.tx < :as_of order by k.tx desc limit 1"
)
_OF_RECORDS: Final = "d.did in (select r.did from record r where r.rid in :rids*)"
_NAMED: Final = "{0}.pid in (select q.pid from property q where q.name = :name)"


def _seen(alias: str) -> str:
    return _SEEN.format(alias)


def _holds(alias: str) -> str:
    return _HOLDS.format(alias)


def _first(dialect: Dialect, table: str, alias: str, key: str, condition: str, order: str, limit: str) -> str:
    """Join the first ``limit`` rows of ``table`` (named k in ``condition`` and ``order``) to each row before."""
    some = f"from {table} k where {condition} order by {order} limit :{limit}"
    if dialect == "sqlite":
        return f"then join {table} {alias} on {alias}.{key} in (select k.{key} {some})"
    return f"cross join lateral (select k.* {some}) {alias}"


def _links(dialect: Dialect, also: str) -> str:
    parts = []
    for side, (near, far) in enumerate((("src", "dst"), ("dst", "src"))):
        visible = f"exists (select 1 from fact f where f.rid = k.{far} and {_holds('f')})"
        condition = f"k.{near} = n.value and {_holds('k')}{also} and {visible}"
        parts.append(
            f"select n.value, {side}, l.tx_from, l.lid, l.pid, l.{far}, m.eid, l.valid_from, l.valid_to, l.observed, "
            "l.load, l.sc, l.flags from :rids* n(value) "
            + _first(dialect, "link", "l", "lid", condition, "k.tx_from desc, k.lid desc", "limit")
            + f" then join member m on m.rid = l.{far} and {_seen('m')}"
        )
    return " union all ".join(parts)


@lru_cache(maxsize=64)
def _templates(dialect: Dialect) -> Mapping[str, str]:
    members = f"from :eids* e(value) then join member m on m.eid = e.value and {_seen('m')} "
    named = f"and {_NAMED.format('k')} "
    return {
        "whole": _FACT
        + f"from member a then join member m on m.eid = a.eid and {_seen('m')} "
        + f"then join fact f on f.rid = m.rid and {_holds('f')} "
        + f"where a.rid = :anchor and {_seen('a')}",
        "cards": _FACT
        + members
        + _first(dialect, "fact", "f", "fid", f"k.rid = m.rid and {_holds('k')}", "k.pid, k.tx_from, k.fid", "cards"),
        "named": _FACT + members + f"then join fact f on f.rid = m.rid and {_holds('f')} and {_NAMED.format('f')}",
        "some": _FACT
        + "from :fids* n(value) then join fact f on f.fid = n.value "
        + f"then join member m on m.rid = f.rid and {_seen('m')} where {_holds('f')}",
        "links": _links(dialect, ""),
        "links named": _links(dialect, " " + named.strip()),
        "visible": "select n.value from :rids* n(value) "
        + f"where exists (select 1 from fact f where f.rid = n.value and {_holds('f')})",
        "entities": f"select m.rid, m.eid from member m where m.rid in :rids* and {_seen('m')}",
        "members": f"select m.rid from member m where m.eid in :eids* and {_seen('m')}",
        "records": "select r.rid, r.did, r.skey, r.kh, case when exists (select 1 from quarantine q "
        + f"where q.did = r.did and q.skey = r.skey and {_seen('q')}) then 1 else 0 end, "
        + f"(select v.observed from version v where v.rid = r.rid and {_seen('v')}) "
        + "from record r where r.rid in :rids*",
        "datasets": f"select d.did, d.name, ({_LAST_WHOLE}) from dataset d where {_OF_RECORDS}",
        "properties": "select p.pid, p.type, p.name from property p where p.pid in :pids*",
        "loads": "select l.load, l.started, l.fresh_seconds, l.trust, l.data from load l where l.load in :loads*",
        "loads, and last": "select l.load, l.started, l.fresh_seconds, l.trust, l.data from load l where l.load in "
        + f"(select n.value from :loads* n(value) union all select ({_LAST_WHOLE}) from dataset d where {_OF_RECORDS})",
        "matching": "select t.fid, sum(case when substr(t.term, 1, 1) = '~' then 1 else 1000 end) as score, "
        + f"max(t.size) as size from search_term t then join fact f on f.fid = t.fid and {_holds('f')} "
        + "where t.term in :terms** group by t.fid, f.observed having "
        + "sum(case when substr(t.term, 1, 1) = '~' then 1 else 1000 end) >= :least "
        + "order by score desc, size, f.observed desc, t.fid limit :limit",
        "last whole": "select k.load from dataset d join load k on k.did = d.did where d.name = :dataset "
        + "and k.state = 'ok' and k.mode <> 'events' and k.tx < :as_of order by k.tx desc limit 1",
        "of type": "select r.rid from dataset d then join record r on r.did = d.did and r.skey = :key "
        + "where r.type = :type",
        "of data set": "select r.rid from dataset d then join record r on r.did = d.did and r.skey = :key "
        + "where d.name = :dataset",
    }


@lru_cache(maxsize=64)
def _statement(dialect: Dialect, name: str) -> tuple[str, tuple[str, ...], frozenset[str]]:
    """The statement of template ``name``, its parameters in order, and which of these are lists."""
    names, lists = [], set()

    def one(match: re.Match[str]) -> str:
        names.append(match[2])
        if not match[3]:
            return f"{match[1] or ''}?"
        lists.add(match[2])
        return _LIST[dialect][2 if match[3] == "**" else 0 if match[1] else 1]

    text = re.sub(r"(in )?:(\w+)(\**)", one, _templates(dialect)[name])
    if dialect == "sqlite":
        text = text.replace("(value)", "").replace("then join", "cross join")
    else:
        text = text.replace("then join", "join")
    return text, tuple(names), frozenset(lists)


_BY_RECORD: Final = itemgetter(1, 2, 3, 4)


class GraphQuery:
    """Reads the graph through one view, in one snapshot."""

    def __init__(self, reader: Reader, view: View):
        self.view = view
        self._reader = reader
        self._fixed = {"as_of": view.as_of, "valid_at": view.valid_at, "scopes": self._list(view.scopes)}

    def _list(self, items: Iterable[object]) -> object:
        return orjson.dumps(list(items)).decode() if self._reader.dialect == "sqlite" else list(items)

    def _fetch(self, template: str, /, **given: object) -> list[Row]:
        return self._reader.fetch(*self._asked(template, given))

    def _asked(self, template: str, given: Mapping[str, object]) -> tuple[str, list[object]]:
        """The statement of a template, and its parameters."""
        statement, names, lists = _statement(self._reader.dialect, template)
        values = dict(self._fixed)
        for key, value in given.items():
            values[key] = self._list(value) if key in lists else value  # type: ignore[arg-type]
        return statement, [values[key] for key in names]

    def _facts(self, template: str, /, **given: object) -> list[FactRow]:
        return sorted(map(FactRow._make, self._fetch(template, **given)), key=_BY_RECORD)

    def whole_entity(self, anchor: int) -> list[FactRow]:
        """All visible facts of the entity that record ``anchor`` belongs to, by record, property and age."""
        return self._facts("whole", anchor=anchor) if self.view.scopes else []

    def cards(self, eids: Sequence[int], facts_each: int) -> list[FactRow]:
        """The first visible facts of each record of the entities ``eids``, at least one of each that is visible."""
        return self._facts("cards", eids=eids, cards=facts_each) if eids else []

    def named(self, eids: Sequence[int], name: str) -> list[FactRow]:
        """The visible facts called ``name`` of the entities ``eids``."""
        return self._facts("named", eids=eids, name=name) if eids and self.view.scopes else []

    def some(self, fids: Sequence[int]) -> list[FactRow]:
        """Those of the facts ``fids`` that are visible."""
        return self._facts("some", fids=fids) if fids and self.view.scopes else []

    def links(self, rids: Sequence[int], limit: int, name: str | None = None) -> list[LinkRow]:
        """The newest ``limit`` visible links of each record and side, or of those called ``name``.

        The records must be visible themselves. Rows come record by record in the order of ``rids``, those that lead
        away first, newest first.
        """
        if not rids or not self.view.scopes:
            return []
        given = {"rids": rids, "limit": limit} | ({} if name is None else {"name": name})
        found = self._fetch("links" if name is None else "links named", **given)
        place = {rid: index for index, rid in enumerate(rids)}
        rows = [LinkRow._make(row) for row in found]
        rows.sort(key=lambda row: (place[row.near], row.side, -row.tx_from, -row.lid))
        return rows

    def visible(self, rids: Sequence[int]) -> list[int]:
        """Those of the records ``rids`` that are visible, in order."""
        if not rids or not self.view.scopes:
            return []
        return sorted(row[0] for row in self._fetch("visible", rids=rids))

    def entities(self, rids: Sequence[int]) -> dict[int, int]:
        """The entity of each of the records ``rids``, whether they are visible or not."""
        return dict(sorted(self._fetch("entities", rids=rids))) if rids else {}

    def members(self, eids: Sequence[int]) -> list[int]:
        """The records of the entities ``eids``, whether they are visible or not, in order."""
        return sorted(row[0] for row in self._fetch("members", eids=eids)) if eids else []

    def surroundings(self, rids: Iterable[int], loads: Iterable[int], pids: Iterable[int]) -> Surroundings:
        """What there is to say of facts besides what they say: of the records ``rids``, of ``loads`` and ``pids``."""
        given = {"rids": sorted(rids), "loads": sorted(loads), "pids": sorted(pids)}
        names = ("records", "datasets", "loads, and last", "properties")
        records, datasets, found, properties = self._reader.fetch_together([self._asked(name, given) for name in names])
        return Surroundings(
            {row[0]: RecordRow(row[0], row[1], row[2], bytes(row[3]), bool(row[4]), row[5]) for row in records},
            {row[0]: (row[1], -1 if row[2] is None else row[2]) for row in datasets},
            {row[0]: _load_row(row) for row in found},
            {pid: (kind, name) for pid, kind, name in properties},
        )

    def loads(self, numbers: Iterable[int]) -> dict[int, LoadRow]:
        """The loads ``numbers``."""
        return {row[0]: _load_row(row) for row in self._fetch("loads", loads=sorted(numbers))}

    def last_whole(self, dataset: str) -> LoadRow | None:
        """The last load that read all of ``dataset``, as known then; change events are never all."""
        rows = self._fetch("last whole", dataset=dataset)
        return self.loads([rows[0][0]])[rows[0][0]] if rows else None

    def matching(self, terms: Sequence[str], least: int, limit: int) -> list[int]:
        """The first ``limit`` visible facts that hold some of ``terms``, best first; ``least`` is the score it takes.

        What is not visible has no part in the order or the number. A word scores a thousand, a trigram one.
        """
        if not terms or not self.view.scopes:
            return []
        return [row[0] for row in self._fetch("matching", terms=terms, least=least, limit=limit)]

    def called(self, text: str) -> list[int]:
        """The records that ``text`` may mean, visible or not: ``Type/KEY``, ``source.table/KEY`` or ``e`` and a number.

        Raises:
            BadInput: it has none of these forms.
        """
        if match := re.fullmatch(r"e(\d{1,15})", text):
            return [int(match[1])]
        kind, slash, key = text.partition("/")
        if not slash or not kind or not key or "\0" in text:
            raise BadInput(f"not an entity: got {text!r:.80}, expected Type/KEY, source.table/KEY or e123")
        if "." in kind:
            rows = self._fetch("of data set", dataset=kind, key=key)
        else:
            rows = self._fetch("of type", type=kind, key=key)
        return sorted(row[0] for row in rows)
