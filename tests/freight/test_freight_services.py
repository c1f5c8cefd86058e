"""The three services over real HTTP, with their authentication, limits and faults."""

from __future__ import annotations

import base64
import time
from collections import Counter
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import pytest
from examples.freight.chance import draw
from examples.freight.company import Company
from examples.freight.prices import CARRIERS
from examples.freight.story import CUT_DAY, Shipment
from examples.freight.systems.booking_record import BookingRecord, KeyReused, NotBooked
from examples.freight.systems.carrier import drops_answer, slow_milliseconds
from examples.freight.systems.finance import Budgets
from examples.freight.systems.orders import Bucket, OrderBook, Tokens, order_record
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.waiting import wait_until

Call = Callable[..., tuple[int, dict[str, Any], dict[str, str]]]


class OrdersClient:
    """A plain caller of the order system: a new token when the old one ended, again when told to wait."""

    def __init__(self, company: Company, call: Call) -> None:
        self.url, self.call, self.company, self.token = company.environment["ORDERS_URL"], call, company, ""
        self.seen: Counter[int] = Counter()

    def renew(self) -> None:
        environment = self.company.environment
        pair = f"{environment['ORDERS_CLIENT_ID']}:{environment['ORDERS_SECRET']}"
        headers = {"Authorization": f"Basic {base64.b64encode(pair.encode()).decode()}"}
        status, answer, _ = self.call(f"{self.url}/token", headers, b"grant_type=client_credentials&scope=orders.read")
        assert status == 200
        assert answer["token_type"] == "Bearer"
        self.token = answer["access_token"]

    def get(self, path: str) -> tuple[int, dict[str, Any], dict[str, str]]:
        for _ in range(1_000):
            answer = self.call(self.url + path, {"Authorization": f"Bearer {self.token}"})
            self.seen[answer[0]] += 1
            if answer[0] == 401:
                self.renew()
            elif answer[0] == 429:
                assert answer[2]["retry-after"] == "1"
                time.sleep(0.02)  # the service refills all the time; who never waits may starve among eight callers
            else:
                return answer
        raise AssertionError(self.seen)

    def walk(self, since: str, limit: int) -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = []
        cursor = ""
        while True:
            _, page, _ = self.get(f"/orders?since={since}&limit={limit}&cursor={cursor}")
            found += page["orders"]
            cursor = page["next_cursor"]
            if cursor is None:
                return found


def test_paging_loses_and_doubles_nothing_through_limits_and_ended_tokens(
    company: Company, call: Call, shipments: tuple[Shipment, ...]
) -> None:
    company.advance(CUT_DAY + timedelta(days=100))
    client = OrdersClient(company, call)
    client.token = "ended"
    expected = [s.order for s in shipments if CUT_DAY <= s.order.booked_on <= company.day]
    assert len(expected) > 200
    found = client.walk(CUT_DAY.isoformat(), 5)
    assert found == [order_record(order) for order in expected]
    assert client.seen[401] >= 1


def test_too_many_requests_are_told_to_wait(company: Company, call: Call) -> None:
    client = OrdersClient(company, call)
    client.renew()
    with ThreadPoolExecutor(8) as pool:
        for _ in range(100):
            answers = list(pool.map(lambda _: client.get("/orders?limit=1")[0], range(40)))
            assert answers == [200] * 40
            if client.seen[429]:
                return
    raise AssertionError("4,000 requests of eight callers met no limit")


def test_a_token_ends(company: Company, call: Call) -> None:
    client = OrdersClient(company, call)
    client.renew()
    given = client.token
    wait_until(lambda: client.get("/orders?limit=1")[0] == 200 and client.token != given, "the token ends")
    assert client.seen[401] == 1


def test_orders_refuses_what_it_must(company: Company, call: Call, shipments: tuple[Shipment, ...]) -> None:
    client, url = OrdersClient(company, call), company.environment["ORDERS_URL"]
    form = b"grant_type=client_credentials"
    assert call(f"{url}/token", {}, form)[0] == 401
    assert call(f"{url}/token", {}, form + b"&client_id=remit&client_secret=guess")[0] == 401
    secret = company.environment["ORDERS_SECRET"].encode()
    own = b"client_id=remit&client_secret=" + secret
    assert call(f"{url}/token", {}, own + b"&grant_type=password")[0] == 400
    assert call(f"{url}/token", {}, own + b"&grant_type=client_credentials&scope=orders.write")[0] == 400
    assert call(f"{url}/token", {}, own + b"&grant_type=client_credentials")[0] == 200
    assert call(f"{url}/token", {}, b"x" * 20_000)[0] == 401
    assert call(f"{url}/orders", {})[0] == 401
    for query in ("since=tomorrow", "limit=0", "limit=501", "limit=x", "cursor=%00", "cursor=zzzz"):
        assert client.get(f"/orders?{query}")[0] == 400, query
    known = next(s.order for s in shipments if s.order.booked_on <= company.day)
    later = next(s.order for s in shipments if s.order.booked_on > company.day)
    assert client.get(f"/orders/{known.id}")[1] == order_record(known)
    assert client.get(f"/orders/{later.id}")[0] == 404
    assert client.get("/orders/none")[0] == 404


