"""Reading many small files at once."""

import logging
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TypeVar

_PROGRESS_SECONDS = 5.0
_logger = logging.getLogger(__name__)

T = TypeVar("T")


def read_files(read: Callable[[Path], T], paths: Sequence[Path], *, what: str, threads: int) -> list[T]:
    """Read files in threads; log how far it has come every five seconds.

    Args:
        read: gives the content of a file.
        paths: the files.
        what: they are, for the log, such as "annotation files".
        threads: how many read at the same time.

    Returns:
        One content per path, in the order of ``paths``.

    Raises:
        Exception: the first that ``read`` raises.
    """
    contents: list[T] = []
    last = time.monotonic()
    with ThreadPoolExecutor(max_workers=threads) as pool:
        for content in pool.map(read, paths, chunksize=64):
            contents.append(content)
            if time.monotonic() - last > _PROGRESS_SECONDS:
                last = time.monotonic()
                _logger.info("read %d of %d %s", len(contents), len(paths), what)
    return contents
