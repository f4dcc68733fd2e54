"""Ranking of person crops, as re-identification is measured: mAP and top-k over a gallery of crops; pure functions.

For each query, gallery rows of its own identity and camera are left out, and so is junk (``IGNORED``); distractors
(``UNLABELLED``) stay in and match nobody. Queries whose identity no other camera saw are skipped and counted.

Shapes: Q queries, G gallery rows, R repeats.
"""

from collections.abc import Sequence

import numpy as np

from inet_d2.data.pids import IGNORED, is_labelled
from inet_d2.evaluation.search_metric import precision_terms, share_within

TOP_K = (1, 5, 10, 20)
_SIGN = np.uint32(1 << 31)
_CELLS_AT_ONCE = 1 << 24


def rank_crops(
    distances: np.ndarray,
    *,
    query_pids: np.ndarray,
    query_cameras: np.ndarray,
    gallery_pids: np.ndarray,
    gallery_cameras: np.ndarray,
    ap: str = "step",
) -> tuple[np.ndarray, np.ndarray]:
    """Rank the gallery for each query.

    Queries do not depend on each other, so a large data set may come in blocks of queries.

    Args:
        distances: (Q, G) float, smaller is more alike; compared as float32, equal ones keep the gallery's order.
        query_pids: (Q,) int64 >= 0.
        query_cameras: (Q,) int64.
        gallery_pids: (G,) int64, encoding of ``inet_d2/data/pids.py``.
        gallery_cameras: (G,) int64.
        ap: ``step`` (most code), or ``trapezoid`` (the authors' evaluation of Market-1501 and MARS).

    Returns:
        (Q,) float64 average precision in [0, 1], and (Q,) int64 0-based rank of the first match. A query without a
        match has 0 and -1.

    Raises:
        ValueError: shapes differ, a query has no identity, a distance is not finite, or ``ap`` is unknown.

    Source: Zheng et al., ICCV 2015 (Market-1501).
    """
    is_match, is_dropped = _relations(distances, query_pids, query_cameras, gallery_pids, gallery_cameras)
    queries, places = _places(distances, is_match, is_dropped)
    counts = np.bincount(queries, minlength=len(distances))
    before = np.arange(len(queries)) - (np.cumsum(counts) - counts)[queries]
    terms = precision_terms(
        items_at_least=places + 1, items_above=places, hits_at_least=before + 1, hits_above=before, kind=ap
    )
    first_ranks = np.full(len(distances), -1)
    first_ranks[queries[before == 0]] = places[before == 0]
    return np.bincount(queries, terms, minlength=len(distances)) / np.maximum(counts, 1), first_ranks


def reid_figures(
    average_precisions: np.ndarray, first_ranks: np.ndarray, top_k: Sequence[int] = TOP_K
) -> dict[str, float]:
    """Mean over queries.

    Args:
        average_precisions: (Q,) of :func:`rank_crops`.
        first_ranks: (Q,) of the same; queries with -1 are skipped.
        top_k: list lengths k.

    Returns:
        ``mAP`` and ``top<k>`` in 0-100, and ``queries`` and ``skipped``, how many count and how many do not.
    """
    counted = first_ranks >= 0
    mean_ap = float(average_precisions[counted].mean()) if counted.any() else 0.0
    figures = {"mAP": 100 * mean_ap, **{f"top{k}": 100 * share_within(first_ranks[counted], k) for k in top_k}}
    return {**figures, "queries": float(counted.sum()), "skipped": float((~counted).sum())}


