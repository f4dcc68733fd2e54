"""PRW (Zheng et al., CVPR 2017) as it lies on disk: records of both splits and the search protocol.

Boxes are stored as x, y, width, height in floats, some with negative coordinates or beyond the frame's edge.
"""

import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

import numpy as np

from inet_d2.arrays import expand_ranges
from inet_d2.boxes import xywh_to_xyxy
from inet_d2.data.datasets.annotations import AnnotationTable, build_records
from inet_d2.data.datasets.frames import frame_sizes_or_error
from inet_d2.data.datasets.protocol import EVERY, SearchProtocol
from inet_d2.data.datasets.reading import read_files
from inet_d2.data.pids import UNLABELLED
from inet_d2.matlab.read import load_mat_variable, text_of

_UNKNOWN_ID: Final = -2
_REMEDY = "put a complete copy of PRW there or set DETECTRON2_DATASETS (see datasets/README.md)"


def load_prw(root: str | Path, split: str, *, image_sizes: bool = True) -> list[dict[str, Any]]:
    """Read one split as Detectron2 records; each has ``camera_id``.

    PRW's own ids have gaps; in ascending order they become 0, 1, ... within the split (483 in train, 544 in
    test, of which 94 also occur in train). Id -2 becomes ``UNLABELLED``.

    Args:
        root: the folder that holds ``frames``, ``annotations`` and ``frame_{train,test}.mat``.
        split: ``train`` or ``test``.
        image_sizes: read every frame's header for ``height`` and ``width``; False opens no frame, leaves both
            out.

    Returns:
        One record per frame in the order of ``frame_{split}.mat``. Boxes without positive width and height
        are left out; others are not clipped (the mapper does that).

    Raises:
        FileNotFoundError: the folder, an annotation file or a frame is missing.
        ValueError: an annotation file has another structure, or a frame is not an image.
    """
    root = _existing_root(root)
    names, ids, table = _read_split(root, split)
    known = ids != _UNKNOWN_ID
    pids = np.full(len(ids), UNLABELLED, dtype=np.int64)
    pids[known] = np.unique(ids[known], return_inverse=True)[1].reshape(-1)
    paths = [root / "frames" / name for name in names]
    sizes = frame_sizes_or_error("prw", paths) if image_sizes else None
    return build_records(table, pids, paths, sizes, cameras=_cameras_of(names))


def load_prw_protocol(root: str | Path, gallery_size: int | str = 0) -> SearchProtocol:
    """Read the search protocol: every test frame but the query's own; the person's first box in each of them.

    Args:
        root: as for ``load_prw``.
        gallery_size: ignored, PRW has the full gallery only.

    Returns:
        The protocol with the query's camera; ``across_cameras()`` gives the one without.

    Raises:
        FileNotFoundError: the folder or an annotation file is missing.
        ValueError: an annotation file or ``query_info.txt`` has another structure.
    """
    root = _existing_root(root)
    names, ids, table = _read_split(root, "test")
    query_ids, query_xywh, query_names = _read_queries(root / "query_info.txt")
    order = np.lexsort((np.arange(len(ids)), table.box_images, ids))
    keys = np.column_stack([ids[order], table.box_images[order]])
    first_in_frame = np.ones(len(order), dtype=bool)
    first_in_frame[1:] = (keys[1:] != keys[:-1]).any(axis=1)
    order = order[first_in_frame]
    starts = np.searchsorted(ids[order], query_ids, side="left")
    counts = np.searchsorted(ids[order], query_ids, side="right") - starts
    places, entry_queries = expand_ranges(starts, counts)
    boxes = order[places]
    elsewhere = names[table.box_images[boxes]] != query_names[entry_queries]
    boxes, entry_queries = boxes[elsewhere], entry_queries[elsewhere]
    return SearchProtocol(
        name="PRW",
        image_names=names,
        query_names=query_names,
        query_boxes=xywh_to_xyxy(query_xywh),
        entry_offsets=np.searchsorted(entry_queries, np.arange(len(query_ids) + 1)),
        entry_images=table.box_images[boxes].astype(np.int32),
        truth_entries=np.arange(len(boxes)),
        truth_boxes=xywh_to_xyxy(table.boxes_xywh[boxes]),
        gallery=EVERY,
        image_cameras=_cameras_of(names),
        query_cameras=_cameras_of(query_names),
    )


