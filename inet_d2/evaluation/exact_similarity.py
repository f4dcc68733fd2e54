"""Similarities that are the same bits for any block size, thread count and matrix library.

A matrix product rounds differently when its blocks, threads or library change, and one rounded bit can swap two
ranks. Here embeddings are first rounded to a grid fine enough to lose nothing that 32-bit floats of unit length
carry, and coarse enough that 64-bit floats hold every partial sum of a dot product exactly. Sums without rounding
have one possible value, in whatever order they are taken.

The exact product of everything would take twice as long as the 32-bit one, so ranking computes the 32-bit one, whose
error is bounded, and asks for exact values only where two similarities lie closer than that bound.
"""

from typing import Final

import numpy as np

_GRID_BITS: Final = 26
_BELOW_ONE: Final = 1 - 2.0**-20
_PAIRS_AT_ONCE: Final = 1 << 13
_CELLS_AT_ONCE: Final = 1 << 20
_PAIRS_PER_ROW_TO_MULTIPLY: Final = 512


def to_grid(embeddings: np.ndarray, *, per_row: bool) -> np.ndarray:
    """Scale vectors to at most about unit length and round them to multiples of 2^-26.

    Dot products of two such sets are exact in float64: every product is a whole multiple of 2^-52, and by
    Cauchy-Schwarz no partial sum exceeds 1 by much, where 2 would still fit.

    Args:
        embeddings: (N, D) float32, finite, any length.
        per_row: divide each row by the power of two at its own length (for queries, whose scale does not change
            a ranking) instead of all by the one at the largest (for a gallery).

    Returns:
        (N, D) float64.
    """
    values = embeddings.astype(np.float64)
    values *= np.ldexp(1.0, _GRID_BITS - length_exponents(values, per_row=per_row))
    np.rint(values, out=values)
    values *= 2.0**-_GRID_BITS
    return values


def length_exponents(embeddings: np.ndarray, *, per_row: bool) -> np.ndarray:
    """The power of two next above the length of vectors; a length just above one counts as that one.

    Args:
        embeddings: (N, D) float.
        per_row: as for ``to_grid``.

    Returns:
        (N, 1) int exponents, or (1, 1) for all rows together.
    """
    lengths = np.sqrt(np.einsum("nd,nd->n", embeddings, embeddings, dtype=np.float64))[:, None]
    if not per_row:
        lengths = lengths.max(axis=0, keepdims=True, initial=0.0)
    # The factor keeps unit vectors, of length 1 up to rounding, on one side of the power of two.
    return np.frexp(lengths * _BELOW_ONE)[1]


class Similarities:
    """Similarities between queries and a gallery: fast ones with a known error, and exact ones.

    Args:
        queries: (Q, D) float32.
        gallery: (N, D) float32.
        per_row: scale each query on its own; False keeps similarities of different queries comparable.

    Attributes:
        margin: an approximate similarity differs from the exact one by less.
    """

    def __init__(self, queries: np.ndarray, gallery: np.ndarray, *, per_row: bool = True) -> None:
        self._queries = to_grid(queries, per_row=per_row)
        self._gallery = to_grid(gallery, per_row=False)
        self._queries32, self._gallery32 = self._queries.astype(np.float32), self._gallery.astype(np.float32)
        # A sum of D products with unit roundoff u is off by less than D u for vectors of unit length; the inputs of
        # the 32-bit product were rounded too, and the bounds compared with are rounded again.
        self.margin = 1.1 * (queries.shape[1] + 64) * 2.0**-24

    def approximate(self, first: int, last: int) -> np.ndarray:
        """(last - first, N) float32 similarities of a block of queries."""
        return self._queries32[first:last] @ self._gallery32.T

    def exact(self, first: int, last: int) -> np.ndarray:
        """(last - first, N) float64 similarities of a block of queries."""
        return self._queries[first:last] @ self._gallery.T

    def exact_pairs(self, queries: np.ndarray, detections: np.ndarray) -> np.ndarray:
        """Exact similarities of single pairs.

        Args:
            queries: (T,) int64 rows of the queries, ascending.
            detections: (T,) int64 rows of the gallery.

        Returns:
            (T,) float64.
        """
        found = np.empty(len(queries))
        rows, places = np.unique(queries, return_inverse=True)
        if len(queries) > _PAIRS_PER_ROW_TO_MULTIPLY * len(rows):
            chunk = max(1, _CELLS_AT_ONCE // len(self._gallery))
            for first in range(0, len(rows), chunk):
                block = self._queries[rows[first : first + chunk]] @ self._gallery.T
                part = slice(*np.searchsorted(places, [first, first + chunk]))
                found[part] = block[places[part] - first, detections[part]]
            return found
        for first in range(0, len(queries), _PAIRS_AT_ONCE):
            part = slice(first, first + _PAIRS_AT_ONCE)
            found[part] = np.einsum("td,td->t", self._queries[queries[part]], self._gallery[detections[part]])
        return found
