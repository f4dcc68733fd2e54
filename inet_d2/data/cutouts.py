"""What training crops can show of their frames, kept in memory once for all loader processes."""

import mmap
import multiprocessing
from typing import Any

import numpy as np


class CutoutStore:
    """Parts of frames by number, filled as the frames are decoded; a frame need not be decoded again for its parts.

    What is kept changes no pixel, only the time it takes to get it. The memory is shared with processes that are
    forked off later (the loader's, on Linux); a pickled copy begins empty, with memory of its own.

    Args:
        regions: (n, 4) integers XYXY, pixels of their frames, inside of them, with an area.
        frames: (n,) integers that do not decrease: which frame a region is of.
        frame_sizes: (n, 2) integers, its height and width; 0 where nobody knows them, and then nothing is kept.
        limit: bytes at most; the first regions that fit are kept.
    """

    def __init__(self, regions: np.ndarray, frames: np.ndarray, frame_sizes: np.ndarray, *, limit: int) -> None:
        self.regions, self.frames, self.frame_sizes, self.limit = regions, frames, frame_sizes, limit
        areas = np.prod(regions[:, 2:] - regions[:, :2], axis=1, dtype=np.int64)
        lengths = np.where((frame_sizes > 0).all(axis=1), 3 * areas, 0)
        self._ends = np.cumsum(lengths)
        self._is_kept = (lengths > 0) & (self._ends <= limit)
        self._share_memory()

    @property
    def num_bytes(self) -> int:
        """Memory when all is filled; pages that are not filled yet take none."""
        return int(self._ends[self._is_kept].max(initial=0))

    @property
    def num_kept(self) -> int:
        """Regions that there is room for."""
        return int(self._is_kept.sum())

    def find(self, number: int) -> np.ndarray | None:
        """A frame of which only one region is there.

        Args:
            number: of the region.

        Returns:
            (H, W, 3) uint8 of the frame's size, right inside the region and 0 elsewhere; None where it is not kept yet.
        """
        if not self._is_kept[number]:
            return None
        with self._lock:
            if not self._is_filled[number]:
                return None
        # Whole, so that its reader calculates with the same coordinates to the last bit. Pages of zeros cost nothing.
        frame = np.zeros((*self.frame_sizes[number], 3), dtype=np.uint8)
        left, top, right, bottom = self.regions[number]
        frame[top:bottom, left:right] = self._pixels(number)
        return frame

    def keep(self, frame: np.ndarray, number: int) -> None:
        """Keep all regions of a frame that there is room for.

        Args:
            frame: (H, W, 3) uint8.
            number: of one of its regions.
        """
        first = np.searchsorted(self.frames, self.frames[number], side="left")
        last = np.searchsorted(self.frames, self.frames[number], side="right")
        numbers = first + np.flatnonzero(self._is_kept[first:last])
        for one in numbers:
            left, top, right, bottom = self.regions[one]
            self._pixels(one)[:] = frame[top:bottom, left:right]
        # Another process may have written the same bytes; the lock orders them before the mark.
        with self._lock:
            self._is_filled[numbers] = 1

    def _pixels(self, number: int) -> np.ndarray:
        left, top, right, bottom = self.regions[number]
        shape = (bottom - top, right - left, 3)
        end = self._ends[number]
        return self._bytes[end - np.prod(shape, dtype=np.int64) : end].reshape(shape)

    def _share_memory(self) -> None:
        size = max(self.num_bytes, 1)
        self._bytes = np.frombuffer(mmap.mmap(-1, size), dtype=np.uint8)
        self._is_filled = np.frombuffer(mmap.mmap(-1, max(len(self.frames), 1)), dtype=np.uint8)
        self._lock = multiprocessing.Lock()

    def __getstate__(self) -> dict[str, Any]:
        return {key: value for key, value in vars(self).items() if key not in ("_bytes", "_is_filled", "_lock")}

    def __setstate__(self, state: dict[str, Any]) -> None:
        vars(self).update(state)
        self._share_memory()
