"""What crops show of their frames, kept: not a pixel changes, a frame is decoded once, memory has a limit."""

import multiprocessing
import pickle

import numpy as np
import pytest

from inet_d2.data import crops
from inet_d2.data.crops import CropDataset, PersonCropMapper
from inet_d2.data.cutouts import CutoutStore
from inet_d2.randomness import SAMPLE, generators_seeded

SIZES = np.array([[7, 5], [7, 5], [4, 6]])
REGIONS = np.array([[0, 0, 2, 3], [1, 2, 5, 7], [3, 0, 6, 4]])  # 6, 20 and 12 pixels
FRAME = np.arange(7 * 5 * 3, dtype=np.uint8).reshape(7, 5, 3)


def make_store(limit=1000, sizes=SIZES):
    return CutoutStore(REGIONS, np.array([0, 0, 4]), sizes, limit=limit)


def test_all_regions_of_a_frame_are_kept_at_once():
    store = make_store()
    assert store.find(0) is None
    store.keep(FRAME, 1)
    for number in (0, 1):
        found, (left, top, right, bottom) = store.find(number), REGIONS[number]
        expected = np.zeros_like(FRAME)
        expected[top:bottom, left:right] = FRAME[top:bottom, left:right]
        np.testing.assert_array_equal(found, expected)
    assert store.find(2) is None  # of another frame


def test_memory_has_a_limit():
    # three bytes for a pixel: 18, 60 and 36
    assert [make_store(limit).num_kept for limit in (0, 17, 18, 77, 78, 113, 114)] == [0, 0, 1, 1, 2, 2, 3]
    assert [make_store(limit).num_bytes for limit in (17, 77, 1000)] == [0, 18, 114]
    store = make_store(18)
    store.keep(FRAME, 1)
    assert store.find(0) is not None
    assert store.find(1) is None


def test_frames_of_unknown_size_are_not_kept():
    store = make_store(sizes=np.array([[0, 0], [0, 0], [4, 6]]))
    store.keep(FRAME, 0)
    assert store.find(0) is None
    assert (store.num_kept, store.num_bytes) == (1, 36)


def test_a_forked_process_fills_it_for_all_and_a_pickled_copy_is_empty():
    store = make_store()
    process = multiprocessing.get_context("fork").Process(target=store.keep, args=(FRAME, 0))
    process.start()
    process.join()
    assert process.exitcode == 0
    np.testing.assert_array_equal(store.find(1)[2:7, 1:5], FRAME[2:7, 1:5])
    copy = pickle.loads(pickle.dumps(store))
    assert copy.find(1) is None
    copy.keep(FRAME, 0)
    assert copy.find(1) is not None


# Odd sizes, people at and over the border, outside, of one pixel, and larger than the frame.
BOXES = [[10.3, 5.5, 30.2, 40.9], [0, 0, 3, 11], [60.5, 90.0, 67.0, 97.0], [33, 20, 34, 21], [-5, -9, 80, 120]]
BOXES += [[-20, 10, -4, 30], [70, 100, 90, 140], [66.0, 96.0, 67.0, 97.0]]


@pytest.mark.parametrize("settings", [{}, {"size": (1, 1), "context": 0}, {"size": (31, 7), "jitter": (0.49, 0.4)}])
def test_crops_are_bit_equal_to_those_of_whole_frames(make_record, settings, monkeypatch):
    given = {"size": (160, 80), "context": 16, "jitter": (0.08, 0.05), "gain": 0.2, "num_crops": 8, "flip_prob": 0.5}
    dataset = CropDataset([make_record("a.png", [(box, 0) for box in BOXES], size=(97, 67))])
    plain, keeping = (PersonCropMapper(image_format="BGR", **{**given, **settings}) for _ in range(2))
    kept = keeping.keep_cutouts(dataset, 1 << 20)
    decoded, read_frame = [], crops.read_frame
    monkeypatch.setattr(crops, "read_frame", lambda *args: decoded.append(args) or read_frame(*args))
    for number in range(10):
        pair = []
        for mapper in (plain, keeping):
            with generators_seeded(SAMPLE, 5, number):
                pair.append(mapper(dataset[0]))
        for expected, found in zip(*pair, strict=True):
            np.testing.assert_array_equal(found["image"].numpy(), expected["image"].numpy())
    assert kept.num_kept == len(BOXES)
    assert len(decoded) == 10 + 1
