"""What a record is: one rule for images, people, boxes and identities, asked at every entrance.

A record is Detectron2's description of one image:

- ``file_name``, and ``image_id``: text or a whole number, whose text is the image's name;
- ``width`` and ``height`` of the upright image, in pixels, where they are known;
- ``annotations``, each with ``bbox`` (4 numbers), ``bbox_mode`` (XYXY_ABS or XYWH_ABS) and ``category_id`` 0. One with
  ``iscrowd`` is no person and left out everywhere. ``person_id`` is 0 to C - 1, or -1 or absent for a person of unknown
  identity.
"""

import numbers
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Final

import numpy as np
from detectron2.structures import BoxMode

from inet_d2.data.pids import UNLABELLED

Record = dict[str, Any]

_MODES: Final = (BoxMode.XYXY_ABS, BoxMode.XYWH_ABS)
_REMEDY: Final = "correct the data set where it is registered (docs/extend.md, A data set)"


def person_records(records: Iterable[Mapping[str, Any]], where: str, *, with_sizes: bool = False) -> list[Record]:
    """Check records and bring them to one form: people only, XYXY boxes, an identity beside each.

    Args:
        records: as the module describes; they are not changed.
        where: the data set, for errors.
        with_sizes: refuse records without ``width`` and ``height``.

    Returns:
        As many records, whose ``annotations`` have XYXY_ABS boxes and ``person_id``.

    Raises:
        ValueError: a record is none; the message names the data set, the image and the field.
    """
    found = []
    for number, record in enumerate(records):
        try:
            _check_image(record, with_sizes)
            people = [_person(annotation) for annotation in people_of(record)]
        except ValueError as error:
            name = record.get("file_name", "without file_name") if isinstance(record, Mapping) else "no record"
            raise ValueError(f"{where}: record {number} ({name}): {error}; {_REMEDY}") from error
        found.append({**record, "annotations": people})
    return found


def image_name(record: Mapping[str, Any]) -> str:
    """The name of a record's image, by which protocols and predictions know it."""
    return str(record["image_id"])


def records_by_name(records: Iterable[Mapping[str, Any]]) -> dict[str, Mapping[str, Any]]:
    """Records by the name of their image.

    Args:
        records: of one split.

    Returns:
        In the same order.

    Raises:
        ValueError: two records have one name.
    """
    found: dict[str, Mapping[str, Any]] = {}
    for record in records:
        name = image_name(record)
        if name in found:
            raise ValueError(f"image_id: expected every image once, found {name} in two records; {_REMEDY}")
        found[name] = record
    return found


def people_of(record: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    """The annotations of a record that are people: all that are no crowd."""
    return [annotation for annotation in record.get("annotations", ()) if not annotation.get("iscrowd", 0)]


def person_id(annotation: Mapping[str, Any]) -> int:
    """The identity of an annotated person, ``UNLABELLED`` where there is none."""
    return annotation.get("person_id", UNLABELLED)


def annotation_pids(annotations: Sequence[Mapping[str, Any]]) -> np.ndarray:
    """(n,) int64 identities of annotations; n may be 0."""
    return np.array([person_id(annotation) for annotation in annotations], dtype=np.int64)


def annotation_boxes(annotations: Sequence[Mapping[str, Any]]) -> np.ndarray:
    """Collect the boxes of annotations.

    Args:
        annotations: with ``bbox`` (4 numbers) and ``bbox_mode``; may be empty.

    Returns:
        (n, 4) float64 XYXY, pixels of the original frame. Float also for whole-number boxes: Detectron2
        truncates the coordinates of integer boxes when it resizes them.
    """
    boxes = [BoxMode.convert([float(x) for x in a["bbox"]], a["bbox_mode"], BoxMode.XYXY_ABS) for a in annotations]
    return np.array(boxes, dtype=np.float64).reshape(-1, 4)


def _check_image(record: Mapping[str, Any], with_sizes: bool) -> None:
    if not isinstance(record, Mapping):
        raise ValueError(f"expected a dictionary, found {type(record).__name__}")
    if not isinstance(record.get("file_name"), str):
        raise ValueError(f"file_name: expected a path, found {record.get('file_name')!r}")
    image_id = record.get("image_id")
    if not isinstance(image_id, str | numbers.Integral):
        raise ValueError(f"image_id: expected text or a whole number, found {image_id!r}")
    for field in ("width", "height"):
        value = record.get(field)
        if value is None and not with_sizes:
            continue
        if not isinstance(value, numbers.Integral) or value < 1:
            raise ValueError(f"{field}: expected pixels, a whole number, found {value!r}")


def _person(annotation: Mapping[str, Any]) -> Mapping[str, Any]:
    missing = [field for field in ("bbox", "bbox_mode", "category_id") if field not in annotation]
    if missing:
        raise ValueError(f"annotation: expected bbox, bbox_mode and category_id, found no {missing[0]}")
    box, mode, pid = annotation["bbox"], annotation["bbox_mode"], person_id(annotation)
    if annotation["category_id"] != 0:
        raise ValueError(f"category_id: expected 0, a person, found {annotation['category_id']!r}")
    if mode not in _MODES:
        raise ValueError(f"bbox_mode: expected XYXY_ABS or XYWH_ABS, found {mode!r}")
    if np.shape(box) != (4,) or not np.isfinite(np.asarray(box, dtype=np.float64)).all():
        raise ValueError(f"bbox: expected four finite numbers, found {box!r}")
    if not isinstance(pid, numbers.Integral) or pid < UNLABELLED:
        raise ValueError(f"person_id: expected 0 or more, or {UNLABELLED} for unknown, found {pid!r}")
    if mode == BoxMode.XYXY_ABS and "person_id" in annotation:
        return annotation
    (xyxy,) = annotation_boxes([annotation]).tolist()
    return {**annotation, "bbox": xyxy, "bbox_mode": BoxMode.XYXY_ABS, "person_id": pid}


def check_training_names(names: Sequence[str]) -> None:
    """Refuse no training set, or one twice.

    Args:
        names: DATASETS.TRAIN.

    Raises:
        ValueError: see above.
    """
    if not names or len(set(names)) < len(names):
        raise ValueError(f"DATASETS.TRAIN: expected the names of different data sets, found {tuple(names)}")
