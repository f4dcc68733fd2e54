import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from inet_d2.arrays import expand_ranges, first_maxima, rows_of


def test_rows_of():
    table = np.array(["s10.jpg", "s2.jpg", "s1.jpg"])
    assert rows_of(["s1.jpg", "s3.jpg", "s10.jpg"], table).tolist() == [2, -1, 0]
    assert rows_of([], table).tolist() == []
    assert rows_of(["a"], np.array([], dtype=str)).tolist() == [-1]


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
