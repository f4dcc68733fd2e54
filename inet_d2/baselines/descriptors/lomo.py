"""LOMO, local maximal occurrence (Liao et al., CVPR 2015, arXiv 1406.4216).

Colours (HSV) and textures (SILTP) are counted in blocks; of all blocks in a row of blocks, which are at the same height
of the body, the largest count of each bin is kept.

Shapes: n crops of h x w pixels, C cells and B blocks along a side, K bins.
"""

from collections.abc import Sequence
from itertools import product
from typing import Any

import cv2
import numpy as np
from fvcore.common.config import CfgNode

from inet_d2.baselines.descriptors.descriptor import DESCRIPTOR_REGISTRY, Descriptor
from inet_d2.baselines.descriptors.retinex import retinex

NUM_TEXTURES = 81
_CROPS_AT_ONCE = 8  # their counts stay in the cache


def texture_codes(grey: np.ndarray, radius: int, tau: float) -> np.ndarray:
    """Scale-invariant local ternary patterns (SILTP) of four neighbours.

    Args:
        grey: (..., h, w) float, any unit; edges are replicated.
        radius: distance of the neighbours, pixels.
        tau: a neighbour n of a pixel c counts as darker where n < (1 - tau) c, as brighter where n > (1 + tau) c.

    Returns:
        (..., h, w) int64 in [0, 81): right + 3 up + 9 left + 27 down, each 0 alike, 1 darker, 2 brighter.
    """
    height, width = grey.shape[-2:]
    edges = [(0, 0)] * (grey.ndim - 2) + [(radius, radius)] * 2
    padded = np.pad(grey, edges, mode="edge")
    low, high = grey * np.float32(1 - tau), grey * np.float32(1 + tau)
    codes = np.zeros(grey.shape, dtype=np.int64)
    for place, (dy, dx) in enumerate(((0, 1), (-1, 0), (0, -1), (1, 0))):
        top, left = radius * (1 + dy), radius * (1 + dx)
        neighbour = padded[..., top : top + height, left : left + width]
        codes += 3**place * ((neighbour < low) + 2 * (neighbour > high))
    return codes


def colour_bins(crops: np.ndarray, num_bins: Sequence[int]) -> np.ndarray:
    """Hue, saturation and value in bins.

    Args:
        crops: (n, h, w, 3) uint8 RGB.
        num_bins: of H, S and V.

    Returns:
        (3, n, h, w) int64.
    """
    count, height, width, _ = crops.shape
    hsv = cv2.cvtColor(crops.reshape(count * height, width, 3).astype(np.float32) / 255, cv2.COLOR_RGB2HSV)
    hsv = hsv.reshape(crops.shape) / np.array([360, 1, 1], dtype=np.float32)
    bins = np.minimum((hsv * np.array(num_bins, dtype=np.float32)).astype(np.int64), np.array(num_bins) - 1)
    return np.moveaxis(bins, 3, 0)


def row_maxima(patterns: np.ndarray, num_patterns: int, block: int, step: int) -> np.ndarray:
    """Count patterns in blocks, and keep the largest count of each over a row of blocks.

    Args:
        patterns: (n, h, w) int64 in [0, num_patterns).
        num_patterns: K.
        block: side of a block, pixels; a multiple of ``step``.
        step: from block to block; the first begins at 0, and incomplete ones are left out.

    Returns:
        (n, B, K) uint8 or uint16, B rows of blocks from the top.
    """
    count, height, width = patterns.shape
    rows, columns = height // step, width // step
    cells = np.arange(rows * columns, dtype=np.int64).reshape(rows, columns).repeat(step, 0).repeat(step, 1)
    within = patterns[:, : rows * step, : columns * step]
    places = (np.arange(count)[:, None, None] * (rows * columns) + cells) * num_patterns + within
    counts = np.bincount(places.ravel(), minlength=count * rows * columns * num_patterns)
    counts = counts.astype(np.uint8 if block**2 < 256 else np.uint16).reshape(count, rows, columns, num_patterns)
    parts = block // step
    tall, wide = rows - parts + 1, columns - parts + 1
    blocks = sum(counts[:, y : y + tall, x : x + wide] for y, x in product(range(parts), repeat=2))
    return blocks.max(axis=2)


def halved(images: np.ndarray) -> np.ndarray:
    """Means of 2 x 2 pixels; (..., h, w) to (..., h // 2, w // 2), an odd last row or column is dropped."""
    height, width = images.shape[-2] // 2 * 2, images.shape[-1] // 2 * 2
    even = images[..., :height, :width]
    return (even[..., ::2, ::2] + even[..., 1::2, ::2] + even[..., ::2, 1::2] + even[..., 1::2, 1::2]) / 4


