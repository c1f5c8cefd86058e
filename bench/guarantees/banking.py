"""BANKING77 as an agent's traffic: a plain classifier's decisions on questions that it was not trained on.

TF-IDF of words and characters with logistic regression, 60 examples an intent; what is left is held out and becomes
the pool. For drift, every eighth intent is kept from a second classifier: when these questions come, they are out of
its scope and always answered wrongly. CLINC150, on which the targets were first studied and which has questions out
of any bank's scope, is not at hand here; these are much nearer to what the classifier knows, and harder to notice.
"""

from __future__ import annotations

import csv
import warnings
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Final

import numpy as np
from bench.guarantees.pool import DecisionPool
from numpy.typing import NDArray

from remit.errors import BadInput

__all__ = ["BankTraffic", "bank_pool", "bank_traffic", "group_of"]

DATA: Final = Path(__file__).resolve().parents[2] / "examples" / "inquiries" / "data"
_SHOWN: Final = 60
_UNKNOWN_EVERY: Final = 8
_SEED: Final = 2026
_TYPO_RATE: Final = 0.08
_GROUPS: Final = (
    ("top-up", ("top_up", "topping_up")),
    ("transfer", ("transfer", "beneficiary", "receiving_money")),
    ("exchange", ("exchange", "currenc")),
    ("cash", ("cash", "atm_")),
    ("secret", ("pin", "passcode", "compromised", "lost_or_stolen")),
    ("identity", ("identity", "personal_details", "source_of_funds", "age_limit", "terminate")),
    ("payment", ("payment", "refund", "charge", "apple_pay", "transaction")),
    ("virtual card", ("virtual",)),
    ("card", ("card", "contactless")),
)


def group_of(intent: str) -> str:
    """Return the class of action that an intent belongs to, by the first word of the list that it holds."""
    return next((group for group, words in _GROUPS if any(word in intent.lower() for word in words)), "other")


@dataclass(frozen=True, slots=True, eq=False)
class BankTraffic:
    """What comes to the desk: questions in scope, the same with typing errors, and questions out of scope.

    ``changes`` marks the rows of ``inside`` whose right answer is another one after a silent change of meaning: half
    of the intents of the group ``changed``.
    """

    inside: DecisionPool
    typos: DecisionPool
    outside: DecisionPool
    changes: NDArray[np.bool_]
    changed: str


def bank_pool() -> tuple[DecisionPool, DecisionPool]:
    """Return the pool of all 77 intents, and the same decisions with confidences of an overconfident agent."""
    taught, held = _split(_questions(), shown=_SHOWN)
    model = _fitted(taught)
    return _decided("BANKING77", model, held), _decided("BANKING77, overconfident", model, held, sharpened=3.0)


def bank_traffic() -> BankTraffic:
    """Return the traffic of an agent that was never shown every eighth intent."""
    questions = _questions()
    intents = sorted({intent for _, intent in questions})
    unknown = set(intents[::_UNKNOWN_EVERY])
    taught, held = _split([row for row in questions if row[1] not in unknown], shown=_SHOWN)
    model = _fitted(taught)
    inside = _decided("BANKING77, 67 intents", model, held)
    random = np.random.default_rng(_SEED)
    typos = _decided("with typing errors", model, [(_mistyped(text, random), intent) for text, intent in held])
    outside = _decided("out of scope", model, [row for row in questions if row[1] in unknown])
    # The group whose share of the traffic is nearest to a tenth; every other of its intents changes.
    groups = [group_of(intent) for _, intent in held]
    changed = min(sorted(set(groups)), key=lambda group: abs(groups.count(group) / len(groups) - 0.1))
    moved = set(sorted({intent for _, intent in held if group_of(intent) == changed})[::2])
    changes = np.array([intent in moved for _, intent in held])
    return BankTraffic(inside, typos, replace(outside, wrong=np.ones(len(outside), np.bool_)), changes, changed)


def _questions() -> list[tuple[str, str]]:
    rows = []
    for name in ("train.csv", "test.csv"):
        try:
            with (DATA / name).open(encoding="utf-8", newline="") as opened:
                rows += [(row["text"], row["category"]) for row in csv.DictReader(opened)]
        except OSError as error:
            raise BadInput(f"BANKING77 is not in examples/inquiries/data: {error!s:.120}") from None
    return rows


def _split(questions: list[tuple[str, str]], shown: int) -> tuple[list[tuple[str, str]], list[tuple[str, str]]]:
    order = np.random.default_rng(_SEED).permutation(len(questions))
    seen: dict[str, int] = {}
    taught: list[tuple[str, str]] = []
    held: list[tuple[str, str]] = []
    for place in order.tolist():
        intent = questions[place][1]
        seen[intent] = seen.get(intent, 0) + 1
        (taught if seen[intent] <= shown else held).append(questions[place])
    return taught, held


def _fitted(taught: list[tuple[str, str]]) -> Any:
    from sklearn.feature_extraction.text import TfidfVectorizer
    from sklearn.linear_model import LogisticRegression
    from sklearn.pipeline import make_pipeline, make_union

    words = TfidfVectorizer(ngram_range=(1, 2), sublinear_tf=True)
    characters = TfidfVectorizer(analyzer="char_wb", ngram_range=(2, 4), sublinear_tf=True, min_df=3)
    model = make_pipeline(make_union(words, characters), LogisticRegression(C=20.0, max_iter=60, tol=1e-3))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # 60 steps are enough for an agent that need not be good
        return model.fit([text for text, _ in taught], [intent for _, intent in taught])


def _decided(name: str, model: Any, rows: list[tuple[str, str]], sharpened: float = 1.0) -> DecisionPool:
    chances = model.predict_proba([text for text, _ in rows]) ** sharpened
    chances /= chances.sum(1, keepdims=True)
    answers = [str(model.classes_[place]) for place in chances.argmax(1)]
    names = tuple(sorted({group_of(str(intent)) for intent in model.classes_}))
    return DecisionPool(
        name,
        np.rint(chances.max(1) * 10_000).astype(np.int64),
        np.array([answer != intent for answer, (_, intent) in zip(answers, rows, strict=True)]),
        np.array([names.index(group_of(answer)) for answer in answers], dtype=np.int64),
        names,
    )


def _mistyped(text: str, random: np.random.Generator) -> str:
    """Drop, double or replace letters, eight in a hundred."""
    written = []
    for letter, chance in zip(text, random.random(len(text)), strict=True):
        if chance >= _TYPO_RATE:
            written.append(letter)
        elif chance >= _TYPO_RATE * 2 / 3:
            written.append(chr(97 + int(random.integers(26))))
        elif chance >= _TYPO_RATE / 3:
            written.append(letter * 2)
    return "".join(written)
