"""The decisions that the guarantees are counted on: how sure an agent was, whether it was wrong, and of which class.

A pool *is* the population: samples are drawn from it with replacement, so that the true error of any rule is known
exactly and a broken promise is no matter of luck in a test set. A pool comes from BANKING77 (a classifier's held-out
decisions) or from anybody's CSV file with the columns ``confidence``, ``correct``, ``class`` and, if wanted, ``time``.
"""

from __future__ import annotations

import csv
import math
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from remit.errors import BadInput

__all__ = ["ROWS_MIN", "DecisionPool", "Ints", "read_pool"]

Ints = NDArray[np.int64]
ROWS_MIN: Final = 500
"""With fewer decisions a pool is no population: its largest steps are as large as the promises."""
ROWS_MAX: Final = 2_000_000
_BYTES_MAX: Final = 500_000_000
_TEXT_MAX: Final = 200
_CLASSES_MAX: Final = 900
_COLUMNS: Final = ("confidence", "correct", "class")
_YES: Final = {"1": True, "true": True, "yes": True, "0": False, "false": False, "no": False}


@dataclass(frozen=True, slots=True, eq=False)
class DecisionPool:
    """Decisions of one agent: confidence in basis points, whether wrong, and the class as a place in ``class_names``.

    ``in_time`` says that the rows stand in the order in which they were made.
    """

    name: str
    confidence_bp: Ints
    wrong: NDArray[np.bool_]
    classes: Ints
    class_names: tuple[str, ...]
    in_time: bool = False

    def __len__(self) -> int:
        return len(self.wrong)

    @property
    def error(self) -> float:
        """The share that is wrong."""
        return float(self.wrong.mean())

    def above(self, threshold_bp: int | None) -> tuple[float, float]:
        """Return the true error among decisions at or above ``threshold_bp`` and their share of all; none is (0, 0)."""
        chosen = self.confidence_bp >= (10_001 if threshold_bp is None else threshold_bp)
        count = int(chosen.sum())
        return (float(self.wrong[chosen].mean()), count / len(self)) if count else (0.0, 0.0)

    def curve(self) -> tuple[Ints, NDArray[np.float64], NDArray[np.float64]]:
        """Return every threshold there is, strictest first, with the true error and the share at or above it."""
        order = np.argsort(-self.confidence_bp, kind="stable")
        ordered = self.confidence_bp[order]
        last = np.append(ordered[1:] != ordered[:-1], True)  # equal confidences pass together
        count = np.arange(1, len(self) + 1)
        errors = np.cumsum(self.wrong[order]) / count
        return ordered[last], errors[last], (count / len(self))[last]

    def oracle(self, bound: float) -> tuple[int | None, float]:
        """Return the threshold that whoever knows all answers would set, and its coverage; (None, 0) without one."""
        thresholds, errors, shares = self.curve()
        good = np.flatnonzero(errors <= bound)
        return (int(thresholds[good[-1]]), float(shares[good[-1]])) if len(good) else (None, 0.0)

    def labelled(self, places: Ints) -> list[tuple[int, bool]]:
        """Return (confidence, wrong) of the decisions at ``places``, as `learn_threshold` takes them."""
        return list(zip(self.confidence_bp[places].tolist(), self.wrong[places].tolist(), strict=True))


def read_pool(path: Path) -> DecisionPool:
    """Read a pool from a CSV file (UTF-8, a header line). Rows with a ``time`` are put in its order.

    ``confidence`` is a number from 0 to 1, ``correct`` one of 1, 0, true, false, yes, no; ``class`` is text; ``time``
    is a number or a date as ISO 8601 writes it. Other columns are left alone.

    Raises:
        BadInput: the file cannot be read, a column is missing or stands there twice, or a value is none; the message
            names the line.
    """
    try:
        if path.stat().st_size > _BYTES_MAX:
            raise BadInput(f"{path.name}: larger than {_BYTES_MAX} bytes; hand in a sample of it")
        with path.open(encoding="utf-8-sig", newline="") as opened:
            rows = list(_rows(path.name, opened))
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise BadInput(f"{path.name}: cannot be read as CSV in UTF-8: {error!s:.120}") from None
    if not rows:
        raise BadInput(f"{path.name}: no rows below the header; expected decisions")
    timed = rows[0][3] is not None
    if timed:
        rows.sort(key=lambda row: row[3])
    names = tuple(sorted({row[2] for row in rows}))
    if len(names) > _CLASSES_MAX:
        raise BadInput(
            f"{path.name}: got {len(names)} classes, expected at most {_CLASSES_MAX}; is it the right column?"
        )
    place = {name: number for number, name in enumerate(names)}
    return DecisionPool(
        path.name,
        np.array([row[0] for row in rows], dtype=np.int64),
        np.array([not row[1] for row in rows], dtype=np.bool_),
        np.array([place[row[2]] for row in rows], dtype=np.int64),
        names,
        timed,
    )


def _rows(name: str, opened: Any) -> Iterator[tuple[int, bool, str, float]]:
    reader = csv.reader(opened, strict=True)
    header = [column.strip().lower() for column in next(reader, [])]
    for column in _COLUMNS:
        if header.count(column) != 1:
            raise BadInput(
                f"{name}, line 1: column {column!r} must stand there once: got {', '.join(header)!r:.120}; expected "
                "confidence, correct, class and, if wanted, time"
            )
    if header.count("time") > 1:
        raise BadInput(f"{name}, line 1: column 'time' stands there twice")
    places = [header.index(column) for column in _COLUMNS]
    time_at = header.index("time") if "time" in header else None
    for count, cells in enumerate(reader):
        line = f"{name}, line {reader.line_num}"
        if not cells:
            continue
        if count >= ROWS_MAX:
            raise BadInput(f"{line}: more than {ROWS_MAX} rows; hand in a sample")
        if len(cells) != len(header):
            raise BadInput(f"{line}: got {len(cells)} cells, expected {len(header)} as in the header")
        confidence, correct, class_ = (cells[at].strip() for at in places)
        if correct.lower() not in _YES:
            raise BadInput(f"{line}: correct must be 1, 0, true, false, yes or no: got {correct!r:.40}")
        if not 0 < len(class_) <= _TEXT_MAX:
            raise BadInput(f"{line}: class must be text of 1 to {_TEXT_MAX} characters: got {class_!r:.40}")
        moment = None if time_at is None else _moment(line, cells[time_at].strip())
        yield _confidence_bp(line, confidence), _YES[correct.lower()], class_, moment  # type: ignore[misc]


def _confidence_bp(line: str, text: str) -> int:
    try:
        value = float(text)
    except ValueError:
        value = math.nan
    if not 0.0 <= value <= 1.0:
        raise BadInput(f"{line}: confidence must be a number from 0 to 1: got {text!r:.40}")
    return round(value * 10_000)


def _moment(line: str, text: str) -> float:
    try:
        moment = float(text)
    except ValueError:
        try:
            read = datetime.fromisoformat(text)
            moment = (read if read.tzinfo else read.replace(tzinfo=UTC)).timestamp()
        except (ValueError, OverflowError):
            moment = math.nan
    if not math.isfinite(moment):
        raise BadInput(f"{line}: time must be a number or a date like 2026-01-31T08:00: got {text!r:.40}")
    return moment
