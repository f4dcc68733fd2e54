"""Boxes as arrays: those of many images, other corners, overlap. Right and bottom edges are exclusive."""

from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True, eq=False)
class BoxesByImage:
    """Boxes of I images, image after image.

    Attributes:
        counts: (I,) int64 boxes per image.
        boxes: (R, 4) float XYXY.
    """

    counts: np.ndarray
    boxes: np.ndarray

    @property
    def starts(self) -> np.ndarray:
        """(I,) int64 row of each image's first box."""
        return np.cumsum(self.counts) - self.counts


def xywh_to_xyxy(boxes: np.ndarray) -> np.ndarray:
    """Give corners in the place of a corner and sides.

    Args:
        boxes: (R, 4) float x, y, width, height.

    Returns:
        (R, 4) XYXY of the same type.
    """
    return np.concatenate([boxes[:, :2], boxes[:, :2] + boxes[:, 2:]], axis=1)


def paired_iou(boxes: np.ndarray, others: np.ndarray) -> np.ndarray:
    """Intersection over union of box pairs, with exclusive right and bottom edges.

    Args:
        boxes: (T, 4) XYXY.
        others: (T, 4) XYXY.

    Returns:
        (T,) float64 in [0, 1]; 0 where both boxes are empty.
    """
    boxes, others = boxes.astype(np.float64, copy=False), others.astype(np.float64, copy=False)
    sides = np.minimum(boxes[:, 2:], others[:, 2:]) - np.maximum(boxes[:, :2], others[:, :2])
    intersection = np.maximum(sides, 0).prod(axis=1)
    areas = (boxes[:, 2:] - boxes[:, :2]).prod(axis=1) + (others[:, 2:] - others[:, :2]).prod(axis=1)
    union = areas - intersection
    return np.divide(intersection, union, out=np.zeros_like(union), where=union > 0)