def _existing_root(root: str | Path) -> Path:
    root = Path(root)
    if not root.is_dir():
        raise FileNotFoundError(f"prw: the folder {root} does not exist; {_REMEDY}")
    return root


def _read_split(root: Path, split: str) -> tuple[np.ndarray, np.ndarray, AnnotationTable]:
    """Frame names, PRW's own id of every kept box, and the boxes."""
    if split not in ("train", "test"):
        raise ValueError(f"prw: split: expected train or test, found {split!r}")
    path, variable = root / f"frame_{split}.mat", f"img_index_{split}"
    cells = load_mat_variable(path, (variable,), remedy=_REMEDY).reshape(-1)
    try:
        names = np.array([f"{text_of(cell)}.jpg" for cell in cells], dtype=str)
    except ValueError as error:
        raise ValueError(
            f"{path}: {variable}: expected a cell of frame names, found another structure ({error}); {_REMEDY}"
        ) from error
    rows = _read_frames([root / "annotations" / f"{name}.mat" for name in names])
    images = np.repeat(np.arange(len(names)), [len(frame) for frame in rows])
    flat = np.concatenate(rows) if rows else np.zeros((0, 5))
    kept = (flat[:, 3:] > 0).all(axis=1)
    table = AnnotationTable(names, images[kept], flat[kept, 1:])
    return names, flat[kept, 0].astype(np.int64), table


def _read_frames(paths: Sequence[Path]) -> list[np.ndarray]:
    """(N, 5) float64 rows of id, x, y, width, height per annotation file."""
    missing = [path for path in paths if not path.is_file()]
    if missing:
        raise FileNotFoundError(
            f"prw: {len(missing)} of {len(paths)} annotation files are missing, first: {missing[0]}; {_REMEDY}"
        )
    return read_files(_read_frame, paths, what="annotation files", threads=4)


def _read_frame(path: Path) -> np.ndarray:
    rows = load_mat_variable(path, ("box_new", "anno_file", "anno_previous"), remedy=_REMEDY)
    if rows.ndim != 2 or rows.shape[1] != 5 or rows.dtype.kind not in "iuf":
        raise ValueError(
            f"{path}: expected rows of id, x, y, width, height, found shape {rows.shape} of {rows.dtype}; {_REMEDY}"
        )
    if not np.isfinite(rows).all():
        raise ValueError(f"{path}: expected finite numbers (id, x, y, width, height), found NaN or infinity; {_REMEDY}")
    return rows.astype(np.float64)


def _read_queries(path: Path) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """query_info.txt: id, x, y, width, height and frame per line; LF and CRLF alike."""
    if not path.is_file():
        raise FileNotFoundError(f"{path} is missing; {_REMEDY}")
    rows = [line.split() for line in path.read_text(encoding="ascii", errors="replace").splitlines()]
    numbers = []
    for line, row in enumerate(rows, start=1):
        try:
            if row:
                numbers.append([float(value) for value in row[:5]])
            if row and len(row) != 6:
                raise ValueError(f"{len(row)} values")
        except ValueError as error:
            raise ValueError(
                f"{path}: line {line}: expected id x y width height frame, found {' '.join(row)!r} ({error}); {_REMEDY}"
            ) from error
    table = np.array(numbers, dtype=np.float64).reshape(-1, 5)
    names = np.array([f"{row[5]}.jpg" for row in rows if row], dtype=str)
    return table[:, 0].astype(np.int64), table[:, 1:], names


def _cameras_of(names: np.ndarray) -> np.ndarray:
    """(N,) int64: the number after the first c in names such as c1s2_000151.jpg."""
    found = [re.search(r"c(\d+)", name) for name in names.tolist()]
    if None in found:
        name = names[found.index(None)]
        raise ValueError(f"prw: expected frame names with a camera such as c1s1_000151, found {name}; {_REMEDY}")
    return np.array([int(match.group(1)) for match in found if match], dtype=np.int64)
