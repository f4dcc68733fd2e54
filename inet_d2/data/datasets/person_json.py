"""Frames and people of one's own in COCO's JSON, with a ``person_id`` beside each box."""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from inet_d2.data.datasets.annotations import AnnotationTable, build_records
from inet_d2.data.datasets.frames import frame_sizes_or_error
from inet_d2.data.pids import UNLABELLED

IMAGE_FIELDS = {"camera_id": int, "sequence": str, "frame": int}
"""What an image may say besides COCO's fields, and its type."""
_REMEDY = "see docs/own_data.md"


def load_person_json(
    json_file: str | Path, image_root: str | Path, *, image_sizes: bool = True
) -> list[dict[str, Any]]:
    """Read a file as Detectron2 records.

    Identities are numbered 0, 1, ... in ascending order of ``person_id``, a number or a name. A box without
    ``person_id``, with null or with a number below 0 is a person of unknown identity.

    Args:
        json_file: ``images`` (``id``, ``file_name``; where known ``width``, ``height``, ``camera_id``, ``sequence`` and
            ``frame``), ``annotations`` (``image_id``, ``bbox`` as x, y, width, height; ``person_id``, ``iscrowd``) and
            ``categories``; where there are several, only that called "person" counts.
        image_root: the folder that ``file_name`` starts from.
        image_sizes: False opens no frame, and leaves ``height`` and ``width`` out where the file does.

    Returns:
        One record per image, in the file's order. ``image_id`` is its ``file_name``. Boxes without positive width and
        height are left out.

    Raises:
        FileNotFoundError: the file or a frame is missing.
        ValueError: the file has another structure, or a frame is not an image.
    """
    content = _read_json(Path(json_file))
    images, annotations = (_rows(json_file, content, field) for field in ("images", "annotations"))
    row_of_id = _number_images(json_file, images)
    names = np.array([image["file_name"] for image in images], dtype=str)
    category = _person_category(content)
    people = [a for a in annotations if category is None or a.get("category_id") == category]
    boxes = _boxes(json_file, annotations, people)
    rows = np.array([row_of_id.get(_hashable(a.get("image_id")), -1) for a in people], dtype=np.int64)
    if np.any(rows < 0):
        found = people[int(np.flatnonzero(rows < 0)[0])].get("image_id")
        raise ValueError(f"{json_file}: annotations: image_id: expected the id of an image, found {found!r}; {_REMEDY}")
    pids = number_people([a.get("person_id") for a in people], where=f"{json_file}: annotations")
    kept = np.flatnonzero((boxes[:, 2:] > 0).all(axis=1))
    kept = kept[np.argsort(rows[kept], kind="stable")]
    paths = [Path(image_root) / name for name in names.tolist()]
    records = build_records(AnnotationTable(names, rows[kept], boxes[kept]), pids[kept], paths, None)
    crowds = iter([int(bool(people[row].get("iscrowd", 0))) for row in kept])
    fields = ("height", "width", *IMAGE_FIELDS)
    for record, image in zip(records, images, strict=True):
        record.update({field: image[field] for field in fields if image.get(field) is not None})
        for annotation in record["annotations"]:
            annotation["iscrowd"] = next(crowds)
    if image_sizes:
        _add_sizes(str(json_file), records)
    return records


def number_people(ids: Sequence[Any], *, where: str) -> np.ndarray:
    """Give identities the numbers 0, 1, ... in ascending order.

    Args:
        ids: (R,) whole numbers or names; None and numbers below 0 are people of unknown identity.
        where: the ids stand, for the error.

    Returns:
        (R,) int64 in the encoding of ``inet_d2/data/pids.py``.

    Raises:
        ValueError: an id is neither a whole number nor a name, or there are both, or none at all.
    """
    kinds = {type(value) for value in ids if value is not None}
    if len(kinds) > 1 or not kinds <= {int, str}:
        found = " and ".join(sorted(kind.__name__ for kind in kinds))
        raise ValueError(f"{where}: person_id: expected whole numbers or names, found {found}; use one kind")
    known = np.array([value is not None and (isinstance(value, str) or value >= 0) for value in ids], dtype=bool)
    if not known.any():
        raise ValueError(f"{where}: person_id: expected somebody of known identity, found nobody; {_REMEDY}")
    pids = np.full(len(ids), UNLABELLED, dtype=np.int64)
    values = np.array([value for value, is_known in zip(ids, known, strict=True) if is_known])
    pids[known] = np.unique(values, return_inverse=True)[1].reshape(-1)
    return pids


