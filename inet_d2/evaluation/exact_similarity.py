"""Cosine similarities that are the same bits on every machine, for any block size and thread count.

A matrix product rounds differently when its blocks, threads or library change, and one rounded bit can swap
two ranks. Here embeddings are first rounded to a grid fine enough to lose nothing that 32-bit floats of unit
length carry, and coarse enough that 64-bit floats hold every partial sum of a dot product exactly. Sums
without rounding have one possible value, in whatever order they are taken.
"""

import numpy as np

_GRID_BITS = 26
_MARGIN = 1 + 2.0**-20


def snap_to_grid(embeddings: np.ndarray, *, per_row: bool) -> np.ndarray:
    """Round vectors to multiples of 2^-26 of (the power of two above) their length.

    Dot products of two snapped sets are then exact in float64: each product is a whole multiple of the
    product of the two steps, and by Cauchy-Schwarz no partial sum exceeds 2^52 of them (2^53 would still
    fit).

    Args:
        embeddings: (N, D) float32, finite, any length.
        per_row: use each row's own length (queries) instead of the largest (galleries, whose similarities are
            compared with each other and need one step).

    Returns:
        (N, D) float64; a change of at most 2^-26 of that length per component.
    """
    values = embeddings.astype(np.float64)
    lengths = np.sqrt(np.einsum("nd,nd->n", values, values))[:, None]
    if not per_row:
        lengths = lengths.max(axis=0, keepdims=True, initial=0.0)
    # The margin keeps unit vectors, of length 1 up to rounding, on one side of the power of two.
    steps = np.ldexp(1.0, np.frexp(lengths * _MARGIN)[1] - _GRID_BITS)
    values /= steps
    np.rint(values, out=values)
    values *= steps
    return values
