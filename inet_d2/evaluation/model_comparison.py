"""Figures with their intervals over queries, and models against each other on the same queries."""

from collections.abc import Mapping
from dataclasses import asdict
from typing import Any

import numpy as np

from inet_d2.evaluation.search_ranking import SearchRanking
from inet_d2.evaluation.significance import bootstrap_interval, paired_difference

Rankings = Mapping[str, SearchRanking]
"""By gallery size."""


def query_values(ranking: SearchRanking) -> dict[str, np.ndarray]:
    """What the figures of a ranking are the means of.

    Args:
        ranking: of any number of queries.

    Returns:
        By metric (``mAP``, ``top1``, ``top5``, ``top10``) one value for each query with ground truth, 0-100.
    """
    counted = ranking.num_ground_truths > 0
    ranks = ranking.best_ranks[counted]
    found = {f"top{k}": 100.0 * ((ranks >= 0) & (ranks < k)) for k in (1, 5, 10)}
    return {"mAP": 100.0 * ranking.average_precisions[counted], **found}


def intervals(rankings: Rankings) -> dict[str, dict[str, list[float]]]:
    """95 % bootstrap intervals of every figure.

    Args:
        rankings: of one model.

    Returns:
        Gallery size -> metric -> lower and upper end, 0-100; galleries in which no query counts are left out.
    """
    values = {gallery: query_values(ranking) for gallery, ranking in rankings.items()}
    return {
        gallery: {metric: list(bootstrap_interval(each)) for metric, each in found.items()}
        for gallery, found in values.items()
        if len(found["mAP"])
    }


def differences(rankings: Rankings, reference: Rankings) -> dict[str, dict[str, dict[str, Any]]]:
    """A model against another one, query by query.

    Args:
        rankings: of the model.
        reference: of the other, under the same protocols.

    Returns:
        Gallery size -> metric -> ``difference``, ``low``, ``high`` (0-100) and ``p_value``.

    Raises:
        ValueError: other queries count.
    """
    found: dict[str, dict[str, dict[str, Any]]] = {}
    for gallery, ranking in rankings.items():
        ours, theirs = query_values(ranking), query_values(reference[gallery])
        if len(ours["mAP"]):
            found[gallery] = {
                metric: asdict(paired_difference(values, theirs[metric])) for metric, values in ours.items()
            }
    return found
