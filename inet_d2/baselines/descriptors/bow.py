"""Bag of words of colour names (Zheng et al., ICCV 2015, arXiv 1502.02171).

Shapes: n crops of 128 x 64 pixels in cells of 4 x 4, C = 512 cells of 11 colour-name probabilities, S = 16 stripes of
two rows of cells, W words.
"""

import warnings
from collections.abc import Iterable
from typing import Any

import numpy as np
from fvcore.common.config import CfgNode
from scipy.cluster.vq import kmeans2

from inet_d2.baselines.bow_tables import load_colour_names, load_columns
from inet_d2.baselines.descriptors.colour_names import NAMES, name_probabilities, survey_table
from inet_d2.baselines.descriptors.descriptor import DESCRIPTOR_REGISTRY, Descriptor

CELL = 4
ROWS_PER_STRIPE = 2
_CELLS_TO_CLUSTER = 20000
_CLUSTER_ROUNDS = 10


def gaussian_mask(rows: int, columns: int) -> np.ndarray:
    """Weight of each cell, exp(-x^2 - y^2) with x and y from -1 to 1 over the crop; (rows, columns) float64."""
    y, x = np.linspace(-1, 1, rows), np.linspace(-1, 1, columns)
    return np.exp(-(y[:, None] ** 2) - x**2)


