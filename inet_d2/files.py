"""Files that are either whole or not there."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


@contextmanager
def written_aside(path: str | os.PathLike) -> Iterator[Path]:
    """Give a place to write to; what is there at the end of the block becomes ``path``.

    If the block fails, an older file stays as it was and nothing new remains. The file is on the disk, not only on its
    way there, before it gets its name, so that a crash of the machine leaves the old file or the new one, too.

    Args:
        path: file to be; its folder exists.

    Yields:
        A path in the same folder, with the same suffix.
    """
    path = Path(path)
    aside = path.with_name(f".{path.stem}.{os.getpid()}.tmp{path.suffix}")
    try:
        yield aside
        _sync(aside)
        os.replace(aside, path)
        _sync(path.parent)
    finally:
        aside.unlink(missing_ok=True)


def _sync(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
