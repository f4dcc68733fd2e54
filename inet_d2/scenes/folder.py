"""The folder of a generated data set: whether it is there, and writing it so that it is whole or not there."""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

SETTINGS_FILE = "scenes.json"


def is_there(root: Path, settings: str, force: bool) -> bool:
    """Whether the wanted data set is there; raises when something else is in the way."""
    if not root.exists() or (root.is_dir() and not any(root.iterdir())):
        return False
    written = root / SETTINGS_FILE
    if not written.is_file():
        raise FileExistsError(f"{root} exists and was not generated (it has no {SETTINGS_FILE}); choose another output")
    if force:
        return False
    if written.read_text() != settings:
        raise FileExistsError(
            f"{root} holds scenes of other settings (see {SETTINGS_FILE} there); pass --force "
            "(force=True) to make them again, or choose another output"
        )
    return True


@contextmanager
def made_aside(root: Path) -> Iterator[Path]:
    """A new folder beside ``root`` that takes its place when the block ends well, and goes when it does not."""
    folder = Path(tempfile.mkdtemp(prefix=f".{root.name}.partial-", dir=root.parent))
    try:
        yield folder
        folder.chmod(0o755)
        if root.exists():
            shutil.rmtree(root)
        os.replace(folder, root)
    finally:
        shutil.rmtree(folder, ignore_errors=True)
