"""A search protocol made from the identities of a data set that comes without one.

Shapes: I images, R boxes of known identity, Q queries.
"""

import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np

from inet_d2.arrays import expand_ranges
from inet_d2.data.datasets.protocol import LISTED, SearchProtocol
from inet_d2.data.pids import is_labelled
from inet_d2.data.records import annotation_boxes, image_name, people_of, person_id

_CELLS_AT_ONCE: Final = 2**22
_logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class ProtocolRule:
    """How queries and galleries are drawn.

    Attributes:
        seed: >= 0; another one draws other queries and other galleries.
        queries_per_person: boxes of each person that are queries, at most.
        time_gap: frames. An image of the query's sequence that is nearer than this is not in its gallery; it looks
            too much alike. Counts only where records have ``frame``.
        cross_camera: leave images of the query's camera out. None: do so where every record has a ``camera_id`` and
            somebody is seen by two cameras.

    Raises:
        ValueError: a number is out of its range.
    """

    seed: int = 0
    queries_per_person: int = 1
    time_gap: int = 25
    cross_camera: bool | None = None

    def __post_init__(self) -> None:
        for field, least in (("seed", 0), ("queries_per_person", 1), ("time_gap", 0)):
            value = getattr(self, field)
            if isinstance(value, bool) or not isinstance(value, int) or value < least:
                raise ValueError(f"{field}: expected a whole number of at least {least}, found {value!r}")
        if self.cross_camera not in (True, False, None):
            raise ValueError(f"cross_camera: expected true, false or nothing, found {self.cross_camera!r}")


def make_protocol(
    name: str, records: Sequence[Mapping[str, Any]], gallery_size: int, rule: ProtocolRule
) -> SearchProtocol:
    """Draw queries and, for each, a gallery.

    Queries are the same for every gallery size, and a smaller gallery is part of a larger one. At most half of a
    gallery shows the searched person, who counts once in each image, by the first box there.

    Args:
        name: of the data set, for messages.
        records: the split; besides what every record has, ``camera_id`` (int), ``sequence`` (str) and ``frame`` (int)
            where they are known. Without ``sequence``, all frames of a camera are one.
        gallery_size: images of each gallery, which holds fewer where there are fewer; 0 for all.
        rule: how to draw.

    Returns:
        The protocol; the images of each gallery in the order of ``records``.

    Raises:
        ValueError: no such size, nobody can be searched, cameras are asked for and not known, or ``frame`` is in some
            records only or twice in one sequence.
    """
    if isinstance(gallery_size, bool) or not isinstance(gallery_size, int) or gallery_size < 0:
        raise ValueError(
            f"{name}: gallery size: expected a number of images, or 0 for all of them, found {gallery_size!r}; named "
            "subsets belong to CUHK-SYSU"
        )
    images = _Images.of(name, records)
    people = _People.of(records)
    cross_camera = _is_cross_camera(name, images, people, rule)
    gap = max(rule.time_gap, 1)
    rows = _draw_queries(name, images, people, rule, gap, cross_camera)
    owners, entries, boxes = _draw_galleries(images, people, rows, gallery_size, rule.seed, gap, cross_camera)
    counts = np.bincount(owners, minlength=len(rows))
    if gallery_size and np.any(counts < gallery_size):
        _logger.info(
            "%s, gallery %d: %d of %d galleries hold fewer images, as few as %d; the data set has no more that fit",
            name,
            gallery_size,
            int((counts < gallery_size).sum()),
            len(rows),
            counts.min(),
        )
    truths = np.flatnonzero(boxes >= 0)
    return SearchProtocol(
        name=f"{name}, gallery {gallery_size or 'of all images'}",
        image_names=images.names,
        query_names=images.names[people.images[rows]],
        query_boxes=people.boxes[rows],
        entry_offsets=np.concatenate([[0], np.cumsum(counts)]),
        entry_images=entries.astype(np.int32),
        truth_entries=truths,
        truth_boxes=people.boxes[boxes[truths]],
        gallery=LISTED,
        image_cameras=images.cameras,
        query_cameras=None if images.cameras is None else images.cameras[people.images[rows]],
        cross_camera=cross_camera,
    )


