"""Cosine similarity; nothing is learned."""

import numpy as np

from inet_d2.baselines.distances.distance import DISTANCE_REGISTRY, Distance


@DISTANCE_REGISTRY.register()
class Cosine(Distance):
    """The angle between descriptors; a row of zeros is at right angles to all."""

    def gallery_rows(self, rows: np.ndarray) -> np.ndarray:
        """(n, D) rows at unit length."""
        rows = rows.astype(np.float64)
        return rows / np.maximum(np.linalg.norm(rows, axis=1, keepdims=True), 1e-12)

    def query_rows(self, rows: np.ndarray) -> np.ndarray:
        """As :meth:`gallery_rows`."""
        return self.gallery_rows(rows)
