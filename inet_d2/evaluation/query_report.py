"""Why each query is found or not: its average precision, and what the boxes and the embeddings cost it."""

import csv
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Final

import numpy as np

from inet_d2.data.datasets.protocol import SearchProtocol
from inet_d2.evaluation.search_ranking import SearchRanking
from inet_d2.files import written_aside

COLUMNS: Final = (
    "predictions", "gallery", "query", "image", "x1", "y1", "x2", "y2", "ground_truths", "boxed", "best_rank", "ap",
    "lost_to_boxes", "lost_to_embeddings", "failure",
)  # fmt: skip
"""Columns of the table of queries."""


def failures(ranking: SearchRanking) -> np.ndarray:
    """Say what keeps each query's person from the first place.

    Args:
        ranking: of Q queries.

    Returns:
        (Q,) str: "" where the person stands first, "box" where no detection in the gallery overlaps the person enough,
        "embedding" where one does and somebody else stands before it, "no ground truth" for queries that do not count.
    """
    found = np.where(ranking.best_ranks == 0, "", "embedding").astype(object)
    found[ranking.num_hits == 0] = "box"
    found[ranking.num_ground_truths == 0] = "no ground truth"
    return found.astype(str)


def losses(ranking: SearchRanking) -> tuple[np.ndarray, np.ndarray]:
    """Part what each query's average precision lacks to 1.

    If everybody with a box stood before all others, the average precision would be the share of ground truths that
    have a box. What lacks of that is the embeddings' fault, the rest is that of the boxes.

    Args:
        ranking: of Q queries.

    Returns:
        (Q,) float64 lost to boxes and (Q,) lost to embeddings, in [0, 1]; with the average precision they add up to 1,
        and are both 0 for queries without ground truth.
    """
    counted = ranking.num_ground_truths > 0
    reachable = ranking.num_hits / np.maximum(ranking.num_ground_truths, 1)
    to_boxes = np.where(counted, 1 - reachable, 0.0)
    return to_boxes, np.where(counted, np.maximum(reachable - ranking.average_precisions, 0.0), 0.0)


def mean_losses(ranking: SearchRanking) -> tuple[float, float]:
    """Means of :func:`losses` over the queries that count, 0-100; with mAP they add up to 100."""
    counted = ranking.num_ground_truths > 0
    if not counted.any():
        return 0.0, 0.0
    to_boxes, to_embeddings = losses(ranking)
    return 100 * float(to_boxes[counted].mean()), 100 * float(to_embeddings[counted].mean())


def query_rows(
    predictions: str, protocols: Mapping[str, SearchProtocol], rankings: Mapping[str, SearchRanking]
) -> Iterator[dict[str, Any]]:
    """List what there is to say of every query in every gallery.

    Args:
        predictions: what the rankings are of, for the first column.
        protocols: by gallery size.
        rankings: by gallery size, of the same queries.

    Yields:
        A row with ``COLUMNS``; ``best_rank`` counts from 1 and is "" without a hit; ``ap`` and what is lost are in
        [0, 1].
    """
    for gallery, ranking in rankings.items():
        protocol = protocols[gallery]
        to_boxes, to_embeddings = losses(ranking)
        reasons = failures(ranking)
        for query in range(protocol.num_queries):
            rank = int(ranking.best_ranks[query])
            values = (
                predictions, gallery, query, protocol.query_names[query], *protocol.query_boxes[query].tolist(),
                int(ranking.num_ground_truths[query]), int(ranking.num_hits[query]), rank + 1 if rank >= 0 else "",
                float(ranking.average_precisions[query]), float(to_boxes[query]), float(to_embeddings[query]),
                reasons[query],
            )  # fmt: skip
            yield dict(zip(COLUMNS, values, strict=True))


def write_query_table(path: str | Path, rows: Sequence[Mapping[str, Any]]) -> None:
    """Write rows of :func:`query_rows` as CSV; an older file stays whole until the new one is complete.

    Args:
        path: where; its folder must exist.
        rows: any number.
    """
    with written_aside(path) as aside, aside.open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, COLUMNS)
        writer.writeheader()
        writer.writerows(rows)
