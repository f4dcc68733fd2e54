"""CUHK-SYSU (Xiao et al., CVPR 2017) as it lies on disk: records of both splits and the search protocols.

Boxes are stored as x, y, width, height in integers; here they are XYXY with an exclusive right and bottom
edge.
"""

import logging
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

import numpy as np

from inet_d2.arrays import rows_of
from inet_d2.boxes import xywh_to_xyxy
from inet_d2.data.datasets.annotations import AnnotationTable, Labels, attach_pids, build_records
from inet_d2.data.datasets.frames import frame_sizes_or_error
from inet_d2.data.datasets.protocol import LISTED, LISTED_THEN_REST, SearchProtocol
from inet_d2.data.datasets.protocol_mat import read_protocol_lists
from inet_d2.matlab.read import boxes_of, load_mat_variable, text_of

GALLERY_SIZES: Final = (50, 100, 500, 1000, 2000, 4000)
"""The published gallery sizes; 0 stands for the full gallery."""
SUBSETS: Final[Mapping[str, tuple[str, str]]] = {
    "occlusion": ("Occlusion.mat", "Occlusion1"),
    "resolution": ("Resolution.mat", "Test_Size"),
}
"""Named subsets of queries: file under annotation/test/subset and its variable."""

_REMEDY = "put a complete copy of CUHK-SYSU there or set DETECTRON2_DATASETS (see datasets/README.md)"
_logger = logging.getLogger(__name__)


def load_cuhk_sysu(root: str | Path, split: str, *, image_sizes: bool = True) -> list[dict[str, Any]]:
    """Read one split as Detectron2 records.

    Labelled ids are the row of the identity in Train.mat, or of the query in the search protocol, so they run
    from 0 without gaps. A labelled box that equals no annotated box is counted and reported once.

    Args:
        root: the folder that holds ``Image/SSM`` and ``annotation``.
        split: ``train`` or ``test``.
        image_sizes: read every frame's header for ``height`` and ``width``; False opens no frame and leaves
            both out.

    Returns:
        One record per image, training images sorted by name, test images in the order of pool.mat. Boxes
        without positive width and height are left out.

    Raises:
        FileNotFoundError: the folder, an annotation file or a frame is missing.
        ValueError: an annotation file has another structure, or a frame is not an image.
    """
    root = _existing_root(root)
    if split not in ("train", "test"):
        raise ValueError(f"cuhk_sysu: split: expected train or test, found {split!r}")
    table = _read_images(root)
    pool = _read_pool(root)
    if split == "train":
        names = np.setdiff1d(table.image_names, pool)
        labels = _read_train_labels(root)
    else:
        names = pool
        labels = _read_test_labels(root)
    table = table.select(names, where=f"{root / 'annotation' / 'pool.mat'}")
    pids = attach_pids(table, labels, where=f"cuhk_sysu_{split}", logger=_logger)
    paths = [root / "Image" / "SSM" / name for name in names]
    sizes = frame_sizes_or_error("cuhk_sysu", paths) if image_sizes else None
    return build_records(table, pids, paths, sizes)


def load_cuhk_sysu_protocol(root: str | Path, gallery_size: int | str) -> SearchProtocol:
    """Read one search protocol; no other protocol file is touched.

    Args:
        root: the folder that holds ``annotation``.
        gallery_size: one of ``GALLERY_SIZES``, 0 for the full gallery, or a name in ``SUBSETS``.

    Returns:
        The protocol. For the full gallery the entries are those of the smallest protocol file present
        (TestG50 in a complete copy), followed by every other test image but the query's.

    Raises:
        FileNotFoundError: the folder or the asked file is missing.
        ValueError: no such gallery size, or the file has another structure.
    """
    root = _existing_root(root)
    if gallery_size == 0:
        path, variable = _smallest_protocol_file(root)
    elif gallery_size in SUBSETS:
        file_name, variable = SUBSETS[gallery_size]
        path = root / "annotation" / "test" / "subset" / file_name
    elif gallery_size in GALLERY_SIZES:
        path, variable = _protocol_folder(root) / f"TestG{gallery_size}.mat", f"TestG{gallery_size}"
    else:
        raise ValueError(
            f"cuhk_sysu: gallery size: expected one of {GALLERY_SIZES}, 0 for the full gallery, or "
            f"{sorted(SUBSETS)}, found {gallery_size!r}"
        )
    lists = read_protocol_lists(path, variable, remedy=_REMEDY)
    images = _read_pool(root)
    rows = rows_of(lists.gallery_names, images)
    if np.any(rows < 0):
        raise ValueError(
            f"{path}: Gallery imname: expected test images (annotation/pool.mat), found "
            f"{lists.gallery_names[rows < 0][0]}; {_REMEDY}"
        )
    return SearchProtocol(
        name=variable if gallery_size else f"full gallery ({variable})",
        image_names=images,
        query_names=lists.query_names,
        query_boxes=xywh_to_xyxy(lists.query_boxes),
        entry_offsets=lists.entry_offsets,
        entry_images=rows.astype(np.int32)[lists.entry_names],
        truth_entries=lists.truth_entries,
        truth_boxes=xywh_to_xyxy(lists.truth_boxes),
        gallery=LISTED if gallery_size else LISTED_THEN_REST,
    )


