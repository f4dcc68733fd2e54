"""XQDA, cross-view quadratic discriminant analysis (Liao et al., CVPR 2015, arXiv 1406.4216).

Shapes: n rows of the first view, m of the second, c persons, D numbers a row, d dimensions of the subspace.
"""

from typing import Any

import numpy as np
from fvcore.common.config import CfgNode
from scipy import linalg

from inet_d2.baselines.distances.distance import DISTANCE_REGISTRY, Distance, QuadraticForm

SOLVERS = ("eigh", "svd")
_COLUMNS_AT_ONCE = 1024


def cross_covariances(
    first: np.ndarray, first_pids: np.ndarray, second: np.ndarray, second_pids: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Mean outer products of the differences between two views, of one person and of different ones.

    Sums over all pairs are products of sums by person, so that no pair is ever formed.

    Args:
        first: (n, D) float64 rows of one view.
        first_pids: (n,) int64; not everybody need be in both views.
        second: (m, D) float64 rows of the other.
        second_pids: (m,) int64.

    Returns:
        (D, D) float64 twice: within and between persons. Not centred.

    Raises:
        ValueError: there is no pair of one of the two kinds.
    """
    pids = np.unique(np.concatenate([first_pids, second_pids]))
    rows, labels = (first, second), [np.searchsorted(pids, p) for p in (first_pids, second_pids)]
    counts = [np.bincount(label, minlength=len(pids)).astype(np.float64) for label in labels]
    num_same = float(counts[0] @ counts[1])
    num_other = len(first) * len(second) - num_same
    if not num_same or not num_other:
        raise ValueError(
            f"XQDA: expected training people seen twice and others beside them, found {num_same:.0f} pairs of the same "
            f"person and {num_other:.0f} of different ones; train on a split with identities"
        )
    sums = [np.zeros((len(pids), first.shape[1])) for _ in rows]
    for total, label, row in zip(sums, labels, rows, strict=True):
        np.add.at(total, label, row)
    mixed = sums[0].T @ sums[1]
    same = -mixed - mixed.T
    for row, label, partners in zip(rows, labels, counts[::-1], strict=True):
        same += (row * partners[label][:, None]).T @ row
    between = np.outer(-sums[0].sum(axis=0), sums[1].sum(axis=0))
    between += between.T.copy()
    for row, partner in zip(rows, rows[::-1], strict=True):
        between += len(partner) * (row.T @ row)
    between -= same
    same /= num_same
    between /= num_other
    return same, between


def discriminant_subspace(
    within: np.ndarray, between: np.ndarray, dim: int, solver: str
) -> tuple[np.ndarray, np.ndarray]:
    """Directions in which different persons differ more than one person does.

    Args:
        within: (D, D) float64, positive.
        between: (D, D) float64.
        dim: d; -1 takes all whose ratio of the two is above 1, at least one.
        solver: "eigh", generalised eigenvectors as in the paper, or "svd", the left singular vectors that the authors'
            code takes.

    Returns:
        (D, d) float64, the largest ratio first, and (d, d) float64 M in that subspace.
    """
    if solver == "eigh":
        ratios, vectors = linalg.eigh(between, within)
        ratios, vectors = ratios[::-1], vectors[:, ::-1]
    else:
        vectors, ratios, _ = linalg.svd(linalg.solve(within, between, assume_a="pos"))
    dim = max(int((ratios > 1).sum()), 1) if dim < 0 else min(dim, len(ratios))
    basis = vectors[:, :dim]
    matrix = linalg.inv(basis.T @ within @ basis) - linalg.inv(basis.T @ between @ basis)
    return basis, (matrix + matrix.T) / 2


def span_coordinates(rows: np.ndarray, kept: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Write rows in an orthonormal basis of their span, by their inner products.

    Directions with less than 1e-10 of the largest sum of squares are left out; a regularised matrix does not see them.

    Args:
        rows: (n, D) float of any precision; widened block by block.
        kept: (v,) int64, which rows.

    Returns:
        (v, r) float64 coordinates, and (v, r) float64 W: the basis is X'W, X being the kept rows.
    """
    gram = np.zeros((len(kept), len(kept)))
    for block in _column_blocks(rows):
        part = rows[kept, block].astype(np.float64)
        gram += part @ part.T
    squares, vectors = linalg.eigh(gram, overwrite_a=True, check_finite=False)
    is_seen = squares > 1e-10 * squares.max(initial=0)
    vectors, lengths = vectors[:, is_seen], np.sqrt(squares[is_seen])
    return vectors * lengths, vectors / lengths


def weighted_sums(rows: np.ndarray, kept: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """X'W of the kept rows X, (D, d) float32, from (n, D) rows, (v,) indices and (v, d) float64 W."""
    sums = np.empty((rows.shape[1], weights.shape[1]), dtype=np.float32)
    for block in _column_blocks(rows):
        sums[block] = rows[kept, block].astype(np.float64).T @ weights
    return sums


def _column_blocks(rows: np.ndarray) -> list[slice]:
    return [slice(start, start + _COLUMNS_AT_ONCE) for start in range(0, rows.shape[1], _COLUMNS_AT_ONCE)]


def split_views(pids: np.ndarray, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Part the rows of each person at random into two views of equal size; an odd one is left out.

    Args:
        pids: (n,) int64.
        seed: of the order.

    Returns:
        The rows of the first and of the second view, (v,) int64 each.
    """
    shuffled = np.random.default_rng(seed).permutation(len(pids))
    order = shuffled[np.argsort(pids[shuffled], kind="stable")]
    _, starts, counts = np.unique(pids[order], return_index=True, return_counts=True)
    within = np.arange(len(pids)) - np.repeat(starts, counts)
    halves = np.repeat(counts // 2, counts)
    return order[within < halves], order[(within >= halves) & (within < 2 * halves)]


@DISTANCE_REGISTRY.register()
class XQDA(Distance):
    """A subspace and a distance in it, learned together.

    Args:
        regulariser: added to the diagonal of the within-person matrix, > 0; descriptors of about unit length are meant,
            so do not rescale them.
        dim: of the subspace; -1 lets the data decide.
        solver: see :func:`discriminant_subspace`.

    Raises:
        ValueError: a setting is out of its range.
    """

    def __init__(self, *, regulariser: float = 0.001, dim: int = -1, solver: str = "eigh") -> None:
        if solver not in SOLVERS:
            raise ValueError(f"TWO_STEP.XQDA.SOLVER: expected one of {', '.join(SOLVERS)}, found {solver!r}")
        if regulariser <= 0 or dim == 0:
            raise ValueError(f"TWO_STEP.XQDA: expected LAMBDA > 0 and DIM other than 0, found {regulariser} and {dim}")
        self.regulariser, self.dim, self.solver = regulariser, dim, solver
        self._basis: np.ndarray | None = None
        self._form: QuadraticForm | None = None

    @classmethod
    def from_config(cls, node: CfgNode) -> dict[str, Any]:
        """Read ``XQDA``."""
        xqda = node.XQDA
        return {"regulariser": xqda.LAMBDA, "dim": xqda.DIM, "solver": xqda.SOLVER}

    def fit(self, rows: np.ndarray, pids: np.ndarray) -> None:
        """Learn from (n, D) rows of (n,) identities, whose rows become the two views by :func:`split_views`.

        Rows that are longer than there are rows are first written in a basis of their own span: the same result, with
        matrices of n x n and no copy of the rows.

        Raises:
            ValueError: a kind of pair is missing.
        """
        first, second = split_views(pids)
        kept = np.concatenate([first, second])
        weights = None
        if rows.shape[1] > len(kept):
            views, weights = span_coordinates(rows, kept)
        else:
            views = rows[kept].astype(np.float64)
        parts = views[: len(first)], views[len(first) :]
        within, between = cross_covariances(parts[0], pids[first], parts[1], pids[second])
        within[np.diag_indices_from(within)] += self.regulariser
        basis, matrix = discriminant_subspace(within, between, self.dim, self.solver)
        mean = views.mean(axis=0) @ basis
        self._basis = (basis if weights is None else weighted_sums(rows, kept, weights @ basis)).astype(np.float32)
        self._form = QuadraticForm(matrix, mean)

    def gallery_rows(self, rows: np.ndarray) -> np.ndarray:
        """(n, D) rows to (n, d + 1)."""
        return self._form.gallery_rows(rows @ self._basis)

    def query_rows(self, rows: np.ndarray) -> np.ndarray:
        """(n, D) rows to (n, d + 1)."""
        return self._form.query_rows(rows @ self._basis)

    def findings(self) -> dict[str, float]:
        """Size of the subspace, and the eigenvalues of M that are negative."""
        negative = int((linalg.eigvalsh(self._form.matrix) < 0).sum())
        return {"dimensions": self._basis.shape[1], "negative eigenvalues": negative}
