import numpy as np
import pytest

from inet_d2.matlab.decode import matrix_sizes, matrix_starts, read_numbers, read_texts
from inet_d2.matlab.format import UnusualLayoutError


def words(*values):
    return np.array(values, dtype=np.uint32)


# A matrix of class double, 1 x 4, unnamed, whose data is four small unsigned bytes beside their tag: 1, 2, 3, 200.
SMALL = (14, 48, 6, 8, 6, 0, 5, 8, 1, 4, 1, 0, 0x40002, 0xC8030201)
# The string "ab": class char, 1 x 2, data of type 16 (UTF-8).
TEXT = (14, 48, 6, 8, 4, 0, 5, 8, 1, 2, 1, 0, 0x20010, 0x6261)
BARE = (14, 0)


def test_matrices_that_follow_each_other():
    found = matrix_starts(words(*SMALL, *BARE, *TEXT), np.array([0]), np.array([30]))
    assert found.tolist() == [0, 14, 16]
    assert matrix_sizes(words(*SMALL, *BARE, *TEXT), found).tolist() == [4, 0, 2]


def test_stretches_with_something_between():
    content = words(14, 0, *TEXT, 14, 0, 9, 9, *BARE, *SMALL)
    found = matrix_starts(content, np.array([2, 20]), np.array([16, 36]))
    assert found.tolist() == [2, 20, 22]


@pytest.mark.parametrize(
    ("content", "first", "last"),
    [
        ((*SMALL, 1, 1, *TEXT), [0], [30]),  # a gap
        ((*SMALL, *TEXT), [0], [26]),  # runs over the end
        ((1, 1, *TEXT), [0], [16]),  # does not begin at the beginning
        ((*TEXT, 1, 1), [0], [16]),  # does not reach the end
    ],
)
def test_stretches_that_matrices_do_not_fill(content, first, last):
    with pytest.raises(UnusualLayoutError, match="matrices do not follow each other"):
        matrix_starts(words(*content), np.array(first), np.array(last))


def test_numbers_and_texts():
    content = words(*SMALL, *TEXT)
    assert read_numbers(content, np.array([0]), 4).tolist() == [[1, 2, 3, 200]]
    names, members = read_texts(content, np.array([14, 14]), np.array([2, 2]))
    assert (names.tolist(), members.tolist()) == ([b"ab"], [0, 0])


@pytest.mark.parametrize(
    ("change", "match"),
    [((4, 6), "an empty string or none"), ((12, 0x20003), "text of type 3"), ((13, 0xC3A9), "not ASCII")],
)
def test_texts_that_are_none(change, match):
    content = words(*TEXT)
    content[change[0]] = change[1]
    with pytest.raises(UnusualLayoutError, match=match):
        read_texts(content, np.array([0]), np.array([2]))


def test_named_matrix_and_unknown_numbers():
    content = words(*SMALL)
    content[11] = 1
    with pytest.raises(UnusualLayoutError, match="a matrix with a name"):
        matrix_sizes(content, np.array([0]))
    content[12] = 0x4000C
    with pytest.raises(UnusualLayoutError, match="numbers of type 12"):
        read_numbers(content, np.array([0]), 4)


@pytest.mark.parametrize(
    ("content", "change", "match"),
    [
        (SMALL, (9, 2**31 - 1), "a matrix of more elements than bytes"),
        (SMALL, (8, 2**32 - 1), "a matrix of more elements than bytes"),
        (SMALL, (9, 0), "an empty matrix with data"),
        (SMALL, (12, 2), "one with elements and without"),
        (SMALL, (1, 40), "a matrix without data"),
    ],
)
def test_sizes_that_the_bytes_contradict(content, change, match):
    damaged = words(*content)
    damaged[change[0]] = change[1]
    if change[0] == 12:
        damaged[13] = 0
    with pytest.raises(UnusualLayoutError, match=match):
        matrix_sizes(damaged, np.array([0]))


def test_another_number_of_bytes():
    with pytest.raises(UnusualLayoutError, match="matrices of 3 numbers with another number of bytes"):
        read_numbers(words(*SMALL), np.array([0]), 3)
    with pytest.raises(UnusualLayoutError, match="texts of 1 characters with another number of bytes"):
        read_texts(words(*TEXT), np.array([0]), np.array([1]))
    with pytest.raises(UnusualLayoutError, match="a text of 5000 characters"):
        read_texts(words(*TEXT), np.array([0]), np.array([5000]))
