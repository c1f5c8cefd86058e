"""Which of many certificates may be granted together, so that few of those granted are false.

e-BH, the Benjamini-Hochberg procedure on e-values. Controls: of the classes that it names, the expected share that do
not deserve it is at most ``delta``, however the classes depend on each other. Assumes: every class that could be named
takes part, also the hopeless ones, from the start; each log e-value is the *current* one of a process such as
`log_evidence_below` (the largest so far is no e-value); all are read at one moment, which may be chosen freely.

Source: Wang and Ramdas 2022.
"""

from __future__ import annotations

import math
from collections.abc import Mapping

from remit.errors import BadInput
from remit.stats.rate import check_probability

__all__ = ["log_evidence_required", "named_together"]


def named_together(log_evidence: Mapping[str, float], delta: float) -> tuple[str, ...]:
    """Return the names of the classes that may be certified together, the strongest first.

    ``log_evidence`` holds the current log e-value of every class of the portfolio, by name; minus infinity is one.

    Raises:
        BadInput: ``delta`` outside (0, 1), or an e-value that is no number.
    """
    required = log_evidence_required(log_evidence, delta)
    if required is None:
        return ()
    named = [(-value, name) for name, value in log_evidence.items() if value >= required]
    return tuple(name for _, name in sorted(named))


def log_evidence_required(log_evidence: Mapping[str, float], delta: float) -> float | None:
    """Return the log e-value that a class of this portfolio needs now; None when none can be named.

    Raises:
        BadInput: ``delta`` outside (0, 1), or an e-value that is no number.
    """
    check_probability("delta", delta)
    for name, value in log_evidence.items():
        if isinstance(value, bool) or not isinstance(value, int | float) or math.isnan(value):
            raise BadInput(f"log e-value of {name!r:.80}: got {value!r:.40}, expected a number")
    ordered = sorted(log_evidence.values(), reverse=True)
    for rank in range(len(ordered), 0, -1):
        required = math.log(len(ordered) / (delta * rank))
        if ordered[rank - 1] >= required:
            return required
    return None
