"""Checkpoint files: whole, with the right checksums, and read without running any code from them."""

import zipfile
from pathlib import Path
from typing import Any

import torch


def read_checkpoint(path: str | Path, *, in_memory: bool = True) -> dict[str, Any]:
    """Read a file that ``torch.save`` wrote, and check the checksum of every part of it.

    Args:
        path: a local file. Files of torch before 1.6 are read, too, but carry no checksums.
        in_memory: False maps the tensors from the file, to look at a few of them.

    Returns:
        What was saved, on the CPU.

    Raises:
        OSError: the file cannot be opened.
        ValueError: it is no checkpoint, is cut off or damaged, or holds more than tensors, numbers and containers.
    """
    try:
        is_zip = zipfile.is_zipfile(path)
        if is_zip:
            _check_sums(path)
        content = torch.load(path, map_location="cpu", weights_only=True, mmap=is_zip and not in_memory)
    except (FileNotFoundError, IsADirectoryError, PermissionError):
        raise
    except Exception as error:  # damaged bytes may fail anywhere in torch, zipfile and zlib
        reason = str(error).strip().partition("\n")[0][:160] or type(error).__name__
        raise ValueError(
            f"{path} is no checkpoint that torch can read ({reason}); it may be cut off or damaged, or hold objects "
            "that are not read because they could run code."
        ) from error
    if not isinstance(content, dict) or not isinstance(content.get("model", {}), dict):
        raise ValueError(f"{path} is no checkpoint: expected a dict of tensors by name, found another object.")
    return content


def is_sound(path: str | Path) -> bool:
    """Whether :func:`read_checkpoint` would read this file."""
    try:
        read_checkpoint(path, in_memory=False)
    except (OSError, ValueError):
        return False
    return True


def _check_sums(path: str | Path) -> None:
    with zipfile.ZipFile(path) as archive:
        damaged = archive.testzip()
    if damaged is not None:
        raise ValueError(f"wrong checksum of {damaged}")
