"""Tables over HTTP from servers that are slow, broken, limited, forgetful or odd: nothing lost, everything said."""

from __future__ import annotations

import subprocess
import sys
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from tests.connectors.scripted_server import Reply, ScriptedServer, Seen, as_json
from tests.connectors.taking import Took, known_now, load_into, numbered, take

from remit.errors import BadInput, BadSource, Refused, Unreachable
from remit.knowledge.load_table import LoadReport
from remit.knowledge.source_file import load_source_file, open_source
from remit.store.engine import Store

SOURCE = """
source: crm
department: sales
connect:
  kind: rest
  url: ${URL}/v2
  pace: {timeout: 1s, tries: 3}
tables:
  account:
    is: Customer
    key: id
    get: /accounts
    items: data
    paging: {kind: page, parameter: page}
    facts: {name: name, city: address.city}
  change:
    is: Customer
    key: id
    changed: at
    get: /changes
    query: {state: open}
    since: {parameter: updated_after}
    facts: {name: name}
"""
CURSOR = SOURCE.replace("kind: page, parameter: page", "kind: cursor, parameter: after, next: next")


def read(script: Callable[[Seen], Reply], table: str = "account", text: str = SOURCE, **options: object) -> Took:
    with ScriptedServer(script) as server:
        took = take(text, table, environment={"URL": server.url}, **options)  # type: ignore[arg-type]
        took.__dict__["seen"] = server.seen
        return took


def pages(*numbers: range, odd: dict[int, list[Reply]] | None = None) -> Callable[[Seen], Reply]:
    """A server that pages; ``odd`` are answers that come before the right one, by page from 1."""
    waiting = {page: list(replies) for page, replies in (odd or {}).items()}

    def script(seen: Seen) -> Reply:
        page = int(seen.one("page") or 1)
        if waiting.get(page):
            return waiting[page].pop(0)
        return page_of(numbers[page - 1] if page <= len(numbers) else range(0))

    return script


def page_of(numbers: range) -> Reply:
    return as_json({"data": numbered(numbers)})


THREE = (range(0, 40), range(40, 80), range(80, 95))


def test_every_record_of_every_page_is_a_row() -> None:
    took = read(pages(*THREE))
    assert took.column("id") == list(range(95))
    assert took.column("address.city") == [f"c{number % 7}" for number in range(95)]
    assert took.failure is None and took.notes == []
    assert [took.batches[0].position(index) for index in (0, 94)] == ["account:1", "account:95"]


CUT = page_of(THREE[1])


@pytest.mark.parametrize(
    ("odd", "said"),
    [
        ([Reply(500), Reply(503)], "status 503"),
        ([Reply(429, headers={"Retry-After": "7"})], "status 429"),
        ([Reply(drop=True)], "asked again"),
        ([Reply(200, CUT.body, cut_after=300)], "asked again"),
        ([Reply(200, CUT.body[:300])], "not JSON"),
        ([Reply(200, b"<html>", content_type="text/html"), Reply(200, b'{"data": {}}')], "no list of records"),
        ([page_of(THREE[0]), page_of(THREE[0])], "the same page came again after 2 pages; asked for that page again"),
    ],
)
def test_a_page_that_goes_wrong_is_asked_for_again(odd: list[Reply], said: str) -> None:
    took = read(pages(*THREE, odd={2: odd}))
    assert took.column("id") == list(range(95)) and took.failure is None
    assert said in " ".join(took.notes)
    if said == "status 429":
        assert took.slept[0] >= 7


def test_patience_is_with_each_page_anew() -> None:
    useless = [Reply(200, b"{"), Reply(200, b"{")]
    took = read(pages(*THREE, odd={page: list(useless) for page in (1, 2, 3, 4)}))
    assert took.column("id") == list(range(95)) and took.failure is None


def test_a_page_that_names_itself_the_next_is_not_followed() -> None:
    text = SOURCE.replace("kind: page, parameter: page", "kind: url, next: next")
    with ScriptedServer(lambda seen: as_json({"data": numbered(range(9)), "next": seen.target})) as server:
        took = take(text, "account", environment={"URL": server.url})
        assert len(server.seen) == 3
    assert isinstance(took.failure, Refused) and "the same address came again" in str(took.failure)