def cell_means(probabilities: np.ndarray) -> np.ndarray:
    """Means over 4 x 4 pixels: (n, h, w, 11) to (n, h / 4, w / 4, 11) float32."""
    count, height, width, channels = probabilities.shape
    across = probabilities.reshape(count, height, width // CELL, CELL, channels).sum(axis=3)
    return across.reshape(count, height // CELL, CELL, width // CELL, channels).sum(axis=2) / CELL**2


def nearest_words(cells: np.ndarray, words: np.ndarray, num: int) -> tuple[np.ndarray, np.ndarray]:
    """Find the nearest words of each cell.

    Args:
        cells: (C, 11) float32.
        words: (W, 11) float32.
        num: of words, at most W.

    Returns:
        (C, num) int64 words, in no order, and (C, num) float32 Euclidean distances.
    """
    # |c - w|^2 without |c|^2, which is the same for all words of a cell, as one product.
    squares = np.column_stack([cells, np.ones(len(cells), np.float32)]) @ np.column_stack(
        [-2 * words, (words**2).sum(axis=1)]
    ).T.astype(np.float32)
    nearest = np.argpartition(squares, num - 1, axis=1)[:, :num]
    found = np.take_along_axis(squares, nearest, axis=1) + (cells**2).sum(axis=1, keepdims=True)
    return nearest, np.sqrt(np.maximum(found, 0))


def cluster_words(cells: np.ndarray, num_words: int) -> np.ndarray:
    """Choose words by k-means, from a fixed choice of cells to start with.

    Args:
        cells: (C, 11) float.
        num_words: W.

    Returns:
        (W, 11) float32.

    Raises:
        ValueError: fewer than W of the cells differ.
    """
    distinct = np.unique(cells, axis=0)
    if len(distinct) < num_words:
        raise ValueError(
            f"TWO_STEP.BOW.WORDS: expected at most the {len(distinct)} different cells of the training crops, found "
            f"{num_words}; ask for fewer words"
        )
    chosen = np.random.default_rng(0).permutation(len(distinct))[:num_words]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # a word that loses all its cells stays where it is
        words, _ = kmeans2(
            cells.astype(np.float64), distinct[chosen].astype(np.float64), _CLUSTER_ROUNDS, minit="matrix"
        )
    return words.astype(np.float32)


@DESCRIPTOR_REGISTRY.register()
class BagOfWords(Descriptor):
    """W words in each of 16 stripes; 5,600 numbers for 350 words.

    Args:
        size: (h, w) of the crops.
        num_words: W.
        neighbours: words that each cell counts for.
        sigma: a word at distance d gets exp(-d / sigma^2).
        table: (32768, 11) colour names, see :func:`name_probabilities`.
        words: (W, 11), or None to choose them from the training crops.

    Attributes:
        words: (W, 11) float32; None before :meth:`fit` where none were given.
        mean: (S * W,) float32, mean of the training histograms; "negative evidence" is how a row differs from it.
        scale: (S * W,) float32, root of the inverse document frequency.

    Raises:
        ValueError: ``size`` is no whole number of stripes, or a setting does not fit.
    """

    def __init__(
        self,
        *,
        size: tuple[int, int] = (128, 64),
        num_words: int = 350,
        neighbours: int = 10,
        sigma: float = 3.0,
        table: np.ndarray,
        words: np.ndarray | None = None,
    ) -> None:
        super().__init__(size=size)
        if self.size[0] % (CELL * ROWS_PER_STRIPE) or self.size[1] % CELL:
            raise ValueError(f"TWO_STEP.BOW.SIZE: expected multiples of 8 and 4, found {self.size}")
        if not 1 <= neighbours <= num_words or sigma <= 0:
            raise ValueError(
                f"TWO_STEP.BOW: expected NEIGHBOURS in [1, WORDS] and SIGMA > 0, found {neighbours} of {num_words} and "
                f"{sigma}"
            )
        self.num_words, self.neighbours, self.sigma = num_words, neighbours, sigma
        self.table, self.words = table, words
        rows, columns = self.size[0] // CELL, self.size[1] // CELL
        self.num_stripes = rows // ROWS_PER_STRIPE
        self._mask = gaussian_mask(rows, columns).reshape(-1, 1).astype(np.float32)
        self._stripes = (np.arange(rows) // ROWS_PER_STRIPE).repeat(columns)[:, None]
        self.mean = np.zeros(self.num_stripes * num_words, dtype=np.float32)
        self.scale = np.ones_like(self.mean)
        self._is_fitted = False

    @classmethod
    def from_config(cls, node: CfgNode) -> dict[str, Any]:
        """Read ``BOW`` and the files that it names."""
        bow = node.BOW
        words = load_columns(bow.CODEBOOK, None, "TWO_STEP.BOW.CODEBOOK") if bow.CODEBOOK else None
        return {
            "size": bow.SIZE,
            "num_words": bow.WORDS if words is None else len(words),
            "neighbours": bow.NEIGHBOURS,
            "sigma": bow.SIGMA,
            "table": load_colour_names(bow.COLOUR_NAMES) if bow.COLOUR_NAMES else survey_table(),
            "words": None if words is None else words[:, : len(NAMES)],
        }

    def fit(self, batches: Iterable[np.ndarray]) -> None:
        """Choose the words where none were given, and learn mean and rarity of each word in each stripe."""
        if self.words is None:
            generator = np.random.default_rng(0)
            num_crops = sum(len(crops) for crops in batches)
            per_crop = -(-_CELLS_TO_CLUSTER // max(num_crops, 1))
            cells = [self._cells(crops) for crops in batches]
            cells = [generator.permutation(c, axis=1)[:, :per_crop].reshape(-1, len(NAMES)) for c in cells]
            self.words = cluster_words(np.concatenate(cells), self.num_words)
        total, times, count = np.zeros(len(self.mean)), np.zeros(len(self.mean)), 0
        for crops in batches:
            counted = self.histograms(crops)
            total += counted.sum(axis=0)
            times += (counted > 0).sum(axis=0)
            count += len(counted)
        self.mean = (total / count).astype(np.float32)
        rarity = np.log(count / np.maximum(times, 1)) * (times > 0)
        self.scale = np.sqrt(rarity).astype(np.float32)
        self._is_fitted = True

    def histograms(self, crops: np.ndarray) -> np.ndarray:
        """What each word got in each stripe, evened by how often the crop has that word.

        Args:
            crops: (n, h, w, 3) uint8 RGB.

        Returns:
            (n, S * W) float32, stripe by stripe from the top.
        """
        cells = self._cells(crops)
        count, num_cells, _ = cells.shape
        nearest, distances = nearest_words(cells.reshape(-1, len(NAMES)), self.words, self.neighbours)
        nearest = nearest.reshape(count, num_cells, -1)
        weights = np.exp(distances.reshape(nearest.shape) / -(self.sigma**2)) * self._mask
        owner = np.arange(count)[:, None, None]
        places = (owner * self.num_stripes + self._stripes) * self.num_words + nearest
        size = count * self.num_stripes * self.num_words
        counted = np.bincount(places.ravel(), weights.ravel(), minlength=size)
        times = np.bincount((owner * self.num_words + nearest).ravel(), minlength=count * self.num_words)
        times = np.sqrt(np.maximum(times, 1)).reshape(count, 1, self.num_words)
        counted = counted.reshape(count, self.num_stripes, self.num_words) / times
        return counted.reshape(count, -1).astype(np.float32)

    def describe(self, crops: np.ndarray) -> np.ndarray:
        """Describe (n, h, w, 3) uint8 RGB crops by (n, S * W) float32 rows of unit length.

        Raises:
            ValueError: :meth:`fit` was not called.
        """
        if not self._is_fitted:
            raise ValueError("BagOfWords: expected a call of fit before describe; its words come from training crops")
        rows = (self.histograms(crops) - self.mean) * self.scale
        return rows / np.maximum(np.linalg.norm(rows, axis=1, keepdims=True), np.float32(1e-12))

    def _cells(self, crops: np.ndarray) -> np.ndarray:
        """(n, C, 11) float32."""
        means = cell_means(name_probabilities(crops, self.table))
        return means.reshape(len(crops), -1, len(NAMES))
