"""Array arithmetic on runs of rows, and the overlap of boxes."""

import numpy as np


def expand_ranges(starts: np.ndarray, counts: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """List the members of many ranges.

    Args:
        starts: (S,) int64, first member of each range.
        counts: (S,) int64, members of each range, >= 0.

    Returns:
        (T,) int64 members, range after range, and (T,) int64 the range of each.
    """
    owners = np.repeat(np.arange(len(counts)), counts)
    shifts = starts - (np.cumsum(counts) - counts)
    return np.arange(len(owners)) + shifts[owners], owners


def first_maxima(values: np.ndarray, owners: np.ndarray) -> np.ndarray:
    """Find the largest value of each run; of equal ones the first.

    Args:
        values: (T,) float.
        owners: (T,) int64, ascending; equal numbers form a run.

    Returns:
        (runs,) int64 positions in ``values``, ascending.
    """
    if not len(values):
        return np.zeros(0, dtype=np.int64)
    begins = np.flatnonzero(np.concatenate([[True], owners[1:] != owners[:-1]]))
    lengths = np.diff(np.append(begins, len(values)))
    largest = np.flatnonzero(values == np.repeat(np.maximum.reduceat(values, begins), lengths))
    runs = owners[largest]
    return largest[np.concatenate([[True], runs[1:] != runs[:-1]])]


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
