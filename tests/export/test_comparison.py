import numpy as np
import pytest

from inet_d2.export.comparison import Differences, compare, compare_rows

BOXES = np.array([[0, 0, 10, 20], [5, 0, 15, 20]], np.float32)
SCORES = np.array([0.7, 0.6], np.float32)
EMBEDDINGS = np.eye(2, dtype=np.float32)


def test_the_largest_difference_of_each_kind_is_told():
    moved = BOXES + np.array([[0, 0, 0, 0.5], [0, 0.25, 0, 0]], np.float32)
    found = compare((BOXES, SCORES, EMBEDDINGS), (moved, SCORES - 0.125, EMBEDDINGS * 1.5))
    assert found == Differences(2, 2, 0.5, 0.125, 0.5)


def test_people_are_matched_and_not_rows():
    found = compare((BOXES, SCORES, EMBEDDINGS), (BOXES[::-1], SCORES[::-1], EMBEDDINGS[::-1]))
    assert found == Differences(2, 2, 0.0, 0.0, 0.0)


def test_another_number_of_people_never_fits():
    found = compare((BOXES, SCORES, EMBEDDINGS), (BOXES[:1], SCORES[:1], EMBEDDINGS[:1]))
    assert (found.expected, found.found) == (2, 1)
    assert not found.fit(1000)
    assert not compare_rows(EMBEDDINGS, EMBEDDINGS[:1]).fit(1000)
    assert compare((BOXES[:0], SCORES[:0], EMBEDDINGS[:0]), (BOXES[:0], SCORES[:0], EMBEDDINGS[:0])).fit(1000)


@pytest.mark.parametrize(
    ("boxes", "scores", "embeddings", "fits"),
    [
        (0.09, 9e-5, 9e-5, True),  # a ten-thousandth of 1000 pixels is 0.1
        (0.11, 0, 0, False),
        (0, 1.1e-4, 0, False),
        (0, 0, 1.1e-4, False),
        (0, 0, np.nan, False),
    ],
)
def test_the_tolerance_is_a_ten_thousandth(boxes, scores, embeddings, fits):
    assert Differences(1, 1, boxes, scores, embeddings).fit(1000) == fits


def test_rows_are_compared_in_their_order():
    assert compare_rows(EMBEDDINGS, EMBEDDINGS[::-1]) == Differences(2, 2, 0.0, 0.0, 1.0)
