"""MARS (Zheng et al., ECCV 2016): tracklets of 1,261 people by the six cameras of Market-1501."""

from pathlib import Path
from typing import Any, Final

import numpy as np

from inet_d2.data.datasets.crop_records import check_split, number_people
from inet_d2.data.datasets.tracklet_records import tracklet_record
from inet_d2.data.pids import UNLABELLED
from inet_d2.matlab.read import load_mat_variable

_JUNK, _DISTRACTOR = -1, 0
_FILES: Final = {
    "train": ("bbox_train", "train_name.txt", "tracks_train_info"),
    "test": ("bbox_test", "test_name.txt", "tracks_test_info"),
}
_REMEDY = "put a complete copy of MARS there or set DETECTRON2_DATASETS (see datasets/README.md)"


def load_mars(root: str | Path, split: str) -> list[dict[str, Any]]:
    """Read one split as tracklets.

    The gallery holds the query tracklets too, as in the authors' evaluation; who scores may leave them out. Id -1
    (junk) becomes no record, id 0 (distractors) ``UNLABELLED``. Query and gallery share one numbering.

    Args:
        root: the folder that holds ``bbox_train``, ``bbox_test`` and ``info``.
        split: ``train``, ``query`` or ``gallery``.

    Returns:
        One record per tracklet, in the order of the list of tracklets, or of queries.

    Raises:
        FileNotFoundError: a list is missing. Crops are not looked for.
        ValueError: a list has another structure, or another split is asked for.
    """
    check_split("mars", split)
    root = Path(root)
    if not root.is_dir():
        raise FileNotFoundError(f"mars: the folder {root} does not exist; {_REMEDY}")
    folder, names_file, variable = _FILES["train" if split == "train" else "test"]
    names = _read_names(root / "info" / names_file)
    tracks = _read_tracks(root / "info" / f"{variable}.mat", variable, len(names))
    first: list[int] = []
    rows = np.flatnonzero(tracks[:, 2] != _JUNK)
    if split != "train":
        queries = _read_queries(root / "info" / "query_IDX.mat", tracks)
        first = np.unique(tracks[queries, 2]).tolist()
        rows = queries if split == "query" else rows
    pids = number_people(tracks[rows, 2], first, _DISTRACTOR)
    return [
        tracklet_record(
            f"{folder}/{names[begin - 1]}",
            [root / folder / name[:4] / name for name in names[begin - 1 : end]],
            pids.get(own, UNLABELLED),
            camera,
        )
        for begin, end, own, camera in tracks[rows].tolist()
    ]


def _read_names(path: Path) -> list[str]:
    if not path.is_file():
        raise FileNotFoundError(f"{path} is missing; {_REMEDY}")
    names = path.read_text(encoding="ascii", errors="replace").split()
    if not names:
        raise ValueError(f"{path}: expected names of crops, found none; {_REMEDY}")
    return names


def _read_tracks(path: Path, variable: str, num_names: int) -> np.ndarray:
    """(T, 4) int64: first and last crop (from 1, the last included), id, camera."""
    # The published files hold track_train_info and track_test_info.
    tracks = load_mat_variable(path, (f"track_{variable.split('_')[1]}_info", variable), remedy=_REMEDY)
    if tracks.ndim != 2 or tracks.shape[1] != 4 or tracks.dtype.kind not in "iuf":
        raise ValueError(f"{path}: expected rows of first, last, id, camera, found shape {tracks.shape}; {_REMEDY}")
    tracks = tracks.astype(np.int64)
    bad = np.flatnonzero((tracks[:, 0] < 1) | (tracks[:, 1] < tracks[:, 0]) | (tracks[:, 1] > num_names))
    if len(bad):
        raise ValueError(
            f"{path}: row {bad[0] + 1}: expected first and last between 1 and {num_names}, found "
            f"{tracks[bad[0], :2].tolist()}; {_REMEDY}"
        )
    return tracks


def _read_queries(path: Path, tracks: np.ndarray) -> np.ndarray:
    """(Q,) int64 rows of the tracks, from 0."""
    rows = load_mat_variable(path, ("query_IDX",), remedy=_REMEDY).reshape(-1).astype(np.int64) - 1
    if not len(rows) or rows.min() < 0 or rows.max() >= len(tracks) or (tracks[rows, 2] <= _DISTRACTOR).any():
        raise ValueError(
            f"{path}: expected rows of tracks_test_info, 1 to {len(tracks)}, of people with an id, found others; "
            f"{_REMEDY}"
        )
    return rows
