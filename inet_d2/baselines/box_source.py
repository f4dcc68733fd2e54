"""Where the boxes of a two-step search come from: the annotations, or the predictions of any detector."""

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from inet_d2.data.datasets.protocol import SearchProtocol
from inet_d2.data.records import annotation_boxes, image_name, people_of
from inet_d2.evaluation import SearchPredictions


def annotated_boxes(records: Sequence[dict[str, Any]], protocol: SearchProtocol) -> SearchPredictions:
    """Take the annotated people for detections of certainty 1.

    Args:
        records: of the test split, with ``annotations``.
        protocol: its queries.

    Returns:
        Predictions whose embeddings have no columns.
    """
    boxes = [annotation_boxes(people_of(record)) for record in records]
    total = sum(map(len, boxes))
    return SearchPredictions(
        gallery_names=np.array([image_name(record) for record in records], dtype=str),
        gallery_counts=np.array([len(found) for found in boxes], dtype=np.int64),
        gallery_boxes=np.concatenate([np.zeros((0, 4)), *boxes]),
        gallery_scores=np.ones(total),
        gallery_embeddings=np.zeros((total, 0)),
        query_names=protocol.query_names,
        query_boxes=protocol.query_boxes,
        query_embeddings=np.zeros((protocol.num_queries, 0)),
    )


def above(predictions: SearchPredictions, score_thresh: float) -> SearchPredictions:
    """Keep the detections that scoring will look at.

    Args:
        predictions: of any model.
        score_thresh: detections below it are left out, in [0, 1].

    Returns:
        The same images and queries with fewer detections.
    """
    kept = predictions.gallery_scores >= np.float32(score_thresh)
    images = np.repeat(np.arange(len(predictions.gallery_names)), predictions.gallery_counts)
    return replace(
        predictions,
        gallery_counts=np.bincount(images[kept], minlength=len(predictions.gallery_names)),
        gallery_boxes=predictions.gallery_boxes[kept],
        gallery_scores=predictions.gallery_scores[kept],
        gallery_embeddings=predictions.gallery_embeddings[kept],
    )
