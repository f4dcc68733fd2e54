"""What a re-identification data set searches, and in what: queries, gallery, their people and cameras."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
from detectron2.data import DatasetCatalog, MetadataCatalog

from inet_d2.data.datasets.builtin import load_records
from inet_d2.data.datasets.builtin_reid import PERSON_REID
from inet_d2.data.datasets.tracklet_records import is_tracklets, load_tracklets
from inet_d2.data.pids import is_labelled

Record = dict[str, Any]


@dataclass(frozen=True, eq=False)
class ReidSplit:
    """Queries and their gallery, Q and G records.

    Attributes:
        name: registered name of the queries.
        queries: Q records.
        gallery: G records.
        query_pids: (Q,) int64 >= 0.
        query_cameras: (Q,) int64.
        gallery_pids: (G,) int64; distractors are ``UNLABELLED``.
        gallery_cameras: (G,) int64.
        is_query: (G,) bool, rows of the gallery that are queries themselves (MARS).
    """

    name: str
    queries: Sequence[Record]
    gallery: Sequence[Record]
    query_pids: np.ndarray
    query_cameras: np.ndarray
    gallery_pids: np.ndarray
    gallery_cameras: np.ndarray
    is_query: np.ndarray

    def people(self) -> dict[str, np.ndarray]:
        """The four arrays by name, as the metrics take them."""
        names = ("query_pids", "query_cameras", "gallery_pids", "gallery_cameras")
        return {name: getattr(self, name) for name in names}


def is_reid(name: str) -> bool:
    """Whether a registered data set is one of re-identification."""
    return MetadataCatalog.get(name).get("evaluator_type", None) == PERSON_REID


def load_reid_split(name: str) -> ReidSplit:
    """Load the queries of a data set and the gallery that its metadata names.

    Args:
        name: registered, such as ``market1501_query``.

    Returns:
        Both.

    Raises:
        ValueError: the data set names no gallery, or a record has no camera or, among the queries, no identity.
    """
    gallery_name = MetadataCatalog.get(name).get("gallery", None)
    if gallery_name is None:
        known = [other for other in DatasetCatalog.list() if MetadataCatalog.get(other).get("gallery", None)]
        raise ValueError(f"{name}: expected queries with a gallery, one of {', '.join(sorted(known))}")
    load = load_tracklets if is_tracklets(name) else partial(load_records, with_sizes=True)
    queries, gallery = load(name), load(gallery_name)
    pids, cameras = _labels(name, queries)
    if not is_labelled(pids).all():
        first = queries[int(np.argmin(pids))]["image_id"]
        raise ValueError(f"{name}: {first}: expected queries of known identity, found none; leave it out")
    is_query = np.zeros(len(gallery), dtype=bool)
    if MetadataCatalog.get(name).get("gallery_holds_queries", False):
        names = {record["image_id"] for record in queries}
        is_query = np.array([record["image_id"] in names for record in gallery], dtype=bool)
    return ReidSplit(name, queries, gallery, pids, cameras, *_labels(gallery_name, gallery), is_query)


def _labels(name: str, records: Sequence[Record]) -> tuple[np.ndarray, np.ndarray]:
    if records and "file_names" in records[0]:
        pids = [record["person_id"] for record in records]
        return np.array(pids, dtype=np.int64), np.array([r["camera_id"] for r in records], dtype=np.int64)
    for record in records:
        if "camera_id" not in record or len(record["annotations"]) != 1:
            raise ValueError(
                f"{name}: {record['image_id']}: expected camera_id and one annotation, found "
                f"{len(record['annotations'])} annotations and camera {record.get('camera_id')}; give every crop both"
            )
    pids = [record["annotations"][0]["person_id"] for record in records]
    return np.array(pids, dtype=np.int64), np.array([record["camera_id"] for record in records], dtype=np.int64)
