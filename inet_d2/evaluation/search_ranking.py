"""Ranks of the hits of every query, by counting instead of sorting; memory is bounded by blocks of queries."""

import logging
import os
import threading
import time
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import numpy as np

from inet_d2.arrays import first_maxima
from inet_d2.boxes import BoxesByImage
from inet_d2.data.datasets.protocol import SearchProtocol
from inet_d2.evaluation.exact_similarity import Similarities
from inet_d2.evaluation.gallery_walk import GalleryWalker, Walk
from inet_d2.evaluation.search_metric import check_ap_kind, precision_terms, share_within

_CELLS_AT_ONCE = 1 << 22
_MAX_THREADS = 4
_PROGRESS_SECONDS = 5.0
_logger = logging.getLogger(__name__)

Revise = Callable[[Walk, int], None]
"""Changes the similarities of a walk in place; gets the walk and its first query; called from several threads."""


@dataclass(frozen=True, eq=False)
class SearchRanking:
    """What a protocol gives for each query.

    Attributes:
        average_precisions: (Q,) float64 in [0, 1]; 0 without a hit, and without ground truth.
        best_ranks: (Q,) int64, 0-based rank of the best hit in the query's gallery; -1 without a hit.
        num_ground_truths: (Q,) int64; queries with 0 are left out of the figures.
        num_hits: (Q,) int64, at most ``num_ground_truths``.
    """

    average_precisions: np.ndarray
    best_ranks: np.ndarray
    num_ground_truths: np.ndarray
    num_hits: np.ndarray

    def figures(self) -> dict[str, float]:
        """Average over the queries that have a ground truth.

        Returns:
            ``mAP``, ``top1``, ``top5`` and ``top10``, 0-100; all 0 when no query has a ground truth.
        """
        counted = self.num_ground_truths > 0
        found = {"mAP": 100 * float(np.mean(self.average_precisions[counted])) if counted.any() else 0.0}
        ranks = self.best_ranks[counted]
        return {**found, **{f"top{k}": 100 * share_within(ranks, k) for k in (1, 5, 10)}}