def _read_json(path: Path) -> Mapping[str, Any]:
    if not path.is_file():
        raise FileNotFoundError(f"{path} is missing; name the annotation file of the data set")
    try:
        content = json.loads(path.read_text(encoding="utf-8-sig"))
    except ValueError as error:
        raise ValueError(f"{path}: expected JSON in UTF-8, found something else ({error})") from error
    if not isinstance(content, dict):
        raise ValueError(f"{path}: expected an object with images and annotations, found {_kind(content)}; {_REMEDY}")
    return content


def _rows(path: str | Path, content: Mapping[str, Any], field: str) -> list[Mapping[str, Any]]:
    rows = content.get(field)
    if not isinstance(rows, list) or not rows or not all(isinstance(row, dict) for row in rows):
        raise ValueError(f"{path}: {field}: expected a list of objects, found {_kind(rows)}; {_REMEDY}")
    return rows


def _number_images(path: str | Path, images: Sequence[Mapping[str, Any]]) -> dict[Any, int]:
    """Row of each image by its id; asks for the fields of every image."""
    rows: dict[Any, int] = {}
    names: set[str] = set()
    for row, image in enumerate(images):
        number, name = _hashable(image.get("id")), image.get("file_name")
        if number is None or not isinstance(name, str):
            raise ValueError(f"{path}: images[{row}]: expected id and file_name, found {sorted(image)}; {_REMEDY}")
        if number in rows or name in names:
            raise ValueError(
                f"{path}: images[{row}]: expected every id and file_name once, found {number!r}, {name} again"
            )
        for field, kind in IMAGE_FIELDS.items():
            value = image.get(field)
            if value is not None and type(value) is not kind:
                wanted = "a whole number" if kind is int else "a name"
                raise ValueError(f"{path}: images[{row}]: {field}: expected {wanted}, found {value!r}; {_REMEDY}")
        rows[number] = row
        names.add(name)
    return rows


def _person_category(content: Mapping[str, Any]) -> Any:
    """The id of the category "person" where there are several categories."""
    categories = content.get("categories") or []
    names = {category.get("name"): category.get("id") for category in categories if isinstance(category, dict)}
    return names.get("person") if len(names) > 1 else None


def _boxes(
    path: str | Path, annotations: Sequence[Mapping[str, Any]], people: Sequence[Mapping[str, Any]]
) -> np.ndarray:
    """(R, 4) float64 x, y, width, height."""
    boxes = [a.get("bbox") for a in people]
    for box, annotation in zip(boxes, people, strict=True):
        is_whole = isinstance(box, list) and len(box) == 4 and all(type(value) in (int, float) for value in box)
        if not is_whole or not np.isfinite(box).all():
            row = next(row for row, candidate in enumerate(annotations) if candidate is annotation)
            raise ValueError(
                f"{path}: annotations[{row}]: bbox: expected x, y, width, height, found {box!r}; {_REMEDY}"
            )
    return np.array(boxes, dtype=np.float64).reshape(-1, 4)


def _add_sizes(dataset: str, records: Sequence[dict[str, Any]]) -> None:
    unknown = [record for record in records if "height" not in record or "width" not in record]
    sizes = frame_sizes_or_error(dataset, [Path(record["file_name"]) for record in unknown])
    for record, (width, height) in zip(unknown, sizes, strict=True):
        record.update(width=width, height=height)


def _hashable(value: Any) -> Any:
    return value if isinstance(value, (int, str)) else None


def _kind(value: Any) -> str:
    return "nothing" if not value else f"a {type(value).__name__}"
