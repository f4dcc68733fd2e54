"""Files that are either whole or not there."""

import json
import math
import os
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any


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


def check_output(path: str | os.PathLike, option: str, inputs: Iterable[str | os.PathLike] = ()) -> None:
    """Refuse a place for a file that cannot be written, or that is read; asked before the work.

    Args:
        path: file to be; its folder may be missing, if it can be made.
        option: what named it; begins the message.
        inputs: files that are read and must not be replaced.

    Raises:
        ValueError: the path is a folder, lies in no folder that can be written to, or is one of the inputs.
    """
    path = Path(path)
    if path.is_dir():
        raise ValueError(f"{option}: expected the name of a file to write, found the folder {path}")
    folder = next(parent for parent in path.absolute().parents if parent.exists())
    if not folder.is_dir() or not os.access(folder, os.W_OK):
        raise ValueError(f"{option}: expected a folder that can be written to, found {folder}; name another for {path}")
    if path.exists() and os.path.realpath(path) in {os.path.realpath(other) for other in inputs}:
        raise ValueError(f"{option}: {path} is read here and would be replaced; name another file")


def check_outputs(outputs: Mapping[str, str | os.PathLike], inputs: Iterable[str | os.PathLike] = ()) -> None:
    """Ask :func:`check_output` of every output of a command, and that no two of them are one file.

    Args:
        outputs: option -> file to be.
        inputs: files that are read and must not be replaced.

    Raises:
        ValueError: see :func:`check_output`; or two options name the same file.
    """
    inputs, options = list(inputs), {}
    for option, path in outputs.items():
        check_output(path, option, inputs)
        first = options.setdefault(os.path.realpath(path), option)
        if first != option:
            raise ValueError(f"{option}: {path} is what {first} writes; name another file")


def write_json(path: str | os.PathLike, content: Any) -> None:
    """Write a JSON file that any reader takes.

    Args:
        path: file to be; its folder exists.
        content: what ``json`` can write. Numbers that are not finite become null: JSON knows no NaN.
    """
    with written_aside(path) as aside:
        aside.write_text(json.dumps(_finite(content), indent=2, allow_nan=False) + "\n")


def _finite(content: Any) -> Any:
    if isinstance(content, Mapping):
        return {key: _finite(value) for key, value in content.items()}
    if isinstance(content, (list, tuple)):
        return [_finite(value) for value in content]
    return None if isinstance(content, float) and not math.isfinite(content) else content


def _sync(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
