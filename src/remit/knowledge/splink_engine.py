"""Splink on DuckDB: learns how comparisons come out and scores candidate pairs. The only importer of both.

Linacre and others, Splink (MIT). Pairs are made, counted and scored in DuckDB; what comes out is plain numbers.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any, Final

from remit.errors import BadInput
from remit.knowledge.match_settings import MatchSettings
from remit.knowledge.pair_model import Comparison, Condition, PairModel, Prepared, hashed_value, rule_key

__all__ = ["SplinkEngine", "condition_sql"]

SAMPLE_PAIRS: Final = 500_000
SEED: Final = 1
ITERATIONS_MAX: Final = 8
"""Rounds of learning a training rule gets: `match_training` goes on from there, over all candidates at once."""
LIFT_BITS: Final = 12.0
"""What rare values that agree can add at most, for picking the candidates that are worth scoring."""
START: Final = 1e-4
"""The share of pairs that are one, before anything is learned; learning moves it."""


class SplinkEngine:
    """The records of one resolution in DuckDB, and what Splink does with them. Close it to give back the memory.

    Raises:
        BadInput: the extra ``resolve`` is not installed.
    """

    def __init__(self, settings: MatchSettings, prepared: Sequence[Prepared]):
        try:
            import duckdb
            import pyarrow
            import splink
        except ImportError:
            raise BadInput("resolving entities needs Splink: install remit[resolve]") from None
        logging.getLogger("splink").setLevel(logging.ERROR)  # else it reports each step as news
        self._settings, self._size = settings, len(prepared)
        self._pyarrow, self._splink = pyarrow, splink
        self._connection = duckdb.connect(
            config={"autoinstall_known_extensions": "false", "autoload_known_extensions": "false"}
        )
        self._connection.execute("set enable_progress_bar = false")
        self._api: Any = splink.DuckDBAPI(self._connection)
        table: dict[str, Any] = {"unique_id": pyarrow.array(range(len(prepared)), pyarrow.int64())}
        for form in sorted(prepared[0]) if prepared else ():
            kind = pyarrow.string()
            if form.endswith("_words"):
                kind = pyarrow.list_(pyarrow.string())
            elif form.endswith("_day"):
                kind = pyarrow.int64()
            table[form] = pyarrow.array([row[form] for row in prepared], kind)
        for number, rule in enumerate(settings.rules):
            keys = [rule_key(settings.columns, rule, row) for row in prepared]
            table[f"b{number}"] = pyarrow.array(keys, pyarrow.string())
        self._probed = ""
        self._frame: Any = self._api.register(pyarrow.table(table), dataset_display_name="rows")

    def close(self) -> None:
        """Give back the memory."""
        self._connection.close()

    def learn(self) -> list[list[tuple[float | None, float | None]]]:
        """Return (m, u) of each level of each comparison; None where Splink could not learn one.

        ``u`` by random sampling, ``m`` by expectation maximisation over the training rules.
        """
        linker = self._linker(self._settings.comparisons, START)
        linker.training.estimate_u_using_random_sampling(
            max_pairs=SAMPLE_PAIRS, seed=SEED, min_count_per_level=None, num_chunks=1
        )
        for forms in self._settings.training:
            try:
                linker.training.estimate_parameters_using_expectation_maximisation(
                    self._splink.block_on(*forms), estimate_without_term_frequencies=True
                )
            except Exception as error:  # no pair under this rule, or none that differs; the class is not public
                if type(error).__name__ not in ("EMTrainingException", "ValueError"):
                    raise
        # A round that fails leaves out the comparisons it was blocked on, so they are looked up by name.
        learned = {one["output_column_name"]: one for one in linker.misc.save_model_to_json()["comparisons"]}
        return [
            [
                (_number(level, "m_probability"), _number(level, "u_probability"))
                for level in learned[one.form]["comparison_levels"]
            ]
            if one.form in learned
            else [(None, None)] * len(one.levels)
            for one in self._settings.comparisons
        ]

    def patterns(self, comparisons: Sequence[Comparison]) -> list[tuple[tuple[int, ...], int]]:
        """Count the candidate pairs by how their comparisons come out: numbers of levels, -1 where neutral."""
        # Levels are made to weigh their own number, so that the weight tells which one held; a neutral one weighs 0.
        probes = [
            replace(
                one,
                levels=tuple(
                    replace(level, by_frequency=False, u=2.0**-40, m=2.0 ** (place - 39))
                    for place, level in enumerate(one.levels)
                ),
            )
            for one in comparisons
        ]
        self._probed = self._linker(probes, START).inference.predict(warning_mode="never").physical_name
        listed = ",".join(f"{_level_sql(one)}" for one in comparisons)
        numbers = ",".join(str(number + 1) for number in range(len(comparisons)))
        statement = f"select {listed}, count(*) from {self._probed} group by {numbers} order by {numbers}"  # noqa: S608
        return [(tuple(places), count) for *places, count in self._connection.sql(statement).fetchall()]

    def value_counts(self, form: str) -> list[tuple[str, int]]:
        """Return how often each value of ``form`` stands, most frequent first."""
        name = self._frame.physical_name
        statement = f"select {form}, count(*) from {name} where {form} is not null group by 1 order by 2 desc, 1"  # noqa: S608
        return [(str(value), int(count)) for value, count in self._connection.sql(statement).fetchall()]

    def score(self, model: PairModel, least: float, secret: bytes = b"") -> Iterator[tuple[int, int, float]]:
        """Yield the candidate pairs of weight ``least`` or more: two row numbers, the smaller first, and the weight."""
        linker = self._linker(model.comparisons, 1.0 / (1.0 + 2.0**-model.prior))
        for form, frequencies in model.frequencies.items():
            values = [value for value, _ in self.value_counts(form)]
            shares = [frequencies.shares.get(hashed_value(secret, form, value), frequencies.rest) for value in values]
            table = self._pyarrow.table({form: values, f"tf_{form}": shares})
            lookup = self._api.register(table, dataset_display_name=f"frequencies_{form}")
            linker.table_management.register_term_frequency_lookup(lookup, form)
        if not self._register_likely(linker, model, least):
            return
        scored = linker.inference.predict(threshold_match_weight=least, warning_mode="never")
        result = self._connection.execute(
            "select least(unique_id_l, unique_id_r), greatest(unique_id_l, unique_id_r), match_weight "  # noqa: S608
            f"from {scored.physical_name} order by 1, 2"
        )
        while rows := result.fetchmany(50_000):
            yield from rows

    def _register_likely(self, linker: Any, model: PairModel, least: float) -> int:
        """Have only those candidates scored that frequencies can still lift to ``least``; return how many."""
        cases = []
        for one in model.comparisons:
            listed = "".join(
                f" when {place} then cast({level.weight!r} as double)"
                for place, level in enumerate(one.levels)
                if not level.neutral
            )
            cases.append(f"case {_level_sql(one)}{listed} else 0.0 end")
        statement = (
            "select unique_id_l as join_key_l, unique_id_r as join_key_r, '0' as match_key "  # noqa: S608
            f"from {self._probed} where {'+'.join(cases)} >= {least - model.prior - LIFT_BITS!r}"
        )
        likely = self._connection.sql(statement).to_arrow_table()
        frame = self._api.register(likely, dataset_display_name="likely")
        linker.table_management.register_blocked_pairs_for_predict(frame)
        return int(likely.num_rows)

    def _linker(self, comparisons: Sequence[Comparison], prior: float) -> Any:
        settings = {
            "link_type": "dedupe_only",
            "unique_id_column_name": "unique_id",
            "sql_dialect": "duckdb",
            "probability_two_random_records_match": prior,
            "max_iterations": ITERATIONS_MAX,
            "em_convergence": 0.01,
            "retain_matching_columns": False,
            "retain_intermediate_calculation_columns": True,
            "comparisons": [_comparison_settings(one) for one in comparisons],
            "blocking_rules_to_generate_predictions": [
                {"blocking_rule": f"l.b{number} = r.b{number}", "sql_dialect": "duckdb"}
                for number in range(len(self._settings.rules))
            ],
        }
        # What it would check are settings that people write; for many columns that takes longer than all the rest.
        return self._splink.Linker(self._frame, settings, log_level=None, validate_settings=False)


def _level_sql(comparison: Comparison) -> str:
    return f"cast(round(mw_{comparison.form}) as integer) - 1"


def _number(level: Mapping[str, Any], name: str) -> float | None:
    value = level.get(name)
    return float(value) if isinstance(value, int | float) else None


def _comparison_settings(comparison: Comparison) -> dict[str, Any]:
    levels: list[dict[str, Any]] = []
    for level in comparison.levels:
        one: dict[str, Any] = {"sql_condition": condition_sql(level.condition), "label_for_charts": level.words}
        if level.neutral:
            one["is_null_level"] = True
        elif level.u:
            one |= {"m_probability": level.m, "u_probability": level.u}
        if level.by_frequency:
            one |= {"tf_adjustment_column": comparison.form, "tf_adjustment_weight": 1.0}
        levels.append(one)
    return {"output_column_name": comparison.form, "comparison_levels": levels}


def condition_sql(condition: Condition) -> str:
    """Write a condition of `pair_model` as SQL over ``X_l`` and ``X_r``."""
    word, *rest = condition
    if word == "else":
        return "ELSE"
    if word == "all":
        return " AND ".join(f"({condition_sql(tuple(one))})" for one in rest)  # type: ignore[arg-type]
    form = str(rest[0])
    if word == "missing":
        return f"{form}_l IS NULL OR {form}_r IS NULL"
    if word == "equal":
        return f"{form}_l = {form}_r"
    limit = rest[1]
    if word in ("crossed", "either_crossed"):
        joined = "AND" if word == "crossed" else "OR"
        return f"({form}_l = {limit}_r) {joined} ({limit}_l = {form}_r)"
    if word == "jaro_winkler":
        return f"jaro_winkler_similarity({form}_l, {form}_r) >= {limit}"
    if word == "damerau":
        return f"damerau_levenshtein({form}_l, {form}_r) <= {limit}"
    if word == "within":
        return f"abs({form}_l - {form}_r) <= {limit}"
    if word == "jaccard":
        both = f"len(list_intersect({form}_l, {form}_r))"
        return f"{both} >= {limit} * greatest(1, len({form}_l) + len({form}_r) - {both})"
    raise ValueError(f"condition {word!r:.40}")
