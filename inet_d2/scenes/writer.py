"""The annotation files of CUHK-SYSU: ``Images``, ``Person``, ``pool``, ``Train`` and ``TestG*`` as MATLAB structs."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from scipy.io import savemat

from inet_d2.scenes.plan import QueryPlan, ScenePlan

BOX_FIELDS = ("idlocate", "ishard")
SCENE_FIELDS = ("imname", "idlocate", "ishard")
QUERY_FIELDS = (*SCENE_FIELDS, "idname")
PERSON_FIELDS = ("idname", "nAppear", "scene")


@dataclass(frozen=True)
class DrawnFrame:
    """What one frame shows.

    Attributes:
        number: of the frame.
        people: (n,) numbers of the people, labelled or not.
        boxes: (n, 4) int64, x, y, width, height in pixels, inside the frame.
        is_hard: (n,) bool, much of the person is covered.
    """

    number: int
    people: tuple[int, ...]
    boxes: np.ndarray
    is_hard: np.ndarray


def write_annotations(root: Path, plan: ScenePlan, frames: Sequence[DrawnFrame], sizes: Sequence[int]) -> None:
    """Write every ``.mat`` file of a data set.

    Args:
        root: the ``CUHK-SYSU`` folder; ``annotation`` is made in it.
        plan: who appears where.
        frames: the drawn frames, in the order of ``plan.frames``.
        sizes: gallery sizes; a gallery larger than the test split holds what there is.
    """
    folder = root / "annotation" / "test" / "train_test"
    folder.mkdir(parents=True, exist_ok=True)
    where = {
        (person, frame.number): (frame.boxes[k], bool(frame.is_hard[k]))
        for frame in frames
        for k, person in enumerate(frame.people)
    }
    seen_in: dict[int, list[int]] = {}
    for frame in plan.frames:
        for person in frame.labelled:
            seen_in.setdefault(person, []).append(frame.number)
    records = {person: _person_record(person, numbers, where) for person, numbers in sorted(seen_in.items())}

    annotation = root / "annotation"
    _save(annotation / "Images.mat", "Img", _struct(map(_image_record, frames), ("imname", "nAppear", "box")))
    _save(annotation / "Person.mat", "Person", _struct(records.values(), PERSON_FIELDS))
    pool = [frame.name for frame in plan.frames if frame.is_test]
    _save(annotation / "pool.mat", "pool", _cell(pool))
    train = [_struct([records[person]], PERSON_FIELDS) for person in plan.train_people]
    _save(folder / "Train.mat", "Train", _cell(train))
    for size in sizes:
        tests = [(_query_record(query, where), _gallery(query, size, where)) for query in plan.queries]
        _save(folder / f"TestG{size}.mat", f"TestG{size}", _struct(tests, ("Query", "Gallery")))


def _image_record(frame: DrawnFrame) -> tuple:
    boxes = _struct(
        ((_small(box), _small(hard)) for box, hard in zip(frame.boxes, frame.is_hard, strict=True)),
        BOX_FIELDS,
    )
    return f"s{frame.number}.jpg", _small(len(frame.people)), boxes


def _scene_record(person: int, number: int, where: dict) -> tuple:
    box, hard = where[person, number]
    return f"s{number}.jpg", _small(box), _small(hard)


def _person_record(person: int, numbers: Sequence[int], where: dict) -> tuple:
    scene = _struct((_scene_record(person, number, where) for number in numbers), SCENE_FIELDS)
    return f"p{person + 1}", _small(len(numbers)), scene


def _query_record(query: QueryPlan, where: dict) -> np.ndarray:
    record = (*_scene_record(query.person, query.frame, where), f"p{query.person + 1}")
    return _struct([record], QUERY_FIELDS)


def _gallery(query: QueryPlan, size: int, where: dict) -> np.ndarray:
    """The frames with the person first, then frames without, whose box and flag are empty."""
    empty = np.zeros((1, 0))
    rows = [_scene_record(query.person, number, where) for number in query.positives]
    rows += [(f"s{number}.jpg", empty, empty) for number in query.negatives]
    return _struct(rows[:size], SCENE_FIELDS)


def _small(value: int | bool | np.ndarray) -> np.ndarray:
    """(1, n) array in the smallest unsigned type that holds it: what the real files give when they are loaded."""
    array = np.atleast_2d(np.asarray(value, dtype=np.int64))
    return array.astype(np.uint8 if array.max() < 256 else np.uint16)


def _struct(rows: Sequence[tuple] | map, fields: Sequence[str]) -> np.ndarray:
    """(1, n) struct array."""
    rows = list(rows)
    array = np.empty((1, len(rows)), dtype=[(field, object) for field in fields])
    for k, row in enumerate(rows):
        array[0, k] = row
    return array


def _cell(items: Sequence) -> np.ndarray:
    """(n, 1) cell array."""
    array = np.empty((len(items), 1), dtype=object)
    for k, item in enumerate(items):
        array[k, 0] = item
    return array


def _save(path: Path, name: str, value: np.ndarray) -> None:
    savemat(path, {name: value}, do_compression=True)