@dataclass(frozen=True, eq=False)
class _Images:
    """Where and when each image was taken. Images of unknown time are sequences of their own.

    ``names``, ``sequences``, ``times``: (I,); ``cameras``: (I,) or None where some are unknown.
    """

    names: np.ndarray
    sequences: np.ndarray
    times: np.ndarray
    cameras: np.ndarray | None

    @classmethod
    def of(cls, name: str, records: Sequence[Mapping[str, Any]]) -> "_Images":
        known = [record.get("camera_id") is not None for record in records]
        cameras = np.array([record["camera_id"] for record in records], dtype=np.int64) if all(known) else None
        timed = [record.get("frame") is not None for record in records]
        names = np.array([image_name(record) for record in records], dtype=str)
        if not any(timed):
            return cls(names, np.arange(len(records)), np.zeros(len(records), dtype=np.int64), cameras)
        if not all(timed):
            raise ValueError(
                f"{name}: frame: expected it in every image or in none, found none in {names[timed.index(False)]}; "
                "add it, or leave it out everywhere"
            )
        labels = [f"{record.get('sequence', '')}\n{record.get('camera_id', '')}" for record in records]
        sequences = np.unique(np.array(labels, dtype=str), return_inverse=True)[1].reshape(-1)
        times = np.array([record["frame"] for record in records], dtype=np.int64)
        moments, firsts = np.unique(np.column_stack([sequences, times]), axis=0, return_index=True)
        if len(moments) < len(records):
            row = np.setdiff1d(np.arange(len(records)), firsts)[0]
            raise ValueError(
                f"{name}: frame: expected each number once in a sequence, found {times[row]} again in {names[row]}; "
                "say by camera_id or sequence which frames belong together"
            )
        return cls(names, sequences, times, cameras)


@dataclass(frozen=True, eq=False)
class _People:
    """Boxes of known identity: ``images``, ``pids`` (R,), ``boxes`` (R, 4) XYXY; sorted by pid, then image."""

    images: np.ndarray
    pids: np.ndarray
    boxes: np.ndarray

    @classmethod
    def of(cls, records: Sequence[Mapping[str, Any]]) -> "_People":
        rows = [
            (person_id(person), image, *annotation_boxes([person])[0])
            for image, record in enumerate(records)
            for person in people_of(record)
            if is_labelled(person_id(person))
        ]
        table = np.array(rows, dtype=np.float64).reshape(-1, 6)
        table = table[np.lexsort((table[:, 1], table[:, 0]))]
        return cls(table[:, 1].astype(np.int64), table[:, 0].astype(np.int64), table[:, 2:])


def _is_cross_camera(name: str, images: _Images, people: _People, rule: ProtocolRule) -> bool:
    if images.cameras is None:
        if rule.cross_camera:
            raise ValueError(f"{name}: cross_camera: expected a camera_id in every image, found images without; add it")
        return False
    if rule.cross_camera is not None:
        return rule.cross_camera
    seen_by = np.unique(np.column_stack([people.pids, images.cameras[people.images]]), axis=0)
    return bool(np.any(seen_by[1:, 0] == seen_by[:-1, 0]))


def _draw_queries(
    name: str, images: _Images, people: _People, rule: ProtocolRule, gap: int, cross_camera: bool
) -> np.ndarray:
    """(Q,) rows of ``people``: of each person some boxes for which there is another image to be found in."""
    elsewhere = _outside_of_group(people.pids, images.sequences[people.images])
    times = images.times[people.images]
    first, last = _extremes(np.column_stack([people.pids, images.sequences[people.images]]), times)
    usable = elsewhere | (times - first >= gap) | (last - times >= gap)
    if cross_camera:
        usable = _outside_of_group(people.pids, images.cameras[people.images])
    rows = np.flatnonzero(usable)
    keys = np.random.default_rng([rule.seed, 0]).random(len(people.pids))[rows]
    order = rows[np.lexsort((keys, people.pids[rows]))]
    pids = people.pids[order]
    rank = np.arange(len(order)) - np.searchsorted(pids, pids, side="left")
    chosen = np.sort(order[rank < rule.queries_per_person])
    total, searched = len(np.unique(people.pids)), len(np.unique(people.pids[chosen]))
    where = "by another camera" if cross_camera else "in another image, or only closer in time than the gap"
    if not len(chosen):
        raise ValueError(
            f"{name}: expected people to search, found none of {total} seen again {where}; check the person_id, or "
            f"change the protocol's rule ({rule})"
        )
    _logger.info(
        "%s: %d queries of %d people; %d are not seen again %s", name, len(chosen), searched, total - searched, where
    )
    return chosen


