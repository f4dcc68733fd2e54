"""Files that are either whole or not there."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


@contextmanager
def written_aside(path: str | os.PathLike) -> Iterator[Path]:
    """Give a place to write to; what is there at the end of the block becomes ``path``.

    If the block fails, an older file stays as it was and nothing new remains.

    Args:
        path: file to be; its folder exists.

    Yields:
        A path in the same folder, with the same suffix.
    """
    path = Path(path)
    aside = path.with_name(f".{path.stem}.{os.getpid()}.tmp{path.suffix}")
    try:
        yield aside
        os.replace(aside, path)
    finally:
        aside.unlink(missing_ok=True)
