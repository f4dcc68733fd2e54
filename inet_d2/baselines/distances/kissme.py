"""KISSME, "keep it simple and straightforward metric" (Koestinger et al., CVPR 2012)."""

from typing import Any

import numpy as np
from fvcore.common.config import CfgNode
from scipy.linalg import eigh, inv

from inet_d2.baselines.distances.distance import DISTANCE_REGISTRY, Distance, QuadraticForm
from inet_d2.baselines.distances.pca import PrincipalComponents, fit_pca

NEGATIVES = ("all", "random")


def pair_covariances(
    rows: np.ndarray, pids: np.ndarray, negatives: str = "all", seed: int = 0
) -> tuple[np.ndarray, np.ndarray]:
    """Mean outer products of the differences within and between persons.

    Sums over all pairs are products of the rows' sums, so that no pair is ever formed.

    Args:
        rows: (n, d) float.
        pids: (n,) int64 identities.
        negatives: "all" pairs of different persons, or as many "random" ones as there are pairs of the same.
        seed: of the random pairs.

    Returns:
        (d, d) float64 twice: of pairs of the same person, and of different ones. Not centred.

    Raises:
        ValueError: there is no pair of one of the two kinds.
    """
    rows = rows.astype(np.float64)
    _, classes, counts = np.unique(pids, return_inverse=True, return_counts=True)
    sums = np.zeros((len(counts), rows.shape[1]))
    np.add.at(sums, classes, rows)
    num_same = int((counts * (counts - 1)).sum()) // 2
    num_other = len(rows) * (len(rows) - 1) // 2 - num_same
    if not num_same or not num_other:
        raise ValueError(
            f"KISSME: expected training people seen twice and others beside them, found {num_same} pairs of the same "
            f"person and {num_other} of different ones; train on a split with identities"
        )
    same = (rows * counts[classes][:, None]).T @ rows - sums.T @ sums
    if negatives == "random":
        differences = _random_differences(rows, classes, num_same, seed)
        return same / num_same, differences.T @ differences / num_same
    total = rows.sum(axis=0)
    every = len(rows) * rows.T @ rows - np.outer(total, total)
    return same / num_same, (every - same) / num_other


def _random_differences(rows: np.ndarray, classes: np.ndarray, count: int, seed: int) -> np.ndarray:
    generator = np.random.default_rng(seed)
    firsts, seconds = np.zeros(0, dtype=np.int64), np.zeros(0, dtype=np.int64)
    while len(firsts) < count:
        drawn = generator.integers(len(rows), size=(2, 2 * count))
        drawn = drawn[:, classes[drawn[0]] != classes[drawn[1]]]
        firsts, seconds = np.append(firsts, drawn[0]), np.append(seconds, drawn[1])
    return rows[firsts[:count]] - rows[seconds[:count]]


def likelihood_ratio(same: np.ndarray, other: np.ndarray) -> tuple[np.ndarray, int]:
    """M = same^-1 - other^-1, made positive.

    Args:
        same: (d, d) float64, invertible.
        other: (d, d) float64, invertible.

    Returns:
        (d, d) float64 symmetric, and how many of its eigenvalues were at most 1e-10 and became 1e-6.
    """
    values, vectors = eigh(inv(same) - inv(other))
    clipped = values <= 1e-10
    values = np.where(clipped, 1e-6, values)
    return (vectors * values) @ vectors.T, int(clipped.sum())


@DISTANCE_REGISTRY.register()
class KISSME(Distance):
    """Log-likelihood ratio of two Gaussians over differences, after principal components.

    Args:
        pca_dim: components kept; 0 keeps the rows as they are.
        negatives: see :func:`pair_covariances`.

    Raises:
        ValueError: ``negatives`` is unknown.
    """

    def __init__(self, *, pca_dim: int = 200, negatives: str = "all") -> None:
        if negatives not in NEGATIVES:
            raise ValueError(f"TWO_STEP.KISSME.NEGATIVES: expected one of {', '.join(NEGATIVES)}, found {negatives!r}")
        self.pca_dim, self.negatives = pca_dim, negatives
        self._pca: PrincipalComponents | None = None
        self._form: QuadraticForm | None = None
        self._num_clipped = 0

    @classmethod
    def from_config(cls, node: CfgNode) -> dict[str, Any]:
        """Read ``KISSME``."""
        return {"pca_dim": node.KISSME.PCA_DIM, "negatives": node.KISSME.NEGATIVES}

    def fit(self, rows: np.ndarray, pids: np.ndarray) -> None:
        """Learn from (n, D) rows of (n,) identities.

        Raises:
            ValueError: more dimensions are left than differences of the same person span, or a kind of pair is missing.
        """
        dim = self.pca_dim or rows.shape[1]
        spanned = len(rows) - len(np.unique(pids))
        if dim > spanned:
            raise ValueError(
                f"TWO_STEP.KISSME.PCA_DIM: expected at most {spanned} ({len(rows)} training rows less "
                f"{len(np.unique(pids))} people), found {dim}; ask for fewer"
            )
        self._pca = fit_pca(rows, self.pca_dim, key="TWO_STEP.KISSME.PCA_DIM") if self.pca_dim else None
        rows = self._reduced(rows)
        matrix, self._num_clipped = likelihood_ratio(*pair_covariances(rows, pids, self.negatives))
        self._form = QuadraticForm(matrix, rows.mean(axis=0, dtype=np.float64))

    def _reduced(self, rows: np.ndarray) -> np.ndarray:
        return self._pca.project(rows) if self._pca else rows

    def gallery_rows(self, rows: np.ndarray) -> np.ndarray:
        """(n, D) rows to (n, d + 1)."""
        return self._form.gallery_rows(self._reduced(rows))

    def query_rows(self, rows: np.ndarray) -> np.ndarray:
        """(n, D) rows to (n, d + 1)."""
        return self._form.query_rows(self._reduced(rows))

    def findings(self) -> dict[str, float]:
        """Eigenvalues of M that were not positive, and the part of the variance that PCA keeps."""
        kept = {"part of the variance kept": self._pca.energy} if self._pca else {}
        return {**kept, "eigenvalues raised to 1e-6": self._num_clipped}
