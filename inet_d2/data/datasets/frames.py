"""Sizes of the frames of a data set, read from image headers."""

from collections.abc import Sequence
from pathlib import Path

from inet_d2.data.datasets.reading import read_files
from inet_d2.image_file import image_size


def read_frame_sizes(paths: Sequence[Path]) -> tuple[list[tuple[int, int] | None], list[str]]:
    """Read width and height of the upright images without decoding them, logging progress when it takes long.

    Args:
        paths: image files.

    Returns:
        One (width, height) per path, None where the file is missing or unreadable; and one sentence for each
        such file.
    """
    found = read_files(_read_size, paths, what="frame sizes", threads=8)
    return [size for size, _ in found], [problem for _, problem in found if problem]


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
            f"{dataset}: expected {len(paths)} readable frames, found {len(problems)} missing or damaged, first: "
            f"{problems[0]}; restore them from the data set's archive (tools/check_dataset.py lists all)"
        )
    return [size for size in sizes if size is not None]


def _read_size(path: Path) -> tuple[tuple[int, int] | None, str]:
    try:
        return image_size(path), ""
    except (FileNotFoundError, ValueError) as error:
        return None, str(error)
