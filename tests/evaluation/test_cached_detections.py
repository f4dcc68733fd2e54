import numpy as np
import pytest

from inet_d2.conversion.detection_cache import DetectionCache
from inet_d2.evaluation.cached_detections import is_weighted, name_detections


@pytest.fixture
def protocol(twins):
    """Two queries of person boxes in images b and a; the second box begins left of the image."""
    boxes = [[5.0, 6, 15, 26], [-3, 2, 8, 20]]
    return twins.protocol([("b", []), ("a", [])], ["a", "b", "c"], query_boxes=boxes)


def cache(**changes):
    unit = np.array([[1.0, 0], [0, 1], [0.6, 0.8]], np.float32)
    arrays = {
        "gallery_counts": np.array([1, 0, 2]),
        "gallery_detections": np.array([[0, 0, 9, 9, 0.9], [1, 1, 8, 8, 0.5], [2, 2, 7, 7, 0.75]], np.float32),
        "gallery_embeddings": unit * np.array([[0.9], [0.5], [0.75]], np.float32),
        "query_embeddings": unit[:2],
        "context_counts": np.array([2, 1]),
        # The second query's box was clipped and moved by less than a pixel.
        "context_detections": np.array([[5, 6, 15, 26, 1], [0, 0, 4, 4, 0.8], [0, 2.4, 8, 20, 1]], np.float32),
        "context_embeddings": unit,
    }
    return DetectionCache(**{**arrays, **changes})


def test_names_are_those_of_the_data_set(protocol):
    predictions, context = name_detections(cache(), protocol)
    assert predictions.gallery_names.tolist() == ["a", "b", "c"]
    assert predictions.gallery_counts.tolist() == [1, 0, 2]
    assert predictions.gallery_boxes[2].tolist() == [2, 2, 7, 7]
    assert predictions.query_names.tolist() == ["b", "a"]
    assert predictions.query_boxes.tolist() == protocol.query_boxes.tolist()
    assert (context.context_counts.tolist(), context.context_scores[0]) == ([2, 1], 1)


def test_weighted_embeddings_get_unit_length_again(protocol):
    weighted, unit = cache(), cache(gallery_embeddings=cache().context_embeddings)
    scores = weighted.gallery_detections[:, 4]
    assert is_weighted(weighted.gallery_embeddings, scores)
    assert not is_weighted(unit.gallery_embeddings, scores)
    assert not is_weighted(3 * unit.gallery_embeddings, scores)  # of any other length: as they are
    for given in (weighted, unit):
        assert np.allclose(name_detections(given, protocol)[0].gallery_embeddings, unit.gallery_embeddings)


def test_certain_detections_of_unit_length_are_not_weighted():
    assert not is_weighted(np.eye(2), np.array([1.0, 0.995]))
    assert not is_weighted(np.empty((0, 2)), np.empty(0))


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"gallery_counts": np.array([1, 2])}, "gallery_dets: expected 3 items, as many as lists has, found 2"),
        ({"query_embeddings": np.ones((1, 2))}, "query_box_feats: expected 2 items, as many as lists has, found 1"),
        ({"context_counts": np.array([3, 0])}, "query_dets: item 1: expected the query's box first, found no box"),
        (
            {"context_detections": cache().context_detections[::-1]},
            r"query_dets: item 0: expected the box of query 0 of lists, \[5.0, 6.0, .*\], found .*; 2 of 2 differ",
        ),
    ],
)
def test_another_data_set_is_refused(protocol, changes, message):
    with pytest.raises(ValueError, match=message):
        name_detections(cache(**changes), protocol)
