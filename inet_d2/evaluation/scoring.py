"""All figures of saved predictions: the one code path of the evaluator and of tools/score_search.py."""

import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from inet_d2.boxes import BoxesByImage
from inet_d2.data.datasets.builtin import gallery_sizes_of, load_annotations, load_protocol
from inet_d2.data.datasets.protocol import EVERY, SearchProtocol
from inet_d2.data.pids import is_labelled
from inet_d2.data.records import annotation_boxes, annotation_pids, people_of, records_by_name
from inet_d2.evaluation.detection_curve_metric import DetectionCurve, detection_curve
from inet_d2.evaluation.detection_metric import detection_scores, match_mutually
from inet_d2.evaluation.gallery_walk import RULES
from inet_d2.evaluation.graph_matching import CUHK_SYSU_SIZE, PRW_SIZE, GraphMatching
from inet_d2.evaluation.prediction_matching import find_queries, order_gallery
from inet_d2.evaluation.predictions import ContextPredictions, SearchPredictions
from inet_d2.evaluation.search_metric import AP_KINDS
from inet_d2.evaluation.search_ranking import SearchRanking, rank_queries

FULL_GALLERY = "all"
"""How the full gallery, size 0, is called in results."""
_LENGTH_TOLERANCE = 1e-2
"""Half precision and normalisation by hand stay far inside of it."""
_logger = logging.getLogger(__name__)


@dataclass(frozen=True, eq=False)
class ScoringData:
    """What scoring needs of a test split.

    Attributes:
        name: of the data set.
        truths: annotated boxes by image, in the order of the protocols.
        labelled: (R,) bool, boxes of known identity.
        protocols: by result name, e.g. ``50`` or ``all``; all with the same images and queries.
    """

    name: str
    truths: BoxesByImage
    labelled: np.ndarray
    protocols: Mapping[str, SearchProtocol]


@dataclass(frozen=True, eq=False)
class SearchScores:
    """Figures of one model on one test split, 0-100.

    Attributes:
        detection: ``AP``, ``recall`` and ``recall_labelled`` at IoU 0.5.
        search: ``mAP``, ``top1``, ``top5`` and ``top10`` by gallery size.
        search_cbgm: the same with context graph matching; empty unless a context was given.
        num_queries: queries that count.
        num_skipped: queries without ground truth, left out, by gallery size.
        rankings: what ``search`` is the mean of, by gallery size.
    """

    detection: dict[str, float]
    search: dict[str, dict[str, float]]
    search_cbgm: dict[str, dict[str, float]] = field(default_factory=dict)
    num_queries: dict[str, int] = field(default_factory=dict)
    num_skipped: dict[str, int] = field(default_factory=dict)
    rankings: Mapping[str, SearchRanking] = field(default_factory=dict)

    def as_dict(self) -> dict[str, Any]:
        """The figures as plain dictionaries, ready for JSON; ``search_cbgm`` only where it was computed."""
        found: dict[str, Any] = {"detection": self.detection, "search": self.search}
        return {**found, "search_cbgm": self.search_cbgm} if self.search_cbgm else found


def load_scoring_data(
    dataset_name: str, gallery_sizes: Sequence[int | str], *, cross_camera: bool = False
) -> ScoringData:
    """Read annotations and protocols; no frame is opened.

    Args:
        dataset_name: a registered test split.
        gallery_sizes: published sizes, 0 for the full gallery, or one named subset.
        cross_camera: leave the query's camera out of its gallery (PRW).

    Returns:
        What ``score_predictions`` needs.

    Raises:
        FileNotFoundError: an annotation file is missing.
        ValueError: an annotation file or an argument does not fit, or the sizes have different queries.
    """
    sizes = gallery_sizes_of(dataset_name, gallery_sizes)
    if not sizes:
        raise ValueError(f"{dataset_name}: gallery sizes: expected at least one, found none; name one, e.g. 100")
    protocols = {str(size or FULL_GALLERY): load_protocol(dataset_name, size) for size in sizes}
    if cross_camera:
        protocols = {name: protocol.across_cameras() for name, protocol in protocols.items()}
        for protocol in protocols.values():
            protocol.check_scorable()
    first = next(iter(protocols.values()))
    for protocol in protocols.values():
        if not (
            np.array_equal(first.query_names, protocol.query_names)
            and np.array_equal(first.query_boxes, protocol.query_boxes)
        ):
            raise ValueError(
                f"{dataset_name}: expected the same queries in {first.name} and {protocol.name}, found others; "
                "score them one by one, or use protocol files of one release"
            )
    truths, labelled = boxes_by_image(load_annotations(dataset_name), first.image_names)
    return ScoringData(dataset_name, truths, labelled, protocols)


