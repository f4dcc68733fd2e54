"""The picture behind a hit, as long as its file is where it was and what it was."""

from pathlib import Path

import numpy as np

from inet_d2.search.sources import is_unchanged, read_picture
from inet_d2.search.store import VIDEO, Source
from inet_d2.search.video import VideoReader


def picture_of(source: Source, offset: float) -> np.ndarray | None:
    """Read an image, or a video's frame at an offset.

    Args:
        source: as the index has it.
        offset: seconds from the video's first frame.

    Returns:
        (H, W, 3) uint8 RGB; ``None`` if the file was moved, changed or cannot be read.
    """
    if not is_unchanged(source.path, source.size, source.modified_ns):
        return None
    try:
        if source.kind == VIDEO:
            with VideoReader(Path(source.path)) as video:
                return video.frame_at(offset)
        return read_picture(Path(source.path))[0]
    except (OSError, ValueError):
        return None


def crop_of(picture: np.ndarray, box: np.ndarray, margin: float = 0.08) -> np.ndarray:
    """The part of a picture around a box (4,) XYXY, with a margin of its size; at least one pixel."""
    height, width = picture.shape[:2]
    x1, y1, x2, y2 = (float(edge) for edge in box)
    room_x, room_y = margin * (x2 - x1), margin * (y2 - y1)
    left, top = (int(np.clip(v, 0, m - 1)) for v, m in ((x1 - room_x, width), (y1 - room_y, height)))
    right, bottom = int(np.clip(x2 + room_x + 1, left + 1, width)), int(np.clip(y2 + room_y + 1, top + 1, height))
    return picture[top:bottom, left:right]
