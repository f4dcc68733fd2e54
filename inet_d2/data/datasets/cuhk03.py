"""CUHK03 (Li et al., CVPR 2014) with the new split of Zhong et al. (CVPR 2017), in Market-1501's layout."""

from functools import partial
from pathlib import Path
from typing import Any

from inet_d2.data.datasets.crop_records import CropTable, crop_records, identities_of, read_crop_folder
from inet_d2.data.datasets.market1501 import FOLDERS

# 0001_c1_1.png, or pair, person, view and image: 1_001_1_01.png.
PATTERN = r"(?P<person>\d+|\d+_\d+)_c?(?P<camera>\d+)_\d+\."
_REMEDY = "put a complete copy of CUHK03-NP there or set DETECTRON2_DATASETS (see datasets/README.md)"


def load_cuhk03(root: str | Path, split: str) -> list[dict[str, Any]]:
    """Read one split as records.

    Args:
        root: ``detected`` or ``labeled``, with ``bounding_box_train``, ``query`` and ``bounding_box_test``.
        split: ``train``, ``query`` or ``gallery``.

    Returns:
        One record per crop, by file name; see :func:`crop_records`. Cameras are the two views of each pair.

    Raises:
        FileNotFoundError: a folder is missing.
        ValueError: a file has another name, or is no image.
    """
    return crop_records("cuhk03", Path(root), partial(_read, Path(root)), split)


def cuhk03_identities(root: str | Path, split: str) -> list[str]:
    """The data set's own ids by pid, as in the file names; arguments as :func:`load_cuhk03`."""
    return identities_of(partial(_read, Path(root)), split)


def _read(root: Path, split: str) -> CropTable:
    return read_crop_folder("cuhk03", root / FOLDERS[split], PATTERN, remedy=_REMEDY, identity=str)
