import cv2
import numpy as np
import pytest

from inet_d2.baselines.descriptors import DenseColourSift
from inet_d2.baselines.descriptors.dsift import (
    gradient_directions,
    opponent_bins,
    patch_centres,
    window_matrix,
)


@pytest.mark.parametrize(
    ("size", "patches"),
    # (128 - 10) // 4 + 1 = 30 and (48 - 10) // 4 + 1 = 10; 38 x 13 for 160 x 60; one patch in 10 x 10.
    [((128, 48), 300), ((160, 60), 494), ((10, 10), 1)],
)
def test_length_and_norm(make_crops, size, patches):
    rows = DenseColourSift(size=size).describe(make_crops(2, *size))
    assert rows.shape == (2, 672 * patches)
    np.testing.assert_allclose(np.linalg.norm(rows, axis=1), 1, rtol=1e-5)


def test_centres_reach_both_ends():
    # ceil of 5, 9.2, 13.4, 17.7, 21.9, 26.1, 30.3, 34.6, 38.8, 43
    np.testing.assert_array_equal(patch_centres(48, 10, 4), [5, 10, 14, 18, 22, 27, 31, 35, 39, 43])


def test_windows_are_cut_at_the_edge():
    np.testing.assert_array_equal(window_matrix(np.array([-1, 2]), [1, 2, 3], 4), [[2, 3, 0, 0], [0, 0, 1, 2]])


def test_opponent_bins_by_hand():
    # (100 + 255) * 32 / 510 = 22.3; (200 + 100 - 60 + 510) * 32 / 1020 = 23.5; 330 * 32 / 1325 = 8.0; grey: 16, 16.
    found = opponent_bins(np.array([[[[200, 100, 30], [90, 90, 90]]]], dtype=np.uint8), 32)[0, :, 0]
    np.testing.assert_array_equal(found[:, 0], [22, 23, 7])  # 7.97
    np.testing.assert_array_equal(found[:2, 1], [16, 16])
    assert opponent_bins(np.full((1, 1, 1, 3), (255, 0, 0), dtype=np.uint8), 32).max() == 31


def slow_histogram(crop, top, left, side):
    """32 bins of each opponent colour in a patch of the full scale: l2, cut at 0.2, l2."""
    red, green, blue = np.moveaxis(crop[top : top + side, left : left + side].astype(int), 2, 0)
    parts = []
    for values, ends in (
        (red - green, (-255, 255)),
        (red + green - 2 * blue, (-510, 510)),
        (red + green + blue, (0, 765 * 3**0.5)),
    ):
        counts, _ = np.histogram(values, bins=32, range=ends)
        cut = np.minimum(counts / np.linalg.norm(counts), 0.2)
        parts.append(cut / np.linalg.norm(cut))
    return np.concatenate(parts)


def slow_sift(crop, y, x):
    """SIFT of the patch with its centre at (y, x), counted from 0, all loops written out."""
    lab = (cv2.cvtColor(crop, cv2.COLOR_RGB2LAB).astype(np.float64) - [0, 108, 81]) / [255, 79, 80]
    gauss = np.exp(-0.5 * np.arange(-2.0, 3.0) ** 2)
    gauss /= gauss.sum()
    slope = -np.gradient(gauss)
    slope *= 2 / np.abs(slope).sum()
    parts = []
    for channel in range(3):
        padded = np.pad(lab[..., channel], 2, mode="edge")
        cells = np.zeros((4, 4, 8))
        for i, down in enumerate((-4, -1, 1, 3)):
            for j, right in enumerate((-4, -1, 1, 3)):
                for dy in range(-2, 3):
                    for dx in range(-2, 3):
                        py, px = y + down + dy, x + right + dx
                        if not (0 <= py < crop.shape[0] and 0 <= px < crop.shape[1]):
                            continue
                        window = padded[py : py + 5, px : px + 5]
                        gx, gy = gauss @ window @ slope, slope @ window @ gauss
                        weight = (1 - abs(dy) / 2.5) * (1 - abs(dx) / 2.5)
                        for k in range(8):
                            along = max(np.cos(np.arctan2(gy, gx) - k * np.pi / 4), 0) ** 9
                            cells[i, j, k] += weight * along * np.hypot(gx, gy)
        cells = cells.ravel() + 1e-6
        parts.append(cells / np.linalg.norm(cells))
    return np.concatenate(parts)


@pytest.mark.parametrize("patch", [(0, 0), (7, 4), (29, 9)])
def test_patches_equal_their_slow_twins(make_crops, patch):
    crop = make_crops(1, 128, 48)[0]
    row = DenseColourSift().describe(crop[None])[0].reshape(30, 10, 672)[patch] * 60  # sqrt(12 * 300)
    y, x = (patch_centres(side, 10, 4)[place] - 1 for side, place in zip((128, 48), patch, strict=True))
    np.testing.assert_allclose(row[192:288], slow_histogram(crop, y - 4, x - 4, 10), atol=1e-5)
    np.testing.assert_allclose(row[288:], slow_sift(crop, y, x), atol=1e-4)


def test_a_crop_of_one_colour():
    row = DenseColourSift().describe(np.full((1, 128, 48, 3), (90, 10, 200), np.uint8))[0].reshape(300, 672) * 60
    np.testing.assert_allclose(row[:, 288:], 128**-0.5, rtol=1e-4)
    # One bin of each of nine histograms has everything.
    np.testing.assert_array_equal((row[:, :288] > 0.999).sum(axis=1), 9)


@pytest.mark.parametrize("direction", range(8))
def test_a_ramp_points_one_way(direction):
    angle = direction * np.pi / 4
    y, x = np.mgrid[:20, :20]
    ramp = (0.01 * (np.cos(angle) * x + np.sin(angle) * y)).astype(np.float32)
    found = gradient_directions(ramp[None])[0, :, 10, 10]
    # Its own direction has all of it, the next ones cos(45)^9 = 1/22.6.
    np.testing.assert_allclose(
        found / found[direction], np.roll([1, 2**-4.5, 0, 0, 0, 0, 0, 2**-4.5], direction), atol=1e-4
    )


def test_a_batch_is_its_crops(make_crops):
    crops = make_crops(10, 128, 48)
    descriptor = DenseColourSift()
    together = descriptor.describe(crops)
    np.testing.assert_allclose(together, np.concatenate([descriptor.describe(c[None]) for c in crops]), atol=1e-6)


def test_settings_that_do_not_fit():
    with pytest.raises(ValueError, match="SIZE at least PATCH"):
        DenseColourSift(size=(8, 48))
    with pytest.raises(ValueError, match=r"SCALES in \(0, 1\]"):
        DenseColourSift(scales=(0.5, 1.5))