def _existing_root(root: str | Path) -> Path:
    root = Path(root)
    if not root.is_dir():
        raise FileNotFoundError(f"cuhk_sysu: the folder {root} does not exist; {_REMEDY}")
    return root


def _protocol_folder(root: Path) -> Path:
    return root / "annotation" / "test" / "train_test"


def _smallest_protocol_file(root: Path) -> tuple[Path, str]:
    """The smallest search protocol present; all of them share queries, labels and positives."""
    for size in GALLERY_SIZES:
        path = _protocol_folder(root) / f"TestG{size}.mat"
        if path.is_file():
            return path, f"TestG{size}"
    raise FileNotFoundError(
        f"{_protocol_folder(root) / 'TestG50.mat'} is missing, and so is every other size; {_REMEDY}"
    )


def _read_images(root: Path) -> AnnotationTable:
    """Images.mat: records of image name, number of appearances and box records."""
    path = root / "annotation" / "Images.mat"
    records = load_mat_variable(path, ("Img",), remedy=_REMEDY).reshape(-1)
    try:
        names = np.array([text_of(record[0]) for record in records], dtype=str)
        groups = [record[2].reshape(-1) for record in records]
        boxes = boxes_of([box[0] for group in groups for box in group])
    except (ValueError, IndexError, TypeError, AttributeError) as error:
        raise ValueError(
            f"{path}: Img: expected records of imname, nAppear and box (idlocate with four numbers), found another "
            f"structure ({error}); {_REMEDY}"
        ) from error
    if len(np.unique(names)) != len(names):
        raise ValueError(f"{path}: Img: expected every imname once, found repeats; {_REMEDY}")
    return AnnotationTable(names, np.repeat(np.arange(len(names)), [len(group) for group in groups]), boxes)


def _read_pool(root: Path) -> np.ndarray:
    """pool.mat: a cell of test image names."""
    path = root / "annotation" / "pool.mat"
    cells = load_mat_variable(path, ("pool",), remedy=_REMEDY).reshape(-1)
    try:
        names = np.array([text_of(cell) for cell in cells], dtype=str)
    except ValueError as error:
        raise ValueError(
            f"{path}: pool: expected a cell of image names, found another structure ({error}); {_REMEDY}"
        ) from error
    if len(np.unique(names)) != len(names):
        raise ValueError(f"{path}: pool: expected every image name once, found repeats; {_REMEDY}")
    return names


def _read_train_labels(root: Path) -> Labels:
    """Train.mat: a cell of identities, each with its name, number of appearances and scene records."""
    path = _protocol_folder(root) / "Train.mat"
    cells = load_mat_variable(path, ("Train",), remedy=_REMEDY).reshape(-1)
    try:
        scenes = [_unwrap(cell)[2].reshape(-1) for cell in cells]
        rows = [scene for group in scenes for scene in group]
        names = np.array([text_of(row[0]) for row in rows], dtype=str)
        boxes = boxes_of([row[1] for row in rows])
    except (ValueError, IndexError, TypeError, AttributeError) as error:
        raise ValueError(
            f"{path}: Train: expected a cell of identities with scene records (imname, idlocate), found another "
            f"structure ({error}); {_REMEDY}"
        ) from error
    return Labels(names, boxes, np.repeat(np.arange(len(scenes)), [len(group) for group in scenes]))


def _unwrap(cell: np.ndarray | np.void) -> np.void:
    """A cell's (1, 1) struct as one record; records of a plain struct array come as they are."""
    return cell.reshape(-1)[0] if isinstance(cell, np.ndarray) else cell


def _read_test_labels(root: Path) -> Labels:
    """Identity q: the box of query q and the boxes in its gallery list."""
    path, variable = _smallest_protocol_file(root)
    lists = read_protocol_lists(path, variable, remedy=_REMEDY)
    queries = np.arange(len(lists.query_names))
    return Labels(
        np.concatenate([lists.query_names, lists.truth_names]),
        np.concatenate([lists.query_boxes, lists.truth_boxes]),
        np.concatenate([queries, lists.truth_queries]),
    )