def test_an_order_record_holds_no_outcome(shipments: tuple[Shipment, ...]) -> None:
    assert not {"mode", "freight", "cost", "delivered", "recorded"} & set(order_record(shipments[0].order))


@settings(max_examples=60)
@given(
    limit=st.integers(1, 40),
    since=st.dates(CUT_DAY, date(2011, 4, 1)),
    steps=st.lists(st.integers(0, 9), min_size=1, max_size=8),
)
def test_paging_while_days_pass(shipments: tuple[Shipment, ...], limit: int, since: date, steps: list[int]) -> None:
    orders = [s.order for s in shipments if CUT_DAY <= s.order.booked_on < date(2011, 5, 1)]
    book, day, cursor, found = OrderBook(orders), date(2011, 2, 1), "", []
    for step in [*steps, *[0] * len(orders)]:
        day += timedelta(days=step)
        page, following = book.page(since, day, cursor, limit)
        found += page
        if following is None:
            break
        cursor = following
    assert found == [order for order in orders if since <= order.booked_on <= day]


def test_tokens_and_bucket_by_a_clock_turned_by_hand() -> None:
    now = [0.0]
    tokens, bucket = Tokens(60, lambda: now[0]), Bucket(3, lambda: now[0])
    token = tokens.give()
    assert [bucket.take() for _ in range(4)] == [True, True, True, False]
    now[0] = 0.34
    assert [bucket.take(), bucket.take()] == [True, False]
    now[0] = 59.9
    assert tokens.holds(token)
    assert [bucket.take() for _ in range(4)] == [True, True, True, False]
    now[0] = 60.0
    assert not tokens.holds(token)
    assert not tokens.holds("")


class Carrier:
    """A plain caller of the carriers."""

    def __init__(self, company: Company, call: Call) -> None:
        self.url, self.call = company.environment["CARRIER_URL"], call
        self.headers = {"X-Api-Key": company.environment["CARRIER_KEY"]}

    def get(self, path: str) -> Any:
        status, answer, _ = self.call(self.url + path, self.headers)
        return answer if status == 200 else status

    def post(self, path: str, key: str, body: Any) -> tuple[int, dict[str, Any]]:
        headers = self.headers | ({"Idempotency-Key": key} if key else {})
        return self.call(self.url + path, headers, body)[:2]

    def book(self, key: str, order: str, **more: Any) -> tuple[int, dict[str, Any]]:
        lane = {"country": "Nigeria", "carrier": "Meridian Air", "mode": "Air"}
        return self.post("/bookings", key, {"order": order} | lane | more)


@pytest.fixture
def carrier(company: Company, call: Call) -> Carrier:
    return Carrier(company, call)


def _key(sort: str, wanted: Callable[[str], bool]) -> str:
    return next(key for number in range(100_000) if wanted(key := f"{sort}-{number}"))


def test_the_same_key_books_once(carrier: Carrier) -> None:
    before = carrier.get("/records")
    first = carrier.book("same", "O-1", weight_kg=10)
    assert first[0] == 201
    assert carrier.book("same", "O-1", weight_kg=10) == first
    assert carrier.book("same", "O-2", weight_kg=10)[0] == 422
    rate = carrier.get("/rates?country=Nigeria&mode=Air&carrier=Meridian+Air")
    assert first[1]["cost_minor"] == 10 * rate["usd_minor"]
    assert carrier.get("/bookings?key=same") == {"bookings": [first[1]]}
    assert carrier.get("/bookings?key=other") == {"bookings": []}
    after = carrier.get("/records")
    assert after["bookings"] == before["bookings"] + 1
    assert after["attempts"] == before["attempts"] + 3
    assert after["orders_booked_twice"] == before["orders_booked_twice"]


