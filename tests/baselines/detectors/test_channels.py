import numpy as np
import pytest

from inet_d2.baselines.detectors.channels import (
    compute_channels,
    gradient,
    orientation_channels,
    pad_channels,
    to_luv,
    triangle_filter,
)


@pytest.fixture
def luv(make_crops):
    return to_luv(make_crops(1, 48, 32)[0].astype(np.float32) / 255)


@pytest.mark.parametrize(
    ("colour", "expected"),
    # White: L = 100 / 270, black: L = 0 and the offsets 88 / 270, 134 / 270 alone.
    [
        ((1, 1, 1), (0.37037, 0.32593, 0.49629)),
        ((0, 0, 0), (0, 0.32593, 0.49630)),
        ((1, 0, 0), (0.20089, 0.98631, 0.63877)),
    ],
)
def test_luv_by_hand(colour, expected):
    np.testing.assert_allclose(to_luv(np.array(colour, np.float32)), expected, atol=2e-4)


def test_triangle_filter_by_hand():
    plane = np.zeros((5, 5), dtype=np.float32)
    plane[2, 2] = 16
    np.testing.assert_allclose(triangle_filter(plane, 1)[1:4, 1:4], [[1, 2, 1], [2, 4, 2], [1, 2, 1]])
    # A constant stays, at the border too; the sum of weights is 1 for every radius.
    np.testing.assert_allclose(triangle_filter(np.ones((6, 7, 2), np.float32), 5), 1, rtol=1e-6)


def test_gradient_takes_the_strongest_channel():
    planes = np.zeros((6, 6, 3), dtype=np.float32)
    planes[..., 0] = 0.1 * np.arange(6)  # to the right
    planes[..., 2] = -0.2 * np.arange(6)[:, None]  # up: taken, as a direction down, pi / 2
    magnitude, direction = gradient(planes)
    np.testing.assert_allclose(magnitude, 0.2, rtol=1e-5)
    np.testing.assert_allclose(direction, np.pi / 2, rtol=1e-5)


def test_orientations_by_hand():
    # Directions 0, 45 and 175 degrees in bins of 30: all in 0; half in 1, half in 2; 5/6 back in bin 0.
    direction = np.deg2rad(np.array([[0, 45, 175]], dtype=np.float32))
    found = orientation_channels(np.ones((1, 3), np.float32), direction)[0]
    np.testing.assert_allclose(found[0], [1, 0, 0, 0, 0, 0], atol=1e-6)
    np.testing.assert_allclose(found[1], [0, 0.5, 0.5, 0, 0, 0], atol=1e-6)
    np.testing.assert_allclose(found[2], [5 / 6, 0, 0, 0, 0, 1 / 6], atol=1e-5)


def test_orientations_sum_to_the_magnitude(luv):
    channels = compute_channels(luv)
    assert channels.shape == (12, 8, 10)
    np.testing.assert_allclose(channels[..., 4:].sum(axis=2), channels[..., 3], atol=1e-5)


def test_a_ramp_by_hand():
    # 0.1 a pixel along x in L: M = 0.1 / (0.1 + 0.005), all of it in the first orientation.
    luv = np.zeros((48, 48, 3), dtype=np.float32)
    luv[..., 0] = 0.1 * np.arange(48)
    middle = compute_channels(luv)[6, 6]
    np.testing.assert_allclose(middle[3:5], 0.1 / 0.105, rtol=1e-4)
    np.testing.assert_allclose(middle[5:], 0, atol=1e-6)


def test_a_mirrored_image_has_mirrored_channels(luv):
    channels, mirrored = compute_channels(luv), compute_channels(np.ascontiguousarray(luv[:, ::-1]))
    np.testing.assert_allclose(mirrored[..., :4], channels[:, ::-1, :4], atol=1e-4)
    # Orientation k of six becomes 6 - k, since a direction t becomes pi - t.
    np.testing.assert_allclose(mirrored[..., [4, 9, 8, 7, 6, 5]], channels[:, ::-1, 4:], atol=1e-3)


def test_padding():
    found = pad_channels(np.ones((2, 3, 10), dtype=np.float32), 4, 3)
    assert found.shape == (10, 9, 10)
    assert (found[..., :3] == 1).all()
    assert found[..., 3:].sum() == 2 * 3 * 7
