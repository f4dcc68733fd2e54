"""Dense colour histograms and SIFT on a grid of patches (Zhao, Ouyang, Wang, CVPR 2013).

Windows over which something is summed are matrices here: one for the rows and one for the columns of an image, so that
all patches of all crops are two matrix products.

Shapes: n crops of h x w pixels, P x Q patches.
"""

from collections.abc import Sequence
from typing import Any

import cv2
import numpy as np
from fvcore.common.config import CfgNode

from inet_d2.baselines.descriptors.descriptor import DESCRIPTOR_REGISTRY, Descriptor

NUM_DIRECTIONS = 8
# Where a patch's 4 x 4 SIFT cells are sampled, pixels from its centre.
CELL_OFFSETS = (-4, -1, 1, 3)
# Weights of the pixels around a sample: a triangle of half-width 2.5 pixels.
TRIANGLE = (0.2, 0.6, 1.0, 0.6, 0.2)
_CROPS_AT_ONCE = 8


def patch_centres(side: int, patch: int, step: int) -> np.ndarray:
    """Centres of patches along a side, counted from 1 as in the published code; (count,) int64."""
    count = (side - patch) // step + 1
    return np.ceil(np.linspace(patch // 2, side - patch // 2, count)).astype(np.int64)


def window_matrix(starts: np.ndarray, weights: Sequence[float], side: int) -> np.ndarray:
    """Rows that sum pixels of a side in windows.

    Args:
        starts: (W,) first pixel of each window; what lies outside of the side counts nothing.
        weights: of a window's pixels.
        side: pixels.

    Returns:
        (W, side) float32.
    """
    matrix = np.zeros((len(starts), side), dtype=np.float32)
    for offset, weight in enumerate(weights):
        inside = np.flatnonzero((starts + offset >= 0) & (starts + offset < side))
        matrix[inside, starts[inside] + offset] = weight
    return matrix


def opponent_bins(crops: np.ndarray, num_bins: int) -> np.ndarray:
    """Sort pixels into bins of R - G, R + G - 2B and R + G + B.

    Whole numbers decide, so that grey, which lies on the edge between two bins, always falls into the upper one.

    Args:
        crops: (n, h, w, 3) uint8 RGB.
        num_bins: of each channel, over [-255, 255], [-510, 510] and [0, 765 sqrt 3]. The last range is that of the
            published code, which divides the sum by sqrt 3 and not its limit.

    Returns:
        (n, 3, h, w) int64 in [0, num_bins).
    """
    red, green, blue = np.moveaxis(crops, 3, 0).astype(np.int64)
    bins = np.empty((len(crops), 3, *crops.shape[1:3]), dtype=np.int64)
    bins[:, 0] = (red - green + 255) * num_bins // 510
    bins[:, 1] = (red + green - 2 * blue + 510) * num_bins // 1020
    bins[:, 2] = (red + green + blue) * (num_bins / (765 * 3**0.5))
    return np.minimum(bins, num_bins - 1)


def gradient_directions(channels: np.ndarray) -> np.ndarray:
    """How much of each pixel's gradient points in each of eight directions.

    Args:
        channels: (m, h, w) float32; edges are replicated.

    Returns:
        (m, 8, h, w) float32: magnitude times the ninth power of the cosine with directions of 0, 45, ... degrees (x to
        the right, y down), 0 where it is negative.
    """
    gauss = np.exp(-0.5 * np.arange(-2.0, 3.0) ** 2)
    slope = np.gradient(gauss)
    slope, gauss = -slope * 2 / np.abs(slope).sum(), gauss / gauss.sum()
    stacked = np.moveaxis(channels, 0, 2)
    # Edges are replicated before, since a filter on many channels takes no more than a few at a time otherwise.
    dx = _filtered(stacked, slope, gauss)
    dy = _filtered(stacked, gauss, slope)
    magnitude = np.hypot(dx, dy)
    angles = np.arange(NUM_DIRECTIONS) * 2 * np.pi / NUM_DIRECTIONS
    along = dx[:, None] * np.cos(angles)[:, None, None] + dy[:, None] * np.sin(angles)[:, None, None]
    cosine = np.maximum(along.astype(np.float32), 0) / np.maximum(magnitude, 1e-12)[:, None]
    squared = cosine * cosine
    fourth = squared * squared
    return fourth * fourth * cosine * magnitude[:, None]


def _filtered(stacked: np.ndarray, across: np.ndarray, down: np.ndarray) -> np.ndarray:
    """(h, w, m) filtered along both sides, as (m, h, w)."""
    planes = [
        cv2.sepFilter2D(
            np.ascontiguousarray(stacked[..., m]), cv2.CV_32F, across, down, borderType=cv2.BORDER_REPLICATE
        )
        for m in range(stacked.shape[2])
    ]
    return np.stack(planes)


@DESCRIPTOR_REGISTRY.register()
class DenseColourSift(Descriptor):
    """201,600 numbers for a crop of 128 x 48: 672 for each of 30 x 10 patches, row of patches by row of patches.

    A patch has 288 colour counts (scale by scale, channel by channel, 32 bins) and 384 SIFT entries (Lab channel by
    channel, 4 x 4 cells, 8 directions), in twelve pieces of unit length; the whole row has unit length.

    Args:
        size: (h, w) of the crops.
        patch, step: side and distance of the patches, pixels.
        scales: of the colour histograms, in (0, 1].
        bins: of a colour channel.

    Raises:
        ValueError: a crop holds no patch, or a scale is out of its range.
    """

    def __init__(
        self,
        *,
        size: tuple[int, int] = (128, 48),
        patch: int = 10,
        step: int = 4,
        scales: Sequence[float] = (0.5, 0.75, 1.0),
        bins: int = 32,
    ) -> None:
        super().__init__(size=size)
        if min(self.size) < patch or not all(0 < scale <= 1 for scale in scales):
            raise ValueError(
                f"TWO_STEP.DSIFT: expected SIZE at least PATCH and SCALES in (0, 1], found {self.size}, {patch} and "
                f"{tuple(scales)}"
            )
        self.patch, self.scales, self.bins = patch, tuple(scales), bins
        self.centres = [patch_centres(side, patch, step) for side in self.size]
        self.num_patches = len(self.centres[0]) * len(self.centres[1])

    @classmethod
    def from_config(cls, node: CfgNode) -> dict[str, Any]:
        """Read ``DSIFT``."""
        dsift = node.DSIFT
        return {
            "size": dsift.SIZE,
            "patch": dsift.PATCH,
            "step": dsift.STEP,
            "scales": dsift.SCALES,
            "bins": dsift.BINS,
        }

    def describe(self, crops: np.ndarray) -> np.ndarray:
        """Describe (n, h, w, 3) uint8 RGB crops by (n, D) float32 rows of unit length."""
        rows = []
        for start in range(0, len(crops), _CROPS_AT_ONCE):
            part = crops[start : start + _CROPS_AT_ONCE]
            colours = [self._colours(part, scale) for scale in self.scales]
            patches = np.concatenate([*colours, self._sift(part)], axis=-1)
            pieces = 3 * len(self.scales) + 3
            rows.append(patches.reshape(len(part), -1) / np.float32((pieces * self.num_patches) ** 0.5))
        return np.concatenate(rows) if rows else np.zeros((0, 0), dtype=np.float32)

    def _colours(self, crops: np.ndarray, scale: float) -> np.ndarray:
        """(n, P, Q, 3 * bins): the colour histograms of all patches at one scale."""
        bins = opponent_bins(_subsampled(crops, scale), self.bins)
        members = (bins[:, :, None] == np.arange(self.bins)[:, None, None]).astype(np.float32)
        side = round(self.patch * scale)
        down, across = (
            window_matrix(_scaled_starts(centres - self.patch // 2, scale, side, length), [1.0] * side, length)
            for centres, length in zip(self.centres, bins.shape[2:], strict=True)
        )
        counts = np.moveaxis(_windowed(members, down, across), (1, 2), (3, 4))
        counts = np.minimum(_unit(counts), np.float32(0.2))
        return _unit(counts).reshape(*counts.shape[:3], -1)

    def _sift(self, crops: np.ndarray) -> np.ndarray:
        """(n, P, Q, 3 * 128): SIFT of all patches in each channel of Lab."""
        count, height, width, _ = crops.shape
        lab = cv2.cvtColor(crops.reshape(count * height, width, 3), cv2.COLOR_RGB2LAB).reshape(crops.shape)
        lab = (lab - np.float32([0, 108, 81])) / np.float32([255, 79, 80])
        maps = gradient_directions(np.moveaxis(lab, 3, 1).reshape(-1, height, width))
        down, across = (
            window_matrix((c[:, None] - 1 + np.array(CELL_OFFSETS)).ravel() - len(TRIANGLE) // 2, TRIANGLE, side)
            for c, side in zip(self.centres, self.size, strict=True)
        )
        cells = _windowed(maps, down, across).reshape(
            count, 3, NUM_DIRECTIONS, len(self.centres[0]), 4, len(self.centres[1]), 4
        )
        patches = cells.transpose(0, 3, 5, 1, 4, 6, 2).reshape(count, *map(len, self.centres), 3, -1)
        return _unit(patches + np.float32(1e-6)).reshape(*patches.shape[:3], -1)


def _windowed(maps: np.ndarray, down: np.ndarray, across: np.ndarray) -> np.ndarray:
    """Sum (..., h, w) maps in windows: (..., P, Q)."""
    return down @ (maps @ across.T)


def _unit(rows: np.ndarray) -> np.ndarray:
    return rows / np.maximum(np.linalg.norm(rows, axis=-1, keepdims=True), np.float32(1e-12))


def _scaled_starts(starts: np.ndarray, scale: float, side: int, length: int) -> np.ndarray:
    return np.clip(np.rint(starts * scale).astype(np.int64), 0, length - side)


def _subsampled(crops: np.ndarray, scale: float) -> np.ndarray:
    """Blur crops and keep every so-manieth pixel; scale 1 changes nothing."""
    if scale == 1:
        return crops
    sigma = 0.6 / scale
    width = 4 * int(np.ceil(sigma)) + 1
    smooth = np.stack([cv2.GaussianBlur(crop, (width, width), sigma) for crop in crops])
    ys, xs = (np.rint(np.linspace(0, side - 1, round(side * scale))).astype(np.int64) for side in crops.shape[1:3])
    return smooth[:, ys][:, :, xs]
