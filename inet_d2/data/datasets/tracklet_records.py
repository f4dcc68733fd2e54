"""Tracklets: pictures of one person by one camera, in order of time, and what a record of them is.

A record has ``file_names`` (crops, at least one), ``image_id`` (its name), ``person_id`` (0 to C - 1, or
``UNLABELLED``) and ``camera_id``.
"""

import numbers
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

from detectron2.data import DatasetCatalog, MetadataCatalog

from inet_d2.data.pids import UNLABELLED, is_labelled
from inet_d2.data.records import check_training_names

Record = dict[str, Any]

TRACKLETS: Final = "tracklets"
"""Value of the metadata ``items`` of data sets whose records are tracklets."""
_REMEDY: Final = "correct the data set where it is registered (docs/reid.md)"


def is_tracklets(name: str) -> bool:
    """Whether a registered data set has tracklets, not images."""
    return MetadataCatalog.get(name).get("items", None) == TRACKLETS


def load_tracklets(name: str) -> list[Record]:
    """Load the tracklets of a registered split; the only way in which loaders do.

    Args:
        name: in ``DatasetCatalog``.

    Returns:
        Its records.

    Raises:
        ValueError: the data set has no tracklets, or a record is none.
    """
    if not is_tracklets(name):
        known = [other for other in DatasetCatalog.list() if is_tracklets(other)]
        raise ValueError(f"{name}: expected a data set of tracklets, one of {', '.join(sorted(known))}")
    records = DatasetCatalog.get(name)
    for number, record in enumerate(records):
        problem = _problem(record)
        if problem:
            raise ValueError(f"{name}: record {number} ({record.get('image_id')}): {problem}; {_REMEDY}")
    return records


def load_training_tracklets(names: Sequence[str], num_pids: int) -> list[Record]:
    """Tracklets of all training sets, identities of one set numbered behind those of the sets before.

    Args:
        names: registered, DATASETS.TRAIN.
        num_pids: MODEL.ROI_REID_HEAD.NUM_PIDS, of all sets together.

    Returns:
        Those of known identity, set after set.

    Raises:
        ValueError: no set or one twice, ``num_pids`` is not what the sets have, or identities have gaps.
    """
    check_training_names(names)
    found: list[Record] = []
    first = 0
    for name in names:
        records = [record for record in load_tracklets(name) if is_labelled(record["person_id"])]
        pids = {record["person_id"] for record in records}
        if pids != set(range(len(pids))):
            raise ValueError(f"{name}: expected identities numbered 0 to {len(pids) - 1}, found {max(pids)}; {_REMEDY}")
        found += [{**record, "person_id": record["person_id"] + first} for record in records]
        first += len(pids)
    if num_pids != first:
        raise ValueError(
            f"MODEL.ROI_REID_HEAD.NUM_PIDS is {num_pids}, but {' + '.join(names)} has {first} identities with "
            f"tracklets; set it to {first}"
        )
    return found


def tracklet_record(name: str, paths: Sequence[Path], pid: int, camera: int) -> Record:
    """Make a record.

    Args:
        name: of the tracklet.
        paths: its crops.
        pid: identity.
        camera: as the data set numbers it.

    Returns:
        As the module describes.
    """
    return {"image_id": name, "file_names": list(map(str, paths)), "person_id": pid, "camera_id": camera}


def _problem(record: Record) -> str:
    paths = record.get("file_names")
    if not isinstance(paths, Sequence) or not paths or not all(isinstance(path, str) for path in paths):
        return "file_names: expected at least one path"
    if not isinstance(record.get("image_id"), str | numbers.Integral):
        return f"image_id: expected text or a whole number, found {record.get('image_id')!r}"
    for field, least in (("person_id", UNLABELLED), ("camera_id", 0)):
        if not isinstance(record.get(field), numbers.Integral) or record[field] < least:
            return f"{field}: expected a whole number of at least {least}, found {record.get(field)!r}"
    return ""
