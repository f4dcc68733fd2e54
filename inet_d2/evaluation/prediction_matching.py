"""Fitting saved predictions to a data set: by image name, and by query name and box, never by row order."""

import numpy as np

from inet_d2.arrays import expand_ranges, rows_of
from inet_d2.boxes import BoxesByImage
from inet_d2.data.datasets.protocol import SearchProtocol
from inet_d2.evaluation.predictions import SearchPredictions

_BOX_TOLERANCE = 1.0
"""Pixels; corners of one query box may differ by less, after clipping at 0 (rounding, 32-bit floats)."""


def order_gallery(
    predictions: SearchPredictions, image_names: np.ndarray, score_thresh: float, *, confidence_weight: bool = False
) -> tuple[BoxesByImage, np.ndarray, np.ndarray]:
    """Bring the detections into the data set's order and cut them at the score threshold.

    Args:
        predictions: of the whole test split.
        image_names: (I,) str, the data set's order.
        score_thresh: detections below it are left out, in [0, 1].
        confidence_weight: multiply embeddings by the scores of their detections.

    Returns:
        The boxes by image, (N,) float32 scores and (N, D) float32 embeddings.

    Raises:
        ValueError: the predictions lack an image of the data set or have others.
    """
    rows = rows_of(image_names, predictions.gallery_names)
    if np.any(rows < 0):
        missing = np.asarray(image_names)[rows < 0]
        raise ValueError(
            f"gallery_names: expected all {len(image_names)} images of the data set, found {len(missing)} missing, "
            f"first {missing[0]}; use predictions of this test split"
        )
    if len(rows) != len(predictions.gallery_names):
        other = predictions.gallery_names[rows_of(predictions.gallery_names, image_names) < 0]
        raise ValueError(
            f"gallery_names: expected the {len(image_names)} images of the data set, found {len(other)} others, "
            f"first {other[0]}; use predictions of this test split"
        )
    counts = predictions.gallery_counts
    detections, owners = expand_ranges((np.cumsum(counts) - counts)[rows], counts[rows])
    kept = predictions.gallery_scores[detections] >= np.float32(score_thresh)
    detections = detections[kept]
    gallery = BoxesByImage(
        np.bincount(owners[kept], minlength=len(rows)), predictions.gallery_boxes[detections].astype(np.float64)
    )
    scores, embeddings = predictions.gallery_scores[detections], predictions.gallery_embeddings[detections]
    return gallery, scores, embeddings * scores[:, None] if confidence_weight else embeddings


def find_queries(predictions: SearchPredictions, protocol: SearchProtocol) -> np.ndarray:
    """Find the row of each query of a protocol; rows that the protocol does not ask for are left aside.

    Args:
        predictions: of the whole test split.
        protocol: whose queries are wanted.

    Returns:
        (Q,) int64 rows of ``query_embeddings``.

    Raises:
        ValueError: a query has no row, or two rows with different embeddings.
    """
    names = np.unique(protocol.query_names)
    groups = rows_of(predictions.query_names, names)
    candidates = np.argsort(groups, kind="stable")
    sizes = np.bincount(groups + 1, minlength=len(names) + 1)
    starts, counts = (np.cumsum(sizes) - sizes)[1:], sizes[1:]
    wanted = rows_of(protocol.query_names, names)
    places, queries = expand_ranges(starts[wanted], counts[wanted])
    rows = candidates[places]
    boxes = np.maximum(protocol.query_boxes[queries], 0)
    distances = np.abs(np.maximum(predictions.query_boxes[rows], 0) - boxes).max(axis=1)
    rows, queries = rows[distances < _BOX_TOLERANCE], queries[distances < _BOX_TOLERANCE]
    order = np.lexsort((distances[distances < _BOX_TOLERANCE], queries))
    rows, queries = rows[order], queries[order]
    _check_queries(predictions, protocol, rows, queries)
    return rows[np.diff(queries, prepend=-1) != 0]


def _check_queries(
    predictions: SearchPredictions, protocol: SearchProtocol, rows: np.ndarray, queries: np.ndarray
) -> None:
    per_query = np.bincount(queries, minlength=protocol.num_queries)
    if np.any(per_query == 0):
        query = int(np.flatnonzero(per_query == 0)[0])
        raise ValueError(
            f"query_names, query_boxes: expected every query of {protocol.name}, found no row for "
            f"{int((per_query == 0).sum())} of {protocol.num_queries}, first {protocol.query_names[query]} "
            f"{protocol.query_boxes[query].tolist()}; use predictions of this test split"
        )
    again = np.flatnonzero(queries[1:] == queries[:-1])
    embeddings = predictions.query_embeddings
    differ = again[(embeddings[rows[again]] != embeddings[rows[again + 1]]).any(axis=1)]
    if differ.size:
        one, two = rows[differ[0]], rows[differ[0] + 1]
        raise ValueError(
            f"query_names, query_boxes: expected one row per query, found rows {one} and {two} for "
            f"{predictions.query_names[one]} {predictions.query_boxes[one].tolist()} with different embeddings; "
            "remove one"
        )
