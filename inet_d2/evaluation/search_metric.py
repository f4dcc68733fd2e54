"""Average precision and top-k of ranked lists, from counts alone; pure functions.

With n ground truths, sort by score and merge equal scores into groups g. A hit is a ranked item that finds a
ground truth. Then step AP = 1/n * sum over g of (hits in g) * (hits up to g) / (items up to g), which is what
scikit-learn >= 0.19 gives times the recall. The trapezoid AP of older versions joins the precision before and
after each group by a line. Both need only, for each hit, how many items and hits score at least as high or
higher.
"""

from typing import Final

import numpy as np

AP_KINDS: Final = ("step", "trapezoid")
"""``step``: scikit-learn >= 0.19 (default everywhere); ``trapezoid``: publications before 2018."""


def average_precision(scores: np.ndarray, is_hit: np.ndarray, num_ground_truths: int, kind: str = "step") -> float:
    """Average precision of one ranked list.

    Args:
        scores: (N,) float, higher is better; equal scores form one group.
        is_hit: (N,) bool, items that find a ground truth.
        num_ground_truths: at least the number of hits; misses lower the result.
        kind: one of ``AP_KINDS``.

    Returns:
        A value in [0, 1]; 0 without hits or without ground truth.

    Raises:
        ValueError: more hits than ground truths, or an unknown kind.

    Source: scikit-learn's definition in closed form.
    """
    check_ap_kind(kind)
    num_hits = int(np.count_nonzero(is_hit))
    if num_hits > num_ground_truths:
        raise ValueError(f"average_precision: expected at most {num_ground_truths} hits, found {num_hits}")
    if num_hits == 0:
        return 0.0
    ascending = np.sort(scores)
    hits = np.sort(scores[is_hit])
    terms = precision_terms(
        items_at_least=len(ascending) - np.searchsorted(ascending, hits, side="left"),
        items_above=len(ascending) - np.searchsorted(ascending, hits, side="right"),
        hits_at_least=num_hits - np.searchsorted(hits, hits, side="left"),
        hits_above=num_hits - np.searchsorted(hits, hits, side="right"),
        kind=kind,
    )
    return float(terms.sum() / num_ground_truths)


def precision_terms(
    *,
    items_at_least: np.ndarray,
    items_above: np.ndarray,
    hits_at_least: np.ndarray,
    hits_above: np.ndarray,
    kind: str = "step",
) -> np.ndarray:
    """The share of each hit in the average precision, before division by the number of ground truths.

    Args:
        items_at_least: (H,) int64, items of the hit's list that score at least as high, itself included.
        items_above: (H,) int64, items that score higher.
        hits_at_least: (H,) int64, hits among the first.
        hits_above: (H,) int64, hits among the second.
        kind: one of ``AP_KINDS``.

    Returns:
        (H,) float64 in [0, 1].
    """
    check_ap_kind(kind)
    precision = hits_at_least / items_at_least
    if kind == "step":
        return precision
    # Before the first item the curve starts at precision 1.
    before = np.divide(hits_above, items_above, out=np.ones_like(precision), where=items_above > 0)
    return (before + precision) / 2


def check_ap_kind(kind: str) -> None:
    """Refuse an unknown kind of average precision.

    Args:
        kind: should be one of ``AP_KINDS``.

    Raises:
        ValueError: it is not.
    """
    if kind not in AP_KINDS:
        raise ValueError(f"ap: expected one of {AP_KINDS}, found {kind!r}")


def share_within(best_ranks: np.ndarray, k: int) -> float:
    """Top-k: the share of queries whose best hit is among the k highest-ranked items.

    Args:
        best_ranks: (Q,) int64, 0-based rank of the best hit; -1 for queries without a hit.
        k: >= 1.

    Returns:
        A value in [0, 1]; 0 without queries.
    """
    if not len(best_ranks):
        return 0.0
    return float(np.mean((best_ranks >= 0) & (best_ranks < k)))


def hit_threshold(boxes: np.ndarray) -> np.ndarray:
    """Overlap that a detection needs to count as the searched person; lower for small boxes.

    Args:
        boxes: (R, 4) XYXY of the person, absolute pixels.

    Returns:
        (R,) float64, min(0.5, w h / ((w + 10) (h + 10))).

    Source: official CUHK-SYSU evaluation (Xiao et al., CVPR 2017).
    """
    sides = boxes[:, 2:] - boxes[:, :2]
    return np.minimum(0.5, sides.prod(axis=1) / (sides + 10).prod(axis=1))
