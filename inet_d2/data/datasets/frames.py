"""Sizes of the frames of a data set, read from image headers."""

import logging
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from PIL import Image, UnidentifiedImageError

_PROGRESS_SECONDS = 5.0
_logger = logging.getLogger(__name__)


def read_frame_sizes(paths: Sequence[Path]) -> tuple[list[tuple[int, int] | None], list[str]]:
    """Read width and height of images without decoding them, logging progress when it takes long.

    Args:
        paths: image files.

    Returns:
        One (width, height) per path, None where the file is missing or unreadable; and one sentence for each
        such file.
    """
    sizes: list[tuple[int, int] | None] = []
    problems: list[str] = []
    last = time.monotonic()
    with ThreadPoolExecutor(max_workers=8) as pool:
        for size, problem in pool.map(_read_size, paths, chunksize=64):
            sizes.append(size)
            if problem:
                problems.append(problem)
            if time.monotonic() - last > _PROGRESS_SECONDS:
                last = time.monotonic()
                _logger.info("read the sizes of %d of %d frames", len(sizes), len(paths))
    return sizes, problems


def frame_sizes_or_error(dataset: str, paths: Sequence[Path]) -> list[tuple[int, int]]:
    """Read width and height of images that must all be there.

    Args:
        dataset: name of the data set, for the message.
        paths: image files.

    Returns:
        One (width, height) per path.

    Raises:
        FileNotFoundError: a frame is missing.
        ValueError: a frame exists but is not an image.
    """
    sizes, problems = read_frame_sizes(paths)
    if problems:
        kind = FileNotFoundError if any(not path.is_file() for path in paths) else ValueError
        raise kind(
            f"{dataset}: expected {len(paths)} readable frames, found {len(problems)} missing or damaged, "
            f"first: "
            f"{problems[0]}; restore them from the data set's archive (tools/check_dataset.py lists all)"
        )
    return [size for size in sizes if size is not None]


def _read_size(path: Path) -> tuple[tuple[int, int] | None, str]:
    try:
        with Image.open(path) as image:
            return image.size, ""
    except FileNotFoundError:
        return None, f"{path} is missing"
    except (UnidentifiedImageError, OSError, ValueError) as error:
        return None, f"{path} cannot be read ({error})"
