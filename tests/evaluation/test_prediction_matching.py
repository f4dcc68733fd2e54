import numpy as np
import pytest

from inet_d2.evaluation.prediction_matching import find_queries, order_gallery
from inet_d2.evaluation.predictions import SearchPredictions

IMAGES = np.array(["a", "b", "c"])


def predictions(**changes):
    found = {
        "gallery_names": np.array(["c", "a", "b"]),
        "gallery_counts": np.array([2, 1, 2]),
        "gallery_boxes": np.arange(20.0).reshape(5, 4),
        "gallery_scores": np.array([0.9, 0.3, 0.8, 0.7, 0.6]),
        "gallery_embeddings": np.arange(5.0)[:, None],
        "query_names": np.array(["b", "a", "a", "unused"]),
        "query_boxes": np.array([[0, 0, 5, 5], [10, 10, 20, 20], [-1.7, 0, 9.3, 9], [0, 0, 1, 1]]),
        "query_embeddings": np.arange(4.0)[:, None],
    }
    return SearchPredictions(**{**found, **changes})


@pytest.fixture
def protocol(twins):
    lists = [("a", [("b", None)]), ("b", []), ("a", [])]
    return twins.protocol(lists, IMAGES.tolist(), query_boxes=[[0, 0, 9.3, 9], [0, 0, 5, 5], [10, 10, 20, 20]])


def test_gallery_follows_the_data_set_and_the_threshold():
    gallery, scores, embeddings = order_gallery(predictions(), IMAGES, 0.6)
    assert gallery.counts.tolist() == [1, 2, 1]
    assert embeddings.reshape(-1).tolist() == [2, 3, 4, 0]
    assert scores.tolist() == np.float32([0.8, 0.7, 0.6, 0.9]).tolist()  # 0.6 itself stays, in 32 bits too
    assert gallery.boxes[0].tolist() == [8, 9, 10, 11]


def test_nothing_above_the_threshold():
    gallery, scores, embeddings = order_gallery(predictions(), IMAGES, 0.95)
    assert gallery.counts.tolist() == [0, 0, 0]
    assert (len(scores), embeddings.shape) == (0, (0, 1))


@pytest.mark.parametrize(
    ("images", "match"),
    [
        (["a", "b", "c", "d"], r"gallery_names: expected all 4 images of the data set, found 1 missing, first d"),
        (["a", "b"], r"gallery_names: expected the 2 images of the data set, found 1 others, first c"),
    ],
)
def test_other_images_are_refused(images, match):
    with pytest.raises(ValueError, match=match):
        order_gallery(predictions(), np.array(images), 0.5)


def test_queries_are_found_by_name_and_box(protocol):
    # A negative corner may be clipped in one of the two; the row that nobody asks for is left aside.
    assert find_queries(predictions(), protocol).tolist() == [2, 0, 1]


def test_nearest_of_two_close_boxes_wins(twins):
    protocol = twins.protocol([("a", [])], ["a"], query_boxes=[[10, 10, 20, 20.5]])
    close = predictions(
        query_names=np.array(["a", "a"]),
        query_boxes=np.array([[10, 10, 20, 20], [10, 10, 20, 20.4]]),
        query_embeddings=np.ones((2, 1)),
    )
    assert find_queries(close, protocol).tolist() == [1]


def test_missing_query_is_named(protocol):
    shifted = predictions().query_boxes.copy()
    shifted[1] += 2
    with pytest.raises(ValueError, match=r"query_names, query_boxes: expected every query of lists, .*1 of 3, first a"):
        find_queries(predictions(query_boxes=shifted), protocol)


def test_two_rows_for_one_query(protocol):
    boxes = predictions().query_boxes.copy()
    names = np.array(["b", "a", "a", "b"])
    boxes[3] = boxes[0]
    with pytest.raises(ValueError, match=r"found rows 0 and 3 for b .* with different embeddings"):
        find_queries(predictions(query_names=names, query_boxes=boxes), protocol)
    equal = predictions(query_names=names, query_boxes=boxes, query_embeddings=np.ones((4, 1)))
    assert find_queries(equal, protocol)[1] == 0


def test_one_row_may_serve_two_queries(twins):
    protocol = twins.protocol([("b", []), ("b", [])], ["b"], query_boxes=[[0, 0, 5, 5]] * 2)
    assert find_queries(predictions(), protocol).tolist() == [0, 0]
