import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from inet_d2.evaluation import detection_metric
from inet_d2.evaluation.detection_metric import detection_scores, match_mutually


def slow_match(twins, truths, detections):
    """Image by image: the detection's favourite truth, whose favourite is the detection, at IoU >= 0.5."""
    matched = []
    for people, found in zip(truths, detections, strict=True):
        iou = [[np.float32(twins.iou(person, box)) for box in found] for person in people]
        for d in range(len(found)):
            column = [row[d] for row in iou]
            favourite = column.index(max(column)) if column else None
            mutual = favourite is not None and iou[favourite].index(max(iou[favourite])) == d
            matched.append(bool(mutual and column[favourite] >= 0.5))
    return matched


def test_second_detection_of_a_person_is_false():
    # The second box is closer (IoU 1), the first only 0.9.
    truths = [[[0, 0, 10, 10]]]
    detections = [[[0, 0, 10, 9], [0, 0, 10, 10]]]
    assert match(truths, detections) == [False, True]


def test_person_whose_best_detection_prefers_another_stays_unmatched():
    # Detection 0 is best for both people (IoU 0.9 and 0.64); it prefers person 0. Detection 1 overlaps person 1 by
    # 0.6, above the threshold, but person 1 prefers detection 0: unmatched.
    truths = [[[0, 0, 10, 10], [0, 0, 10, 14]]]
    detections = [[[0, 0, 10, 9], [0, 0, 6, 14]]]
    assert match(truths, detections) == [True, False]


def test_touching_threshold_counts():
    assert match([[[0, 0, 10, 10]]], [[[0, 0, 10, 5]]]) == [True]  # IoU exactly 0.5
    assert match([[[0, 0, 10, 10]]], [[[0, 0, 10, 4.9]]]) == [False]


def match(truths, detections):
    from_lists = [detection_metric.BoxesByImage(*arrays(images)) for images in (truths, detections)]
    return match_mutually(*from_lists).tolist()


def arrays(images):
    boxes = np.array([box for found in images for box in found], dtype=np.float64).reshape(-1, 4)
    return np.array([len(found) for found in images], dtype=np.int64), boxes


small_boxes = st.tuples(st.integers(0, 3), st.integers(0, 3), st.integers(1, 4), st.integers(1, 4)).map(
    lambda b: [b[0], b[1], b[0] + b[2], b[1] + b[3]]
)
images = st.lists(st.tuples(st.lists(small_boxes, max_size=4), st.lists(small_boxes, max_size=4)), max_size=4)


@settings(max_examples=150, deadline=None)
@given(images, st.sampled_from([1, 5, 1 << 20]))
def test_against_the_slow_twin(twins, scenes, pairs_at_once):
    truths, detections = [t for t, _ in scenes], [d for _, d in scenes]
    kept = detection_metric._PAIRS_AT_ONCE
    try:
        detection_metric._PAIRS_AT_ONCE = pairs_at_once
        assert match(truths, detections) == slow_match(twins, truths, detections)
    finally:
        detection_metric._PAIRS_AT_ONCE = kept


def test_scores_over_a_data_set(twins):
    truths = twins.boxes_by_image([[[0, 0, 10, 10], [50, 0, 60, 10]], [[0, 0, 10, 10]], []])
    detections = twins.boxes_by_image([[[0, 0, 10, 10]], [[30, 0, 40, 10], [0, 0, 10, 9]], [[0, 0, 5, 5]]])
    precision, recall = detection_scores(truths, detections, np.array([0.9, 0.8, 0.7, 0.6]))
    # Ranked: hit, false, hit, false; 3 people: AP = (1 + 2/3) / 3 = 5/9, recall 2/3.
    assert precision == pytest.approx(5 / 9)
    assert recall == pytest.approx(2 / 3)


@pytest.mark.parametrize(("truths", "detections"), [([[]], [[]]), ([[]], [[[0, 0, 1, 1]]]), ([[[0, 0, 1, 1]]], [[]])])
def test_nothing_gives_zero(twins, truths, detections):
    found = twins.boxes_by_image(detections)
    assert detection_scores(twins.boxes_by_image(truths), found, np.ones(len(found.boxes))) == (0.0, 0.0)
