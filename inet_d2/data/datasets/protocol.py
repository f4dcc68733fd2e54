"""Search protocols: which person is searched, in which images, and where that person really is.

Shapes: Q queries, I images of the split, E gallery entries over all queries, T of them with the searched
    person.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Any, Final

import numpy as np

from inet_d2.arrays import rows_of
from inet_d2.data.records import image_name

LISTED: Final = "listed"
"""The gallery of a query is exactly its entries, in their order."""
LISTED_THEN_REST: Final = "listed_then_rest"
"""Its entries in order, then every image neither listed nor the query's (CUHK-SYSU, full gallery)."""
EVERY: Final = "every"
"""Every image but the query's, in the order of ``image_names``; entries only locate the person (PRW)."""
GALLERY_KINDS: Final = (LISTED, LISTED_THEN_REST, EVERY)


@dataclass(frozen=True, eq=False)
class SearchProtocol:
    """One search protocol of one data set, as compact arrays.

    The test mapper gets its query boxes from ``queries_by_image()``; the evaluator reads the rest.

    Attributes:
        name: where it comes from, for messages, e.g. ``TestG100``.
        image_names: (I,) str, the images of the split in their official order, no name twice.
        query_names: (Q,) str, the image of each query.
        query_boxes: (Q, 4) float64 XYXY absolute pixels, right and bottom edge exclusive (x + width).
        entry_offsets: (Q + 1,) int64; the entries of query q are ``entry_offsets[q]:entry_offsets[q + 1]``.
        entry_images: (E,) int32 rows of ``image_names``; a query may list an image more than once.
        truth_entries: (T,) int64, ascending, the entries whose image shows the searched person.
        truth_boxes: (T, 4) float64 XYXY of that person.
        gallery: one of ``GALLERY_KINDS``.
        image_cameras: (I,) int64 camera of each image, or None when the data set has none.
        query_cameras: (Q,) int64 camera of each query image, or None.
        cross_camera: images of the query's camera do not belong to its gallery.

    Raises:
        ValueError: shapes, offsets, indices or boxes do not fit together.
    """

    name: str
    image_names: np.ndarray
    query_names: np.ndarray
    query_boxes: np.ndarray
    entry_offsets: np.ndarray
    entry_images: np.ndarray
    truth_entries: np.ndarray
    truth_boxes: np.ndarray
    gallery: str = LISTED
    image_cameras: np.ndarray | None = None
    query_cameras: np.ndarray | None = None
    cross_camera: bool = False

    def __post_init__(self) -> None:
        for field in ("image_names", "query_names"):  # whole numbers too, as an image_id may be
            names = np.asarray(getattr(self, field))
            object.__setattr__(self, field, names if names.dtype.kind == "U" else names.astype(str))
        queries, entries = len(self.query_names), len(self.entry_images)
        if self.gallery not in GALLERY_KINDS:
            raise ValueError(f"{self.name}: gallery: expected one of {GALLERY_KINDS}, found {self.gallery!r}")
        if len(np.unique(self.image_names)) != len(self.image_names):
            raise ValueError(f"{self.name}: image_names: expected every name once, found repeats")
        self._check_shape("query_boxes", (queries, 4))
        self._check_shape("entry_offsets", (queries + 1,))
        self._check_shape("truth_boxes", (len(self.truth_entries), 4))
        offsets = self.entry_offsets
        if offsets[0] != 0 or offsets[-1] != entries or np.any(np.diff(offsets) < 0):
            raise ValueError(f"{self.name}: entry_offsets: expected 0 to {entries} without descent")
        if entries and not 0 <= self.entry_images.min() <= self.entry_images.max() < len(self.image_names):
            raise ValueError(f"{self.name}: entry_images: expected rows of the {len(self.image_names)} images")
        truths = self.truth_entries
        if len(truths) and (truths[0] < 0 or truths[-1] >= entries or np.any(np.diff(truths) <= 0)):
            raise ValueError(f"{self.name}: truth_entries: expected ascending rows of the {entries} entries")
        empty = np.flatnonzero(~(self.query_boxes[:, 2:] > self.query_boxes[:, :2]).all(axis=1))
        if empty.size:
            query = empty[0]
            raise ValueError(
                f"{self.name}: query {query} in {self.query_names[query]}: expected a box with positive width and "
                f"height, found {self.query_boxes[query].tolist()}; correct the query list"
            )

        self._check_truths()

    def _check_truths(self) -> None:
        sides = self.truth_boxes[:, 2:] - self.truth_boxes[:, :2]
        wrong = np.flatnonzero(~(np.isfinite(self.truth_boxes).all(axis=1) & (sides >= 0).all(axis=1)))
        if wrong.size:
            name = self.image_names[self.entry_images[self.truth_entries[wrong[0]]]]
            raise ValueError(
                f"{self.name}: expected boxes of the searched people, found {self.truth_boxes[wrong[0]].tolist()} in "
                f"{name}; correct the protocol"
            )

    def check_scorable(self) -> None:
        """Refuse a protocol whose every figure would be 0.

        Raises:
            ValueError: there is no query, or none whose person is in its gallery.
        """
        if not self.num_queries:
            raise ValueError(f"{self.name}: expected queries, found none; use the query list of the data set")
        if not len(self.truth_entries):
            raise ValueError(
                f"{self.name}: expected galleries that hold the searched people, found none of {self.num_queries} "
                "queries in its gallery; use the protocol and the annotations of one copy of the data set"
            )

    def _check_shape(self, field: str, expected: tuple[int, ...]) -> None:
        found = getattr(self, field).shape
        if found != expected:
            raise ValueError(f"{self.name}: {field}: expected shape {expected}, found {found}")

    @property
    def num_queries(self) -> int:
        """Q, the number of queries."""
        return len(self.query_names)

    @property
    def truth_queries(self) -> np.ndarray:
        """(T,) int64, the query that each ground truth belongs to."""
        return np.searchsorted(self.entry_offsets, self.truth_entries, side="right") - 1

    @property
    def query_images(self) -> np.ndarray:
        """(Q,) int64, the row of each query's image in ``image_names``; -1 where the split lacks it."""
        return rows_of(self.query_names, self.image_names)

    @property
    def num_ground_truths(self) -> np.ndarray:
        """(Q,) int64, the entries of each query that show its person."""
        return np.bincount(self.truth_queries, minlength=self.num_queries)

    def queries_by_image(self) -> dict[str, tuple[np.ndarray, np.ndarray]]:
        """Group the queries by their image, for the test mapper and the evaluator.

        A test record whose ``image_id`` is a key needs ``query_boxes`` = the second array, in this order; the
        evaluator then takes row i of the model's ``query_embeddings`` as query ``indices[i]``.

        Returns:
            For each image with a query, in order of first appearance: (q,) int64 ascending indices and their
            (q, 4) float64 XYXY boxes in the original image.
        """
        names, firsts, groups = np.unique(self.query_names, return_index=True, return_inverse=True)
        members = np.split(np.argsort(groups, kind="stable"), np.cumsum(np.bincount(groups, minlength=len(names)))[:-1])
        return {str(names[g]): (members[g], self.query_boxes[members[g]]) for g in np.argsort(firsts)}

    def across_cameras(self) -> "SearchProtocol":
        """Leave the images of the query's camera out of its gallery, positives and distractors alike.

        Returns:
            The stricter protocol.

        Raises:
            ValueError: the data set has no cameras.
        """
        if self.image_cameras is None or self.query_cameras is None:
            raise ValueError(
                f"{self.name}: cross-camera search needs cameras, and this data set has none; leave it off"
            )
        entry_queries = np.repeat(np.arange(self.num_queries), np.diff(self.entry_offsets))
        keep = self.image_cameras[self.entry_images] != self.query_cameras[entry_queries]
        kept_before = np.concatenate([[0], np.cumsum(keep)])
        return replace(
            self,
            entry_offsets=kept_before[self.entry_offsets],
            entry_images=self.entry_images[keep],
            truth_entries=kept_before[self.truth_entries[keep[self.truth_entries]]],
            truth_boxes=self.truth_boxes[keep[self.truth_entries]],
            cross_camera=True,
        )

    def check_query_boxes(self, records: Iterable[Mapping[str, Any]]) -> None:
        """Refuse queries that lie outside their image.

        Args:
            records: the split's records; those without ``height`` and ``width`` are not checked.

        Raises:
            ValueError: a query box does not overlap its image.
        """
        sizes = {image_name(r): (r["width"], r["height"]) for r in records if "height" in r and "width" in r}
        limits = np.array([sizes.get(str(name), (np.inf, np.inf)) for name in self.query_names]).reshape(-1, 2)
        self.check_queries_inside(np.arange(self.num_queries), limits)

    def check_queries_inside(self, queries: np.ndarray, sizes: np.ndarray) -> None:
        """Refuse queries that lie outside images of the given sizes.

        Args:
            queries: (q,) int64.
            sizes: (q, 2) width and height of each one's image in pixels.

        Raises:
            ValueError: a query box does not overlap its image.
        """
        boxes = self.query_boxes[queries]
        outside = np.flatnonzero((boxes[:, :2] >= sizes).any(axis=1) | (boxes[:, 2:] <= 0).any(axis=1))
        if outside.size:
            first, (width, height) = queries[outside[0]], sizes[outside[0]]
            more = f" ({outside.size - 1} more queries are outside theirs)" if outside.size > 1 else ""
            raise ValueError(
                f"{self.name}: query {first}: expected a box inside {self.query_names[first]} ({width:g} x {height:g} "
                f"pixels), found {self.query_boxes[first].tolist()}{more}; correct the query list or replace the image"
            )
