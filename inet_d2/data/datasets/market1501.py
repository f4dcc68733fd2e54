"""Market-1501 (Zheng et al., ICCV 2015): crops of 1,501 people by six cameras."""

from functools import partial
from pathlib import Path
from typing import Any

from inet_d2.data.datasets.crop_records import CropTable, crop_records, identities_of, read_crop_folder

FOLDERS = {"train": "bounding_box_train", "query": "query", "gallery": "bounding_box_test"}
PATTERN = r"(?P<person>-?\d+)_c(?P<camera>\d+)"
_JUNK, _DISTRACTOR = -1, 0
_REMEDY = "put a complete copy of Market-1501 there or set DETECTRON2_DATASETS (see datasets/README.md)"


def load_market1501(root: str | Path, split: str) -> list[dict[str, Any]]:
    """Read one split as records.

    Id -1 (junk: parts of people) becomes no record; id 0 (distractors) becomes ``UNLABELLED``.

    Args:
        root: the folder that holds ``bounding_box_train``, ``query`` and ``bounding_box_test``.
        split: ``train``, ``query`` or ``gallery``.

    Returns:
        One record per crop, by file name; see :func:`crop_records`.

    Raises:
        FileNotFoundError: a folder is missing.
        ValueError: a file has another name, or is no image.
    """
    return crop_records("market1501", Path(root), partial(_read, Path(root)), split)


def market1501_identities(root: str | Path, split: str) -> list[int]:
    """The data set's own ids by pid; arguments as :func:`load_market1501`."""
    return identities_of(partial(_read, Path(root)), split)


def _read(root: Path, split: str) -> CropTable:
    folder = root / FOLDERS[split]
    return read_crop_folder("market1501", folder, PATTERN, remedy=_REMEDY, junk=_JUNK, distractor=_DISTRACTOR)
