import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from inet_d2.evaluation.detection_curve_metric import (
    REFERENCE_RATES,
    DetectionCurve,
    detection_curve,
    log_average_miss_rate,
)
from inet_d2.evaluation.search_metric import average_precision


def slow_curve(scores, is_match, num_truths, num_images):
    """Threshold by threshold: rows of (threshold, precision, recall, false positives per image)."""
    rows = []
    for threshold in sorted(set(scores), reverse=True):
        found = [match for score, match in zip(scores, is_match, strict=True) if score >= threshold]
        rows.append((threshold, sum(found) / len(found), sum(found) / num_truths, found.count(False) / num_images))
    return rows


def slow_log_average(rows):
    """The lowest miss rate at each of the nine rates, 1 where the curve has not begun."""
    total = 0.0
    for k in range(9):
        rate = 10 ** (-2 + k / 4)
        misses = [1 - recall for _, _, recall, false in rows if false <= rate * (1 + 1e-12)]
        total += math.log(max(min(misses, default=1.0), 1e-10))
    return math.exp(total / 9)


def rows_of(curve):
    columns = (curve.threshold, curve.precision, curve.recall, curve.false_per_image)
    return list(zip(*(column.tolist() for column in columns), strict=True))


def test_hand_worked():
    # 10 images, 4 people. Score 0.8 is given twice, to a false and a right detection: one threshold.
    #   threshold  found  right  precision  recall  false per image
    #   0.9          1      1      1         1/4      0
    #   0.8          3      2      2/3       2/4      0.1
    #   0.7          4      3      3/4       3/4      0.1
    #   0.6          5      3      3/5       3/4      0.2
    scores, is_match = np.array([0.7, 0.8, 0.9, 0.6, 0.8]), np.array([True, False, True, False, True])
    curve = detection_curve(scores, is_match, num_truths=4, num_images=10)
    expected = [(0.9, 1, 1 / 4, 0), (0.8, 2 / 3, 2 / 4, 0.1), (0.7, 3 / 4, 3 / 4, 0.1), (0.6, 3 / 5, 3 / 4, 0.2)]
    assert np.allclose(rows_of(curve), expected)
    # At 0.01, 0.018, 0.032 and 0.056 false positives per image the miss rate is 3/4; from 0.1 on, where the curve has
    # reached recall 3/4, it is 1/4 at five rates.
    assert log_average_miss_rate(curve) == pytest.approx((0.75**4 * 0.25**5) ** (1 / 9))


def test_the_rates_are_those_of_the_source():
    assert [round(rate, 4) for rate in REFERENCE_RATES.tolist()] == [
        0.01, 0.0178, 0.0316, 0.0562, 0.1, 0.1778, 0.3162, 0.5623, 1.0,
    ]  # fmt: skip


@given(
    st.lists(st.tuples(st.integers(0, 8), st.booleans()), max_size=30),
    st.integers(0, 5),
    st.sampled_from([1, 3, 40]),
)
def test_against_the_slow_twin(detections, num_missed, num_images):
    scores, is_match = [s / 8 for s, _ in detections], [m for _, m in detections]
    num_truths = max(sum(is_match) + num_missed, 1)
    arrays = np.array(scores, dtype=np.float64), np.array(is_match, dtype=bool)
    curve = detection_curve(*arrays, num_truths=num_truths, num_images=num_images)
    rows = slow_curve(scores, is_match, num_truths, num_images)
    assert np.allclose(np.array(rows_of(curve)).reshape(-1, 4), np.array(rows).reshape(-1, 4))
    assert log_average_miss_rate(curve) == pytest.approx(slow_log_average(rows))
    # The area under the steps is the average precision.
    steps = np.diff(curve.recall, prepend=0)
    assert (steps * curve.precision).sum() == pytest.approx(average_precision(*arrays, num_truths))
    assert (np.diff(curve.false_per_image) >= 0).all()


def test_a_perfect_detector_and_none():
    perfect = detection_curve(np.array([0.9, 0.8]), np.array([True, True]), num_truths=2, num_images=1)
    assert log_average_miss_rate(perfect) == pytest.approx(1e-10**1.0)
    nothing = detection_curve(np.empty(0), np.empty(0, bool), num_truths=3, num_images=2)
    assert (len(nothing.threshold), log_average_miss_rate(nothing)) == (0, 1.0)
    nobody = detection_curve(np.array([0.9]), np.array([False]), num_truths=0, num_images=1)
    assert (nobody.recall.tolist(), log_average_miss_rate(nobody)) == ([0.0], 1.0)


def test_a_curve_that_begins_late_misses_all_before():
    # Its first point has 1 false positive per image: only the last of the nine rates sees recall 1/2.
    curve = DetectionCurve(*(np.array([x]) for x in (0.9, 0.5, 0.5, 1.0)))
    assert log_average_miss_rate(curve) == pytest.approx(0.5 ** (1 / 9))


def test_counts_that_cannot_be_are_refused():
    with pytest.raises(ValueError, match="expected at most 1 matches, found 2"):
        detection_curve(np.ones(2), np.ones(2, bool), num_truths=1, num_images=1)
    with pytest.raises(ValueError, match="expected at least 1 image, found 0"):
        detection_curve(np.ones(2), np.zeros(2, bool), num_truths=1, num_images=0)
