import numpy as np
import pytest

from inet_d2.baselines.descriptors import LOMO
from inet_d2.baselines.descriptors.lomo import colour_bins, halved, row_maxima, texture_codes
from inet_d2.config import add_inet_config


def test_texture_codes_by_hand():
    # c = 100, tau = 0.3: right 131 > 130 gives 2, up 69 < 70 gives 1, left 100 gives 0, down 130 is not above 130:
    # 2 + 3 * 1 + 9 * 0 + 27 * 0 = 5.
    grey = np.array([[0, 69, 0], [100, 100, 131], [0, 130, 0]], dtype=np.float32)
    assert texture_codes(grey, 1, 0.3)[1, 1] == 5


def test_texture_codes_do_not_see_the_light(make_crops):
    grey = make_crops(2, 40, 30)[..., 0].astype(np.float32)
    np.testing.assert_array_equal(texture_codes(grey, 3, 0.3), texture_codes(grey / 2, 3, 0.3))


def test_texture_codes_replicate_edges():
    # A ramp of factor 2 to the right: right is brighter (2) and left darker (9); beyond the ends are the same pixels.
    grey = np.tile(2.0 ** np.arange(4, dtype=np.float32), (3, 1))
    np.testing.assert_array_equal(texture_codes(grey, 1, 0.3)[1], [2, 11, 11, 9])


def slow_row_maxima(patterns, num_patterns, block, step):
    height, width = patterns.shape
    rows = []
    for top in range(0, height - block + 1, step):
        counts = [
            np.bincount(patterns[top : top + block, left : left + block].ravel(), minlength=num_patterns)
            for left in range(0, width - block + 1, step)
        ]
        rows.append(np.max(counts, axis=0))
    return np.stack(rows)


@pytest.mark.parametrize(("height", "width"), [(128, 48), (33, 27), (10, 10)])
def test_row_maxima_equal_their_slow_twin(height, width):
    patterns = np.random.default_rng(0).integers(0, 7, (3, height, width))
    found = row_maxima(patterns, 7, 10, 5)
    for one, expected in zip(found, patterns, strict=True):
        np.testing.assert_array_equal(one, slow_row_maxima(expected, 7, 10, 5))


def test_colour_bins_by_hand():
    # Pure blue has hue 240 / 360 = 0.667, bin 5; S = V = 1 fall in the last bin. Grey 128: V = 0.502, bin 4.
    crop = np.array([[[[0, 0, 255], [128, 128, 128]]]], dtype=np.uint8)
    np.testing.assert_array_equal(colour_bins(crop, (8, 8, 8))[:, 0, 0], [[5, 0], [7, 0], [7, 4]])


def test_halving_drops_an_odd_line():
    np.testing.assert_array_equal(halved(np.arange(15).reshape(3, 5)), [[3, 5]])  # (0+1+5+6)/4, (2+3+7+8)/4


@pytest.mark.parametrize(
    ("size", "length"),
    # 24 + 11 + 5 rows of blocks of 512 + 2 * 81; 30 + 14 + 6 = 50 at 160; at 64 x 24 and two scales 11 + 5 rows.
    [((128, 48), 26960), ((160, 60), 35722), ((160, 48), 35722)],
)
def test_length(make_crops, size, length):
    assert LOMO(size=size).describe(make_crops(1, *size)).shape == (1, length)


def test_a_crop_of_one_colour():
    # Each of 40 rows of blocks has one bin, in each of the three parts: 120 entries, all 1 / sqrt(40).
    crop = np.full((1, 128, 48, 3), (200, 60, 30), dtype=np.uint8)
    row = LOMO(retinex_sigmas=()).describe(crop)[0]
    assert (row > 0).sum() == 120
    np.testing.assert_allclose(row[row > 0], 40**-0.5, rtol=1e-6)


def test_a_batch_is_its_crops(make_crops):
    crops = make_crops(11, 128, 48)
    lomo = LOMO()
    together = lomo.describe(crops)
    np.testing.assert_allclose(together, np.concatenate([lomo.describe(c[None]) for c in crops]), atol=1e-6)
    np.testing.assert_allclose(np.linalg.norm(together, axis=1), 3**0.5, rtol=1e-6)
    assert lomo.describe(crops[:0]).shape[0] == 0


def test_order_of_parts():
    # Two crops of the same grey, one of another hue: textures, the last 2 * 40 * 81 numbers, are alike.
    crops = np.zeros((2, 128, 48, 3), dtype=np.uint8)
    crops[0, :64], crops[1, :64] = (100, 100, 100), (100, 100, 100)
    crops[0, 64:], crops[1, 64:] = (30, 30, 30), (0, 36, 79)  # 0.299 R + 0.587 G + 0.114 B = 30 for both
    first, second = LOMO(retinex_sigmas=()).describe(crops)
    assert np.abs(first[: 512 * 40] - second[: 512 * 40]).max() > 0.1
    np.testing.assert_array_equal(first[512 * 40 :], second[512 * 40 :])


def test_mirror_at_a_width_that_blocks_fill(make_crops):
    # 50 columns hold 9 blocks from edge to edge, and 25 hold 4: mirrored blocks are blocks.
    crops = make_crops(3, 128, 50)
    lomo = LOMO(size=(128, 50), num_scales=2, retinex_sigmas=())
    rows, mirrored = lomo.describe(crops), lomo.describe(np.ascontiguousarray(crops[:, :, ::-1]))
    np.testing.assert_allclose(rows[:, : 512 * 35], mirrored[:, : 512 * 35], atol=1e-6)


def test_settings_that_do_not_fit():
    with pytest.raises(ValueError, match="BLOCK a multiple of STEP, found 10 and 4"):
        LOMO(step=4)
    with pytest.raises(ValueError, match="smallest holds a block"):
        LOMO(size=(64, 24))


def test_the_configuration_is_the_default():
    from detectron2.config import get_cfg

    cfg = get_cfg()
    add_inet_config(cfg)
    built, default = LOMO(**LOMO.from_config(cfg.TWO_STEP)), LOMO()
    assert vars(built) == vars(default)
    cfg.TWO_STEP.LOMO.RETINEX = False
    assert LOMO.from_config(cfg.TWO_STEP)["retinex_sigmas"] == ()
