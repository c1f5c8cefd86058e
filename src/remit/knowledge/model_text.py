"""A model of pairs as text, for the ledger: canonical JSON in which every fraction is the text of ``float.hex()``."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from remit.canonical import canonical, digest_bytes, parse
from remit.errors import BadInput
from remit.knowledge.match_words import MatchColumn
from remit.knowledge.pair_model import BlockKey, Comparison, Frequencies, Level, PairModel, Relation
from remit.vocabulary import Json

__all__ = ["model_digest", "model_text", "read_model"]

MODEL_VERSION: Final = 1


def model_text(model: PairModel) -> str:
    """Return the text of ``model``; the same model has the same text."""
    body: dict[str, Json] = {
        "version": MODEL_VERSION,
        "prior": model.prior.hex(),
        "sure_bp": model.sure_bp,
        "doubt_bp": model.doubt_bp,
        "columns": [
            {
                "name": one.name, "word": one.word, "kind": one.kind, "day_first": one.day_first,
                "long": one.long, "several": one.several,
            }
            for one in model.columns
        ],
        "comparisons": [
            {"column": one.column, "form": one.form, "levels": [_level_json(level) for level in one.levels]}
            for one in model.comparisons
        ],
        "rules": [[[list(part.columns), part.key] for part in rule] for rule in model.rules],
        "frequencies": {
            form: {"rest": one.rest.hex(), "shares": {key: share.hex() for key, share in one.shares.items()}}
            for form, one in model.frequencies.items()
        },
        "relations": [
            {
                "columns": list(one.columns), "prior": one.prior.hex(),
                "weights": [[weight.hex() for weight in weights] for weights in one.weights],
            }
            for one in model.relations
        ],
    }  # fmt: skip
    return canonical(body).decode()


def model_digest(model: PairModel) -> str:
    """Return the SHA-256 of the model's text."""
    return digest_bytes(model_text(model).encode())


def read_model(text: str) -> PairModel:
    """Read a model's text.

    Raises:
        BadInput: it is not a model, or one of a later version.
    """
    raw = parse(text)
    if not isinstance(raw, dict) or raw.get("version") != MODEL_VERSION:
        raise BadInput("this is no model of pairs that this release of remit can read; train it again")
    try:
        return _read(raw)
    except (AttributeError, KeyError, OverflowError, TypeError, ValueError, IndexError) as error:
        raise BadInput(f"the model of pairs is not whole ({error!r:.80}); train it again") from None


def _level_json(level: Level) -> dict[str, Json]:
    return {
        "if": _plain(level.condition), "words": level.words, "neutral": level.neutral,
        "by_frequency": level.by_frequency, "weight": level.weight.hex(), "m": level.m.hex(), "u": level.u.hex(),
    }  # fmt: skip


def _plain(condition: object) -> Json:
    return [_plain(one) for one in condition] if isinstance(condition, tuple) else condition  # type: ignore[return-value]


def _solid(condition: object) -> object:
    return tuple(_solid(one) for one in condition) if isinstance(condition, list) else condition


def _read(raw: Mapping[str, object]) -> PairModel:
    model: dict[str, list[dict[str, object]]] = raw  # type: ignore[assignment]
    comparisons = tuple(
        Comparison(
            str(one["column"]),
            str(one["form"]),
            tuple(
                Level(
                    _solid(level["if"]),  # type: ignore[arg-type]
                    str(level["words"]),
                    bool(level["neutral"]),
                    bool(level["by_frequency"]),
                    *(float.fromhex(level[name]) for name in ("weight", "m", "u")),
                )
                for level in one["levels"]  # type: ignore[attr-defined]
            ),
        )
        for one in model["comparisons"]
    )
    rules = tuple(tuple(BlockKey(tuple(columns), key) for columns, key in rule) for rule in raw["rules"])  # type: ignore[attr-defined]
    frequencies = {
        form: Frequencies(
            float.fromhex(one["rest"]), {key: float.fromhex(share) for key, share in one["shares"].items()}
        )
        for form, one in raw["frequencies"].items()  # type: ignore[attr-defined]
    }
    relations = tuple(
        Relation(
            tuple(one["columns"]),
            float.fromhex(one["prior"]),
            tuple(tuple(map(float.fromhex, weights)) for weights in one["weights"]),
        )
        for one in raw["relations"]  # type: ignore[attr-defined]
    )
    columns = tuple(MatchColumn(**one) for one in model["columns"])  # type: ignore[arg-type]
    result = PairModel(
        columns, comparisons, rules, frequencies, float.fromhex(str(raw["prior"])), int(str(raw["sure_bp"])),
        int(str(raw["doubt_bp"])), relations,
    )  # fmt: skip
    result.keys(result.prepare({}))
    result.scorer()
    return result
