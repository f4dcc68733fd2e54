"""DukeMTMC-reID (Ristani et al. 2016, Zheng et al., ICCV 2017), in Market-1501's layout; withdrawn by its authors."""

from functools import partial
from pathlib import Path
from typing import Any

from inet_d2.data.datasets.crop_records import CropTable, crop_records, identities_of, read_crop_folder
from inet_d2.data.datasets.market1501 import FOLDERS, PATTERN

_REMEDY = "set DETECTRON2_DATASETS to the folder that holds a complete copy (see datasets/README.md)"


def load_duke_reid(root: str | Path, split: str) -> list[dict[str, Any]]:
    """Read one split as records; people who are in the gallery alone keep identities of their own.

    Args:
        root: the folder that holds ``bounding_box_train``, ``query`` and ``bounding_box_test``.
        split: ``train``, ``query`` or ``gallery``.

    Returns:
        One record per crop, by file name; see :func:`crop_records`.

    Raises:
        FileNotFoundError: a folder is missing.
        ValueError: a file has another name, or is no image.
    """
    return crop_records("dukemtmc_reid", Path(root), partial(_read, Path(root)), split)


def duke_reid_identities(root: str | Path, split: str) -> list[int]:
    """The data set's own ids by pid; arguments as :func:`load_duke_reid`."""
    return identities_of(partial(_read, Path(root)), split)


def _read(root: Path, split: str) -> CropTable:
    return read_crop_folder("dukemtmc_reid", root / FOLDERS[split], PATTERN, remedy=_REMEDY)
