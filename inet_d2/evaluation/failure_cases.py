"""The queries that a model does worst, with what it puts before the person."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from inet_d2.data.datasets.protocol import SearchProtocol
from inet_d2.evaluation.exact_similarity import to_grid
from inet_d2.evaluation.official_walk import WalkedGallery, entries_of, walk_gallery
from inet_d2.evaluation.prediction_matching import find_queries, order_gallery
from inet_d2.evaluation.predictions import SearchPredictions
from inet_d2.evaluation.query_report import failures
from inet_d2.evaluation.search_ranking import SearchRanking


@dataclass(frozen=True)
class RankedDetection:
    """A detection in the answer to a query.

    Attributes:
        rank: from 1.
        image: name of its image.
        box: XYXY.
        similarity: to the query.
        is_person: whether it is the searched person.
    """

    rank: int
    image: str
    box: Sequence[float]
    similarity: float
    is_person: bool


@dataclass(frozen=True)
class FailureCase:
    """A query and its answer.

    Attributes:
        query: its number in the protocol.
        image: name of its image.
        box: XYXY.
        average_precision: in [0, 1].
        num_ground_truths: appearances of the person in the gallery.
        num_boxed: of these, those that a detection overlaps enough.
        reason: see :func:`inet_d2.evaluation.query_report.failures`.
        answer: the first detections, and the best one of the person if it comes later.
    """

    query: int
    image: str
    box: Sequence[float]
    average_precision: float
    num_ground_truths: int
    num_boxed: int
    reason: str
    answer: Sequence[RankedDetection]


def worst_queries(ranking: SearchRanking, most: int) -> np.ndarray:
    """Find the queries of lowest average precision.

    Perfect ones and those without ground truth are left out.

    Args:
        ranking: of Q queries.
        most: so many at most.

    Returns:
        (K,) int64 numbers, the lowest first; equal ones in the order of the protocol.
    """
    order = np.argsort(ranking.average_precisions, kind="stable")
    counted = (ranking.num_ground_truths > 0) & (ranking.average_precisions < 1)
    return order[counted[order]][:most]


def failure_cases(
    predictions: SearchPredictions,
    protocol: SearchProtocol,
    ranking: SearchRanking,
    *,
    score_thresh: float = 0.5,
    rules: str = "reference",
    confidence_weight: bool = False,
    most: int = 20,
    length: int = 5,
) -> list[FailureCase]:
    """Walk the galleries of the worst queries.

    Args:
        predictions: of the whole test split.
        protocol: of the gallery size to look at.
        ranking: of these predictions under this protocol, with the same settings.
        score_thresh: see ``score_predictions``.
        rules: see ``score_predictions``.
        confidence_weight: see ``score_predictions``.
        most: queries at most.
        length: detections of each answer, from the first on.

    Returns:
        The worst first.
    """
    gallery, _, embeddings = order_gallery(
        predictions, protocol.image_names, score_thresh, confidence_weight=confidence_weight
    )
    # On the grid of the ranking, where equal similarities are equal bits.
    embeddings = to_grid(embeddings, per_row=False)
    queries = to_grid(predictions.query_embeddings[find_queries(predictions, protocol)], per_row=True)
    parts = map(slice, gallery.starts, np.cumsum(gallery.counts))
    rows = dict(zip(protocol.image_names.tolist(), parts, strict=True))
    boxes = {name: gallery.boxes[part] for name, part in rows.items()}
    reasons = failures(ranking)
    cases = []
    for query in worst_queries(ranking, most).tolist():
        walked = walk_gallery(
            str(protocol.query_names[query]),
            entries_of(protocol, query),
            boxes,
            lambda name, query=query: embeddings[rows[name]] @ queries[query],
            gallery=protocol.gallery,
            rules=rules,
            is_excluded=_other_cameras(protocol, query),
        )
        cases.append(
            FailureCase(
                query,
                str(protocol.query_names[query]),
                protocol.query_boxes[query].tolist(),
                float(ranking.average_precisions[query]),
                int(ranking.num_ground_truths[query]),
                int(ranking.num_hits[query]),
                str(reasons[query]),
                _answer(walked, length),
            )
        )
    return cases


def _answer(walked: WalkedGallery, length: int) -> list[RankedDetection]:
    """The first detections, and the best one of the person if it comes later."""
    order = np.argsort(-np.asarray(walked.similarities), kind="stable")
    best = walked.best_rank()
    return [
        RankedDetection(
            rank + 1,
            walked.names[order[rank]],
            [float(edge) for edge in walked.boxes[order[rank]]],
            float(walked.similarities[order[rank]]),
            bool(walked.labels[order[rank]]),
        )
        for rank in [*range(min(length, len(order))), *([best] if best >= length else [])]
    ]


def _other_cameras(protocol: SearchProtocol, query: int) -> Callable[[str], bool]:
    """Tells which images a cross-camera search leaves out."""
    if not protocol.cross_camera or protocol.image_cameras is None or protocol.query_cameras is None:
        return lambda name: False
    own = protocol.image_names[protocol.image_cameras == protocol.query_cameras[query]]
    return frozenset(own.tolist()).__contains__