@pytest.mark.parametrize("bad", [Reply(500), Reply(200, CUT.body[:300]), Reply(drop=True)])
def test_what_came_before_a_failure_is_handed_out_and_the_failure_told(bad: Reply) -> None:
    took = read(pages(*THREE, odd={2: [bad] * 20}))
    assert took.column("id") == list(range(40))
    assert isinstance(took.failure, Unreachable) and "crm.account" in str(took.failure)


def test_a_server_that_never_stops_giving_the_same_page() -> None:
    took = read(lambda seen: page_of(THREE[0]))
    assert isinstance(took.failure, Refused) and "the same page came again" in str(took.failure)
    assert took.column("id") == list(range(40))


def test_a_cursor_that_comes_again_is_asked_past() -> None:
    first = {"data": numbered(range(10)), "next": "b"}
    wrong, right = {"data": numbered(range(10)), "next": "b"}, {"data": numbered(range(10, 15)), "next": None}
    answers: dict[str | None, list[Any]] = {None: [first], "b": [wrong, right]}

    def script(seen: Seen) -> Reply:
        left = answers[seen.one("after")]
        return as_json(left.pop(0) if len(left) > 1 else left[0])

    took = read(script, text=CURSOR)
    assert took.column("id") == list(range(15)) and took.failure is None
    assert "the same cursor came again" in took.notes[0]


def test_an_answer_that_does_not_come() -> None:
    hold = threading.Event()
    took = read(pages(*THREE, odd={3: [Reply(200, b"{}", wait=hold)]}))
    hold.set()
    assert took.column("id") == list(range(95)) and took.failure is None
    assert "no whole answer within 1 s" in took.notes[0]


def test_records_that_move_to_the_next_page_are_told() -> None:
    took = read(pages(range(0, 40), range(37, 77), range(77, 80)))
    assert sorted(set(took.column("id"))) == list(range(80))
    assert took.notes == ["crm.account: 3 records stood on two pages, one after the other"]


def test_a_token_that_runs_out_between_pages_is_fetched_anew_once() -> None:
    given: list[str] = []

    def script(seen: Seen) -> Reply:
        if seen.path == "/token":
            given.append(f"t{len(given)}")
            return as_json({"access_token": given[-1], "token_type": "bearer", "expires_in": 3600})
        page = int(seen.one("page") or 1)
        fresh = "t0" if page < 3 else "t1"
        if seen.headers["authorization"] != f"Bearer {fresh}":
            return as_json({"error": "expired"}, 401)
        return pages(*THREE)(seen)

    auth = "  auth: {kind: oauth2, token_url: /token, client_id: me, secret: env:KEY}\n"
    text = SOURCE.replace("  pace:", auth + "  pace:")
    with ScriptedServer(script) as server:
        took = take(text, "account", environment={"URL": server.url, "KEY": "hidden-key"})
    assert took.column("id") == list(range(95)) and took.failure is None
    assert given == ["t0", "t1"]


def test_a_key_that_is_not_taken_is_refused_without_being_shown() -> None:
    text = SOURCE.replace("  pace:", "  auth: {kind: bearer, secret: env:KEY}\n  pace:")
    with ScriptedServer(lambda seen: as_json({"error": f"bad {seen.headers['authorization']}"}, 401)) as server:
        took = take(text, "account", environment={"URL": server.url, "KEY": "hidden-key"})
    assert isinstance(took.failure, Refused) and "401" in str(took.failure)
    assert "hidden-key" not in str(took.failure) + " ".join(took.notes)


def test_a_column_that_goes_away_is_absent_and_a_new_one_is_unread() -> None:
    def renamed(numbers: range) -> Reply:
        return as_json({"data": [{"id": n, "title": "x", "address": {"town": "y"}} for n in numbers]})

    took = read(lambda seen: renamed(range(5)) if seen.one("page") == "1" else page_of(range(0)))
    assert took.batches[0].columns == ("id",)
    assert took.batches[0].unread == ("address", "title")
    took = read(lambda seen: as_json({"data": [{"id": 1, "name": "a"}, {"id": 2}]}), text=CURSOR)
    assert took.column("name") == ["a", None]


