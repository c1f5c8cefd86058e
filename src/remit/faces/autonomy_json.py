"""What the verbs of earned autonomy return, as plain JSON. Shares are basis points; rates and bounds fractions of 1."""

from __future__ import annotations

from dataclasses import asdict
from datetime import datetime
from typing import TYPE_CHECKING, Any

from remit.canonical import from_moment
from remit.vocabulary import Json

if TYPE_CHECKING:
    from remit.app_autonomy import (
        CorrectedRate,
        FlaggedCase,
        OutcomeCounts,
        PaidTax,
        ReviewCase,
        ReviewQuality,
        TrackRecord,
    )

__all__ = ["flagged_json", "outcomes_json", "quality_json", "review_case_json", "tax_json", "track_json"]


def _plain(value: Any) -> Any:
    """``value`` with moments as text, tuples as lists, and names without the underscore that Python needs."""
    if isinstance(value, datetime):
        return from_moment(value)
    if isinstance(value, dict):
        return {name.rstrip("_"): _plain(one) for name, one in value.items()}
    return [_plain(one) for one in value] if isinstance(value, list | tuple) else value


def track_json(track: TrackRecord) -> dict[str, Json]:
    """What one version has earned for one action and class."""
    plain: dict[str, Json] = _plain(asdict(track))
    return plain | {"by_stage": dict(track.by_stage)}


def review_case_json(case: ReviewCase) -> dict[str, Json]:
    """One case of a person's review queue; ``answer`` is null while it is hidden."""
    shown: dict[str, Json] = _plain(
        {
            name: getattr(case, name)
            for name in ("action", "case", "agent", "version", "name", "kind", "role", "blind", "shown_at")
        }
    )
    facts: list[Json] = [dict(fact) for fact in case.facts]
    return shown | {
        "arguments": dict(case.arguments), "facts": facts,
        "answer": None if case.answer is None else dict(case.answer),
        "own_answer": None if case.own_answer is None else dict(case.own_answer),
    }  # fmt: skip


def flagged_json(one: FlaggedCase) -> dict[str, Json]:
    """One case that is worth a look."""
    plain: dict[str, Json] = _plain(asdict(one))
    return plain


def tax_json(paid: PaidTax) -> dict[str, Json]:
    """What people's time on one action has cost."""
    plain: dict[str, Json] = _plain(asdict(paid))
    return plain


def outcomes_json(counts: OutcomeCounts) -> dict[str, Json]:
    """What became of the rows of a file."""
    told: list[Json] = [{"at": place, "what": what} for place, what in counts.told]
    return {
        "recorded": counts.recorded, "known": counts.known, "unknown": counts.unknown,
        "impossible": counts.impossible, "told": told,
    }  # fmt: skip


def quality_json(quality: ReviewQuality, rates: tuple[CorrectedRate, ...]) -> dict[str, Json]:
    """How far reviewers can be believed."""
    reviewers: list[Json] = [_plain(asdict(one)) for one in quality.reviewers]
    corrected: list[Json] = [_plain(asdict(one)) for one in rates]
    return {
        "reviewers": reviewers, "planted": quality.planted, "erased": quality.erased, "broken": quality.broken,
        "corrected": corrected,
    }  # fmt: skip
