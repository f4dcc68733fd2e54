"""Detections that another code base saved in the order of a test split, as predictions with names."""

import numpy as np

from inet_d2.conversion.detection_cache import DetectionCache
from inet_d2.data.datasets.protocol import SearchProtocol
from inet_d2.evaluation.predictions import ContextPredictions, SearchPredictions

_BOX_TOLERANCE = 1.0  # pixels, between a query's box and the same box scaled to the network's size and back
_LENGTH_TOLERANCE = 1e-2


def name_detections(cache: DetectionCache, protocol: SearchProtocol) -> tuple[SearchPredictions, ContextPredictions]:
    """Put names on detections that are in the order of the data set.

    Args:
        cache: its images in the order of the test split, its queries in that of the protocol.
        protocol: of the test split; its gallery does not matter.

    Returns:
        The predictions, and the people of the query images for graph matching. Embeddings of the gallery that were
        multiplied by their scores (NAE, SeqNet, COAT) are divided by them, so that they have unit length: score them
        with ``confidence_weight`` for the figures of that code.

    Raises:
        ValueError: other numbers of images or queries than the data set has, or the box of a query is another one.
    """
    for name, found, expected in (
        ("gallery_dets", len(cache.gallery_counts), len(protocol.image_names)),
        ("query_box_feats", len(cache.query_embeddings), protocol.num_queries),
    ):
        if found != expected:
            raise ValueError(f"{name}: expected {expected} items, as many as {protocol.name} has, found {found}")
    _check_query_boxes(cache, protocol)
    scores = cache.gallery_detections[:, 4]
    predictions = SearchPredictions(
        gallery_names=protocol.image_names,
        gallery_counts=cache.gallery_counts,
        gallery_boxes=cache.gallery_detections[:, :4],
        gallery_scores=scores,
        gallery_embeddings=_unweighted(cache.gallery_embeddings, scores),
        query_names=protocol.query_names,
        query_boxes=protocol.query_boxes,
        query_embeddings=cache.query_embeddings,
    )
    context = ContextPredictions(cache.context_counts, cache.context_detections[:, 4], cache.context_embeddings)
    return predictions, context


def is_weighted(embeddings: np.ndarray, scores: np.ndarray) -> bool:
    """Whether embeddings (N, D) have the lengths of their scores (N,), not 1."""
    lengths = np.linalg.norm(embeddings, axis=1)
    by_score = np.abs(lengths - scores) <= _LENGTH_TOLERANCE * scores
    return bool(by_score.all() and (np.abs(lengths - 1) > _LENGTH_TOLERANCE).any())


def _unweighted(embeddings: np.ndarray, scores: np.ndarray) -> np.ndarray:
    return embeddings / np.maximum(scores, 1e-12)[:, None] if is_weighted(embeddings, scores) else embeddings


def _check_query_boxes(cache: DetectionCache, protocol: SearchProtocol) -> None:
    """The first box of a query's context is the query's own: the one sign of the order that the file has."""
    if np.any(cache.context_counts < 1):
        query = int(np.flatnonzero(cache.context_counts < 1)[0])
        raise ValueError(f"query_dets: item {query}: expected the query's box first, found no box")
    first = np.cumsum(cache.context_counts) - cache.context_counts
    boxes = cache.context_detections[first, :4]
    wrong = np.flatnonzero((np.abs(boxes - np.maximum(protocol.query_boxes, 0)) > _BOX_TOLERANCE).any(axis=1))
    if len(wrong):
        query = int(wrong[0])
        raise ValueError(
            f"query_dets: item {query}: expected the box of query {query} of {protocol.name}, "
            f"{protocol.query_boxes[query].tolist()}, found {boxes[query].tolist()}; {len(wrong)} of "
            f"{len(first)} differ: name the test split, and for CUHK-SYSU the protocol, of which the file is"
        )
