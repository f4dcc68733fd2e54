"""The annotation files of PRW: boxes of each frame, the frames and identities of both splits, the queries."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from inet_d2.matlab.write import encode_text, save_cells, save_matrix
from inet_d2.scenes.plan import ScenePlan
from inet_d2.scenes.writer import DrawnFrame

_UNKNOWN_ID = -2


def prw_frame_name(frame: DrawnFrame) -> str:
    """File name of a frame: camera, sequence (always 1) and number, such as c2s1_000151.jpg."""
    return f"c{frame.camera + 1}s1_{frame.number:06d}.jpg"


def write_prw_annotations(root: Path, plan: ScenePlan, frames: Sequence[DrawnFrame]) -> None:
    """Write every file of a data set but the frames.

    Each camera that sees a test identity gives one query, its first frame there; whom one camera alone sees is not
    searched, as in the real data.

    Args:
        root: the ``PRW`` folder; ``annotations`` is made in it.
        plan: who appears where.
        frames: the drawn frames, in the order of ``plan.frames``.
    """
    (root / "annotations").mkdir(parents=True, exist_ok=True)
    people: dict[bool, set[int]] = {False: set(), True: set()}
    names: dict[bool, list[str]] = {False: [], True: []}
    sightings: dict[int, dict[int, str]] = {}
    for planned, frame in zip(plan.frames, frames, strict=True):
        name, known = prw_frame_name(frame), set(planned.labelled)
        ids = np.array([person + 1 if person in known else _UNKNOWN_ID for person in frame.people])
        save_matrix(root / "annotations" / f"{name}.mat", "box_new", np.column_stack([ids, frame.boxes]))
        names[planned.is_test].append(name.removesuffix(".jpg"))
        people[planned.is_test] |= known
        for person, box in zip(frame.people, frame.boxes.tolist(), strict=True):
            if planned.is_test and person in known:
                line = f"{person + 1} {' '.join(f'{value:.4f}' for value in box)} {name.removesuffix('.jpg')}\r\n"
                sightings.setdefault(person, {}).setdefault(frame.camera, line)
    for split, is_test in (("train", False), ("test", True)):
        cells = [encode_text(name) for name in sorted(names[is_test])]
        save_cells(root / f"frame_{split}.mat", f"img_index_{split}", cells)
        save_matrix(root / f"ID_{split}.mat", f"ID_{split}", np.array([sorted(people[is_test])]) + 1)
    lines = [line for _, found in sorted(sightings.items()) if len(found) > 1 for _, line in sorted(found.items())]
    (root / "query_info.txt").write_bytes("".join(lines).encode("ascii"))
