"""The agent: words and pieces of words, and a logistic regression. Plain, as pilots are."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from .stream import Inquiry, Message, groups

__all__ = ["AGENT", "Recommendation", "Router"]

AGENT = "inquiry-router"
CONFIDENCE_BP_MAX = 10_000


@dataclass(frozen=True, slots=True)
class Recommendation:
    """What the agent would do with one inquiry; ``sure_bp`` is the probability it states, in basis points."""

    inquiry: Inquiry
    queue: str
    group: str
    sure_bp: int

    @property
    def right(self) -> bool:
        """Whether it belongs there, as only the story knows."""
        return self.queue == self.inquiry.belongs

    @property
    def arguments(self) -> dict[str, str]:
        """The arguments of the action."""
        return {"message": self.inquiry.id, "queue": self.queue, "group": self.group}


class Router:
    """A classifier that was fitted."""

    def __init__(self, model: Any):
        self._model = model

    @classmethod
    def fit(cls, messages: Sequence[Message]) -> Router:
        """Fit one on labelled messages."""
        from sklearn.feature_extraction.text import TfidfVectorizer
        from sklearn.linear_model import LogisticRegression
        from sklearn.pipeline import make_pipeline, make_union

        model = make_pipeline(
            make_union(
                TfidfVectorizer(ngram_range=(1, 2), sublinear_tf=True, min_df=2),
                TfidfVectorizer(analyzer="char_wb", ngram_range=(2, 4), sublinear_tf=True, min_df=5),
            ),
            LogisticRegression(C=20.0, max_iter=60, tol=1e-3),
        )
        model.fit([one.text for one in messages], [one.intent for one in messages])
        return cls(model)

    def recommend(self, inquiries: Iterable[Inquiry]) -> Iterator[Recommendation]:
        """Yield what it would do with each; all are read at once, which is far quicker than one by one."""
        taken = list(inquiries)
        if not taken:
            return
        names, known = self._model.classes_, groups()
        for inquiry, chances in zip(taken, self._model.predict_proba([one.text for one in taken]), strict=True):
            place = int(chances.argmax())
            queue = str(names[place])
            sure_bp = min(CONFIDENCE_BP_MAX, int(float(chances[place]) * CONFIDENCE_BP_MAX))
            yield Recommendation(inquiry, queue, known[queue], sure_bp)
