"""Search in two steps: describe the people in given boxes, and rank them by a distance that training people taught.

boxes -> crops of one size -> descriptor -> (principal components) -> distance, as rows for inner products ->
predictions that are scored as those of any model.
"""

import logging
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
from detectron2.config import CfgNode, configurable

from inet_d2.baselines.crops import CropBatches
from inet_d2.baselines.descriptors import Descriptor, build_descriptor
from inet_d2.baselines.distances import Distance, PrincipalComponents, build_distance, fit_pca
from inet_d2.data.person_mapper import are_nonempty
from inet_d2.data.pids import is_labelled
from inet_d2.data.records import annotation_boxes, image_name, people_of, person_id, records_by_name
from inet_d2.evaluation import SearchPredictions

_PCA_CROPS = 3000
_logger = logging.getLogger(__name__)

Record = dict[str, Any]


class TwoStepSearch:
    """A descriptor and a distance, fitted on the people of a training split.

    Args:
        descriptor: of crops.
        distance: between descriptors.
        pca_dim: principal components that descriptors are reduced to first; 0 for none. They are fitted on at most
            3,000 training crops.
        progress: show bars.
    """

    @configurable
    def __init__(self, *, descriptor: Descriptor, distance: Distance, pca_dim: int = 0, progress: bool = True) -> None:
        self.descriptor, self.distance, self.pca_dim = descriptor, distance, pca_dim
        self._progress = progress
        self._pca: PrincipalComponents | None = None

    @classmethod
    def from_config(cls, cfg: CfgNode) -> dict[str, Any]:
        """Read ``TWO_STEP``."""
        node = cfg.TWO_STEP
        return {"descriptor": build_descriptor(node), "distance": build_distance(node), "pca_dim": node.PCA_DIM}

    def fit(self, records: Sequence[Record]) -> None:
        """Learn from the labelled people of a training split; see :func:`check_training_split` for which that may be.

        Args:
            records: with ``annotations``; unlabelled people and boxes without area are left out.

        Raises:
            ValueError: there is nobody to learn from, or a setting does not fit the number of people.
        """
        labelled = [[a for a in people_of(record) if is_labelled(person_id(a))] for record in records]
        boxes = [annotation_boxes(people) for people in labelled]
        kept = [are_nonempty(found) for found in boxes]
        pids = np.array(
            [
                person_id(a)
                for people, keep in zip(labelled, kept, strict=True)
                for a, k in zip(people, keep, strict=True)
                if k
            ]
        )
        if not len(pids):
            raise ValueError(
                f"training split: expected labelled people with boxes, found none in {len(records)} images; name a "
                "split that has identities"
            )
        boxes = [found[keep] for found, keep in zip(boxes, kept, strict=True)]
        self.descriptor.fit(self._batches(records, boxes, "learn to describe"))
        if self.pca_dim:
            self._fit_pca(records, boxes)
        rows = _filled(self._described(records, boxes, "describe training people"), len(pids), np.float32)
        self.distance.fit(rows, pids)
        _logger.info("%s: fitted on %d crops of %d people", self.name, len(pids), len(np.unique(pids)))
        for finding, value in self.distance.findings().items():
            _logger.info("%s: %s: %.4g", self.name, finding, value)

    @property
    def name(self) -> str:
        """Descriptor and distance, for messages."""
        return f"{type(self.descriptor).__name__} + {type(self.distance).__name__}"

    def search(self, predictions: SearchPredictions, records: Sequence[Record]) -> SearchPredictions:
        """Describe the boxes of predictions anew.

        Args:
            predictions: names, boxes and scores of gallery and queries; its embeddings are not looked at.
            records: of the test split; every image of the predictions is among them.

        Returns:
            The same names, counts, boxes and scores in the same order, with rows of this search.

        Raises:
            ValueError: an image of the predictions is not among the records.
        """
        by_name = records_by_name(records)
        for field, names in (("gallery_names", predictions.gallery_names), ("query_names", predictions.query_names)):
            unknown = [name for name in names.tolist() if name not in by_name]
            if unknown:
                raise ValueError(
                    f"{field}: expected images of the test split, found {unknown[0]}; give predictions on this data set"
                )
        gallery = self._embed(
            [by_name[name] for name in predictions.gallery_names.tolist()],
            np.split(predictions.gallery_boxes, np.cumsum(predictions.gallery_counts)[:-1]),
            "describe gallery",
            is_query=False,
        )
        queries = self._embed(
            [by_name[name] for name in predictions.query_names.tolist()],
            list(predictions.query_boxes[:, None]),
            "describe queries",
            is_query=True,
        )
        # One factor for the whole gallery changes no rank, and keeps its numbers from being far from 1.
        gallery /= max(float(gallery.max(initial=0)), -float(gallery.min(initial=0)), 1e-30)
        return replace(predictions, gallery_embeddings=gallery, query_embeddings=queries)

    def embed(self, records: Sequence[Record], *, is_query: bool) -> np.ndarray:
        """Describe the people of records.

        Args:
            records: with ``annotations``.
            is_query: for the query side of the inner product, or for the gallery.

        Returns:
            (n, E) float32, record after record.
        """
        boxes = [annotation_boxes(people_of(record)) for record in records]
        return self._embed(records, boxes, "describe queries" if is_query else "describe gallery", is_query=is_query)

    def _embed(
        self, records: Sequence[Record], boxes: Sequence[np.ndarray], title: str, *, is_query: bool
    ) -> np.ndarray:
        to_rows = self.distance.query_rows if is_query else self.distance.gallery_rows
        if total := sum(map(len, boxes)):
            return _filled(map(to_rows, self._described(records, boxes, title)), total, np.float32)
        blank = np.zeros((1, *self.descriptor.size, 3), dtype=np.uint8)
        return to_rows(self._reduced(self.descriptor.describe(blank))).astype(np.float32)[:0]

    def _described(self, records: Sequence[Record], boxes: Sequence[np.ndarray], title: str) -> Iterator[np.ndarray]:
        for crops in self._batches(records, boxes, title):
            yield self._reduced(self.descriptor.describe(crops))

    def _reduced(self, rows: np.ndarray) -> np.ndarray:
        return self._pca.project(rows) if self._pca else rows

    def _fit_pca(self, records: Sequence[Record], boxes: Sequence[np.ndarray]) -> None:
        total = sum(map(len, boxes))
        chosen = np.zeros(total, dtype=bool)
        chosen[np.random.default_rng(0).permutation(total)[:_PCA_CROPS]] = True
        boxes = [b[c] for b, c in zip(boxes, np.split(chosen, np.cumsum([len(b) for b in boxes])[:-1]), strict=True)]
        parts = map(self.descriptor.describe, self._batches(records, boxes, "find principal components"))
        rows = _filled(parts, int(chosen.sum()), np.float16)
        self._pca = fit_pca(rows, self.pca_dim, key="TWO_STEP.PCA_DIM")
        _logger.info(
            "%s: %d principal components keep %.1f %% of the variance", self.name, self.pca_dim, 100 * self._pca.energy
        )

    def _batches(self, records: Sequence[Record], boxes: Sequence[np.ndarray], title: str) -> CropBatches:
        return CropBatches(records, boxes, self.descriptor.size, title if self._progress else "")