def rank_queries(
    query_embeddings: np.ndarray,
    gallery: BoxesByImage,
    gallery_embeddings: np.ndarray,
    protocols: Mapping[str, SearchProtocol],
    *,
    rules: str = "reference",
    ap: str = "step",
    block_size: int | None = None,
    revise: Revise | None = None,
) -> dict[str, SearchRanking]:
    """Search every query in its gallery under several protocols, computing similarities once.

    Ties are ordered by the walk (gallery images in the protocol's order, detections as stored); the average
    precision merges them. The result depends neither on ``block_size`` nor on the number of threads.

    Args:
        query_embeddings: (Q, D) float32, in the order of the protocols' queries.
        gallery: detections of I images in the protocols' order, cut at the score threshold.
        gallery_embeddings: (N, D) float32.
        protocols: by name; all with the same Q queries and I images.
        rules: ``reference`` or ``seqnet``.
        ap: ``step`` or ``trapezoid``.
        block_size: queries at once; None chooses for about 50 MB of working memory per thread.
        revise: changes the similarities of each block before hits are taken.

    Returns:
        One ranking per protocol.

    Raises:
        ValueError: unknown rules or kind of average precision, or a block size below 1.
    """
    check_ap_kind(ap)
    num_queries, num_detections = len(query_embeddings), len(gallery_embeddings)
    if block_size is None:
        block_size = max(1, _CELLS_AT_ONCE // max(num_detections, 1))
    if block_size < 1:
        raise ValueError(f"block_size: expected at least 1, found {block_size}")
    similarities = Similarities(query_embeddings, gallery_embeddings, per_row=revise is None)
    walkers = {name: GalleryWalker(protocol, gallery, rules=rules) for name, protocol in protocols.items()}
    progress = _Progress(num_queries)

    def rank(first: int) -> dict[str, tuple[np.ndarray, ...]]:
        last = min(first + block_size, num_queries)
        block = similarities.approximate(first, last) if revise is None else similarities.exact(first, last)
        found = {}
        for name, walker in walkers.items():
            walk = walker.walk(block, first)
            if revise is not None:
                revise(walk, first)
            cells = _ApproximateCells(walk, similarities, first) if revise is None else _ExactCells(walk)
            found[name] = _rank_block(walk, cells, ap)
        progress.add(last - first)
        return found

    # numpy works without the interpreter's lock, so one block is counted while the next is multiplied.
    with ThreadPoolExecutor(min(_MAX_THREADS, os.cpu_count() or 1)) as pool:
        parts = list(pool.map(rank, range(0, num_queries, block_size)))
    return {name: _join([part[name] for part in parts], p.num_ground_truths) for name, p in protocols.items()}


class _ExactCells:
    """A walk whose cells are final."""

    margin = 0.0

    def __init__(self, walk: Walk) -> None:
        self._walk = walk

    def __call__(self, rows: np.ndarray, columns: np.ndarray) -> np.ndarray:
        return self._walk.similarities[rows, columns]


class _ApproximateCells:
    """A walk whose cells are off by less than a margin, with exact values on request."""

    def __init__(self, walk: Walk, similarities: Similarities, first: int) -> None:
        self._walk, self._similarities, self._first = walk, similarities, first
        self.margin = similarities.margin

    def __call__(self, rows: np.ndarray, columns: np.ndarray) -> np.ndarray:
        return self._similarities.exact_pairs(self._first + rows, self._walk.detections_at(rows, columns))


def _join(parts: list[tuple[np.ndarray, ...]], num_ground_truths: np.ndarray) -> SearchRanking:
    sums, ranks, hits = (np.concatenate(column) for column in zip(*parts, strict=True)) if parts else np.zeros((3, 0))
    return SearchRanking(sums / np.maximum(num_ground_truths, 1), ranks, num_ground_truths, hits)


def _rank_block(
    walk: Walk, exact: _ExactCells | _ApproximateCells, ap: str
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Sum of precision terms, rank of the best hit, and number of hits of each query of a block."""
    num_rows = len(walk.similarities)
    rows, columns, values = _find_hits(walk, exact)
    order = np.lexsort((columns, -values, rows))
    rows, columns, values = rows[order], columns[order], values[order]
    above, equal, earlier = _count_items(walk.similarities, exact, rows, columns, values)
    hits_at_least, hits_above = _count_hits(rows, values)
    terms = precision_terms(
        items_at_least=above + equal,
        items_above=above,
        hits_at_least=hits_at_least,
        hits_above=hits_above,
        kind=ap,
    )
    sums = np.bincount(rows, weights=terms, minlength=num_rows)
    firsts = np.flatnonzero(np.diff(rows, prepend=-1))
    best = np.full(num_rows, -1)
    best[rows[firsts]] = above[firsts] + earlier[firsts]
    return sums, best, np.bincount(rows, minlength=num_rows)


def _find_hits(walk: Walk, exact: _ExactCells | _ApproximateCells) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Row, column and exact similarity of each ground truth's most similar candidate, of equal ones the first."""
    found = walk.candidates
    inside = walk.similarities[found.rows, found.columns] > -np.inf
    rows, columns, truths = found.rows[inside], found.columns[inside], found.truths[inside]
    values = exact(rows, columns)
    best = first_maxima(values, truths)
    return rows[best], columns[best], values[best]


def _count_items(
    table: np.ndarray,
    exact: _ExactCells | _ApproximateCells,
    rows: np.ndarray,
    columns: np.ndarray,
    values: np.ndarray,
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """How many cells of each hit's row are above its value, equal to it, and equal to it further left."""
    counts = np.zeros((3, len(rows)), dtype=np.int64)
    lowest = (values - exact.margin).astype(table.dtype)[:, None]
    highest = (values + exact.margin).astype(table.dtype)[:, None]
    chunk = max(1, _CELLS_AT_ONCE // 8 // max(table.shape[1], 1))
    for first in range(0, len(rows), chunk):
        part = slice(first, first + chunk)
        cells = table[rows[part]]
        certain = cells > highest[part]
        # Counting row by row is several times faster than along an axis.
        counts[0, part] = np.fromiter(map(np.count_nonzero, certain), dtype=np.int64, count=len(certain))
        close = cells >= lowest[part]
        close ^= certain
        hits, places = np.divmod(np.flatnonzero(close), table.shape[1])
        near = exact(rows[first + hits], places)
        wanted = values[first + hits]
        size = len(cells)
        counts[0, part] += np.bincount(hits[near > wanted], minlength=size)
        counts[1, part] = np.bincount(hits[near == wanted], minlength=size)
        counts[2, part] = np.bincount(hits[(near == wanted) & (places < columns[first + hits])], minlength=size)
    return counts[0], counts[1], counts[2]


def _count_hits(rows: np.ndarray, values: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """How many hits of the same row are at least a hit's value, and above it; rows ascend, values descend in them."""
    positions = np.arange(len(rows))
    new_row = np.diff(rows, prepend=-1) != 0
    new_value = new_row.copy()
    new_value[1:] |= values[1:] != values[:-1]
    row_starts = positions[new_row][np.cumsum(new_row) - 1]
    groups = np.cumsum(new_value) - 1
    group_starts = positions[new_value]
    group_ends = np.append(group_starts[1:], len(rows))
    return group_ends[groups] - row_starts, group_starts[groups] - row_starts


class _Progress:
    """Logs how far a long search is and when it will end."""

    def __init__(self, total: int) -> None:
        self._total, self._done, self._start = total, 0, time.monotonic()
        self._last = self._start
        self._lock = threading.Lock()

    def add(self, queries: int) -> None:
        with self._lock:
            now = time.monotonic()
            self._done += queries
            if now - self._last < _PROGRESS_SECONDS or self._done >= self._total:
                return
            self._last = now
            left = (now - self._start) * (self._total - self._done) / self._done
        _logger.info("searched %d of %d queries, ETA %d s", self._done, self._total, round(left))
