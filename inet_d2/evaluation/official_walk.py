"""The official evaluation as it is defined: query by query, image by image, detection by detection.

Slow, and free of everything that makes ``search_ranking`` fast. Tests hold the fast code to it, and the benchmark
measures against it.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np

from inet_d2.data.datasets.protocol import EVERY, LISTED, LISTED_THEN_REST, SearchProtocol

Box = Sequence[float]
Entry = tuple[str, Box | None]
"""An image of a gallery, and the box of the searched person in it, None where the person is not."""


@dataclass
class WalkedGallery:
    """What the official code appends to its lists, item after item.

    Attributes:
        similarities: of each detection that was met.
        labels: whether it is the searched person.
        names: its image.
        boxes: its place.
        num_ground_truths: appearances of the person in the gallery.
    """

    similarities: list[float] = field(default_factory=list)
    labels: list[bool] = field(default_factory=list)
    names: list[str] = field(default_factory=list)
    boxes: list[Box] = field(default_factory=list)
    num_ground_truths: int = 0

    def best_rank(self) -> int:
        """0-based rank of the best hit, of equal items the first; -1 without a hit."""
        ranked = np.asarray(self.labels, dtype=bool)[np.argsort(-np.asarray(self.similarities), kind="stable")]
        hits = np.flatnonzero(ranked)
        return int(hits[0]) if len(hits) else -1


def entries_of(protocol: SearchProtocol, query: int) -> list[Entry]:
    """The gallery that a protocol lists for a query, in its order.

    Args:
        protocol: any.
        query: its number.

    Returns:
        Image and box of each entry.
    """
    first, last = protocol.entry_offsets[query : query + 2]
    names = protocol.image_names[protocol.entry_images[first:last]].tolist()
    boxes: list[Box | None] = [None] * len(names)
    for truth in range(*np.searchsorted(protocol.truth_entries, [first, last])):
        boxes[int(protocol.truth_entries[truth] - first)] = protocol.truth_boxes[truth].tolist()
    return list(zip(names, boxes, strict=True))


def walk_gallery(
    own: str,
    entries: Sequence[Entry],
    images: Mapping[str, Sequence[Box]],
    similarities: Callable[[str], Sequence[float]],
    *,
    gallery: str = LISTED,
    rules: str = "reference",
    is_excluded: Callable[[str], bool] = lambda name: False,
) -> WalkedGallery:
    """Walk the gallery of one query.

    Args:
        own: the image of the query, which is not searched.
        entries: the protocol's list for this query; with ``EVERY`` it names the images with the person only.
        images: boxes of the detections by image, in the data set's order.
        similarities: of an image's detections to the query.
        gallery: ``LISTED``, ``LISTED_THEN_REST`` or ``EVERY``.
        rules: ``reference`` or ``seqnet``.
        is_excluded: other images that are not searched; what ``LISTED`` lists is searched all the same.

    Returns:
        Everything met on the way.

    Source: official CUHK-SYSU evaluation (Xiao et al., CVPR 2017).
    """
    found = WalkedGallery()
    if gallery == EVERY:
        truths = dict(entries)
        entries = [(name, truths.get(name)) for name in images if name != own and not is_excluded(name)]
    visited: set[str] = set()
    for name, truth in entries:
        found.num_ground_truths += truth is not None
        if rules != "seqnet" or name not in visited:
            _append(found, name, images.get(name, ()), similarities, truth)
        visited.add(name)
    if gallery == LISTED_THEN_REST:
        for name, boxes in images.items():
            if name not in visited and name != own and not is_excluded(name):
                _append(found, name, boxes, similarities, None)
    return found


def _append(
    found: WalkedGallery,
    name: str,
    boxes: Sequence[Box],
    similarities: Callable[[str], Sequence[float]],
    truth: Box | None,
) -> None:
    """Add an image's detections; the most similar one that overlaps the person enough is the person."""
    if not len(boxes):
        return
    values = similarities(name)
    labels = [False] * len(values)
    if truth is not None:
        width, height = truth[2] - truth[0], truth[3] - truth[1]
        needed = min(0.5, width * height / ((width + 10) * (height + 10)))
        for place in np.argsort(-np.asarray(values), kind="stable"):
            if iou(truth, boxes[place]) >= needed:
                labels[place] = True
                break
    found.similarities.extend(values)
    found.labels.extend(labels)
    found.names.extend([name] * len(values))
    found.boxes.extend(boxes)


def iou(box: Box, other: Box) -> float:
    """Overlap of two boxes (XYXY, exclusive right and bottom edges); 0 where both are empty."""
    width = max(0.0, min(box[2], other[2]) - max(box[0], other[0]))
    height = max(0.0, min(box[3], other[3]) - max(box[1], other[1]))
    both = width * height
    union = (box[2] - box[0]) * (box[3] - box[1]) + (other[2] - other[0]) * (other[3] - other[1]) - both
    return both / union if union > 0 else 0.0