def _outside_of_group(pids: np.ndarray, groups: np.ndarray) -> np.ndarray:
    """(R,) bool: the same person has a box of another group."""
    _, whole, whole_counts = np.unique(pids, return_inverse=True, return_counts=True)
    _, part, part_counts = np.unique(np.column_stack([pids, groups]), axis=0, return_inverse=True, return_counts=True)
    return whole_counts[whole.reshape(-1)] > part_counts[part.reshape(-1)]


def _extremes(keys: np.ndarray, values: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """(R,) smallest and largest value among the rows with the same key."""
    groups = np.unique(keys, axis=0, return_inverse=True)[1].reshape(-1)
    low = np.full(groups.max(initial=-1) + 1, np.iinfo(np.int64).max)
    high = np.full(len(low), np.iinfo(np.int64).min)
    np.minimum.at(low, groups, values)
    np.maximum.at(high, groups, values)
    return low[groups], high[groups]


def _draw_galleries(
    images: _Images, people: _People, rows: np.ndarray, size: int, seed: int, gap: int, cross_camera: bool
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Query, image and row of the person's box (-1 where the image lacks the person) of each entry."""
    total = len(images.names)
    first = np.ones(len(people.pids), dtype=bool)
    first[1:] = (people.pids[1:] != people.pids[:-1]) | (people.images[1:] != people.images[:-1])
    firsts = np.flatnonzero(first)
    rng, parts = np.random.default_rng([seed, 1]), []
    block = max(_CELLS_AT_ONCE // total, 1)
    for start in range(0, len(rows), block):
        queries = rows[start : start + block]
        own = people.images[queries]
        allowed = images.sequences[own, None] != images.sequences
        allowed |= np.abs(images.times[own, None] - images.times) >= gap
        if cross_camera:
            allowed &= images.cameras[own, None] != images.cameras
        shown = np.full((len(queries), total), -1)
        begins, ends = (np.searchsorted(people.pids[firsts], people.pids[queries], side) for side in ("left", "right"))
        places, owners = expand_ranges(begins, ends - begins)
        shown[owners, people.images[firsts[places]]] = firsts[places]
        chosen = _draw_images(allowed, shown >= 0, size, rng) if size else allowed
        owners, entries = np.nonzero(chosen)
        parts.append((owners + start, entries, shown[owners, entries]))
    return tuple(np.concatenate(part) for part in zip(*parts, strict=True))


def _draw_images(allowed: np.ndarray, is_shown: np.ndarray, size: int, rng: np.random.Generator) -> np.ndarray:
    """(b, I) bool: of each row ``size`` images, with the person in up to half of them."""
    keys = rng.random(allowed.shape)
    positives = _draw_smallest(keys, allowed & is_shown, np.full(len(keys), max(size // 2, 1)))
    return positives | _draw_smallest(keys, allowed & ~is_shown, size - positives.sum(axis=1))


def _draw_smallest(keys: np.ndarray, allowed: np.ndarray, counts: np.ndarray) -> np.ndarray:
    """(b, I) bool: the allowed cells with the smallest keys, at most ``counts`` (b,) in each row."""
    order = np.argsort(np.where(allowed, keys, np.inf), axis=1)
    taken = np.arange(keys.shape[1]) < np.minimum(counts, allowed.sum(axis=1))[:, None]
    chosen = np.zeros_like(allowed)
    np.put_along_axis(chosen, order, taken, axis=1)
    return chosen
