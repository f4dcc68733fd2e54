"""Principal components of rows that may be much longer than there are rows."""

from dataclasses import dataclass

import numpy as np
from scipy.linalg import eigh

_COLUMNS_AT_ONCE = 4096
_ROWS_AT_ONCE = 4096


@dataclass(frozen=True, eq=False)
class PrincipalComponents:
    """A projection without whitening.

    Attributes:
        mean: (D,) float32, of the rows it was fitted on.
        components: (D, d) float32, orthonormal columns, the largest variance first; the largest entry of each is
            positive, so that two machines agree.
        energy: part of the variance kept, in [0, 1].
    """

    mean: np.ndarray
    components: np.ndarray
    energy: float

    def project(self, rows: np.ndarray) -> np.ndarray:
        """(n, D) rows to (n, d) float32."""
        shift = self.mean @ self.components
        return rows.astype(np.float32, copy=False) @ self.components - shift


def fit_pca(rows: np.ndarray, dim: int, *, key: str = "PCA_DIM") -> PrincipalComponents:
    """Find the directions of largest variance.

    Where rows are longer than there are rows, the (n, n) products of rows give them, in blocks of columns; memory
    beyond the rows is that matrix or (D, D), the components and one block.

    Args:
        rows: (n, D) float of any precision; float16 rows are widened block by block.
        dim: d, in [1, min(n - 1, D)].
        key: the configuration key that gave ``dim``, for the error.

    Returns:
        The projection.

    Raises:
        ValueError: ``dim`` is out of its range.
    """
    count, length = rows.shape
    limit = min(count - 1, length)
    if not 1 <= dim <= limit:
        raise ValueError(
            f"{key}: expected 1 to {limit} dimensions, since there are {count} training rows of {length} numbers, "
            f"found {dim}; ask for fewer"
        )
    mean = rows.mean(axis=0, dtype=np.float64)
    starts = range(0, length, _COLUMNS_AT_ONCE)
    blocks = [slice(start, start + _COLUMNS_AT_ONCE) for start in starts]
    if length <= count:
        covariance = np.zeros((length, length))
        for start in range(0, count, _ROWS_AT_ONCE):
            centred = rows[start : start + _ROWS_AT_ONCE] - mean
            covariance += centred.T @ centred
        values, vectors = eigh(covariance, overwrite_a=True)
        components, total = vectors[:, ::-1][:, :dim].astype(np.float32), values.sum()
        values = values[::-1][:dim]
    else:
        gram = np.zeros((count, count))
        for block in blocks:
            centred = rows[:, block].astype(np.float32) - mean[block].astype(np.float32)
            gram += centred @ centred.T
        total = np.trace(gram)
        values, vectors = eigh(gram, subset_by_index=(count - dim, count - 1), overwrite_a=True)
        values, vectors = values[::-1], vectors[:, ::-1] / np.sqrt(np.maximum(values[::-1], 1e-12))
        vectors = vectors.astype(np.float32)
        components = np.empty((length, dim), dtype=np.float32)
        for block in blocks:
            components[block] = (rows[:, block].astype(np.float32) - mean[block].astype(np.float32)).T @ vectors
    components *= np.where(components.max(axis=0) < -components.min(axis=0), np.float32(-1), np.float32(1))
    energy = float(values.sum() / total) if total > 0 else 1.0
    return PrincipalComponents(mean.astype(np.float32), np.ascontiguousarray(components, dtype=np.float32), energy)
