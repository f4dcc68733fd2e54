"""The interface of a distance, and the registry that a configuration chooses from.

Search ranks by inner products. A distance takes part by giving rows to queries and to the gallery whose inner product
falls as the distance grows:

| distance | gallery row | query row | inner product |
|---|---|---|---|
| cosine | z / norm | z / norm | cosine |
| squared Euclidean | [z, -z.z / 2] | [z, 1] | -distance / 2 + a number of the query |
| (x - y)'M(x - y) | [z, -z'Mz] | [2Mz, 1] | -distance + a number of the query |

A number of the query moves all its gallery alike and changes no rank. M need not be positive.
"""

from typing import Any

import numpy as np
from fvcore.common.config import CfgNode
from fvcore.common.registry import Registry

DISTANCE_REGISTRY = Registry("DISTANCE")
DISTANCE_REGISTRY.__doc__ = """
Distances: classes derived from :class:`Distance`, used where ``TWO_STEP.DISTANCE`` is their name.
"""


class Distance:
    """A distance between rows, fitted on labelled rows of the training split where it learns."""

    @classmethod
    def from_config(cls, node: CfgNode) -> dict[str, Any]:
        """Arguments of ``__init__`` from the configuration node ``TWO_STEP``; none here."""
        del node
        return {}

    def fit(self, rows: np.ndarray, pids: np.ndarray) -> None:
        """Learn; nothing for a distance that has nothing to learn.

        Args:
            rows: (n, D) float, descriptors of labelled training people.
            pids: (n,) int64 identities.
        """

    def gallery_rows(self, rows: np.ndarray) -> np.ndarray:
        """Rows for the gallery side of the inner product.

        Args:
            rows: (n, D) float descriptors.

        Returns:
            (n, E) float64.
        """
        raise NotImplementedError

    def query_rows(self, rows: np.ndarray) -> np.ndarray:
        """Rows for the query side; as :meth:`gallery_rows`."""
        raise NotImplementedError

    def findings(self) -> dict[str, float]:
        """What a user may want to know of the fit, by name, for the log."""
        return {}


def build_distance(node: CfgNode) -> Distance:
    """Build the distance that a configuration names.

    Args:
        node: ``cfg.TWO_STEP``.

    Returns:
        The distance, not fitted.

    Raises:
        ValueError: there is no distance of that name, or a setting does not fit it.
    """
    name = node.DISTANCE
    if name not in DISTANCE_REGISTRY:
        known = ", ".join(known for known, _ in DISTANCE_REGISTRY)
        raise ValueError(f"TWO_STEP.DISTANCE: expected one of {known}, found {name!r}")
    distance_class = DISTANCE_REGISTRY.get(name)
    return distance_class(**distance_class.from_config(node))


class QuadraticForm:
    """(x - y)'M(x - y) as inner products.

    Rows are moved by the training mean first: the distance does not change, and less is lost to cancellation.

    Args:
        matrix: (d, d) float64, symmetric, not necessarily positive.
        mean: (d,) float64.
    """

    def __init__(self, matrix: np.ndarray, mean: np.ndarray) -> None:
        self.matrix, self.mean = matrix, mean

    def gallery_rows(self, rows: np.ndarray) -> np.ndarray:
        """(n, d) rows to (n, d + 1): [z, -z'Mz]."""
        moved = rows.astype(np.float64) - self.mean
        return np.column_stack([moved, -((moved @ self.matrix) * moved).sum(axis=1)])

    def query_rows(self, rows: np.ndarray) -> np.ndarray:
        """(n, d) rows to (n, d + 1): [2Mz, 1]."""
        moved = rows.astype(np.float64) - self.mean
        return np.column_stack([2 * moved @ self.matrix, np.ones(len(rows))])