def _filled(parts: Iterable[np.ndarray], count: int, dtype: type) -> np.ndarray:
    """All rows in one array, which is filled part by part: never twice in memory."""
    rows, start = np.zeros((0, 0), dtype), 0
    for part in parts:
        if not start:
            rows = np.empty((count, part.shape[1]), dtype)
        rows[start : start + len(part)] = part
        start += len(part)
    return rows


def check_training_split(
    train_name: str, train_records: Sequence[Record], test_name: str, test_records: Sequence[Record]
) -> None:
    """Refuse to learn from test people, by the name of the split and by its images.

    Args:
        train_name: registered split to learn from.
        train_records: its records.
        test_name: registered split to search.
        test_records: its records.

    Raises:
        ValueError: the splits have one name, or an image in common.
    """
    if train_name == test_name:
        raise ValueError(
            f"training split: expected another split than {test_name}, on whose people the figures are measured; name "
            "the training split"
        )
    known = {image_name(record) for record in test_records} | {record["file_name"] for record in test_records}
    shared = [r["file_name"] for r in train_records if r["file_name"] in known or image_name(r) in known]
    if shared:
        raise ValueError(
            f"{train_name}: expected no image of {test_name}, found {len(shared)}, first {shared[0]}; learn from "
            "images that no figure is measured on"
        )
