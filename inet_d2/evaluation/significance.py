"""How sure a mean over queries is, and whether two models differ; pure functions of one value per query."""

from dataclasses import dataclass
from typing import Final

import numpy as np

_CELLS_AT_ONCE: Final = 1 << 22


@dataclass(frozen=True)
class PairedDifference:
    """The mean of one model minus that of another on the same queries.

    Attributes:
        difference: in the unit of the values.
        low: lower end of its bootstrap interval.
        high: upper end.
        p_value: of the sign-flip test: how often a difference at least as large comes up when neither model is better.
    """

    difference: float
    low: float
    high: float
    p_value: float


def bootstrap_interval(
    values: np.ndarray, *, confidence: float = 0.95, draws: int = 2000, seed: int = 0
) -> tuple[float, float]:
    """Percentile interval of a mean, by drawing as many queries again with replacement.

    Args:
        values: (Q,) float, one per query; Q >= 1.
        confidence: share of the draws inside, in (0, 1).
        draws: >= 1.
        seed: the same seed draws the same queries.

    Returns:
        Lower and upper end, in the unit of the values.

    Raises:
        ValueError: there are no values, or an argument is out of its range.

    Source: Efron, "Bootstrap methods: another look at the jackknife", 1979.
    """
    values = _checked(values)
    if not 0 < confidence < 1 or draws < 1:
        raise ValueError(f"bootstrap: expected confidence in (0, 1) and draws >= 1, found {confidence} and {draws}")
    generator = np.random.default_rng(seed)
    means = np.empty(draws)
    chunk = max(1, _CELLS_AT_ONCE // len(values))
    for first in range(0, draws, chunk):
        size = (min(chunk, draws - first), len(values))
        means[first : first + chunk] = values[generator.integers(len(values), size=size)].mean(axis=1)
    low, high = np.quantile(means, [(1 - confidence) / 2, (1 + confidence) / 2])
    return float(low), float(high)


def paired_difference(
    values: np.ndarray, others: np.ndarray, *, confidence: float = 0.95, draws: int = 10000, seed: int = 0
) -> PairedDifference:
    """Compare two models query by query.

    Args:
        values: (Q,) float of one model.
        others: (Q,) float of the other, on the same queries in the same order.
        confidence: see :func:`bootstrap_interval`.
        draws: of signs, and of queries.
        seed: see :func:`bootstrap_interval`.

    Returns:
        The difference, its interval, and the p-value of a two-sided sign-flip test, at least 1 / (draws + 1).

    Raises:
        ValueError: the numbers of values differ, or see :func:`bootstrap_interval`.

    Source: Smucker et al., "A comparison of statistical significance tests for information retrieval evaluation",
    CIKM 2007.
    """
    values, others = _checked(values), _checked(others)
    if len(values) != len(others):
        raise ValueError(f"paired test: expected as many values of both, found {len(values)} and {len(others)}")
    differences = values - others
    low, high = bootstrap_interval(differences, confidence=confidence, draws=draws, seed=seed)
    generator = np.random.default_rng(seed)
    total = np.abs(differences.sum())
    # Signs of zeros change nothing, and sums of the same numbers in another order differ in their last bits.
    moving = differences[differences != 0]
    tolerance = 1e-9 * np.abs(moving).sum()
    as_large, chunk = 0, max(1, _CELLS_AT_ONCE // max(len(moving), 1))
    for first in range(0, draws, chunk):
        signs = generator.integers(2, size=(min(chunk, draws - first), len(moving))) * 2.0 - 1.0
        as_large += int((np.abs(signs @ moving) >= total - tolerance).sum())
    return PairedDifference(float(differences.mean()), low, high, (as_large + 1) / (draws + 1))


def _checked(values: np.ndarray) -> np.ndarray:
    values = np.asarray(values, dtype=np.float64)
    if values.ndim != 1 or not len(values):
        raise ValueError(f"values: expected one for each query, (Q,) with Q >= 1, found {values.shape}")
    return values
