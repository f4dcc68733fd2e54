"""Frames of a video by their time, upright."""

from collections.abc import Iterator
from datetime import datetime
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np

CUT_SECONDS, CUT_SHARE = 2.0, 0.02  # a video that ends this much before its own duration is cut


def _av() -> ModuleType:
    try:
        import av
    except ImportError as error:
        raise ValueError("videos are read with PyAV, and there is none; install it: pip install av") from error
    return av


class VideoReader:
    """A video that is open; use it in a ``with`` block.

    Args:
        path: the file.

    Attributes:
        width: pixels, upright.
        height: pixels, upright.
        duration: seconds, as the file says; 0 where it does not.
        start: time of the first frame, seconds since 1970: what the file says, or else its time of change less its
            duration.
        problem: why the frames ended early, in words; "" if they did not.

    Raises:
        ValueError: it cannot be decoded at all, or PyAV is missing.
    """

    def __init__(self, path: Path) -> None:
        av = _av()
        self._error = av.error.FFmpegError
        self._path = path
        self.problem = ""
        try:
            self._container = av.open(str(path))
        except self._error as error:
            raise self._undecodable(error.strerror) from error
        try:
            self._stream = self._container.streams.video[0]
            self._stream.thread_type = "AUTO"
            first = next(self._container.decode(self._stream))
        except (self._error, IndexError, StopIteration) as error:
            self._container.close()
            raise self._undecodable(getattr(error, "strerror", None) or "it has no frame") from error
        self._first_time = first.time or 0.0
        self.height, self.width = _upright(first).shape[:2]
        self.duration = self._duration()
        self.start = self._start()

    def _undecodable(self, reason: str) -> ValueError:
        return ValueError(f"video {self._path} cannot be decoded ({reason}); replace it by a sound copy")

    def _duration(self) -> float:
        if self._stream.duration:
            return float(self._stream.duration * self._stream.time_base)
        return (self._container.duration or 0) / 1e6

    def _start(self) -> float:
        try:
            return datetime.fromisoformat(self._container.metadata["creation_time"].replace("Z", "+00:00")).timestamp()
        except (KeyError, ValueError):
            return self._path.stat().st_mtime - self.duration

    def __enter__(self) -> "VideoReader":
        return self

    def __exit__(self, *error: object) -> None:
        self._container.close()

    def frames(self, fps: float, begin: float = 0.0) -> Iterator[tuple[float, np.ndarray]]:
        """Read some frames a second.

        Args:
            fps: at most this many; a video with fewer gives all of its own.
            begin: offset from which on, seconds.

        Yields:
            Offset in seconds from the first frame, by the file's own time stamps, and (H, W, 3) uint8 RGB.
            After the last, ``problem`` says whether the video broke off.
        """
        self._seek(begin)
        last, due = begin, begin
        try:
            for frame in self._container.decode(self._stream):
                if frame.time is None:
                    continue
                last = offset = max(0.0, frame.time - self._first_time)
                if offset < due - 1e-6:
                    continue
                yield offset, _upright(frame)
                due = (np.floor(offset * fps + 1e-6) + 1) / fps
        except self._error as error:
            self.problem = f"video {self._path} broke off at {last:.1f} s ({error.strerror})"
            return
        if self.duration - last > max(CUT_SECONDS, CUT_SHARE * self.duration):
            self.problem = f"video {self._path} is cut: it ends at {last:.1f} s of {self.duration:.1f} s"

    def frame_at(self, offset: float) -> np.ndarray:
        """The (H, W, 3) uint8 RGB frame that is shown at an offset; the last one beyond the end."""
        self._seek(offset)
        shown = None
        for frame in self._container.decode(self._stream):
            if shown is not None and (frame.time or 0.0) - self._first_time > offset + 1e-3:
                break
            shown = frame
        if shown is None:
            raise self._undecodable(f"no frame at {offset:.1f} s")
        return _upright(shown)

    def _seek(self, offset: float) -> None:
        place = round((self._first_time + offset) / float(self._stream.time_base))
        self._container.seek(max(0, place), stream=self._stream, backward=True)


def _upright(frame: Any) -> np.ndarray:
    """(H, W, 3) uint8 RGB, turned as the file's display matrix asks."""
    turns = round(getattr(frame, "rotation", 0) / 90) % 4
    return np.ascontiguousarray(np.rot90(frame.to_ndarray(format="rgb24"), turns))