def check_options(*, score_thresh: float, rules: str, ap: str) -> None:
    """Refuse what no scoring can be done with; asked by the evaluator before the model runs, and by scoring itself.

    Args:
        score_thresh: should be in [0, 1].
        rules: should be one of ``RULES``.
        ap: should be one of ``AP_KINDS``.

    Raises:
        ValueError: it is not; the message names the option and its key.
    """
    if not 0 <= score_thresh <= 1:
        raise ValueError(f"score_thresh (TEST.SEARCH.SCORE_THRESH): expected a number in [0, 1], found {score_thresh}")
    for name, value, known in (("rules", rules, RULES), ("ap", ap, AP_KINDS)):
        if value not in known:
            raise ValueError(f"{name} (TEST.SEARCH.{name.upper()}): expected one of {known}, found {value!r}")


def boxes_by_image(records: Sequence[Mapping[str, Any]], image_names: np.ndarray) -> tuple[BoxesByImage, np.ndarray]:
    """Collect the annotated boxes of records in a given order.

    Args:
        records: Detectron2 records (see ``inet_d2/data/records.py``); crowds are left out.
        image_names: (I,) str, each the ``image_id`` of a record.

    Returns:
        The XYXY boxes, and (R,) bool which of them have a known identity.

    Raises:
        ValueError: an image has no record, or two.
    """
    by_name = records_by_name(records)
    missing = [name for name in image_names.tolist() if name not in by_name]
    if missing:
        raise ValueError(
            f"image_id: expected the {len(image_names)} images of the protocol, found no record of {len(missing)}, "
            f"first {missing[0]}; name images alike in protocol and records"
        )
    rows = [people_of(by_name[name]) for name in image_names.tolist()]
    people = [person for row in rows for person in row]
    counts = np.array([len(row) for row in rows], dtype=np.int64)
    return BoxesByImage(counts, annotation_boxes(people)), is_labelled(annotation_pids(people))


