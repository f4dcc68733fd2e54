"""DukeMTMC-VideoReID (Ristani et al. 2016; Wu et al., CVPR 2018): tracklets; withdrawn by its authors."""

import re
from pathlib import Path
from typing import Any

import numpy as np

from inet_d2.data.datasets.crop_records import check_split, number_people
from inet_d2.data.datasets.tracklet_records import tracklet_record

# 0001_C6_F0099_X30823.jpg, or as older copies have it 0001C6F0099X30823.jpg.
PATTERN = re.compile(r"\d+_?C(\d+)_?F\d+", re.IGNORECASE)
_REMEDY = "set DETECTRON2_DATASETS to the folder that holds a complete copy (see datasets/README.md)"


def load_duke_video(root: str | Path, split: str) -> list[dict[str, Any]]:
    """Read one split as tracklets; people who are in the gallery alone keep identities of their own.

    Args:
        root: the folder that holds ``train``, ``query`` and ``gallery``.
        split: one of these.

    Returns:
        One record per tracklet, by id and name. Frames are sorted by name: some tracklets lack their first ones.

    Raises:
        FileNotFoundError: a folder is missing.
        ValueError: a folder or a file has another name, or another split is asked for.
    """
    check_split("dukemtmc_video", split)
    root = Path(root)
    tracklets = _tracklets(root / split)
    first = [] if split == "train" else sorted({own for own, _ in _tracklets(root / "query")})
    pids = number_people(np.array([own for own, _ in tracklets]), first, None)
    return [_record(root, folder, pids[own]) for own, folder in tracklets]


def _tracklets(folder: Path) -> list[tuple[int, Path]]:
    """The data set's id and the folder of each tracklet, sorted."""
    if not folder.is_dir():
        raise FileNotFoundError(f"dukemtmc_video: the folder {folder} does not exist; {_REMEDY}")
    people = sorted(path for path in folder.iterdir() if path.is_dir())
    strange = [path.name for path in people if not path.name.isdigit()]
    if strange or not people:
        found = strange[0] if strange else "none"
        raise ValueError(f"dukemtmc_video: {folder}: expected folders named by ids, found {found}; {_REMEDY}")
    return [(int(p.name), tracklet) for p in people for tracklet in sorted(p.iterdir()) if tracklet.is_dir()]


def _record(root: Path, folder: Path, pid: int) -> dict[str, Any]:
    paths = sorted(folder.glob("*.jpg"))
    match = PATTERN.match(paths[0].name) if paths else None
    if match is None:
        found = paths[0].name if paths else "no image"
        raise ValueError(
            f"dukemtmc_video: {folder}: expected crops named as 0001_C6_F0099_X30823.jpg, found {found}; {_REMEDY}"
        )
    return tracklet_record(folder.relative_to(root).as_posix(), paths, pid, int(match.group(1)))
