"""Re-ranking by neighbours that have each other among their nearest (k-reciprocal encoding); a pure function."""

import numpy as np
from scipy import sparse

from inet_d2.arrays import expand_ranges

_ROWS_AT_ONCE = 512
_PAIRS_AT_ONCE = 1 << 16


def k_reciprocal_distances(
    queries: np.ndarray, gallery: np.ndarray, *, k1: int = 20, k2: int = 6, weight: float = 0.3
) -> np.ndarray:
    """Distances that also count how much the neighbourhoods of two rows have in common.

    Neighbourhoods are sparse, so memory grows with (Q + G) k1 and with the answer, not with (Q + G)^2.

    Args:
        queries: (Q, D) float embeddings.
        gallery: (G, D) float embeddings.
        k1: neighbours that a row is described by, >= 1.
        k2: neighbours whose descriptions are averaged, >= 1.
        weight: of the distance itself, in [0, 1]; 1 leaves the ranking as it was.

    Returns:
        (Q, G) float32 in [0, 1].

    Raises:
        ValueError: an argument is out of its range, or lengths of embeddings differ.

    Source: Zhong et al., CVPR 2017 (arXiv 1701.08398).
    """
    if min(k1, k2) < 1 or not 0 <= weight <= 1 or queries.shape[1:] != gallery.shape[1:]:
        raise ValueError(
            "re-ranking: expected k1 and k2 of at least 1, weight in [0, 1] and embeddings of one length, found "
            f"{k1}, {k2}, {weight} and {queries.shape[1:]}, {gallery.shape[1:]}"
        )
    rows = np.concatenate([queries, gallery]).astype(np.float32)
    nearest, scales, direct = _neighbours(rows, len(queries), max(k1 + 1, k2))
    encoded = _encode(rows, scales, nearest, k1)
    if k2 > 1:
        encoded = _indicator(nearest[:, :k2]).multiply(1 / min(k2, len(rows))).tocsr() @ encoded
    overlap = _shared_weight(encoded, len(queries))
    return (1 - weight) * (1 - overlap / (2 - overlap)) + weight * direct


def _neighbours(rows: np.ndarray, num_queries: int, count: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """The ``count`` nearest of each row, itself included; its largest distance; queries to gallery, scaled by that."""
    lengths = np.einsum("nd,nd->n", rows, rows)
    count = min(count, len(rows))
    nearest = np.empty((len(rows), count), dtype=np.int64)
    scales = np.empty(len(rows), dtype=np.float32)
    direct = np.empty((num_queries, len(rows) - num_queries), dtype=np.float32)
    for first in range(0, len(rows), _ROWS_AT_ONCE):
        part = slice(first, min(first + _ROWS_AT_ONCE, len(rows)))
        squared = np.maximum(lengths[part, None] + lengths - 2 * rows[part] @ rows.T, 0)
        numbers = np.arange(part.stop - part.start)
        squared[numbers, numbers + part.start] = 0
        scales[part] = np.maximum(squared.max(axis=1), np.finfo(np.float32).tiny)
        in_part = max(min(part.stop, num_queries) - part.start, 0)
        direct[part.start : part.start + in_part] = squared[:in_part, num_queries:] / scales[part][:in_part, None]
        squared[numbers, numbers + part.start] = -1  # a copy of a row must not come before the row itself
        found = np.argpartition(squared, count - 1, axis=1)[:, :count]
        order = np.lexsort((found, np.take_along_axis(squared, found, axis=1)))
        nearest[part] = np.take_along_axis(found, order, axis=1)
    return nearest, scales, direct


def _encode(rows: np.ndarray, scales: np.ndarray, nearest: np.ndarray, k1: int) -> sparse.csr_matrix:
    """(N, N) weights of each row's neighbourhood, sums 1."""
    whole = _reciprocal(nearest[:, : k1 + 1])
    half = _reciprocal(nearest[:, : round(k1 / 2) + 1])  # the published code rounds halves to even, as Python does
    sizes = np.asarray(half.sum(axis=1)).ravel()
    common = (whole @ half.T).multiply(whole).tocoo()
    joins = common.data > 2 / 3 * sizes[common.col]
    joined = sparse.csr_matrix((np.ones(joins.sum()), (common.row[joins], common.col[joins])), shape=whole.shape)
    members = (whole + joined @ half).tocoo()
    weights = np.empty(len(members.data))
    for first in range(0, len(weights), _PAIRS_AT_ONCE):
        part = slice(first, first + _PAIRS_AT_ONCE)
        apart = rows[members.row[part]] - rows[members.col[part]]
        weights[part] = np.exp(-np.einsum("nd,nd->n", apart, apart) / scales[members.row[part]])
    weights /= np.bincount(members.row, weights, minlength=len(rows))[members.row]
    return sparse.csr_matrix((weights, (members.row, members.col)), shape=whole.shape)


def _reciprocal(nearest: np.ndarray) -> sparse.csr_matrix:
    """(N, N) of 0 and 1: rows that have each other among their nearest."""
    towards = _indicator(nearest)
    return towards.multiply(towards.T).tocsr()


def _indicator(nearest: np.ndarray) -> sparse.csr_matrix:
    size, count = nearest.shape
    places = np.arange(0, size * count + 1, count)
    return sparse.csr_matrix((np.ones(size * count), nearest.ravel(), places), shape=(size, size))


def _shared_weight(encoded: sparse.csr_matrix, num_queries: int) -> np.ndarray:
    """(Q, G) float32: sum over neighbours of the smaller of the two weights."""
    num_gallery = encoded.shape[0] - num_queries
    by_member = encoded[num_queries:].tocsc()
    sizes = np.diff(by_member.indptr)
    shared = np.zeros((num_queries, num_gallery), dtype=np.float32)
    step = max(_PAIRS_AT_ONCE // max(num_gallery, 1), 1)
    for first in range(0, num_queries, step):
        part = encoded[first : min(first + step, num_queries)].tocoo()
        places, pairs = expand_ranges(by_member.indptr[part.col], sizes[part.col])
        smaller = np.minimum(part.data[pairs], by_member.data[places])
        cells = part.row[pairs].astype(np.int64) * num_gallery + by_member.indices[places]
        sums = np.bincount(cells, smaller, minlength=part.shape[0] * num_gallery)
        shared[first : first + part.shape[0]] = sums.reshape(part.shape[0], num_gallery)
    return shared
