import numpy as np
import pytest

from inet_d2.boxes import BoxesByImage, paired_iou, xywh_to_xyxy


def test_images_begin_where_those_before_end():
    assert BoxesByImage(np.array([2, 0, 3]), np.zeros((5, 4))).starts.tolist() == [0, 2, 2]


def test_corners_of_sides():
    sides = np.array([[3.0, 4.0, 10.5, 20.0], [-5.0, 0.25, 5.0, 1.0]])
    assert xywh_to_xyxy(sides).tolist() == [[3.0, 4.0, 13.5, 24.0], [-5.0, 0.25, 0.0, 1.25]]
    assert sides[0].tolist() == [3.0, 4.0, 10.5, 20.0]


def test_paired_iou():
    boxes = np.array([[0, 0, 10, 10], [0, 0, 10, 10], [0, 0, 10, 10], [3, 3, 3, 3]])
    others = np.array([[5, 0, 15, 10], [10, 0, 20, 10], [0, 0, 10, 10], [3, 3, 3, 3]])
    # 50 / 150; edges that touch do not overlap; the same box; two empty boxes.
    assert paired_iou(boxes, others) == pytest.approx([1 / 3, 0, 1, 0])