def test_no_records_is_no_missing_columns() -> None:
    took = read(lambda seen: page_of(range(0)))
    assert took.batches[0].columns == ("id", "name", "address.city") and took.rows == []


def test_one_odd_record_does_not_cost_the_others() -> None:
    body = b'{"data": [{"id": 1, "name": "\\u0000"}, {"id": 2, "name": "\\ud800"}, {"id": 3, "name": 1.10},'
    body += b'{"id": 123456789012345678901234567890, "name": NaN}, {"id": 5, "name": ["x", {"y": 1}]}]}'
    took = read(lambda seen: Reply(200, body), text=CURSOR)
    assert took.failure is None
    assert took.column("name") == ["\0", "\ud800", "1.10", "NaN", '["x", {"y": 1}]']


@pytest.mark.parametrize("body", [b"[" * 50_000 + b"]" * 50_000, b'{"data": [{"id": ' + b"9" * 9_000 + b"}]}", b"\xff"])
def test_an_answer_that_cannot_be_read_is_told_and_not_raised(body: bytes) -> None:
    took = read(lambda seen: Reply(200, body))
    assert isinstance(took.failure, Unreachable) and took.rows == []


def test_too_many_records_are_not_believed() -> None:
    took = read(
        lambda seen: page_of(range(int(seen.one("page") or 1) * 100, int(seen.one("page") or 1) * 100 + 100)),
        text=SOURCE.replace("items: data", "items: data\n    records_max: 1000"),
    )
    assert isinstance(took.failure, Refused) and "records_max" in str(took.failure)
    assert len(took.rows) <= 1_100


@pytest.mark.parametrize(
    ("how", "since", "asked"),
    [
        ("parameter: q", None, None),
        ("parameter: q", "2026-03-01 09:00", "2026-03-01 09:00"),
        ("parameter: q, overlap: 10m", "2026-03-01T09:00:00Z", "2026-03-01T08:50:00.000000Z"),
        ("parameter: q, form: moment", "2026-03-01T10:00:00.7+01:00", "2026-03-01T09:00:00.000000Z"),
        ("parameter: q, form: date", "2026-03-01T00:10:00Z", "2026-02-28"),
        ("parameter: q, form: epoch, overlap: 1m", "1772355600", "1772355540"),
        ("parameter: q, form: epoch_ms, overlap: 1m", "1772355600999", "1772355540000"),
        ("parameter: q, form: epoch", "2026-03-01T09:00:00Z", "1772355600"),
        ("parameter: q, form: moment", "v17", None),
        ("parameter: q, form: epoch", "9" * 40, None),
        ("parameter: q, form: moment, overlap: 999999w", "2026-03-01T09:00:00Z", None),
    ],
)
def test_the_cursor_goes_into_the_query(how: str, since: str | None, asked: str | None) -> None:
    text = SOURCE.replace("parameter: updated_after", how)
    with ScriptedServer(lambda seen: as_json([{"id": 1, "name": "a", "at": "x"}])) as server:
        took = take(text, "change", environment={"URL": server.url}, since=since)
        assert server.seen[0].one("q") == asked
        assert server.seen[0].one("state") == "open"
    assert took.column("id") == [1]
    assert bool(took.notes) is (since is not None and asked is None)


