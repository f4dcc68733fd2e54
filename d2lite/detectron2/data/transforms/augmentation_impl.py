import sys

import numpy as np
from fvcore.transforms.transform import HFlipTransform, NoOpTransform, Transform, VFlipTransform
from PIL import Image

from .augmentation import Augmentation
from .transform import ResizeTransform


class RandomFlip(Augmentation):
    """Flip in one direction with probability `prob`."""

    def __init__(self, prob: float = 0.5, *, horizontal: bool = True, vertical: bool = False) -> None:
        if horizontal == vertical:
            raise ValueError("RandomFlip: exactly one of horizontal and vertical must be True.")
        self.prob, self.horizontal = prob, horizontal

    def get_transform(self, image: np.ndarray) -> Transform:
        height, width = image.shape[:2]
        if np.random.uniform(0, 1.0) >= self.prob:  # noqa: NPY002
            return NoOpTransform()
        return HFlipTransform(width) if self.horizontal else VFlipTransform(height)


class Resize(Augmentation):
    """Resize to a fixed (height, width)."""

    def __init__(self, shape: int | tuple[int, int], interp: int = Image.BILINEAR) -> None:
        self.shape = (shape, shape) if isinstance(shape, int) else tuple(shape)
        self.interp = interp

    def get_transform(self, image: np.ndarray) -> Transform:
        return ResizeTransform(*image.shape[:2], *self.shape, self.interp)


class ResizeShortestEdge(Augmentation):
    """Resize the shorter side to a length drawn from a range (inclusive) or a list ("choice"), 0 = leave it.

    Less where the longer side would exceed `max_size`.
    """

    def __init__(self, short_edge_length, max_size=sys.maxsize, sample_style="range", interp=Image.BILINEAR) -> None:
        assert sample_style in ("range", "choice"), f"ResizeShortestEdge: sample_style {sample_style}"
        lengths = (short_edge_length,) * 2 if isinstance(short_edge_length, int) else short_edge_length
        assert sample_style == "choice" or len(lengths) == 2, f"ResizeShortestEdge: {lengths} is no range"
        self.short_edge_length, self.max_size, self.interp = lengths, max_size, interp
        self.is_range = sample_style == "range"

    def get_transform(self, image: np.ndarray) -> Transform:
        draw, lengths = np.random, self.short_edge_length
        size = draw.randint(lengths[0], lengths[1] + 1) if self.is_range else draw.choice(lengths)
        if size == 0:
            return NoOpTransform()
        height, width = image.shape[:2]
        new_size = self.get_output_shape(height, width, size, self.max_size)
        return ResizeTransform(height, width, *new_size, self.interp)

    @staticmethod
    def get_output_shape(oldh: int, oldw: int, short_edge_length: int, max_size: int) -> tuple[int, int]:
        """New (height, width)."""
        scale = short_edge_length * 1.0 / min(oldh, oldw)
        height, width = (short_edge_length, scale * oldw) if oldh < oldw else (scale * oldh, short_edge_length)
        if max(height, width) > max_size:
            scale = max_size * 1.0 / max(height, width)
            height, width = height * scale, width * scale
        return int(height + 0.5), int(width + 0.5)
