"""MSMT17 (Wei et al., CVPR 2018): crops of 4,101 people by 15 cameras, named in lists."""

from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from inet_d2.data.datasets.crop_records import CropTable, crop_records, identities_of

LISTS = {"train": ("list_train.txt", "list_val.txt"), "query": ("list_query.txt",), "gallery": ("list_gallery.txt",)}
# Version 2 has blurred faces and is the same otherwise.
FOLDERS = {"train": ("train", "mask_train_v2"), "query": ("test", "mask_test_v2"), "gallery": ("test", "mask_test_v2")}
_REMEDY = "put a complete copy of MSMT17 there or set DETECTRON2_DATASETS (see datasets/README.md)"


def load_msmt17(root: str | Path, split: str) -> list[dict[str, Any]]:
    """Read one split as records.

    Args:
        root: the folder that holds the lists, and ``train`` and ``test`` (version 1), or ``mask_train_v2`` and
            ``mask_test_v2`` (version 2).
        split: ``train`` (the lists of training and validation, as published figures count it), ``query`` or
            ``gallery``.

    Returns:
        One record per line, in the order of the lists; see :func:`crop_records`.

    Raises:
        FileNotFoundError: a list, a folder or an image is missing.
        ValueError: a line has another form, or a file is no image.
    """
    return crop_records("msmt17", Path(root), partial(_read, Path(root)), split)


def msmt17_identities(root: str | Path, split: str) -> list[int]:
    """The data set's own ids by pid; those of training and of testing both begin at 0."""
    return identities_of(partial(_read, Path(root)), split)


def _read(root: Path, split: str) -> CropTable:
    folders = [root / name for name in FOLDERS[split] if (root / name).is_dir()]
    if not folders:
        raise FileNotFoundError(f"msmt17: {root} has none of the folders {', '.join(FOLDERS[split])}; {_REMEDY}")
    rows = [row for name in LISTS[split] for row in _read_list(root / name)]
    return CropTable(
        [folders[0] / name for name, _, _ in rows],
        np.array([pid for _, pid, _ in rows], dtype=np.int64),
        np.array([camera for _, _, camera in rows], dtype=np.int64),
    )


def _read_list(path: Path) -> list[tuple[str, int, int]]:
    """Path from the folder, id and camera of each line; LF and CRLF alike."""
    if not path.is_file():
        raise FileNotFoundError(f"{path} is missing; {_REMEDY}")
    rows = []
    for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), start=1):
        if not line.strip():
            continue
        try:
            name, pid = line.split()
            rows.append((name, int(pid), int(name.rsplit("/", 1)[-1].split("_")[2])))
        except (ValueError, IndexError) as error:
            raise ValueError(
                f"{path}: line {number}: expected a path such as 0000/0000_000_01_0303morning_0015_0.jpg and an id, "
                f"found {line!r} ({error}); {_REMEDY}"
            ) from error
    return rows
