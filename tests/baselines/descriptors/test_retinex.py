import cv2
import numpy as np

from inet_d2.baselines.descriptors.retinex import retinex


def slow_retinex(crop, sigmas):
    values = crop.astype(np.float64) + 1
    detail = np.zeros_like(values)
    for sigma in sigmas:
        for channel in range(3):
            blurred = cv2.GaussianBlur(values[..., channel].astype(np.float32), (0, 0), sigma)
            detail[..., channel] += (np.log(values[..., channel]) - np.log(blurred)) / len(sigmas)
    detail *= np.log(125 * values / values.sum(axis=2, keepdims=True))
    low, high = detail.mean() - 3 * detail.std(), detail.mean() + 3 * detail.std()
    return np.clip(255 * (detail - low) / (high - low), 0, 255)


def test_slow_twin(make_crops):
    crops = make_crops(2, 128, 48)
    found = retinex(crops, (5.0, 20.0))
    for one, crop in zip(found, crops, strict=True):
        assert np.abs(one - np.floor(slow_retinex(crop, (5.0, 20.0)))).max() <= 1  # sums in another order
    assert found.dtype == np.uint8


def test_a_crop_of_one_colour_stays():
    crops = np.full((2, 16, 8, 3), (10, 200, 90), dtype=np.uint8)
    crops[1, 3] = 50
    found = retinex(crops, (5.0,))
    np.testing.assert_array_equal(found[0], crops[0])
    assert len(np.unique(found[1])) > 2


def test_dimmer_light_changes_little(make_crops):
    crops = make_crops(4, 128, 48) // 2 * 2
    even, dim = retinex(crops, (5.0, 20.0)).astype(float), retinex(crops // 2, (5.0, 20.0)).astype(float)
    assert np.abs(even - dim).mean() < np.abs(crops.astype(float) - crops // 2).mean() / 5