def single_shot_ranks(
    distances: np.ndarray,
    *,
    query_pids: np.ndarray,
    query_cameras: np.ndarray,
    gallery_pids: np.ndarray,
    gallery_cameras: np.ndarray,
    repeats: int = 10,
    seed: int = 0,
) -> np.ndarray:
    """Rank galleries of one image for each identity, as the classic evaluation of CUHK03 does.

    The image is drawn anew for each query and repeat, out of those that are not left out. Top-k is the share of ranks
    below k; there is no average precision, since there is one match.

    Args:
        distances: (Q, G) float; compared as float32, equal ones keep the gallery's order.
        query_pids: (Q,) int64 >= 0.
        query_cameras: (Q,) int64.
        gallery_pids: (G,) int64; each distractor is an identity of its own.
        gallery_cameras: (G,) int64.
        repeats: R, galleries drawn for each query.
        seed: of the draws.

    Returns:
        (Q, R) int64 0-based rank of the match; -1 for queries without one.

    Raises:
        ValueError: as :func:`rank_crops`.

    Source: Li et al., CVPR 2014 (CUHK03).
    """
    is_match, is_dropped = _relations(distances, query_pids, query_cameras, gallery_pids, gallery_cameras)
    ranks = np.full((len(distances), repeats), -1)
    if not is_match.any():
        return ranks
    distances = distances.astype(np.float32)
    lone = gallery_pids.max() + 1 + np.arange(len(gallery_pids))
    by_identity = np.argsort(np.where(is_labelled(gallery_pids), gallery_pids, lone), kind="stable")
    identities = np.where(is_labelled(gallery_pids), gallery_pids, lone)[by_identity]
    begins = np.flatnonzero(np.concatenate([[True], identities[1:] != identities[:-1]]))
    lengths = np.diff(np.append(begins, len(identities)))
    rng = np.random.default_rng(seed)
    columns = np.arange(len(gallery_pids))
    matched = is_match.any(axis=1)
    for repeat in range(repeats):
        draws = np.where(is_dropped[:, by_identity], 2.0, rng.random(distances.shape))
        least = np.repeat(np.minimum.reduceat(draws, begins, axis=1), lengths, axis=1)
        is_chosen = np.zeros_like(is_match)
        is_chosen[:, by_identity] = (draws == least) & (draws < 2)
        match = np.argmax(is_chosen & is_match, axis=1)[:, None]
        own = np.take_along_axis(distances, match, axis=1)
        is_before = (distances < own) | ((distances == own) & (columns < match))
        ranks[matched, repeat] = (is_chosen & is_before).sum(axis=1)[matched]
    return ranks


def _relations(
    distances: np.ndarray,
    query_pids: np.ndarray,
    query_cameras: np.ndarray,
    gallery_pids: np.ndarray,
    gallery_cameras: np.ndarray,
) -> tuple[np.ndarray, np.ndarray]:
    """(Q, G) bool each: which rows match a query, and which are left out of its gallery."""
    shape = (len(query_pids), len(gallery_pids))
    if distances.shape != shape or len(query_cameras) != shape[0] or len(gallery_cameras) != shape[1]:
        raise ValueError(
            f"distances: expected {shape} for {shape[0]} queries and {shape[1]} gallery rows, found {distances.shape} "
            f"with {len(query_cameras)} and {len(gallery_cameras)} cameras"
        )
    if not is_labelled(query_pids).all():
        raise ValueError(f"query_pids: expected identities >= 0, found {query_pids.min()}; leave such queries out")
    if not np.isfinite(distances).all():
        raise ValueError("distances: expected finite numbers, found others; the embeddings are broken")
    same = query_pids[:, None] == gallery_pids
    is_dropped = (same & (query_cameras[:, None] == gallery_cameras)) | (gallery_pids == IGNORED)
    return same & ~is_dropped, is_dropped


def _places(distances: np.ndarray, is_match: np.ndarray, is_dropped: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The query and the 0-based place of each match, in that order.

    Only numbers are sorted, not rows: a match's place is how many are smaller, and how many equal ones come before it.
    """
    bits = (distances.astype(np.float32) + np.float32(0)).view(np.uint32)  # + 0 makes -0 a 0
    bits = np.where(bits & _SIGN, ~bits, bits | _SIGN)  # floats as whole numbers of the same order
    bits[is_dropped] = np.iinfo(np.uint32).max
    queries, columns = np.nonzero(is_match)
    own = bits[queries, columns]
    firsts = np.arange(len(bits), dtype=np.uint64) << np.uint64(32)
    table = (firsts[:, None] | np.sort(bits, axis=1)).ravel()
    keys = firsts[queries] | own
    lefts = np.searchsorted(table, keys, side="left")
    places = lefts - queries * bits.shape[1]
    tied = np.flatnonzero(np.searchsorted(table, keys, side="right") - lefts > 1)
    step = max(_CELLS_AT_ONCE // max(bits.shape[1], 1), 1)
    for first in range(0, len(tied), step):
        part = tied[first : first + step]
        is_equal = bits[queries[part]] == own[part, None]
        places[part] += (is_equal & (np.arange(bits.shape[1]) < columns[part, None])).sum(axis=1)
    order = np.lexsort((places, queries))
    return queries[order], places[order]
