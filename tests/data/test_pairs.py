"""Pairs: all of them, once, never a frame with itself."""

import itertools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from inet_d2.data.pairs import PairDataset, same_identity_pairs
from inet_d2.data.pids import UNLABELLED


def make_records(pids_per_image):
    return [
        {
            "file_name": f"s{index}.jpg",
            "image_id": f"s{index}.jpg",
            "height": 10,
            "width": 10,
            "annotations": [{"bbox": [0.0, 0.0, 5.0, 5.0], "bbox_mode": 0, "person_id": pid} for pid in pids],
        }
        for index, pids in enumerate(pids_per_image)
    ]


def slow_pairs(pids_per_image):
    """The definition: for each identity, every two images that show it."""
    identities = sorted({pid for pids in pids_per_image for pid in pids if pid >= 0})
    return [
        [pid, i, j]
        for pid in identities
        for i, j in itertools.combinations(range(len(pids_per_image)), 2)
        if pid in pids_per_image[i] and pid in pids_per_image[j]
    ]


def test_hand_worked_pairs():
    # pid 0 in images 0, 1, 3: 3 * 2 / 2 = 3 pairs; pid 1 in 1, 3: 1 pair; pid 2 only in image 2: none.
    pairs = same_identity_pairs(make_records([[0], [1, 0], [2], [0, 1]]))
    assert pairs.dtype == np.int64
    assert pairs.tolist() == [[0, 0, 1], [0, 0, 3], [0, 1, 3], [1, 1, 3]]


def test_identity_twice_in_a_frame_makes_no_pair_of_the_frame_with_itself():
    assert same_identity_pairs(make_records([[4, 4]])).shape == (0, 3)
    assert same_identity_pairs(make_records([[4, 4], [4]])).tolist() == [[4, 0, 1]]


def test_unlabelled_people_and_empty_images_make_no_pair():
    assert same_identity_pairs(make_records([[UNLABELLED], [UNLABELLED, 3], []])).shape == (0, 3)
    assert same_identity_pairs([]).shape == (0, 3)


@settings(max_examples=60, deadline=None)
@given(st.lists(st.lists(st.integers(-1, 4), max_size=5), max_size=7))
def test_equals_the_slow_twin(pids_per_image):
    assert same_identity_pairs(make_records(pids_per_image)).tolist() == slow_pairs(pids_per_image)


def test_dataset_items_are_the_pairs_and_may_be_modified():
    dataset = PairDataset(make_records([[0], [1], [0, 1]]))
    assert len(dataset) == 2
    item = dataset[1]
    assert (item["pid"], item["first"]["image_id"], item["second"]["image_id"]) == (1, "s1.jpg", "s2.jpg")
    item["first"]["annotations"].clear()
    assert dataset[1]["first"]["annotations"][0]["person_id"] == 1


def test_no_pair_is_an_error():
    with pytest.raises(ValueError, match="found none among 2 images"):
        PairDataset(make_records([[0], [1]]))
