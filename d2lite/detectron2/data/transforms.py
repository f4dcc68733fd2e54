import inspect
import sys

import numpy as np
from fvcore.transforms.transform import HFlipTransform, NoOpTransform, Transform, TransformList, VFlipTransform
from PIL import Image

from .._lite import unsupported


class AugInput:
    """What augmentations change in place: an image (H, W, C) and, where given, boxes (N, 4) XYXY."""

    def __init__(self, image: np.ndarray, *, boxes: np.ndarray | None = None) -> None:
        self.image, self.boxes = image, boxes

    def transform(self, transform: Transform) -> None:
        self.image = transform.apply_image(self.image)
        self.boxes = None if self.boxes is None else transform.apply_box(self.boxes)


class Augmentation:
    """A policy: `get_transform` looks at the image and may draw random numbers. Called, it also applies the result."""

    def get_transform(self, image: np.ndarray) -> Transform:
        raise NotImplementedError

    def __call__(self, aug_input: AugInput) -> Transform:
        transform = self.get_transform(aug_input.image)
        aug_input.transform(transform)
        return transform

    def __repr__(self) -> str:
        parameters = inspect.signature(type(self)).parameters.values()
        given = (f"{p.name}={getattr(self, p.name)!r}" for p in parameters if getattr(self, p.name) != p.default)
        return f"{type(self).__name__}({', '.join(given)})"


class AugmentationList(Augmentation):
    """Augmentations one after the other, each on the result of the one before."""

    def __init__(self, augs: list[Augmentation]) -> None:
        self.augs = augs

    def __call__(self, aug_input: AugInput) -> TransformList:
        return TransformList([aug(aug_input) for aug in self.augs])


class ResizeTransform(Transform):
    """Resize uint8 images from (h, w) to (new_h, new_w) by PIL, bilinearly."""

    def __init__(self, h: int, w: int, new_h: int, new_w: int) -> None:
        super().__init__()
        self.h, self.w, self.new_h, self.new_w = h, w, new_h, new_w

    def apply_image(self, img: np.ndarray) -> np.ndarray:
        """(H, W, 3) -> the same with the new size."""
        assert img.shape[:2] == (self.h, self.w), f"ResizeTransform: {img.shape[:2]} is not {(self.h, self.w)}"
        if img.dtype != np.uint8 or img.ndim != 3:
            unsupported(f"ResizeTransform of {img.ndim}-dimensional {img.dtype} arrays")
        return np.asarray(Image.fromarray(np.ascontiguousarray(img)).resize((self.new_w, self.new_h), Image.BILINEAR))

    def apply_coords(self, coords: np.ndarray) -> np.ndarray:
        """Scale (N, 2) in place; integer arrays are truncated, as in Detectron2."""
        coords[:, 0] = coords[:, 0] * (self.new_w * 1.0 / self.w)
        coords[:, 1] = coords[:, 1] * (self.new_h * 1.0 / self.h)
        return coords


class RandomFlip(Augmentation):
    """Flip in one direction with probability `prob`."""

    def __init__(self, prob: float = 0.5, *, horizontal: bool = True, vertical: bool = False) -> None:
        if horizontal == vertical:
            raise ValueError("RandomFlip: exactly one of horizontal and vertical must be True.")
        self.prob, self.horizontal, self.vertical = prob, horizontal, vertical

    def get_transform(self, image: np.ndarray) -> Transform:
        height, width = image.shape[:2]
        if np.random.uniform(0, 1.0) >= self.prob:  # noqa: NPY002
            return NoOpTransform()
        return HFlipTransform(width) if self.horizontal else VFlipTransform(height)


class ResizeShortestEdge(Augmentation):
    """Resize the shorter side to a length drawn from a range (inclusive) or a list ("choice"), 0 = leave it.

    Less where the longer side would exceed `max_size`.
    """

    def __init__(self, short_edge_length, max_size: int = sys.maxsize, sample_style: str = "range") -> None:
        assert sample_style in ("range", "choice"), f"ResizeShortestEdge: sample_style {sample_style}"
        lengths = (short_edge_length,) * 2 if isinstance(short_edge_length, int) else short_edge_length
        self.short_edge_length, self.max_size, self.sample_style = lengths, max_size, sample_style

    def get_transform(self, image: np.ndarray) -> Transform:
        draw, lengths = np.random, self.short_edge_length
        size = draw.choice(lengths) if self.sample_style == "choice" else draw.randint(lengths[0], lengths[1] + 1)
        if size == 0:
            return NoOpTransform()
        height, width = image.shape[:2]
        return ResizeTransform(height, width, *self.get_output_shape(height, width, size, self.max_size))

    @staticmethod
    def get_output_shape(oldh: int, oldw: int, short_edge_length: int, max_size: int) -> tuple[int, int]:
        """New (height, width)."""
        scale = short_edge_length * 1.0 / min(oldh, oldw)
        height, width = (short_edge_length, scale * oldw) if oldh < oldw else (scale * oldh, short_edge_length)
        if max(height, width) > max_size:
            scale = max_size * 1.0 / max(height, width)
            height, width = height * scale, width * scale
        return int(height + 0.5), int(width + 0.5)
