"""Re-identification figures of embeddings, block after block of queries."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from detectron2.config import CfgNode

from inet_d2.data.datasets.reid_split import ReidSplit
from inet_d2.evaluation.reid_metric import rank_crops, reid_figures, single_shot_ranks
from inet_d2.evaluation.reranking import k_reciprocal_distances
from inet_d2.evaluation.search_metric import check_ap_kind, share_within

_CELLS_AT_ONCE = 1 << 23


@dataclass(frozen=True)
class ReidOptions:
    """How re-identification is scored.

    Attributes:
        ap: ``step`` or ``trapezoid``.
        rerank: also give figures after k-reciprocal re-ranking.
        k1: see :func:`k_reciprocal_distances`, as the next two.
        k2: the same.
        weight: the same.
        single_shot: also rank galleries of one image for each identity, as the classic evaluation of CUHK03 does.

    Raises:
        ValueError: ``ap`` is unknown.
    """

    ap: str = "step"
    rerank: bool = False
    k1: int = 20
    k2: int = 6
    weight: float = 0.3
    single_shot: bool = False

    def __post_init__(self) -> None:
        check_ap_kind(self.ap)

    @classmethod
    def from_config(cls, cfg: CfgNode) -> "ReidOptions":
        """Read ``TEST.REID``."""
        node = cfg.TEST.REID
        rerank = node.RERANK
        return cls(node.AP, rerank.ENABLED, rerank.K1, rerank.K2, rerank.WEIGHT, node.SINGLE_SHOT)


def score_reid(
    queries: np.ndarray, gallery: np.ndarray, people: Mapping[str, np.ndarray], options: ReidOptions
) -> dict[str, dict[str, float]]:
    """Rank by inner products, which for rows of unit length are cosines.

    Args:
        queries: (Q, D) float.
        gallery: (G, D) float.
        people: ``query_pids``, ``query_cameras``, ``gallery_pids`` and ``gallery_cameras`` of :func:`rank_crops`.
        options: what is wanted.

    Returns:
        ``reid`` with mAP and top-k in 0-100 and the numbers of queries that count and are skipped; where asked for,
        ``reid_reranked`` (the same) and ``reid_single_shot`` (top-k).

    Raises:
        ValueError: see :func:`rank_crops`.

    Re-ranking takes rows of unit length.
    """
    precisions, firsts, shots = [], [], []
    step = max(_CELLS_AT_ONCE // max(len(gallery), 1), 1)
    gallery_people = {name: people[name] for name in ("gallery_pids", "gallery_cameras")}
    for first in range(0, len(queries), step):
        part = slice(first, first + step)
        own = {name: people[name][part] for name in ("query_pids", "query_cameras")}
        distances = -(queries[part] @ gallery.T)
        precision, ranks = rank_crops(distances, **own, **gallery_people, ap=options.ap)
        precisions.append(precision)
        firsts.append(ranks)
        if options.single_shot:
            shots.append(single_shot_ranks(distances, **own, **gallery_people, seed=first))
    results = {"reid": reid_figures(np.concatenate(precisions), np.concatenate(firsts))}
    if options.rerank:
        distances = k_reciprocal_distances(queries, gallery, k1=options.k1, k2=options.k2, weight=options.weight)
        results["reid_reranked"] = reid_figures(*rank_crops(distances, **people, ap=options.ap))
    if options.single_shot:
        ranks = np.concatenate(shots)
        ranks = ranks[ranks >= 0]
        results["reid_single_shot"] = {f"top{k}": 100 * share_within(ranks, k) for k in (1, 5, 10, 20)}
    return results


def score_split(
    queries: np.ndarray, gallery: np.ndarray, split: ReidSplit, options: ReidOptions
) -> dict[str, dict[str, float]]:
    """Score a data set by its evaluations.

    Where the gallery holds the queries themselves (MARS) there are two: most code takes them out of it; the authors'
    keeps them, as distractors to each other, and has the trapezoid.

    Args:
        queries: (Q, D) float.
        gallery: (G, D) float.
        split: whose they are.
        options: what is wanted.

    Returns:
        What :func:`score_reid` gives without the queries in the gallery; where it holds them, also ``reid_official``.
    """
    people, kept = split.people(), ~split.is_query
    without = {name: value[kept] if name.startswith("gallery") else value for name, value in people.items()}
    results = score_reid(queries, gallery[kept], without, options)
    if not kept.all():
        official = score_reid(queries, gallery, people, ReidOptions(ap="trapezoid"))
        results["reid_official"] = official["reid"]
    return results
