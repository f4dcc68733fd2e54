"""Finding people by sliding a window over channels at many scales.

Shapes: windows of H x W cells, channels of C planes; D = C * H * W features of a window.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import cv2
import numpy as np

from inet_d2.baselines.detectors.boosting import BoostedTrees

_TREES_AT_ONCE = (8, 24, 64)


@dataclass(frozen=True)
class Window:
    """The window and the person in it.

    Attributes:
        size: (h, w) of the window, pixels.
        person: (h, w) of the person in its middle.
        shrink: pixels of a cell's side.
    """

    size: tuple[int, int] = (128, 64)
    person: tuple[float, float] = (100.0, 41.0)
    shrink: int = 4

    @property
    def cells(self) -> tuple[int, int]:
        """(H, W) cells."""
        return self.size[0] // self.shrink, self.size[1] // self.shrink

    @property
    def padding(self) -> tuple[int, int]:
        """Cells around an image, so that a person at its edge still fills a window."""
        return tuple(
            -(-int(np.ceil((size - inner) / 2)) // self.shrink)
            for size, inner in zip(self.size, self.person, strict=True)
        )


def pyramid_scales(height: int, width: int, window: Window, *, per_octave: int, octaves_up: float) -> list[float]:
    """Scales from the largest down to the smallest image that still holds a person.

    Args:
        height: of the image, pixels.
        width: of the image, pixels.
        window: the window.
        per_octave: scales in a factor of two.
        octaves_up: enlarge by up to 2 to the power of this.

    Returns:
        Factors, falling.
    """
    smallest = max(window.person[0] / height, window.person[1] / width)
    count = int(np.floor(per_octave * (octaves_up + np.log2(1 / smallest)))) + 1 if smallest > 0 else 0
    return [2.0 ** (octaves_up - step / per_octave) for step in range(max(count, 0))]


def rounded_size(height: int, width: int, scale: float, shrink: int) -> tuple[int, int]:
    """Height and width at a scale, to whole cells; at least one."""
    return tuple(max(round(side * scale / shrink), 1) * shrink for side in (height, width))


def pad_window(image: np.ndarray, person: np.ndarray, window: Window, context: int) -> np.ndarray:
    """Cut the window around a person out of an image, at the size that it has in a pyramid.

    Args:
        image: (h, w, 3) uint8; beyond its edges the last pixels go on.
        person: (4,) XYXY box of the window's aspect.
        window: the window.
        context: cells around the window.

    Returns:
        (H, W, 3) uint8, the window's size and ``context`` cells on each side.
    """
    scale = (person[3] - person[1]) / window.person[0]
    target = [size + 2 * context * window.shrink for size in window.size]
    starts, ends = [], []
    for axis, size in ((1, target[0]), (0, target[1])):
        centre, side = (person[axis] + person[axis + 2]) / 2, max(round(size * scale), 1)
        starts.append(round(centre - side / 2))
        ends.append(starts[-1] + side)
    ys, xs = (
        np.clip(np.arange(start, end), 0, length - 1)
        for start, end, length in zip(starts, ends, image.shape[:2], strict=True)
    )
    patch = np.ascontiguousarray(image[ys][:, xs])
    method = cv2.INTER_AREA if scale > 1 else cv2.INTER_LINEAR
    return cv2.resize(patch, (target[1], target[0]), interpolation=method)


def slide(channels: np.ndarray, window: Window, trees: BoostedTrees, stop_below: float) -> tuple[np.ndarray, ...]:
    """Score every window; those that fall to ``stop_below`` on the way are out.

    Args:
        channels: (h, w, C) float32, padded.
        window: its size.
        trees: the cascade.
        stop_below: limit of the running sum.

    Returns:
        Rows, columns (k,) int64 in cells and scores (k,) float32 of the windows that are left.
    """
    rows, columns = (side - cells + 1 for side, cells in zip(channels.shape[:2], window.cells, strict=True))
    if rows < 1 or columns < 1:
        return np.zeros(0, np.int64), np.zeros(0, np.int64), np.zeros(0, np.float32)
    height, width = window.cells
    planes, across, down = np.unravel_index(trees.features, (channels.shape[2], width, height))
    offsets = (down * channels.shape[1] + across) * channels.shape[2] + planes
    flat = np.ascontiguousarray(channels).ravel()
    ys, xs = np.divmod(np.arange(rows * columns), columns)
    starts = (ys * channels.shape[1] + xs) * channels.shape[2]
    total, start = np.zeros(len(starts), dtype=np.float32), 0
    for size in _tree_blocks(len(offsets)):
        block = np.arange(start, start + size)
        nodes = np.zeros((len(starts), size), dtype=np.int64)
        for _ in range(trees.depth):
            values = flat[starts[:, None] + offsets[block, nodes]]
            nodes = 2 * nodes + 1 + (values >= trees.thresholds[block, nodes])
        running = total[:, None] + np.cumsum(trees.values[block, nodes], axis=1)
        kept = (running > stop_below).all(axis=1)
        ys, xs, starts, total = ys[kept], xs[kept], starts[kept], running[kept, -1]
        start += size
    return ys, xs, total


def _tree_blocks(num_trees: int) -> Iterator[int]:
    """Few trees while many windows are left, then more at once."""
    done = 0
    while done < num_trees:
        size = next((s for s in _TREES_AT_ONCE if done < 4 * s), _TREES_AT_ONCE[-1])
        yield min(size, num_trees - done)
        done += size


def suppress(boxes: np.ndarray, scores: np.ndarray, overlap: float = 0.65) -> np.ndarray:
    """Greedy suppression by the intersection over the smaller area.

    Args:
        boxes: (n, 4) XYXY.
        scores: (n,).
        overlap: a box is left out where it covers, or is covered by, more than this of a better one.

    Returns:
        (k,) int64 of the boxes kept, the best first.
    """
    order = np.argsort(-scores, kind="stable")
    areas = (boxes[:, 2:] - boxes[:, :2]).prod(axis=1)
    kept = []
    while len(order):
        best, rest = order[0], order[1:]
        kept.append(best)
        sides = np.minimum(boxes[best, 2:], boxes[rest, 2:]) - np.maximum(boxes[best, :2], boxes[rest, :2])
        covered = np.clip(sides, 0, None).prod(axis=1) / np.maximum(np.minimum(areas[best], areas[rest]), 1e-9)
        order = rest[covered <= overlap]
    return np.array(kept, dtype=np.int64)


def detect(
    levels: Sequence[tuple[tuple[float, float], np.ndarray]],
    window: Window,
    search: Callable[[np.ndarray], tuple[np.ndarray, ...]],
) -> tuple[np.ndarray, np.ndarray]:
    """Turn windows of a pyramid into boxes of people.

    Args:
        levels: for each scale its factors (down, across), and padded channels.
        window: size of window and person.
        search: gives rows, columns and scores of the windows of one level.

    Returns:
        (n, 4) float32 XYXY in the image, suppressed, and (n,) float32 scores, falling.
    """
    boxes, scores = [np.zeros((0, 4))], [np.zeros(0)]
    margins = [(size - inner) / 2 for size, inner in zip(window.size, window.person, strict=True)]
    for (down, across), channels in levels:
        ys, xs, found = search(channels)
        tops = ((ys - window.padding[0]) * window.shrink + margins[0]) / down
        lefts = ((xs - window.padding[1]) * window.shrink + margins[1]) / across
        sizes = window.person[0] / down, window.person[1] / across
        boxes.append(np.stack([lefts, tops, lefts + sizes[1], tops + sizes[0]], axis=1))
        scores.append(found)
    boxes, scores = np.concatenate(boxes), np.concatenate(scores)
    kept = suppress(boxes, scores)
    return boxes[kept].astype(np.float32), scores[kept].astype(np.float32)
