"""Similarities of people and strangers on labelled data, for the curve of `calibration.py`.

Shapes: n detections of an image, N of all images, D embedding size.
"""

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from inet_d2.boxes import paired_iou
from inet_d2.data.pids import is_labelled
from inet_d2.data.records import annotation_boxes, people_of, person_id
from inet_d2.search.calibration import Curve, curve_of
from inet_d2.search.embedder import Embedder
from inet_d2.search.read_ahead import read_ahead
from inet_d2.search.sources import read_picture

MIN_IOU = 0.5
MAX_PEOPLE = 400


def measure_curve(
    embedder: Embedder,
    records: Sequence[Mapping[str, Any]],
    data: str,
    *,
    min_score: float,
    progress: Callable[[int], None] = lambda done: None,
) -> Curve:
    """Search every labelled person once in all images.

    Args:
        embedder: the model of the index.
        records: of a data set, with ``file_name`` and ``annotations`` that have ``person_id``.
        data: name of the data, in words.
        min_score: as the index has it.
        progress: called with the number of images that are done.

    Returns:
        The curve.

    Raises:
        ValueError: too few people are labelled in two images or more.
    """
    images = _detections(embedder, records, min_score, progress)
    owners = np.repeat(np.arange(len(records)), [len(boxes) for boxes, _ in images])
    embeddings = np.concatenate([part for _, part in images])
    places = _places_of_people(records)
    people = [pid for pid, found in sorted(places.items()) if len({image for image, _ in found}) > 1]
    people = people[:: max(1, -(-len(people) // MAX_PEOPLE))]
    maxima, correct = [], []
    for pid in people:
        (image, box), *others = places[pid]
        picture, _ = read_picture(Path(records[image]["file_name"]))
        similarities = embeddings @ embedder.embed(picture, box[None])[0]
        best = np.full(len(records), -1.0)
        np.maximum.at(best, owners, similarities)
        is_absent = np.ones(len(records), dtype=bool)
        is_absent[[number for number, _ in places[pid]]] = False
        maxima.append(best[is_absent])
        own = [_own_similarity(images[n][0], similarities[owners == n], truth) for n, truth in others if n != image]
        own = [value for value in own if value is not None]
        correct.append(float(np.mean(own)) if own else np.nan)
    return curve_of(maxima, correct, data)


def _detections(
    embedder: Embedder,
    records: Sequence[Mapping[str, Any]],
    min_score: float,
    progress: Callable[[int], None],
) -> list[tuple[np.ndarray, np.ndarray]]:
    def prepare(record: Mapping[str, Any]) -> Any:
        return embedder.prepare(read_picture(Path(record["file_name"]))[0])

    found = []
    for prepared in read_ahead(prepare, records, num_threads=2, depth=4):
        people = embedder.detect([prepared])[0]
        keep = people.scores >= min_score
        found.append((people.boxes[keep], people.embeddings[keep]))
        progress(len(found))
    return found


def _places_of_people(records: Sequence[Mapping[str, Any]]) -> dict[int, list[tuple[int, np.ndarray]]]:
    """Where each labelled person is: number of the image, box (4,) XYXY."""
    places: dict[int, list[tuple[int, np.ndarray]]] = {}
    for number, record in enumerate(records):
        people = [person for person in people_of(record) if is_labelled(person_id(person))]
        for person, box in zip(people, annotation_boxes(people), strict=True):
            places.setdefault(person_id(person), []).append((number, box))
    return places


def _own_similarity(boxes: np.ndarray, similarities: np.ndarray, truth: np.ndarray) -> float | None:
    is_own = paired_iou(boxes, np.broadcast_to(truth, boxes.shape)) >= MIN_IOU
    return float(similarities[is_own].max()) if is_own.any() else None