def test_a_described_system_lends_its_lists(tmp_path: Path) -> None:
    (tmp_path / "systems").mkdir()
    (tmp_path / "sources").mkdir()
    system = "system: carrier\nkind: http\nurl: ${URL}/v1\nlists:\n"
    system += "  orders: {get: /orders, items: data, paging: {kind: page, parameter: page}}\n"
    (tmp_path / "systems" / "carrier.yaml").write_text(system)
    text = "source: tms\ndepartment: freight\nconnect: {kind: rest, system: carrier}\ntables:\n"
    text += "  order: {is: Order, key: id, list: orders, facts: {name: name}}\n"
    file = str(tmp_path / "sources" / "tms.yaml")
    with ScriptedServer(pages(*THREE)) as server:
        took = take(text, "order", environment={"URL": server.url}, file=file)
        assert server.seen[0].path == "/v1/orders"
        gone = take(text.replace("list: orders", "list: order"), "order", environment={"URL": server.url}, file=file)
    assert took.column("id") == list(range(95))
    assert isinstance(gone.failure, Refused) and "no list 'order'" in str(gone.failure)
    with pytest.raises(BadSource, match="URL is not set"):
        take(text, "order", environment={}, file=file)


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (("  url: ${URL}/v2\n", ""), "expected one of url: and system:"),
        (("  url: ${URL}/v2\n", "  url: ${URL}\n  system: carrier\n"), "expected one of url: and system:"),
        (("get: /accounts", "put: /accounts"), "put"),
        (("    get: /accounts\n", ""), "one method and path is needed"),
        (("get: /accounts", "list: accounts"), "list: names a list of a system"),
        (("    changed: at\n", ""), "since: without changed:"),
        (("get: /accounts", "get: /accounts\n    body: {a: b}"), "a GET carries no body"),
    ],
)
def test_what_a_description_must_not_say(change: tuple[str, str], said: str) -> None:
    with pytest.raises(BadSource, match=said):
        load_source_file("crm.yaml", SOURCE.replace(*change))


