import dataclasses

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from scipy.io import loadmat, savemat

from inet_d2.data.datasets import protocol_mat
from inet_d2.data.datasets.protocol_mat import read_protocol_lists
from inet_d2.matlab.format import UnusualLayoutError

number = st.integers(0, 3000) | st.integers(-300, 300) | st.sampled_from([0.5, 14])
box = st.tuples(number, number, number, number)
name = st.sampled_from(["s1.jpg", "s12.jpg", "s10014.jpg", "a", "a-much-longer-name-of-a-frame.jpg"])
queries = st.lists(
    st.tuples(name, box, st.lists(st.tuples(name, st.none() | box), min_size=1, max_size=6)), min_size=1, max_size=5
)


def assert_same(one, other):
    for field in dataclasses.fields(one):
        left, right = getattr(one, field.name), getattr(other, field.name)
        assert left.dtype.kind == right.dtype.kind
        assert np.array_equal(left, right), field.name


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(queries, st.sampled_from([1, 2000, 1 << 25]))
def test_streaming_equals_scipy(cuhk_copy, people, bytes_at_once):
    path = cuhk_copy.train_test / "TestG50.mat"
    cuhk_copy.protocol(50, people)
    kept = protocol_mat._BYTES_AT_ONCE
    try:
        protocol_mat._BYTES_AT_ONCE = bytes_at_once
        streamed = protocol_mat._read_streaming(path, "TestG50")
    finally:
        protocol_mat._BYTES_AT_ONCE = kept
    assert_same(streamed, protocol_mat._read_with_scipy(path, "TestG50", ""))
    assert streamed.query_names.tolist() == [own for own, _, _ in people]
    assert streamed.query_boxes.tolist() == [list(b) for _, b, _ in people]
    entries = [entry for _, _, listed in people for entry in listed]
    assert streamed.gallery_names[streamed.entry_names].tolist() == [n for n, _ in entries]
    assert streamed.truth_boxes.tolist() == [list(b) for _, b in entries if b is not None]
    assert streamed.truth_entries.tolist() == [i for i, (_, b) in enumerate(entries) if b is not None]
    assert streamed.entry_offsets.tolist() == np.cumsum([0, *(len(listed) for _, _, listed in people)]).tolist()


def test_truths_by_query_and_name(cuhk_copy):
    cuhk_copy.protocol(
        50, [("q", (1, 2, 3, 4), [("a", None), ("b", (5, 6, 7, 8))]), ("r", (1, 2, 3, 4), [("b", None)])]
    )
    lists = read_protocol_lists(cuhk_copy.train_test / "TestG50.mat", "TestG50", remedy="")
    assert lists.truth_queries.tolist() == [0]
    assert lists.truth_names.tolist() == ["b"]


def test_names_beyond_ascii_are_left_to_scipy(cuhk_copy):
    path = cuhk_copy.train_test / "TestG50.mat"
    cuhk_copy.protocol(50, [("é.jpg", (1, 2, 3, 4), [("ü.jpg", None)])])
    with pytest.raises(UnusualLayoutError):
        protocol_mat._read_streaming(path, "TestG50")
    lists = read_protocol_lists(path, "TestG50", remedy="")
    assert lists.query_names.tolist() == ["é.jpg"]


def test_data_that_looks_like_a_tag_is_left_to_scipy(cuhk_copy):
    """As 32-bit integers, x = 14 and y = 0 look like an empty matrix."""
    path = cuhk_copy.train_test / "TestG50.mat"
    cuhk_copy.protocol(50, [("q", (1, 2, 3, 4), [("a", (14, 0, 70000, 5)), ("b", None)])])
    with pytest.raises(UnusualLayoutError, match="do not follow each other"):
        protocol_mat._read_streaming(path, "TestG50")
    assert read_protocol_lists(path, "TestG50", remedy="").truth_boxes.tolist() == [[14, 0, 70000, 5]]


def test_gallery_of_three_numbers_is_refused(cuhk_copy):
    cuhk_copy.protocol(50, [("q", (1, 2, 3, 4), [("a", (1, 2, 3))])])
    with pytest.raises(ValueError, match=r"TestG50: expected imname and idlocate .* found 3\); get it"):
        read_protocol_lists(cuhk_copy.train_test / "TestG50.mat", "TestG50", remedy="get it")


def test_empty_gallery(cuhk_copy):
    cuhk_copy.protocol(50, [("q", (1, 2, 3, 4), []), ("r", (1, 2, 3, 4), [("a", None)])])
    lists = read_protocol_lists(cuhk_copy.train_test / "TestG50.mat", "TestG50", remedy="")
    assert lists.entry_offsets.tolist() == [0, 0, 1]


def test_uncompressed_file(cuhk_copy):
    path = cuhk_copy.train_test / "TestG50.mat"
    cuhk_copy.protocol(50, [("q", (1, 2, 3, 4), [("a", None), ("b", (250, 6, 100, 8))])])
    expected = read_protocol_lists(path, "TestG50", remedy="")
    savemat(path, {"TestG50": loadmat(path)["TestG50"]}, do_compression=False)
    assert_same(protocol_mat._read_streaming(path, "TestG50"), expected)