def test_a_quote_without_weight_is_unknown(carrier: Carrier) -> None:
    assert carrier.book("no-weight", "O-3")[1]["cost_minor"] is None


def test_503_after_the_work_was_done_is_found_by_key(carrier: Carrier) -> None:
    key = _key("drop", drops_answer)
    status, answer = carrier.book(key, "O-4")
    assert (status, "booking" in answer) == (503, False)
    (found,) = carrier.get(f"/bookings?key={key}")["bookings"]
    assert found["order"] == "O-4"
    assert carrier.book(key, "O-4") == (201, found)


def test_a_slow_key_answers(carrier: Carrier) -> None:
    key = _key("slow", lambda key: slow_milliseconds(key) > 0 and not drops_answer(key))
    assert carrier.book(key, "O-5")[0] == 201


def test_faults_are_as_rare_as_they_say() -> None:
    keys = [f"key-{number}" for number in range(20_000)]
    assert 60 <= sum(drops_answer(key) for key in keys) <= 140
    delays = [slow_milliseconds(key) for key in keys]
    assert 320 <= sum(delay > 0 for delay in delays) <= 480
    assert {delay for delay in delays if delay} <= set(range(50, 150))


def test_many_at_once_with_one_key_book_once(carrier: Carrier) -> None:
    key = _key("race", lambda key: not drops_answer(key))
    with ThreadPoolExecutor(8) as pool:
        answers = list(pool.map(lambda _: carrier.book(key, "O-6"), range(24)))
    assert {str(answer) for answer in answers} == {str(answers[0])}
    assert len(carrier.get(f"/bookings?key={key}")["bookings"]) == 1


def test_two_keys_for_one_order_show_as_a_double(carrier: Carrier) -> None:
    before = carrier.get("/records")["orders_booked_twice"]
    carrier.book("double-1", "O-7")
    carrier.book("double-2", "O-7")
    assert carrier.get("/records")["orders_booked_twice"] == before + 1
    assert carrier.post("/bookings/cancel", "undo-double", {"order": "O-7"})[0] == 201
    assert carrier.get("/records")["orders_booked_twice"] == before


def test_cancelling(carrier: Carrier) -> None:
    _, booked = carrier.book("to-cancel", "O-8")
    first = carrier.post("/bookings/cancel", "undo", {"order": "O-8"})
    assert first == (201, {"cancelled": booked["booking"], "order": "O-8"})
    assert carrier.post("/bookings/cancel", "undo", {"order": "O-8"}) == first
    assert carrier.post("/bookings/cancel", "undo", {"order": "O-9"})[0] == 422
    assert carrier.post("/bookings/cancel", "undo-again", {"order": "O-8"})[0] == 404
    assert carrier.get("/cancellations?key=undo") == {"cancellations": [first[1]]}
    assert carrier.get("/cancellations?key=undo-again") == {"cancellations": []}


def test_carrier_refuses_what_it_must(carrier: Carrier, call: Call) -> None:
    before = carrier.get("/records")["bookings"]
    assert call(carrier.url + "/records", {"X-Api-Key": "guess"})[0] == 401
    assert call(carrier.url + "/bookings?key=same", {})[0] == 401
    assert carrier.book("", "O-10")[0] == 400
    assert carrier.book("k" * 201, "O-10")[0] == 400
    for body in (b"[]", b"{", b"[" * 9_000, b'{"order": 1}', b'"' + b"x" * 20_000 + b'"'):
        assert carrier.post("/bookings", "bad", body)[0] == 422
    for more in (
        {"carrier": "Nobody"},
        {"mode": "Ocean"},
        {"weight_kg": -1},
        {"weight_kg": True},
    ):
        assert carrier.book("bad", "O-10", **more)[0] == 422
    assert carrier.book("bad", "")[0] == 422
    assert carrier.get("/rates?country=Nigeria&mode=Air&carrier=Nobody") == 404
    assert carrier.get("/bookings") == 400
    assert carrier.get("/records")["bookings"] == before


def test_rates_name_every_carrier_of_the_mode(carrier: Carrier, company: Company) -> None:
    for mode, names in CARRIERS.items():
        rates = carrier.get(f"/rates?country=Nigeria&mode={mode.replace(' ', '+')}")["rates"]
        assert tuple(rate["carrier"] for rate in rates) == names
        assert all(rate["usd_minor"] > 0 and rate["as_of"][:10] <= company.day.isoformat() for rate in rates)


def _do(record: BookingRecord, kind: str, key: str, order: str) -> dict[str, Any]:
    if kind == "book":
        return record.book(key, {"order": order}, 5)[0]
    return record.cancel(key, {"order": order})[0]


