"""Average precision and recall of person detection by mutual-best matching; pure functions."""

import numpy as np

from inet_d2.arrays import expand_ranges, first_maxima
from inet_d2.boxes import BoxesByImage, paired_iou
from inet_d2.evaluation.search_metric import average_precision

_PAIRS_AT_ONCE = 1 << 20


def detection_scores(
    truths: BoxesByImage, detections: BoxesByImage, scores: np.ndarray, kind: str = "step"
) -> tuple[float, float]:
    """Average precision and recall over a data set.

    Args:
        truths: annotated boxes of I images.
        detections: detections in the same images, already cut at the score threshold.
        scores: (N,) float, one per detection.
        kind: of average precision, ``step`` or ``trapezoid``.

    Returns:
        AP and recall in [0, 1]; both 0 when there is no ground truth or no detection.

    Source: official CUHK-SYSU evaluation.
    """
    matched = match_mutually(truths, detections)
    num_truths = len(truths.boxes)
    if num_truths == 0:
        return 0.0, 0.0
    return average_precision(scores, matched, num_truths, kind), float(matched.sum() / num_truths)


def match_mutually(truths: BoxesByImage, detections: BoxesByImage, min_iou: float = 0.5) -> np.ndarray:
    """Match each detection to the ground truth that prefers it and that it prefers.

    Both preferences are the largest IoU over all boxes of the image, ties to the first, before the threshold
    is applied; so a second detection of a person is a false positive, and a person whose best detection
    prefers somebody else stays unmatched.

    Args:
        truths: annotated boxes of I images.
        detections: detections in the same images.
        min_iou: a match needs at least this IoU.

    Returns:
        (N,) bool, whether each detection has a match.
    """
    matched = np.zeros(len(detections.boxes), dtype=bool)
    pairs = np.cumsum(truths.counts * detections.counts)
    if not len(pairs) or pairs[-1] == 0:
        return matched
    bounds = np.unique(np.searchsorted(pairs, np.arange(0, pairs[-1], _PAIRS_AT_ONCE)))
    for first, last in zip(bounds, np.append(bounds[1:], len(pairs)), strict=True):
        images = np.arange(first, last)
        matched[_match_images(truths, detections, images, min_iou)] = True
    return matched


def _match_images(truths: BoxesByImage, detections: BoxesByImage, images: np.ndarray, min_iou: float) -> np.ndarray:
    """Rows of the matched detections of some images."""
    truth_rows, truth_owner = expand_ranges(truths.starts[images], truths.counts[images])
    per_truth = detections.counts[images][truth_owner]
    detection_rows, truth_of_pair = expand_ranges(detections.starts[images][truth_owner], per_truth)
    pair_truths = truth_rows[truth_of_pair]
    # The official code stores overlaps as 32-bit floats, which decides ties.
    iou = paired_iou(truths.boxes[pair_truths], detections.boxes[detection_rows]).astype(np.float32)
    best_of_truth = first_maxima(iou, pair_truths)
    by_detection = np.argsort(detection_rows, kind="stable")
    best_of_detection = by_detection[first_maxima(iou[by_detection], detection_rows[by_detection])]
    both = np.intersect1d(best_of_truth, best_of_detection)
    return detection_rows[both[iou[both] >= np.float32(min_iou)]]