def score_predictions(
    predictions: SearchPredictions,
    data: ScoringData,
    *,
    score_thresh: float = 0.5,
    rules: str = "reference",
    ap: str = "step",
    confidence_weight: bool = False,
    context: ContextPredictions | None = None,
    block_size: int | None = None,
) -> SearchScores:
    """Compute every figure of saved predictions.

    Nothing found gives 0 (no detection, no hit, an empty gallery). Queries without ground truth are left out,
    with a warning and their number.

    Args:
        predictions: of the whole test split.
        data: of the same split.
        score_thresh: detections below it neither count nor are searched, in [0, 1].
        rules: ``reference`` or ``seqnet``.
        ap: ``step`` or ``trapezoid``, for search and detection.
        confidence_weight: multiply similarities by the detection's score, as NAE and SeqNet do.
        context: people of the query images; computes ``search_cbgm`` as well.
        block_size: queries at once; changes speed and memory only.

    Returns:
        The figures.

    Raises:
        ValueError: the predictions do not fit the data set, or an option is unknown.
    """
    check_options(score_thresh=score_thresh, rules=rules, ap=ap)
    protocol = next(iter(data.protocols.values()))
    gallery, scores, embeddings = order_gallery(
        predictions, protocol.image_names, score_thresh, confidence_weight=confidence_weight
    )
    rows = find_queries(predictions, protocol)
    _warn_of_lengths(predictions.gallery_embeddings)
    options = {"rules": rules, "ap": ap, "block_size": block_size}
    inputs = (predictions.query_embeddings[rows], gallery, embeddings, data.protocols)
    rankings = rank_queries(*inputs, **options)
    revised = {}
    if context is not None:
        _check_context(context, len(predictions.query_names))
        size = PRW_SIZE if protocol.gallery == EVERY else CUHK_SYSU_SIZE
        matching = GraphMatching(context, inputs[0], rows, gallery, embeddings, size)
        revised = rank_queries(*inputs, **options, revise=matching)
    _warn_of_skipped(data, rankings)
    return SearchScores(
        detection=_detection_figures(data, gallery, scores, ap),
        search={name: ranking.figures() for name, ranking in rankings.items()},
        search_cbgm={name: ranking.figures() for name, ranking in revised.items()},
        num_queries={name: int((r.num_ground_truths > 0).sum()) for name, r in rankings.items()},
        num_skipped={name: int((r.num_ground_truths == 0).sum()) for name, r in rankings.items()},
        rankings=rankings,
    )


def curve_of_detections(predictions: SearchPredictions, data: ScoringData, *, score_thresh: float) -> DetectionCurve:
    """The curve of which ``AP`` of the detection figures is the area.

    Args:
        predictions: of the whole test split.
        data: of the same split.
        score_thresh: detections below it do not count, in [0, 1]; the curve ends there.

    Raises:
        ValueError: the predictions do not fit the data set.
    """
    names = next(iter(data.protocols.values())).image_names
    gallery, scores, _ = order_gallery(predictions, names, score_thresh)
    matched = match_mutually(data.truths, gallery)
    return detection_curve(scores, matched, num_truths=len(data.truths.boxes), num_images=len(names))


def _check_context(context: ContextPredictions, num_queries: int) -> None:
    if len(context.context_counts) != num_queries:
        raise ValueError(
            f"context_counts: expected one per query of the predictions, {num_queries}, found "
            f"{len(context.context_counts)}; use the context of the same evaluation"
        )


def _warn_of_lengths(embeddings: np.ndarray) -> None:
    """Say where the inner product is no cosine; a query's own length changes no order."""
    lengths = np.linalg.norm(embeddings, axis=1)
    other = lengths[np.abs(lengths - 1) > _LENGTH_TOLERANCE]
    if len(other):
        _logger.warning(
            "gallery_embeddings: %d of %d rows are not of unit length (%.3g to %.3g); people are ranked by inner "
            "product, which is the cosine for unit length only",
            len(other),
            len(lengths),
            other.min(),
            other.max(),
        )


def _warn_of_skipped(data: ScoringData, rankings: Mapping[str, SearchRanking]) -> None:
    for name, ranking in rankings.items():
        skipped = int((ranking.num_ground_truths == 0).sum())
        if skipped:
            _logger.warning(
                "%s, gallery %s: %d of %d queries have no ground truth in their gallery and are left out",
                data.name,
                name,
                skipped,
                len(ranking.num_ground_truths),
            )


def _detection_figures(data: ScoringData, gallery: BoxesByImage, scores: np.ndarray, ap: str) -> dict[str, float]:
    precision, recall = detection_scores(data.truths, gallery, scores, ap)
    images = np.repeat(np.arange(len(data.truths.counts)), data.truths.counts)
    counts = np.bincount(images[data.labelled], minlength=len(data.truths.counts))
    labelled = BoxesByImage(counts, data.truths.boxes[data.labelled])
    found = match_mutually(labelled, gallery).sum()
    return {
        "AP": 100 * precision,
        "recall": 100 * recall,
        "recall_labelled": 100 * float(found / max(len(labelled.boxes), 1)),
    }
