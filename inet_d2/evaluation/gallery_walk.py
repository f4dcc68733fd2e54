"""The official walk over a query's gallery, for a block of queries at once.

The official code visits the images of a gallery one by one and appends their detections to a list. Here that
list is one row of a matrix: columns stand in the order of the walk, and columns that do not belong to the
query's gallery hold -inf. Shapes: B queries of a block, N gallery detections, L columns.
"""

from dataclasses import dataclass
from typing import Final

import numpy as np

from inet_d2.data.datasets.protocol import EVERY, LISTED, SearchProtocol
from inet_d2.evaluation.detection_metric import BoxesByImage
from inet_d2.evaluation.search_metric import hit_threshold
from inet_d2.evaluation.segments import expand_ranges, first_maxima, paired_iou

RULES: Final = ("reference", "seqnet")
"""``reference``: an image that a gallery lists twice is searched twice; ``seqnet``: once, but its ground truths all
count."""


@dataclass(frozen=True, eq=False)
class Walk:
    """The galleries of a block of queries.

    Attributes:
        similarities: (B, L) float64, -inf outside the query's gallery.
        listed: (B, K) int64, the detection in each of the first K columns, -1 for none; later columns, if
            any, are all N detections in order.
        candidates: entries' detections that overlap the searched person enough, entry after entry.
    """

    similarities: np.ndarray
    listed: np.ndarray
    candidates: "Candidates"

    def hits(self) -> tuple[np.ndarray, np.ndarray]:
        """Take for each entry the most similar candidate, of equal ones the first.

        Returns:
            (H,) int64 rows and (H,) int64 columns of the hits, entry after entry.
        """
        found = self.candidates
        values = self.similarities[found.rows, found.columns]
        best = first_maxima(values, found.entries)
        best = best[values[best] > -np.inf]
        return found.rows[best], found.columns[best]


@dataclass(frozen=True, eq=False)
class Candidates:
    """Detections that may be the searched person.

    Attributes:
        rows: (T,) int64 row of the block.
        columns: (T,) int64 column of the walk.
        entries: (T,) int64 protocol entry, ascending.
    """

    rows: np.ndarray
    columns: np.ndarray
    entries: np.ndarray


class GalleryWalker:
    """Lays out the galleries of one protocol over one set of detections."""

    def __init__(self, protocol: SearchProtocol, detections: BoxesByImage, *, rules: str = "reference") -> None:
        """Prepare the walk.

        Args:
            protocol: whose entries and images are walked.
            detections: of ``protocol.image_names``, in that order, cut at the score threshold.
            rules: one of ``RULES``.

        Raises:
            ValueError: unknown rules.
        """
        if rules not in RULES:
            raise ValueError(f"rules: expected one of {RULES}, found {rules!r}")
        self._protocol = protocol
        self._counts, self._starts, self._boxes = detections.counts, detections.starts, detections.boxes
        self._entry_queries = protocol.entry_queries
        self._query_images = protocol.query_images
        self._walked = np.ones(len(protocol.entry_images), dtype=bool)
        if rules == "seqnet":
            keys = self._entry_queries * max(len(protocol.image_names), 1) + protocol.entry_images
            self._walked[:] = False
            self._walked[np.unique(keys, return_index=True)[1]] = True
        self._needed = np.where(protocol.entry_has_person, hit_threshold(protocol.entry_boxes), np.inf)

    def walk(self, similarities: np.ndarray, first: int) -> Walk:
        """Lay out the galleries of queries ``first`` to ``first + B - 1``.

        Args:
            similarities: (B, N) float64 of these queries and every detection; not changed.
            first: the first query of the block.

        Returns:
            Their galleries.
        """
        num_rows = len(similarities)
        offsets = self._protocol.entry_offsets
        entries = np.arange(offsets[first], offsets[first + num_rows])
        if self._protocol.gallery == EVERY:
            columns = self._starts[self._protocol.entry_images[entries]]
            listed = np.full((num_rows, 0), -1)
            laid_out = self._without_excluded(similarities, first, entries[:0])
        else:
            entries = entries[self._walked[entries]]
            columns, listed = self._list_entries(entries, first, num_rows)
            laid_out = np.where(listed >= 0, np.take_along_axis(similarities, listed, axis=1), -np.inf)
            if self._protocol.gallery != LISTED:
                rest = self._without_excluded(similarities, first, entries)
                laid_out = np.concatenate([laid_out, rest], axis=1)
        return Walk(laid_out, listed, self._find_candidates(entries, columns, first))

    def _list_entries(self, entries: np.ndarray, first: int, num_rows: int) -> tuple[np.ndarray, np.ndarray]:
        """The first column of each entry, and the detection in each column."""
        images = self._protocol.entry_images[entries]
        counts, rows = self._counts[images], self._entry_queries[entries] - first
        lengths = np.bincount(rows, weights=counts, minlength=num_rows).astype(np.int64)
        columns = np.cumsum(counts) - counts - (np.cumsum(lengths) - lengths)[rows]
        detections, _ = expand_ranges(self._starts[images], counts)
        listed = np.full((num_rows, lengths.max(initial=0)), -1)
        listed[np.arange(listed.shape[1]) < lengths[:, None]] = detections
        return columns, listed

    def _without_excluded(self, similarities: np.ndarray, first: int, entries: np.ndarray) -> np.ndarray:
        """A copy with -inf for detections in listed images, the query's image and, if asked, its camera."""
        protocol = self._protocol
        rest = similarities.copy()
        own = self._query_images[first : first + len(rest)]
        images = np.concatenate([protocol.entry_images[entries], own[own >= 0]])
        rows = np.concatenate([self._entry_queries[entries] - first, np.flatnonzero(own >= 0)])
        detections, owners = expand_ranges(self._starts[images], self._counts[images])
        rest[rows[owners], detections] = -np.inf
        if protocol.cross_camera and protocol.image_cameras is not None and protocol.query_cameras is not None:
            cameras = np.repeat(protocol.image_cameras, self._counts)
            rest[protocol.query_cameras[first : first + len(rest), None] == cameras] = -np.inf
        return rest

    def _find_candidates(self, entries: np.ndarray, columns: np.ndarray, first: int) -> Candidates:
        with_person = self._needed[entries] < np.inf
        entries, columns = entries[with_person], columns[with_person]
        images = self._protocol.entry_images[entries]
        detections, owners = expand_ranges(self._starts[images], self._counts[images])
        candidates = columns[owners] + detections - self._starts[images][owners]
        owners_entries = entries[owners]
        overlaps = paired_iou(self._protocol.entry_boxes[owners_entries], self._boxes[detections])
        # A person's box without area would need an overlap of 0, which every detection has.
        enough = (overlaps >= self._needed[owners_entries]) & (overlaps > 0)
        rows = self._entry_queries[owners_entries[enough]] - first
        return Candidates(rows, candidates[enough], owners_entries[enough])
