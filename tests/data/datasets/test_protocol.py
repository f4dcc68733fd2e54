import numpy as np
import pytest

from inet_d2.data.datasets.protocol import EVERY, SearchProtocol


def make(**changes):
    fields = {
        "name": "small",
        "image_names": np.array(["a", "b", "c"]),
        "query_names": np.array(["c", "a", "c"]),
        "query_boxes": np.array([[0, 0, 10, 20], [1, 1, 5, 9], [20, 0, 30, 40.0]]),
        "entry_offsets": np.array([0, 2, 3, 4]),
        "entry_images": np.array([0, 1, 2, 0]),
        "truth_entries": np.array([0, 2, 3]),
        "truth_boxes": np.array([[1, 1, 5, 9], [0, 0, 10, 20], [2, 2, 9, 9.0]]),
    }
    return SearchProtocol(**{**fields, **changes})


def test_derived_arrays():
    protocol = make()
    assert protocol.truth_queries.tolist() == [0, 1, 2]
    assert protocol.query_images.tolist() == [2, 0, 2]
    assert protocol.num_ground_truths.tolist() == [1, 1, 1]


def test_queries_by_image_keeps_indices_and_order():
    groups = make().queries_by_image()
    assert list(groups) == ["c", "a"]
    indices, boxes = groups["c"]
    assert indices.tolist() == [0, 2]
    assert boxes.tolist() == [[0, 0, 10, 20], [20, 0, 30, 40]]


def test_across_cameras_drops_entries_of_the_same_camera():
    protocol = make(gallery=EVERY, image_cameras=np.array([1, 2, 1]), query_cameras=np.array([1, 1, 3]))
    strict = protocol.across_cameras()
    # Image 1 alone has another camera than query 0 and 1: entry 1 stays, and of query 2 (camera 3) entry 3.
    assert strict.entry_offsets.tolist() == [0, 1, 1, 2]
    assert strict.entry_images.tolist() == [1, 0]
    assert strict.truth_entries.tolist() == [1]
    assert strict.truth_boxes.tolist() == [[2, 2, 9, 9]]
    assert strict.cross_camera
    assert not protocol.cross_camera


def test_a_protocol_whose_figures_would_all_be_0():
    empty = {"query_names": np.array([], dtype=str), "query_boxes": np.zeros((0, 4)), "entry_offsets": np.array([0])}
    none = {"truth_entries": np.array([], dtype=int), "truth_boxes": np.zeros((0, 4))}
    make().check_scorable()
    with pytest.raises(ValueError, match="small: expected queries, found none"):
        make(**empty, **none, entry_images=np.array([], dtype=int)).check_scorable()
    with pytest.raises(ValueError, match=r"small: .* found none of 3 queries in its gallery"):
        make(**none).check_scorable()


@pytest.mark.parametrize("wrong", [[np.nan, 0, 10, 20], [0, 0, np.inf, 20], [5, 0, 1, 20]])
def test_truths_that_are_no_boxes(wrong):
    with pytest.raises(ValueError, match=r"small: expected boxes of the searched people, found .* in c; correct"):
        make(truth_boxes=np.array([[1, 1, 5, 9], wrong, [2, 2, 9, 9.0]]))


def test_across_cameras_needs_cameras():
    with pytest.raises(ValueError, match="small: cross-camera search needs cameras"):
        make().across_cameras()


@pytest.mark.parametrize(
    ("changes", "match"),
    [
        ({"gallery": "some"}, "gallery: expected one of"),
        ({"image_names": np.array(["a", "a", "c"])}, "image_names: expected every name once"),
        ({"query_boxes": np.zeros((2, 4))}, r"query_boxes: expected shape \(3, 4\), found \(2, 4\)"),
        ({"entry_offsets": np.array([0, 2, 1, 4])}, "entry_offsets: expected 0 to 4 without descent"),
        ({"entry_images": np.array([0, 1, 3, 0])}, "entry_images: expected rows of the 3 images"),
        ({"truth_entries": np.array([0, 3, 2])}, "truth_entries: expected ascending rows of the 4 entries"),
        ({"truth_entries": np.array([0, 2, 4])}, "truth_entries: expected ascending rows of the 4 entries"),
        ({"truth_boxes": np.zeros((2, 4))}, r"truth_boxes: expected shape \(3, 4\), found \(2, 4\)"),
        (
            {"query_boxes": np.array([[0, 0, 10, 20], [1, 1, 1, 9], [20, 0, 30, 40.0]])},
            "query 1 in a: expected a box with positive width and height",
        ),
    ],
)
def test_inconsistent_arrays_are_refused(changes, match):
    with pytest.raises(ValueError, match=match):
        make(**changes)


def test_query_outside_its_image_is_refused():
    records = [{"image_id": "c", "width": 25, "height": 50}, {"image_id": "a"}]
    make().check_query_boxes(records)
    records[0]["width"] = 20
    with pytest.raises(ValueError, match=r"query 2: expected a box inside c \(20 x 50 pixels\), found \[20.* correct"):
        make().check_query_boxes(records)
    with pytest.raises(ValueError, match=r"query 0: .* \(1 more queries are outside theirs\); correct"):
        make().check_queries_inside(np.array([0, 2]), np.array([[0, 9], [20, 50]]))
