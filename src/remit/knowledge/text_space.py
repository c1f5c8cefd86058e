"""Which texts are near in meaning: by shared words, and by words that go together. The only importer of scikit-learn.

Latent semantic analysis (Deerwester and others 1990): a truncated decomposition of weighted word counts puts texts
close whose words keep the same company, also where they share none. Nothing is trained elsewhere or kept: what is near
is worked out from the very texts that are asked about, so nobody's results show what others may see.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Final

from remit.errors import BadInput

__all__ = ["nearest_texts"]

SEED: Final = 1
DIMENSIONS_MAX: Final = 200
TEXTS_EACH: Final = 40
"""Texts for each dimension, of which there are two at least: with as many as texts, nothing would go together."""
TEXTS_MIN: Final = 20
"""Of fewer texts nobody can tell which words go together: only the words themselves count."""
KEPT_LEAST: Final = 0.1
"""What of a text's length, which is one, must be left in the space: of the rest it says nothing but noise."""
MEANING_SHARE: Final = 0.5
"""How much the company of words counts, where the words themselves count one."""


def nearest_texts(
    texts: Sequence[str], text: str, words_of: Callable[[str], list[str]], least: float
) -> list[tuple[float, int]]:
    """Return how near each of ``texts`` is to ``text``, and its place, the nearest first; none below ``least``.

    ``words_of`` cuts a text into words. The same texts give the same order, wherever the arithmetic is the same.

    Raises:
        BadInput: scikit-learn is not installed.
    """
    try:
        from numpy.linalg import norm
        from sklearn.decomposition import TruncatedSVD
        from sklearn.feature_extraction.text import TfidfVectorizer
        from sklearn.preprocessing import normalize
    except ImportError:
        raise BadInput("searching by meaning needs the extra: pip install 'remit[embed]'") from None
    weights = TfidfVectorizer(analyzer=words_of, sublinear_tf=True)
    if not any(words_of(one) for one in texts):
        return []
    counts = weights.fit_transform(texts)
    asked = weights.transform([text])
    near = (counts @ asked.T).toarray()[:, 0]
    dimensions = min(DIMENSIONS_MAX, max(2, len(texts) // TEXTS_EACH), counts.shape[1] - 1)
    if len(texts) >= TEXTS_MIN and dimensions >= 2 and asked.nnz:
        space = TruncatedSVD(dimensions, random_state=SEED)
        places, place_asked = space.fit_transform(counts), space.transform(asked)
        for some in (places, place_asked):
            some[norm(some, axis=1) < KEPT_LEAST] = 0.0
        near = near + MEANING_SHARE * (normalize(places) @ normalize(place_asked)[0])
    found = [(round(float(one), 6), place) for place, one in enumerate(near)]
    return sorted((one for one in found if one[0] >= least), key=lambda one: (-one[0], one[1]))
