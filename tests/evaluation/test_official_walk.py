import pytest

from inet_d2.data.datasets.protocol import EVERY, LISTED, LISTED_THEN_REST
from inet_d2.evaluation.official_walk import iou, walk_gallery

BOX, FAR = [0, 0, 40, 40], [500, 0, 540, 40]
IMAGES = {"own": [BOX], "a": [BOX, FAR], "b": [BOX], "c": []}
VALUES = {"own": [1.0], "a": [0.3, 0.9], "b": [0.3]}


def walk(entries, **options):
    return walk_gallery("own", entries, IMAGES, VALUES.get, **options)


@pytest.mark.parametrize(
    ("gallery", "names"),
    [(LISTED, ["b"]), (LISTED_THEN_REST, ["b", "a", "a"]), (EVERY, ["a", "a", "b"])],
)
def test_what_a_gallery_holds(gallery, names):
    found = walk([("b", BOX), ("c", None)], gallery=gallery)
    assert found.names == names
    assert found.num_ground_truths == 1
    assert sum(found.labels) == 1


def test_the_person_is_the_most_similar_detection_that_overlaps():
    found = walk([("a", BOX), ("b", BOX)])
    # The more similar detection in "a" stands elsewhere.
    assert found.labels == [True, False, True]
    assert found.similarities == [0.3, 0.9, 0.3]
    assert found.boxes == [BOX, FAR, BOX]
    assert found.best_rank() == 1
    assert walk([("c", BOX)]).best_rank() == -1


def test_an_image_that_is_listed_twice():
    assert walk([("a", BOX), ("a", FAR)]).labels == [True, False, False, True]
    found = walk([("a", BOX), ("a", FAR)], rules="seqnet")
    assert (found.labels, found.num_ground_truths) == ([True, False], 2)


def test_images_can_be_left_out():
    for gallery in (EVERY, LISTED_THEN_REST):
        assert walk([("a", BOX)], gallery=gallery, is_excluded=lambda name: name == "b").names == ["a", "a"]


def test_iou():
    assert iou([0, 0, 10, 10], [5, 0, 15, 10]) == 50 / 150
    assert iou([0, 0, 10, 10], [10, 0, 20, 10]) == 0
    assert iou([3, 3, 3, 3], [3, 3, 3, 3]) == 0
