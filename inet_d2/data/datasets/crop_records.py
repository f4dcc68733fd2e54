"""Crops of one person each, as re-identification data sets have them, and their records.

A crop is an image whose one annotation covers it, so that all that takes people in frames takes crops too.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any, Final

import numpy as np
from detectron2.structures import BoxMode

from inet_d2.data.datasets.frames import frame_sizes_or_error
from inet_d2.data.pids import UNLABELLED

SPLITS: Final = ("train", "query", "gallery")


@dataclass(frozen=True, eq=False)
class CropTable:
    """The crops of one split.

    Attributes:
        paths: N files.
        ids: (N,) int64 or str, as the data set numbers people.
        cameras: (N,) int64, as the data set numbers cameras.
        distractor: the id of people whom nobody searches, ``UNLABELLED`` in records; None where there are none.
    """

    paths: Sequence[Path]
    ids: np.ndarray
    cameras: np.ndarray
    distractor: int | None = None


ReadSplit = Callable[[str], CropTable]
"""From a split to its crops."""


def crop_records(dataset: str, root: Path, read: ReadSplit, split: str) -> list[dict[str, Any]]:
    """Make the records of a split.

    Args:
        dataset: its name, for errors.
        root: its folder; ``image_id`` is the path from there.
        read: reads the crops of any split.
        split: one of ``SPLITS``.

    Returns:
        One record per crop with ``camera_id`` and one annotation, in the order of the table.

    Raises:
        FileNotFoundError: a file is missing.
        ValueError: another split, or a file is no image.
    """
    check_split(dataset, split)
    read = cache(read)  # the identities are those of the same crops
    table = read(split)
    pids = np.full(len(table.ids), UNLABELLED, dtype=np.int64)
    numbers = {own: pid for pid, own in enumerate(identities_of(read, split))}
    for row, own in enumerate(table.ids.tolist()):
        pids[row] = numbers.get(own, UNLABELLED)
    sizes = frame_sizes_or_error(dataset, table.paths)
    return [
        {
            "file_name": str(path),
            "image_id": path.relative_to(root).as_posix(),
            "width": width,
            "height": height,
            "camera_id": camera,
            "annotations": [
                {
                    "bbox": [0.0, 0.0, float(width), float(height)],
                    "bbox_mode": BoxMode.XYXY_ABS,
                    "category_id": 0,
                    "iscrowd": 0,
                    "person_id": pid,
                }
            ],
        }
        for path, camera, pid, (width, height) in zip(
            table.paths, table.cameras.tolist(), pids.tolist(), sizes, strict=True
        )
    ]


def identities_of(read: ReadSplit, split: str) -> list[Any]:
    """The data set's own ids by pid.

    Training people are numbered by themselves. Query and gallery share one numbering: who is searched, then those
    who are in the gallery alone.

    Args:
        read: as for :func:`crop_records`.
        split: one of ``SPLITS``.

    Returns:
        Entry i is the id of pid i.
    """
    if split == "train":
        return list(number_people(read("train").ids, [], None))
    queries, gallery = read("query"), read("gallery")
    return list(number_people(gallery.ids, np.unique(queries.ids).tolist(), gallery.distractor))


def check_split(dataset: str, split: str) -> None:
    """Refuse another split than those of ``SPLITS``."""
    if split not in SPLITS:
        raise ValueError(f"{dataset}: split: expected one of {', '.join(SPLITS)}, found {split!r}")


def number_people(own_ids: np.ndarray, first: Sequence[int], distractor: int | None) -> dict[Any, int]:
    """Number people: those of a list first, then the others by their ids, without distractors.

    Args:
        own_ids: (N,) of all crops or tracklets.
        first: ids that come first, sorted.
        distractor: id that gets no number.

    Returns:
        pid by id.
    """
    others = sorted(set(own_ids.tolist()) - set(first) - {distractor})
    return {own: pid for pid, own in enumerate([*first, *others])}