_STEPS = st.lists(
    st.tuples(st.sampled_from(["book", "cancel"]), st.sampled_from("abcd"), st.sampled_from(["1", "2"])),
    max_size=25,
)


@settings(max_examples=80, deadline=None)
@given(steps=_STEPS)
def test_the_record_agrees_with_a_plain_one(steps: list[tuple[str, str, str]]) -> None:
    record = BookingRecord(Path(":memory:"))
    bookings: dict[str, str] = {}
    cancels: dict[str, str] = {}
    standing: list[str] = []
    attempts = 0
    for kind, key, order in steps:
        held = bookings if kind == "book" else cancels
        attempts += kind == "book"
        refused: type[Exception] | None = None
        if key in held:
            refused = KeyReused if held[key] != order else None
        elif kind == "cancel" and order not in standing:
            refused = NotBooked
        else:
            held[key] = order
            standing.append(order) if kind == "book" else standing.remove(order)
        if refused is None:
            assert _do(record, kind, key, order)["order"] == order
        else:
            with pytest.raises(refused):
                _do(record, kind, key, order)
    counts = record.counts()
    record.close()
    assert counts["bookings"] == len(bookings)
    assert counts["cancellations"] == len(cancels)
    assert counts["attempts"] == attempts
    assert counts["orders"] == len(set(standing))
    assert counts["orders_booked_twice"] == sum(count > 1 for count in Counter(standing).values())


def test_budgets(company: Company, call: Call, shipments: tuple[Shipment, ...]) -> None:
    company.advance(CUT_DAY + timedelta(days=100))
    environment, budgets = company.environment, Budgets(shipments)
    pair = f"{environment['FINANCE_USER']}:{environment['FINANCE_SECRET']}"
    headers = {"Authorization": f"Basic {base64.b64encode(pair.encode()).decode()}"}

    def ask(query: str) -> Any:
        status, answer, _ = call(f"{environment['FINANCE_URL']}/budgets?{query}", headers)
        return answer if status == 200 else status

    month = company.day.replace(day=1)
    answer = ask("country=Nigeria")
    assert answer == ask(f"country=Nigeria&month={month:%Y-%m}")
    stands = budgets.in_force("Nigeria", month, company.day)
    assert answer["budget_minor"] == budgets.budget_minor("Nigeria", stands)
    assert answer["as_of"] == f"{stands}T00:00:00Z"
    assert [ask(query) for query in ("country=Atlantis", "month=2011-01", "country=Nigeria&month=x")] == [404, 404, 400]
    everything = ask("")["budgets"]
    assert [one for one in everything if one["country"] == "Nigeria"] == [answer]
    assert len(everything) == len(budgets.countries()) >= 39
    assert ask(f"country=Nigeria&month={company.day.year + 1}-01") == 404
    url = f"{environment['FINANCE_URL']}/budgets?country=Nigeria"
    wrong = {"Authorization": "Basic " + base64.b64encode(b"remit:guess").decode()}
    for bad in ({}, wrong, {"Authorization": "Basic %%%"}, {"Authorization": "Bearer x"}):
        assert call(url, bad)[0] == 401


def test_a_budget_is_the_dearest_of_the_twelve_months_before(shipments: tuple[Shipment, ...]) -> None:
    budgets, month = Budgets(shipments), date(2012, 3, 1)
    billed: Counter[str] = Counter()
    for shipment in shipments:
        recorded = shipment.delivery.recorded
        if shipment.order.country == "Vietnam" and date(2011, 3, 1) <= recorded < month:
            billed[f"{recorded:%Y-%m}"] += shipment.delivery.freight.value or 0
    peak = max(billed.values())
    budget = budgets.budget_minor("Vietnam", month)
    assert peak <= budget < peak + 100_000
    assert budget % 100_000 == 0


def test_a_late_budget_is_last_months_until_the_11th(shipments: tuple[Shipment, ...]) -> None:
    budgets = Budgets(shipments)
    months = [date(2011 + n // 12, n % 12 + 1, 1) for n in range(60)]
    late = [m for m in months if draw(30, "budget", "Zambia", f"{m:%Y-%m}") == 0]
    assert 0 < len(late) < 10
    for month in months:
        before = (month - timedelta(days=1)).replace(day=1)
        assert budgets.in_force("Zambia", month, month.replace(day=10)) == (before if month in late else month)
        assert budgets.in_force("Zambia", month, month.replace(day=11)) == month
