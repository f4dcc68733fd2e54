"""Aggregate channel features: colour, gradient and its direction, each averaged over 4 x 4 pixels.

Dollar, Appel, Belongie, Perona, PAMI 2014.

Shapes: images of h x w pixels, cells of ``shrink`` x ``shrink`` pixels; ten channels L, U, V, M, H1 to H6.
"""

import cv2
import numpy as np

NUM_CHANNELS = 10
NUM_ORIENTATIONS = 6
# Smoothing of the gradient's own magnitude, and what keeps the quotient finite.
NORM_RADIUS, NORM_CONST = 5, 0.005


def to_luv(image: np.ndarray) -> np.ndarray:
    """The CIE L*u*v* of aggregate channel features: no gamma, all three in about [0, 1].

    Args:
        image: (..., 3) float32 RGB in [0, 1].

    Returns:
        (..., 3) float32.
    """
    to_xyz = np.array(
        [[0.430574, 0.341550, 0.178325], [0.222015, 0.706655, 0.071330], [0.020183, 0.129553, 0.939180]], np.float32
    )
    x, y, z = np.moveaxis(image @ to_xyz.T, -1, 0)
    dark = np.float32((29 / 3) ** 3)
    light = np.where(y > (6 / 29) ** 3, 116 * np.cbrt(y) - 16, dark * y) / 270
    total = np.maximum(x + 15 * y + 3 * z, np.float32(1e-12))
    u = light * (52 * x / total - np.float32(13 * 0.197833)) + np.float32(88 / 270)
    v = light * (117 * y / total - np.float32(13 * 0.468331)) + np.float32(134 / 270)
    return np.stack([light, u, v], axis=-1).astype(np.float32)


def triangle_filter(planes: np.ndarray, radius: int) -> np.ndarray:
    """Smooth with weights 1, 2, ..., radius + 1, ..., 2, 1 along both sides.

    Args:
        planes: (h, w) or (h, w, c) float32; the border is mirrored with its pixels.
        radius: 0 changes nothing.

    Returns:
        The same shape.
    """
    if radius == 0:
        return planes
    ramp = np.arange(1, radius + 2, dtype=np.float32)
    weights = np.concatenate([ramp, ramp[-2::-1]]) / (radius + 1) ** 2
    channels = np.atleast_3d(planes)
    parts = [
        cv2.sepFilter2D(np.ascontiguousarray(channels[..., c]), -1, weights, weights, borderType=cv2.BORDER_REFLECT)
        for c in range(channels.shape[2])
    ]
    return parts[0] if planes.ndim == 2 else np.stack(parts, axis=2)


def gradient(planes: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Magnitude and direction of the channel that changes most at each pixel.

    Args:
        planes: (h, w, c) float32.

    Returns:
        (h, w) float32 magnitude, and direction in [0, pi).
    """
    dy, dx = (np.gradient(planes, axis=axis) for axis in (0, 1))
    squares = dx**2 + dy**2
    strongest = squares.argmax(axis=2)[..., None]
    dx, dy = (np.take_along_axis(d, strongest, axis=2)[..., 0] for d in (dx, dy))
    direction = np.arctan2(dy, dx) % np.float32(np.pi)
    return np.hypot(dx, dy), np.where(direction >= np.float32(np.pi), np.float32(0), direction)


def orientation_channels(magnitude: np.ndarray, direction: np.ndarray) -> np.ndarray:
    """Share each pixel's magnitude among the two orientations next to it.

    Args:
        magnitude: (h, w) float32.
        direction: (h, w) float32 in [0, pi).

    Returns:
        (h, w, 6) float32 whose sum over the last axis is ``magnitude``.
    """
    place = direction * np.float32(NUM_ORIENTATIONS / np.pi)
    low = np.minimum(place.astype(np.int64), NUM_ORIENTATIONS - 1)
    upper = (place - low) * magnitude
    channels = np.zeros((*magnitude.shape, NUM_ORIENTATIONS), dtype=np.float32)
    np.put_along_axis(channels, low[..., None], (magnitude - upper)[..., None], axis=2)
    high = (low[..., None] + 1) % NUM_ORIENTATIONS
    np.put_along_axis(channels, high, upper[..., None], axis=2)
    return channels


def compute_channels(luv: np.ndarray, *, shrink: int = 4, smooth: int = 1) -> np.ndarray:
    """The ten channels of an image.

    Args:
        luv: (h, w, 3) float32 of :func:`to_luv`; h and w are multiples of ``shrink``.
        shrink: pixels of a cell's side.
        smooth: radius of the triangle filters before the gradient and after shrinking.

    Returns:
        (h / shrink, w / shrink, 10) float32.
    """
    luv = triangle_filter(luv, smooth)
    magnitude, direction = gradient(luv)
    magnitude = magnitude / (triangle_filter(magnitude, NORM_RADIUS) + np.float32(NORM_CONST))
    planes = np.concatenate([luv, magnitude[..., None], orientation_channels(magnitude, direction)], axis=2)
    height, width = (side // shrink for side in luv.shape[:2])
    cells = planes.reshape(height, shrink, width, shrink, NUM_CHANNELS).mean(axis=(1, 3))
    return triangle_filter(cells, smooth)


def pad_channels(channels: np.ndarray, rows: int, columns: int) -> np.ndarray:
    """Add a frame of cells: colours are continued, gradients are 0 there.

    Args:
        channels: (h, w, 10).
        rows: above and below.
        columns: left and right.

    Returns:
        (h + 2 rows, w + 2 columns, 10).
    """
    around = ((rows, rows), (columns, columns), (0, 0))
    return np.concatenate([np.pad(channels[..., :3], around, mode="edge"), np.pad(channels[..., 3:], around)], axis=2)
