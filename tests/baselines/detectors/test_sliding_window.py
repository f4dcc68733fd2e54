import numpy as np
import pytest

from inet_d2.baselines.detectors.boosting import train_trees
from inet_d2.baselines.detectors.sliding_window import (
    Window,
    detect,
    pad_window,
    pyramid_scales,
    rounded_size,
    slide,
    suppress,
)

SMALL = Window(size=(16, 12), person=(12.0, 6.0))


def test_the_padding_of_the_published_window():
    # (128 - 100) / 2 = 14 and (64 - 41) / 2 = 11.5 pixels: 16 and 12 to whole cells of 4.
    assert Window().padding == (4, 3)
    assert Window().cells == (32, 16)


def test_scales_by_hand():
    # 200 x 82 holds the person twice over: one octave down from 1 and one up, in halves of octaves.
    found = pyramid_scales(200, 82, Window(), per_octave=2, octaves_up=1)
    np.testing.assert_allclose(found, [2, 2**0.5, 1, 2**-0.5, 0.5])
    assert pyramid_scales(40, 41, Window(), per_octave=8, octaves_up=0) == []
    assert rounded_size(101, 50, 1.0, 4) == (100, 48)


def trained():
    generator = np.random.default_rng(0)
    windows = generator.random((80, 3 * 4 * 3)).astype(np.float32)
    return train_trees(windows, windows[:, 7] > windows[:, 20], num_trees=90, depth=2, share=0.5, generator=generator)


@pytest.mark.parametrize("stop_below", [-np.inf, -1.0])
def test_windows_equal_their_slow_twin(stop_below):
    trees = trained()
    channels = np.random.default_rng(1).random((9, 8, 3)).astype(np.float32)
    ys, xs, scores = slide(channels, SMALL, trees, stop_below)
    expected = {}
    for y in range(9 - 4 + 1):
        for x in range(8 - 3 + 1):
            # Feature = plane * (cells of a window) + column * rows + row.
            window = channels[y : y + 4, x : x + 3].transpose(2, 1, 0).ravel()
            running = np.cumsum(trees.tree_scores(window[None], 0, 90)[0])
            if (running > stop_below).all():
                expected[y, x] = running[-1]
    assert sorted(zip(ys.tolist(), xs.tolist(), strict=True)) == sorted(expected)
    np.testing.assert_allclose(scores, [expected[place] for place in zip(ys, xs, strict=True)], rtol=1e-4, atol=1e-5)
    assert len(expected) == 36 if stop_below < -9 else 0 < len(expected) < 36


def test_an_image_below_the_window_has_no_windows():
    assert [len(part) for part in slide(np.zeros((3, 9, 3), np.float32), SMALL, trained(), -1)] == [0, 0, 0]


def test_suppression_by_the_smaller_area():
    boxes = np.array([[0, 0, 10, 10], [2, 2, 6, 6], [8, 0, 18, 10], [3, 0, 13, 10]], dtype=float)
    # The second lies inside the first (1.0), and 12 of its 16 inside the fourth; the third shares 2 of 10 with the
    # first, the fourth 7 of 10.
    assert suppress(boxes, np.array([0.9, 0.95, 0.5, 0.7])).tolist() == [1, 2]
    assert suppress(boxes, np.array([0.95, 0.9, 0.5, 0.7])).tolist() == [0, 2]
    assert suppress(np.zeros((0, 4)), np.zeros(0)).tolist() == []


def test_boxes_by_hand():
    # The window at cell (1, 1) of padded channels: padding 1 cell, so it begins at the image's corner. The person is
    # 2 and 3 pixels inside: (3, 2) to (9, 14), twice as large at half the scale.
    assert SMALL.padding == (1, 1)

    def search(channels):
        return np.array([1]), np.array([1]), np.array([0.5], np.float32)

    boxes, scores = detect([((0.5, 0.5), None)], SMALL, search)
    np.testing.assert_allclose(boxes, [[6, 4, 18, 28]])
    assert scores.tolist() == [0.5]


def test_a_training_window_is_where_detection_would_find_it():
    image = np.random.default_rng(0).integers(0, 255, (60, 60, 3), dtype=np.uint8)
    # A person of the window's own height: the window is cut out as it is, with a cell of context around.
    found = pad_window(image, np.array([20.0, 20, 26, 32]), SMALL, 1)
    np.testing.assert_array_equal(found, image[26 - 12 : 26 + 12, 23 - 10 : 23 + 10])
    # Beyond the edge the last pixels go on.
    edge = pad_window(image, np.array([0.0, 0, 6, 12]), SMALL, 1)
    assert (edge[:6, :7] == image[0, 0]).all()
    assert pad_window(image, np.array([0.0, 0, 24, 48]), SMALL, 1).shape == (24, 20, 3)
