"""How much a person is like the examples of a query, and which people are most like them.

Shapes: N people, D embedding size, Q examples.
"""

import numpy as np

BEST_EXAMPLES = 3  # one lucky outlier among many pictures must not win


def combined_similarities(embeddings: np.ndarray, examples: np.ndarray) -> np.ndarray:
    """Compare people with all examples of one query.

    Args:
        embeddings: (N, D) float32, at most unit length.
        examples: (Q, D) float32, unit length, Q >= 1.

    Returns:
        (N,) float32 in [-1, 1]: the mean of the best min(3, Q) inner products.
    """
    if len(examples) <= BEST_EXAMPLES:  # the mean of all products is the product with the mean
        return embeddings @ examples.mean(axis=0)
    products = embeddings @ examples.T
    return np.partition(products, len(examples) - BEST_EXAMPLES, axis=1)[:, -BEST_EXAMPLES:].mean(axis=1)


def unit_rows(embeddings: np.ndarray) -> np.ndarray:
    """(N, D) embeddings of an index at unit length, whatever they were multiplied by; rows of zeros stay zeros."""
    lengths = np.linalg.norm(embeddings, axis=1, keepdims=True)
    return embeddings / np.where(lengths > 0, lengths, 1)


def nearest_similarities(embeddings: np.ndarray, examples: np.ndarray) -> np.ndarray:
    """(N,) largest inner product of each person with any example; -inf without examples."""
    if not len(examples):
        return np.full(len(embeddings), -np.inf, dtype=np.float32)
    return (embeddings @ examples.T).max(axis=1)


def top_rows(similarities: np.ndarray, top: int) -> np.ndarray:
    """Numbers of the ``top`` largest of (N,) values, largest first, equal ones in their order."""
    if len(similarities) > top:
        smallest = similarities[np.argpartition(similarities, len(similarities) - top)[-top:]].min()
        rows = np.flatnonzero(similarities >= smallest)  # more than top where the last ones are equal
        return rows[np.argsort(-similarities[rows], kind="stable")[:top]]
    return np.argsort(-similarities, kind="stable")[:top]
