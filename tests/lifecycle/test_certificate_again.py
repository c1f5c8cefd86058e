"""The one-file verifier counts and computes certificates again by its own means, and finds what was tampered with."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from random import Random
from typing import Any

import orjson
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from tests.evidence.test_track import emptied
from tests.evidence.written_ledger import Written, moment
from tests.lifecycle.warded import SIGNER, Warded, autonomy, verify_certificate

from remit.canonical import digest
from remit.lifecycle.certificate import certificate_body, certificate_event, rate_proof, threshold_proof
from remit.lifecycle.learning import learn_at
from remit.lifecycle.stage import rate_evidence
from remit.store.engine import Store, open_store
from remit.vocabulary import Event


@pytest.fixture
def quick(tmp_path: Path) -> Iterator[Store]:
    """A store for many small ledgers: what is found again does not depend on which database it lay in."""
    store = open_store(f"sqlite:{tmp_path / 'quick.db'}")
    yield store
    store.close()


@contextmanager
def warded(store: Store, **terms: Any) -> Iterator[Warded]:
    found = Warded(emptied(store), autonomy(**terms))
    try:
        yield found
    finally:
        found.close()


def fill(written: Written, random: Random, cases: int, wrong: float, kind: str = "", missing: float = 0.02) -> None:
    """Cases that are decided, done and labelled; some twice, some late, some never, some corrected."""
    start = 1_000 + 10 * len(written.cases)
    for number in range(cases):
        at = start + number
        name = f"{kind}-{len(written.cases)}"
        confidence = random.choice([None, *range(5_000, 10_000, 250)])
        action = written.decide(name, at, confidence, kind, random.randrange(10_000))
        if random.random() < 0.7:
            written.end(action, random.random() < 0.95)
        elif random.random() < 0.5:
            written.again(action, at + 5, 2)
            written.end(action, True)
        right = random.random() >= wrong
        if random.random() < missing:
            continue
        if random.random() < 0.1:
            written.outcome(action, "source:erp", not right)
        if random.random() < 0.2:
            written.review(action, "ada", random.random() < 0.5)
        written.outcome(action, "source:erp", right)


def issue(ground: Warded, body: dict[str, Any], number: int = 1) -> str:
    event = certificate_event(body, SIGNER, number)
    ground.journal.append_now(event)
    return str(event.data["digest"])


@given(seed=st.integers(0, 2**32), wrong=st.sampled_from([0.0, 0.01, 0.1, 0.4]), classes=st.integers(1, 3),
       everyone=st.booleans(), wait=st.sampled_from([0, 20, 100, 5_000]))  # fmt: skip
@settings(max_examples=12, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_rates_are_found_again(quick: Store, seed: int, wrong: float, classes: int, everyone: bool, wait: int) -> None:
    random, written = Random(seed), Written()
    source = autonomy(outcome=object()) if everyone else autonomy()
    with warded(quick, outcome=source.outcome) as ground:
        for kind in ["", "b", "c"][:classes]:
            fill(written, random, random.randrange(10, 60), wrong, kind)
            written.stage("supervised", kind=kind)
            fill(written, random, random.randrange(5, 30), wrong, kind)
            written.stage("sampled", kind=kind, threshold_bp=7_000, review_bp=5_000)
            fill(written, random, random.randrange(10, 120), wrong, kind)
            if random.random() < 0.3:
                written.stage("shadow", "demoted", kind=kind)
                fill(written, random, random.randrange(5, 30), wrong, kind)
        if random.random() < 0.5:
            written.plant("-3")
        written.flush(ground.journal)
        ground.now = 1_000 + 10 * len(written.cases) + wait
        ground.book.look(moment(ground.now))
        for number, (class_, to) in enumerate(
            (kind, to) for kind in ["", "b"][:classes] for to in ("supervised", "autonomous")
        ):
            track = ground.track(class_)
            evidence = rate_evidence(track, to, tuple(ground.book.tracks.values()))  # type: ignore[arg-type]
            body = certificate_body(
                track, ground.remits.given, "m" * 64, to, rate_proof(evidence), moment(ground.now),  # type: ignore[arg-type]
                ground.book.reached, track.threshold_bp,
            )  # fmt: skip
            name = issue(ground, body, number * 7 + 1)
            with tempfile.TemporaryDirectory() as folder:
                problems = verify_certificate(quick, Path(folder) / "x", name)
            if evidence.certified:
                assert problems == ()
            else:
                assert problems and ("required" in problems[0] or "can be certified" in problems[0]), problems


@given(seed=st.integers(0, 2**32), wrong=st.sampled_from([0.0, 0.01, 0.03]), sure=st.sampled_from([9_500, 6_000]))
@settings(max_examples=6, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_thresholds_are_found_again(quick: Store, seed: int, wrong: float, sure: int) -> None:
    random, written = Random(seed), Written()
    with warded(quick, plan=(100, 200), promise_bp=800, sure_bp=sure) as ground:
        fill(written, random, 80, wrong)
        written.stage("supervised")
        fill(written, random, 260, wrong, missing=0.0)
        written.flush(ground.journal)
        ground.now = 20_000
        ground.book.look(moment(ground.now))
        track = ground.track()
        for number, planned in enumerate((100, 200), 1):
            learned = learn_at(ground.book.cases(track, track.learn_from), planned, track.terms)
            proof = threshold_proof(learned, planned, ground.remits.given)
            body = certificate_body(
                track, ground.remits.given, "m" * 64, "sampled", proof, moment(ground.now), ground.book.reached,
                learned.threshold_bp,
            )  # fmt: skip
            name = issue(ground, body, number)
            with tempfile.TemporaryDirectory() as folder:
                problems = verify_certificate(quick, Path(folder) / "x", name)
            if learned.threshold_bp is None:
                assert problems == ("certificate: no threshold keeps the promise",)
            else:
                assert problems == ()


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, dict[str, str]]:
    """The file of a ledger with a certificate of each method, found good; their digests by method."""
    path = tmp_path_factory.mktemp("made") / "made.db"
    store = open_store(f"sqlite:{path}")
    try:
        return path, _climb(store)
    finally:
        store.close()


@pytest.fixture
def climbed(made: tuple[Path, dict[str, str]], tmp_path: Path) -> Iterator[tuple[Warded, dict[str, str]]]:
    """A copy of that ledger, to do with as one likes."""
    shutil.copy(made[0], tmp_path / "copy.db")
    store = open_store(f"sqlite:{tmp_path / 'copy.db'}")
    ground = Warded(store, autonomy(plan=(100,), promise_bp=800, sure_bp=9_000))
    yield ground, made[1]
    ground.close()
    store.close()


def _climb(store: Store) -> dict[str, str]:
    written = Written()
    with warded(store, plan=(100,), promise_bp=800, sure_bp=9_000) as ground:
        for number in range(240):
            action = written.decide(f"a{number}", 1_000 + number, 6_000 + number % 30 * 100, draw=number * 61 % 10_000)
            written.outcome(action, "source:erp", number not in (7, 67))
        written.flush(ground.journal)
        ground.now = 1_500
        assert ground.look() == [("certificate", "", "supervised", "mixture")]
        found = {"mixture": ground.track().proposed}
        ground.promotion.perform(dict(ground.proposed[-1].arguments), "k1")
        first, second = ground.look()
        assert first[0] == "threshold" and second == ("certificate", "", "sampled", "learn-then-test")
        found["learn-then-test"] = ground.track().proposed
        ground.promotion.perform(dict(ground.proposed[-1].arguments), "k2")
        ground.remits.version = "v2"
        assert ground.look() == [("stage", "", "shadow", "voided")]
        newer = Written("v2")
        for number in range(240):
            newer.outcome(newer.decide(f"a{number}", 2_000 + number, 7_000), "source:erp", number not in (7, 67))
        newer.flush(ground.journal)
        ground.now = 2_500
        assert ("certificate", "", "sampled", "paired") in ground.look()
        found["paired"] = next(
            orjson.loads(body)["data"]["digest"]
            for (body,) in store.read("select body from event where kind = 'certificate.issued' order by seq desc")
            if b'"paired"' in body.encode()
        )
        return found


@pytest.mark.parametrize("method", ["mixture", "learn-then-test", "paired"])
def test_good_certificates_hold(climbed: tuple[Warded, dict[str, str]], method: str, tmp_path: Path) -> None:
    ground, found = climbed
    assert verify_certificate(ground.store, tmp_path / "x", found[method]) == ()


def _reissued(ground: Warded, name: str, change: dict[str, Any]) -> str:
    """The same certificate with a number changed, by somebody who holds the signing key."""
    rows = ground.store.read("select body from event where case_id = ? and kind = 'certificate.issued'", (name,))
    body = orjson.loads(rows[0][0])["data"]["body"]
    for place, value in change.items():
        part, _, inner = place.partition(".")
        if inner:
            body[part][inner] = value
        else:
            body[part] = value
    return issue(ground, body, 90)


@pytest.mark.parametrize(
    ("method", "change", "words"),
    [
        ("mixture", {"proof.trials": 400}, "trials"),
        ("mixture", {"proof.errors": 0}, "errors"),
        ("mixture", {"proof.missing": 5}, "missing"),
        ("mixture", {"proof.log_evidence": (99.0).hex()}, "log evidence"),
        ("mixture", {"proof.required": (0.5).hex()}, "required"),
        ("mixture", {"proof.upper": (0.001).hex()}, "upper bound"),
        ("mixture", {"proof.delta": (0.5).hex()}, "delta"),
        ("mixture", {"from": "supervised"}, "stage it rises from"),
        ("mixture", {"from_seq": 3}, "beginning of its window"),
        ("mixture", {"terms.matures_seconds": 1_000_000}, "trials"),
        ("learn-then-test", {"proof.threshold_bp": 100}, "threshold"),
        ("learn-then-test", {"threshold_bp": 100}, "threshold in force"),
        ("learn-then-test", {"proof.errors": 0}, "errors"),
        ("learn-then-test", {"proof.plan_at": 99}, "99 labels"),
        ("learn-then-test", {"proof.bound": (0.5).hex()}, "bound"),
        ("learn-then-test", {"promise_bp": 100}, "bound|threshold"),
        ("paired", {"proof.better": 40}, "better"),
        ("paired", {"proof.margin": (0.3).hex()}, "log evidence"),
        ("paired", {"proof": []}, "cannot be read"),
        ("mixture", {"proof.bound": "nonsense"}, "cannot be read"),
        ("mixture", {"to_seq": 10**9}, "was issued at"),
    ],
)
def test_numbers_that_were_made_up_are_found(
    climbed: tuple[Warded, dict[str, str]], method: str, change: dict[str, Any], words: str, tmp_path: Path
) -> None:
    ground, found = climbed
    (problem,) = verify_certificate(ground.store, tmp_path / "x", _reissued(ground, found[method], change))
    assert any(word in problem for word in words.split("|")), problem


@pytest.mark.parametrize("method", ["mixture", "learn-then-test", "paired"])
def test_labels_that_were_changed_are_found(
    climbed: tuple[Warded, dict[str, str]], method: str, tmp_path: Path
) -> None:
    """Somebody rewrites history, and signs all of it anew: the certificates no longer fit."""
    ground, found = climbed
    with ground.store.transaction() as transaction:
        body = orjson.loads(transaction.fetch("select body from event where seq = 35")[0][0])
        assert body["kind"] == "outcome.recorded" and body["data"]["right"]
        body["data"]["right"] = False
        _rewrite(transaction, 35, body)
    assert verify_certificate(ground.store, tmp_path / "x", found[method]) != ()


def _rewrite(transaction: Any, place: int, body: dict[str, Any]) -> None:
    from remit.canonical import canonical
    from remit.ledger.verify import leaf_hash

    text = canonical(body)
    transaction.execute("update event set body = ?, leaf = ? where seq = ?", (text.decode(), leaf_hash(text), place))


def test_a_body_or_a_signature_that_is_not_its_own_is_found(
    climbed: tuple[Warded, dict[str, str]], tmp_path: Path
) -> None:
    ground, found = climbed
    name = found["mixture"]
    rows = ground.store.read("select body from event where case_id = ? and kind = 'certificate.issued'", (name,))
    data = orjson.loads(rows[0][0])["data"]
    other = digest({"x": 1})
    ground.journal.append_now(Event("certificate.issued", "remit", {**data, "digest": other}, other))
    assert verify_certificate(ground.store, tmp_path / "a", other) == ("certificate: its body has another digest",)
    changed = {**data["body"], "at": data["body"]["at"] + 1}
    unsigned = digest(changed)
    ground.journal.append_now(
        Event("certificate.issued", "remit", {**data, "digest": unsigned, "body": changed}, unsigned)
    )
    assert verify_certificate(ground.store, tmp_path / "b", unsigned) == (
        "certificate: its signature is on something else",
    )
    assert verify_certificate(ground.store, tmp_path / "c", "0" * 64) == ("certificate: it is not in this export",)