def test_credentials_do_not_travel_unencrypted() -> None:
    text = SOURCE.replace("  pace:", "  auth: {kind: bearer, secret: env:KEY}\n  pace:")
    source = load_source_file("crm.yaml", text)
    with pytest.raises(BadInput, match="unencrypted") as caught:
        open_source(source, {"URL": "http://crm.example", "KEY": "hidden-key"})
    assert "hidden-key" not in str(caught.value)


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(
    sizes=st.lists(st.integers(1, 8), max_size=6),
    kind=st.sampled_from(["page", "offset", "cursor", "link", "url"]),
    odd=st.dictionaries(
        st.integers(0, 8), st.lists(st.sampled_from([500, 429, "cut", "half", "before"]), max_size=2), max_size=4
    ),
)
def test_whatever_goes_wrong_twice_every_record_comes_once(
    sizes: list[int], kind: str, odd: dict[int, list[int | str]]
) -> None:
    """Against every way of paging, with faults drawn for each page: the rows are those of the plain list."""
    starts = [sum(sizes[:place]) for place in range(len(sizes) + 1)]
    waiting = {place: list(faults) for place, faults in odd.items()}

    def answer(place: int, base: str) -> Reply:
        records = numbered(range(starts[place], starts[place + 1])) if place < len(sizes) else []
        more = place + 1 < len(sizes)
        value = {"data": records, "next": str(place + 1) if kind == "cursor" and more else None}
        if kind == "url" and more:
            value["next"] = f"{base}?at={place + 1}"
        headers = {"Link": f'<{base}?at={place + 1}>; rel="next"'} if kind == "link" and more else {}
        return as_json(value, headers=headers)

    def script(seen: Seen) -> Reply:
        if kind == "page":
            place = int(seen.one("p") or 1) - 1
        elif kind == "offset":
            place = starts.index(int(seen.one("p") or 0))
        else:
            place = int(seen.one("p") or seen.one("at") or 0)
        right = answer(place, seen.path)
        if not waiting.get(place):
            return right
        fault = waiting[place].pop(0)
        if fault == "before":
            return answer(place - 1, seen.path) if place and kind != "url" else Reply(500)
        if fault == "cut":
            return Reply(200, right.body, right.headers, cut_after=len(right.body) // 2)
        return Reply(200, right.body[:-3], right.headers) if fault == "half" else Reply(int(fault))

    paging = {
        "page": "kind: page, parameter: p",
        "offset": "kind: offset, parameter: p",
        "cursor": "kind: cursor, parameter: p, next: next",
        "link": "kind: link",
        "url": "kind: url, next: next",
    }[kind]
    took = read(script, text=SOURCE.replace("kind: page, parameter: page", paging))
    assert took.failure is None
    assert took.column("id") == list(range(starts[-1]))
    assert bool(took.notes) is any(odd.get(place) for place in range(max(1, len(sizes) + (kind in {"page", "offset"}))))


# With the loader.


def load(store: Store, script: Callable[[Seen], Reply], table: str = "account") -> LoadReport:
    with ScriptedServer(script) as server:
        return load_into(store, SOURCE, table, environment={"URL": server.url})


def known(store: Store) -> dict[str, object]:
    return known_now(store, "name")


def test_loads_through_every_fault_lose_and_double_nothing(store: Store) -> None:
    everything = {str(number): f"n{number}" for number in range(95)}
    failed = load(store, pages(*THREE, odd={3: [Reply(400, b"{}")]}))
    assert (failed.state, failed.counts["new"]) == ("failed", 80)
    assert known(store) == {key: name for key, name in everything.items() if int(key) < 80}
    odd = {1: [Reply(500)], 2: [page_of(THREE[0])], 3: [Reply(200, CUT.body, cut_after=9), Reply(429)]}
    healed = load(store, pages(range(0, 40), range(38, 80), range(80, 95), odd=odd))
    assert healed.state == "ok" and known(store) == everything
    assert (healed.counts["new"], healed.counts["unchanged"], healed.counts["closed"]) == (15, 82, 0)
    assert any("two pages" in note for note in healed.notes) and any("same page" in note for note in healed.notes)
    gone = load(store, pages(range(0, 40), range(45, 80), range(80, 95)))
    assert gone.counts["closed"] == 5 and set(known(store)) == set(everything) - {"40", "41", "42", "43", "44"}


def test_a_change_from_the_future_does_not_move_the_cursor_there(store: Store) -> None:
    records = [{"id": 1, "name": "a", "at": "2026-02-28T10:00:00Z"}, {"id": 2, "name": "b", "at": "2099-01-01T00:00Z"}]
    first = load(store, lambda seen: as_json(records), "change")
    assert first.state == "ok" and first.counts["ahead"] == 1 and known(store) == {"1": "a", "2": "b"}
    asked: list[str | None] = []

    def script(seen: Seen) -> Reply:
        asked.append(seen.one("updated_after"))
        return as_json([])

    load(store, script, "change")
    assert asked == ["2026-02-28T10:00:00Z"]


MANY = """
import re, sys
from pathlib import Path
from tests.connectors.test_rest_source import read_many
rows = read_many(int(sys.argv[1]))
# What the system counts for a process may hold that of the one that started it; this begins with the program.
print(rows, int(re.search(r"VmHWM:\\s+(\\d+) kB", Path("/proc/self/status").read_text())[1]) // 1024)
"""


def read_many(rows: int, page_rows: int = 1_000) -> int:
    """Read ``rows`` records through pages from a server beside us; returns how many came. For the bench too."""
    import asyncio

    line = '{"id": %d, "name": "name of number %d", "address": {"city": "Lisbon"}, "a": 1, "b": "two", "c": null}'

    def script(seen: Seen) -> Reply:
        first = (int(seen.one("page") or 1) - 1) * page_rows
        records = ",".join(line % (number, number) for number in range(first, min(first + page_rows, rows)))
        return Reply(200, b'{"data": [' + records.encode() + b"]}")

    async def go(url: str) -> int:
        source = load_source_file("crm.yaml", SOURCE.replace("timeout: 1s", "timeout: 60s"))
        reader = open_source(source, {"URL": url})
        count, total = 0, 0
        async for batch in reader.read(source.tables["account"].ask()):
            count += len(batch.rows)
            total += sum(int(str(row[0])) for row in batch.rows)
        await reader.close()
        assert total == rows * (rows - 1) // 2, "a row was lost or came twice"
        return count

    with ScriptedServer(script) as server:
        return asyncio.run(go(server.url))


def test_200_000_rows_stream_through_little_memory() -> None:
    done = subprocess.run(
        [sys.executable, "-c", MANY, "200000"], capture_output=True, text=True, check=True, timeout=300
    )
    rows, megabytes = done.stdout.split()
    assert int(rows) == 200_000
    assert int(megabytes) < 120  # about 65; all of it at once takes more than 200
