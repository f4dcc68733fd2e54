"""Files that people are searched in: which there are, what is in them, when they were taken."""

import hashlib
import os
from collections import Counter
from collections.abc import Iterator, Sequence
from datetime import datetime
from pathlib import Path

import numpy as np
from PIL import ExifTags, Image, UnidentifiedImageError

from inet_d2.image_file import upright_rgb

IMAGE_SUFFIXES = (".jpg", ".jpeg", ".jfif", ".mpo", ".png", ".bmp", ".webp", ".tif", ".tiff")
VIDEO_SUFFIXES = (".mp4", ".mkv", ".mov", ".avi", ".webm", ".m4v", ".ts", ".mts", ".mpg", ".mpeg")
THUMBNAIL_SIZE = (16, 12)
HASH_BLOCK = 1 << 20  # bytes


def list_files(names: Sequence[str | os.PathLike]) -> list[Path]:
    """List images and videos.

    Args:
        names: files, and folders that are walked with all their sub-folders but hidden ones (``.name``).

    Returns:
        Absolute paths, each once, those of a folder sorted by name.

    Raises:
        FileNotFoundError: a name does not exist.
        ValueError: a named file has none of the known suffixes, or there is no file at all.
    """
    found: dict[Path, None] = {}
    for name in map(Path, names):
        if name.is_dir():
            found.update(dict.fromkeys(_files_in(name.absolute())))
        elif not name.exists():
            raise FileNotFoundError(f"source {name} does not exist; name an image, a video or a folder of them")
        elif not has_known_suffix(name):
            raise ValueError(f"source {name}: expected one of {' '.join(IMAGE_SUFFIXES + VIDEO_SUFFIXES)}")
        else:
            found[name.absolute()] = None
    if not found:
        raise ValueError(f"no image and no video in {', '.join(map(str, names))}; name another folder")
    return list(found)


def _files_in(folder: Path) -> Iterator[Path]:
    return filter(has_known_suffix, _walk(folder))


def _walk(folder: Path) -> Iterator[Path]:
    """All files that are not hidden, by name."""
    for parent, folders, files in os.walk(folder):
        folders[:] = sorted(name for name in folders if not name.startswith("."))
        for name in sorted(files):
            path = Path(parent, name)
            if not name.startswith(".") and path.is_file():
                yield path


def count_passed_over(names: Sequence[str | os.PathLike]) -> dict[str, int]:
    """Count what :func:`list_files` does not take from folders, hidden files aside: files by their suffix."""
    folders = [Path(name).absolute() for name in names if Path(name).is_dir()]
    others = {path for folder in folders for path in _walk(folder) if not has_known_suffix(path)}
    return dict(sorted(Counter(path.suffix.lower() or "no suffix" for path in others).items()))


def has_known_suffix(path: Path) -> bool:
    """The name is that of an image or a video."""
    return path.suffix.lower() in IMAGE_SUFFIXES + VIDEO_SUFFIXES


def is_video(path: Path) -> bool:
    """The name is that of a video."""
    return path.suffix.lower() in VIDEO_SUFFIXES


def content_hash(path: Path) -> str:
    """BLAKE2 of a file's bytes, 32 hexadecimal digits."""
    digest = hashlib.blake2b(digest_size=16)
    with path.open("rb") as file:
        while block := file.read(HASH_BLOCK):
            digest.update(block)
    return digest.hexdigest()


def read_picture(path: Path) -> tuple[np.ndarray, float]:
    """Read an image upright.

    Args:
        path: the file.

    Returns:
        (H, W, 3) uint8 RGB, and the time of the picture: what the camera wrote, in this machine's time zone, or else
        the file's time of change.

    Raises:
        FileNotFoundError: no such file.
        ValueError: it cannot be decoded.
    """
    if not path.is_file():
        raise FileNotFoundError(f"image {path} does not exist; name an image file")
    try:
        with Image.open(path) as image:
            taken = _camera_time(image)
            picture = upright_rgb(image)
    except (OSError, SyntaxError, ValueError, UnidentifiedImageError, Image.DecompressionBombError) as error:
        raise ValueError(f"image {path} cannot be decoded ({error}); replace it by a sound copy") from error
    return picture, path.stat().st_mtime if taken is None else taken


def _camera_time(image: Image.Image) -> float | None:
    exif = image.getexif()
    text = exif.get_ifd(ExifTags.IFD.Exif).get(ExifTags.Base.DateTimeOriginal) or exif.get(ExifTags.Base.DateTime)
    try:
        return datetime.strptime(str(text).strip("\0 "), "%Y:%m:%d %H:%M:%S").timestamp()
    except (ValueError, OverflowError, OSError):
        return None  # absent, or nonsense such as 0000:00:00


def thumbnail(picture: np.ndarray) -> bytes:
    """16 x 12 grey pixels of an (H, W, 3) uint8 RGB picture."""
    small = Image.fromarray(picture).resize(THUMBNAIL_SIZE, Image.Resampling.BOX, reducing_gap=2.0)
    return small.convert("L").tobytes()


def thumbnail_difference(one: bytes, other: bytes) -> float:
    """Mean absolute difference of two thumbnails, grey levels 0-255; 255 if one is missing."""
    if len(one) != len(other) or not one:
        return 255.0
    return float(np.abs(np.frombuffer(one, np.uint8).astype(int) - np.frombuffer(other, np.uint8)).mean())


def is_unchanged(path: str, size: int, modified_ns: int) -> bool:
    """The file is there and is the one that was indexed."""
    try:
        found = os.stat(path)
    except OSError:
        return False
    return (found.st_size, found.st_mtime_ns) == (size, modified_ns)
