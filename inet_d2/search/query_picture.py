"""The picture of a query: who is in it, and is a hit only a copy of it?

Shapes: n people.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from inet_d2.boxes import paired_iou
from inet_d2.search.embedder import Embedder
from inet_d2.search.similarity import unit_rows
from inet_d2.search.sources import content_hash, read_picture, thumbnail, thumbnail_difference
from inet_d2.search.store import Rows, Source, Store

COPY_DIFFERENCE = 4.0  # grey levels of 255; saving and scaling a picture again stays below
COPY_IOU = 0.6
COPY_SIMILARITY = 0.9


@dataclass(frozen=True, eq=False)
class QueryPicture:
    """One example of the person.

    Attributes:
        name: file name.
        picture: (H, W, 3) uint8 RGB, the whole picture.
        box: (4,) float XYXY, pixels.
        embedding: (D,) float32, unit length.
        content: hash of the file; "" if it was no file.
    """

    name: str
    picture: np.ndarray
    box: np.ndarray
    embedding: np.ndarray
    content: str = ""


class SeveralPeopleError(ValueError):
    """A picture shows several people, and nobody said which.

    Attributes:
        boxes: (n, 4) float32 XYXY, in the order of their numbers, 1 to n.
    """

    def __init__(self, message: str, boxes: np.ndarray) -> None:
        super().__init__(message)
        self.boxes = boxes


def read_query(
    embedder: Embedder,
    path: Path,
    *,
    box: Sequence[float] | None = None,
    person: int | None = None,
    min_score: float = 0.5,
) -> QueryPicture:
    """Read one picture of the person, and find the person if no box is given.

    Args:
        embedder: the model of the index.
        path: an image.
        box: 4 numbers XYXY in pixels; what lies outside the picture is cut off.
        person: number of the person, 1 for the leftmost, where several are detected.
        min_score: lowest detection score.

    Returns:
        The example.

    Raises:
        FileNotFoundError: no such file.
        ValueError: it cannot be decoded, the box has no area in it, or nobody was found.
        SeveralPeopleError: several people were found and ``person`` is not given.
    """
    picture, _ = read_picture(path)
    chosen = choose_box(embedder, picture, path.name, box=box, person=person, min_score=min_score)
    return QueryPicture(path.name, picture, chosen, embedder.embed(picture, chosen[None])[0], content_hash(path))


def choose_box(
    embedder: Embedder,
    picture: np.ndarray,
    name: str,
    *,
    box: Sequence[float] | None,
    person: int | None,
    min_score: float,
) -> np.ndarray:
    """The box of the person who is searched, (4,) float XYXY; see :func:`read_query`."""
    height, width = picture.shape[:2]
    if box is not None:
        given = np.array(box, dtype=np.float64)
        inside = given.clip(0, [width, height, width, height])
        if not (inside[2:] - inside[:2] >= 1).all():
            raise ValueError(
                f"--box {' '.join(f'{x:g}' for x in box)}: expected x1 < x2 and y1 < y2 inside {name} "
                f"({width} x {height} pixels)"
            )
        return inside
    boxes = detect_people(embedder, picture, min_score)
    if not len(boxes):
        raise ValueError(f"{name}: nobody was found in this picture; give --box X1 Y1 X2 Y2 to say where they are")
    if person is None and len(boxes) > 1:
        raise SeveralPeopleError(f"{name} shows {len(boxes)} people; say which with --person N, or give --box", boxes)
    if person is not None and not 1 <= person <= len(boxes):
        raise ValueError(f"--person: expected 1 to {len(boxes)} for {name}, found {person}")
    return boxes[(person or 1) - 1].astype(np.float64)


def detect_people(embedder: Embedder, picture: np.ndarray, min_score: float) -> np.ndarray:
    """(n, 4) boxes of the people in a picture, from left to right."""
    people = embedder.detect([embedder.prepare(picture)])[0]
    boxes = people.boxes[people.scores >= min_score]
    return boxes[np.argsort(boxes[:, 0], kind="stable")]


def is_copy(store: Store, hit: Rows, source: Source, pictures: Sequence[QueryPicture]) -> bool:
    """A hit (one row) shows the query's own person in the query's own picture, or in a near-identical copy of it.

    A camera's pictures of one place look alike; so the boxes must lie at the same place and
    show the same person too.
    """
    for query in pictures:
        height, width = query.picture.shape[:2]
        own = query.box / [width, height, width, height]
        other = hit.boxes[0] / [source.width, source.height, source.width, source.height]
        similarity = unit_rows(hit.embeddings[:1])[0] @ query.embedding
        if paired_iou(own[None], other[None])[0] < COPY_IOU or similarity < COPY_SIMILARITY:
            continue
        if query.content and query.content == source.content:
            return True
        if thumbnail_difference(thumbnail(query.picture), store.thumbnails(hit.ids)[0]) < COPY_DIFFERENCE:
            return True
    return False