@DESCRIPTOR_REGISTRY.register()
class LOMO(Descriptor):
    """26,960 numbers for a crop of 128 x 48: colour, then texture at the first and the second radius.

    Each part has all scales, from the top row of blocks down, as log(1 + count), at unit length.

    Args:
        size: (h, w) of the crops.
        num_scales: each half as large as the one before.
        block, step: side and distance of the blocks, pixels.
        hsv_bins: of hue, saturation and value.
        tau, radii: of the textures; a scale that is too narrow for a radius is left out.
        retinex_sigmas: pixels; empty leaves the light as it is.

    Raises:
        ValueError: ``block`` is no multiple of ``step``, or the smallest scale holds no block.
    """

    def __init__(
        self,
        *,
        size: tuple[int, int] = (128, 48),
        num_scales: int = 3,
        block: int = 10,
        step: int = 5,
        hsv_bins: Sequence[int] = (8, 8, 8),
        tau: float = 0.3,
        radii: Sequence[int] = (3, 5),
        retinex_sigmas: Sequence[float] = (5.0, 20.0),
    ) -> None:
        super().__init__(size=size)
        if block % step:
            raise ValueError(f"TWO_STEP.LOMO: expected BLOCK a multiple of STEP, found {block} and {step}")
        if num_scales < 1 or min(self.size) >> (num_scales - 1) < block:
            raise ValueError(
                f"TWO_STEP.LOMO: expected SCALES >= 1 whose smallest holds a block of {block} pixels, found "
                f"{num_scales} for crops of {self.size[0]} x {self.size[1]}"
            )
        self.num_scales, self.block, self.step = num_scales, block, step
        self.hsv_bins, self.tau, self.radii = tuple(hsv_bins), tau, tuple(radii)
        self.retinex_sigmas = tuple(retinex_sigmas)

    @classmethod
    def from_config(cls, node: CfgNode) -> dict[str, Any]:
        """Read ``LOMO``."""
        lomo = node.LOMO
        return {
            "size": lomo.SIZE,
            "num_scales": lomo.SCALES,
            "block": lomo.BLOCK,
            "step": lomo.STEP,
            "hsv_bins": lomo.HSV_BINS,
            "tau": lomo.TAU,
            "radii": lomo.RADII,
            "retinex_sigmas": lomo.RETINEX_SIGMAS if lomo.RETINEX else (),
        }

    def describe(self, crops: np.ndarray) -> np.ndarray:
        """Describe (n, h, w, 3) uint8 RGB crops by (n, D) float32 rows of length sqrt(1 + number of radii)."""
        starts = range(0, len(crops), _CROPS_AT_ONCE)
        rows = [self._describe(crops[start : start + _CROPS_AT_ONCE]) for start in starts]
        return np.concatenate(rows) if rows else np.zeros((0, 0), dtype=np.float32)

    def _describe(self, crops: np.ndarray) -> np.ndarray:
        count, height, width, _ = crops.shape
        even = retinex(crops, self.retinex_sigmas) if self.retinex_sigmas else crops
        bins = colour_bins(even, self.hsv_bins)
        grey = cv2.cvtColor(crops.reshape(count * height, width, 3), cv2.COLOR_RGB2GRAY)
        grey = grey.reshape(count, height, width).astype(np.float32)
        num_hues, num_saturations, num_values = self.hsv_bins
        parts: list[list[np.ndarray]] = [[] for _ in range(1 + len(self.radii))]
        for _ in range(self.num_scales):
            hue, saturation, value = bins
            patterns = (value * num_saturations + saturation) * num_hues + hue
            parts[0].append(self._count(patterns, num_hues * num_saturations * num_values))
            for part, radius in zip(parts[1:], self.radii, strict=True):
                if min(grey.shape[1:]) > 2 * radius:
                    part.append(self._count(texture_codes(grey, radius, self.tau), NUM_TEXTURES))
            # The bins are averaged, not the colours, and hues do not wrap: so is the published code.
            bins, grey = np.floor(halved(bins)).astype(np.int64), halved(grey)
        return np.concatenate([_unit_logs(np.concatenate(part, axis=1)) for part in parts if part], axis=1)

    def _count(self, patterns: np.ndarray, num_patterns: int) -> np.ndarray:
        return row_maxima(patterns, num_patterns, self.block, self.step).reshape(len(patterns), -1)


def _unit_logs(counts: np.ndarray) -> np.ndarray:
    logs = np.log1p(counts.astype(np.float32))
    return logs / np.linalg.norm(logs, axis=1, keepdims=True)
