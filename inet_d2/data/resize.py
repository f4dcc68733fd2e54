"""Resizing as Detectron2 does it, nearly so and faster, or as the published weights of NAE and SeqNet expect it."""

import math
from collections.abc import Sequence

import numpy as np
import torch
from detectron2.config import CfgNode
from detectron2.data import detection_utils
from detectron2.data import transforms as T
from fvcore.transforms.transform import NoOpTransform, Transform
from PIL import Image
from torch.nn import functional as F


class FloatResizeTransform(Transform):
    """Resize to whole-number sides by bilinear interpolation without antialiasing; the result is not rounded.

    Args:
        size: (height, width) before, pixels.
        new_size: (height, width) afterwards, pixels.
    """

    def __init__(self, size: tuple[int, int], new_size: tuple[int, int]) -> None:
        super().__init__()
        self.size, self.new_size = size, new_size

    def apply_image(self, img: np.ndarray) -> np.ndarray:
        """(H, W, C) of any number type -> (new H, new W, C) float32."""
        planes = torch.from_numpy(np.ascontiguousarray(img.transpose(2, 0, 1))).float()[None]
        resized = F.interpolate(planes, size=self.new_size, mode="bilinear", align_corners=False)
        return resized[0].permute(1, 2, 0).numpy()

    def apply_coords(self, coords: np.ndarray) -> np.ndarray:
        """(n, 2) float x and y -> a new array, each axis scaled by the quotient of its sides."""
        (height, width), (new_height, new_width) = self.size, self.new_size
        return coords * np.array([new_width / width, new_height / height])


class WholePixelResize(T.ResizeShortestEdge):
    """Detectron2's resizing, whose rounding leaves no side of 0 pixels where a frame is very long and thin."""

    def get_transform(self, image: np.ndarray) -> Transform:
        """As Detectron2 draws it, both sides at least 1."""
        transform = super().get_transform(image)
        if not isinstance(transform, NoOpTransform):
            transform.new_h, transform.new_w = max(1, transform.new_h), max(1, transform.new_w)
        return transform

    def resized(self, picture: Image.Image, size: tuple[int, int]) -> np.ndarray:
        """A picture in mode "RGB" at (width, height): (height, width, 3) uint8, the transform's pixels.

        What Detectron2's transform does to an array, without making an array of the whole frame.
        """
        return np.asarray(picture.resize(size, Image.Resampling.BILINEAR))


class FastResizeTransform(T.ResizeTransform):
    """Detectron2's transform with PyTorch's kernel; see :func:`resize_by_torch`."""

    def apply_image(self, img: np.ndarray) -> np.ndarray:
        """(H, W, C) uint8 -> (new H, new W, C) uint8."""
        return resize_by_torch(img, (self.new_w, self.new_h))


class FastResize(WholePixelResize):
    """Detectron2's sizes and filter, by :func:`resize_by_torch`."""

    def get_transform(self, image: np.ndarray) -> Transform:
        """As Detectron2 draws it."""
        transform = super().get_transform(image)
        if isinstance(transform, NoOpTransform):
            return transform
        return FastResizeTransform(transform.h, transform.w, transform.new_h, transform.new_w)

    def resized(self, picture: Image.Image, size: tuple[int, int]) -> np.ndarray:
        """As :meth:`WholePixelResize.resized`."""
        return resize_by_torch(np.array(picture), size)


