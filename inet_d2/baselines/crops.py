"""Crops of people at one size, out of frames that are read once each."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import cv2
import numpy as np
from tqdm import tqdm

from inet_d2.data.frame_reader import read_frame

BATCH_SIZE = 64


def crop_people(image: np.ndarray, boxes: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    """Cut people out of a frame.

    Args:
        image: (H, W, 3) uint8.
        boxes: (n, 4) XYXY pixels. They are rounded and clipped to the frame; of a box without area, or outside, the
            nearest pixel is taken.
        size: (h, w) of the crops.

    Returns:
        (n, h, w, 3) uint8, resized bilinearly, by areas where a crop shrinks.
    """
    crops = np.empty((len(boxes), *size, 3), dtype=np.uint8)
    limits = np.array(image.shape[1::-1])
    starts = np.clip(np.rint(boxes[:, :2]).astype(np.int64), 0, limits - 1)
    ends = np.clip(np.rint(boxes[:, 2:]).astype(np.int64), starts + 1, limits)
    for crop, (x1, y1), (x2, y2) in zip(crops, starts, ends, strict=True):
        patch = np.ascontiguousarray(image[y1:y2, x1:x2])
        is_shrinking = patch.shape[0] > size[0] and patch.shape[1] > size[1]
        cv2.resize(patch, size[::-1], dst=crop, interpolation=cv2.INTER_AREA if is_shrinking else cv2.INTER_LINEAR)
    return crops


@dataclass(frozen=True)
class CropBatches:
    """Batches of crops, in the order of frames and boxes; can be gone through again and again.

    Never more than a batch and the crops of one frame are in memory.

    Attributes:
        records: one per frame, with ``file_name``.
        boxes: (n, 4) XYXY for each frame.
        size: (h, w) of the crops.
        title: for the progress bar; "" shows none.
    """

    records: Sequence[dict[str, Any]]
    boxes: Sequence[np.ndarray]
    size: tuple[int, int]
    title: str = ""

    @property
    def num_crops(self) -> int:
        """How many crops there are."""
        return sum(len(boxes) for boxes in self.boxes)

    def __iter__(self) -> Iterator[np.ndarray]:
        """Give (b, h, w, 3) uint8 RGB, b at most 64, and never 0.

        Raises:
            FileNotFoundError: a frame is missing.
            ValueError: a frame cannot be decoded.
        """
        waiting: list[np.ndarray] = []
        with tqdm(total=self.num_crops, desc=self.title, unit="crop", disable=not self.title) as progress:
            for record, boxes in zip(self.records, self.boxes, strict=True):
                if len(boxes):
                    image = np.ascontiguousarray(read_frame(dict(record), "RGB"))
                    waiting.extend(crop_people(image, boxes, self.size))
                while len(waiting) >= BATCH_SIZE:
                    yield np.stack(waiting[:BATCH_SIZE])
                    waiting = waiting[BATCH_SIZE:]
                    progress.update(BATCH_SIZE)
            if waiting:
                yield np.stack(waiting)
                progress.update(len(waiting))
