"""How alike strangers look to a query: what can be said of a hit without any label."""

from dataclasses import dataclass

import numpy as np

from inet_d2.search.similarity import combined_similarities
from inet_d2.search.store import Store, Where

SAMPLE = 2000  # people; median and spread of more differ by less than 3%
NORMAL_MAD = 1.4826  # median absolute deviation of a normal distribution to its standard deviation


@dataclass(frozen=True)
class NullDistribution:
    """Similarities of one query to people of the index, nearly all of whom are somebody else.

    Attributes:
        median: of the sample.
        spread: robust standard deviation (median absolute deviation, scaled); 0 where it cannot be told.
        size: how many people the sample has.
    """

    median: float
    spread: float
    size: int

    @classmethod
    def of(cls, store: Store, examples: np.ndarray, where: Where) -> "NullDistribution":
        """Compare (Q, D) examples with a sample of the people who count."""
        similarities = combined_similarities(store.rows(where, SAMPLE).embeddings, examples)
        if len(similarities) < 20:
            return cls(0.0, 0.0, len(similarities))
        median = float(np.median(similarities))
        return cls(median, NORMAL_MAD * float(np.median(np.abs(similarities - median))), len(similarities))

    def deviations(self, similarity: float) -> float | None:
        """Robust standard deviations above the median; ``None`` where fewer than 20 people tell nothing."""
        return (similarity - self.median) / self.spread if self.spread > 0 else None
