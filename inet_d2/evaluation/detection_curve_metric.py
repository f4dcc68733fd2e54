"""Precision, recall and miss rate of a detector at every score threshold; pure functions."""

from dataclasses import dataclass

import numpy as np

REFERENCE_RATES = np.logspace(-2, 0, 9)
"""False positives per image at which the log-average miss rate looks: nine, evenly spaced in log space."""
_LEAST_MISS_RATE = 1e-10  # keeps the logarithm of a perfect detector finite


@dataclass(frozen=True, eq=False)
class DetectionCurve:
    """What is found at each of K score thresholds.

    Attributes:
        threshold: (K,) float64, the different scores, descending; detections that score at least as much count.
        precision: (K,) float64 in [0, 1].
        recall: (K,) float64 in [0, 1], not falling; 1 - recall is the miss rate.
        false_per_image: (K,) float64, not falling.
    """

    threshold: np.ndarray
    precision: np.ndarray
    recall: np.ndarray
    false_per_image: np.ndarray

    @property
    def miss_rate(self) -> np.ndarray:
        """(K,) float64 in [0, 1]."""
        return 1 - self.recall


def detection_curve(scores: np.ndarray, is_match: np.ndarray, *, num_truths: int, num_images: int) -> DetectionCurve:
    """Count matches and false positives at every threshold.

    Args:
        scores: (N,) float, of all detections.
        is_match: (N,) bool, whether a detection is matched with an annotated box.
        num_truths: annotated boxes, at least the number of matches; with 0, recall is 0.
        num_images: images, > 0.

    Returns:
        The curve; empty without detections. Equal scores are one threshold.

    Raises:
        ValueError: more matches than truths, or no image.
    """
    num_matches = int(np.count_nonzero(is_match))
    if num_matches > num_truths:
        raise ValueError(f"detection_curve: expected at most {num_truths} matches, found {num_matches}")
    if num_images < 1:
        raise ValueError(f"detection_curve: expected at least 1 image, found {num_images}")
    thresholds, places, counts = np.unique(-np.asarray(scores, np.float64), return_inverse=True, return_counts=True)
    matches = np.bincount(places.reshape(-1), weights=is_match, minlength=len(thresholds)).cumsum()
    found = counts.cumsum()
    return DetectionCurve(
        threshold=-thresholds,
        precision=matches / np.maximum(found, 1),
        recall=matches / max(num_truths, 1),
        false_per_image=(found - matches) / num_images,
    )


def log_average_miss_rate(curve: DetectionCurve) -> float:
    """Geometric mean of the miss rates at nine rates of false positives, 0.01 to 1 per image.

    At each rate it is the lowest miss rate with no more false positives than that. A curve that ends before a rate
    counts there with its last value, and one that begins beyond a rate with 1.

    Args:
        curve: of a detector.

    Returns:
        A value in [0, 1], lower is better; 1 for an empty curve.

    Source: Dollar, Wojek, Schiele, Perona 2012, "Pedestrian Detection: An Evaluation of the State of the Art".
    """
    reached = np.searchsorted(curve.false_per_image, REFERENCE_RATES, side="right")
    rates = np.concatenate([[1.0], curve.miss_rate])[reached]
    return float(np.exp(np.log(np.maximum(rates, _LEAST_MISS_RATE)).mean()))
