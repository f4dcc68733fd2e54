import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from inet_d2.evaluation.segments import expand_ranges, first_maxima, paired_iou


def test_expand_ranges():
    members, owners = expand_ranges(np.array([5, 0, 9]), np.array([2, 0, 3]))
    assert members.tolist() == [5, 6, 9, 10, 11]
    assert owners.tolist() == [0, 0, 2, 2, 2]


def test_expand_no_ranges():
    members, owners = expand_ranges(np.zeros(0, dtype=np.int64), np.zeros(0, dtype=np.int64))
    assert members.tolist() == owners.tolist() == []


@settings(deadline=None)
@given(st.lists(st.lists(st.integers(0, 3), min_size=1, max_size=5), max_size=6))
def test_first_maxima_against_a_loop(runs):
    values = np.array([v for run in runs for v in run], dtype=np.float64)
    owners = np.array([7 * n for n, run in enumerate(runs) for _ in run], dtype=np.int64)
    expected, start = [], 0
    for run in runs:
        expected.append(start + run.index(max(run)))
        start += len(run)
    assert first_maxima(values, owners).tolist() == expected


def test_paired_iou():
    boxes = np.array([[0, 0, 10, 10], [0, 0, 10, 10], [0, 0, 10, 10], [3, 3, 3, 3]])
    others = np.array([[5, 0, 15, 10], [10, 0, 20, 10], [0, 0, 10, 10], [3, 3, 3, 3]])
    # 50 / 150; edges that touch do not overlap; the same box; two empty boxes.
    assert paired_iou(boxes, others) == pytest.approx([1 / 3, 0, 1, 0])
