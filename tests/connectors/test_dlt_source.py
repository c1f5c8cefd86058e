"""dlt sources as plain iterators: every row, no telemetry, no state, and whatever they raise told in words."""

from __future__ import annotations

import sys
from typing import Any

import pytest
from tests.connectors.scripted_server import Reply, ScriptedServer, Seen, as_json
from tests.connectors.taking import Took, known_now, load_into, numbered, take

from remit.errors import BadSource, Refused, Unreachable
from remit.knowledge.source_file import load_source_file, open_source
from remit.store.engine import Store

SOURCE = """
source: shop
department: sales
connect: {kind: dlt, source: "tests.connectors.dlt_shop:FUNCTION", modules: [tests.connectors], arguments: ARGUMENTS}
tables:
  order:
    is: Order
    key: id
    facts: {name: name, city: address.city, lines: lines}
  client: {is: Client, key: id, resource: customer, facts: {name: name}}
  later: {is: Order, key: id, changed: at, resource: order, facts: {name: name}}
"""


def text_of(arguments: str = "{}", function: str = "shop") -> str:
    return SOURCE.replace("FUNCTION", function).replace("ARGUMENTS", arguments)


def read(arguments: str = "{}", table: str = "order", function: str = "shop", **more: Any) -> Took:
    return take(text_of(arguments, function), table, **more)


def test_every_row_is_read_as_it_is_and_nothing_is_reported_home() -> None:
    took = read("{rows: 4500}")
    assert took.failure is None and took.column("id") == list(range(4_500))
    assert took.rows[1] == {"id": 1, "name": "n1", "address.city": "Porto", "lines": "[1]"}
    assert took.batches[0].unread == ("at",)
    clients = read("{rows: 3}", "client")
    assert clients.column("name") == ["c0", "c1", "c2", "false"]
    assert "dlt" in sys.modules


def test_arrow_tables_and_single_resources() -> None:
    took = read("{rows: 5000}", function="lone")
    assert took.column("id") == list(range(5_000)) and took.column("name")[4_999] == "n4999"


def test_the_cursor_and_variables_go_into_the_arguments() -> None:
    assert read("{since: $since}", "later", since="3").column("id") == [3, 4]
    assert read("{since: $since}", "later").column("id") == [0, 1, 2, 3, 4]
    secret = read("{token: '${TOKEN}', fault: raise, at: 2}", environment={"TOKEN": "shop-secret"})
    assert isinstance(secret.failure, Unreachable) and "OSError" in str(secret.failure)
    assert "shop-secret" not in str(secret.failure) + " ".join(secret.notes)


@pytest.mark.parametrize(
    ("arguments", "function", "error", "said"),
    [
        ("{fault: raise, at: 3}", "shop", Unreachable, "failed: .*OSError"),
        ("{fault: number, at: 3}", "shop", Refused, "an item is int"),
        ("{unknown: 1}", "shop", Unreachable, "TypeError"),
        ("{}", "nothing", Refused, "there is no tests.connectors.dlt_shop:nothing"),
        ("{}", "NO_SOURCE", Unreachable, "TypeError"),
    ],
)
def test_what_goes_wrong_is_told_and_never_raised(
    arguments: str, function: str, error: type[Exception], said: str
) -> None:
    took = read(arguments, function=function)
    assert isinstance(took.failure, error)
    assert any(part in str(took.failure) for part in said.split(".*"))
    assert len(took.rows) <= 3


def test_a_resource_that_the_source_has_not() -> None:
    took = take(text_of().replace("resource: customer", "resource: nobody"), "client")
    assert isinstance(took.failure, Refused) and "it has customer, order" in str(took.failure)


def test_a_source_that_hangs_is_left() -> None:
    text = text_of("{fault: hang, at: 1}").replace("modules:", "timeout: 1s, modules:")
    took = take(text, "order")
    assert isinstance(took.failure, Unreachable) and "no answer within 1 s" in str(took.failure)


def test_a_source_without_an_end() -> None:
    took = take(text_of("{rows: 1000000000}").replace("key: id\n", "key: id\n    records_max: 4000\n"), "order")
    assert isinstance(took.failure, Refused) and "records_max" in str(took.failure) and len(took.rows) <= 6_000


def test_without_the_package_the_error_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "dlt", None)
    took = read()
    assert isinstance(took.failure, Refused) and "install remit[dlt]" in str(took.failure)


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (("modules: [tests.connectors]", "modules: [tests.connector]"), "is not among modules:"),
        (("modules: [tests.connectors]", "modules: []"), "modules"),
        (("modules: [tests.connectors], ", ""), "modules"),
        (("dlt_shop:shop", "dlt_shop"), "source"),
        (("tests.connectors.dlt_shop:shop", "os:system"), "is not among modules:"),
        (("tests.connectors.dlt_shop:shop", "../evil:shop"), "source"),
    ],
)
def test_only_code_that_the_company_allows_is_run(change: tuple[str, str], said: str) -> None:
    with pytest.raises(BadSource, match=said):
        load_source_file("shop.yaml", text_of().replace(*change))
    with pytest.raises(BadSource, match="TOKEN is not set"):
        open_source(load_source_file("shop.yaml", text_of("{token: '${TOKEN}'}")), {})


def test_dlt_asks_again_over_http_by_itself() -> None:
    left = {1: [Reply(500)], 2: [Reply(503), Reply(drop=True)]}

    def script(seen: Seen) -> Reply:
        page = int(seen.one("page") or 1)
        if left.get(page):
            return left[page].pop(0)
        return as_json({"data": numbered(range(10 * page - 10, 10 * page) if page < 4 else ())})

    with ScriptedServer(script) as server:
        took = take(text_of(f"{{url: '{server.url}'}}", "over_http"), "order")
    assert took.failure is None and took.column("id") == list(range(30))
    assert took.column("address.city") == [f"c{number % 7}" for number in range(30)]


def test_loads_through_faults_lose_and_double_nothing(store: Store) -> None:
    def load(arguments: str, table: str = "order") -> Any:
        return load_into(store, text_of(arguments), table)

    broken = load("{rows: 2500, fault: raise, at: 2200}")
    assert (broken.state, broken.counts["new"], broken.counts["closed"]) == ("failed", 2_000, 0)
    healed = load("{rows: 2500}")
    assert (healed.state, healed.counts["new"], healed.counts["unchanged"]) == ("ok", 500, 2_000)
    fewer = load("{rows: 2400}")
    assert fewer.counts["closed"] == 100 and len(known_now(store, "name")) == 2_400
    ahead = load("{rows: 5, fault: future, at: 4}", "later")
    assert ahead.counts["ahead"] == 1 and ahead.cursor == "2026-02-04T00:00:00Z"
