"""Euclidean distance; only the mean of the training rows is learned, for exact sums."""

import numpy as np

from inet_d2.baselines.distances.distance import DISTANCE_REGISTRY, Distance


@DISTANCE_REGISTRY.register()
class Euclidean(Distance):
    """Straight distance between descriptors of any length."""

    def __init__(self) -> None:
        self._mean: np.ndarray | float = 0.0

    def fit(self, rows: np.ndarray, pids: np.ndarray) -> None:
        """Take the mean of (n, D) rows, which moves both sides and changes no distance."""
        del pids
        self._mean = rows.mean(axis=0, dtype=np.float64)

    def gallery_rows(self, rows: np.ndarray) -> np.ndarray:
        """(n, D) rows to (n, D + 1): [z, -z.z / 2]."""
        moved = rows.astype(np.float64) - self._mean
        return np.column_stack([moved, -(moved**2).sum(axis=1) / 2])

    def query_rows(self, rows: np.ndarray) -> np.ndarray:
        """(n, D) rows to (n, D + 1): [z, 1]."""
        return np.column_stack([rows.astype(np.float64) - self._mean, np.ones(len(rows))])
