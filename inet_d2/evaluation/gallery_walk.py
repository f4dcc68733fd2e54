"""The official walk over a query's gallery, for a block of queries at once.

The official code visits the images of a gallery one by one and appends their detections to a list. Here that
list is one row of a matrix: columns stand in the order of the walk, and columns that do not belong to the
query's gallery hold -inf. Shapes: B queries of a block, N gallery detections, L columns.
"""

from dataclasses import dataclass
from typing import Final

import numpy as np

from inet_d2.arrays import expand_ranges
from inet_d2.boxes import BoxesByImage, paired_iou
from inet_d2.data.datasets.protocol import EVERY, LISTED, SearchProtocol
from inet_d2.evaluation.search_metric import hit_threshold

RULES: Final = ("reference", "seqnet")
"""``reference``: an image that a gallery lists twice is searched twice; ``seqnet``: once, but its ground truths all
count."""


@dataclass(frozen=True, eq=False)
class Walk:
    """The galleries of a block of queries.

    Attributes:
        similarities: (B, L) float, -inf outside the query's gallery.
        listed: (B, K) int64, the detection in each of the first K columns, -1 for none; later columns, if any, are
            all N detections in order.
        candidates: detections that overlap a ground truth enough, truth after truth.
    """

    similarities: np.ndarray
    listed: np.ndarray
    candidates: "Candidates"

    def detections_at(self, rows: np.ndarray, columns: np.ndarray) -> np.ndarray:
        """Tell which detection stands in a cell.

        Args:
            rows: (T,) int64.
            columns: (T,) int64.

        Returns:
            (T,) int64 detections; -1 for cells without one.
        """
        num_listed = self.listed.shape[1]
        detections = columns - num_listed
        in_list = columns < num_listed
        detections[in_list] = self.listed[rows[in_list], columns[in_list]]
        return detections


@dataclass(frozen=True, eq=False)
class Candidates:
    """Detections that may be the searched person.

    Attributes:
        rows: (T,) int64 row of the block.
        columns: (T,) int64 column of the walk.
        truths: (T,) int64 ground truth of the protocol, ascending.
    """

    rows: np.ndarray
    columns: np.ndarray
    truths: np.ndarray


class GalleryWalker:
    """Lays out the galleries of one protocol over one set of detections.

    Args:
        protocol: whose entries and images are walked.
        detections: of ``protocol.image_names``, in that order, cut at the score threshold.
        rules: one of ``RULES``.

    Raises:
        ValueError: unknown rules.
    """

    def __init__(self, protocol: SearchProtocol, detections: BoxesByImage, *, rules: str = "reference") -> None:
        if rules not in RULES:
            raise ValueError(f"rules: expected one of {RULES}, found {rules!r}")
        self._protocol = protocol
        self._counts, self._starts, self._boxes = detections.counts, detections.starts, detections.boxes
        self._query_images = protocol.query_images
        self._skip_repeats = rules == "seqnet"
        self._needed = hit_threshold(protocol.truth_boxes)

    def walk(self, similarities: np.ndarray, first: int) -> Walk:
        """Lay out the galleries of queries ``first`` to ``first + B - 1``.

        Args:
            similarities: (B, N) float of these queries and every detection; not changed.
            first: the first query of the block.

        Returns:
            Their galleries.
        """
        protocol, num_rows = self._protocol, len(similarities)
        offsets = protocol.entry_offsets[first : first + num_rows + 1]
        images = protocol.entry_images[offsets[0] : offsets[-1]].astype(np.int64)
        rows = np.repeat(np.arange(num_rows), np.diff(offsets))
        truths = np.arange(*np.searchsorted(protocol.truth_entries, offsets[[0, -1]]))
        truth_entries = protocol.truth_entries[truths] - offsets[0]
        if protocol.gallery == EVERY:
            listed = np.full((num_rows, 0), -1)
            laid_out = similarities.copy()
            self._exclude(laid_out, first, images[:0], rows[:0])
            columns = self._starts[images]
        else:
            walked = self._walked(images, rows)
            truths, truth_entries = truths[walked[truth_entries]], truth_entries[walked[truth_entries]]
            columns, listed = self._list_entries(images, rows, walked, num_rows)
            rest = similarities if protocol.gallery != LISTED else similarities[:, :0]
            laid_out = np.empty((num_rows, listed.shape[1] + rest.shape[1]), dtype=similarities.dtype)
            laid_out[:, : listed.shape[1]] = np.take_along_axis(similarities, listed, axis=1)
            laid_out[:, : listed.shape[1]][listed < 0] = -np.inf
            laid_out[:, listed.shape[1] :] = rest
            if protocol.gallery != LISTED:
                self._exclude(laid_out[:, listed.shape[1] :], first, images, rows)
        found = self._find_candidates(truths, images[truth_entries], rows[truth_entries], columns[truth_entries])
        return Walk(laid_out, listed, found)

    def _walked(self, images: np.ndarray, rows: np.ndarray) -> np.ndarray:
        """Which entries are searched: all, or by SeqNet's rule the first of each image in a gallery."""
        if not self._skip_repeats:
            return np.ones(len(images), dtype=bool)
        walked = np.zeros(len(images), dtype=bool)
        walked[np.unique(rows * len(self._counts) + images, return_index=True)[1]] = True
        return walked

    def _list_entries(
        self, images: np.ndarray, rows: np.ndarray, walked: np.ndarray, num_rows: int
    ) -> tuple[np.ndarray, np.ndarray]:
        """The first column of each entry, and the detection in each column of each row."""
        counts = np.where(walked, self._counts[images], 0)
        lengths = np.bincount(rows, weights=counts, minlength=num_rows).astype(np.int64)
        columns = np.cumsum(counts) - counts - (np.cumsum(lengths) - lengths)[rows]
        listed = np.full((num_rows, lengths.max(initial=0)), -1)
        inside = np.arange(listed.shape[1]) < lengths[:, None]
        listed[inside] = expand_ranges(self._starts[images], counts)[0]
        return columns, listed

    def _exclude(self, rest: np.ndarray, first: int, images: np.ndarray, rows: np.ndarray) -> None:
        """Put -inf for detections in the given images, the query's image and, if asked, its camera."""
        protocol = self._protocol
        own = self._query_images[first : first + len(rest)]
        images = np.concatenate([images, own[own >= 0]])
        rows = np.concatenate([rows, np.flatnonzero(own >= 0)])
        detections, owners = expand_ranges(self._starts[images], self._counts[images])
        rest[rows[owners], detections] = -np.inf
        if protocol.cross_camera and protocol.image_cameras is not None and protocol.query_cameras is not None:
            cameras = np.repeat(protocol.image_cameras, self._counts)
            rest[protocol.query_cameras[first : first + len(rest), None] == cameras] = -np.inf

    def _find_candidates(
        self, truths: np.ndarray, images: np.ndarray, rows: np.ndarray, columns: np.ndarray
    ) -> Candidates:
        """Detections that overlap each ground truth enough; ``columns`` are the first of each truth's image."""
        detections, owners = expand_ranges(self._starts[images], self._counts[images])
        overlaps = paired_iou(self._protocol.truth_boxes[truths[owners]], self._boxes[detections])
        # A person's box without area would need an overlap of 0, which every detection has.
        enough = (overlaps >= self._needed[truths[owners]]) & (overlaps > 0)
        detections, owners = detections[enough], owners[enough]
        places = columns[owners] + detections - self._starts[images[owners]]
        return Candidates(rows[owners], places, truths[owners])
