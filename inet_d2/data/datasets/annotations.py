"""Annotated boxes of one split as arrays, and their conversion to Detectron2 records."""

import logging
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from detectron2.structures import BoxMode

from inet_d2.arrays import rows_of
from inet_d2.boxes import xywh_to_xyxy
from inet_d2.data.pids import UNLABELLED


@dataclass(frozen=True, eq=False)
class AnnotationTable:
    """All boxes of some images.

    Attributes:
        image_names: (I,) str, no name twice.
        box_images: (R,) int64 rows of ``image_names``, ascending.
        boxes_xywh: (R, 4) float64 x, y, width, height as stored, absolute pixels.
    """

    image_names: np.ndarray
    box_images: np.ndarray
    boxes_xywh: np.ndarray

    def select(self, names: np.ndarray, *, where: str) -> "AnnotationTable":
        """Keep some images, in a given order, and of their boxes those with positive width and height.

        Args:
            names: (J,) str, no name twice.
            where: the list that the names come from, for the error.

        Returns:
            The smaller table.

        Raises:
            ValueError: a name has no annotation.
        """
        rows = rows_of(names, self.image_names)
        if np.any(rows < 0):
            missing = np.asarray(names)[rows < 0]
            raise ValueError(
                f"{where}: expected images that the annotations list, found {len(missing)} unknown, first "
                f"{missing[0]}; use annotation files of the same release"
            )
        new_row = np.full(len(self.image_names), -1)
        new_row[rows] = np.arange(len(rows))
        images = new_row[self.box_images]
        kept = np.flatnonzero((images >= 0) & (self.boxes_xywh[:, 2:] > 0).all(axis=1))
        kept = kept[np.argsort(images[kept], kind="stable")]
        return AnnotationTable(np.asarray(names), images[kept], self.boxes_xywh[kept])


@dataclass(frozen=True, eq=False)
class Labels:
    """Boxes of known identity, as a list apart from the annotated boxes.

    Attributes:
        image_names: (L,) str.
        boxes_xywh: (L, 4) float64, as stored.
        pids: (L,) int64, 0-based.
    """

    image_names: np.ndarray
    boxes_xywh: np.ndarray
    pids: np.ndarray


def attach_pids(table: AnnotationTable, labels: Labels, *, where: str, logger: logging.Logger) -> np.ndarray:
    """Give each labelled box's identity to the first annotated box of that image with the same four numbers.

    Args:
        table: annotated boxes.
        labels: labelled boxes; repeats are allowed. Those that match nothing are counted and reported in one
            warning.
        where: name of the split, for the warning.
        logger: receives the warning.

    Returns:
        (R,) int64 ids of ``table``'s boxes, ``UNLABELLED`` where no label names the box.
    """
    label_images = rows_of(labels.image_names, table.image_names)
    label_keys = np.column_stack([label_images, labels.boxes_xywh, labels.pids])
    label_keys, firsts = np.unique(label_keys, axis=0, return_index=True)
    box_keys = np.column_stack([table.box_images, table.boxes_xywh])
    _, groups = np.unique(np.concatenate([box_keys, label_keys[:, :5]]), axis=0, return_inverse=True)
    groups = groups.reshape(-1)
    box_of_group = np.full(groups.max(initial=-1) + 1, -1)
    box_of_group[groups[: len(box_keys)][::-1]] = np.arange(len(box_keys))[::-1]
    matched = box_of_group[groups[len(box_keys) :]]
    pids = np.full(len(box_keys), UNLABELLED, dtype=np.int64)
    pids[matched[matched >= 0]] = label_keys[matched >= 0, 5].astype(np.int64)
    if np.any(matched < 0):
        first = firsts[np.flatnonzero(matched < 0)].min()
        logger.warning(
            "%s: %d of %d labelled boxes equal no annotated box and are left out, first: %s in %s (x, y, width, "
            "height); use annotation files of the same release",
            where,
            int((matched < 0).sum()),
            len(matched),
            labels.boxes_xywh[first].tolist(),
            labels.image_names[first],
        )
    return pids


def build_records(
    table: AnnotationTable,
    pids: np.ndarray,
    paths: Sequence[Path],
    sizes: Sequence[tuple[int, int]] | None,
    cameras: np.ndarray | None = None,
) -> list[dict[str, Any]]:
    """Make Detectron2 records, one per image.

    Args:
        table: I images and their R boxes.
        pids: (R,) int64 identities.
        paths: I image files.
        sizes: I pairs of width and height, or None to leave both out.
        cameras: (I,) int64 camera numbers, or None.

    Returns:
        I records in the order of ``table.image_names``.
    """
    annotations = [
        {"bbox": box, "bbox_mode": BoxMode.XYXY_ABS, "category_id": 0, "iscrowd": 0, "person_id": pid}
        for box, pid in zip(xywh_to_xyxy(table.boxes_xywh).tolist(), pids.tolist(), strict=True)
    ]
    bounds = np.searchsorted(table.box_images, np.arange(len(table.image_names) + 1)).tolist()
    records = []
    for row, (name, path) in enumerate(zip(table.image_names.tolist(), paths, strict=True)):
        record: dict[str, Any] = {"file_name": str(path), "image_id": name}
        if sizes is not None:
            record["width"], record["height"] = sizes[row]
        if cameras is not None:
            record["camera_id"] = int(cameras[row])
        record["annotations"] = annotations[bounds[row] : bounds[row + 1]]
        records.append(record)
    return records
