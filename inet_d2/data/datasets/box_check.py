"""Do the boxes of a split lie in its images? A training on boxes that do not would run, and learn nothing."""

import logging
from collections.abc import Mapping, Sequence
from functools import cache
from typing import Any, Final

import numpy as np

from inet_d2.data.records import people_of

LEAST_SIDE: Final = 1.0
"""Pixels inside of the image; what is narrower or lower shows nobody."""
_logger = logging.getLogger(__name__)


def check_boxes(records: Sequence[Mapping[str, Any]], where: str) -> None:
    """Refuse a split most of whose boxes show nothing of its images; warn of some.

    Args:
        records: in the form of ``person_records``. Where ``width`` and ``height`` are missing, a box is measured as it
            is.
        where: the data set, for messages.

    Raises:
        ValueError: more than half of the boxes have less than a pixel inside of their image.
    """
    people = [(row, person["bbox"]) for row, record in enumerate(records) for person in people_of(record)]
    if not people:
        return
    rows = np.array([row for row, _ in people])
    boxes = np.array([box for _, box in people], dtype=np.float64)
    sizes = np.array([(r.get("width") or np.inf, r.get("height") or np.inf) for r in records])[rows]
    sides = np.minimum(boxes[:, 2:], sizes) - np.maximum(boxes[:, :2], 0)
    outside = np.flatnonzero((sides < LEAST_SIDE).any(axis=1))
    if not outside.size:
        return
    record, box = records[rows[outside[0]]], boxes[outside[0]].tolist()
    size = f" ({record['width']} x {record['height']} pixels)" if np.isfinite(sizes[outside[0]]).all() else ""
    found = (
        f"{where}: {outside.size} of {len(boxes)} boxes have no area inside of their images, first {box} (XYXY) in "
        f"{record['file_name']}{size}"
    )
    if 2 * outside.size > len(boxes):
        raise ValueError(
            f"{found}; expected pixels of the upright image and the right bbox_mode (XYXY_ABS or XYWH_ABS): correct "
            "the data set"
        )
    _tell(found)


@cache
def _tell(found: str) -> None:
    """Once in a process: a split is loaded several times."""
    _logger.warning("%s; these people are neither trained on nor found", found)