def resize_by_torch(pixels: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    """Resize bilinearly with antialiasing, as Pillow does but for weights of 16 bits instead of 22.

    Args:
        pixels: (H, W, C) uint8.
        size: (width, height) afterwards.

    Returns:
        (height, width, C) uint8; values differ from Pillow's by at most 1.
    """
    planes = torch.from_numpy(np.ascontiguousarray(pixels)).permute(2, 0, 1)[None]
    resized = F.interpolate(planes, size=size[::-1], mode="bilinear", antialias=True)
    return resized[0].permute(1, 2, 0).numpy()


class FloorResize(T.Augmentation):
    """Resize the short side to a given length, or the long one to ``max_size`` if that is less; sides are floored.

    Detectron2 rounds its sides and resizes rounded, antialiased pixels. Networks that were trained with this rule
    notice: on a picture that shrinks, scores and embeddings change visibly.

    Args:
        short_edge_lengths: pixels; one of them is drawn ("choice"), or a number between two of them ("range").
            0 leaves images as they are.
        max_size: of the long side, pixels.
        sample_style: "choice" or "range" (both ends included).

    Source: the transform of torchvision 0.4's detectors, on which NAE and SeqNet are built.
    """

    def __init__(self, short_edge_lengths: Sequence[int], max_size: int, sample_style: str = "choice") -> None:
        super().__init__()
        self.short_edge_lengths, self.max_size, self.sample_style = tuple(short_edge_lengths), max_size, sample_style

    def get_transform(self, image: np.ndarray) -> Transform:
        """Draw a length from numpy's global generator, as Detectron2's augmentations do, and resize by it."""
        lengths = self.short_edge_lengths
        if self.sample_style == "choice":
            length = np.random.choice(lengths)  # noqa: NPY002  (the generator that Detectron2 seeds per worker)
        else:
            length = np.random.randint(lengths[0], lengths[1] + 1)  # noqa: NPY002
        size = image.shape[:2]
        if length == 0:
            return NoOpTransform()
        return FloatResizeTransform(size, floored_size(size, short_edge_length=int(length), max_size=self.max_size))


RESIZERS = {"detectron2": WholePixelResize, "torchvision": FloorResize, "fast": FastResize}
"""By the values of INPUT.RESIZE."""


def floored_size(size: tuple[int, int], *, short_edge_length: int, max_size: int) -> tuple[int, int]:
    """The (height, width) that an image of ``size`` is resized to; both at least 1."""
    scale = short_edge_length / min(size)
    if max(size) * scale > max_size:
        scale = max_size / max(size)
    height, width = (max(1, math.floor(side * scale)) for side in size)
    return height, width


def build_augmentations(cfg: CfgNode, is_train: bool) -> list[T.Augmentation]:
    """Resizing and, in training, flipping, as INPUT says: Detectron2's list with the resizer of INPUT.RESIZE.

    Raises:
        ValueError: INPUT.RESIZE is unknown, or sizes are none that can be drawn.
    """
    given = cfg.INPUT
    if given.RESIZE not in RESIZERS:
        raise ValueError(f"INPUT.RESIZE: expected one of {', '.join(RESIZERS)}, found {given.RESIZE!r}")
    _check_sizes(given, is_train)
    augmentations = detection_utils.build_augmentation(cfg, is_train)
    if is_train:
        resize = RESIZERS[given.RESIZE](given.MIN_SIZE_TRAIN, given.MAX_SIZE_TRAIN, given.MIN_SIZE_TRAIN_SAMPLING)
    else:
        resize = RESIZERS[given.RESIZE]([given.MIN_SIZE_TEST], given.MAX_SIZE_TEST, "choice")
    return [resize if isinstance(x, T.ResizeShortestEdge) else x for x in augmentations]


def _check_sizes(given: CfgNode, is_train: bool) -> None:
    lengths = given.MIN_SIZE_TRAIN if is_train else (given.MIN_SIZE_TEST,)
    key, largest = ("TRAIN", given.MAX_SIZE_TRAIN) if is_train else ("TEST", given.MAX_SIZE_TEST)
    lengths = (lengths,) if isinstance(lengths, int) else tuple(lengths)
    # A length of 0 leaves images as they are, whatever the largest side says.
    if not lengths or min(lengths) < 0 or (largest < 1 and any(lengths)):
        raise ValueError(
            f"INPUT: expected MIN_SIZE_{key} of 0 or more pixels and MAX_SIZE_{key} of at least 1, found "
            f"{lengths} and {largest}"
        )
    style = given.MIN_SIZE_TRAIN_SAMPLING
    if is_train and style not in ("choice", "range"):
        raise ValueError(f'INPUT.MIN_SIZE_TRAIN_SAMPLING: expected "choice" or "range", found {style!r}')
    if is_train and style == "range" and (len(lengths) != 2 or not 0 < lengths[0] <= lengths[1]):
        raise ValueError(
            f'INPUT.MIN_SIZE_TRAIN: with MIN_SIZE_TRAIN_SAMPLING "range" expected two lengths, the least and the '
            f'largest, found {lengths}; "choice" draws one of any number of lengths'
        )
