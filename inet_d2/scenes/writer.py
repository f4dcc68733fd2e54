"""The annotation files of CUHK-SYSU: ``Images``, ``Person``, ``pool``, ``Train`` and ``TestG*`` as MATLAB structs."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np

from inet_d2.matlab.write import encode_row, encode_structs, encode_text, save_cells, save_structs
from inet_d2.scenes.plan import QueryPlan, ScenePlan

IMAGE_FIELDS = ("imname", "nAppear", "box")
BOX_FIELDS = ("idlocate", "ishard")
SCENE_FIELDS = ("imname", "idlocate", "ishard")
QUERY_FIELDS = (*SCENE_FIELDS, "idname")
TEST_FIELDS = ("Query", "Gallery")
PERSON_FIELDS = ("idname", "nAppear", "scene")


@dataclass(frozen=True)
class DrawnFrame:
    """What one frame shows.

    Attributes:
        number: of the frame.
        people: (n,) numbers of the people, labelled or not.
        boxes: (n, 4) int64, x, y, width, height in pixels, inside the frame.
        is_hard: (n,) bool, much of the person is covered.
        camera: from 0; presets without cameras have one.
    """

    number: int
    people: tuple[int, ...]
    boxes: np.ndarray
    is_hard: np.ndarray
    camera: int = 0


def write_annotations(root: Path, plan: ScenePlan, frames: Sequence[DrawnFrame], sizes: Sequence[int]) -> None:
    """Write every ``.mat`` file of a data set.

    Args:
        root: the ``CUHK-SYSU`` folder; ``annotation`` is made in it.
        plan: who appears where.
        frames: the drawn frames, in the order of ``plan.frames``.
        sizes: gallery sizes; a gallery larger than the test split holds what there is.
    """
    annotation = root / "annotation"
    folder = annotation / "test" / "train_test"
    folder.mkdir(parents=True, exist_ok=True)
    scenes = {
        (person, frame.number): encode_text(f"s{frame.number}.jpg") + encode_row(box) + encode_row([hard])
        for frame in frames
        for person, box, hard in zip(frame.people, frame.boxes, frame.is_hard, strict=True)
    }
    seen_in: dict[int, list[int]] = {}
    for frame in plan.frames:
        for person in frame.labelled:
            seen_in.setdefault(person, []).append(frame.number)
    people = {person: _person_record(person, numbers, scenes) for person, numbers in sorted(seen_in.items())}
    records = list(people.values())
    train = [encode_structs([people[person]], PERSON_FIELDS) for person in plan.train_people]
    save_structs(annotation / "Images.mat", "Img", len(frames), lambda: map(_image_record, frames), IMAGE_FIELDS)
    save_structs(annotation / "Person.mat", "Person", len(records), lambda: records, PERSON_FIELDS)
    save_cells(annotation / "pool.mat", "pool", [encode_text(frame.name) for frame in plan.frames if frame.is_test])
    save_cells(folder / "Train.mat", "Train", train)
    empty = {frame.number: encode_text(frame.name) + 2 * encode_row([]) for frame in plan.frames if frame.is_test}
    for size in sizes:
        record = partial(_test_record, size=size, scenes=scenes, empty=empty)
        tests = partial(map, record, plan.queries)
        save_structs(folder / f"TestG{size}.mat", f"TestG{size}", len(plan.queries), tests, TEST_FIELDS)


def _image_record(frame: DrawnFrame) -> bytes:
    boxes = [encode_row(box) + encode_row([hard]) for box, hard in zip(frame.boxes, frame.is_hard, strict=True)]
    name, count = encode_text(f"s{frame.number}.jpg"), encode_row([len(frame.people)])
    return name + count + encode_structs(boxes, BOX_FIELDS)


def _person_record(person: int, numbers: Sequence[int], scenes: dict[tuple[int, int], bytes]) -> bytes:
    where = [scenes[person, number] for number in numbers]
    return encode_text(f"p{person + 1}") + encode_row([len(numbers)]) + encode_structs(where, SCENE_FIELDS)


def _test_record(query: QueryPlan, size: int, scenes: dict[tuple[int, int], bytes], empty: dict[int, bytes]) -> bytes:
    """A query and its gallery: first the frames with the person, then frames without, whose box is empty."""
    own = scenes[query.person, query.frame] + encode_text(f"p{query.person + 1}")
    gallery = [scenes[query.person, number] for number in query.positives]
    gallery += [empty[number] for number in query.negatives[: max(size - len(gallery), 0)]]
    return encode_structs([own], QUERY_FIELDS) + encode_structs(gallery[:size], SCENE_FIELDS)
